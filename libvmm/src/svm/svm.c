/* AMD's half of the processor operations: permission maps, the VMCB, one turn of the guest.
 * Source: APM Volume 2 (24593), rev. 3.41, chapter 15 "Secure Virtual Machine". */
#include "svm.h"
#include <hw.h>
#include <string.h>
#include "../msr_regs.h"
#include "svm_regs.h"

#define RFLAGS_TF   BIT(8)
#define IOPM_BYTES  0x3000u /* 15.10.1 "I/O Permissions Map" */
#define MSRPM_BYTES 0x2000u /* 15.11 "MSR Intercepts" */

static bool svm_present(void) {
    return hw_cpuid(CPUID_EXT_MAX, 0).eax >= CPUID_SVM && (hw_cpuid(CPUID_EXT_FEATURES, 0).ecx & EXT_ECX_SVM);
}

static const char *svm_unsupported(void) {
    if (!svm_present()) return "this processor has no AMD SVM virtualisation";
    if (hw_rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) return "SVM virtualisation is switched off in the firmware's settings";
    if (!(hw_cpuid(CPUID_SVM, 0).edx & SVM_EDX_NP)) return "this processor has SVM but no nested paging";
    if (!(hw_cpuid(CPUID_EXT_FEATURES, 0).edx & EXT_EDX_PAGE1GB)) return "this processor has no 1 GiB pages";
    return NULL;
}

static struct svm_maps *maps_of(const struct vmm *vmm) { return vmm->vendor; }
static struct svm_vmcb *vmcb_of(const struct vmm_vcpu *vcpu) { return vcpu->vendor; }

static int svm_init(struct vmm *vmm) {
    struct svm_maps *maps = vmm_alloc(vmm, VMM_PAGE_BYTES);
    void *iopm = vmm_alloc(vmm, IOPM_BYTES), *msrpm = vmm_alloc(vmm, MSRPM_BYTES);
    if (!maps || !iopm || !msrpm) return VMM_E_NOMEM;
    uint32_t edx = hw_cpuid(CPUID_SVM, 0).edx;
    *maps = (struct svm_maps){.iopm = (uint64_t)(uintptr_t)iopm,
                              .msrpm = (uint64_t)(uintptr_t)msrpm,
                              .has_nrip = (edx & SVM_EDX_NRIPS) != 0,
                              .has_decode = (edx & SVM_EDX_DECODE) != 0};
    vmm->vendor = maps;
    /* An INIT that exits stays pending while GIF is clear: 15.13 "Interrupt Intercepts", 15.17 "Global Interrupt Flag,
     * STGI and CLGI Instructions". Another hypervisor's processor may have reset itself by then; QEMU 7.2's has. */
    vmm->holds_init = !(hw_cpuid(1, 0).ecx & CPUID_1_ECX_HYPERVISOR);
    return 0;
}

static int svm_vcpu_init(struct vmm_vcpu *vcpu) {
    const struct vmm *vmm = vcpu->vmm;
    struct svm_vmcb *vmcb = vmm_alloc(vcpu->vmm, sizeof *vmcb), *host = vmm_alloc(vcpu->vmm, 2 * sizeof *host);
    if (!vmcb || !host) return VMM_E_NOMEM;
    vcpu->vendor = vmcb;
    vcpu->vendor_host = host; /* page 0: what VMLOAD restores; page 1: VM_HSAVE_PA */
    vcpu->vmcb_pa = (uint64_t)(uintptr_t)vmcb;
    vcpu->host_vmcb_pa = (uint64_t)(uintptr_t)host;
    struct svm_control *c = &vmcb->c;
    c->intercept[3] = SVM_I3_NMI | SVM_I3_INVD | SVM_I3_INVLPGA | SVM_I3_IOIO_PROT | SVM_I3_MSR_PROT | SVM_I3_SHUTDOWN;
    c->intercept[4] =
        SVM_I4_VMRUN | SVM_I4_VMMCALL | SVM_I4_VMLOAD | SVM_I4_VMSAVE | SVM_I4_STGI | SVM_I4_CLGI | SVM_I4_SKINIT;
    if (vmm->holds_init) c->intercept[3] |= SVM_I3_INIT;
    c->iopm_base_pa = maps_of(vmm)->iopm;
    c->msrpm_base_pa = maps_of(vmm)->msrpm;
    c->asid = 1; /* each processor has a TLB of its own and one guest */
    c->tlb_control = SVM_TLB_FLUSH_ALL;
    c->nested_ctl = SVM_NP_ENABLE;
    c->n_cr3 = (uint64_t)(uintptr_t)vmm->npt.root;
    return 0;
}

