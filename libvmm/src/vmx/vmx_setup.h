/* vmx_setup.c, vmx_memory.c: the operations that prepare. See struct vmm_cpu_ops. */
#ifndef VMM_VMX_SETUP_H
#define VMM_VMX_SETUP_H

#include "vmx.h"

#define VMX_VPID 1u /* each processor has a TLB of its own and one guest; 0 is ours */

bool vmx_present(void);
const char *vmx_unsupported(void);
int vmx_init(struct vmm *vmm);
int vmx_vcpu_init(struct vmm_vcpu *vcpu);
void vmx_enable(struct vmm_vcpu *vcpu);
void vmx_ready(struct vmm_vcpu *vcpu);

void vmx_mtrrs_read(struct vmx_mtrrs *out);
bool vmx_leaf_flags(const struct vmm *vmm, uint64_t pa, uint64_t n_bytes, uint64_t *out_flags);
void vmx_mtrr_written(struct vmm_vcpu *vcpu);

#endif
