/* Page tables as data: what is mapped where, against an oracle that only remembers the operations. */
#include "pt.h"
#include <criterion/criterion.h>
#include <hw.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define POOL_PAGES 256u
#define TABLE      (PT_P | PT_W | PT_U)

static uint8_t pool[POOL_PAGES * 4096] __attribute__((aligned(4096)));

static struct pt make(uint64_t n_pages) {
    struct pt pt;
    memset(pool, 0, sizeof pool);
    fake_hw.n_windows = 0;
    fake_map((uintptr_t)pool, sizeof pool, pool);
    cr_assert_eq(pt_init(&pt, (uintptr_t)pool, n_pages, TABLE, PT_P), 0);
    return pt;
}

static uint64_t used(const struct pt *pt) { return (pt->pool_next - (uintptr_t)pool) / 4096; }

static void expect(const struct pt *pt, uint64_t va, uint64_t leaf, uint64_t page_bytes) {
    uint64_t n;
    uint64_t e = pt_lookup(pt, va, &n);
    cr_assert(e == leaf && n == page_bytes, "%lx: leaf %lx of %lx bytes, not %lx of %lx", va, e, n, leaf, page_bytes);
}

Test(vmm_pt, raw_bits) { /* APM Volume 2, figures 5-20 and 5-21, typed a second time */
    cr_assert_eq(PT_P, 0x1);
    cr_assert_eq(PT_W, 0x2);
    cr_assert_eq(PT_U, 0x4);
    cr_assert_eq(PT_PWT, 0x8);
    cr_assert_eq(PT_PCD, 0x10);
    cr_assert_eq(PT_LARGE, 0x80);
    cr_assert_eq(PT_NX, 0x8000000000000000);
    cr_assert_eq(PT_ADDR, 0x000ffffffffff000);
}

Test(vmm_pt, the_largest_pages_that_fit) {
    struct pt pt = make(POOL_PAGES);
    cr_assert_eq(pt_map(&pt, 0, 0, GIB(512), PT_P | PT_W), 0);
    cr_assert_eq(used(&pt), 2);
    expect(&pt, 0, PT_P | PT_W | PT_LARGE, GIB(1));
    expect(&pt, GIB(511) + 5, GIB(511) | PT_P | PT_W | PT_LARGE, GIB(1));
    /* 2 MiB where only those fit, and where virtual and physical address do not agree on 1 GiB */
    cr_assert_eq(pt_map(&pt, GIB(512), MIB(2), GIB(1), PT_P), 0);
    expect(&pt, GIB(512), MIB(2) | PT_P | PT_LARGE, MIB(2));
    expect(&pt, GIB(512) + MIB(1022), GIB(1) | PT_P | PT_LARGE, MIB(2));
    expect(&pt, GIB(513), 0, GIB(1));
    cr_assert_eq(pt_map(&pt, GIB(1024), KIB(4), MIB(2), PT_P), 0);
    expect(&pt, GIB(1024), KIB(4) | PT_P, KIB(4));
}

Test(vmm_pt, a_ragged_range) {
    struct pt pt = make(POOL_PAGES);
    uint64_t from = GIB(1) - MIB(2) - KIB(4), to = GIB(2) + MIB(2) + KIB(8);
    cr_assert_eq(pt_map(&pt, from, from, to - from, PT_P | PT_NX), 0);
    expect(&pt, from - 1, 0, KIB(4));
    expect(&pt, from, from | PT_P | PT_NX, KIB(4));
    expect(&pt, from + KIB(4), (GIB(1) - MIB(2)) | PT_P | PT_NX | PT_LARGE, MIB(2));
    expect(&pt, GIB(1), GIB(1) | PT_P | PT_NX | PT_LARGE, GIB(1));
    expect(&pt, GIB(2), GIB(2) | PT_P | PT_NX | PT_LARGE, MIB(2));
    expect(&pt, to - 1, (to - KIB(4)) | PT_P | PT_NX, KIB(4));
    expect(&pt, to, 0, KIB(4));
}

