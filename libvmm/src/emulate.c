/* Carrying out one guest instruction that touched a trapped place: this file gives the emulator its memory and ports.
 */
#include "priv.h"
#include <hw.h>
#include <string.h>
#include <vmm/insn.h>

#define VECTOR_SS 12u
#define VECTOR_GP 13u

#define RFLAGS_TF BIT(8)

/* Iterations of one REP instruction carried out in one exit; with ports, whose devices have all of a block of data
 * ready when it is read, as many as 16 sectors have words. */
#define MAX_ITERATIONS      256u
#define MAX_PORT_ITERATIONS 4096u

/* ---- guest-physical accesses ---- */

static uint64_t ones(unsigned n_bytes) { return UINT64_MAX >> (64 - 8 * n_bytes); }

/* One naturally aligned access that does not cross a page, and whose place this hook traps, if any. Non-zero: an event
 * was queued. */
static inline int trapped(struct vmm_vcpu *vcpu, const struct vmm_hook *hook, struct vmm_access *a) {
    enum vmm_verdict verdict = VMM_PASS;
    if (hook) verdict = vmm_call_trap(vcpu, hook, a);
    if (verdict == VMM_HANDLED)
        return 0;
    else if (!vmm_is_reachable(vcpu->vmm, a->addr, a->n_bytes))
        verdict = VMM_SKIP;
    switch (verdict) {
    case VMM_PASS:
        if (a->write)
            hw_mmio_write(a->addr, a->n_bytes, a->value);
        else
            a->value = hw_mmio_read(a->addr, a->n_bytes);
        return 0;
    case VMM_SKIP: a->value = ones(a->n_bytes); return 0;
    case VMM_INJECT: return 1;
    default: return 0;
    }
}

static int physical(struct vmm_vcpu *vcpu, struct vmm_access *a) {
    return trapped(vcpu, vmm_hook_find(&vcpu->vmm->mmio, a->addr), a);
}

/* Any width and alignment within one page, in naturally aligned pieces; little-endian. */
static int in_page(struct vmm_vcpu *vcpu, gpa_t at, unsigned n_bytes, uint64_t *value, bool write) {
    uint64_t read = 0;
    for (unsigned done = 0; done < n_bytes;) {
        unsigned piece = 8;
        while (piece > n_bytes - done || ((at.v + done) & (piece - 1))) piece /= 2;
        struct vmm_access a = {.addr = at.v + done,
                               .n_bytes = (uint8_t)piece,
                               .write = write,
                               .value = write ? (*value >> 8 * done) & ones(piece) : 0};
        if (physical(vcpu, &a)) return 1;
        read |= (a.value & ones(piece)) << 8 * done;
        done += piece;
    }
    if (!write) *value = read;
    return 0;
}

/* ---- the emulator's memory ---- */

/* Segment base and checks. Real, 16- and 32-bit code: limit and type; 64-bit code: canonical form.
 * Source: APM Volume 2, 4.12 "Segment Limit Checks in Detail", 8.2.14 "#GP General-Protection Exception". */
static int linear_of(struct vmm_vcpu *vcpu, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t *out) {
    unsigned vector = seg == VMM_SEG_SS ? VECTOR_SS : VECTOR_GP;
    if (vmm_mode(vcpu) == VMM_INSN_64) {
        *out = offset + (seg >= VMM_SEG_FS ? vmm_segment_get(vcpu, (enum vmm_segment_name)seg).base : 0);
        unsigned unused = vcpu->at.cr4 & BIT(12) /* LA57 */ ? 64 - 57 : 64 - 48;
        uint64_t last = *out + n_bytes - 1;
        if ((uint64_t)((int64_t)(*out << unused) >> unused) == *out &&
            (uint64_t)((int64_t)(last << unused) >> unused) == last)
            return 0;
    } else {
        struct vmm_segment s = vmm_segment_get(vcpu, (enum vmm_segment_name)seg);
        bool expand_down = (s.attrib & 0xc) == 4; /* a data segment with the E bit */
        uint64_t last = offset + n_bytes - 1, top = s.attrib & VMM_SEG_D ? UINT32_MAX : UINT16_MAX;
        *out = (uint32_t)(s.base + offset);
        if (expand_down ? offset > s.limit && last <= top : last <= s.limit) return 0;
    }
    vmm_inject(vcpu, vector, 0);
    return 1;
}

