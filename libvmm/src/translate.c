/* Guest-linear addresses of a vCPU, by its own page tables. */
#include "priv.h"
#include "msr_regs.h"

#define VECTOR_PF 14u

/* APM Volume 2, 5.4.1 "Field Definitions": address bits the processor lacks, NX while it is off, and everything below
 * NX in the 8-byte entries of a guest outside long mode. */
static uint64_t reserved(const struct vmm *vmm, uint64_t efer) {
    uint64_t bits = (efer & EFER_LMA ? BITS(51, 0) : BITS(62, 0)) & ~(BIT(vmm->phys_bits) - 1);
    return bits | (efer & EFER_NXE ? 0 : BIT(63));
}

static void *table_entry(void *ctx, gpa_t at, size_t n_bytes) { return vmm_gmem_borrow(ctx, at, n_bytes); }

int vmm_walk(struct vmm_vcpu *vcpu, uint64_t linear, enum walk_access access, struct walk_result *out) {
    const struct vmm_context *at = &vcpu->at;
    struct walk_regs r = {
        .cr0 = at->cr0, .cr3 = at->cr3, .cr4 = at->cr4, .efer = at->efer, .rflags = vcpu->rflags, .cpl = at->cpl};
    r.reserved = reserved(vcpu->vmm, at->efer);
    struct walk_memory mem = {.ctx = vcpu->vmm, .entry = table_entry};
    return walk(&r, &mem, linear, access, out);
}

int vmm_walk_or_fault(struct vmm_vcpu *vcpu, uint64_t linear, enum walk_access access, gpa_t *out) {
    struct walk_result r;
    if (!vmm_walk(vcpu, linear, access, &r)) {
        *out = r.gpa;
        return 0;
    }
    vmm_reg_set(vcpu, VMM_CR2, linear);
    vmm_inject(vcpu, VECTOR_PF, r.error);
    return 1;
}

int vmm_translate(struct vmm_vcpu *vcpu, uint64_t linear, gpa_t *out) {
    struct walk_result r;
    if (vmm_walk(vcpu, linear, WALK_PEEK, &r)) return VMM_E_RANGE;
    *out = r.gpa;
    return 0;
}