Test(vmm_pt, splitting_keeps_the_neighbours) {
    struct pt pt = make(POOL_PAGES);
    cr_assert_eq(pt_map(&pt, 0, 0, GIB(4), PT_P | PT_W | PT_NX), 0);
    cr_assert_eq(pt_map(&pt, GIB(3) + MIB(6) + KIB(12), 0, KIB(4), 0), 0);
    cr_assert_eq(used(&pt), 4);
    expect(&pt, GIB(3) + MIB(6) + KIB(12), 0, KIB(4));
    expect(&pt, GIB(3) + MIB(6) + KIB(8), (GIB(3) + MIB(6) + KIB(8)) | PT_P | PT_W | PT_NX, KIB(4));
    expect(&pt, GIB(3) + MIB(6) + KIB(16), (GIB(3) + MIB(6) + KIB(16)) | PT_P | PT_W | PT_NX, KIB(4));
    expect(&pt, GIB(3) + MIB(4), (GIB(3) + MIB(4)) | PT_P | PT_W | PT_NX | PT_LARGE, MIB(2));
    expect(&pt, GIB(3) + MIB(8), (GIB(3) + MIB(8)) | PT_P | PT_W | PT_NX | PT_LARGE, MIB(2));
    expect(&pt, GIB(2), GIB(2) | PT_P | PT_W | PT_NX | PT_LARGE, GIB(1));
    /* back again: through the tables that exist now */
    cr_assert_eq(pt_map(&pt, GIB(3) + MIB(6) + KIB(12), KIB(8), KIB(4), PT_P), 0);
    expect(&pt, GIB(3) + MIB(6) + KIB(12), KIB(8) | PT_P, KIB(4));
    cr_assert_eq(used(&pt), 4);
}

Test(vmm_pt, the_last_page_of_48_bits) {
    struct pt pt = make(POOL_PAGES);
    uint64_t top = (UINT64_C(1) << 48) - 4096;
    cr_assert_eq(pt_map(&pt, top, top, 4096, PT_P), 0);
    expect(&pt, top, top | PT_P, KIB(4));
    expect(&pt, top - 1, 0, KIB(4));
}

Test(vmm_pt, nothing_maps_nothing) {
    struct pt pt = make(1);
    cr_assert_eq(pt_map(&pt, KIB(4), KIB(4), 0, PT_P), 0);
    expect(&pt, KIB(4), 0, GIB(512));
}

Test(vmm_pt, no_pool) {
    struct pt pt;
    cr_assert_eq(pt_init(&pt, (uintptr_t)pool, 0, TABLE, PT_P), VMM_E_NOMEM);
}

Test(vmm_pt, an_exhausted_pool_keeps_what_was_done) {
    for (uint64_t n_pages = 1; n_pages < 8; n_pages++) {
        struct pt pt = make(n_pages);
        /* five pages: root; 1 GiB level; 2 MiB level; two of 4 KiB entries */
        int r = pt_map(&pt, MIB(2) - KIB(8), 0, KIB(16), PT_P);
        cr_assert_eq(r, n_pages >= 5 ? 0 : VMM_E_NOMEM, "%lu pages", n_pages);
        cr_assert_leq(used(&pt), n_pages);
        uint64_t n;
        if (n_pages == 4) {
            expect(&pt, MIB(2) - KIB(4), KIB(4) | PT_P, KIB(4));
            cr_assert_eq(pt_lookup(&pt, MIB(2), &n), 0);
        }
    }
    struct pt pt = make(3);
    cr_assert_eq(pt_map(&pt, 0, 0, GIB(2), PT_P), 0);
    cr_assert_eq(pt_map(&pt, KIB(4), 0, KIB(4), 0), VMM_E_NOMEM);
    uint64_t n; /* half split, but nothing has changed its meaning */
    cr_assert_eq(pt_lookup(&pt, KIB(4), &n) & ~PT_LARGE, PT_P);
}

/* ---- random operations ---- */

struct op {
    uint64_t va, pa, n_bytes, flags;
};

/* Where va leads, by the last operation that covered it; 0: nowhere. */
static uint64_t oracle(const struct op *op, unsigned n, uint64_t va) {
    while (n--)
        if (va >= op[n].va && va - op[n].va < op[n].n_bytes)
            return op[n].flags ? (op[n].pa + (va - op[n].va)) | (op[n].flags & PT_NX) : 0;
    return 0;
}

static uint64_t found(const struct pt *pt, uint64_t va) {
    uint64_t n, e = pt_lookup(pt, va, &n);
    if (!e) return 0;
    cr_assert_eq(e & PT_ADDR & (n - 1), 0, "%lx: leaf %lx of %lx bytes", va, e, n);
    cr_assert_eq((e & PT_LARGE) != 0, n > 4096);
    return ((e & PT_ADDR) + (va & (n - 1))) | (e & PT_NX);
}

static uint64_t random_place(void) {
    static const uint64_t origins[] = {0, MIB(2), GIB(1), GIB(512), GIB(1536)};
    return origins[rand() % 5] + (rand() % 2 ? MIB(2) : KIB(4)) * (uint64_t)(rand() % 3);
}

static struct op random_op(void) {
    static const uint64_t sizes[] = {KIB(4), KIB(8), MIB(2), MIB(2) + KIB(4), MIB(4), GIB(1), GIB(1) + MIB(2)};
    static const uint64_t flags[] = {0, PT_P, PT_P | PT_W, PT_P | PT_NX};
    struct op o = {.va = random_place(), .n_bytes = sizes[rand() % 7], .flags = flags[rand() % 4]};
    o.pa = rand() % 2 ? o.va : random_place();
    if (o.n_bytes >= GIB(1)) o.pa = o.va ^ MIB(2) * (uint64_t)(rand() % 2); /* else it takes hundreds of tables */
    return o;
}

