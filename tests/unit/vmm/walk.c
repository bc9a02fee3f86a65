/* Guest page walks: rows by hand, then random tables against an oracle that first collects the whole path and judges
 * afterwards. */
#include "walk.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Typed a second time: APM Volume 2, chapters 3 and 5. */
#define CR0_PG_   0x80000000u
#define CR0_WP_   0x00010000u
#define CR4_PSE_  0x10u
#define CR4_PAE_  0x20u
#define CR4_LA57_ 0x1000u
#define CR4_SMEP_ 0x100000u
#define CR4_SMAP_ 0x200000u
#define EFER_LMA_ 0x400u
#define EFER_NXE_ 0x800u
#define AC_       0x40000u

#define P  UINT64_C(1)
#define W  UINT64_C(2)
#define U  UINT64_C(4)
#define A  UINT64_C(0x20)
#define D  UINT64_C(0x40)
#define PS UINT64_C(0x80)
#define NX UINT64_C(0x8000000000000000)

#define MEMORY_PAGES 16u
static uint64_t memory[MEMORY_PAGES * 512], before[MEMORY_PAGES * 512];
static uint64_t memory_base = 0x100000;

static void *entry(void *ctx, gpa_t at, size_t n_bytes) {
    (void)ctx;
    cr_assert_eq(at.v & (n_bytes - 1), 0);
    if (at.v < memory_base || at.v - memory_base >= sizeof memory) return NULL;
    return (uint8_t *)memory + (at.v - memory_base);
}

static const struct walk_memory mem = {.entry = entry};
static uint64_t page(unsigned n) { return memory_base + n * UINT64_C(4096); }
static void put4(unsigned table, unsigned i, uint64_t e) {
    uint32_t e32 = (uint32_t)e;
    memcpy((uint8_t *)memory + table * 4096 + i * 4, &e32, 4);
}
static uint64_t *slot(unsigned table, unsigned i) { return &memory[table * 512 + i]; }

/* The walk's gpa, or ~error. */
static uint64_t go(const struct walk_regs *r, uint64_t linear, enum walk_access access) {
    struct walk_result out;
    return walk(r, &mem, linear, access, &out) ? ~(uint64_t)out.error : out.gpa.v;
}

/* ---- one row each ---- */

Test(vmm_walk, without_paging) {
    struct walk_regs r = {.cr0 = 1, .cr3 = page(0)};
    struct walk_result out;
    cr_assert_eq(walk(&r, &mem, 0x1234567890, WALK_WRITE, &out), 0);
    cr_assert_eq(out.gpa.v, 0x34567890);
    cr_assert_eq(out.n_tables, 0);
}

Test(vmm_walk, two_levels) {
    struct walk_regs r = {.cr0 = CR0_PG_ | CR0_WP_, .cr3 = page(1) | 0x18};
    put4(1, 3, page(2) | P | W | U);
    put4(2, 5, 0xabcde000 | P | W | U);
    cr_assert_eq(go(&r, 3u << 22 | 5u << 12 | 0x678, WALK_WRITE), 0xabcde678);
    cr_assert_eq(memory[512 + 1] >> 32, page(2) | P | W | U | A);
    cr_assert_eq(memory[1024 + 2] >> 32, 0xabcde000 | P | W | U | A | D);
    cr_assert_eq(go(&r, 3u << 22 | 6u << 12, WALK_READ), ~UINT64_C(0));
    cr_assert_eq(go(&r, 4u << 22, WALK_WRITE), ~UINT64_C(2));
    r.cpl = 3;
    cr_assert_eq(go(&r, 4u << 22, WALK_WRITE), ~UINT64_C(6));
}

/* The page size bit means something only with CR4.PSE, and carries address bits 39:32 then. */
Test(vmm_walk, four_megabyte_pages) {
    struct walk_regs r = {.cr0 = CR0_PG_, .cr3 = page(0), .cr4 = CR4_PSE_};
    put4(0, 1, 0xa5c00000 | 0x5au << 13 | PS | P | W);
    cr_assert_eq(go(&r, 1u << 22 | 0x2fedcb, WALK_READ), 0x5aa5efedcb);
    r.cr4 = 0;
    put4(0, 1, page(3) | PS | P | W);
    put4(3, 0x2fe, 0x77777000 | P | W);
    cr_assert_eq(go(&r, 1u << 22 | 0x2fedcb, WALK_READ), 0x77777dcb);
}

