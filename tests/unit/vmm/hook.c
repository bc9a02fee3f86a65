/* Registration of traps and hooks: overlaps, limits, and when. */
#include <criterion/criterion.h>
#include "guest.h"

static struct guest_trap t;
static void on_cpuid(struct vmm_vcpu *vcpu, void *cookie, struct vmm_cpuid *r) { (void)vcpu, (void)cookie, (void)r; }

Test(vmm_hook, ports) {
    guest_start();
    struct vmm *v = &guest.vmm;
    cr_assert_eq(vmm_pio_trap(v, 0x1f0, 8, guest_trap, &t), 0);
    cr_assert_eq(vmm_pio_trap(v, 0x1f7, 1, guest_trap, &t), VMM_E_BUSY);
    cr_assert_eq(vmm_pio_trap(v, 0x1ef, 2, guest_trap, &t), VMM_E_BUSY);
    cr_assert_eq(vmm_pio_trap(v, 0x1f8, 1, guest_trap, &t), 0);
    cr_assert_eq(vmm_pio_trap(v, 0x100, 0, guest_trap, &t), VMM_E_INVAL);
    cr_assert_eq(vmm_pio_trap(v, 0xffff, 2, guest_trap, &t), VMM_E_INVAL);
    cr_assert_eq(vmm_pio_trap(v, 0xffff, 1, guest_trap, &t), 0);
    unsigned n = 0;
    for (unsigned i = 0; i < 65536; i++) n += guest.pio[i];
    cr_assert(n == 10 && guest.pio[0x1f0] && guest.pio[0x1f8] && guest.pio[0xffff]);
}

Test(vmm_hook, ranges_of_registers) {
    guest_start();
    struct vmm *v = &guest.vmm;
    cr_assert_eq(vmm_msr_trap(v, 0x100, 3, guest_trap, &t), 0);
    cr_assert_eq(vmm_msr_trap(v, 0x102, 1, guest_trap, &t), VMM_E_BUSY);
    cr_assert_eq(vmm_msr_trap(v, 0xff, 2, guest_trap, &t), VMM_E_BUSY);
    cr_assert_eq(vmm_msr_trap(v, 0x100, 0, guest_trap, &t), VMM_E_INVAL);
    cr_assert_eq(vmm_msr_trap(v, UINT32_MAX, 2, guest_trap, &t), VMM_E_INVAL);
    cr_assert_eq(vmm_msr_trap(v, UINT32_MAX, 1, guest_trap, &t), 0);
    cr_assert_eq(guest.n_msrs, 4);
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(guest.msr[i].msr == 0x100 + i && guest.msr[i].read && guest.msr[i].write);
    cr_assert_eq(guest.msr[3].msr, UINT32_MAX);
}

Test(vmm_hook, a_full_table) {
    guest_start();
    for (uint32_t i = 0; i < VMM_MAX_HOOKS; i++) {
        cr_assert_eq(vmm_msr_trap(&guest.vmm, 0x1000 + i, 1, guest_trap, &t), 0);
        cr_assert_eq(vmm_cpuid_hook(&guest.vmm, i * 2, 2, on_cpuid, &t), 0);
    }
    cr_assert_eq(vmm_msr_trap(&guest.vmm, 0x100f, 1, guest_trap, &t), VMM_E_BUSY);
    cr_assert_eq(vmm_msr_trap(&guest.vmm, 0x2000, 1, guest_trap, &t), VMM_E_FULL);
    cr_assert_eq(vmm_cpuid_hook(&guest.vmm, 0x2000, 1, on_cpuid, &t), VMM_E_FULL);
    cr_assert_eq(guest.n_msrs, VMM_MAX_HOOKS);
}

Test(vmm_hook, only_during_setup) {
    guest_start();
    guest.vmm.in_setup = false;
    cr_assert_eq(vmm_pio_trap(&guest.vmm, 1, 1, guest_trap, &t), VMM_E_INVAL);
    cr_assert_eq(vmm_msr_trap(&guest.vmm, 1, 1, guest_trap, &t), VMM_E_INVAL);
    cr_assert_eq(vmm_cpuid_hook(&guest.vmm, 1, 1, on_cpuid, &t), VMM_E_INVAL);
    cr_assert_eq(vmm_hypercall_hook(&guest.vmm, 1, 1, 0, guest_trap, &t), VMM_E_INVAL);
    cr_assert(!guest.pio[1] && guest.n_msrs == 0 && !guest.vmm.cpuid_exits);
}

Test(vmm_hook, numbers_that_reach_the_end) {
    guest_start();
    cr_assert_eq(vmm_hypercall_hook(&guest.vmm, UINT64_MAX - 1, 2, 0, guest_trap, &t), 0);
    cr_assert_eq(vmm_hypercall_hook(&guest.vmm, UINT64_MAX, 1, 0, guest_trap, &t), VMM_E_BUSY);
    cr_assert_eq(vmm_hypercall_hook(&guest.vmm, 0, 1, 0, guest_trap, &t), 0);
    cr_assert_eq(vmm_hook_find(&guest.vmm.hypercall, UINT64_MAX), &guest.vmm.hypercall.hook[0]);
    cr_assert_eq(vmm_hook_find(&guest.vmm.hypercall, 0), &guest.vmm.hypercall.hook[1]);
    cr_assert_null(vmm_hook_find(&guest.vmm.hypercall, UINT64_MAX - 2));
    cr_assert_null(vmm_hook_find(&guest.vmm.hypercall, 1));
}
