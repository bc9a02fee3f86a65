/* Change what CPUID says: hide RDRAND. A guest may still execute what it does not see. */
#include <vmm/vmm.h>

#define FEATURES_ECX_RDRAND BIT(30)

static void on_features(struct vmm_vcpu *vcpu, void *cookie, struct vmm_cpuid *regs) {
    (void)vcpu;
    (void)cookie;
    regs->ecx &= ~(uint32_t)FEATURES_ECX_RDRAND;
}

int hide_rdrand(struct vmm *vmm);

int hide_rdrand(struct vmm *vmm) { return vmm_cpuid_hook(vmm, 1, 1, on_features, NULL); }
