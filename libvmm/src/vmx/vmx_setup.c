/* From a bare processor to one that can enter the guest. Source: Intel SDM Volume 3C, 23.6 "Discovering Support for
 * VMX", 23.7 "Enabling and Entering VMX Operation", 31.5 "VMM Setup & Tear Down". */
#include "vmx_setup.h"
#include <hw_vmx.h>
#include <string.h>
#include "../host.h"
#include "../msr_regs.h"
#include "../svm/svm_regs.h"
#include "vmx_regs.h"

/* A present 32- or 64-bit task-state segment, busy or not: Volume 3A, table 3-2 "System-Segment ... Types" */
#define ATTRIB_TSS      (BIT(7) | BIT(3) | BIT(0))
#define ATTRIB_TSS_MASK (BIT(7) | BITS(4, 2) | BIT(0))
#define IO_BITMAP_BYTES (2 * VMM_PAGE_BYTES) /* 24.6.4 "I/O-Bitmap Addresses" */

static void set(uint32_t field, uint64_t v) { VMM_ASSERT(hw_vmx_write(field, v)); }
static uint64_t address(const void *p) { return (uint64_t)(uintptr_t)p; }

static void read_caps(struct vmx_caps *c) {
    *c = (struct vmx_caps){.basic = hw_rdmsr(MSR_VMX_BASIC)};
    if (!(c->basic & VMX_BASIC_TRUE)) return; /* the others need not exist */
    c->cr0_fixed0 = hw_rdmsr(MSR_VMX_CR0_FIXED0);
    c->cr0_fixed1 = hw_rdmsr(MSR_VMX_CR0_FIXED1);
    c->cr4_fixed0 = hw_rdmsr(MSR_VMX_CR4_FIXED0);
    c->cr4_fixed1 = hw_rdmsr(MSR_VMX_CR4_FIXED1);
    c->pin = hw_rdmsr(MSR_VMX_TRUE_PIN);
    c->proc = hw_rdmsr(MSR_VMX_TRUE_PROC);
    c->exit = hw_rdmsr(MSR_VMX_TRUE_EXIT);
    c->entry = hw_rdmsr(MSR_VMX_TRUE_ENTRY);
    if (c->proc >> 32 & PROC_SECONDARY) c->proc2 = hw_rdmsr(MSR_VMX_PROC2);
    if (c->proc2 >> 32 & (PROC2_EPT | PROC2_VPID)) c->ept_vpid = hw_rdmsr(MSR_VMX_EPT_VPID);
}

bool vmx_present(void) { return (hw_cpuid(1, 0).ecx & CPUID_1_ECX_VMX) != 0; }

const char *vmx_unsupported(void) {
    struct vmx_caps caps;
    struct vmx_controls controls;
    if (!vmx_present()) return "this processor has no Intel VT-x virtualisation";
    uint64_t feature = hw_rdmsr(MSR_FEATURE_CONTROL);
    if ((feature & FEATURE_LOCK) && !(feature & FEATURE_VMX))
        return "VT-x virtualisation is switched off in the firmware's settings";
    read_caps(&caps);
    const char *why = vmx_controls_make(&caps, &controls);
    if (why) return why;
    if (!(hw_cpuid(CPUID_EXT_FEATURES, 0).edx & EXT_EDX_PAGE1GB)) return "this processor has no 1 GiB pages";
    return NULL;
}

int vmx_init(struct vmm *vmm) {
    struct vmx_maps *maps = vmm_alloc(vmm, sizeof *maps);
    void *io = vmm_alloc(vmm, IO_BITMAP_BYTES), *msr = vmm_alloc(vmm, VMM_PAGE_BYTES);
    if (!maps || !io || !msr) return VMM_E_NOMEM;
    read_caps(&maps->caps);
    if (vmx_controls_make(&maps->caps, &maps->controls)) return VMM_E_CPU;
    maps->io_bitmap = address(io);
    maps->msr_bitmap = address(msr);
    vmx_mtrrs_read(&maps->mtrrs);
    vmm->vendor = maps;
    vmm->cpuid_exits = vmm->holds_init = true; /* on this vendor they always do */
    return 0;
}