Test(vmm_walk, pae_has_four_entries_without_rights) {
    struct walk_regs r = {.cr0 = CR0_PG_ | CR0_WP_, .cr3 = page(0) + 0x20, .cr4 = CR4_PAE_};
    memory[4 + 3] = page(1) | P; /* no W, no U, and never marked accessed */
    *slot(1, 7) = page(2) | P | W | U;
    *slot(2, 9) = 0x5432100000 | P | W | U;
    r.cpl = 3;
    cr_assert_eq(go(&r, 0xc0000000 | 7u << 21 | 9u << 12 | 0xabc, WALK_WRITE), 0x5432100abc);
    cr_assert_eq(memory[4 + 3], page(1) | P);
    *slot(1, 8) = 0x4000200000 | 0x1000 /* PAT */ | PS | P | W | U;
    cr_assert_eq(go(&r, 0xc0000000 | 8u << 21 | 0x1fffff, WALK_WRITE), 0x40003fffff);
    memory[4 + 3] |= PS; /* reserved there, not a large page */
    cr_assert_eq(go(&r, 0xc0000000 | 7u << 21 | 9u << 12, WALK_READ), 0x5432100000);
}

Test(vmm_walk, four_and_five_levels) {
    memory_base = 0x1100000000; /* tables above 4 GiB */
    struct walk_regs r = {.cr0 = CR0_PG_, .cr3 = page(0) | 0xfff, .cr4 = CR4_PAE_, .efer = EFER_LMA_};
    *slot(0, 511) = page(1) | P | W | PS; /* reserved at this level, not a large page */
    *slot(1, 510) = page(2) | P | W;
    *slot(2, 509) = page(3) | P | W;
    *slot(3, 508) = 0xfedcba9876000 | P | W;
    uint64_t linear = UINT64_C(0xffff) << 48 | UINT64_C(511) << 39 | UINT64_C(510) << 30 | 509u << 21 | 508u << 12 | 1;
    cr_assert_eq(go(&r, linear, WALK_READ), 0xfedcba9876001);
    *slot(1, 510) = UINT64_C(0x40000000) | P | PS;
    cr_assert_eq(go(&r, linear, WALK_READ), 0x40000000 | (linear & 0x3fffffff));
    r.cr4 |= CR4_LA57_;
    *slot(0, 256) = page(4) | P | W;
    *slot(4, 511) = page(1) | P | W;
    linear = UINT64_C(0xff) << 56 | UINT64_C(256) << 48 | (linear & 0xffffffffffff);
    cr_assert_eq(go(&r, linear, WALK_READ), 0x40000000 | (linear & 0x3fffffff));
}

Test(vmm_walk, a_table_outside_ram_reads_as_ones) {
    struct walk_regs r = {.cr0 = CR0_PG_, .cr3 = 0xfee00000};
    cr_assert_eq(go(&r, 0, WALK_WRITE), ~UINT64_C(0xb));
}

Test(vmm_walk, a_peek_sees_everything_and_marks_nothing) {
    struct walk_regs r = {.cr0 = CR0_PG_ | CR0_WP_,
                          .cr3 = page(0),
                          .cr4 = CR4_PAE_ | CR4_SMAP_ | CR4_SMEP_,
                          .efer = EFER_LMA_ | EFER_NXE_};
    *slot(0, 0) = page(1) | P | U;
    *slot(1, 0) = page(2) | P | U | NX;
    *slot(2, 0) = page(3) | P | U;
    *slot(3, 0) = 0x1000 | P | U;
    memcpy(before, memory, sizeof memory);
    cr_assert_eq(go(&r, 0x123, WALK_PEEK), 0x1123);
    cr_assert_eq(go(&r, 0x1123, WALK_PEEK), ~UINT64_C(0));
    cr_assert_eq(memcmp(before, memory, sizeof memory), 0);
    cr_assert_eq(go(&r, 0x123, WALK_READ), ~UINT64_C(1)); /* SMAP */
}

