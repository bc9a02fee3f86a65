/* see hw_vmx.h */
#include "hw_vmx.h"
#include "host.h"
#include "vmx/vmx.h"

struct fake_vmx fake_vmx;

bool hw_vmx_on(uint64_t region_pa) {
    fake_vmx.on = region_pa;
    return !fake_vmx.refuse;
}

void hw_vmx_off(void) { fake_vmx.on = 0; }

bool hw_vmx_clear(uint64_t vmcs_pa) { return vmcs_pa != fake_vmx.on; }

bool hw_vmx_load(uint64_t vmcs_pa) {
    fake_vmx.loaded = vmcs_pa;
    return true;
}

uint64_t hw_vmx_read(uint32_t field) {
    if (!fake_vmx.loaded || field >= FAKE_VMCS_FIELDS) fake_fail("VMREAD of field %x", field);
    return fake_vmx.field[field];
}

bool hw_vmx_write(uint32_t field, uint64_t v) {
    if (!fake_vmx.loaded || field >= FAKE_VMCS_FIELDS) fake_fail("VMWRITE of field %x", field);
    fake_vmx.field[field] = v;
    fake_vmx.written[field] = true;
    return true;
}

void hw_vmx_invept(uint64_t type, uint64_t eptp) {
    if (type != 2 || eptp) fake_fail("INVEPT type %lx", (unsigned long)type);
    fake_vmx.n_invept++;
}

void hw_vmx_invvpid(uint64_t type, uint64_t vpid) {
    if (type != 1 || vpid != 1) fake_fail("INVVPID type %lx", (unsigned long)type);
    fake_vmx.n_invvpid++;
}

bool hw_xsetbv_safe(uint32_t index, uint64_t v) {
    if (index != 0 || fake_vmx.refuse_xsetbv) return false;
    fake_hw.xcr0 = v;
    return true;
}

void hw_unblock_nmi(void) { fake_vmx.n_unblock_nmi++; }

void hw_write_dr6(uint64_t v) { fake_hw.dr6 = v; }

/* ---- vmx_run.S ---- */

void host_switch_stack(struct vmm_vcpu *vcpu, uint64_t stack_top, void (*fn)(struct vmm_vcpu *)) {
    if (!fn || stack_top != vcpu->stack_top) fake_fail("another stack than the processor's own");
    fake_finish(FAKE_STOPPED);
}

const uint8_t vmx_run_from[8], vmx_run_to[8], vmx_run_nmi[8], vmx_run_exit[8];

enum vmx_run vmx_run_asm(struct vmm_vcpu *vcpu, struct vmx_cpu *cpu, bool launched) {
    (void)cpu;
    fake_record(FAKE_VMRUN, vcpu->index, 0, 0);
    fake_vmx.run_launched = launched;
    if (fake_vmx.on_run) fake_vmx.on_run();
    return (enum vmx_run)fake_vmx.run_result;
}
