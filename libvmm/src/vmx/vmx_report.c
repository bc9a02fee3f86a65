/* Why the processor refused to enter the guest, in words, for the panic report that follows. */
#include <hw_vmx.h>
#include "vmx.h"
#include "vmx_check.h"

static uint64_t get(uint32_t field) { return hw_vmx_read(field); }

static void capture(const struct vmm_vcpu *vcpu, struct vmx_check_state *s) {
    *s = (struct vmx_check_state){.cr0 = get(VMCS_GUEST_CR0),
                                  .cr3 = get(VMCS_GUEST_CR3),
                                  .cr4 = get(VMCS_GUEST_CR4),
                                  .efer = get(VMCS_GUEST_EFER),
                                  .pat = get(VMCS_GUEST_PAT),
                                  .dr7 = get(VMCS_GUEST_DR7),
                                  .rip = get(VMCS_GUEST_RIP),
                                  .rflags = get(VMCS_GUEST_RFLAGS),
                                  .debugctl = get(VMCS_GUEST_DEBUGCTL),
                                  .pending_debug = get(VMCS_GUEST_PENDING_DEBUG),
                                  .link = get(VMCS_LINK_POINTER),
                                  .sysenter_esp = get(VMCS_GUEST_SYSENTER_ESP),
                                  .sysenter_eip = get(VMCS_GUEST_SYSENTER_EIP),
                                  .interruptibility = (uint32_t)get(VMCS_GUEST_INTERRUPTIBILITY),
                                  .activity = (uint32_t)get(VMCS_GUEST_ACTIVITY),
                                  .entry_controls = (uint32_t)get(VMCS_ENTRY_CONTROLS),
                                  .entry_event = (uint32_t)get(VMCS_ENTRY_EVENT),
                                  .phys_bits = vcpu->vmm->phys_bits};
    for (unsigned i = VMM_ES; i <= VMM_IDTR; i++) {
        struct vmx_check_segment *g = &s->seg[i];
        g->limit = (uint32_t)get(VMCS_GUEST_LIMIT(i));
        g->base = get(VMCS_GUEST_BASE(i));
        if (i > VMM_TR) continue;
        g->selector = (uint16_t)get(VMCS_GUEST_SELECTOR(i));
        g->rights = (uint32_t)get(VMCS_GUEST_RIGHTS(i));
    }
}

void vmx_report(struct vmm_vcpu *vcpu) {
    struct vmm *vmm = vcpu->vmm;
    struct vmx_check_state s;
    unsigned next = 0, n = 0;
    capture(vcpu, &s);
    vmm_log(vmm, "VM entry: reason %lx, qualification %lx, instruction error %lu", get(VMCS_EXIT_REASON),
            get(VMCS_QUALIFICATION), get(VMCS_INSN_ERROR));
    for (const char *failed; (failed = vmx_check(&s, &vmx_maps_of(vmm)->caps, &next)); n++)
        vmm_log(vmm, "VM entry: guest state refused: %s", failed);
    if (n == 0) vmm_log(vmm, "VM entry: every check of the guest state holds: it is the controls or the host state");
    static const char *const names[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    for (unsigned i = VMM_ES; i <= VMM_TR; i++)
        vmm_log(vmm, "VM entry: %s %x rights %x limit %x base %lx", names[i], s.seg[i].selector, s.seg[i].rights,
                s.seg[i].limit, s.seg[i].base);
}
