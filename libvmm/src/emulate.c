/* Carrying out one guest instruction that touched a trapped place: this file gives the emulator its memory and ports.
 */
#include "priv.h"
#include <hw.h>
#include <string.h>
#include <vmm/insn.h>
#include "msr_regs.h"
#include "walk.h"

#define VECTOR_UD 6u
#define VECTOR_SS 12u
#define VECTOR_GP 13u
#define VECTOR_PF 14u

#define RFLAGS_TF BIT(8)

/* Iterations of one REP instruction carried out in one exit. */
#define MAX_ITERATIONS 256u

/* ---- translation ---- */

static int table_read(void *ctx, gpa_t at, void *dst, size_t n_bytes) { return vmm_gmem_read(ctx, at, dst, n_bytes); }

static void table_set(void *ctx, gpa_t at, uint64_t bits, size_t n_bytes) {
    void *p = vmm_gmem_borrow(ctx, at, n_bytes);
    if (!p) return;
    if (n_bytes == 8)
        __atomic_fetch_or((uint64_t *)p, bits, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_or((uint32_t *)p, (uint32_t)bits, __ATOMIC_SEQ_CST);
}

static int translate(struct vmm_vcpu *vcpu, uint64_t linear, enum walk_access access, gpa_t *out, uint32_t *out_error) {
    struct walk_regs r = {.cr0 = vmm_reg_get(vcpu, VMM_CR0),
                          .cr3 = vmm_reg_get(vcpu, VMM_CR3),
                          .cr4 = vmm_reg_get(vcpu, VMM_CR4),
                          .efer = vmm_reg_get(vcpu, VMM_EFER),
                          .rflags = vcpu->rflags,
                          .cpl = vmm_cpl(vcpu)};
    struct walk_memory mem = {.ctx = vcpu->vmm, .read = table_read, .set = table_set};
    return walk(&r, &mem, linear, access, out, out_error);
}

int vmm_translate(struct vmm_vcpu *vcpu, uint64_t linear, gpa_t *out) {
    uint32_t error;
    return translate(vcpu, linear, WALK_PEEK, out, &error) ? VMM_E_RANGE : 0;
}

static int translate_or_fault(struct vmm_vcpu *vcpu, uint64_t linear, enum walk_access access, gpa_t *out) {
    uint32_t error;
    if (!translate(vcpu, linear, access, out, &error)) return 0;
    vmm_reg_set(vcpu, VMM_CR2, linear);
    vmm_inject(vcpu, VECTOR_PF, error);
    return 1;
}

unsigned vmm_fetch(struct vmm_vcpu *vcpu, uint8_t out[15]) {
    unsigned n = vcpu->vmm->ops->insn_bytes(vcpu, out);
    if (n) return n;
    uint64_t linear = vmm_segment_get(vcpu, VMM_CS).base + vcpu->rip;
    while (n < 15) {
        gpa_t at;
        uint32_t error;
        unsigned piece = (unsigned)(VMM_PAGE_BYTES - ((linear + n) & VMM_PAGE_MASK));
        if (piece > 15 - n) piece = 15 - n;
        if (translate(vcpu, linear + n, WALK_FETCH, &at, &error)) {
            if (n) return n; /* the instruction may well end before the page that is missing */
            vmm_reg_set(vcpu, VMM_CR2, linear);
            vmm_inject(vcpu, VECTOR_PF, error);
            return 0;
        }
        if (vmm_gmem_read(vcpu->vmm, at, out + n, piece)) { /* flash or other memory that is not RAM */
            if (vmm_is_hidden(vcpu->vmm, at.v, piece))
                memset(out + n, 0xff, piece);
            else
                memcpy(out + n, hw_direct(at.v), piece);
        }
        n += piece;
    }
    return n;
}

/* ---- guest-physical accesses ---- */

static uint64_t ones(unsigned n_bytes) { return UINT64_MAX >> (64 - 8 * n_bytes); }

/* One naturally aligned access that does not cross a page. Non-zero: an event was queued. */
static int physical(struct vmm_vcpu *vcpu, struct vmm_access *a) {
    const struct vmm_hook *hook = vmm_hook_find(&vcpu->vmm->mmio, a->addr);
    enum vmm_verdict verdict = VMM_PASS;
    if (hook)
        verdict = vmm_call_trap(vcpu, hook, a);
    else if (!vmm_dma_ok(vcpu->vmm, gpa(a->addr), a->n_bytes))
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
    struct vmm_segment s = vmm_segment_get(vcpu, (enum vmm_segment_name)seg);
    unsigned vector = seg == VMM_SEG_SS ? VECTOR_SS : VECTOR_GP;
    if (vmm_mode(vcpu) == VMM_INSN_64) {
        *out = offset + (seg >= VMM_SEG_FS ? s.base : 0);
        unsigned unused = vmm_reg_get(vcpu, VMM_CR4) & BIT(12) /* LA57 */ ? 64 - 57 : 64 - 48;
        uint64_t last = *out + n_bytes - 1;
        if ((uint64_t)((int64_t)(*out << unused) >> unused) == *out &&
            (uint64_t)((int64_t)(last << unused) >> unused) == last)
            return 0;
    } else {
        bool expand_down = (s.attrib & 0xc) == 4; /* a data segment with the E bit */
        uint64_t last = offset + n_bytes - 1, top = s.attrib & VMM_SEG_D ? UINT32_MAX : UINT16_MAX;
        *out = (uint32_t)(s.base + offset);
        if (expand_down ? offset > s.limit && last <= top : last <= s.limit) return 0;
    }
    vmm_inject(vcpu, vector, 0);
    return 1;
}

static int access_linear(struct vmm_vcpu *vcpu, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t *value,
                         bool write) {
    uint64_t linear;
    gpa_t at[2];
    enum walk_access how = write ? WALK_WRITE : WALK_READ;
    if (linear_of(vcpu, seg, offset, n_bytes, &linear)) return 1;
    unsigned first = (unsigned)(VMM_PAGE_BYTES - (linear & VMM_PAGE_MASK));
    if (first > n_bytes) first = n_bytes;
    /* All faults before any effect. */
    if (translate_or_fault(vcpu, linear, how, &at[0])) return 1;
    if (first < n_bytes && translate_or_fault(vcpu, linear + first, how, &at[1])) return 1;
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
    if (translate_or_fault(ctx, linear, WALK_WRITE, &at)) return 1;
    return ((linear ^ (linear + n_bytes - 1)) & ~VMM_PAGE_MASK) &&
           translate_or_fault(ctx, linear + n_bytes - 1, WALK_WRITE, &at);
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

void vmm_emulate(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    uint8_t bytes[15];
    struct vmm_insn insn;
    unsigned n = vmm_fetch(vcpu, bytes);
    if (n == 0) return;
    if (vmm_insn_decode(bytes, n, vmm_mode(vcpu), &insn)) {
        vmm_log(vcpu->vmm, "guest rip %lx: %x %x %x %x %x %x %x %x cannot be emulated (address %lx)", vcpu->rip,
                bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], exit->raw[2]);
        vmm_inject(vcpu, VECTOR_GP, 0);
        return;
    }
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
    for (unsigned i = 0; i < VMM_N_SEGS; i++)
        env.selectors[i] = vmm_segment_get(vcpu, (enum vmm_segment_name)i).selector;
    bool step = (vcpu->rflags & RFLAGS_TF) != 0; /* a #DB after each iteration */
    enum vmm_insn_result r = vmm_insn_emulate(&insn, &env, step ? 1 : MAX_ITERATIONS);
    if (r == VMM_INSN_DONE || (r == VMM_INSN_AGAIN && step)) vmm_finish_insn(vcpu);
    if (r == VMM_INSN_NOT_OURS) vmm_inject(vcpu, VECTOR_GP, 0); /* such as LGDT or INVLPG on a device */
}
