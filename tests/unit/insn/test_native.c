/* The processor as oracle: random instructions with random registers, flags and memory, once emulated and once run.
 * Registers, memory and every defined flag must come out the same. */
#include "generate.h"
#include "native.h"

#include <criterion/criterion.h>
#include <cpuid.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CF             0x001u
#define PF             0x004u
#define AF             0x010u
#define ZF             0x040u
#define SF             0x080u
#define DF             0x400u
#define OF             0x800u
#define COMPARED_FLAGS (CF | PF | AF | ZF | SF | DF | OF)

#define N_OPS (VMM_INSN_OP_SCAS + 1)

struct trial {
    struct native native;
    struct machine machine;
    uint64_t random;
    uint8_t bytes[VMM_INSN_MAX_BYTES];
    struct vmm_insn insn;
    unsigned n_run, n_out_of_window;
    unsigned n_by_op[N_OPS]; /* those that touched memory */
};

static bool is_string(const struct vmm_insn *insn) {
    return insn->op >= VMM_INSN_OP_INS && insn->op <= VMM_INSN_OP_SCAS;
}

static bool has_memory(const struct vmm_insn *insn) {
    return insn->dst.kind == VMM_INSN_MEM || insn->src.kind == VMM_INSN_MEM;
}

static uint64_t width_mask(unsigned n_bytes) { return UINT64_MAX >> (64 - 8 * n_bytes); }

static int64_t as_signed(uint64_t v, unsigned n_bytes) {
    uint64_t sign = UINT64_C(1) << (8 * n_bytes - 1);
    return (int64_t)(((v & width_mask(n_bytes)) ^ sign) - sign);
}

/* Undefined by the manuals. */
static uint64_t undefined_flags(uint8_t op) {
    switch (op) {
    case VMM_INSN_OP_AND:
    case VMM_INSN_OP_OR:
    case VMM_INSN_OP_XOR:
    case VMM_INSN_OP_TEST: return AF;
    case VMM_INSN_OP_BT:
    case VMM_INSN_OP_BTS:
    case VMM_INSN_OP_BTR:
    case VMM_INSN_OP_BTC: return OF | SF | AF | PF;
    default: return 0;
    }
}

static bool cpu_has_movbe(void) {
    unsigned a, b, c = 0, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_MOVBE);
}

/* Vendors differ on the upper half of a register that CMPXCHG found unequal. */
static bool cpu_is_amd(void) {
    unsigned a, b = 0, c, d;
    return __get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx;
}

/* Worth running: emulated, allowed in user space, in segments this harness controls. */
static bool is_candidate(const struct trial *t) {
    const struct vmm_insn *insn = &t->insn;
    if (insn->op == VMM_INSN_OP_NONE || insn->op > VMM_INSN_OP_SCAS) return false;
    if (insn->op >= VMM_INSN_OP_IN && insn->op <= VMM_INSN_OP_OUTS) return false;
    if (insn->op == VMM_INSN_OP_MOVBE && !cpu_has_movbe()) return false;
    if (insn->op == VMM_INSN_OP_CMPXCHG && insn->dst.kind == VMM_INSN_GPR && !cpu_is_amd()) return false;
    if (insn->seg == VMM_SEG_CS && insn->dst.kind == VMM_INSN_MEM) return false; /* never writable */
    return t->native.mode == VMM_INSN_64 || insn->seg != VMM_SEG_FS;
}

/* The offset in seg that reaches the byte at `at` of the scratch memory. */
static uint64_t offset_of(const struct trial *t, uint8_t seg, unsigned at) {
    uint64_t linear = (uint64_t)(uintptr_t)t->native.memory + at;
    return (linear - t->native.seg_base[seg]) & width_mask(t->insn.address_bytes);
}

/* Overwrite the displacement, wherever in the instruction it is encoded. Decode tells when the place is right. */
static void patch_displacement(struct trial *t, uint64_t disp, unsigned n_bytes) {
    for (unsigned at = 1; at + n_bytes <= t->insn.n_bytes; at++) {
        uint8_t old[8];
        struct vmm_insn again;
        memcpy(old, t->bytes + at, n_bytes);
        memcpy(t->bytes + at, &disp, n_bytes);
        if (vmm_insn_decode(t->bytes, VMM_INSN_MAX_BYTES, t->native.mode, &again) == 0 && again.op == t->insn.op &&
            again.n_bytes == t->insn.n_bytes && (again.disp & width_mask(n_bytes)) == (disp & width_mask(n_bytes)) &&
            again.base == t->insn.base && again.index == t->insn.index) {
            t->insn = again;
            return;
        }
        memcpy(t->bytes + at, old, n_bytes);
    }
}

