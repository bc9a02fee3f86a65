/* One exit: who handles it, and what the guest gets. Neutral words in, nothing of the vendor's.
 * The guest's fault always ends in an architectural answer here, never in a panic. */
#include "priv.h"
#include <hw.h>
#include <vmm/insn.h>
#include "msr_regs.h"

#define VECTOR_DB  1u
#define VECTOR_NMI 2u
#define VECTOR_UD  6u
#define VECTOR_DF  8u
#define VECTOR_GP  13u
#define VECTOR_PF  14u

#define RFLAGS_TF BIT(8)
#define RFLAGS_RF BIT(16)
#define DR6_BS    BIT(14)

#define CR4_OSXSAVE BIT(18)
#define CR4_PKE     BIT(22)

/* ---- events ---- */

/* APM Volume 2, table 8-3 "Simultaneous Interrupt Priorities" and 8.2.9: which pairs become a double fault. */
static bool contributory(unsigned vector) { return vector == 0 || (vector >= 10 && vector <= 13) || vector == 21; }

static bool pushes_error(unsigned vector) {
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

void vmm_inject(struct vmm_vcpu *vcpu, unsigned vector, uint32_t error) {
    const struct vmm_event *old = &vcpu->inject;
    struct vmm_event e = {.type = VMM_EVENT_EXCEPTION,
                          .vector = (uint8_t)vector,
                          .has_error = pushes_error(vector),
                          .error = pushes_error(vector) ? error : 0};
    if (old->type == VMM_EVENT_EXCEPTION) {
        if (old->vector == VECTOR_DF) {
            vcpu->shutdown = true;
            return;
        }
        if ((contributory(old->vector) && contributory(vector)) ||
            (old->vector == VECTOR_PF && (contributory(vector) || vector == VECTOR_PF)))
            e = (struct vmm_event){.type = VMM_EVENT_EXCEPTION, .vector = VECTOR_DF, .has_error = true, .error = 0};
    }
    vcpu->inject = e;
}

/* ---- stepping over ---- */

void vmm_finish_insn(struct vmm_vcpu *vcpu) {
    vcpu->rflags &= ~RFLAGS_RF;
    vcpu->vmm->ops->skipped(vcpu);
    if (!(vcpu->rflags & RFLAGS_TF)) return;
    vmm_reg_set(vcpu, VMM_DR6, vmm_reg_get(vcpu, VMM_DR6) | DR6_BS);
    vmm_inject(vcpu, VECTOR_DB, 0);
}

bool vmm_skip_insn(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    enum vmm_insn_mode mode = vmm_mode(vcpu);
    unsigned n = exit->n_insn_bytes;
    if (n == 0) {
        const struct vmm_insn *insn = vmm_insn_at_rip(vcpu, exit);
        if (!insn) return false;
        n = insn->n_bytes;
    }
    vcpu->rip += n;
    if (mode != VMM_INSN_64) vcpu->rip &= 0xffffffff;
    vmm_finish_insn(vcpu);
    return true;
}

/* ---- causes ---- */

/* Functions with buffers on their stack keep it to themselves: the others stay short. */
#define OWN_FRAME __attribute__((noinline))

void vmm_count(struct vmm_vcpu *vcpu, enum vmm_exit_kind kind) {
    __atomic_store_n(&vcpu->n_exits[kind], vcpu->n_exits[kind] + 1, __ATOMIC_RELAXED);
}

OWN_FRAME static void cpuid_exit(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    struct vmm_cpuid r = {.leaf = (uint32_t)vcpu->gpr[VMM_RAX], .subleaf = (uint32_t)vcpu->gpr[VMM_RCX]};
    struct hw_cpuid m = hw_cpuid(r.leaf, r.subleaf);
    r.eax = m.eax, r.ebx = m.ebx, r.ecx = m.ecx, r.edx = m.edx;
    const struct vmm_hook *hook = vmm_hook_find(&vcpu->vmm->cpuid, r.leaf);
    if (!vmm_skip_insn(vcpu, exit)) return;
    /* Two bits show the guest's own CR4, and we have just asked with ours: APM Volume 3, E.3.2 and E.3.6. */
    uint64_t cr4 = vcpu->at.cr4;
    if (r.leaf == 1) r.ecx = (r.ecx & ~(uint32_t)BIT(27)) | (cr4 & CR4_OSXSAVE ? (uint32_t)BIT(27) : 0);
    if (r.leaf == 7 && r.subleaf == 0) r.ecx = (r.ecx & ~(uint32_t)BIT(4)) | (cr4 & CR4_PKE ? (uint32_t)BIT(4) : 0);
    if (vcpu->vmm->ops->cpuid) vcpu->vmm->ops->cpuid(vcpu, &r);
    if (hook) hook->cpuid_fn(vcpu, hook->cookie, &r);
    vcpu->gpr[VMM_RAX] = r.eax;
    vcpu->gpr[VMM_RBX] = r.ebx;
    vcpu->gpr[VMM_RCX] = r.ecx;
    vcpu->gpr[VMM_RDX] = r.edx;
}

OWN_FRAME static void hypercall_exit(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    struct vmm_access a = {.addr = vcpu->gpr[VMM_RAX], .n_bytes = 8};
    const struct vmm_hook *hook = vmm_hook_find(&vcpu->vmm->hypercall, a.addr);
    if (!hook || vmm_cpl(vcpu) > hook->max_cpl) {
        vmm_inject(vcpu, VECTOR_UD, 0);
        return;
    }
    switch (vmm_call_trap(vcpu, hook, &a)) {
    case VMM_HANDLED:
        vcpu->gpr[VMM_RAX] = a.value;
        (void)vmm_skip_insn(vcpu, exit);
        break;
    case VMM_SKIP: (void)vmm_skip_insn(vcpu, exit); break;
    case VMM_PASS: vmm_inject(vcpu, VECTOR_UD, 0); break;
    case VMM_INJECT: break;
    }
}

/* An NMI: ours (somebody wants this processor out of the guest), or the guest's. One that arrives while the guest is
 * still in its handler waits for IRET, as on the bare machine: APM Volume 2, 15.20 "Event Injection". */
static void deliver_nmi(struct vmm_vcpu *vcpu) {
    if (vcpu->nmi_blocked || vcpu->inject.type != VMM_EVENT_NONE) {
        vcpu->nmi_pending = true;
    } else {
        vcpu->inject = (struct vmm_event){.type = VMM_EVENT_NMI, .vector = VECTOR_NMI};
        vcpu->nmi_blocked = true;
        vcpu->nmi_pending = false;
    }
    vcpu->vmm->ops->iret_exit(vcpu, vcpu->nmi_blocked || vcpu->nmi_pending);
}

OWN_FRAME static void nmi_exit(struct vmm_vcpu *vcpu) {
    vcpu->vmm->ops->take_nmi();
    if (!__atomic_exchange_n(&vcpu->kick, 0, __ATOMIC_ACQ_REL)) deliver_nmi(vcpu); /* pairs with vmm_flush_nested */
}

void vmm_nmi_window(struct vmm_vcpu *vcpu) {
    vcpu->nmi_blocked = false;
    if (vcpu->nmi_pending) deliver_nmi(vcpu);
}

/* The next one must find the IRET done: before it, it would overwrite the frame that the IRET is about to use. */
OWN_FRAME static void iret_exit(struct vmm_vcpu *vcpu) {
    const struct vmm_cpu_ops *ops = vcpu->vmm->ops;
    ops->iret_exit(vcpu, false);
    if (!vcpu->nmi_pending || !ops->step || !ops->step(vcpu)) vmm_nmi_window(vcpu);
}

static void mmio_exit(struct vmm_vcpu *vcpu, struct vmm_exit *exit) {
    const struct vmm_hook *hook = vcpu->last_mmio;
    if (!hook || !vmm_hook_holds(hook, exit->mmio.gpa.v)) hook = vmm_hook_find(&vcpu->vmm->mmio, exit->mmio.gpa.v);
    exit->mmio.hook = vcpu->last_mmio = hook;
    exit->kind = hook ? hook->counts_as : VMM_EXIT_HIDDEN;
    /* A page table, a fetch, or an event's stack or gate in trapped or hidden memory: a bare machine would read garbage
     * there and end in a triple fault or #UD. */
    if (exit->mmio.walk || exit->vectoring.type != VMM_EVENT_NONE)
        vcpu->shutdown = true;
    else if (exit->mmio.fetch)
        vmm_inject(vcpu, VECTOR_UD, 0);
    else
        vmm_emulate(vcpu, exit);
}

OWN_FRAME static void pio_exit(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    if (exit->pio.string) {
        vmm_emulate(vcpu, exit);
        return;
    }
    struct vmm_access a = {.addr = exit->pio.port,
                           .n_bytes = exit->pio.n_bytes,
                           .write = !exit->pio.in,
                           .value = vcpu->gpr[VMM_RAX] & (UINT64_MAX >> (64 - 8 * exit->pio.n_bytes))};
    if (vmm_port_access(vcpu, &a) == VMM_INJECT) return;
    if (!a.write) {
        uint64_t mask = UINT64_MAX >> (64 - 8 * a.n_bytes);
        uint64_t keep = a.n_bytes == 4 ? 0 : vcpu->gpr[VMM_RAX] & ~mask;
        vcpu->gpr[VMM_RAX] = keep | (a.value & mask);
    }
    (void)vmm_skip_insn(vcpu, exit);
}

/* The first state is one we built ourselves; later ones are the guest's, and one that no processor takes is its end. */
OWN_FRAME static void entry_failed(struct vmm_vcpu *vcpu) {
    if (!vcpu->entered) vmm_panic("the processor refused to enter the guest");
    vmm_log(vcpu->vmm, "processor %u has made itself a state it cannot run in", vcpu->index);
    vcpu->shutdown = true;
}

void vmm_exit_handle(struct vmm_vcpu *vcpu, struct vmm_exit *exit) {
    vcpu->exit = exit;
    switch (exit->kind) {
    case VMM_EXIT_MMIO: mmio_exit(vcpu, exit); break;
    case VMM_EXIT_PIO: pio_exit(vcpu, exit); break;
    case VMM_EXIT_MSR: vmm_msr_exit(vcpu, exit); break;
    case VMM_EXIT_CPUID: cpuid_exit(vcpu, exit); break;
    case VMM_EXIT_HYPERCALL: hypercall_exit(vcpu, exit); break;
    case VMM_EXIT_NMI: nmi_exit(vcpu); break;
    case VMM_EXIT_IRET: iret_exit(vcpu); break;
    case VMM_EXIT_VIRT_INSN: vmm_inject(vcpu, VECTOR_UD, 0); break;
    case VMM_EXIT_INIT: vmm_init_exit(vcpu); break;
    case VMM_EXIT_INTERRUPT: break;
    case VMM_EXIT_SHUTDOWN: vcpu->shutdown = true; break;
    case VMM_EXIT_ENTRY_FAILED: entry_failed(vcpu); break;
    default:
        if (!vcpu->vmm->ops->other || !vcpu->vmm->ops->other(vcpu, exit))
            vmm_panic("an exit nobody asked for: %lx", exit->raw[0]);
    }
    vcpu->entered = true;
    vmm_count(vcpu, exit->kind);
    /* The event that was being delivered when the exit happened is still due, unless something replaced it. */
    if (exit->vectoring.type != VMM_EVENT_NONE && vcpu->inject.type == VMM_EVENT_NONE) vcpu->inject = exit->vectoring;
    if (vcpu->shutdown) {
        vmm_log(vcpu->vmm, "guest triple fault at rip %lx: resetting the machine", vcpu->rip);
        hw_triple_fault();
    }
}

/* From now on a flush waits for this processor; and whoever waits for a start-up IPI has what was sent from here
 * before. */
static void end_exit(struct vmm_vcpu *vcpu) {
    for (;;) {
        __atomic_store_n(&vcpu->in_exit, false, __ATOMIC_SEQ_CST);                 /* pairs with vmm_flush_nested */
        uint32_t n_inits = __atomic_load_n(&vcpu->vmm->n_inits, __ATOMIC_SEQ_CST); /* pairs with vmm_init_exit */
        if (n_inits == vcpu->n_inits) return;
        __atomic_store_n(&vcpu->in_exit, true, __ATOMIC_SEQ_CST);
        vcpu->n_inits = n_inits;
        vmm_apic_look_back(vcpu);
    }
}

_Noreturn void vmm_loop(struct vmm_vcpu *vcpu) {
    const struct vmm_cpu_ops *ops = vcpu->vmm->ops;
    for (;;) {
        struct vmm_exit exit;
        end_exit(vcpu);
        ops->run(vcpu, &exit);
        __atomic_store_n(&vcpu->in_exit, true, __ATOMIC_SEQ_CST);
        vmm_exit_handle(vcpu, &exit);
    }
}
