/* A hypercall for the guest's kernel: RBX points to RCX bytes, RAX comes back as their sum. Shows how a handler reads
 * guest memory by guest-linear address: page by page, into a copy. */
#include <vmm/vmm.h>

#define CALL_SUM  0x53554d00u
#define MAX_BYTES 65536u
#define VECTOR_GP 13u

static int sum_page(struct vmm_vcpu *vcpu, uint64_t linear, size_t n_bytes, uint64_t *sum) {
    uint8_t copy[256];
    gpa_t at;
    if (vmm_translate(vcpu, linear, &at)) return VMM_E_RANGE;
    for (size_t done = 0; done < n_bytes;) {
        size_t piece = n_bytes - done < sizeof copy ? n_bytes - done : sizeof copy;
        if (vmm_gmem_read(vmm_of(vcpu), gpa_add(at, done), copy, piece)) return VMM_E_RANGE;
        for (size_t i = 0; i < piece; i++) *sum += copy[i];
        done += piece;
    }
    return 0;
}

static enum vmm_verdict on_sum(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access) {
    (void)cookie;
    uint64_t linear = vmm_reg_get(vcpu, VMM_RBX), left = vmm_reg_get(vcpu, VMM_RCX), sum = 0;
    if (left > MAX_BYTES) left = 0; /* be brief: the guest's interrupts wait */
    while (left) {
        uint64_t piece = VMM_PAGE_BYTES - (linear & VMM_PAGE_MASK);
        if (piece > left) piece = left;
        if (sum_page(vcpu, linear, piece, &sum)) {
            vmm_inject(vcpu, VECTOR_GP, 0);
            return VMM_INJECT;
        }
        linear += piece;
        left -= piece;
    }
    access->value = sum;
    return VMM_HANDLED;
}

int hook_sum(struct vmm *vmm);

int hook_sum(struct vmm *vmm) { return vmm_hypercall_hook(vmm, CALL_SUM, 1, 0, on_sum, NULL); }
