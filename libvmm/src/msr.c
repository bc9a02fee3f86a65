/* Model-specific registers that exit, each for a reason; all others belong to the guest without an exit.
 * Source: APM Volume 2 (24593), Appendix A "MSR Cross-Reference"; 15.30 "SVM Related MSRs";
 * Intel SDM Volume 4, table 2-2 "IA-32 Architectural MSRs". */
#include "priv.h"
#include <hw.h>
#include "msr_regs.h"
#include "svm/svm_regs.h"
#include "vmx/vmx_mtrr.h"
#include "vmx/vmx_regs.h"

#define VECTOR_GP 13u

enum rule {
    RULE_EFER,      /* SVME is ours: it reads as 0, and setting it is refused as with SVM switched off */
    RULE_APIC_BASE, /* may change mode, not place: the trap on its page must stay in front of it */
    RULE_FIXED,     /* reads are the machine's, writes vanish: they would move memory, or run code, beneath us */
    RULE_ZERO,      /* reads 0, writes vanish */
    RULE_VM_CR,     /* SVM switched off and locked: 15.30.1 "VM_CR MSR" */
    RULE_FEATURES,  /* VMX and SMX switched off and locked: SDM Volume 3C, 23.7 "Enabling and Entering VMX Operation" */
    RULE_MTRR,      /* as the guest likes, but the nested tables must follow */
    RULE_ABSENT,    /* #GP, as on a processor without the feature we hide */
};

/* Where a register exists, or has to be looked after */
#define AMD   BIT(VMM_AMD)
#define INTEL BIT(VMM_INTEL)

static const struct {
    uint32_t first, last;
    enum rule rule;
    bool read, write; /* what exits */
    uint64_t vendors;
} table[] = {
    {MSR_EFER, MSR_EFER, RULE_EFER, true, true, AMD},
    {MSR_APIC_BASE, MSR_APIC_BASE, RULE_APIC_BASE, false, true, AMD | INTEL},
    {MSR_VM_CR, MSR_VM_CR, RULE_VM_CR, true, true, AMD},
    {MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA, RULE_ZERO, true, true, AMD},
    {MSR_SVM_KEY, MSR_SVM_KEY, RULE_ZERO, true, true, AMD},
    {MSR_SYSCFG, MSR_SYSCFG, RULE_FIXED, false, true, AMD},         /* DRAM and MMIO routing */
    {MSR_IORR_BASE0, MSR_IORR_MASK1, RULE_FIXED, false, true, AMD}, /* I/O range registers: RAM turned into MMIO */
    {MSR_TOP_MEM, MSR_TOP_MEM2, RULE_FIXED, false, true, AMD},
    {MSR_PATCH_LOADER, MSR_PATCH_LOADER, RULE_FIXED, false, true, AMD}, /* microcode, by a guest-linear pointer */
    {MSR_MMIO_CFG_BASE, MSR_MMIO_CFG_BASE, RULE_FIXED, false, true, AMD},
    {MSR_SMBASE, MSR_SMM_MASK, RULE_FIXED, false, true, AMD}, /* system management code runs above us */
    {MSR_IGNNE, MSR_SMM_CTL, RULE_FIXED, false, true, AMD},
    {MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, RULE_FEATURES, true, true, INTEL},
    {MSR_BIOS_UPDT_TRIG, MSR_BIOS_UPDT_TRIG, RULE_FIXED, false, true, INTEL}, /* microcode, by a guest-linear pointer */
    {MSR_SMM_MONITOR_CTL, MSR_SMM_MONITOR_CTL, RULE_ABSENT, true, true, INTEL},
    {MSR_MTRR_PHYSBASE(0), MSR_MTRR_PHYSMASK(VMX_MTRR_MAX - 1), RULE_MTRR, false, true, INTEL},
    {MSR_MTRR_FIX64K, MSR_MTRR_FIX64K, RULE_MTRR, false, true, INTEL},
    {MSR_MTRR_FIX16K, MSR_MTRR_FIX16K + 1, RULE_MTRR, false, true, INTEL},
    {MSR_MTRR_FIX4K, MSR_MTRR_FIX4K + 7, RULE_MTRR, false, true, INTEL},
    {MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, RULE_MTRR, false, true, INTEL},
    {MSR_VMX_BASIC, MSR_VMX_LAST, RULE_ABSENT, true, true, INTEL},
    {MSR_RTIT_FIRST, MSR_RTIT_LAST, RULE_ABSENT, true, true, INTEL}, /* processor trace */
};

int vmm_msr_init(struct vmm *vmm) {
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        for (uint32_t msr = table[i].first; msr <= table[i].last && (table[i].vendors & BIT(vmm->ops->vendor)); msr++)
            vmm->ops->msr_intercept(vmm, msr, table[i].read, table[i].write);
    return 0;
}

