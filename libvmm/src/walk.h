/* Guest-linear to guest-physical, as the processor would translate it: every paging mode, permissions, accessed and
 * dirty bits. Pure over a memory callback. Protection keys are not checked. Source: APM Volume 2, chapter 5 "Page
 * Translation and Protection". */
#ifndef VMM_WALK_H
#define VMM_WALK_H

#include <vmm/bits.h>
#include <vmm/types.h>

struct walk_regs {
    uint64_t cr0, cr3, cr4, efer, rflags;
    uint64_t reserved; /* bits that must be 0 in 8-byte entries */
    unsigned cpl;
};

/* Page-fault error code: 8.2.15 "#PF Page-Fault Exception" */
#define PF_P    BIT(0)
#define PF_W    BIT(1)
#define PF_U    BIT(2)
#define PF_RSVD BIT(3)
#define PF_I    BIT(4)

enum walk_access { WALK_READ, WALK_WRITE, WALK_FETCH, WALK_PEEK /* as a supervisor read, changing nothing */ };

struct walk_memory {
    void *ctx;
    /* The table entry at a guest-physical address, n_bytes (4 or 8) long and so aligned; NULL if it is not in RAM.
     * Others may change it at any time. */
    void *(*entry)(void *ctx, gpa_t at, size_t n_bytes);
};

struct walk_result {
    gpa_t gpa;
    uint32_t error; /* #PF error code, if it failed */
    unsigned n_tables;
    const void *entry[5]; /* what was read on the way, from the root */
    uint64_t value[5];
};

/* 0 and out->gpa, or 1 and out->error. */
int walk(const struct walk_regs *regs, const struct walk_memory *mem, uint64_t linear, enum walk_access access,
         struct walk_result *out);

#endif
