/* Exits that only VT-x has: control registers, XSETBV, INVD; and the way out for an INIT.
 * Source: Intel SDM Volume 3C, 25.1 "Instructions That Cause VM Exits", 25.2 "Other Causes of VM Exits"; Volume 3A, 8.4
 * "Multiple-Processor (MP) Initialization". */
#include <hw_vmx.h>
#include <string.h>
#include "../host.h"
#include "../msr_regs.h"
#include "vmx.h"
#include "vmx_cr0.h"
#include "vmx_regs.h"

#define VECTOR_GP 13u

static uint64_t get(uint32_t field) { return hw_vmx_read(field); }
static void set(uint32_t field, uint64_t v) { VMM_ASSERT(hw_vmx_write(field, v)); }

/* ---- control registers ---- */

/* Paging without long mode in PAE format keeps the four entries of its top table in the VMCS. False: one of them has a
 * reserved bit set. Source: Volume 3A, 4.4.1 "PDPTE Registers". */
bool vmx_pdptes_read(const struct vmm_vcpu *vcpu, uint64_t cr3, uint64_t e[4]) {
    uint64_t rsvd = BITS(2, 1) | BITS(8, 5) | (UINT64_MAX << vcpu->vmm->phys_bits);
    if (vmm_gmem_read(vcpu->vmm, gpa(cr3 & 0xffffffe0), e, 32)) memset(e, 0xff, 32);
    for (unsigned i = 0; i < 4; i++)
        if ((e[i] & PT_P) && (e[i] & rsvd)) return false;
    return true;
}

static bool load_pdptes(const struct vmm_vcpu *vcpu, uint64_t cr3) {
    uint64_t e[4];
    if (!vmx_pdptes_read(vcpu, cr3, e)) return false;
    for (unsigned i = 0; i < 4; i++) set(VMCS_GUEST_PDPTE(i), e[i]);
    return true;
}

static bool write_cr0(struct vmm_vcpu *vcpu, uint64_t v) {
    uint64_t old = vmm_reg_get(vcpu, VMM_CR0), cr4 = vcpu->at.cr4, efer = vcpu->at.efer;
    if (!vmx_cr0_allowed(old, v, cr4, efer, vcpu->at.cs_attrib)) return false;
    if ((old ^ v) & CR0_PG) {
        bool lma = (v & CR0_PG) && (efer & EFER_LME);
        if ((v & CR0_PG) && !lma && (cr4 & CR4_PAE) && !load_pdptes(vcpu, vcpu->at.cr3)) return false;
        vmm_reg_set(vcpu, VMM_EFER, (efer & ~EFER_LMA) | (lma ? EFER_LMA : 0));
    }
    vmm_reg_set(vcpu, VMM_CR0, v);
    /* The guest's cache bits are the processor's own: 26.3.2.1 "Loading Guest Control Registers ..." leaves them. */
    hw_write_cr0((hw_read_cr0() & ~(CR0_CD | CR0_NW)) | (v & (CR0_CD | CR0_NW)));
    return true;
}

/* Only MOV to CR0 that changes NE, and MOV to CR4 that sets a bit we hide, exit: 25.1.3. */
static void cr_access(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    uint64_t q = exit->raw[1], v = vcpu->gpr[FIELD_GET(QUAL_CR_GPR, q)];
    if (vmm_mode(vcpu) != VMM_INSN_64) v = (uint32_t)v;
    bool good = FIELD_GET(QUAL_CR_TYPE, q) == QUAL_CR_MOV_TO && FIELD_GET(QUAL_CR_NUMBER, q) == 0 && write_cr0(vcpu, v);
    if (good)
        (void)vmm_skip_insn(vcpu, exit);
    else
        vmm_inject(vcpu, VECTOR_GP, 0);
}

/* XCR0 is the guest's own while we run. The privilege check comes before the exit: 25.1.1 "Relative Priority of Faults
 * and VM Exits"; but not in Bochs 2.7. */
static void xsetbv(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    uint64_t v = vcpu->gpr[VMM_RDX] << 32 | (uint32_t)vcpu->gpr[VMM_RAX];
    if (vmm_cpl(vcpu) == 0 && hw_xsetbv_safe((uint32_t)vcpu->gpr[VMM_RCX], v))
        (void)vmm_skip_insn(vcpu, exit);
    else
        vmm_inject(vcpu, VECTOR_GP, 0);
}

/* ---- INIT ---- */

/* Out of VMX operation, which holds INITs back. What is the guest's, and our own values stand in for while we run, it
 * gets again: INIT leaves these. */
void vmx_leave(struct vmm_vcpu *vcpu) {
    hw_wrmsr(MSR_PAT, get(VMCS_GUEST_PAT));
    hw_wrmsr(MSR_SYSENTER_CS, get(VMCS_GUEST_SYSENTER_CS));
    hw_wrmsr(MSR_SYSENTER_ESP, get(VMCS_GUEST_SYSENTER_ESP));
    hw_wrmsr(MSR_SYSENTER_EIP, get(VMCS_GUEST_SYSENTER_EIP));
    VMM_ASSERT(hw_vmx_clear(vmx_cpu_of(vcpu)->vmcs));
    hw_vmx_off();
}

bool vmx_other(struct vmm_vcpu *vcpu, struct vmm_exit *exit) {
    switch (FIELD_GET(REASON_BASIC, exit->raw[0])) {
    case VMX_EXIT_TASK_SWITCH: vmx_task_exit(vcpu, exit); return true;
    case VMX_EXIT_CR_ACCESS: cr_access(vcpu, exit); return true;
    case VMX_EXIT_XSETBV: xsetbv(vcpu, exit); return true;
    case VMX_EXIT_INVD: /* throwing away modified lines would throw away ours: write them back instead */
        hw_wbinvd();
        (void)vmm_skip_insn(vcpu, exit);
        return true;
    default: return false;
    }
}
