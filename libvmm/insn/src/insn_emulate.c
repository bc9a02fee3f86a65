/* see vmm/insn.h */
#include "insn_operand.h"

#define RAX 0

/* Bit tests with the index in a register address the operand-sized word that holds the bit, however far away:
 * APM volume 3, "BT  Bit Test". */
static uint64_t operand_offset(const struct vmm_insn *insn, const struct vmm_insn_env *env) {
    uint64_t offset = vmm_insn_offset(insn, env->gpr, *env->rip);
    if (insn->op < VMM_INSN_OP_BT || insn->op > VMM_INSN_OP_BTC || insn->src.kind != VMM_INSN_GPR) return offset;
    uint64_t bit = insn_sign_extend(env->gpr[insn->src.n], insn->operand_bytes);
    uint64_t word_start = bit & ~(8 * (uint64_t)insn->operand_bytes - 1);
    return (offset + (uint64_t)((int64_t)word_start / 8)) & insn_mask(insn->address_bytes);
}

static int get(const struct vmm_insn *insn, struct vmm_insn_env *env, struct vmm_insn_operand from, unsigned n_bytes,
               uint64_t *out) {
    switch ((enum vmm_insn_operand_kind)from.kind) {
    case VMM_INSN_GPR: *out = env->gpr[from.n] & insn_mask(n_bytes); return 0;
    case VMM_INSN_GPR_HIGH8: *out = (env->gpr[from.n] >> 8) & 0xff; return 0;
    case VMM_INSN_MEM: return insn_load(env, (enum vmm_seg)insn->seg, operand_offset(insn, env), n_bytes, out);
    case VMM_INSN_IMM: *out = insn->imm & insn_mask(n_bytes); return 0;
    case VMM_INSN_SEG: *out = env->selectors[from.n]; return 0;
    case VMM_INSN_NONE:
    case VMM_INSN_CR:
    case VMM_INSN_DR: break;
    }
    *out = 0;
    return 0;
}

/* Only registers and memory are ever destinations. */
static int put(const struct vmm_insn *insn, struct vmm_insn_env *env, struct vmm_insn_operand to, uint64_t v) {
    unsigned n_bytes = insn->operand_bytes;
    if (to.kind == VMM_INSN_MEM) return insn_store(env, (enum vmm_seg)insn->seg, operand_offset(insn, env), n_bytes, v);
    if (to.kind == VMM_INSN_GPR_HIGH8)
        env->gpr[to.n] = (env->gpr[to.n] & ~(uint64_t)0xff00) | (v & 0xff) << 8;
    else
        insn_put_gpr(&env->gpr[to.n], v, n_bytes);
    return 0;
}

/* Both operands of a read-modify-write; the destination is known to be writable before it is read. */
static int get_both(const struct vmm_insn *insn, struct vmm_insn_env *env, bool writes, uint64_t *a, uint64_t *b) {
    int fault = 0;
    if (writes && insn->dst.kind == VMM_INSN_MEM)
        fault = insn_check_store(env, (enum vmm_seg)insn->seg, operand_offset(insn, env), insn->operand_bytes);
    if (!fault) fault = get(insn, env, insn->dst, insn->operand_bytes, a);
    return fault ? fault : get(insn, env, insn->src, insn->src_bytes, b);
}

static int emulate_alu(const struct vmm_insn *insn, struct vmm_insn_env *env) {
    bool writes = insn->op != VMM_INSN_OP_CMP && insn->op != VMM_INSN_OP_TEST && insn->op != VMM_INSN_OP_BT;
    uint64_t a = 0, b = 0, flags = *env->rflags;
    int fault = get_both(insn, env, writes, &a, &b);
    if (fault) return fault;
    uint64_t result = insn_alu((enum vmm_insn_op)insn->op, a, b, insn->operand_bytes, &flags);
    if (writes) fault = put(insn, env, insn->dst, result);
    if (!fault) *env->rflags = flags;
    return fault;
}

/* MOV and its relatives: one operand read, the other written. */
static int emulate_move(const struct vmm_insn *insn, struct vmm_insn_env *env) {
    uint64_t v = 0;
    int fault = get(insn, env, insn->src, insn->src_bytes, &v);
    if (fault) return fault;
    if (insn->op == VMM_INSN_OP_MOVSX) v = insn_sign_extend(v, insn->src_bytes);
    if (insn->op == VMM_INSN_OP_MOVBE) v = __builtin_bswap64(v) >> (64 - 8 * insn->operand_bytes);
    if (insn->op == VMM_INSN_OP_SETCC) v = insn_condition(insn->condition, *env->rflags);
    return put(insn, env, insn->dst, v);
}