/* Only the address size's bits matter: the rest of the register stays random, so that a forgotten cut shows. */
static void set_address_register(struct trial *t, uint8_t reg, uint64_t v) {
    uint64_t mask = width_mask(t->insn.address_bytes);
    t->machine.gpr[reg] = (t->machine.gpr[reg] & ~mask) | (v & mask);
}

static void aim(struct trial *t) {
    struct vmm_insn *insn = &t->insn;
    bool locked = insn->lock || insn->op == VMM_INSN_OP_XCHG; /* a split lock may be punished by the kernel */
    unsigned at = 384 + (locked ? random_below(&t->random, 32) * 8 : random_below(&t->random, 256));
    unsigned width = insn->address_bytes;
    uint64_t offset = offset_of(t, insn->seg, at), rest = offset - insn->disp;
    if (insn->base == VMM_INSN_REG_RIP) {
        patch_displacement(t, offset - (t->machine.rip + insn->n_bytes), 4);
    } else if (insn->base != VMM_INSN_REG_NONE && insn->index == insn->base) {
        set_address_register(t, insn->base, (uint64_t)(as_signed(rest, width) / (1 + insn->scale)));
    } else if (insn->base != VMM_INSN_REG_NONE) {
        if (insn->index != VMM_INSN_REG_NONE) rest -= t->machine.gpr[insn->index] * insn->scale;
        set_address_register(t, insn->base, rest);
    } else if (insn->index != VMM_INSN_REG_NONE) {
        set_address_register(t, insn->index, (uint64_t)(as_signed(rest, width) / insn->scale));
    } else {
        bool is_moffs = insn->dst.kind == VMM_INSN_GPR ? insn->dst.n == 0 : insn->src.n == 0;
        patch_displacement(t, offset, width);
        if (is_moffs) patch_displacement(t, offset, width < 4 ? width : 4);
        patch_displacement(t, offset, width < 4 ? width : 4);
    }
}

static void aim_string(struct trial *t) {
    uint64_t mask = width_mask(t->insn.address_bytes);
    set_address_register(t, RSI, offset_of(t, t->insn.seg, 256 + random_below(&t->random, 512)));
    set_address_register(t, RDI, offset_of(t, VMM_SEG_ES, 256 + random_below(&t->random, 512)));
    uint64_t count = random_below(&t->random, 20);
    /* Intel processors may cut the registers of a repetition by ECX that has nothing to do. */
    if (t->native.mode == VMM_INSN_64 && t->insn.address_bytes == 4 && count == 0 && !cpu_is_amd()) count = 1;
    t->machine.gpr[RCX] = (t->machine.gpr[RCX] & ~mask) | count;
}

static void fill_memory(struct trial *t) {
    bool dull = random_below(&t->random, 3) == 0; /* long equal runs for CMPS and SCAS */
    uint64_t word = dull ? t->machine.gpr[RAX] * UINT64_C(0x0101010101010101) : 0;
    if (dull && random_below(&t->random, 2)) word = t->machine.gpr[RAX];
    for (unsigned i = 0; i < MACHINE_MEMORY_BYTES; i += 8) {
        uint64_t v = dull ? word : next_random(&t->random);
        memcpy(t->machine.memory + i, &v, 8);
    }
    if (dull) t->machine.memory[random_below(&t->random, MACHINE_MEMORY_BYTES)] ^= 1;
}

static void load_machine(struct trial *t) {
    struct machine *m = &t->machine;
    machine_init(m, t->native.mode);
    m->memory_base = (uint64_t)(uintptr_t)t->native.memory;
    memcpy(m->seg_base, t->native.seg_base, sizeof m->seg_base);
    memcpy(m->env.selectors, t->native.selectors, sizeof m->env.selectors);
    for (unsigned i = 0; i < 16; i++) m->gpr[i] = random_operand(&t->random);
    m->rip = t->native.entry;
    m->rflags = 0x202 | (next_random(&t->random) & COMPARED_FLAGS);
    const struct vmm_insn *insn = &t->insn;
    bool far_bit = insn->op >= VMM_INSN_OP_BT && insn->op <= VMM_INSN_OP_BTC && insn->src.kind == VMM_INSN_GPR;
    if (far_bit && has_memory(insn)) { /* within 256 bytes of the operand, and noise above the operand's width */
        uint64_t mask = width_mask(insn->operand_bytes), bit = (uint64_t)random_below(&t->random, 4096) - 2048;
        m->gpr[insn->src.n] = (m->gpr[insn->src.n] & ~mask) | (bit & mask);
    }
    /* Comparisons that come out equal are rare otherwise. */
    fill_memory(t);
    if (is_string(insn))
        aim_string(t);
    else if (has_memory(insn))
        aim(t);
    if (insn->op == VMM_INSN_OP_CMPXCHG && random_below(&t->random, 2)) {
        uint64_t at = vmm_insn_offset(insn, m->gpr, m->rip) + m->seg_base[insn->seg] - m->memory_base;
        bool holds_address = insn->base == RAX || insn->index == RAX;
        if (has_memory(insn) && !holds_address && at <= MACHINE_MEMORY_BYTES - 8)
            memcpy(&m->gpr[RAX], m->memory + at, 8);
        if (insn->dst.kind == VMM_INSN_GPR) m->gpr[RAX] = m->gpr[insn->dst.n];
    }
}

