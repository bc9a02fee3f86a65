/* The guest's start-up IPIs: their vector is ours, what it was is remembered for the trampoline.
 * Source: APM Volume 2, 16.5 "Interprocessor Interrupts (IPI)"; Intel SDM Volume 3A, 8.4 "Multiple-Processor (MP)
 * Initialization". */
#include "priv.h"
#include <hw.h>
#include <string.h>
#include "apic_regs.h"
#include "msr_regs.h"

#define STOP_PAUSES 50000u /* until an INIT has come through */
#define INIT_PAUSES 1000u  /* ... and has been carried out */
#define PIC_MASK    0x21u  /* of the first 8259; the second is behind it */

static bool is_x2apic(void) { return (hw_rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD) != 0; }

/* Does this processor's APIC take commands this way? One that goes nowhere must not be believed. */
static bool takes_commands(bool x2apic) {
    uint64_t mode = hw_rdmsr(MSR_APIC_BASE) & (APIC_BASE_EN | APIC_BASE_EXTD);
    return mode == (x2apic ? APIC_BASE_EN | APIC_BASE_EXTD : APIC_BASE_EN);
}

static uint32_t apic_read(const struct vmm *vmm, bool x2apic, uint32_t reg) {
    return (uint32_t)(x2apic ? hw_rdmsr(MSR_X2APIC + reg / 16) : hw_mmio_read(vmm->apic_base + reg, 4));
}

uint32_t vmm_apic_id(struct vmm *vmm) {
    bool x2apic = is_x2apic();
    uint32_t id = apic_read(vmm, x2apic, APIC_ID);
    return x2apic ? id : (uint32_t)FIELD_GET(APIC_ID_ID, id);
}

/* Might the PC's 8259s have one? They are asked for their masks only: what requests there are cannot be read without
 * disturbing what the guest reads. (A poll command makes the next read an acknowledgment, of this port too; nobody
 * polls them on a PC.) Linux leaves LINT0 open with all of them masked. Source: 8259A data sheet (Intel,
 * 231468), "Interrupt Mask Register" and "Reading the 8259A Status". */
static bool may_have_extint(const struct vmm *vmm, bool x2apic) {
    uint32_t lint0 = apic_read(vmm, x2apic, APIC_LINT0);
    return FIELD_GET(APIC_ICR_MODE, lint0) == APIC_MODE_EXTINT && !(lint0 & APIC_LVT_MASK) &&
           hw_in(PIC_MASK, 1) != 0xff;
}

/* Source: APM Volume 2, 16.3.2 "APIC Registers". */
bool vmm_interrupt_pending(const struct vmm *vmm) {
    bool x2apic = is_x2apic();
    if (!takes_commands(x2apic) || may_have_extint(vmm, x2apic)) return true; /* off, or not to be told */
    for (uint32_t i = 8; i-- > 0;)
        if (apic_read(vmm, x2apic, APIC_IRR + 16 * i)) return true;
    return false;
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

/* Who surely gets the INIT counts as stopped: nobody waits for it when a mapping changes. */
static void mark_stopped(const struct vmm_vcpu *vcpu, uint64_t icr, uint32_t dest, bool x2apic) {
    struct vmm *vmm = vcpu->vmm;
    for (uint32_t i = 0; takes_commands(x2apic) && i < vmm->n_cpus; i++) {
        uint32_t id = __atomic_load_n(&vmm->slot[i].apic_id, __ATOMIC_RELAXED);
        if (id != SLOT_FREE && surely_reaches(icr, dest, id, vcpu->apic_id))
            __atomic_store_n(&vmm->vcpu[i]->running, 0, __ATOMIC_RELEASE);
    }
}

static void prepare_init(struct vmm_vcpu *vcpu, uint64_t icr, uint32_t dest, bool x2apic) {
    struct vmm *vmm = vcpu->vmm;
    for (uint32_t id = 0; id < VMM_MAX_CPUS; id++)
        if (may_reach(icr, dest, x2apic, id, vcpu->apic_id))
            __atomic_store_n(&vmm->start[id], VMM_START_INIT, __ATOMIC_RELEASE);
    if (!vmm->holds_init) mark_stopped(vcpu, icr, dest, x2apic);
}

/* An INIT that exits takes its time: the start-up IPI behind it must find a processor that waits for one. Bounded: who
 * did not get the INIT will not stop. */
static void wait_for_stopped(const struct vmm_vcpu *vcpu, uint64_t icr, uint32_t dest, bool x2apic) {
    const struct vmm *vmm = vcpu->vmm;
    bool waited = false;
    for (uint32_t i = 0; i < vmm->n_cpus; i++) {
        uint32_t id = __atomic_load_n(&vmm->slot[i].apic_id, __ATOMIC_RELAXED);
        if (id >= VMM_MAX_CPUS || !may_reach(icr, dest, x2apic, id, vcpu->apic_id) ||
            __atomic_load_n(&vmm->start[id], __ATOMIC_ACQUIRE) != VMM_START_INIT)
            continue;
        waited = true;
        for (unsigned n = 0; n < STOP_PAUSES && __atomic_load_n(&vmm->vcpu[i]->running, __ATOMIC_ACQUIRE); n++)
            hw_pause(); /* pairs with vmm_init_exit */
    }
    for (unsigned n = 0; waited && n < INIT_PAUSES; n++) hw_pause();
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
                                          __ATOMIC_RELAXED); /* pairs with vmm_init_exit */
    }
}

