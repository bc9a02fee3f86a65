#include "insn_alu.h"

static void put_flag(uint64_t *flags, uint64_t flag, bool value) { *flags = value ? *flags | flag : *flags & ~flag; }

static bool top_bit(uint64_t v, unsigned n_bytes) { return (v >> (8 * n_bytes - 1)) & 1; }

/* PF: the low byte has an even number of ones. */
static bool even_parity(uint64_t v) {
    uint64_t folded = (v ^ (v >> 4)) & 0xf;
    return !((0x6996u >> folded) & 1);
}

/* What all operations share: everything but CF, AF and OF follows from the result. `carries` has a one in each position
 * that a carry or borrow left. */
static void put_flags(uint64_t *flags, uint64_t result, uint64_t carries, bool overflow, unsigned n_bytes) {
    put_flag(flags, RFLAGS_CF, top_bit(carries, n_bytes));
    put_flag(flags, RFLAGS_PF, even_parity(result));
    put_flag(flags, RFLAGS_AF, (carries >> 3) & 1);
    put_flag(flags, RFLAGS_ZF, (result & insn_mask(n_bytes)) == 0);
    put_flag(flags, RFLAGS_SF, top_bit(result, n_bytes));
    put_flag(flags, RFLAGS_OF, overflow);
}

static uint64_t add(uint64_t a, uint64_t b, bool carry, unsigned n_bytes, uint64_t *flags) {
    uint64_t r = a + b + carry;
    put_flags(flags, r, (a & b) | ((a | b) & ~r), top_bit((a ^ r) & (b ^ r), n_bytes), n_bytes);
    return r;
}

static uint64_t subtract(uint64_t a, uint64_t b, bool borrow, unsigned n_bytes, uint64_t *flags) {
    uint64_t r = a - b - borrow;
    put_flags(flags, r, (~a & b) | ((~a | b) & r), top_bit((a ^ b) & (a ^ r), n_bytes), n_bytes);
    return r;
}

static uint64_t logical(uint64_t r, unsigned n_bytes, uint64_t *flags) {
    put_flags(flags, r, 0, false, n_bytes);
    return r;
}

/* INC and DEC leave CF alone. */
static uint64_t step(enum vmm_insn_op op, uint64_t a, unsigned n_bytes, uint64_t *flags) {
    bool carry = *flags & RFLAGS_CF;
    uint64_t r = op == VMM_INSN_OP_INC ? add(a, 1, false, n_bytes, flags) : subtract(a, 1, false, n_bytes, flags);
    put_flag(flags, RFLAGS_CF, carry);
    return r;
}

static uint64_t bit_test(enum vmm_insn_op op, uint64_t a, uint64_t b, unsigned n_bytes, uint64_t *flags) {
    uint64_t bit = BIT(b & (8 * n_bytes - 1));
    put_flag(flags, RFLAGS_CF, a & bit);
    switch (op) {
    case VMM_INSN_OP_BTS: return a | bit;
    case VMM_INSN_OP_BTR: return a & ~bit;
    case VMM_INSN_OP_BTC: return a ^ bit;
    default: return a;
    }
}

uint64_t insn_alu(enum vmm_insn_op op, uint64_t a, uint64_t b, unsigned n_bytes, uint64_t *flags) {
    bool carry = *flags & RFLAGS_CF;
    switch (op) {
    case VMM_INSN_OP_ADD: return add(a, b, false, n_bytes, flags);
    case VMM_INSN_OP_ADC: return add(a, b, carry, n_bytes, flags);
    case VMM_INSN_OP_SUB:
    case VMM_INSN_OP_CMP: return subtract(a, b, false, n_bytes, flags);
    case VMM_INSN_OP_SBB: return subtract(a, b, carry, n_bytes, flags);
    case VMM_INSN_OP_OR: return logical(a | b, n_bytes, flags);
    case VMM_INSN_OP_XOR: return logical(a ^ b, n_bytes, flags);
    case VMM_INSN_OP_AND:
    case VMM_INSN_OP_TEST: return logical(a & b, n_bytes, flags);
    case VMM_INSN_OP_NOT: return ~a;
    case VMM_INSN_OP_NEG: return subtract(0, a, false, n_bytes, flags);
    case VMM_INSN_OP_INC:
    case VMM_INSN_OP_DEC: return step(op, a, n_bytes, flags);
    default: return bit_test(op, a, b, n_bytes, flags);
    }
}

/* Intel SDM volume 2, B.1.4.7 "Condition Test (tttn) Field": pairs of opposites, the odd one negated. */
bool insn_condition(unsigned condition, uint64_t flags) {
    bool less = !(flags & RFLAGS_SF) != !(flags & RFLAGS_OF);
    bool holds = false;
    switch (condition >> 1) {
    case 0: holds = flags & RFLAGS_OF; break;
    case 1: holds = flags & RFLAGS_CF; break;
    case 2: holds = flags & RFLAGS_ZF; break;
    case 3: holds = flags & (RFLAGS_CF | RFLAGS_ZF); break;
    case 4: holds = flags & RFLAGS_SF; break;
    case 5: holds = flags & RFLAGS_PF; break;
    case 6: holds = less; break;
    default: holds = less || (flags & RFLAGS_ZF); break;
    }
    return holds != (condition & 1);
}
