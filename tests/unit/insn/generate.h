/* Deterministic random instructions: prefixes in any order and number, opcodes of the kinds the library knows more
 * often than others, everything after them random. */
#ifndef TEST_INSN_GENERATE_H
#define TEST_INSN_GENERATE_H

#include <vmm/insn.h>

/* xorshift64*: the same sequence everywhere. MUST: state != 0. */
uint64_t next_random(uint64_t *state);

/* A value in [0, n). */
static inline unsigned random_below(uint64_t *state, unsigned n) { return (unsigned)(next_random(state) >> 33) % n; }

/* Random, but often 0, 1, all ones, or near a sign change of some width. */
uint64_t random_operand(uint64_t *state);

/* Fills all of bytes; the instruction, if it is one, is somewhere at its start. */
void random_insn(uint64_t *state, enum vmm_insn_mode mode, uint8_t bytes[VMM_INSN_MAX_BYTES]);

#endif