/* What was read on the way, for those who want to know later whether it still holds. */
Test(vmm_walk, the_path_is_reported_with_its_marks) {
    struct walk_regs r = {.cr0 = CR0_PG_, .cr3 = page(0), .cr4 = CR4_PAE_, .efer = EFER_LMA_};
    for (unsigned i = 0; i < 4; i++) *slot(i, 1) = page(i + 1) | P | W;
    struct walk_result out;
    uint64_t linear = UINT64_C(1) << 39 | 1u << 30 | 1u << 21 | 1u << 12;
    cr_assert_eq(walk(&r, &mem, linear, WALK_WRITE, &out), 0);
    cr_assert_eq(out.n_tables, 4);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(out.entry[i], slot(i, 1));
        cr_assert_eq(out.value[i], *slot(i, 1));
        cr_assert_eq(*slot(i, 1), page(i + 1) | P | W | A | (i == 3 ? D : 0));
    }
}

/* ---- rights ---- */

/* Every combination that chapter 5.6 "Page-Protection Checks" speaks of, on one page: bit n of `allow` for
 * { read, write, fetch } by { supervisor, user }. */
Test(vmm_walk, rights_of_one_page) {
    enum { SR = 1, SW = 2, SX = 4, UR = 8, UW = 16, UX = 32, S = SR | SW | SX };
    const struct {
        uint64_t page, cr0, cr4, efer, flags;
        unsigned allow;
    } rows[] = {
        {0, CR0_WP_, 0, 0, 0, SR | SX},
        {0, 0, 0, 0, 0, S},
        {W, CR0_WP_, 0, 0, 0, S},
        {U, CR0_WP_, 0, 0, 0, SR | SX | UR | UX},
        {U, 0, 0, 0, 0, S | UR | UX},
        {U | W, CR0_WP_, 0, 0, 0, S | UR | UW | UX},
        {U | W | NX, 0, 0, 0, 0, S | UR | UW | UX}, /* NX is not enabled */
        {U | W | NX, CR0_WP_, 0, EFER_NXE_, 0, SR | SW | UR | UW},
        {W | NX, 0, 0, EFER_NXE_, 0, SR | SW},
        {U | W, 0, CR4_SMEP_, 0, 0, SR | SW | UR | UW | UX},
        {W, 0, CR4_SMEP_, 0, 0, S},
        {U | W, 0, CR4_SMAP_, 0, 0, SX | UR | UW | UX},
        {U | W, CR0_WP_, CR4_SMAP_, 0, AC_, S | UR | UW | UX},
        {U, CR0_WP_, CR4_SMAP_, 0, AC_, SR | SX | UR | UX},
        {W, 0, CR4_SMAP_, 0, 0, S},
    };
    static const enum walk_access kinds[3] = {WALK_READ, WALK_WRITE, WALK_FETCH};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned weak = 0; weak < 4; weak++) { /* which level takes the right away */
            for (unsigned k = 0; k < 4; k++) {
                uint64_t e = (k == 3 ? UINT64_C(0x7000) : page(k + 1)) | P | W | U;
                *slot(k, 0) = k == weak ? (e & ~(W | U)) | rows[i].page : e;
            }
            for (unsigned how = 0; how < 6; how++) {
                bool user = how >= 3, fetch = how % 3 == 2;
                struct walk_regs r = {.cr0 = CR0_PG_ | rows[i].cr0,
                                      .cr3 = page(0),
                                      .cr4 = CR4_PAE_ | rows[i].cr4,
                                      .efer = EFER_LMA_ | rows[i].efer,
                                      .rflags = rows[i].flags,
                                      .cpl = user ? 3 : how % 3};
                bool allow = rows[i].allow >> how & 1;
                bool says_fetch = fetch && (rows[i].efer || (rows[i].cr4 & CR4_SMEP_));
                uint64_t error = 1u | (how % 3 == 1 ? 2u : 0u) | (user ? 4u : 0u) | (says_fetch ? 16u : 0u);
                cr_assert_eq(go(&r, 5, kinds[how % 3]), allow ? 0x7005 : ~error, "row %u, level %u, access %u", i, weak,
                             how);
            }
        }
}

