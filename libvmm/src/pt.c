/* see pt.h */
#include "priv.h"
#include <hw.h>
#include <string.h>

static unsigned level_shift(unsigned level) { return 12 + 9 * (level - 1); }

static uint64_t *entry_of(uint64_t *table, uint64_t va, unsigned level) {
    return &table[(va >> level_shift(level)) & 511];
}

static uint64_t *pool_take(struct pt *pt) {
    if (pt->pool_next == pt->pool_end) return NULL;
    uint64_t *page = hw_direct(pt->pool_next);
    pt->pool_next += VMM_PAGE_BYTES;
    return page;
}

int pt_init(struct pt *pt, uint64_t pool, uint64_t n_pages, uint64_t table_flags, uint64_t leaf_mask) {
    *pt = (struct pt){.table_flags = table_flags,
                      .leaf_mask = leaf_mask,
                      .pool_next = pool,
                      .pool_end = pool + n_pages * VMM_PAGE_BYTES};
    pt->root = pool_take(pt);
    return pt->root ? 0 : VMM_E_NOMEM;
}

static bool is_leaf(const struct pt *pt, uint64_t e, unsigned level) {
    return (e & pt->leaf_mask) && (level == 1 || (e & PT_LARGE));
}

static void store(uint64_t *entry, uint64_t v) { __atomic_store_n(entry, v, __ATOMIC_RELEASE); }

/* The table below entry, made (from a split leaf, or empty) if there is none. */
static uint64_t *table_below(struct pt *pt, uint64_t *entry, unsigned level) {
    uint64_t e = *entry;
    if ((e & pt->leaf_mask) && !is_leaf(pt, e, level)) return hw_direct(e & PT_ADDR);
    uint64_t *table = pool_take(pt);
    if (!table) return NULL;
    if (is_leaf(pt, e, level)) {
        uint64_t step = UINT64_C(1) << level_shift(level - 1);
        uint64_t piece = level - 1 == 1 ? e & ~PT_LARGE : e;
        for (unsigned i = 0; i < 512; i++) table[i] = piece + i * step;
    }
    store(entry, (uint64_t)(uintptr_t)table | pt->table_flags);
    return table;
}

static bool place_flags(const struct pt *pt, uint64_t pa, uint64_t n_bytes, uint64_t *out) {
    *out = 0;
    return !pt->leaf_flags || pt->leaf_flags(pt->leaf_flags_ctx, pa, n_bytes, out);
}

int pt_map(struct pt *pt, uint64_t va, uint64_t pa, uint64_t n_bytes, uint64_t flags) {
    uint64_t end = va + n_bytes;
    while (va < end) {
        uint64_t *table = pt->root;
        unsigned level = 4;
        for (;;) {
            uint64_t size = UINT64_C(1) << level_shift(level), more = 0;
            bool fits = level <= 3 && !((va | pa) & (size - 1)) && end - va >= size &&
                        (!flags || place_flags(pt, pa, size, &more));
            uint64_t *entry = entry_of(table, va, level);
            bool has_table = level > 1 && (*entry & pt->leaf_mask) && !is_leaf(pt, *entry, level);
            if (fits && !has_table) {
                store(entry, flags ? pa | flags | more | (level > 1 ? PT_LARGE : 0) : 0);
                va += size, pa += size;
                break;
            }
            table = table_below(pt, entry, level);
            if (!table) return VMM_E_NOMEM;
            level--;
        }
    }
    return 0;
}

void pt_refresh(struct pt *pt, uint64_t end) {
    for (uint64_t va = 0; va < end;) {
        uint64_t *entry = entry_of(pt->root, va, 4), size = UINT64_C(1) << level_shift(4), flags;
        for (unsigned level = 4; level > 1 && (*entry & pt->leaf_mask); level--, size >>= 9) {
            bool leaf = is_leaf(pt, *entry, level);
            if (leaf && place_flags(pt, *entry & PT_ADDR & ~(size - 1), size, &flags)) break;
            uint64_t *table = table_below(pt, entry, level);
            if (!table) break;
            entry = entry_of(table, va, level - 1);
        }
        if (*entry & pt->leaf_mask) {
            if (!place_flags(pt, *entry & PT_ADDR & ~(size - 1), size, &flags)) flags = 0;
            store(entry, (*entry & ~pt->leaf_flags_mask) | flags);
        }
        va = (va & ~(size - 1)) + size;
    }
}

uint64_t pt_lookup(const struct pt *pt, uint64_t va, uint64_t *out_page_bytes) {
    uint64_t *table = pt->root;
    for (unsigned level = 4; level >= 1; level--) {
        uint64_t e = *entry_of(table, va, level);
        *out_page_bytes = UINT64_C(1) << level_shift(level);
        if (!(e & pt->leaf_mask)) return 0;
        if (is_leaf(pt, e, level)) return e;
        table = hw_direct(e & PT_ADDR);
    }
    return 0;
}