int vmx_vcpu_init(struct vmm_vcpu *vcpu) {
    struct vmx_cpu *cpu = vmm_alloc(vcpu->vmm, sizeof *cpu);
    uint32_t *vmcs = vmm_alloc(vcpu->vmm, VMM_PAGE_BYTES), *vmxon = vmm_alloc(vcpu->vmm, VMM_PAGE_BYTES);
    if (!cpu || !vmcs || !vmxon) return VMM_E_NOMEM;
    *vmcs = *vmxon = (uint32_t)FIELD_GET(VMX_BASIC_REVISION, vmx_maps_of(vcpu->vmm)->caps.basic);
    *cpu = (struct vmx_cpu){.vmcs = address(vmcs), .vmxon = address(vmxon)};
    vcpu->vendor = cpu;
    return 0;
}

void vmx_enable(struct vmm_vcpu *vcpu) {
    (void)vcpu;
    uint64_t feature = hw_rdmsr(MSR_FEATURE_CONTROL);
    if (!(feature & FEATURE_LOCK)) hw_wrmsr(MSR_FEATURE_CONTROL, feature | FEATURE_LOCK | FEATURE_VMX);
}

static void write_controls(const struct vmm_vcpu *vcpu) {
    const struct vmx_maps *maps = vmx_maps_of(vcpu->vmm);
    const struct vmx_controls *c = &maps->controls;
    set(VMCS_PIN, c->pin);
    set(VMCS_PROC, c->proc);
    set(VMCS_PROC2, c->proc2);
    set(VMCS_EXIT_CONTROLS, c->exit);
    set(VMCS_ENTRY_CONTROLS, c->entry);
    set(VMCS_VPID, VMX_VPID);
    set(VMCS_IO_BITMAP_A, maps->io_bitmap);
    set(VMCS_IO_BITMAP_B, maps->io_bitmap + VMM_PAGE_BYTES);
    set(VMCS_MSR_BITMAP, maps->msr_bitmap);
    set(VMCS_EPTP, address(vcpu->vmm->npt.root) | EPTP_LEVELS_4 | EPTP_WB);
    set(VMCS_EXCEPTION_BITMAP, 0);
    set(VMCS_CR3_TARGET_COUNT, 0);
    set(VMCS_LINK_POINTER, UINT64_MAX);
    if (c->proc2 & PROC2_XSAVES) set(VMCS_XSS_BITMAP, 0);
    /* Of CR0 only what VMX operation demands of a guest without paging: 26.3.1.1; of CR4 what the guest must not know.
     */
    set(VMCS_CR0_MASK, CR0_NE);
    set(VMCS_CR4_MASK, vmx_cr4_hidden(c));
}

/* 24.5 "Host-State Area" */
static void write_host(const struct vmm_vcpu *vcpu) {
    struct hw_table gdt, idt;
    hw_sgdt(&gdt);
    hw_sidt(&idt);
    set(VMCS_HOST_CR0, hw_read_cr0());
    set(VMCS_HOST_CR3, hw_read_cr3());
    set(VMCS_HOST_CR4, hw_read_cr4());
    set(VMCS_HOST_RIP, address(vmx_run_exit));
    set(VMCS_HOST_CS, HOST_CS);
    set(VMCS_HOST_SS, HOST_SS);
    set(VMCS_HOST_TR, HOST_TR);
    static const uint32_t zero[] = {VMCS_HOST_ES,           VMCS_HOST_DS,          VMCS_HOST_FS,
                                    VMCS_HOST_GS,           VMCS_HOST_GS_BASE,     VMCS_HOST_SYSENTER_CS,
                                    VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP};
    for (unsigned i = 0; i < sizeof zero / sizeof zero[0]; i++) set(zero[i], 0);
    set(VMCS_HOST_FS_BASE, address(vcpu));
    set(VMCS_HOST_TR_BASE, address(&vcpu->area->tss));
    set(VMCS_HOST_GDTR_BASE, gdt.base);
    set(VMCS_HOST_IDTR_BASE, idt.base);
    set(VMCS_HOST_PAT, PAT_RESET);
    set(VMCS_HOST_EFER, hw_rdmsr(MSR_EFER));
    if (vmx_maps_of(vcpu->vmm)->controls.exit & EXIT_LOAD_CET) {
        static const uint32_t cet[] = {VMCS_HOST_S_CET,  VMCS_HOST_SSP,  VMCS_HOST_ISST,
                                       VMCS_GUEST_S_CET, VMCS_GUEST_SSP, VMCS_GUEST_ISST};
        for (unsigned i = 0; i < sizeof cet / sizeof cet[0]; i++) set(cet[i], 0);
    }
}

