/* Intel's half of the processor operations: permission maps, guest registers, one turn of the guest.
 * Source: Intel SDM Volume 3C (326019), rev. 077, chapters 24 to 28. */
#include "vmx.h"
#include <hw_vmx.h>
#include <string.h>
#include "../msr_regs.h"
#include "vmx_regs.h"
#include "vmx_setup.h"

static uint64_t get(uint32_t field) { return hw_vmx_read(field); }
static void set(uint32_t field, uint64_t v) { VMM_ASSERT(hw_vmx_write(field, v)); }

/* ---- one turn of the guest ---- */

void vmx_flush_linear(const struct vmm_vcpu *vcpu) {
    (void)vcpu;
    hw_vmx_invvpid(INVVPID_SINGLE, VMX_VPID);
}

/* Entering with an NMI to deliver demands that nothing blocks it: 26.3.1.5 "Checks on Guest Non-Register State". */
static void clear_way_for_nmi(struct vmm_vcpu *vcpu) {
    uint64_t blocking = get(VMCS_GUEST_INTERRUPTIBILITY);
    if (blocking & BLOCKING_MOV_SS) { /* after the next instruction, then: the window exit is on */
        vcpu->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
        vcpu->nmi_pending = true;
    } else if (blocking & (BLOCKING_STI | BLOCKING_NMI)) {
        set(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(BLOCKING_STI | BLOCKING_NMI));
    }
}

static void before(struct vmm_vcpu *vcpu) {
    uint32_t generation =
        __atomic_load_n(&vcpu->vmm->npt_generation, __ATOMIC_ACQUIRE); /* pairs with vmm_flush_nested */
    if (generation != vcpu->npt_generation) {
        vcpu->npt_generation = generation;
        hw_vmx_invept(INVEPT_ALL, 0);
    }
    if (vcpu->inject.type == VMM_EVENT_NMI) clear_way_for_nmi(vcpu);
    set(VMCS_ENTRY_EVENT, vmx_event_encode(&vcpu->inject, (vcpu->at.cr0 & CR0_PE) != 0));
    if (vcpu->inject.has_error) set(VMCS_ENTRY_EVENT_ERROR, vcpu->inject.error);
    set(VMCS_GUEST_RSP, vcpu->gpr[VMM_RSP]);
    set(VMCS_GUEST_RIP, vcpu->rip);
    set(VMCS_GUEST_RFLAGS, vcpu->rflags);
}

