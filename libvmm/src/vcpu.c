/* Guest registers by architectural name. The general ones, RIP and RFLAGS live in the vCPU between exit and entry; the
 * rest in the vendor's control block. */
#include "priv.h"
#include <hw.h>

uint64_t vmm_reg_get(const struct vmm_vcpu *vcpu, enum vmm_reg reg) {
    if (reg <= VMM_R15) return vcpu->gpr[reg];
    if (reg == VMM_RIP) return vcpu->rip;
    if (reg == VMM_RFLAGS) return vcpu->rflags;
    return vcpu->vmm->ops->reg_get(vcpu, reg);
}

void vmm_reg_set(struct vmm_vcpu *vcpu, enum vmm_reg reg, uint64_t value) {
    if (reg <= VMM_R15)
        vcpu->gpr[reg] = value;
    else if (reg == VMM_RIP)
        vcpu->rip = value;
    else if (reg == VMM_RFLAGS)
        vcpu->rflags = value;
    else
        vcpu->vmm->ops->reg_set(vcpu, reg, value);
}

struct vmm_segment vmm_segment_get(const struct vmm_vcpu *vcpu, enum vmm_segment_name name) {
    return vcpu->vmm->ops->segment_get(vcpu, name);
}

unsigned vmm_cpl(const struct vmm_vcpu *vcpu) { return vcpu->at.cpl; }
uint32_t vmm_cpu_index(const struct vmm_vcpu *vcpu) { return vcpu->index; }
struct vmm *vmm_of(const struct vmm_vcpu *vcpu) {
    return vcpu->vmm;
}

void vmm_stats(const struct vmm *vmm, uint64_t out_exits[VMM_N_EXITS]) {
    for (unsigned k = 0; k < VMM_N_EXITS; k++) {
        out_exits[k] = 0;
        for (uint32_t i = 0; i < vmm->n_cpus; i++)
            out_exits[k] += __atomic_load_n(&vmm->vcpu[i]->n_exits[k], __ATOMIC_RELAXED);
    }
}

uint32_t vmm_cpus(const struct vmm *vmm) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < vmm->n_cpus; i++) n += __atomic_load_n(&vmm->vcpu[i]->running, __ATOMIC_RELAXED);
    return n;
}

uint64_t vmm_device_read(hpa_t at, unsigned n_bytes) { return hw_mmio_read(at.v, n_bytes); }
void vmm_device_write(hpa_t at, unsigned n_bytes, uint64_t value) { hw_mmio_write(at.v, n_bytes, value); }
uint32_t vmm_port_read(uint16_t port, unsigned n_bytes) { return hw_in(port, n_bytes); }
void vmm_port_write(uint16_t port, unsigned n_bytes, uint32_t value) { hw_out(port, n_bytes, value); }