void vmx_ready(struct vmm_vcpu *vcpu) {
    struct vmx_cpu *cpu = vmx_cpu_of(vcpu);
    cpu->launched = cpu->nmi_window = false;
    __atomic_store_n(&cpu->nmi_in_host, 0, __ATOMIC_RELAXED);
    hw_write_cr4(hw_read_cr4() | CR4_VMXE);
    if (!hw_vmx_on(cpu->vmxon) || !hw_vmx_clear(cpu->vmcs) || !hw_vmx_load(cpu->vmcs))
        vmm_panic("VT-x refuses to be entered: feature control %lx, cr0 %lx, cr4 %lx", hw_rdmsr(MSR_FEATURE_CONTROL),
                  hw_read_cr0(), hw_read_cr4());
    write_controls(vcpu);
    write_host(vcpu);
    set(VMCS_GUEST_SYSENTER_CS, hw_rdmsr(MSR_SYSENTER_CS)); /* the guest's as they are; INIT leaves them */
    set(VMCS_GUEST_SYSENTER_ESP, hw_rdmsr(MSR_SYSENTER_ESP));
    set(VMCS_GUEST_SYSENTER_EIP, hw_rdmsr(MSR_SYSENTER_EIP));
    hw_vmx_invept(INVEPT_ALL, 0);
}

/* ---- guest state: 24.4 "Guest-State Area" ---- */

static void load_segment(enum vmm_segment_name name, const struct vmm_segment *s) {
    struct vmm_segment v = *s;
    /* The task register is always usable; firmware may never have loaded it, or have another table by now. Loaded
     * segments are accessed ones. */
    if (name == VMM_TR && (v.attrib & ATTRIB_TSS_MASK) != ATTRIB_TSS)
        v = (struct vmm_segment){.selector = s->selector, .attrib = ATTRIB_TSS, .limit = 0xffff};
    if (name == VMM_TR) v.attrib |= BIT(1);
    if (v.attrib & BIT(4)) v.attrib |= BIT(0);
    set(VMCS_GUEST_LIMIT(name), v.limit);
    set(VMCS_GUEST_BASE(name), v.base);
    if (name > VMM_TR) return;
    set(VMCS_GUEST_SELECTOR(name), v.selector);
    set(VMCS_GUEST_RIGHTS(name), vmx_rights_encode(v.attrib));
}

void vmx_load(struct vmm_vcpu *vcpu, const struct vmm_cpu_state *st) {
    const struct vmx_controls *c = &vmx_maps_of(vcpu->vmm)->controls;
    for (unsigned i = VMM_ES; i <= VMM_IDTR; i++) load_segment((enum vmm_segment_name)i, &st->seg[i]);
    set(VMCS_GUEST_CR0, st->cr0 | CR0_NE);
    set(VMCS_CR0_SHADOW, st->cr0);
    set(VMCS_GUEST_CR3, st->cr3);
    set(VMCS_GUEST_CR4, st->cr4 | CR4_VMXE);
    set(VMCS_CR4_SHADOW, st->cr4 & ~vmx_cr4_hidden(c));
    set(VMCS_GUEST_EFER, st->efer);
    set(VMCS_ENTRY_CONTROLS, c->entry | (st->efer & EFER_LMA ? ENTRY_IA32E : 0));
    set(VMCS_GUEST_PAT, st->pat);
    set(VMCS_GUEST_DR7, st->dr7);
    set(VMCS_GUEST_DEBUGCTL, 0);
    set(VMCS_GUEST_INTERRUPTIBILITY, 0);
    set(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
    set(VMCS_GUEST_PENDING_DEBUG, 0);
    /* Entries and exits leave these two as they are: 26.3.2.1, 27.5.1 "Loading Host Control Registers ..." */
    hw_write_cr0((hw_read_cr0() & ~(CR0_CD | CR0_NW)) | (st->cr0 & (CR0_CD | CR0_NW)));
    hw_write_cr2(st->cr2);
    hw_write_dr6(st->dr6);
    memcpy(vcpu->gpr, st->gpr, sizeof vcpu->gpr);
    vcpu->rip = st->rip;
    vcpu->rflags = st->rflags;
    vcpu->at.cr0 = st->cr0;
    vmx_flush_linear(vcpu);
}