static int translate(struct vmm_vcpu *vcpu, uint64_t linear, enum walk_access how, gpa_t *out) {
    struct vmm_translation *t = &vcpu->seen[how == WALK_WRITE];
    uint64_t offset = linear & VMM_PAGE_MASK;
    if (!t->valid || t->page != linear - offset) {
        if (vmm_walk_or_fault(vcpu, linear, how, out)) return 1;
        *t = (struct vmm_translation){.valid = true, .page = linear - offset, .at = gpa(out->v - offset)};
    }
    *out = gpa_add(t->at, offset);
    return 0;
}

static int access_linear(struct vmm_vcpu *vcpu, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t *value,
                         bool write) {
    uint64_t linear;
    gpa_t at[2];
    enum walk_access how = write ? WALK_WRITE : WALK_READ;
    if (linear_of(vcpu, seg, offset, n_bytes, &linear)) return 1;
    unsigned first = (unsigned)(VMM_PAGE_BYTES - (linear & VMM_PAGE_MASK));
    if (first > n_bytes) first = n_bytes;
    /* The processor has translated this very operand already, and found it allowed. */
    if (vcpu->operand && vcpu->operand->mmio.write == write && first == n_bytes &&
        !((vcpu->operand->mmio.gpa.v ^ linear) & VMM_PAGE_MASK))
        return in_page(vcpu, vcpu->operand->mmio.gpa, n_bytes, value, write);
    /* All faults before any effect. */
    if (translate(vcpu, linear, how, &at[0])) return 1;
    if (first < n_bytes && translate(vcpu, linear + first, how, &at[1])) return 1;
    uint64_t low = write ? *value & ones(first) : 0, high = 0;
    if (in_page(vcpu, at[0], first, &low, write)) return 1;
    if (first < n_bytes) {
        high = write ? *value >> 8 * first : 0;
        if (in_page(vcpu, at[1], n_bytes - first, &high, write)) return 1;
        low |= high << 8 * first;
    }
    if (!write) *value = low;
    return 0;
}

static int emu_read(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t *out_value) {
    return access_linear(ctx, seg, offset, n_bytes, out_value, false);
}

static int emu_write(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t value) {
    return access_linear(ctx, seg, offset, n_bytes, &value, true);
}

static int emu_check_write(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes) {
    uint64_t linear;
    gpa_t at;
    if (linear_of(ctx, seg, offset, n_bytes, &linear)) return 1;
    if (translate(ctx, linear, WALK_WRITE, &at)) return 1;
    uint64_t last_page = (linear + n_bytes - 1) & ~VMM_PAGE_MASK;
    return last_page != (linear & ~VMM_PAGE_MASK) && translate(ctx, last_page, WALK_WRITE, &at);
}

/* ---- ports ---- */

enum vmm_verdict vmm_port_access(struct vmm_vcpu *vcpu, struct vmm_access *a) {
    const struct vmm_hook *hook = NULL;
    /* A wide access is the hook's if any of its ports is. */
    for (unsigned i = 0; i < a->n_bytes && !hook; i++) hook = vmm_hook_find(&vcpu->vmm->pio, a->addr + i);
    enum vmm_verdict verdict = hook ? vmm_call_trap(vcpu, hook, a) : VMM_PASS;
    if (verdict == VMM_PASS) {
        if (a->write)
            hw_out((uint16_t)a->addr, a->n_bytes, (uint32_t)a->value);
        else
            a->value = hw_in((uint16_t)a->addr, a->n_bytes);
    } else if (verdict == VMM_SKIP) {
        a->value = ones(a->n_bytes);
    }
    return verdict;
}

static int emu_in(void *ctx, uint16_t port, unsigned n_bytes, uint64_t *out_value) {
    struct vmm_access a = {.addr = port, .n_bytes = (uint8_t)n_bytes};
    if (vmm_port_access(ctx, &a) == VMM_INJECT) return 1;
    *out_value = a.value & ones(n_bytes);
    return 0;
}