static void svm_enable(struct vmm_vcpu *vcpu) {
    hw_wrmsr(MSR_EFER, hw_rdmsr(MSR_EFER) | EFER_SVME);
    hw_wrmsr(MSR_VM_HSAVE_PA, vcpu->host_vmcb_pa + VMM_PAGE_BYTES);
    hw_svm_vmsave(vcpu->vmcb_pa); /* STAR and its kind are the guest's as they are */
    if (vcpu->vmm->cpuid_exits) vmcb_of(vcpu)->c.intercept[3] |= SVM_I3_CPUID;
}

/* In the moment in which we take an NMI, an INIT becomes an exception: 15.28 "Security Exception (#SX)". */
static void redirect_init(bool on) {
    uint64_t v = hw_rdmsr(MSR_VM_CR);
    hw_wrmsr(MSR_VM_CR, on ? v | VM_CR_R_INIT : v & ~VM_CR_R_INIT);
}

static void svm_ready(struct vmm_vcpu *vcpu) {
    hw_svm_clgi(); /* from here on: no interrupts, NMIs or INIT in the hypervisor */
    if (vcpu->vmm->holds_init) redirect_init(true);
    hw_svm_vmsave(vcpu->host_vmcb_pa);
}

static void svm_load(struct vmm_vcpu *vcpu, const struct vmm_cpu_state *state) {
    struct svm_vmcb *vmcb = vmcb_of(vcpu);
    svm_save_load(&vmcb->s, state);
    vmcb->c.event_inj = 0;
    vmcb->c.exit_int_info = 0;
    vmcb->c.interrupt_shadow = 0;
    vmcb->c.intercept[2] = 0;
    vmcb->c.tlb_control = SVM_TLB_FLUSH_ALL;
    memcpy(vcpu->gpr, state->gpr, sizeof vcpu->gpr);
    vcpu->rip = state->rip;
    vcpu->rflags = state->rflags;
}

/* The INIT is pending, unless it came as an exception. */
static void svm_leave(struct vmm_vcpu *vcpu) {
    const struct svm_save *s = &vmcb_of(vcpu)->s;
    const struct {
        uint32_t msr;
        uint64_t v;
    } kept[] = {{MSR_PAT, s->g_pat},
                {MSR_STAR, s->star},
                {MSR_LSTAR, s->lstar},
                {MSR_CSTAR, s->cstar},
                {MSR_SFMASK, s->sfmask},
                {MSR_KERNEL_GS_BASE, s->kernel_gs_base},
                {MSR_SYSENTER_CS, s->sysenter_cs},
                {MSR_SYSENTER_ESP, s->sysenter_esp},
                {MSR_SYSENTER_EIP, s->sysenter_eip}};
    for (unsigned i = 0; i < sizeof kept / sizeof kept[0]; i++) hw_wrmsr(kept[i].msr, kept[i].v);
    redirect_init(false);
    hw_svm_stgi();
}

static unsigned insn_bytes_of(const struct svm_maps *maps, const struct svm_vmcb *vmcb) {
    uint64_t next = vmcb->c.exit_code == SVM_EXIT_IOIO ? vmcb->c.exit_info2 : maps->has_nrip ? vmcb->c.next_rip : 0;
    uint64_t n = next - vmcb->s.rip;
    return n >= 1 && n <= 15 ? (unsigned)n : 0;
}

