/* The guest's start-up IPIs: their vector is ours, what it was is remembered for the trampoline.
 * Source: APM Volume 2, 16.5 "Interprocessor Interrupts (IPI)"; Intel SDM Volume 3A, 8.4 "Multiple-Processor (MP)
 * Initialization". */
#include "priv.h"
#include <hw.h>
#include "apic_regs.h"
#include "msr_regs.h"

static bool is_x2apic(void) { return (hw_rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD) != 0; }

/* Does this processor's APIC take commands this way? One that goes nowhere must not be believed. */
static bool takes_commands(bool x2apic) {
    uint64_t mode = hw_rdmsr(MSR_APIC_BASE) & (APIC_BASE_EN | APIC_BASE_EXTD);
    return mode == (x2apic ? APIC_BASE_EN | APIC_BASE_EXTD : APIC_BASE_EN);
}

uint32_t vmm_apic_id(struct vmm *vmm) {
    if (is_x2apic()) return (uint32_t)hw_rdmsr(0x802);
    return (uint32_t)FIELD_GET(APIC_ID_ID, hw_mmio_read(vmm->apic_base + APIC_ID, 4));
}

/* Bounded: an APIC that the guest has switched off reads as ones. */
static void wait_idle(const struct vmm *vmm) {
    for (unsigned n = 0; n < 100000 && (hw_mmio_read(vmm->apic_base + APIC_ICR_LOW, 4) & APIC_ICR_PENDING); n++)
        hw_pause();
}

void vmm_apic_send_nmi(struct vmm *vmm, uint32_t apic_id) {
    uint64_t command = FIELD_PUT(APIC_ICR_MODE, APIC_MODE_NMI) | APIC_ICR_LEVEL;
    if (is_x2apic()) {
        hw_wrmsr(MSR_X2APIC_ICR, (uint64_t)apic_id << 32 | command);
        return;
    }
    /* The guest may be between its two writes: leave the destination as it was. */
    uint64_t high = hw_mmio_read(vmm->apic_base + APIC_ICR_HIGH, 4);
    wait_idle(vmm);
    hw_mmio_write(vmm->apic_base + APIC_ICR_HIGH, 4, FIELD_PUT(APIC_ICR_DEST, apic_id));
    hw_mmio_write(vmm->apic_base + APIC_ICR_LOW, 4, command);
    wait_idle(vmm);
    hw_mmio_write(vmm->apic_base + APIC_ICR_HIGH, 4, high);
}

/* Source: Intel SDM Volume 3A, 10.6.1 "Interrupt Command Register (ICR)": an INIT with level assert. */
void vmm_apic_stop_others(struct vmm *vmm) {
    uint64_t command = FIELD_PUT(APIC_ICR_MODE, APIC_MODE_INIT) | APIC_ICR_LEVEL | FIELD_PUT(APIC_ICR_SHORTHAND, 3);
    if (is_x2apic()) {
        hw_wrmsr(MSR_X2APIC_ICR, command);
        return;
    }
    hw_mmio_write(vmm->apic_base + APIC_ICR_LOW, 4, command);
    wait_idle(vmm);
}

/* Can the IPI reach the processor with this id? Logical destinations are not resolved: any may be meant. Broadcast ids
 * count as everyone. */
static bool may_reach(uint64_t icr, uint32_t dest, bool x2apic, uint32_t id, uint32_t self) {
    switch (FIELD_GET(APIC_ICR_SHORTHAND, icr)) {
    case 1: return id == self;
    case 2: return true;
    case 3: return id != self;
    default: return (icr & APIC_ICR_LOGICAL) || dest == id || dest == (x2apic ? UINT32_MAX : 0xff);
    }
}

/* Will it stop that processor for certain? Only then may the others cease to ask it to flush its translations. An INIT
 * to oneself is not a valid combination and may be ignored: 16.5, table 16-4 "Valid ICR Field Combinations". */