static int emu_out(void *ctx, uint16_t port, unsigned n_bytes, uint64_t value) {
    struct vmm_access a = {.addr = port, .n_bytes = (uint8_t)n_bytes, .write = true, .value = value};
    return vmm_port_access(ctx, &a) == VMM_INJECT;
}

/* ---- one instruction ---- */

/* True if the only memory the instruction touches is the operand the exit is about, and in one way only. */
static bool single_operand(const struct vmm_insn *insn) {
    return insn->op == VMM_INSN_OP_MOV || insn->op == VMM_INSN_OP_MOVZX || insn->op == VMM_INSN_OP_MOVSX;
}

/* What drivers do with registers nearly always: a plain, naturally aligned load or store, at the place the processor
 * has just translated: segment and page allowed it. At the start of a page the operand may have begun in the page
 * before. The general way does the same with more steps. False: not of this kind. */
static bool plain_move(struct vmm_vcpu *vcpu, const struct vmm_exit *exit, const struct vmm_insn *insn) {
    unsigned n_bytes = insn->operand_bytes;
    uint64_t at = exit->mmio.gpa.v;
    bool write = exit->mmio.write;
    if (insn->plain != (write ? VMM_INSN_PLAIN_STORE : VMM_INSN_PLAIN_LOAD))
        return false; /* so it is not about a port */
    if ((at & (n_bytes - 1)) || !(at & VMM_PAGE_MASK)) return false;
    struct vmm_access a = {.addr = at, .n_bytes = (uint8_t)n_bytes, .write = write};
    uint64_t mask = n_bytes == 8 ? UINT64_MAX : UINT32_MAX;
    if (write) a.value = vcpu->gpr[insn->src.n] & mask;
    if (trapped(vcpu, exit->mmio.hook, &a)) return true;
    if (!write) vcpu->gpr[insn->dst.n] = a.value & mask; /* a 32-bit register clears its upper half */
    vcpu->rip += insn->n_bytes;
    if (vmm_mode(vcpu) != VMM_INSN_64) vcpu->rip &= UINT32_MAX;
    vmm_finish_insn(vcpu);
    return true;
}

/* Apart from the short way, whose stack frame stays small. */
static __attribute__((noinline)) void general(struct vmm_vcpu *vcpu, const struct vmm_exit *exit,
                                              const struct vmm_insn *at_rip) {
    struct vmm_insn_env env = {.ctx = vcpu,
                               .gpr = vcpu->gpr,
                               .rip = &vcpu->rip,
                               .rflags = &vcpu->rflags,
                               .mode = vmm_mode(vcpu),
                               .read = emu_read,
                               .write = emu_write,
                               .check_write = emu_check_write,
                               .in = emu_in,
                               .out = emu_out};
    if (at_rip->src.kind == VMM_INSN_SEG)
        env.selectors[at_rip->src.n] = vmm_segment_get(vcpu, (enum vmm_segment_name)at_rip->src.n).selector;
    bool step = (vcpu->rflags & RFLAGS_TF) != 0; /* a #DB after each iteration */
    unsigned limit = exit->kind == VMM_EXIT_PIO ? MAX_PORT_ITERATIONS : MAX_ITERATIONS;
    vcpu->operand = exit->kind != VMM_EXIT_PIO && single_operand(at_rip) ? exit : NULL;
    vcpu->seen[0].valid = vcpu->seen[1].valid = false;
    enum vmm_insn_result r = vmm_insn_emulate(at_rip, &env, step ? 1 : limit);
    vcpu->operand = NULL;
    if (r == VMM_INSN_DONE || (r == VMM_INSN_AGAIN && step)) vmm_finish_insn(vcpu);
    if (r == VMM_INSN_NOT_OURS) vmm_inject(vcpu, VECTOR_GP, 0); /* such as LGDT or INVLPG on a device */
}

void vmm_emulate(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    const struct vmm_insn *at_rip = vmm_insn_at_rip(vcpu, exit);
    if (at_rip && !plain_move(vcpu, exit, at_rip)) general(vcpu, exit, at_rip);
}
