/* Memory types of the nested tables: as the MTRRs say, of the processor that wrote them last. Every operating system
 * keeps them equal on all processors. Source: Intel SDM Volume 3A, 11.11.8 "MTRR Considerations in MP Systems". */
#include <hw.h>
#include <string.h>
#include "vmx_regs.h"
#include "vmx_setup.h"

#define CPUID_1_EDX_MTRR BIT(12)

void vmx_mtrrs_read(struct vmx_mtrrs *m) {
    memset(m, 0, sizeof *m);
    if (!(hw_cpuid(1, 0).edx & CPUID_1_EDX_MTRR)) {
        m->def_type = DEF_TYPE_E | MEM_WB;
        return;
    }
    m->def_type = hw_rdmsr(MSR_MTRR_DEF_TYPE);
    m->fixed[0] = hw_rdmsr(MSR_MTRR_FIX64K);
    for (unsigned i = 0; i < 2; i++) m->fixed[1 + i] = hw_rdmsr(MSR_MTRR_FIX16K + i);
    for (unsigned i = 0; i < 8; i++) m->fixed[3 + i] = hw_rdmsr(MSR_MTRR_FIX4K + i);
    m->n_variable = (uint32_t)FIELD_GET(MTRRCAP_VCNT, hw_rdmsr(MSR_MTRRCAP));
    if (m->n_variable > VMX_MTRR_MAX) m->n_variable = VMX_MTRR_MAX;
    for (unsigned i = 0; i < m->n_variable; i++) {
        m->base[i] = hw_rdmsr(MSR_MTRR_PHYSBASE(i));
        m->mask[i] = hw_rdmsr(MSR_MTRR_PHYSMASK(i));
    }
}

bool vmx_leaf_flags(const struct vmm *vmm, uint64_t pa, uint64_t n_bytes, uint64_t *out_flags) {
    const struct vmx_mtrrs *m = &vmx_maps_of(vmm)->mtrrs;
    uint64_t end, at = pa;
    unsigned type = vmx_mtrr_type(m, vmm->phys_bits, pa, &end);
    while (end < pa + n_bytes) { /* another range may well go on with the same type */
        at = end;
        if (vmx_mtrr_type(m, vmm->phys_bits, at, &end) != type) return false;
    }
    *out_flags = FIELD_PUT(EPT_MEM_TYPE, type);
    return true;
}

void vmx_mtrr_written(struct vmm_vcpu *vcpu) {
    struct vmm *vmm = vcpu->vmm;
    struct vmx_mtrrs now, *was = &vmx_maps_of(vmm)->mtrrs;
    vmx_mtrrs_read(&now);
    /* While they are off, the guest has its caches off: 11.11.7.2 "MemTypeSet() Function". */
    if (!(now.def_type & DEF_TYPE_E)) return;
    vmm_lock(&vmm->npt_lock);
    bool changed = memcmp(&now, was, sizeof now) != 0;
    if (changed) {
        *was = now;
        vmm_space_refresh(vmm);
    }
    vmm_unlock(&vmm->npt_lock);
    if (changed && !vmm_flush_nested(vmm))
        vmm_log(vmm, "processor %u changed memory types: another one may still use the old ones", vcpu->index);
}