/* What a write to the command register becomes. */
static uint64_t command_write(struct vmm_vcpu *vcpu, uint64_t icr, uint32_t dest, bool x2apic) {
    uint64_t mode = FIELD_GET(APIC_ICR_MODE, icr);
    bool deassert = (icr & (APIC_ICR_LEVEL | APIC_ICR_TRIGGER)) == APIC_ICR_TRIGGER; /* stops nobody */
    if (mode == APIC_MODE_INIT && !deassert) prepare_init(vcpu, icr, dest, x2apic);
    if (mode != APIC_MODE_SIPI) return icr;
    if (vcpu->vmm->holds_init) wait_for_stopped(vcpu, icr, dest, x2apic);
    remember_sipi(vcpu, icr, dest, x2apic);
    return (icr & ~APIC_ICR_VECTOR) | FIELD_PUT(APIC_ICR_VECTOR, vcpu->vmm->low_page >> 12);
}

static uint32_t xapic_dest(const struct vmm *vmm) {
    return (uint32_t)FIELD_GET(APIC_ICR_DEST, hw_mmio_read(vmm->apic_base + APIC_ICR_HIGH, 4));
}

static enum vmm_verdict xapic_write(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)cookie;
    uint64_t reg = a->addr & VMM_PAGE_MASK;
    if (!a->write) return VMM_PASS;
    /* Only an aligned dword is defined: 16.3.2 "APIC Registers". Anything else must not send what we did not see. */
    if (a->n_bytes != 4 || (a->addr & 0xf)) return VMM_SKIP;
    if (reg == APIC_ID) return VMM_SKIP; /* read-only on most processors, and how we find each other on all */
    if (reg != APIC_ICR_LOW) return VMM_PASS;
    a->value = command_write(vcpu, a->value, xapic_dest(vcpu->vmm), false);
    return VMM_PASS;
}

static enum vmm_verdict x2apic_write(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)cookie;
    if (!a->write) return VMM_PASS;
    uint64_t icr = a->value & BITS(31, 0), dest = a->value & ~BITS(31, 0);
    a->value = dest | command_write(vcpu, icr, (uint32_t)(dest >> 32), true);
    return VMM_PASS;
}

int vmm_apic_init(struct vmm *vmm) {
    vmm->apic_base = hw_rdmsr(MSR_APIC_BASE) & APIC_BASE_ADDR;
    vmm->apic_trap = vmm_mmio_trap_writes(vmm, gpa(vmm->apic_base), VMM_PAGE_BYTES, xapic_write, NULL);
    return vmm->apic_trap < 0 ? vmm->apic_trap : vmm_msr_trap(vmm, MSR_X2APIC_ICR, 1, x2apic_write, NULL);
}

/* ---- while every processor runs below, nobody waits for a start-up IPI ---- */

static void set_traps(struct vmm *vmm, bool on) {
    vmm->apic_open = !on;
    vmm_mmio_arm(vmm, vmm->apic_trap, on);
    vmm->ops->msr_intercept(vmm, MSR_X2APIC_ICR, on, on);
}

void vmm_apic_open(struct vmm *vmm) {
    vmm_lock(&vmm->npt_lock);
    uint32_t n = 0;
    for (uint32_t i = 0; i < vmm->n_cpus; i++)
        n += __atomic_load_n(&vmm->vcpu[i]->running, __ATOMIC_SEQ_CST) && !vmm->vcpu[i]->stopping;
    if (!vmm->apic_open && n == vmm->n_possible && (n == 1 || vmm->holds_init)) {
        memset(vmm->start, VMM_START_DONE, sizeof vmm->start);
        set_traps(vmm, false);
        __atomic_add_fetch(&vmm->npt_generation, 1, __ATOMIC_SEQ_CST); /* who does not see it yet exits once more */
    }
    vmm_unlock(&vmm->npt_lock);
}

void vmm_apic_close(struct vmm_vcpu *vcpu) {
    struct vmm *vmm = vcpu->vmm;
    vmm_lock(&vmm->npt_lock);
    vcpu->stopping = true;
    if (vmm->apic_open) set_traps(vmm, true);
    vmm_unlock(&vmm->npt_lock);
}

void vmm_apic_look_back(struct vmm_vcpu *vcpu) {
    struct vmm *vmm = vcpu->vmm;
    bool x2apic = is_x2apic();
    if (!takes_commands(x2apic)) return;
    uint64_t icr = x2apic ? hw_rdmsr(MSR_X2APIC_ICR) : hw_mmio_read(vmm->apic_base + APIC_ICR_LOW, 4);
    uint64_t ours = vmm->low_page >> 12, low = icr & BITS(31, 0) & ~APIC_ICR_PENDING;
    if (FIELD_GET(APIC_ICR_MODE, low) != APIC_MODE_SIPI || FIELD_GET(APIC_ICR_VECTOR, low) == ours) return;
    uint32_t dest = x2apic ? (uint32_t)(icr >> 32) : xapic_dest(vmm);
    low = command_write(vcpu, low, dest, x2apic);
    if (x2apic)
        hw_wrmsr(MSR_X2APIC_ICR, (uint64_t)dest << 32 | low);
    else
        hw_mmio_write(vmm->apic_base + APIC_ICR_LOW, 4, low);
}

/* Source: Intel SDM Volume 3A, 10.4.3 "Enabling or Disabling the Local APIC", 10.4.7.1 "Local APIC State After Power-Up
 * or Reset"; the mode stays: 10.12.5.1 "x2APIC States". */
void vmm_apic_reset(void) {
    uint64_t base = hw_rdmsr(MSR_APIC_BASE), off = base & ~(APIC_BASE_EN | APIC_BASE_EXTD);
    if (!(base & APIC_BASE_EN)) return;
    hw_wrmsr(MSR_APIC_BASE, off);
    hw_wrmsr(MSR_APIC_BASE, off | APIC_BASE_EN);
    if (base & APIC_BASE_EXTD) hw_wrmsr(MSR_APIC_BASE, base);
}