/* The source is read, and the upper half of a 32-bit destination cleared, whether the condition holds or not. */
static int emulate_cmov(const struct vmm_insn *insn, struct vmm_insn_env *env) {
    uint64_t a = 0, b = 0;
    int fault = get_both(insn, env, false, &a, &b);
    return fault ? fault : put(insn, env, insn->dst, insn_condition(insn->condition, *env->rflags) ? b : a);
}

/* XCHG and XADD: memory first, because only that can fault; XADD of a register with itself keeps the sum. */
static int emulate_exchange(const struct vmm_insn *insn, struct vmm_insn_env *env) {
    uint64_t a = 0, b = 0, flags = *env->rflags;
    int fault = get_both(insn, env, true, &a, &b);
    if (fault) return fault;
    uint64_t result = insn->op == VMM_INSN_OP_XADD ? insn_alu(VMM_INSN_OP_ADD, a, b, insn->operand_bytes, &flags) : b;
    fault = put(insn, env, insn->dst, result);
    if (fault) return fault;
    if (insn->dst.kind != insn->src.kind || insn->dst.n != insn->src.n) put(insn, env, insn->src, a);
    *env->rflags = flags;
    return 0;
}

/* Memory gets a write cycle either way: Intel SDM volume 2, "CMPXCHG—Compare and Exchange". A register that did not
 * match keeps its upper half, as on AMD processors; for 32-bit operands Intel's text would have it cleared. */
static int emulate_cmpxchg(const struct vmm_insn *insn, struct vmm_insn_env *env) {
    uint64_t a = 0, b = 0, flags = *env->rflags;
    int fault = get_both(insn, env, true, &a, &b);
    if (fault) return fault;
    uint64_t accumulator = env->gpr[RAX] & insn_mask(insn->operand_bytes);
    insn_alu(VMM_INSN_OP_CMP, accumulator, a, insn->operand_bytes, &flags);
    bool equal = accumulator == a;
    if (equal || insn->dst.kind == VMM_INSN_MEM) fault = put(insn, env, insn->dst, equal ? b : a);
    if (fault) return fault;
    if (!equal) insn_put_gpr(&env->gpr[RAX], a, insn->operand_bytes);
    *env->rflags = flags;
    return 0;
}

static int emulate_port(const struct vmm_insn *insn, struct vmm_insn_env *env) {
    bool is_in = insn->op == VMM_INSN_OP_IN;
    uint64_t port = 0, v = env->gpr[RAX];
    int fault = get(insn, env, is_in ? insn->src : insn->dst, 2, &port);
    if (fault) return fault;
    if (!is_in) return insn_port_write(env, port, insn->operand_bytes, v);
    fault = insn_port_read(env, port, insn->operand_bytes, &v);
    return fault ? fault : put(insn, env, insn->dst, v);
}

static int emulate_single(const struct vmm_insn *insn, struct vmm_insn_env *env) {
    switch ((enum vmm_insn_op)insn->op) {
    case VMM_INSN_OP_MOV:
    case VMM_INSN_OP_MOVZX:
    case VMM_INSN_OP_MOVSX:
    case VMM_INSN_OP_MOVBE:
    case VMM_INSN_OP_SETCC: return emulate_move(insn, env);
    case VMM_INSN_OP_CMOVCC: return emulate_cmov(insn, env);
    case VMM_INSN_OP_XCHG:
    case VMM_INSN_OP_XADD: return emulate_exchange(insn, env);
    case VMM_INSN_OP_CMPXCHG: return emulate_cmpxchg(insn, env);
    case VMM_INSN_OP_IN:
    case VMM_INSN_OP_OUT: return emulate_port(insn, env);
    default: return emulate_alu(insn, env);
    }
}

enum vmm_insn_result vmm_insn_emulate(const struct vmm_insn *insn, struct vmm_insn_env *env, unsigned max_iterations) {
    if (insn->op == VMM_INSN_OP_NONE || insn->op > VMM_INSN_OP_SCAS) return VMM_INSN_NOT_OURS;
    if (insn->op >= VMM_INSN_OP_INS) return insn_emulate_string(insn, env, max_iterations);
    if (emulate_single(insn, env)) return VMM_INSN_FAULT;
    insn_complete(insn, env);
    return VMM_INSN_DONE;
}
