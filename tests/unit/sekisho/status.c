/* What the guest's kernel reads of the hypervisor below it; numbers typed a second time. */
#include <criterion/criterion.h>
#include "guest.h"
#include "sekisho.h"

#define CPU   (&guest.vcpu[0])
#define FIRST 0x40000050u

static struct sekisho_status status;

static void start(void) {
    guest_start();
    cr_assert_eq(sekisho_status_init(&guest.vmm, &status), 0);
    status.n_disks = 3;
}

/* One RDMSR or WRMSR. True if it completed, false if it got #GP(0). */
static bool access(uint32_t msr, bool write, uint64_t *value) {
    CPU->rip = GUEST_CODE;
    CPU->inject.type = VMM_EVENT_NONE;
    CPU->gpr[VMM_RCX] = msr;
    CPU->gpr[VMM_RAX] = CPU->gpr[VMM_RDX] = 0x5a5a5a5a;
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_MSR, .n_insn_bytes = 2, .msr.write = write});
    *value = CPU->gpr[VMM_RDX] << 32 | CPU->gpr[VMM_RAX];
    if (CPU->rip != GUEST_CODE) return true;
    cr_assert(CPU->inject.type == VMM_EVENT_EXCEPTION && CPU->inject.vector == 13 && CPU->inject.error == 0);
    cr_assert_eq(*value, UINT64_C(0x5a5a5a5a5a5a5a5a));
    return false;
}

static uint64_t read_reg(uint32_t reg) {
    uint64_t value;
    cr_assert(access(FIRST + reg, false, &value), "%u", reg);
    return value;
}

Test(sekisho_status, what_is_told) {
    start();
    cr_assert(!memcmp(&(uint64_t){read_reg(0)}, "SEKISHO\1", 8));
    cr_assert(!memcmp(&(uint64_t){read_reg(1)}, "1.23.456", 8));
    uint64_t before = read_reg(2);
    fake_hw.tsc += UINT64_C(2000000000) * 86400;
    uint64_t up = read_reg(2) - before;
    cr_assert(up >= UINT64_C(86400000000) && up < UINT64_C(86401000000), "%lu", up);
    for (unsigned i = 0; i < GUEST_CPUS; i++) guest.vcpu[i].running = i != 2;
    cr_assert_eq(read_reg(3), GUEST_CPUS - 1);
    cr_assert_eq(read_reg(4), 3);
    cr_assert_eq(read_reg(5), VMM_N_EXITS);
}

Test(sekisho_status, exits_by_cause) {
    start();
    for (unsigned k = 0; k < VMM_N_EXITS; k++) {
        guest.vcpu[0].n_exits[k] = 1000 + k;
        guest.vcpu[3].n_exits[k] = UINT64_C(1) << 40;
    }
    for (unsigned k = 0; k < VMM_N_EXITS; k++) {
        unsigned reads = k == VMM_EXIT_MSR ? k : 0; /* those before */
        cr_assert_eq(read_reg(8 + k), (UINT64_C(1) << 40) + 1000 + k + reads, "%u", k);
    }
}

Test(sekisho_status, nothing_can_be_written) {
    start();
    uint64_t value;
    for (uint32_t reg = 0; reg < 32; reg++) cr_assert(!access(FIRST + reg, true, &value), "%u", reg);
    cr_assert_eq(read_reg(4), 3);
}

Test(sekisho_status, the_others_are_the_machines) {
    start();
    uint64_t value;
    cr_assert(!access(FIRST - 1, false, &value) && !access(FIRST + 32, false, &value));
    cr_assert(!access(FIRST + 6, false, &value) && !access(FIRST + 7, false, &value));
    for (uint32_t reg = 8 + VMM_N_EXITS; reg < 32; reg++) cr_assert(!access(FIRST + reg, false, &value), "%u", reg);
    fake_msr(FIRST + 31, 0x77, 0); /* below another hypervisor that has one there */
    cr_assert_eq(read_reg(31), 0x77);
}

Test(sekisho_status, a_register_somebody_else_has) {
    struct guest_trap t = {.answer = VMM_PASS};
    guest_start();
    cr_assert_eq(vmm_msr_trap(&guest.vmm, FIRST + 5, 1, guest_trap, &t), 0);
    cr_assert_lt(sekisho_status_init(&guest.vmm, &status), 0);
    cr_assert(guest.vmm.why[0]);
}
