/* Integer operations of 1, 2, 4 and 8 bytes and the arithmetic flags they leave. Pure. */
#ifndef INSN_ALU_H
#define INSN_ALU_H

#include <vmm/bits.h>
#include <vmm/insn.h>

/* APM volume 2, 3.1.6 "RFLAGS Register". */
#define RFLAGS_CF    BIT(0)
#define RFLAGS_PF    BIT(2)
#define RFLAGS_AF    BIT(4)
#define RFLAGS_ZF    BIT(6)
#define RFLAGS_SF    BIT(7)
#define RFLAGS_DF    BIT(10)
#define RFLAGS_OF    BIT(11)
#define RFLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static inline uint64_t insn_mask(unsigned n_bytes) { return UINT64_MAX >> (64 - 8 * n_bytes); }

static inline uint64_t insn_sign_extend(uint64_t v, unsigned n_bytes) {
    uint64_t sign = BIT(8 * n_bytes - 1);
    return ((v & insn_mask(n_bytes)) ^ sign) - sign;
}

/* ADD OR ADC SBB AND SUB XOR CMP, BT BTS BTR BTC, TEST NOT NEG INC DEC of a and b (unary ones ignore b). For bit tests
 * b is the bit's number within a. Reads and writes *flags; AF after the logical operations is undefined in the
 * manuals, and cleared here as processors do. Returns the result; for CMP, TEST and BT nothing is to be stored. */
uint64_t insn_alu(enum vmm_insn_op op, uint64_t a, uint64_t b, unsigned n_bytes, uint64_t *flags);

/* SETcc, CMOVcc: the low four bits of the opcode. */
bool insn_condition(unsigned condition, uint64_t flags);

#endif
