/* see vmx_mtrr.h */
#include "vmx_mtrr.h"
#include <stdbool.h>
#include "vmx_regs.h"

#define FIXED_END 0x100000u

/* Where the eleven fixed-range registers begin, and the size of each one's eight parts: table 11-9 "Address Mapping for
 * Fixed-Range MTRRs". */
static unsigned fixed_type(const struct vmx_mtrrs *m, uint64_t at, uint64_t *out_end) {
    unsigned reg, part;
    uint64_t size;
    if (at < 0x80000) {
        size = 0x10000, reg = 0, part = (unsigned)(at / size);
    } else if (at < 0xc0000) {
        size = 0x4000, part = (unsigned)((at - 0x80000) / size);
        reg = 1 + part / 8;
    } else {
        size = 0x1000, part = (unsigned)((at - 0xc0000) / size);
        reg = 3 + part / 8;
    }
    *out_end = (at & ~(size - 1)) + size;
    return m->fixed[reg] >> part % 8 * 8 & 0xff;
}

/* Does variable range i hold at? What is so up to *end, at most. */
static bool variable_holds(const struct vmx_mtrrs *m, unsigned i, uint64_t bus, uint64_t at, uint64_t *end) {
    uint64_t mask = m->mask[i] & bus & ~UINT64_C(0xfff), base = m->base[i] & mask;
    uint64_t size = FIELD_LSB(mask), limit;
    if (!(m->mask[i] & PHYSMASK_V) || mask == 0) return false;
    bool contiguous = (mask | (size - 1)) == bus;
    bool inside = (at & mask) == base;
    if (inside || !contiguous)
        limit = (at & ~(size - 1)) + size; /* the answer holds for a whole block */
    else
        limit = at < base ? base : UINT64_MAX;
    if (limit < *end && limit > at) *end = limit;
    return inside;
}

/* 11.11.4.1 "MTRR Precedences" */
static unsigned overlap(unsigned a, unsigned b) {
    if (a == b) return a;
    if ((a == MEM_WT && b == MEM_WB) || (a == MEM_WB && b == MEM_WT)) return MEM_WT;
    return MEM_UC;
}

unsigned vmx_mtrr_type(const struct vmx_mtrrs *m, unsigned phys_bits, uint64_t at, uint64_t *out_end) {
    uint64_t bus = (UINT64_C(1) << phys_bits) - 1;
    *out_end = UINT64_MAX;
    if (!(m->def_type & DEF_TYPE_E)) return MEM_UC;
    if (at < FIXED_END) {
        if (m->def_type & DEF_TYPE_FE) return fixed_type(m, at, out_end);
        *out_end = FIXED_END;
    }
    bool any = false;
    unsigned type = (unsigned)FIELD_GET(DEF_TYPE_TYPE, m->def_type);
    for (unsigned i = 0; i < m->n_variable; i++) {
        if (!variable_holds(m, i, bus, at, out_end)) continue;
        unsigned t = (unsigned)FIELD_GET(PHYSBASE_TYPE, m->base[i]);
        type = any ? overlap(type, t) : t;
        any = true;
    }
    return type;
}