static void svm_run(struct vmm_vcpu *vcpu, struct vmm_exit *out_exit) {
    struct svm_vmcb *vmcb = vmcb_of(vcpu);
    struct vmm *vmm = vcpu->vmm;
    /* As if it had come just behind the entry. */
    if (__atomic_load_n(&vcpu->init_in_host, __ATOMIC_RELAXED)) { /* set on this processor only: nothing to lock */
        __atomic_store_n(&vcpu->init_in_host, false, __ATOMIC_RELAXED);
        *out_exit = (struct vmm_exit){.kind = VMM_EXIT_INIT};
        return;
    }
    uint32_t generation = __atomic_load_n(&vmm->npt_generation, __ATOMIC_ACQUIRE); /* pairs with vmm_flush_nested */
    if (generation != vcpu->npt_generation) {
        vcpu->npt_generation = generation;
        vmcb->c.tlb_control = SVM_TLB_FLUSH_ALL;
    }
    vmcb->c.event_inj = vcpu->inject.type == VMM_EVENT_NONE ? 0 : svm_event_encode(&vcpu->inject);
    vmcb->s.rax = vcpu->gpr[VMM_RAX];
    vmcb->s.rsp = vcpu->gpr[VMM_RSP];
    vmcb->s.rip = vcpu->rip;
    vmcb->s.rflags = vcpu->rflags;
    vmcb->s.efer |= EFER_SVME; /* an RSM in the guest may have cleared it */
    svm_run_asm(vcpu);
    vmcb->c.tlb_control = SVM_TLB_KEEP;
    vcpu->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
    vcpu->gpr[VMM_RAX] = vmcb->s.rax;
    vcpu->gpr[VMM_RSP] = vmcb->s.rsp;
    vcpu->rip = vmcb->s.rip;
    vcpu->rflags = vmcb->s.rflags;
    vcpu->at = (struct vmm_context){.cr0 = vmcb->s.cr0,
                                    .cr3 = vmcb->s.cr3,
                                    .cr4 = vmcb->s.cr4,
                                    .efer = vmcb->s.efer,
                                    .cs_base = vmcb->s.cs.base,
                                    .cs_attrib = vmcb->s.cs.attrib,
                                    .cpl = vmcb->s.cpl};
    svm_decode(&vmcb->c, out_exit);
    /* A fault's instruction has not been carried out, and no next one is reported. */
    out_exit->n_insn_bytes = out_exit->kind == VMM_EXIT_MMIO ? 0 : (uint8_t)insn_bytes_of(maps_of(vmm), vmcb);
}

static uint64_t *save_reg(struct svm_vmcb *vmcb, enum vmm_reg reg) {
    switch (reg) {
    case VMM_CR0: return &vmcb->s.cr0;
    case VMM_CR2: return &vmcb->s.cr2;
    case VMM_CR3: return &vmcb->s.cr3;
    case VMM_CR4: return &vmcb->s.cr4;
    case VMM_EFER: return &vmcb->s.efer;
    case VMM_DR6: return &vmcb->s.dr6;
    case VMM_DR7: return &vmcb->s.dr7;
    default: return NULL;
    }
}

static uint64_t svm_reg_get(const struct vmm_vcpu *vcpu, enum vmm_reg reg) {
    const uint64_t *p = save_reg(vmcb_of(vcpu), reg);
    VMM_ASSERT(p);
    return reg == VMM_EFER ? *p & ~EFER_SVME : *p;
}

static void svm_reg_set(struct vmm_vcpu *vcpu, enum vmm_reg reg, uint64_t value) {
    uint64_t *p = save_reg(vmcb_of(vcpu), reg);
    VMM_ASSERT(p);
    *p = reg == VMM_EFER ? value | EFER_SVME : value;
    if (reg != VMM_CR2 && reg != VMM_DR6 && reg != VMM_DR7) vmcb_of(vcpu)->c.tlb_control = SVM_TLB_FLUSH_ALL;
}

static struct vmm_segment svm_segment_get(const struct vmm_vcpu *vcpu, enum vmm_segment_name name) {
    const struct svm_save *s = &vmcb_of(vcpu)->s;
    const struct svm_segment *const by_name[] = {
        [VMM_ES] = &s->es, [VMM_CS] = &s->cs,     [VMM_SS] = &s->ss, [VMM_DS] = &s->ds,     [VMM_FS] = &s->fs,
        [VMM_GS] = &s->gs, [VMM_LDTR] = &s->ldtr, [VMM_TR] = &s->tr, [VMM_GDTR] = &s->gdtr, [VMM_IDTR] = &s->idtr};
    const struct svm_segment *g = by_name[name];
    return (struct vmm_segment){.selector = g->selector, .attrib = g->attrib, .limit = g->limit, .base = g->base};
}

