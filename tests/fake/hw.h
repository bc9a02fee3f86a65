/* The processor and the bus as tests have them: every function of libvmm/hw/hw.h, over one plain struct. libvmm's
 * hosted build takes this file by include path; tests prepare fake_hw beforehand and read it afterwards.
 *
 * Whatever the hypervisor must never do ends the test with a message: an access nobody provided for, a misaligned
 * register access, a model-specific register that does not exist. Not thread-safe; starts zeroed. */
#ifndef VMM_HW_H
#define VMM_HW_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hw_table {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct hw_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

/* ---- what is recorded ---- */

enum fake_kind {
    FAKE_IN, /* at: port */
    FAKE_OUT,
    FAKE_READ, /* at: bus address */
    FAKE_WRITE,
    FAKE_WRMSR, /* at: register */
    FAKE_CR,    /* at: number, written */
    FAKE_XSETBV,
    FAKE_XSAVE, /* value: mask */
    FAKE_XRSTOR,
    FAKE_XMM_SAVE,
    FAKE_XMM_RESTORE,
    FAKE_CLGI,
    FAKE_STGI,
    FAKE_GIF_WINDOW,
    FAKE_VMSAVE, /* at: control block */
    FAKE_VMRUN,
    FAKE_HOST_ENTER,
    FAKE_LIDT,
    FAKE_WBINVD,
};

struct fake_effect {
    enum fake_kind kind;
    uint64_t at, value;
    unsigned n_bytes;
};

/* ---- what answers ---- */

/* Memory at bus addresses [base, base + n_bytes). */
struct fake_window {
    uint64_t base, n_bytes;
    uint8_t *at;
};

struct fake_msr {
    uint32_t number;
    uint64_t value;
    uint64_t writable; /* writing a one elsewhere faults */
    bool no_read;
};

struct fake_cpuid {
    uint32_t leaf, subleaf;
    struct hw_cpuid answer;
};

enum fake_end { FAKE_RETURNED, FAKE_TRIPLE_FAULT, FAKE_PANIC, FAKE_STOPPED };

#define FAKE_MAX 64u

struct fake_hw {
    struct fake_window window[FAKE_MAX];
    unsigned n_windows;
    struct fake_window forbidden[2]; /* any access here ends the test */
    unsigned n_forbidden;
    bool open_bus;   /* direct reads outside all windows see ones; otherwise they end the test */
    bool strict_bus; /* accesses of registers outside all windows end the test; otherwise: ones, and vanish */
    struct fake_msr msr[FAKE_MAX];
    unsigned n_msrs;
    struct fake_cpuid cpuid[FAKE_MAX]; /* others answer zeros */
    unsigned n_cpuids;
    uint32_t in_value; /* what every port answers, cut to the width */
    uint64_t cr[9], xcr0, dr6, dr7, tsc, tsc_step;
    uint16_t selector[8];
    struct hw_table gdt, idt;
    unsigned n_pauses;
    void (*on_effect)(const struct fake_effect *effect); /* after it was recorded; NULL: nothing */
    void (*on_pause)(void);

    struct fake_effect log[256]; /* the first ones */
    unsigned n_log;

    bool catching;
    jmp_buf end;
    enum fake_end ended_by;
    char panic[256];
};
extern struct fake_hw fake_hw;

void fake_map(uint64_t base, uint64_t n_bytes, void *at);
void fake_msr(uint32_t number, uint64_t value, uint64_t writable);
struct fake_msr *fake_msr_find(uint32_t number); /* NULL if it does not exist */
void fake_cpuid(uint32_t leaf, uint32_t subleaf, struct hw_cpuid answer);
void fake_record(enum fake_kind kind, uint64_t at, unsigned n_bytes, uint64_t value);
/* How many effects of this kind were recorded, and the nth of them (0-based; the test ends if there is none). */
unsigned fake_count(enum fake_kind kind);
const struct fake_effect *fake_nth(enum fake_kind kind, unsigned n);

/* Run fn(arg), which may never return. Says how it ended; outside of this, a panic or triple fault ends the test. */
enum fake_end fake_run(void (*fn)(void *arg), void *arg);
_Noreturn void fake_finish(enum fake_end how);
_Noreturn void fake_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- libvmm/hw/hw.h ---- */

struct hw_cpuid hw_cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t hw_rdmsr(uint32_t msr);
void hw_wrmsr(uint32_t msr, uint64_t v);
bool hw_rdmsr_safe(uint32_t msr, uint64_t *out);
bool hw_wrmsr_safe(uint32_t msr, uint64_t v);
uint64_t hw_read_cr0(void);
uint64_t hw_read_cr2(void);
uint64_t hw_read_cr3(void);
uint64_t hw_read_cr4(void);
void hw_write_cr0(uint64_t v);
void hw_write_cr2(uint64_t v);
void hw_write_cr3(uint64_t v);
void hw_write_cr4(uint64_t v);
uint64_t hw_read_dr6(void);
uint64_t hw_read_dr7(void);
uint64_t hw_rdtsc(void);
uint32_t hw_in(uint16_t port, unsigned n_bytes);
void hw_out(uint16_t port, unsigned n_bytes, uint32_t v);
uint64_t hw_mmio_read(uint64_t addr, unsigned n_bytes);
void hw_mmio_write(uint64_t addr, unsigned n_bytes, uint64_t v);
void *hw_direct(uint64_t a);
uint64_t hw_xgetbv(void);
void hw_xsetbv(uint64_t v);
void hw_xsave(void *area, uint64_t mask);
void hw_xrstor(const void *area, uint64_t mask);
void hw_xmm_save(void *area);
void hw_xmm_restore(const void *area);
void hw_pause(void);
void hw_halt(void);
void hw_cli(void);
void hw_wbinvd(void);
void hw_sgdt(struct hw_table *t);
void hw_sidt(struct hw_table *t);
void hw_lidt(const struct hw_table *t);
void hw_read_selectors(uint16_t out[8]);
void hw_svm_vmsave(uint64_t vmcb_pa);
void hw_svm_clgi(void);
void hw_svm_stgi(void);
void hw_svm_gif_window(void);
_Noreturn void hw_triple_fault(void);

#endif