static bool surely_reaches(uint64_t icr, uint32_t dest, uint32_t id, uint32_t self) {
    uint64_t shorthand = FIELD_GET(APIC_ICR_SHORTHAND, icr);
    return id != self && (shorthand == 3 || (shorthand == 0 && !(icr & APIC_ICR_LOGICAL) && dest == id));
}

/* By our own registers, where a logical destination has to be resolved. Intel SDM Volume 3A, 10.6.2.2 "Logical
 * Destination Mode", 10.12.10.1 "Logical Destination Mode in x2APIC Mode". */
static bool is_meant(const struct vmm *vmm) {
    uint64_t icr = vmm->init_icr;
    uint32_t dest = vmm->init_dest;
    if (FIELD_GET(APIC_ICR_SHORTHAND, icr) || !(icr & APIC_ICR_LOGICAL)) return true; /* the sender knew */
    if (is_x2apic()) {
        uint32_t id = (uint32_t)hw_rdmsr(MSR_X2APIC_LDR);
        return dest == UINT32_MAX || ((dest ^ id) >> 16 == 0 && (dest & id & 0xffff));
    }
    uint32_t id = (uint32_t)FIELD_GET(APIC_LDR_ID, hw_mmio_read(vmm->apic_base + APIC_LDR, 4));
    bool flat = FIELD_GET(APIC_DFR_MODEL, hw_mmio_read(vmm->apic_base + APIC_DFR, 4)) != 0;
    return dest == 0xff || (flat ? dest & id : (dest ^ id) >> 4 == 0 && (dest & id & 0xf));
}

bool vmm_apic_is_meant(struct vmm_vcpu *vcpu) {
    if (is_meant(vcpu->vmm)) return true;
    __atomic_store_n(&vcpu->stop, 0, __ATOMIC_RELEASE); /* pairs with vmm_stop */
    return false;
}

/* Who surely gets the INIT counts as stopped: nobody waits for it when a mapping changes. */
static void mark_stopped(const struct vmm_vcpu *vcpu, uint64_t icr, uint32_t dest, bool x2apic) {
    struct vmm *vmm = vcpu->vmm;
    for (uint32_t i = 0; takes_commands(x2apic) && i < vmm->n_cpus; i++) {
        uint32_t id = __atomic_load_n(&vmm->slot[i].apic_id, __ATOMIC_RELAXED);
        if (id != SLOT_FREE && surely_reaches(icr, dest, id, vcpu->apic_id))
            __atomic_store_n(&vmm->vcpu[i]->running, 0, __ATOMIC_RELEASE);
    }
}

/* Where INITs are held back, everyone it may reach makes way, or finds that it is not meant. One sender asks at a time,
 * because two that wait for each other would wait in vain. False: another one's INIT for the sender was first. */
static bool make_way(struct vmm_vcpu *vcpu, uint64_t icr, uint32_t dest, bool x2apic) {
    struct vmm *vmm = vcpu->vmm;
    if (FIELD_GET(APIC_ICR_SHORTHAND, icr) == 2) return true;          /* not valid with INIT: it may well be ignored */
    while (__atomic_exchange_n(&vmm->stopping, 1, __ATOMIC_ACQUIRE)) { /* pairs with its release below */
        if (__atomic_load_n(&vcpu->stop, __ATOMIC_ACQUIRE) && vmm_apic_is_meant(vcpu)) return false;
        hw_pause();
    }
    vmm->init_icr = icr;
    vmm->init_dest = dest;
    for (uint32_t i = 0; takes_commands(x2apic) && i < vmm->n_cpus; i++) {
        uint32_t id = __atomic_load_n(&vmm->slot[i].apic_id, __ATOMIC_RELAXED);
        if (id != SLOT_FREE && id != vcpu->apic_id && may_reach(icr, dest, x2apic, id, vcpu->apic_id))
            vmm_stop(vmm->vcpu[i]);
    }
    __atomic_store_n(&vmm->stopping, 0, __ATOMIC_RELEASE);
    return true;
}

