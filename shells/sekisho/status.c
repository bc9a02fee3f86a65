/* see sekisho.h. A read takes no lock and changes nothing; its time is bounded by the number of processors. */
#include <string.h>
#include "sekisho.h"
#include "status_regs.h"

#define VECTOR_GP 13u

_Static_assert(VMM_N_EXITS <= STATUS_KINDS_MAX, "there is a register for each kind of exit");
_Static_assert(sizeof SEKISHO_VERSION <= sizeof(uint64_t) + 1, "the version fits a register");

static uint64_t version(void) {
    uint64_t v = 0;
    memcpy(&v, SEKISHO_VERSION, sizeof SEKISHO_VERSION - 1);
    return v;
}

static uint64_t exits(const struct vmm *vmm, uint64_t kind) {
    uint64_t n[VMM_N_EXITS];
    vmm_stats(vmm, n);
    return n[kind];
}

static enum vmm_verdict on_access(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access) {
    const struct sekisho_status *s = cookie;
    const struct vmm *vmm = vmm_of(vcpu);
    uint64_t reg = access->addr - STATUS_MSR_FIRST;
    if (access->write) {
        vmm_inject(vcpu, VECTOR_GP, 0);
        return VMM_INJECT;
    }
    switch (reg) {
    case STATUS_SIGNATURE: access->value = STATUS_IS_SEKISHO; break;
    case STATUS_VERSION: access->value = version(); break;
    case STATUS_UPTIME_US: access->value = vmm_now_us(vmm) - s->started_us; break;
    case STATUS_PROCESSORS: access->value = vmm_cpus(vmm); break;
    case STATUS_DISKS: access->value = s->n_disks; break;
    case STATUS_KINDS: access->value = VMM_N_EXITS; break;
    default:
        if (reg < STATUS_EXITS || reg >= STATUS_EXITS + VMM_N_EXITS) return VMM_PASS; /* as on the bare machine */
        access->value = exits(vmm, reg - STATUS_EXITS);
    }
    return VMM_HANDLED;
}

int sekisho_status_init(struct vmm *vmm, struct sekisho_status *status) {
    status->started_us = vmm_now_us(vmm);
    int r = vmm_msr_trap(vmm, STATUS_MSR_FIRST, STATUS_MSRS, on_access, status);
    if (r) vmm_decline(vmm, "the registers that tell about it cannot be trapped");
    return r;
}
