/* Memory types by the MTRRs, against a naive oracle that looks at one byte at a time. */
#include "vmx/vmx_mtrr.h"
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>

enum { UC = 0, WC = 1, WT = 4, WP = 5, WB = 6 };
#define BUS_BITS 36u
#define E        0x800u
#define FE       0x400u

static uint64_t mask_of(uint64_t n_bytes) { return ((UINT64_C(1) << BUS_BITS) - n_bytes) | 0x800; }

static unsigned naive(const struct vmx_mtrrs *m, uint64_t at) {
    if (!(m->def_type & E)) return UC;
    if ((m->def_type & FE) && at < 0x100000) {
        uint64_t n = at < 0x80000   ? at / 0x10000
                     : at < 0xc0000 ? 8 + (at - 0x80000) / 0x4000
                                    : 24 + (at - 0xc0000) / 0x1000;
        return m->fixed[n / 8] >> n % 8 * 8 & 0xff;
    }
    bool seen[256] = {false};
    unsigned n = 0, type = m->def_type & 0xff;
    for (unsigned i = 0; i < m->n_variable; i++) {
        uint64_t mask = m->mask[i] & 0xffffff000;
        if (!(m->mask[i] & 0x800) || (at & mask) != (m->base[i] & mask)) continue;
        type = m->base[i] & 0xff;
        n += !seen[type];
        seen[type] = true;
    }
    if (n <= 1) return type;
    return n == 2 && seen[WT] && seen[WB] ? WT : UC;
}

/* What is said holds at both ends of the extent, at places within, and it ends nowhere too late. */
static void compare(const struct vmx_mtrrs *m, uint64_t at) {
    uint64_t end;
    unsigned type = vmx_mtrr_type(m, BUS_BITS, at, &end);
    cr_assert(end > at);
    if (end > UINT64_C(1) << BUS_BITS) end = UINT64_C(1) << BUS_BITS;
    for (unsigned i = 0; i < 16; i++) {
        uint64_t where = i == 0 ? at : i == 1 ? end - 1 : at + ((uint64_t)rand() << 20 ^ (uint64_t)rand()) % (end - at);
        cr_assert_eq(type, naive(m, where), "at %lx of [%lx, %lx): %u, not %u", (unsigned long)where, (unsigned long)at,
                     (unsigned long)end, type, naive(m, where));
    }
}

Test(vmx_mtrr, switched_off_is_uncached) {
    struct vmx_mtrrs m = {.def_type = FE | WB, .n_variable = 1, .base = {WB}, .mask = {mask_of(1 << 20)}};
    uint64_t end;
    cr_assert_eq(vmx_mtrr_type(&m, BUS_BITS, 0, &end), UC);
    cr_assert_eq(end, UINT64_MAX);
}

Test(vmx_mtrr, fixed_ranges) {
    struct vmx_mtrrs m = {.def_type = E | FE | WB};
    for (unsigned i = 0; i < 11; i++)
        m.fixed[i] = UINT64_C(0x0504010006050401) ^ (i & 1 ? 0 : UINT64_C(0x0101010101010101));
    uint64_t end;
    vmx_mtrr_type(&m, BUS_BITS, 0x7ffff, &end);
    cr_assert_eq(end, 0x80000);
    vmx_mtrr_type(&m, BUS_BITS, 0x80000, &end);
    cr_assert_eq(end, 0x84000);
    vmx_mtrr_type(&m, BUS_BITS, 0xbffff, &end);
    cr_assert_eq(end, 0xc0000);
    vmx_mtrr_type(&m, BUS_BITS, 0xc0000, &end);
    cr_assert_eq(end, 0xc1000);
    for (uint64_t at = 0; at < 0x110000; at += 0x800) compare(&m, at);
    m.def_type = E | UC;
    cr_assert_eq(vmx_mtrr_type(&m, BUS_BITS, 0xa0000, &end), UC, "fixed ranges off: the default");
}

Test(vmx_mtrr, precedence) {
    static const struct {
        unsigned a, b, both;
    } rows[] = {{UC, WB, UC}, {WB, UC, UC}, {WT, WB, WT}, {WB, WT, WT},
                {WB, WB, WB}, {WC, WB, UC}, {WP, WT, UC}, {UC, WC, UC}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vmx_mtrrs m = {.def_type = E | WP,
                              .n_variable = 2,
                              .base = {0x40000000 | rows[i].a, 0x40000000 | rows[i].b},
                              .mask = {mask_of(0x40000000), mask_of(0x10000000)}};
        uint64_t end;
        cr_assert_eq(vmx_mtrr_type(&m, BUS_BITS, 0x40000000, &end), rows[i].both, "row %u", i);
        cr_assert_eq(end, 0x50000000);
        cr_assert_eq(vmx_mtrr_type(&m, BUS_BITS, 0x50000000, &end), rows[i].a, "row %u", i);
        cr_assert_eq(end, 0x80000000);
        cr_assert_eq(vmx_mtrr_type(&m, BUS_BITS, 0x80000000, &end), WP);
        cr_assert_eq(vmx_mtrr_type(&m, BUS_BITS, 0x3ffff000, &end), WP);
        cr_assert_eq(end, 0x40000000);
    }
}

Test(vmx_mtrr, like_the_oracle_everywhere) {
    static const uint8_t types[] = {UC, WC, WT, WP, WB};
    srand(1);
    for (unsigned round = 0; round < 400; round++) {
        struct vmx_mtrrs m = {.def_type = E | ((unsigned)rand() & FE) | types[rand() % 5],
                              .n_variable = (uint32_t)rand() % 9};
        for (unsigned i = 0; i < 11; i++)
            for (unsigned k = 0; k < 8; k++) m.fixed[i] |= (uint64_t)types[rand() % 5] << 8 * k;
        for (unsigned i = 0; i < m.n_variable; i++) {
            uint64_t size = UINT64_C(4096) << rand() % 22, place = (uint64_t)rand() << 12;
            m.base[i] = (place & ~(size - 1) & 0xffffff000) | types[rand() % 5];
            m.mask[i] = mask_of(size);
            if (rand() % 8 == 0) m.mask[i] &= ~UINT64_C(0x800);
            if (rand() % 8 == 0) m.mask[i] ^= UINT64_C(1) << (30 + rand() % 6); /* an odd mask: several pieces */
        }
        for (unsigned i = 0; i < 50; i++)
            compare(&m, ((uint64_t)rand() << 12 ^ (uint64_t)rand()) % (UINT64_C(1) << BUS_BITS));
        for (unsigned i = 0; i < m.n_variable; i++) {
            uint64_t base = m.base[i] & 0xffffff000;
            compare(&m, base);
            if (base) compare(&m, base - 1);
        }
    }
}