static void fail(const struct trial *t, const struct native_state *before, const struct native_state *after,
                 const char *what) {
    char text[2048];
    int n = snprintf(text, sizeof text, "%s, mode %d:", what, t->native.mode);
    for (unsigned i = 0; i < t->insn.n_bytes; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " %02x", t->bytes[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "\nflags %" PRIx64 " -> emulated %" PRIx64 ", real %" PRIx64 "\n",
                  before->rflags, t->machine.rflags, after->rflags);
    for (unsigned i = 0; i < 16; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      "r%-2u %016" PRIx64 " -> emulated %016" PRIx64 ", real %016" PRIx64 "\n", i, before->gpr[i],
                      t->machine.gpr[i], after->gpr[i]);
    cr_assert_fail("%s", text);
}

static void compare(const struct trial *t, const struct native_state *before, const struct native_state *after) {
    const struct machine *m = &t->machine;
    uint64_t mask = width_mask(t->native.mode == VMM_INSN_64 ? 8 : 4);
    uint64_t flags = COMPARED_FLAGS & ~undefined_flags(t->insn.op);
    for (unsigned i = 0; i < (t->native.mode == VMM_INSN_64 ? 16u : 8u); i++)
        if ((m->gpr[i] ^ after->gpr[i]) & mask) fail(t, before, after, "registers");
    if ((m->rflags ^ after->rflags) & flags) fail(t, before, after, "flags");
    if (memcmp(m->memory, t->native.memory, MACHINE_MEMORY_BYTES)) fail(t, before, after, "memory");
    if (m->rip != t->native.entry + t->insn.n_bytes) fail(t, before, after, "rip");
}

static void run_one(struct trial *t) {
    load_machine(t);
    struct native_state before = {.rflags = t->machine.rflags}, after;
    memcpy(before.gpr, t->machine.gpr, sizeof before.gpr);
    memcpy(t->native.memory, t->machine.memory, MACHINE_MEMORY_BYTES);
    after = before;
    enum vmm_insn_result result = vmm_insn_emulate(&t->insn, &t->machine.env, 1000);
    if (result == VMM_INSN_FAULT) {
        cr_assert_gt(t->machine.faulty_accesses, 0);
        t->n_out_of_window++;
        return;
    }
    cr_assert_eq(result, VMM_INSN_DONE);
    if (native_run(&t->native, t->bytes, t->insn.n_bytes, &after)) fail(t, &before, &after, "signal");
    compare(t, &before, &after);
    t->n_run++;
    if (t->machine.n_accesses) t->n_by_op[t->insn.op]++;
}

static void check_coverage(const struct trial *t) {
    cr_assert_lt(t->n_out_of_window, t->n_run / 10, "%u of %u out of the window", t->n_out_of_window, t->n_run);
    for (unsigned op = VMM_INSN_OP_NONE + 1; op < N_OPS; op++) {
        bool skipped =
            (op >= VMM_INSN_OP_IN && op <= VMM_INSN_OP_OUTS) || (op == VMM_INSN_OP_MOVBE && !cpu_has_movbe());
        if (!skipped) cr_assert_gt(t->n_by_op[op], 200, "operation %u: only %u runs with memory", op, t->n_by_op[op]);
    }
}

static void compare_with_processor(enum vmm_insn_mode mode, unsigned n_trials) {
    static struct trial t;
    memset(&t, 0, sizeof t);
    t.random = 0x5eed0 + (uint64_t)mode;
    if (!native_init(&t.native, mode)) cr_skip_test("no low memory or no LDT here");
    for (unsigned i = 0; i < n_trials; i++) {
        random_insn(&t.random, mode, t.bytes);
        if (vmm_insn_decode(t.bytes, sizeof t.bytes, mode, &t.insn) == 0 && is_candidate(&t)) run_one(&t);
    }
    check_coverage(&t);
}

Test(insn_native, code_of_64_bits) { compare_with_processor(VMM_INSN_64, 800000); }
Test(insn_native, code_of_32_bits) { compare_with_processor(VMM_INSN_32, 500000); }
Test(insn_native, code_of_16_bits) { compare_with_processor(VMM_INSN_16, 500000); }