/* ---- random tables ---- */

struct path {
    uint64_t at[5], value[5];
    unsigned n;
    bool no_ram, absent, reserved; /* how it ended before a leaf */
    unsigned leaf_shift;
};

static unsigned levels_of(const struct walk_regs *r, const uint8_t (**out)[2]) {
    static const uint8_t legacy[][2] = {{22, 10}, {12, 10}}, pae[][2] = {{30, 2}, {21, 9}, {12, 9}},
                         four[][2] = {{39, 9}, {30, 9}, {21, 9}, {12, 9}},
                         five[][2] = {{48, 9}, {39, 9}, {30, 9}, {21, 9}, {12, 9}};
    if (!(r->efer & EFER_LMA_)) {
        *out = r->cr4 & CR4_PAE_ ? pae : legacy;
        return r->cr4 & CR4_PAE_ ? 3 : 2;
    }
    *out = r->cr4 & CR4_LA57_ ? five : four;
    return r->cr4 & CR4_LA57_ ? 5 : 4;
}

static struct path collect(const struct walk_regs *r, uint64_t linear) {
    const uint8_t(*level)[2];
    unsigned n_levels = levels_of(r, &level), bytes = n_levels == 2 ? 4 : 8;
    struct path p = {.n = 0};
    uint64_t table = n_levels == 3   ? r->cr3 / 32 % (1u << 27) * 32
                     : n_levels == 2 ? r->cr3 / 4096 % (1u << 20) * 4096
                                     : r->cr3 / 4096 % (UINT64_C(1) << 40) * 4096;
    for (unsigned k = 0; k < n_levels; k++) {
        uint64_t i = linear / (UINT64_C(1) << level[k][0]) % (1u << level[k][1]);
        uint64_t at = table + i * bytes, e = 0;
        if (at < memory_base || at >= memory_base + sizeof memory) {
            p.no_ram = true;
            return p;
        }
        memcpy(&e, (uint8_t *)memory + (at - memory_base), bytes);
        if (e % 2 == 0) {
            p.absent = true;
            return p;
        }
        if (bytes == 8 && (e & r->reserved)) {
            p.reserved = true;
            return p;
        }
        p.at[p.n] = at;
        p.value[p.n++] = e;
        p.leaf_shift = level[k][0];
        bool may_be_large =
            level[k][0] == 21 || (level[k][0] == 22 && (r->cr4 & CR4_PSE_)) || (level[k][0] == 30 && n_levels > 3);
        if ((e & PS) && may_be_large) return p;
        table = e / 4096 % (UINT64_C(1) << (bytes == 4 ? 20 : 40)) * 4096;
    }
    return p;
}

static uint64_t expected(const struct walk_regs *r, uint64_t linear, enum walk_access access, struct path *p) {
    bool user = r->cpl == 3, fetch = access == WALK_FETCH, legacy = !(r->efer & EFER_LMA_) && !(r->cr4 & CR4_PAE_);
    *p = collect(r, linear);
    uint64_t error = (access == WALK_WRITE) * 2u + user * 4u +
                     (fetch && (((r->efer & EFER_NXE_) && !legacy) || (r->cr4 & CR4_SMEP_))) * 16u;
    if (p->no_ram || p->reserved) return ~(error | 9);
    if (p->absent) return ~error;
    bool writable = true, user_page = true, no_execute = false;
    for (unsigned k = (r->cr4 & CR4_PAE_) && !(r->efer & EFER_LMA_); k < p->n; k++) {
        writable = writable && (p->value[k] & W);
        user_page = user_page && (p->value[k] & U);
        no_execute = no_execute || (p->value[k] & NX);
    }
    bool bad = false;
    if (access != WALK_PEEK) {
        if (user && !user_page) bad = true;
        if (fetch && no_execute && (r->efer & EFER_NXE_)) bad = true;
        if (fetch && !user && user_page && (r->cr4 & CR4_SMEP_)) bad = true;
        if (!fetch && !user && user_page && (r->cr4 & CR4_SMAP_) && !(r->rflags & AC_)) bad = true;
        if (access == WALK_WRITE && !writable && (user || (r->cr0 & CR0_WP_))) bad = true;
    }
    if (bad) {
        p->n--; /* the leaf is not marked */
        p->absent = true;
        return ~(error | 1);
    }
    uint64_t leaf = p->value[p->n - 1], size = UINT64_C(1) << p->leaf_shift;
    uint64_t frame = p->leaf_shift == 22 ? (leaf & 0xffc00000) + (leaf >> 13 & 0xff) * (UINT64_C(1) << 32)
                                         : leaf % (UINT64_C(1) << (legacy ? 32 : 52)) / size * size;
    return frame + linear % size;
}

