/* see memmap.h */
#include "memmap.h"
#include <string.h>
#include <vmm/range.h>

#define MIB      UINT64_C(0x100000)
#define GIB4     (UINT64_C(1) << 32)
#define BUS_END  (UINT64_C(1) << 52) /* the most a processor of today can address */
#define VGA      UINT64_C(0xa0000)
#define VGA_END  UINT64_C(0xc0000)
#define NO_ENTRY 0u

static uint64_t end_of(const struct memmap_entry *e) { return e->base + e->n_bytes; }

static unsigned strictness(uint32_t type) {
    switch (type) {
    case NO_ENTRY: return 0;
    case MEMMAP_USABLE: return 1;
    case MEMMAP_ACPI: return 2;
    case MEMMAP_NVS: return 3;
    case MEMMAP_UNUSABLE: return 5;
    default: return 4;
    }
}

/* The list being built: what touches the one before and is alike becomes one with it. False when full. */
static bool append(struct memmap *m, uint64_t base, uint64_t end, const struct memmap_entry *like) {
    struct memmap_entry *last = m->n ? &m->entry[m->n - 1] : NULL;
    if (base >= end) return true;
    if (last && end_of(last) == base && last->type == like->type && last->attributes == like->attributes) {
        last->n_bytes += end - base;
        return true;
    }
    if (m->n == MEMMAP_MAX) return false;
    m->entry[m->n++] = (struct memmap_entry){base, end - base, like->type, like->attributes};
    return true;
}

/* The old entry, with the part that e takes from it: before, shared, after. *at: up to where e is in the list. */
static bool append_merged(struct memmap *m, const struct memmap_entry *old, const struct memmap_entry *e,
                          uint64_t *at) {
    uint64_t from = old->base > e->base ? old->base : e->base, to = end_of(old) < end_of(e) ? end_of(old) : end_of(e);
    if (from >= to) return append(m, old->base, end_of(old), old);
    const struct memmap_entry *stricter = strictness(e->type) > strictness(old->type) ? e : old;
    if (!append(m, old->base, from, old) || !append(m, from, to, stricter)) return false;
    *at = to;
    return append(m, to, end_of(old), old);
}

int memmap_add(struct memmap *m, struct memmap_entry e) {
    static struct memmap merged; /* too large for a stack */
    if (!(e.attributes & MEMMAP_NOT_IGNORED) || e.type == NO_ENTRY || e.base >= BUS_END || e.n_bytes == 0) return 0;
    if (e.n_bytes > BUS_END - e.base) e.n_bytes = BUS_END - e.base;
    uint64_t at = e.base; /* e is in the list up to here */
    merged.n = 0;
    for (uint32_t i = 0; i < m->n; i++) {
        const struct memmap_entry *old = &m->entry[i];
        uint64_t gap_end = old->base < end_of(&e) ? old->base : end_of(&e);
        if (!append(&merged, at, gap_end, &e)) return -1;
        if (gap_end > at) at = gap_end;
        if (!append_merged(&merged, old, &e, &at)) return -1;
    }
    if (!append(&merged, at, end_of(&e), &e)) return -1;
    *m = merged;
    return 0;
}

int memmap_reserve(struct memmap *m, uint64_t base, uint64_t n_bytes) {
    return memmap_add(m, (struct memmap_entry){base, n_bytes, MEMMAP_RESERVED, MEMMAP_NOT_IGNORED});
}

/* A range to be avoided that overlaps [at, at + n_bytes); NULL if there is none. */
static const struct vmm_range *conflict(uint64_t at, uint64_t n_bytes, const struct vmm_range *avoid, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (avoid[i].n_bytes && avoid[i].base < at + n_bytes && at < avoid[i].base + avoid[i].n_bytes) return &avoid[i];
    return NULL;
}

bool memmap_place(const struct memmap *m, uint64_t n_bytes, uint64_t align, uint64_t first, uint64_t limit,
                  const struct vmm_range *avoid, uint32_t n_avoid, uint64_t *out) {
    for (uint32_t i = m->n; i-- > 0;) {
        const struct memmap_entry *e = &m->entry[i];
        uint64_t low = e->base > first ? e->base : first, high = end_of(e) < limit ? end_of(e) : limit;
        while (e->type == MEMMAP_USABLE && high >= low && high - low >= n_bytes) {
            uint64_t at = (high - n_bytes) & ~(align - 1);
            if (at < low) break;
            const struct vmm_range *c = conflict(at, n_bytes, avoid, n_avoid);
            if (!c) {
                *out = at;
                return true;
            }
            high = c->base;
        }
    }
    return false;
}

/* In whole pages of what is RAM: a page of which only a part is RAM is none. */
static int add_ram(struct vmm_range *out, int n, uint32_t max, uint64_t base, uint64_t end) {
    base = (base + VMM_PAGE_MASK) & ~VMM_PAGE_MASK;
    end &= ~VMM_PAGE_MASK;
    return n < 0 || base >= end ? n : vmm_range_add(out, (uint32_t)n, max, (struct vmm_range){base, end - base});
}

static int remove_hole(struct vmm_range *out, int n, uint32_t max, uint64_t base, uint64_t n_bytes) {
    uint64_t end = base + n_bytes;
    if (n < 0 || n_bytes == 0 || end < base) return n;
    base &= ~VMM_PAGE_MASK;
    end = (end + VMM_PAGE_MASK) & ~VMM_PAGE_MASK;
    return vmm_range_remove(out, (uint32_t)n, max, (struct vmm_range){base, end - base});
}

int memmap_ram(const struct memmap *m, const struct vmm_range *holes, uint32_t n_holes, struct vmm_range *out,
               uint32_t max) {
    int n = add_ram(out, 0, max, 0, MIB);
    uint64_t begin = 0, end = 0; /* of the RAM that the entries before this one make up */
    for (uint32_t i = 0; i < m->n; i++) {
        const struct memmap_entry *e = &m->entry[i];
        unsigned strict = strictness(e->type);
        bool adjoins = e->base == end && end > MIB && end_of(e) <= GIB4 && e->type != MEMMAP_UNUSABLE;
        if (strict > strictness(MEMMAP_NVS) && !adjoins) continue;
        if (e->base != end) begin = e->base;
        end = end_of(e);
        n = add_ram(out, n, max, begin, end);
    }
    n = remove_hole(out, n, max, VGA, VGA_END - VGA);
    for (uint32_t i = 0; i < n_holes; i++) n = remove_hole(out, n, max, holes[i].base, holes[i].n_bytes);
    return n;
}

/* End of the usable memory that begins at 1 MiB. */
static uint64_t extended_end(const struct memmap *m) {
    uint64_t end = MIB;
    for (uint32_t i = 0; i < m->n; i++)
        if (m->entry[i].type == MEMMAP_USABLE && m->entry[i].base <= end && end_of(&m->entry[i]) > end)
            end = end_of(&m->entry[i]);
    return end < GIB4 ? end : GIB4;
}

void memmap_e801(const struct memmap *m, uint16_t *out_kib, uint16_t *out_blocks) {
    uint64_t end = extended_end(m), below = end < 16 * MIB ? end : 16 * MIB;
    *out_kib = (uint16_t)((below - MIB) >> 10);
    *out_blocks = (uint16_t)((end - below) >> 16);
}

uint16_t memmap_88(const struct memmap *m) {
    uint64_t end = extended_end(m);
    return (uint16_t)(((end < 64 * MIB ? end : 64 * MIB) - MIB) >> 10);
}
