/* Trap a page of device memory: watch every write, hide one register, and let the rest through. */
#include <vmm/vmm.h>

#define HPET_BASE    UINT64_C(0xfed00000)
#define HPET_COUNTER 0xf0u

struct hpet_watch {
    uint64_t n_writes; /* several processors may be here at once */
};

static enum vmm_verdict on_hpet(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access) {
    struct hpet_watch *watch = cookie;
    uint64_t offset = access->addr - HPET_BASE;
    if (access->write) {
        __atomic_fetch_add(&watch->n_writes, 1, __ATOMIC_RELAXED);
        vmm_log(vmm_of(vcpu), "hpet: %lx written to %lx", access->value, offset);
        return VMM_PASS;
    }
    if (offset / 8 != HPET_COUNTER / 8) return VMM_PASS;
    access->value = 0; /* this clock stands still */
    return VMM_HANDLED;
}

int trap_hpet(struct vmm *vmm, struct hpet_watch *watch);

int trap_hpet(struct vmm *vmm, struct hpet_watch *watch) {
    int handle = vmm_mmio_trap(vmm, gpa(HPET_BASE), VMM_PAGE_BYTES, on_hpet, watch);
    return handle < 0 ? handle : 0;
}
