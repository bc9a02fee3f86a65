/* Four-level page tables as data: the host's, and the nested ones of either vendor. The format is a few masks; walking,
 * splitting and mapping are the same for all. Pure over memory given by the caller; no hardware access, no TLB
 * handling. Sources: APM Volume 2, 5.3 "Long-Mode Page Translation", 15.25.3 "Nested Paging"; Intel SDM Volume
 * 3C, 29.3.2 "EPT Translation Mechanism". */
#ifndef VMM_PT_H
#define VMM_PT_H

#include <vmm/bits.h>
#include <vmm/types.h>

#define PT_P     BIT(0)
#define PT_W     BIT(1)
#define PT_U     BIT(2)
#define PT_PWT   BIT(3)
#define PT_PCD   BIT(4)
#define PT_LARGE BIT(7)
#define PT_NX    BIT(63)
#define PT_ADDR  BITS(51, 12)

struct pt {
    uint64_t *root;
    uint64_t table_flags; /* in entries that point to tables */
    uint64_t leaf_mask;   /* a leaf is an entry with one of these set: present */
    /* Further leaf flags that depend on the place, within leaf_flags_mask; false if [pa, pa + n_bytes) is not uniform
     * and must be mapped in smaller pages, which 4 KiB never need. NULL: none. */
    bool (*leaf_flags)(const void *ctx, uint64_t pa, uint64_t n_bytes, uint64_t *out_flags);
    const void *leaf_flags_ctx;
    uint64_t leaf_flags_mask;
    uint64_t pool_next, pool_end; /* page-table pages: taken at start, never returned */
};

/* Make an empty tree from pool memory [pool, pool + n_pages * 4096), zeroed. VMM_E_NOMEM if there is none. */
int pt_init(struct pt *pt, uint64_t pool, uint64_t n_pages, uint64_t table_flags, uint64_t leaf_mask) VMM_MUST_CHECK;

/* Map [va, va + n_bytes) to pa on with these leaf flags, in the largest pages both addresses allow (1 GiB, 2 MiB, 4
 * KiB); flags 0 unmaps. Larger pages in the way are split. Each entry changes by one aligned store, so a processor
 * walking meanwhile sees the old or the new. VMM_E_NOMEM if the pool ran out; the part already done stays. MUST: all
 * multiples of 4096, va + n_bytes <= 2^48. */
int pt_map(struct pt *pt, uint64_t va, uint64_t pa, uint64_t n_bytes, uint64_t flags) VMM_MUST_CHECK;

/* Ask leaf_flags again for all of [0, end): its answers have changed. Where the pool has no page left to split a leaf
 * that has become mixed, its flags become 0. */
void pt_refresh(struct pt *pt, uint64_t end);

/* The leaf entry that maps va, 0 if none; *out_page_bytes its size. */
uint64_t pt_lookup(const struct pt *pt, uint64_t va, uint64_t *out_page_bytes);

#endif