static void compare(const struct pt *pt, const struct op *op, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        uint64_t edge[] = {op[i].va, op[i].va + op[i].n_bytes, op[i].va + op[i].n_bytes / 2 + 0x123};
        for (unsigned k = 0; k < 3; k++)
            for (int side = -1; side <= 0; side++) {
                uint64_t va = (edge[k] + (uint64_t)(int64_t)side) & ((UINT64_C(1) << 48) - 1);
                cr_assert_eq(found(pt, va), oracle(op, n, va), "%lx", va);
            }
    }
}

Test(vmm_pt, random_operations) {
    srand(3);
    for (unsigned round = 0; round < 300; round++) {
        struct op op[24];
        struct pt pt = make(POOL_PAGES);
        for (unsigned n = 0; n < 24; n++) {
            op[n] = random_op();
            cr_assert_eq(pt_map(&pt, op[n].va, op[n].pa, op[n].n_bytes, op[n].flags), 0);
            compare(&pt, op, n + 1);
        }
    }
}

/* ---- flags that depend on the place ---- */

#define TYPE     (UINT64_C(7) << 9)
#define MAX_CUTS 6u

/* The memory has one type up to each cut, the next beyond it. */
struct types {
    uint64_t cut[MAX_CUTS];
    unsigned n;
};

static uint64_t type_at(const struct types *t, uint64_t pa) {
    unsigned i = 0;
    while (i < t->n && pa >= t->cut[i]) i++;
    return (uint64_t)(i + 1) << 9;
}

static bool types_of(const void *ctx, uint64_t pa, uint64_t n_bytes, uint64_t *out_flags) {
    *out_flags = type_at(ctx, pa);
    return type_at(ctx, pa + n_bytes - 1) == *out_flags;
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static struct types random_types(void) {
    struct types t = {.n = (unsigned)rand() % (MAX_CUTS + 1)};
    for (unsigned i = 0; i < t.n; i++)
        t.cut[i] = GIB(1) * (uint64_t)(rand() % 4) + (rand() % 2 ? MIB(2) : KIB(4)) * (uint64_t)(rand() % 512);
    qsort(t.cut, t.n, sizeof t.cut[0], by_size);
    return t;
}

static void expect_types(const struct pt *pt, const struct types *t) {
    for (unsigned i = 0; i < 200 + 2 * t->n; i++) {
        uint64_t va = i < 2 * t->n ? t->cut[i / 2] - i % 2 : ((uint64_t)rand() << 8 ^ (uint64_t)rand()) % GIB(4), n;
        if (va >= GIB(4)) continue;
        uint64_t e = pt_lookup(pt, va, &n);
        cr_assert_eq(e & TYPE, type_at(t, va), "%lx: %lx", va, e);
        cr_assert_eq((e & PT_ADDR) + (va & (n - 1)), va);
        cr_assert_eq(e & (PT_P | PT_W), PT_P | PT_W);
    }
}

Test(vmm_pt, types_are_followed_when_mapped_and_when_they_change) {
    srand(7);
    for (unsigned round = 0; round < 200; round++) {
        struct types t = random_types();
        struct pt pt = make(POOL_PAGES);
        pt.leaf_flags = types_of;
        pt.leaf_flags_ctx = &t;
        pt.leaf_flags_mask = TYPE;
        cr_assert_eq(pt_map(&pt, 0, 0, GIB(4), PT_P | PT_W), 0);
        expect_types(&pt, &t);
        uint64_t n;
        for (unsigned i = 0; i < 5; i++) {
            t = random_types();
            pt_refresh(&pt, GIB(4));
            expect_types(&pt, &t);
        }
        cr_assert_eq(pt_lookup(&pt, GIB(4), &n), 0); /* nothing appears where nothing was */
    }
}

Test(vmm_pt, a_mixed_page_that_cannot_be_split_has_no_type) {
    struct types t = {.n = 0};
    struct pt pt = make(2);
    pt.leaf_flags = types_of;
    pt.leaf_flags_ctx = &t;
    pt.leaf_flags_mask = TYPE;
    cr_assert_eq(pt_map(&pt, 0, 0, GIB(2), PT_P), 0);
    t = (struct types){.cut = {MIB(5)}, .n = 1};
    pt_refresh(&pt, GIB(2));
    expect(&pt, 0, PT_P | PT_LARGE, GIB(1));
    expect(&pt, GIB(1), GIB(1) | PT_P | PT_LARGE | 2u << 9, GIB(1));
}
