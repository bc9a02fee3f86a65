/* One guest on one fake machine: memory, a device page, a local APIC, processors behind a fake vendor, and a trap
 * handler that records. Tests move registers and memory by hand, hand an exit to libvmm, and look at what changed.
 *
 * guest_start() gives 64-bit mode at privilege level 0, RAM and device mapped 1:1 by the guest's own page tables, in
 * setup. One guest a program run. */
#ifndef FAKE_GUEST_H
#define FAKE_GUEST_H

#include <hw.h>
#include "host.h"

#define GUEST_RAM        UINT64_C(0x0)
#define GUEST_RAM_BYTES  0x80000u
#define GUEST_TABLES     UINT64_C(0x60000) /* the guest's page tables, in RAM */
#define GUEST_CODE       UINT64_C(0x1000)  /* rip */
#define GUEST_DATA       UINT64_C(0x4000)
#define GUEST_LOW_PAGE   UINT64_C(0x9f000)
#define GUEST_REGION     UINT64_C(0x10000000)
#define GUEST_DEVICE     UINT64_C(0xfebf0000)
#define GUEST_DEV_BYTES  0x3000u
#define GUEST_APIC       UINT64_C(0xfee00000)
#define GUEST_FLASH      UINT64_C(0xffff0000) /* readable, not RAM */
#define GUEST_HIGH       UINT64_C(0x140000000)
#define GUEST_HIGH_BYTES 0x10000u
#define GUEST_CPUS       4u

/* What the fake vendor keeps of a processor. */
struct guest_cpu {
    uint64_t reg[VMM_N_REGS];
    struct vmm_segment seg[10];
    uint8_t cpl;
    uint8_t insn_bytes[15];
    unsigned n_insn_bytes; /* handed over with the exit, as a processor with decode assists does */
    unsigned n_skipped, n_enabled, n_ready, n_left;
    bool iret_exit;
    struct vmm_cpu_state loaded;
};

struct guest_msr {
    uint32_t msr;
    bool read, write;
};

struct guest {
    struct vmm vmm;
    struct vmm_vcpu vcpu[GUEST_CPUS];
    struct vmm_cpu_slot slot[GUEST_CPUS];
    struct guest_cpu cpu[GUEST_CPUS];
    uint8_t pio[65536]; /* 1: exits */
    struct guest_msr msr[64];
    unsigned n_msrs;
    const struct vmm_exit *script; /* what run() gives, then the program stops */
    unsigned n_script;
    struct vmm_event entered[16]; /* what was injected at each entry */
    unsigned n_entered;
    uint64_t next_table;
    uint8_t ram[GUEST_RAM_BYTES] __attribute__((aligned(4096)));
    uint8_t high[GUEST_HIGH_BYTES] __attribute__((aligned(4096)));
    uint8_t device[GUEST_DEV_BYTES] __attribute__((aligned(4096)));
    uint8_t apic[4096] __attribute__((aligned(4096)));
    uint8_t flash[4096] __attribute__((aligned(4096)));
    uint8_t low_page[4096] __attribute__((aligned(4096)));
    uint8_t arena[0x200000] __attribute__((aligned(4096)));
};
extern struct guest guest;
extern const struct vmm_cpu_ops guest_ops;

void guest_start(void);
/* Registers and memory as after guest_start(), traps and hooks as they are. */
void guest_reset(void);
void guest_reset_cpus(void); /* registers only */
void guest_flat32(void);     /* protected mode, flat 4 GiB segments, no paging */
void guest_real(void);       /* real mode, segments at 0 */
/* Another page in the guest's own four-level tables. flags: PT_W, PT_U, PT_NX */
void guest_map(uint64_t linear, uint64_t physical, uint64_t flags);
uint64_t *guest_pte(uint64_t linear);
/* An instruction at GUEST_CODE, and the guest's rip there. */
void guest_code(const void *bytes, size_t n_bytes);
#define GUEST_CODE_IS(s) guest_code(s, sizeof(s) - 1)

/* Hand an exit of processor 0 to libvmm. */
void guest_exit(struct vmm_exit exit);
struct vmm_exit guest_mmio(uint64_t at, bool write);
/* Copy the fake vendor's registers to where a vendor's run() leaves them. */
void guest_sync(struct vmm_vcpu *vcpu);
uint64_t guest_peek(uint64_t at, unsigned n_bytes); /* by physical address */
void guest_poke(uint64_t at, unsigned n_bytes, uint64_t value);

/* A trap that answers `answer`, reads as `value`, and remembers. With VMM_INJECT it queues #GP(0x123). */
struct guest_trap {
    enum vmm_verdict answer;
    uint64_t value;
    struct vmm_access seen[32]; /* the first ones */
    unsigned n_seen;
};
enum vmm_verdict guest_trap(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access);

#endif
