/* Guest-linear to guest-physical, as the processor would translate it: every paging mode, permissions, accessed and
 * dirty bits. Pure over a memory callback. Protection keys are not checked. Source: APM Volume 2, chapter 5 "Page
 * Translation and Protection". */
#ifndef VMM_WALK_H
#define VMM_WALK_H

#include <vmm/types.h>

struct walk_regs {
    uint64_t cr0, cr3, cr4, efer, rflags;
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
    /* Read an entry of n_bytes (4 or 8); non-zero if it is not in RAM. */
    int (*read)(void *ctx, gpa_t at, void *dst, size_t n_bytes);
    /* Set bits in an entry, atomically with respect to other processors. */
    void (*set)(void *ctx, gpa_t at, uint64_t bits, size_t n_bytes);
};

/* 0 and *out; or 1 and *out_error, the #PF error code. */
int walk(const struct walk_regs *regs, const struct walk_memory *mem, uint64_t linear, enum walk_access access,
         gpa_t *out, uint32_t *out_error);

#endif
