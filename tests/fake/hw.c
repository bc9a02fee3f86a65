/* see hw.h */
#include "hw.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_hw fake_hw;

/* ---- preparing and reading it ---- */

void fake_fail(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

void fake_map(uint64_t base, uint64_t n_bytes, void *at) {
    if (fake_hw.n_windows == FAKE_MAX) fake_fail("too many windows");
    fake_hw.window[fake_hw.n_windows++] = (struct fake_window){base, n_bytes, at};
}

struct fake_msr *fake_msr_find(uint32_t number) {
    for (unsigned i = 0; i < fake_hw.n_msrs; i++)
        if (fake_hw.msr[i].number == number) return &fake_hw.msr[i];
    return NULL;
}

void fake_msr(uint32_t number, uint64_t value, uint64_t writable) {
    struct fake_msr *m = fake_msr_find(number);
    if (!m && fake_hw.n_msrs == FAKE_MAX) fake_fail("too many MSRs");
    if (!m) m = &fake_hw.msr[fake_hw.n_msrs++];
    *m = (struct fake_msr){.number = number, .value = value, .writable = writable};
}

void fake_cpuid(uint32_t leaf, uint32_t subleaf, struct hw_cpuid answer) {
    for (unsigned i = 0; i < fake_hw.n_cpuids; i++)
        if (fake_hw.cpuid[i].leaf == leaf && fake_hw.cpuid[i].subleaf == subleaf) {
            fake_hw.cpuid[i].answer = answer;
            return;
        }
    if (fake_hw.n_cpuids == FAKE_MAX) fake_fail("too many CPUID leaves");
    fake_hw.cpuid[fake_hw.n_cpuids++] = (struct fake_cpuid){leaf, subleaf, answer};
}

void fake_record(enum fake_kind kind, uint64_t at, unsigned n_bytes, uint64_t value) {
    struct fake_effect e = {.kind = kind, .at = at, .n_bytes = n_bytes, .value = value};
    if (fake_hw.n_log < sizeof fake_hw.log / sizeof fake_hw.log[0]) fake_hw.log[fake_hw.n_log++] = e;
    if (fake_hw.on_effect) fake_hw.on_effect(&e);
}

unsigned fake_count(enum fake_kind kind) {
    unsigned n = 0;
    for (unsigned i = 0; i < fake_hw.n_log; i++) n += fake_hw.log[i].kind == kind;
    return n;
}

const struct fake_effect *fake_nth(enum fake_kind kind, unsigned n) {
    for (unsigned i = 0; i < fake_hw.n_log; i++)
        if (fake_hw.log[i].kind == kind && n-- == 0) return &fake_hw.log[i];
    fake_fail("effect of kind %d not recorded", kind);
}

enum fake_end fake_run(void (*fn)(void *arg), void *arg) {
    fake_hw.catching = true;
    fake_hw.ended_by = FAKE_RETURNED;
    if (!setjmp(fake_hw.end)) fn(arg);
    fake_hw.catching = false;
    return fake_hw.ended_by;
}

void fake_finish(enum fake_end how) {
    if (!fake_hw.catching) fake_fail("ended by %d (%s)", how, fake_hw.panic);
    fake_hw.ended_by = how;
    longjmp(fake_hw.end, 1);
}

/* ---- the bus ---- */

static bool holds(const struct fake_window *w, uint64_t a, unsigned n_bytes) {
    return a >= w->base && a - w->base < w->n_bytes && n_bytes <= w->n_bytes - (a - w->base);
}

static uint8_t *find(uint64_t a, unsigned n_bytes) {
    for (unsigned i = 0; i < fake_hw.n_forbidden; i++)
        if (holds(&fake_hw.forbidden[i], a, 1) || holds(&fake_hw.forbidden[i], a + n_bytes - 1, 1))
            fake_fail("forbidden address %lx", (unsigned long)a);
    for (unsigned i = 0; i < fake_hw.n_windows; i++)
        if (holds(&fake_hw.window[i], a, n_bytes)) return fake_hw.window[i].at + (a - fake_hw.window[i].base);
    return NULL;
}

void *hw_direct(uint64_t a) {
    static uint8_t ones[4096];
    void *p = find(a, 1);
    if (!p && fake_hw.open_bus) {
        memset(ones, 0xff, sizeof ones);
        p = ones + (a & 0xfff);
    }
    if (!p) fake_fail("no memory at bus address %lx", (unsigned long)a);
    return p;
}

static void check_width(uint64_t a, unsigned n_bytes) {
    if ((n_bytes != 1 && n_bytes != 2 && n_bytes != 4 && n_bytes != 8) || (a & (n_bytes - 1)))
        fake_fail("bus access of %u bytes at %lx", n_bytes, (unsigned long)a);
}

uint64_t hw_mmio_read(uint64_t a, unsigned n_bytes) {
    check_width(a, n_bytes);
    const uint8_t *p = find(a, n_bytes);
    if (!p && fake_hw.strict_bus) fake_fail("read of bus address %lx", (unsigned long)a);
    uint64_t v = UINT64_MAX >> (64 - 8 * n_bytes);
    if (p) {
        v = 0;
        memcpy(&v, p, n_bytes);
    }
    fake_record(FAKE_READ, a, n_bytes, v);
    return v;
}

void hw_mmio_write(uint64_t a, unsigned n_bytes, uint64_t v) {
    check_width(a, n_bytes);
    uint8_t *p = find(a, n_bytes);
    if (!p && fake_hw.strict_bus) fake_fail("write of bus address %lx", (unsigned long)a);
    v &= UINT64_MAX >> (64 - 8 * n_bytes);
    if (p) memcpy(p, &v, n_bytes);
    fake_record(FAKE_WRITE, a, n_bytes, v);
}

static void check_port(unsigned n_bytes) {
    if (n_bytes != 1 && n_bytes != 2 && n_bytes != 4) fake_fail("port access of %u bytes", n_bytes);
}

uint32_t hw_in(uint16_t port, unsigned n_bytes) {
    check_port(n_bytes);
    uint32_t v = fake_hw.in_value & (UINT32_MAX >> (32 - 8 * n_bytes));
    fake_record(FAKE_IN, port, n_bytes, v);
    return v;
}

void hw_out(uint16_t port, unsigned n_bytes, uint32_t v) {
    check_port(n_bytes);
    fake_record(FAKE_OUT, port, n_bytes, v & (UINT32_MAX >> (32 - 8 * n_bytes)));
}

/* ---- registers ---- */

struct hw_cpuid hw_cpuid(uint32_t leaf, uint32_t subleaf) {
    for (unsigned i = 0; i < fake_hw.n_cpuids; i++)
        if (fake_hw.cpuid[i].leaf == leaf && fake_hw.cpuid[i].subleaf == subleaf) return fake_hw.cpuid[i].answer;
    return (struct hw_cpuid){0, 0, 0, 0};
}

bool hw_rdmsr_safe(uint32_t number, uint64_t *out) {
    const struct fake_msr *m = fake_msr_find(number);
    *out = 0;
    if (!m || m->no_read) return false;
    *out = m->value;
    return true;
}

bool hw_wrmsr_safe(uint32_t number, uint64_t v) {
    struct fake_msr *m = fake_msr_find(number);
    if (!m || (v & ~m->writable)) return false;
    m->value = v;
    fake_record(FAKE_WRMSR, number, 8, v);
    return true;
}

uint64_t hw_rdmsr(uint32_t number) {
    uint64_t v;
    if (!hw_rdmsr_safe(number, &v)) fake_fail("#GP: read of MSR %x", number);
    return v;
}

void hw_wrmsr(uint32_t number, uint64_t v) {
    if (!hw_wrmsr_safe(number, v)) fake_fail("#GP: write of %lx to MSR %x", (unsigned long)v, number);
}

static void write_cr(unsigned n, uint64_t v) {
    fake_hw.cr[n] = v;
    fake_record(FAKE_CR, n, 8, v);
}

uint64_t hw_read_cr0(void) { return fake_hw.cr[0]; }
uint64_t hw_read_cr2(void) { return fake_hw.cr[2]; }
uint64_t hw_read_cr3(void) { return fake_hw.cr[3]; }
uint64_t hw_read_cr4(void) { return fake_hw.cr[4]; }
void hw_write_cr0(uint64_t v) { write_cr(0, v); }
void hw_write_cr2(uint64_t v) { write_cr(2, v); }
void hw_write_cr3(uint64_t v) { write_cr(3, v); }
void hw_write_cr4(uint64_t v) { write_cr(4, v); }
uint64_t hw_read_dr6(void) { return fake_hw.dr6; }
uint64_t hw_read_dr7(void) { return fake_hw.dr7; }
uint64_t hw_rdtsc(void) { return fake_hw.tsc += fake_hw.tsc_step; }

uint64_t hw_xgetbv(void) { return fake_hw.xcr0; }
void hw_xsetbv(uint64_t v) {
    fake_hw.xcr0 = v;
    fake_record(FAKE_XSETBV, 0, 8, v);
}
void hw_xsave(void *area, uint64_t mask) {
    if ((uintptr_t)area & 63) fake_fail("XSAVE area not aligned");
    fake_record(FAKE_XSAVE, (uintptr_t)area, 0, mask);
}
void hw_xrstor(const void *area, uint64_t mask) {
    const uint64_t *header = (const uint64_t *)area + 512 / 8;
    for (unsigned i = 1; i < 8; i++)
        if (header[i]) fake_fail("#GP: XRSTOR with a header that is not zero");
    fake_record(FAKE_XRSTOR, (uintptr_t)area, 0, mask);
}
void hw_xmm_save(void *area) { fake_record(FAKE_XMM_SAVE, (uintptr_t)area, 0, 0); }
void hw_xmm_restore(const void *area) { fake_record(FAKE_XMM_RESTORE, (uintptr_t)area, 0, 0); }

void hw_sgdt(struct hw_table *t) { *t = fake_hw.gdt; }
void hw_sidt(struct hw_table *t) { *t = fake_hw.idt; }
void hw_lidt(const struct hw_table *t) {
    fake_hw.idt = *t;
    fake_record(FAKE_LIDT, t->base, t->limit, 0);
}
void hw_read_selectors(uint16_t out[8]) { memcpy(out, fake_hw.selector, sizeof fake_hw.selector); }

/* ---- control flow ---- */

void hw_pause(void) {
    fake_hw.n_pauses++;
    if (fake_hw.on_pause) fake_hw.on_pause();
}
void hw_halt(void) { fake_finish(FAKE_STOPPED); }
void hw_cli(void) {}
void hw_wbinvd(void) { fake_record(FAKE_WBINVD, 0, 0, 0); }
void hw_svm_vmsave(uint64_t vmcb_pa) { fake_record(FAKE_VMSAVE, vmcb_pa, 0, 0); }
void hw_svm_clgi(void) { fake_record(FAKE_CLGI, 0, 0, 0); }
void hw_svm_stgi(void) { fake_record(FAKE_STGI, 0, 0, 0); }
void hw_svm_gif_window(void) { fake_record(FAKE_GIF_WINDOW, 0, 0, 0); }
void hw_triple_fault(void) { fake_finish(FAKE_TRIPLE_FAULT); }
