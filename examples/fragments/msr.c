/* Trap a model-specific register: it can be read as before, and not be written. */
#include <vmm/vmm.h>

#define MSR_HWCR  0xc0010015u
#define VECTOR_GP 13u

static enum vmm_verdict on_hwcr(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access) {
    (void)cookie;
    if (!access->write) return VMM_PASS;
    vmm_inject(vcpu, VECTOR_GP, 0);
    return VMM_INJECT;
}

int trap_hwcr(struct vmm *vmm);

int trap_hwcr(struct vmm *vmm) { return vmm_msr_trap(vmm, MSR_HWCR, 1, on_hwcr, NULL); }
