/* Reading and writing operands during emulation: registers of every width, memory through the callbacks. Private. */
#ifndef INSN_OPERAND_H
#define INSN_OPERAND_H

#include "insn_alu.h"

/* Write the low n_bytes of a register: 4 clear the upper half, 1 and 2 leave the rest. */
static inline void insn_put_gpr(uint64_t *gpr, uint64_t v, unsigned n_bytes) {
    uint64_t mask = insn_mask(n_bytes);
    *gpr = n_bytes >= 4 ? v & mask : (*gpr & ~mask) | (v & mask);
}

static inline int insn_load(struct vmm_insn_env *env, enum vmm_seg seg, uint64_t offset, unsigned n_bytes,
                            uint64_t *out) {
    int fault = env->read(env->ctx, seg, offset, n_bytes, out);
    if (!fault) *out &= insn_mask(n_bytes);
    return fault;
}

static inline int insn_store(struct vmm_insn_env *env, enum vmm_seg seg, uint64_t offset, unsigned n_bytes,
                             uint64_t v) {
    return env->write(env->ctx, seg, offset, n_bytes, v & insn_mask(n_bytes));
}

static inline int insn_check_store(struct vmm_insn_env *env, enum vmm_seg seg, uint64_t offset, unsigned n_bytes) {
    return env->check_write ? env->check_write(env->ctx, seg, offset, n_bytes) : 0;
}

static inline int insn_port_read(struct vmm_insn_env *env, uint64_t port, unsigned n_bytes, uint64_t *out) {
    int fault = env->in(env->ctx, (uint16_t)port, n_bytes, out);
    if (!fault) *out &= insn_mask(n_bytes);
    return fault;
}

static inline int insn_port_write(struct vmm_insn_env *env, uint64_t port, unsigned n_bytes, uint64_t v) {
    return env->out(env->ctx, (uint16_t)port, n_bytes, v & insn_mask(n_bytes));
}

/* Past the end of the instruction. Outside 64-bit mode the instruction pointer has 32 bits, in 16-bit code too: running
 * over offset FFFF is left to the segment limit, as on a processor. */
static inline void insn_complete(const struct vmm_insn *insn, struct vmm_insn_env *env) {
    *env->rip = (*env->rip + insn->n_bytes) & insn_mask(env->mode == VMM_INSN_64 ? 8 : 4);
}

/* The string instructions; see insn_string.c. */
enum vmm_insn_result insn_emulate_string(const struct vmm_insn *insn, struct vmm_insn_env *env,
                                         unsigned max_iterations);

#endif
