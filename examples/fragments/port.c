/* Trap a port: what the firmware writes to 80h goes to the log, and to the port as well. */
#include <vmm/vmm.h>

#define PORT_POST 0x80u

static enum vmm_verdict on_post(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access) {
    (void)cookie;
    if (access->write) vmm_log(vmm_of(vcpu), "cpu %u: code %02lx", vmm_cpu_index(vcpu), access->value);
    return VMM_PASS;
}

int trap_post(struct vmm *vmm);

int trap_post(struct vmm *vmm) { return vmm_pio_trap(vmm, PORT_POST, 1, on_post, NULL); }
