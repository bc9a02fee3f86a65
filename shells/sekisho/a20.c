/* see sekisho.h */
#include <vmm/lock.h>
#include "a20_filter.h"
#include "sekisho.h"

static struct {
    struct vmm_lock lock;
    struct a20 filter; /* [L lock] */
} guard;

/* The write itself happens under the lock: on another processor it could meet another state of the controller. */
static enum vmm_verdict guarded(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    (void)vcpu;
    (void)cookie;
    if (!a->write) return VMM_PASS;
    uint64_t value = 0;
    vmm_lock(&guard.lock);
    for (unsigned i = 0; i < a->n_bytes; i++) {
        uint8_t byte = (uint8_t)(a->value >> 8 * i);
        value |= (uint64_t)a20_filter(&guard.filter, (uint16_t)(a->addr + i), byte) << 8 * i;
    }
    vmm_port_write((uint16_t)a->addr, a->n_bytes, (uint32_t)value);
    vmm_unlock(&guard.lock);
    return VMM_HANDLED;
}

int sekisho_a20_init(struct vmm *vmm) {
    static const uint16_t ports[] = {A20_KBC_DATA, A20_KBC_COMMAND, A20_FAST};
    int r = 0;
    for (unsigned i = 0; i < sizeof ports / sizeof ports[0] && !r; i++)
        r = vmm_pio_trap(vmm, ports[i], 1, guarded, NULL);
    if (r) vmm_decline(vmm, "the ports that switch address line 20 cannot be trapped (error %d)", r);
    return r;
}
