/* INS OUTS MOVS STOS LODS CMPS SCAS, with their repeat prefixes. APM volume 3, 1.2.6 "Repeat Prefixes". */
#include "insn_operand.h"

#define RAX 0
#define RCX 1
#define RDX 2
#define RSI 6
#define RDI 7

struct string_access {
    enum vmm_seg seg;
    uint64_t offset;
    unsigned n_bytes;
};

static int load(struct vmm_insn_env *env, const struct string_access *at, uint64_t *out) {
    return insn_load(env, at->seg, at->offset, at->n_bytes, out);
}

static int store(struct vmm_insn_env *env, const struct string_access *at, uint64_t v) {
    return insn_store(env, at->seg, at->offset, at->n_bytes, v);
}

static int check_store(struct vmm_insn_env *env, const struct string_access *at) {
    return insn_check_store(env, at->seg, at->offset, at->n_bytes);
}

/* The accesses of one iteration. Changes nothing but *flags and, as the last thing, rAX. */
static int transfer(const struct vmm_insn *insn, struct vmm_insn_env *env, uint64_t *flags) {
    unsigned n_bytes = insn->operand_bytes;
    uint64_t mask = insn_mask(insn->address_bytes);
    struct string_access from = {(enum vmm_seg)insn->seg, env->gpr[RSI] & mask, n_bytes};
    struct string_access to = {VMM_SEG_ES, env->gpr[RDI] & mask, n_bytes};
    uint64_t a = env->gpr[RAX] & insn_mask(n_bytes), b = 0;
    int fault = 0;
    switch ((enum vmm_insn_op)insn->op) {
    case VMM_INSN_OP_INS:
        if ((fault = check_store(env, &to)) || (fault = insn_port_read(env, env->gpr[RDX], n_bytes, &a))) return fault;
        return store(env, &to, a);
    case VMM_INSN_OP_OUTS:
        if ((fault = load(env, &from, &a))) return fault;
        return insn_port_write(env, env->gpr[RDX], n_bytes, a);
    case VMM_INSN_OP_MOVS:
        if ((fault = check_store(env, &to)) || (fault = load(env, &from, &a))) return fault;
        return store(env, &to, a);
    case VMM_INSN_OP_STOS: return store(env, &to, a);
    case VMM_INSN_OP_LODS:
        if ((fault = load(env, &from, &a))) return fault;
        insn_put_gpr(&env->gpr[RAX], a, n_bytes);
        return 0;
    case VMM_INSN_OP_CMPS:
        if ((fault = load(env, &from, &a))) return fault;
        /* fall through */
    default: /* SCAS */
        if ((fault = load(env, &to, &b))) return fault;
        insn_alu(VMM_INSN_OP_CMP, a, b, n_bytes, flags);
        return 0;
    }
}

static void move_pointer(const struct vmm_insn *insn, struct vmm_insn_env *env, unsigned reg) {
    uint64_t n_bytes = insn->operand_bytes;
    uint64_t v = env->gpr[reg] + (*env->rflags & RFLAGS_DF ? -n_bytes : n_bytes);
    insn_put_gpr(&env->gpr[reg], v, insn->address_bytes);
}

static int iterate(const struct vmm_insn *insn, struct vmm_insn_env *env, uint64_t *flags) {
    int fault = transfer(insn, env, flags);
    if (fault) return fault;
    bool by_rsi = insn->op == VMM_INSN_OP_OUTS || insn->op == VMM_INSN_OP_LODS;
    bool by_both = insn->op == VMM_INSN_OP_MOVS || insn->op == VMM_INSN_OP_CMPS;
    if (by_rsi || by_both) move_pointer(insn, env, RSI);
    if (!by_rsi || by_both) move_pointer(insn, env, RDI);
    return 0;
}

/* CMPS and SCAS stop on the first (un)equal pair; to the others, both prefixes mean the same. */
static bool stops(const struct vmm_insn *insn, uint64_t flags) {
    if (insn->op != VMM_INSN_OP_CMPS && insn->op != VMM_INSN_OP_SCAS) return false;
    return !(flags & RFLAGS_ZF) == (insn->rep == VMM_INSN_REPE);
}

enum vmm_insn_result insn_emulate_string(const struct vmm_insn *insn, struct vmm_insn_env *env,
                                         unsigned max_iterations) {
    /* Flags are stored on completion only: Intel SDM volume 2, "REP/REPE/REPZ/REPNE/REPNZ": a fault during CMPS or
     * SCAS leaves them as before the instruction, and no iteration depends on them. */
    uint64_t flags = *env->rflags;
    if (insn->rep == VMM_INSN_REP_NONE) {
        if (iterate(insn, env, &flags)) return VMM_INSN_FAULT;
    } else {
        for (unsigned i = 0; env->gpr[RCX] & insn_mask(insn->address_bytes); i++) {
            if (i == max_iterations) return VMM_INSN_AGAIN;
            if (iterate(insn, env, &flags)) return VMM_INSN_FAULT;
            insn_put_gpr(&env->gpr[RCX], env->gpr[RCX] - 1, insn->address_bytes);
            if (stops(insn, flags)) break;
        }
    }
    *env->rflags = flags;
    insn_complete(insn, env);
    return VMM_INSN_DONE;
}
