/* Further processors: taken at the guest's start-up IPI, and asked to leave the guest when a mapping changes. */
#include "host.h"
#include <hw.h>
#include <string.h>
#include "msr_regs.h"

/* trampoline.S */
extern const uint8_t vmm_trampoline[], vmm_trampoline_end[], vmm_trampoline_data[];
struct trampoline_data {
    uint16_t gdt_limit;
    uint32_t gdt_base;
    uint16_t rsvd_0x06;
    uint32_t far32;
    uint32_t far32_selector;
    uint32_t far64;
    uint32_t far64_selector;
    uint64_t cr3, slots, n_slots, entry;
} __attribute__((packed));
_Static_assert(sizeof(struct trampoline_data) == 0x38, "trampoline.S");

static uint64_t address(const void *p) { return (uint64_t)(uintptr_t)p; }

/* A processor comes out of INIT in real mode, outside, and takes an NMI by the table at 0. So the guest has another
 * page there, a copy, and in the real one an NMI leads to the start of the trampoline. Source: APM Volume 2, 8.2.3
 * "NMI-Non-Maskable-Interrupt Exception (Vector 2)"; table 14-1. */
#define IVT_NMI (4u * 2u)
static void own_vectors(struct vmm *vmm) {
    uint64_t page_bytes, copy = pt_lookup(&vmm->npt, 0, &page_bytes) & PT_ADDR;
    for (uint64_t at = 0; at < VMM_PAGE_BYTES; at += 8) hw_mmio_write(copy + at, 8, hw_mmio_read(at, 8));
    hw_mmio_write(IVT_NMI, 4, vmm->low_page >> 4 << 16); /* segment and offset */
}

_Noreturn void vmm_start(struct vmm_vcpu *vcpu, const struct vmm_cpu_state *state) {
    const struct vmm_cpu_ops *ops = vcpu->vmm->ops;
    vcpu->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
    vcpu->nmi_blocked = vcpu->nmi_pending = vcpu->shutdown = false;
    __atomic_store_n(&vcpu->kick, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&vcpu->in_exit, true, __ATOMIC_RELAXED);
    if (vcpu->index == 0) own_vectors(vcpu->vmm); /* the first; on our page tables by now */
    ops->ready(vcpu);
    /* From here on an INIT waits. */
    vcpu->stopping = false;
    vcpu->n_inits = __atomic_load_n(&vcpu->vmm->n_inits, __ATOMIC_RELAXED);
    __atomic_store_n(&vcpu->running, 1, __ATOMIC_SEQ_CST); /* pairs with vmm_flush_nested: we count now */
    vmm_apic_open(vcpu->vmm);
    ops->iret_exit(vcpu, false);
    ops->load(vcpu, state);
    vcpu->npt_generation = __atomic_load_n(&vcpu->vmm->npt_generation, __ATOMIC_SEQ_CST);
    vmm_loop(vcpu);
}

/* State after INIT and a start-up IPI. Source: APM Volume 2, table 14-1 "Initial Processor State"; 14.1.3; 16.5. */
struct vmm_cpu_state vmm_sipi_state(uint8_t vector, uint32_t signature) {
    struct vmm_cpu_state s = {
        .rflags = BIT(1), .cr0 = BIT(30) | BIT(29) | BIT(4), .dr6 = 0xffff0ff0, .dr7 = 0x400, .pat = PAT_RESET};
    s.gpr[VMM_RDX] = signature;
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) s.seg[i] = (struct vmm_segment){.attrib = 0x93, .limit = 0xffff};
    s.seg[VMM_CS] = (struct vmm_segment){
        .selector = (uint16_t)(vector << 8), .base = (uint64_t)vector << 12, .attrib = 0x9b, .limit = 0xffff};
    s.seg[VMM_LDTR] = (struct vmm_segment){.attrib = 0x82, .limit = 0xffff};
    s.seg[VMM_TR] = (struct vmm_segment){.attrib = 0x8b, .limit = 0xffff};
    s.seg[VMM_GDTR] = s.seg[VMM_IDTR] = (struct vmm_segment){.limit = 0xffff};
    return s;
}

/* After the start-up IPI that was seen last for it. */
static struct vmm_cpu_state after_sipi(const struct vmm_vcpu *vcpu) {
    const uint8_t *vector = &vcpu->vmm->sipi_vector[vcpu->apic_id % VMM_MAX_CPUS];
    struct vmm_cpu_state state = vmm_sipi_state(__atomic_load_n(vector, __ATOMIC_ACQUIRE), hw_cpuid(1, 0).eax);
    state.pat = hw_rdmsr(MSR_PAT); /* INIT leaves it */
    return state;
}

/* The trampoline ends here, on the processor's own stack. */
static __attribute__((no_stack_protector)) void ap_main(struct vmm_vcpu *vcpu) {
    struct vmm *vmm = vcpu->vmm;
    __atomic_store_n(&vcpu->running, 0, __ATOMIC_SEQ_CST); /* an INIT that we did not see may have brought it here */
    vmm->ops->enable(vcpu);
    vmm_host_enter(vcpu);
    vcpu->apic_id = vmm->slot[vcpu->index].apic_id;
    __atomic_store_n(&vmm->start[vcpu->apic_id % VMM_MAX_CPUS], VMM_START_DONE, __ATOMIC_RELAXED);
    struct vmm_cpu_state state = after_sipi(vcpu);
    vmm_start(vcpu, &state);
}