static void mark(const struct walk_regs *r, enum walk_access access, const struct path *p) {
    bool pae_root = (r->cr4 & CR4_PAE_) && !(r->efer & EFER_LMA_);
    for (unsigned k = pae_root; k < p->n && access != WALK_PEEK; k++) {
        bool leaf = k == p->n - 1 && !p->absent && !p->no_ram && !p->reserved;
        ((uint8_t *)before)[p->at[k] - memory_base] |= (uint8_t)(A | (leaf && access == WALK_WRITE ? D : 0));
    }
}

static uint64_t random64(void) {
    uint64_t v = 0;
    for (unsigned i = 0; i < 5; i++) v = v << 15 ^ (uint64_t)rand();
    return v;
}

static void random_tables(void) {
    bool narrow = rand() % 2;
    for (unsigned i = 0; i < MEMORY_PAGES * 512 * (narrow ? 2 : 1); i++) {
        uint64_t e = page((unsigned)rand() % MEMORY_PAGES) | (random64() & (A | D | 0xf18)) | (rand() % 12 ? P : 0) |
                     (rand() % 8 ? W : 0) | (rand() % 8 ? U : 0) | (rand() % 8 ? 0 : PS) | (rand() % 12 ? 0 : NX);
        if (rand() % 64 == 0) e ^= random64() & UINT64_C(0xffffffffff000);
        if (narrow)
            put4(i / 1024, i % 1024, e);
        else
            memory[i] = e;
    }
}

Test(vmm_walk, random_tables_as_the_oracle_says) {
    static const uint64_t modes[][2] = {{0, 0},
                                        {CR4_PSE_, 0},
                                        {CR4_PAE_, 0},
                                        {CR4_PAE_, EFER_LMA_},
                                        {CR4_PAE_ | CR4_LA57_, EFER_LMA_},
                                        {CR4_PAE_ | CR4_PSE_, EFER_LMA_}};
    unsigned n_good[6] = {0};
    srand(4);
    for (unsigned round = 0; round < 60; round++) {
        random_tables();
        for (unsigned i = 0; i < 1200; i++) {
            unsigned mode = (unsigned)rand() % 6;
            struct walk_regs r = {.cr0 = CR0_PG_ | (rand() % 2 ? CR0_WP_ : 0),
                                  .cr3 = page((unsigned)rand() % MEMORY_PAGES) | (random64() & 0xfff),
                                  .cr4 = modes[mode][0] | (random64() & (CR4_SMEP_ | CR4_SMAP_)),
                                  .efer = modes[mode][1] | (random64() & EFER_NXE_),
                                  .rflags = random64() & AC_,
                                  .reserved = rand() % 2   ? 0
                                              : rand() % 2 ? NX
                                                           : UINT64_C(0xffff000000000),
                                  .cpl = rand() % 2 ? 3 : 0};
            enum walk_access access = (enum walk_access)(rand() % 4);
            uint64_t linear = random64();
            struct path p;
            memcpy(before, memory, sizeof memory);
            uint64_t want = expected(&r, linear, access, &p);
            mark(&r, access, &p);
            cr_assert_eq(go(&r, linear, access), want, "mode %u, access %d, linear %lx, round %u", mode, access, linear,
                         round);
            cr_assert_eq(memcmp(memory, before, sizeof memory), 0, "marks: mode %u, access %d", mode, access);
            n_good[mode] += want < UINT64_C(1) << 52;
        }
    }
    for (unsigned i = 0; i < 6; i++) cr_assert_gt(n_good[i], 300, "mode %u: only %u translations", i, n_good[i]);
}