/* EFER bits this processor lets software set: APM Volume 2, 3.1.7 "Extended Feature Enable Register (EFER)". */
static uint64_t efer_writable(void) {
    uint32_t edx = hw_cpuid(CPUID_EXT_FEATURES, 0).edx;
    uint64_t bits = EFER_SCE | EFER_LME | EFER_NXE | EFER_LMA;
    if (edx & EXT_EDX_FFXSR) bits |= EFER_FFXSR;
    /* Others are allowed as far as the machine's own register takes them: try with what we run with. */
    static const uint64_t rest[] = {EFER_LMSLE, EFER_TCE, EFER_MCOMMIT, EFER_INTWB, EFER_UAIE, EFER_AIBRSE};
    uint64_t own = hw_rdmsr(MSR_EFER);
    for (unsigned i = 0; i < sizeof rest / sizeof rest[0]; i++)
        if (hw_wrmsr_safe(MSR_EFER, own | rest[i])) bits |= rest[i];
    hw_wrmsr(MSR_EFER, own);
    return bits;
}

static bool efer_write(struct vmm_vcpu *vcpu, uint64_t v) {
    uint64_t old = vmm_reg_get(vcpu, VMM_EFER);
    bool paging = (vmm_reg_get(vcpu, VMM_CR0) & BIT(31)) != 0;
    if ((v & ~old & EFER_SVME) || (v & ~efer_writable() & ~old) || (paging && ((v ^ old) & EFER_LME))) return false;
    vmm_reg_set(vcpu, VMM_EFER, (v & ~EFER_LMA) | (old & EFER_LMA));
    return true;
}

static bool apic_base_write(struct vmm_vcpu *vcpu, uint64_t v) {
    struct vmm *vmm = vcpu->vmm;
    uint64_t old = hw_rdmsr(MSR_APIC_BASE);
    if ((v ^ old) & APIC_BASE_ADDR) {
        vmm_log(vmm, "guest tried to move its local APIC to %lx: refused", v & APIC_BASE_ADDR);
        return false;
    }
    return hw_wrmsr_safe(MSR_APIC_BASE, v);
}

/* False: #GP. */
static bool apply(struct vmm_vcpu *vcpu, enum rule rule, struct vmm_access *a) {
    uint32_t msr = (uint32_t)a->addr;
    switch (rule) {
    case RULE_EFER:
        if (a->write) return efer_write(vcpu, a->value);
        a->value = vmm_reg_get(vcpu, VMM_EFER);
        return true;
    case RULE_APIC_BASE: return a->write ? apic_base_write(vcpu, a->value) : hw_rdmsr_safe(msr, &a->value);
    case RULE_ZERO: a->value = 0; return true;
    case RULE_VM_CR:
        if (!a->write) a->value = (hw_rdmsr(MSR_VM_CR) & ~VM_CR_R_INIT) | VM_CR_SVMDIS | VM_CR_LOCK;
        return true;
    case RULE_FEATURES:
        a->value =
            (hw_rdmsr(MSR_FEATURE_CONTROL) & ~(FEATURE_VMX | FEATURE_VMX_IN_SMX | FEATURE_SENTER)) | FEATURE_LOCK;
        return !a->write;
    case RULE_MTRR:
        if (!a->write) return hw_rdmsr_safe(msr, &a->value);
        if (!hw_wrmsr_safe(msr, a->value)) return false;
        vcpu->vmm->ops->mtrr_written(vcpu);
        return true;
    case RULE_ABSENT: return false;
    default: return a->write || hw_rdmsr_safe(msr, &a->value);
    }
}

static bool access_msr(struct vmm_vcpu *vcpu, struct vmm_access *a) {
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
        if (a->addr >= table[i].first && a->addr <= table[i].last && (table[i].vendors & BIT(vcpu->vmm->ops->vendor)))
            return apply(vcpu, table[i].rule, a);
    return a->write ? hw_wrmsr_safe((uint32_t)a->addr, a->value) : hw_rdmsr_safe((uint32_t)a->addr, &a->value);
}

void vmm_msr_exit(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    struct vmm_access a = {.addr = (uint32_t)vcpu->gpr[VMM_RCX],
                           .n_bytes = 8,
                           .write = exit->msr.write,
                           .value = vcpu->gpr[VMM_RDX] << 32 | (uint32_t)vcpu->gpr[VMM_RAX]};
    const struct vmm_hook *hook = vmm_hook_find(&vcpu->vmm->msr, a.addr);
    enum vmm_verdict verdict = hook ? vmm_call_trap(vcpu, hook, &a) : VMM_PASS;
    if (verdict == VMM_INJECT) return;
    if (verdict == VMM_PASS && !access_msr(vcpu, &a)) {
        vmm_inject(vcpu, VECTOR_GP, 0);
        return;
    }
    if (verdict == VMM_SKIP) a.value = UINT64_MAX;
    if (!a.write) {
        vcpu->gpr[VMM_RAX] = (uint32_t)a.value;
        vcpu->gpr[VMM_RDX] = a.value >> 32;
    }
    (void)vmm_skip_insn(vcpu, exit);
}