static bool prepare_init(struct vmm_vcpu *vcpu, uint64_t icr, uint32_t dest, bool x2apic) {
    struct vmm *vmm = vcpu->vmm;
    for (uint32_t id = 0; id < VMM_MAX_CPUS; id++)
        if (may_reach(icr, dest, x2apic, id, vcpu->apic_id))
            __atomic_store_n(&vmm->start[id], VMM_START_INIT, __ATOMIC_RELEASE);
    if (vmm->ops->holds_init) return make_way(vcpu, icr, dest, x2apic);
    mark_stopped(vcpu, icr, dest, x2apic);
    return true;
}

/* A start-up IPI to processors that run already is ignored by them, as on the bare machine, and what we remember for
 * them does no harm. */
static void remember_sipi(const struct vmm_vcpu *vcpu, uint64_t icr, uint32_t dest, bool x2apic) {
    struct vmm *vmm = vcpu->vmm;
    uint8_t vector = (uint8_t)FIELD_GET(APIC_ICR_VECTOR, icr);
    for (uint32_t id = 0; id < VMM_MAX_CPUS; id++) {
        if (!may_reach(icr, dest, x2apic, id, vcpu->apic_id)) continue;
        uint8_t after_init = VMM_START_INIT;                               /* only the first one counts */
        __atomic_store_n(&vmm->sipi_vector[id], vector, __ATOMIC_RELEASE); /* pairs with ap_main */
        (void)__atomic_compare_exchange_n(&vmm->start[id], &after_init, VMM_START_SIPI, false, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED); /* pairs with vmx_exit.c */
    }
}

/* What a write to the command register becomes. False: nothing. */
static bool command_write(struct vmm_vcpu *vcpu, uint64_t *icr, uint32_t dest, bool x2apic) {
    uint64_t mode = FIELD_GET(APIC_ICR_MODE, *icr);
    bool deassert = (*icr & (APIC_ICR_LEVEL | APIC_ICR_TRIGGER)) == APIC_ICR_TRIGGER; /* stops nobody */
    if (mode == APIC_MODE_INIT && !deassert) return prepare_init(vcpu, *icr, dest, x2apic);
    if (mode != APIC_MODE_SIPI) return true;
    remember_sipi(vcpu, *icr, dest, x2apic);
    *icr = (*icr & ~APIC_ICR_VECTOR) | FIELD_PUT(APIC_ICR_VECTOR, vcpu->vmm->low_page >> 12);
    return true;
}

static enum vmm_verdict xapic_write(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)cookie;
    uint64_t reg = a->addr & VMM_PAGE_MASK;
    if (!a->write) return VMM_PASS;
    /* Only an aligned dword is defined: 16.3.2 "APIC Registers". Anything else must not send what we did not see. */
    if (a->n_bytes != 4 || (a->addr & 0xf)) return VMM_SKIP;
    if (reg == APIC_ID) return VMM_SKIP; /* read-only on most processors, and how we find each other on all */
    if (reg != APIC_ICR_LOW) return VMM_PASS;
    uint64_t high = hw_mmio_read(vcpu->vmm->apic_base + APIC_ICR_HIGH, 4);
    return command_write(vcpu, &a->value, (uint32_t)FIELD_GET(APIC_ICR_DEST, high), false) ? VMM_PASS : VMM_SKIP;
}

static enum vmm_verdict x2apic_write(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)cookie;
    if (!a->write) return VMM_PASS;
    uint64_t icr = a->value & BITS(31, 0);
    if (!command_write(vcpu, &icr, (uint32_t)(a->value >> 32), true)) return VMM_SKIP;
    a->value = (a->value & ~BITS(31, 0)) | icr;
    return VMM_PASS;
}

int vmm_apic_init(struct vmm *vmm) {
    vmm->apic_base = hw_rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDR;
    int r = vmm_mmio_trap_writes(vmm, gpa(vmm->apic_base), VMM_PAGE_BYTES, xapic_write, NULL);
    return r < 0 ? r : vmm_msr_trap(vmm, MSR_X2APIC_ICR, 1, x2apic_write, NULL);
}