static void after(struct vmm_vcpu *vcpu, struct vmx_words *w) {
    vcpu->gpr[VMM_RSP] = get(VMCS_GUEST_RSP);
    vcpu->rip = get(VMCS_GUEST_RIP);
    vcpu->rflags = get(VMCS_GUEST_RFLAGS);
    vcpu->at = (struct vmm_context){.cr0 = get(VMCS_GUEST_CR0),
                                    .cr3 = get(VMCS_GUEST_CR3),
                                    .cr4 = get(VMCS_GUEST_CR4),
                                    .efer = get(VMCS_GUEST_EFER),
                                    .cs_base = get(VMCS_GUEST_BASE(VMM_CS)),
                                    .cs_attrib = vmx_rights_decode((uint32_t)get(VMCS_GUEST_RIGHTS(VMM_CS))),
                                    .cpl = get(VMCS_GUEST_RIGHTS(VMM_SS)) >> 5 & 3};
    *w = (struct vmx_words){.reason = (uint32_t)get(VMCS_EXIT_REASON),
                            .exit_event = (uint32_t)get(VMCS_EXIT_EVENT),
                            .idt_event = (uint32_t)get(VMCS_IDT_EVENT),
                            .idt_error = (uint32_t)get(VMCS_IDT_ERROR),
                            .n_insn_bytes = (uint32_t)get(VMCS_INSN_BYTES),
                            .qualification = get(VMCS_QUALIFICATION),
                            .guest_physical = get(VMCS_GUEST_PHYSICAL)};
    /* An IRET that faulted on its way had unblocked NMIs already: 27.2.3 "Information About NMI Unblocking Due to
     * IRET". */
    if (FIELD_GET(REASON_BASIC, w->reason) == VMX_EXIT_EPT_VIOLATION && (w->qualification & QUAL_EPT_NMI_IRET) &&
        !(w->idt_event & EVENT_V))
        set(VMCS_GUEST_INTERRUPTIBILITY, get(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_NMI);
}

static void vmx_run(struct vmm_vcpu *vcpu, struct vmm_exit *out_exit) {
    struct vmx_cpu *cpu = vmx_cpu_of(vcpu);
    struct vmx_words w = {.reason = (uint32_t)REASON_ENTRY_FAIL};
    before(vcpu);
    enum vmx_run how = vmx_run_asm(vcpu, cpu, cpu->launched);
    if (how == VMX_RUN_NMI) { /* as if it had come just behind the entry; what was to be injected still is */
        __atomic_store_n(&cpu->nmi_in_host, 0, __ATOMIC_RELAXED);
        *out_exit = (struct vmm_exit){.kind = VMM_EXIT_NMI};
        return;
    }
    if (how == VMX_RUN_EXIT) {
        cpu->launched = true;
        after(vcpu, &w);
    }
    if (w.reason & REASON_ENTRY_FAIL) vmx_report(vcpu);
    vcpu->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
    vmx_decode(&w, out_exit);
}

/* Physical NMIs that come while we run go to our own IDT. */
static void vmx_nmi_in_host(struct vmm_vcpu *vcpu, uint64_t *rip) {
    __atomic_store_n(&vmx_cpu_of(vcpu)->nmi_in_host, 1, __ATOMIC_RELAXED);
    if (*rip >= (uint64_t)(uintptr_t)vmx_run_from && *rip < (uint64_t)(uintptr_t)vmx_run_to)
        *rip = (uint64_t)(uintptr_t)vmx_run_nmi;
}

/* With virtual NMIs the processor itself knows when the guest's IRET has unblocked them. */
static void vmx_iret_exit(struct vmm_vcpu *vcpu, bool on) {
    struct vmx_cpu *cpu = vmx_cpu_of(vcpu);
    if (cpu->nmi_window == on) return;
    cpu->nmi_window = on;
    set(VMCS_PROC, vmx_maps_of(vcpu->vmm)->controls.proc | (on ? PROC_NMI_WINDOW_EXITING : 0));
}

static void vmx_skipped(struct vmm_vcpu *vcpu) {
    (void)vcpu;
    uint64_t blocking = get(VMCS_GUEST_INTERRUPTIBILITY);
    if (blocking & (BLOCKING_STI | BLOCKING_MOV_SS))
        set(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(BLOCKING_STI | BLOCKING_MOV_SS));
}

/* ---- registers ---- */

static uint64_t shadowed(uint32_t field, uint32_t mask_field, uint32_t shadow_field) {
    uint64_t mask = get(mask_field);
    return (get(field) & ~mask) | (get(shadow_field) & mask);
}

static uint64_t vmx_reg_get(const struct vmm_vcpu *vcpu, enum vmm_reg reg) {
    (void)vcpu;
    switch (reg) {
    case VMM_CR0: return shadowed(VMCS_GUEST_CR0, VMCS_CR0_MASK, VMCS_CR0_SHADOW);
    case VMM_CR2: return hw_read_cr2(); /* we have no page faults of our own: these two stay the guest's */
    case VMM_CR3: return get(VMCS_GUEST_CR3);
    case VMM_CR4: return shadowed(VMCS_GUEST_CR4, VMCS_CR4_MASK, VMCS_CR4_SHADOW);
    case VMM_EFER: return get(VMCS_GUEST_EFER);
    case VMM_DR6: return hw_read_dr6();
    case VMM_DR7: return get(VMCS_GUEST_DR7);
    default: vmm_panic("not a register of the VMCS: %u", (unsigned)reg);
    }
}

static void vmx_reg_set(struct vmm_vcpu *vcpu, enum vmm_reg reg, uint64_t v) {
    switch (reg) {
    case VMM_CR0:
        set(VMCS_GUEST_CR0, v | CR0_NE);
        set(VMCS_CR0_SHADOW, v);
        break;
    case VMM_CR2: hw_write_cr2(v); return;
    case VMM_CR3: set(VMCS_GUEST_CR3, v); break;
    case VMM_CR4:
        set(VMCS_GUEST_CR4, v | CR4_VMXE);
        set(VMCS_CR4_SHADOW, v);
        break;
    case VMM_EFER:
        set(VMCS_GUEST_EFER, v);
        set(VMCS_ENTRY_CONTROLS, vmx_maps_of(vcpu->vmm)->controls.entry | (v & EFER_LMA ? ENTRY_IA32E : 0));
        break;
    case VMM_DR6: hw_write_dr6(v); return;
    case VMM_DR7: set(VMCS_GUEST_DR7, v); return;
    default: vmm_panic("not a register of the VMCS: %u", (unsigned)reg);
    }
    vmx_flush_linear(vcpu);
}

static struct vmm_segment vmx_segment_get(const struct vmm_vcpu *vcpu, enum vmm_segment_name name) {
    (void)vcpu;
    struct vmm_segment s = {.limit = (uint32_t)get(VMCS_GUEST_LIMIT(name)), .base = get(VMCS_GUEST_BASE(name))};
    if (name <= VMM_TR) {
        s.selector = (uint16_t)get(VMCS_GUEST_SELECTOR(name));
        s.attrib = vmx_rights_decode((uint32_t)get(VMCS_GUEST_RIGHTS(name)));
    }
    return s;
}

static unsigned vmx_insn_bytes(const struct vmm_vcpu *vcpu, uint8_t out[15]) {
    (void)vcpu, (void)out;
    return 0; /* this vendor never hands them over */
}

static void vmx_cpuid(const struct vmm_vcpu *vcpu, struct vmm_cpuid *regs) {
    vmx_cpuid_hide(&vmx_maps_of(vcpu->vmm)->controls, regs);
}

/* ---- permission maps ---- */

static void vmx_pio_intercept(struct vmm *vmm, uint16_t first, uint16_t n) {
    uint8_t *map = hw_direct(vmx_maps_of(vmm)->io_bitmap);
    /* A wide access exits if any of its ports is marked: 25.1.3 "Instructions That Cause VM Exits Conditionally". */
    for (uint32_t port = first; port < first + (uint32_t)n; port++) map[port / 8] |= (uint8_t)BIT(port % 8);
}

static void put_bit(uint8_t *byte, unsigned bit, bool on) {
    *byte = (uint8_t)((*byte & ~BIT(bit)) | (on ? BIT(bit) : 0));
}

static void vmx_msr_intercept(struct vmm *vmm, uint32_t msr, bool read, bool write) {
    uint8_t *map = hw_direct(vmx_maps_of(vmm)->msr_bitmap);
    uint32_t byte;
    unsigned bit;
    if (!vmx_msr_index(msr, &byte, &bit)) return;
    put_bit(&map[byte], bit, read);
    put_bit(&map[byte + VMM_PAGE_BYTES / 2], bit, write);
}

const struct vmm_cpu_ops vmm_vmx_ops = {
    .name = "Intel VT-x",
    .vendor = VMM_INTEL,
    .present = vmx_present,
    .unsupported = vmx_unsupported,
    .init = vmx_init,
    .vcpu_init = vmx_vcpu_init,
    .enable = vmx_enable,
    .ready = vmx_ready,
    .load = vmx_load,
    .run = vmx_run,
    .reg_get = vmx_reg_get,
    .reg_set = vmx_reg_set,
    .segment_get = vmx_segment_get,
    .skipped = vmx_skipped,
    .iret_exit = vmx_iret_exit,
    .leave = vmx_leave,
    /* The exit consumed it and blocks others, for good where an entry does not end that: 27.1 "Architectural State
     * Before a VM Exit", Volume 3A, 6.7.1. */
    .take_nmi = hw_unblock_nmi,
    .insn_bytes = vmx_insn_bytes,
    .pio_intercept = vmx_pio_intercept,
    .msr_intercept = vmx_msr_intercept,
    .nmi_in_host = vmx_nmi_in_host,
    .cpuid = vmx_cpuid,
    .other = vmx_other,
    .leaf_flags = vmx_leaf_flags,
    .mtrr_written = vmx_mtrr_written,
};