static void svm_skipped(struct vmm_vcpu *vcpu) { vmcb_of(vcpu)->c.interrupt_shadow &= ~SVM_INTERRUPT_SHADOW; }

/* Over the IRET by the trap flag: what the IRET loads has the guest's own again. A data breakpoint on the frame is
 * lost. Source: APM Volume 2, 15.12.2 "#DB (Debug)". */
static bool svm_step(struct vmm_vcpu *vcpu) {
    if (vcpu->rflags & RFLAGS_TF) return false;
    vcpu->rflags |= RFLAGS_TF;
    vcpu->step_dr6 = vmcb_of(vcpu)->s.dr6;
    vmcb_of(vcpu)->c.intercept[2] |= SVM_I2_DB;
    return true;
}

static bool svm_other(struct vmm_vcpu *vcpu, struct vmm_exit *exit) {
    if (exit->raw[0] == SVM_EXIT_INVD) { /* it would throw away modified lines of ours: write them back instead */
        hw_wbinvd();
        (void)vmm_skip_insn(vcpu, exit);
        return true;
    }
    if (exit->raw[0] != SVM_EXIT_DB) return false;
    vmcb_of(vcpu)->c.intercept[2] &= ~(uint32_t)SVM_I2_DB;
    vmcb_of(vcpu)->s.dr6 = vcpu->step_dr6;
    vmm_nmi_window(vcpu);
    return true;
}

static void svm_iret_exit(struct vmm_vcpu *vcpu, bool on) {
    uint32_t *v = &vmcb_of(vcpu)->c.intercept[3];
    *v = on ? *v | SVM_I3_IRET : *v & ~(uint32_t)SVM_I3_IRET;
}

static unsigned svm_insn_bytes(const struct vmm_vcpu *vcpu, uint8_t out[15]) {
    const struct svm_control *c = &vmcb_of(vcpu)->c;
    unsigned n = c->n_insn_bytes & 15;
    if (!maps_of(vcpu->vmm)->has_decode || c->exit_code != SVM_EXIT_NPF || n == 0) return 0;
    memcpy(out, c->insn_bytes, 15);
    return n;
}

static void svm_pio_intercept(struct vmm *vmm, uint16_t first, uint16_t n) {
    uint8_t *map = hw_direct(maps_of(vmm)->iopm);
    /* A wide access exits if any of its ports is marked, so ports just below first are covered too. */
    for (uint32_t port = first; port < first + (uint32_t)n; port++) map[port / 8] |= (uint8_t)BIT(port % 8);
}

static void svm_msr_intercept(struct vmm *vmm, uint32_t msr, bool read, bool write) {
    uint8_t *map = hw_direct(maps_of(vmm)->msrpm);
    uint32_t byte;
    unsigned bit;
    if (!svm_msrpm_index(msr, &byte, &bit)) return;
    map[byte] =
        (uint8_t)((map[byte] & ~(BIT(bit) | BIT(bit + 1))) | (read ? BIT(bit) : 0) | (write ? BIT(bit + 1) : 0));
}

const struct vmm_cpu_ops vmm_svm_ops = {
    .name = "AMD SVM",
    .vendor = VMM_AMD,
    .present = svm_present,
    .unsupported = svm_unsupported,
    .init = svm_init,
    .vcpu_init = svm_vcpu_init,
    .enable = svm_enable,
    .ready = svm_ready,
    .load = svm_load,
    .run = svm_run,
    .reg_get = svm_reg_get,
    .reg_set = svm_reg_set,
    .segment_get = svm_segment_get,
    .skipped = svm_skipped,
    .iret_exit = svm_iret_exit,
    .leave = svm_leave,
    .step = svm_step,
    .other = svm_other,
    .take_nmi = hw_svm_gif_window,
    .insn_bytes = svm_insn_bytes,
    .pio_intercept = svm_pio_intercept,
    .msr_intercept = svm_msr_intercept,
};