int vmm_smp_init(struct vmm *vmm) {
    vmm->slot = vmm_alloc(vmm, vmm->n_cpus * sizeof *vmm->slot);
    if (!vmm->slot) return VMM_E_NOMEM;
    for (uint32_t i = 0; i < vmm->n_cpus; i++)
        vmm->slot[i] = (struct vmm_cpu_slot){.apic_id = SLOT_FREE, .vcpu = vmm->vcpu[i]};
    uint8_t *page = hw_direct(vmm->low_page);
    size_t n_bytes = (size_t)(vmm_trampoline_end - vmm_trampoline);
    memcpy(page, vmm_trampoline, n_bytes);
    struct trampoline_data d;
    memcpy(&d, vmm_trampoline_data, sizeof d);
    d.gdt_base += (uint32_t)vmm->low_page;
    d.far32 += (uint32_t)vmm->low_page;
    d.far64 += (uint32_t)vmm->low_page;
    d.cr3 = vmm->host_cr3;
    d.slots = address(vmm->slot);
    d.n_slots = vmm->n_cpus;
    d.entry = (uint64_t)(uintptr_t)ap_main;
    memcpy(page + n_bytes - sizeof d, &d, sizeof d);
    return 0;
}

/* Asked to leave the guest; false if it stays there: in an NMI handler that does not end, or with its APIC switched
 * off. */
static bool fetch_from_guest(struct vmm *vmm, struct vmm_vcpu *v) {
    /* One NMI under way is enough, and a second could arrive when the first has been accounted for: the guest's. */
    if (!__atomic_exchange_n(&v->kick, 1, __ATOMIC_SEQ_CST)) vmm_apic_send_nmi(vmm, v->apic_id);
    for (unsigned spin = 0; spin < 1000000; spin++) {
        if (!__atomic_load_n(&v->kick, __ATOMIC_ACQUIRE) || __atomic_load_n(&v->in_exit, __ATOMIC_ACQUIRE) ||
            !__atomic_load_n(&v->running, __ATOMIC_ACQUIRE))
            return true;
        hw_pause();
    }
    return false;
}

/* Every processor drops its nested translations before the guest can use them again. One that is in an exit, as the
 * caller is, will see the new generation before it enters; one that waits for a start-up IPI flushes when it starts;
 * one in the guest is fetched by an NMI. Bounded, because two processors may do this at the same time. */
bool vmm_flush_nested(struct vmm *vmm) {
    bool all = true;
    __atomic_add_fetch(&vmm->npt_generation, 1, __ATOMIC_SEQ_CST); /* pairs with svm_run */
    if (vmm->in_setup) return true;
    for (uint32_t i = 0; i < vmm->n_cpus; i++) {
        struct vmm_vcpu *v = vmm->vcpu[i];
        if (!__atomic_load_n(&v->running, __ATOMIC_ACQUIRE) || __atomic_load_n(&v->in_exit, __ATOMIC_SEQ_CST)) continue;
        if (!fetch_from_guest(vmm, v)) all = false;
    }
    return all;
}

/* ---- INIT, where it exits ---- */

/* Commands that are on their way when the traps are back have arrived after this. */
#define ARRIVAL_PAUSES 2000u

static void start_again(struct vmm_vcpu *vcpu) { vmm_start(vcpu, &vcpu->start); }

/* Outside, and no INIT has struck: the exit has used it up. */
static _Noreturn void wait_for_sipi(struct vmm_vcpu *vcpu) {
    struct vmm *vmm = vcpu->vmm;
    uint32_t id = vcpu->apic_id % VMM_MAX_CPUS;
    vmm_apic_reset();
    while (__atomic_load_n(&vmm->start[id], __ATOMIC_ACQUIRE) != VMM_START_SIPI) hw_pause(); /* with remember_sipi */
    __atomic_store_n(&vmm->start[id], VMM_START_DONE, __ATOMIC_RELAXED);
    vcpu->start = after_sipi(vcpu);
    host_switch_stack(vcpu, vcpu->stack_top, start_again);
}

void vmm_init_exit(struct vmm_vcpu *vcpu) {
    struct vmm *vmm = vcpu->vmm;
    uint8_t done = VMM_START_DONE;
    if (hw_rdmsr(MSR_APIC_BASE) & APIC_BASE_BSC) { /* the first processor would go to the firmware's reset vector */
        vcpu->shutdown = true;
        return;
    }
    (void)__atomic_compare_exchange_n(&vmm->start[vcpu->apic_id % VMM_MAX_CPUS], &done, VMM_START_INIT, false,
                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    vmm_apic_close(vcpu);
    __atomic_add_fetch(&vmm->n_inits, 1, __ATOMIC_SEQ_CST); /* pairs with vmm_loop */
    while (!vmm_flush_nested(vmm)) hw_pause();              /* rather never than with a processor that sends unseen */
    for (unsigned n = 0; n < ARRIVAL_PAUSES; n++) hw_pause();
    __atomic_store_n(&vcpu->running, 0, __ATOMIC_SEQ_CST); /* pairs with wait_for_stopped */
    vmm->ops->leave(vcpu);
    wait_for_sipi(vcpu);
}
