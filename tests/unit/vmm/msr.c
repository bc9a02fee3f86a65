/* Model-specific registers that exit: each row read and written, and what does not exist. Numbers typed a second time
 * from APM Volume 2, Appendix A "MSR Cross-Reference". */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"

#define CPU       (&guest.vcpu[0])
#define EFER      0xc0000080u
#define APIC_BASE 0x1bu

static void start(void) {
    guest_start();
    fake_msr(EFER, 0xd00, 0x1d01); /* ours: LME LMA NXE; what this machine's register takes */
    fake_cpuid(0x80000001, 0, (struct hw_cpuid){.edx = 1u << 25});
    fake_hw.n_log = 0;
}

/* One RDMSR or WRMSR of the guest. True if it completed, false if it got #GP(0). */
static bool access(uint32_t msr, bool write, uint64_t *value) {
    CPU->rip = GUEST_CODE;
    CPU->gpr[VMM_RCX] = UINT64_C(0xeeeeeeee00000000) | msr;
    CPU->gpr[VMM_RAX] = UINT64_C(0xdddddddd00000000) | (uint32_t)*value;
    CPU->gpr[VMM_RDX] = UINT64_C(0xcccccccc00000000) | *value >> 32;
    uint64_t rax = CPU->gpr[VMM_RAX];
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_MSR, .n_insn_bytes = 2, .msr.write = write});
    if (CPU->rip == GUEST_CODE) {
        cr_assert(CPU->inject.type == VMM_EVENT_EXCEPTION && CPU->inject.vector == 13 && CPU->inject.error == 0);
        cr_assert_eq(CPU->gpr[VMM_RAX], rax);
        return false;
    }
    cr_assert_eq(CPU->inject.type, VMM_EVENT_NONE);
    cr_assert_eq(CPU->rip, GUEST_CODE + 2);
    if (!write) {
        cr_assert_eq(CPU->gpr[VMM_RAX] >> 32 | CPU->gpr[VMM_RDX] >> 32, 0);
        *value = CPU->gpr[VMM_RDX] << 32 | CPU->gpr[VMM_RAX];
    }
    return true;
}

static bool reads_as(uint32_t msr, uint64_t value) {
    uint64_t v = 0x5555;
    return access(msr, false, &v) && v == value;
}
static bool takes(uint32_t msr, uint64_t v) { return access(msr, true, &v); }

Test(vmm_msr, what_exits) {
    static const struct guest_msr want[] = {
        {0xc0000080, true, true},  {0x1b, false, true},       {0xc0010114, true, true},  {0xc0010117, true, true},
        {0xc0010118, true, true},  {0xc0010010, false, true}, {0xc0010016, false, true}, {0xc0010017, false, true},
        {0xc0010018, false, true}, {0xc0010019, false, true}, {0xc001001a, false, true}, {0xc001001b, false, true},
        {0xc001001c, false, true}, {0xc001001d, false, true}, {0xc0010020, false, true}, {0xc0010058, false, true},
        {0xc0010111, false, true}, {0xc0010112, false, true}, {0xc0010113, false, true}, {0xc0010115, false, true},
        {0xc0010116, false, true},
    };
    start();
    cr_assert_eq(vmm_msr_init(&guest.vmm), 0);
    cr_assert_eq(guest.n_msrs, sizeof want / sizeof want[0]);
    for (unsigned i = 0; i < guest.n_msrs; i++) {
        bool found = false;
        for (unsigned k = 0; k < guest.n_msrs; k++)
            found |= guest.msr[k].msr == want[i].msr && guest.msr[k].read == want[i].read &&
                     guest.msr[k].write == want[i].write;
        cr_assert(found, "%x", want[i].msr);
    }
}

/* ---- EFER ---- */

Test(vmm_msr, efer_shows_the_guests_own) {
    start();
    cr_assert(reads_as(EFER, 0xd00));
    guest.cpu[0].reg[VMM_EFER] = 0x1;
    cr_assert(reads_as(EFER, 0x1));
}

Test(vmm_msr, efer_rules) {
    static const struct {
        uint64_t old, cr0, value, becomes;
        bool gp;
    } rows[] = {
        {0x000, 0x33, 0x101, 0x101, false},       /* SCE LME */
        {0x000, 0x33, 0x900, 0x900, false},       /* LME NXE */
        {0x000, 0x33, 0x400, 0x000, false},       /* LMA is read-only, and ignored */
        {0xd00, 0x80000033, 0x101, 0x501, false}, /* LMA stays */
        {0xd00, 0x80000033, 0xd01, 0xd01, false},
        {0xd00, 0x80000033, 0x801, 0xd00, true}, /* LME may not change under paging */
        {0x000, 0x80000033, 0x100, 0x000, true},
        {0x000, 0x33, 0x1000, 0x000, true}, /* SVME */
        {0xd00, 0x80000033, 0x1d01, 0xd00, true},
        {0x000, 0x33, 0x4000, 0x4000, false}, /* FFXSR, which CPUID shows */
        {0x000, 0x33, 0x2000, 0x000, true},   /* LMSLE, which the machine's register does not take */
        {0x000, 0x33, 0x2, 0x000, true},      /* reserved */
        {0x000, 0x33, UINT64_C(1) << 63, 0x000, true},
        {0x2000, 0x33, 0x2000, 0x2000, false}, /* what is set may stay */
    };
    start();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        guest.cpu[0].reg[VMM_EFER] = rows[i].old;
        guest.cpu[0].reg[VMM_CR0] = rows[i].cr0;
        cr_assert_eq(takes(EFER, rows[i].value), !rows[i].gp, "row %u", i);
        cr_assert_eq(guest.cpu[0].reg[VMM_EFER], rows[i].becomes, "row %u: %lx", i, guest.cpu[0].reg[VMM_EFER]);
        cr_assert_eq(fake_msr_find(EFER)->value, 0xd00, "row %u: ours has changed", i);
    }
    fake_msr(EFER, 0xd00, 0xffffff01);
    guest.cpu[0].reg[VMM_EFER] = 0;
    guest.cpu[0].reg[VMM_CR0] = 0x33;
    cr_assert(takes(EFER, 0x2000 | 0x8000 | 0x20000 | 0x40000 | 0x100000 | 0x200000));
    cr_assert(!takes(EFER, 0x10000)); /* never heard of, even if the machine takes it */
    fake_cpuid(0x80000001, 0, (struct hw_cpuid){0});
    guest.cpu[0].reg[VMM_EFER] = 0;
    cr_assert(!takes(EFER, 0x4000));
    cr_assert_eq(fake_msr_find(EFER)->value, 0xd00);
}

/* ---- the others ---- */

Test(vmm_msr, the_apic_keeps_its_place) {
    start();
    cr_assert(reads_as(APIC_BASE, GUEST_APIC | 0x900));
    cr_assert(takes(APIC_BASE, GUEST_APIC | 0xd00)); /* to x2APIC */
    cr_assert_eq(fake_msr_find(APIC_BASE)->value, GUEST_APIC | 0xd00);
    cr_assert(!takes(APIC_BASE, (GUEST_APIC + 0x1000) | 0x900));
    cr_assert(!takes(APIC_BASE, GUEST_APIC | 1 | 0x900)); /* the machine's own #GP */
    cr_assert(!takes(APIC_BASE, GUEST_REGION | 0x900));
    cr_assert_eq(fake_msr_find(APIC_BASE)->value, GUEST_APIC | 0xd00);
}

Test(vmm_msr, svm_is_switched_off_and_locked) {
    start();
    fake_msr(0xc0010114, 0x2, 0);
    cr_assert(reads_as(0xc0010114, 0x18));
    cr_assert(takes(0xc0010114, 0));
    cr_assert(reads_as(0xc0010114, 0x18));
    for (uint32_t msr = 0xc0010117; msr <= 0xc0010118; msr++) {
        cr_assert(takes(msr, 0x1234567));
        cr_assert(reads_as(msr, 0));
    }
    cr_assert_eq(fake_count(FAKE_WRMSR), 0);
}

Test(vmm_msr, fixed_ones_read_through_and_cannot_be_written) {
    static const uint32_t fixed[] = {0xc0010010, 0xc0010016, 0xc0010017, 0xc0010018, 0xc0010019,
                                     0xc001001a, 0xc001001d, 0xc0010020, 0xc0010058, 0xc0010111,
                                     0xc0010112, 0xc0010113, 0xc0010115, 0xc0010116};
    start();
    for (unsigned i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        cr_assert(!reads_as(fixed[i], 0), "%x does not exist yet", fixed[i]);
        fake_msr(fixed[i], UINT64_C(0x123456789) + i, UINT64_MAX);
        cr_assert(reads_as(fixed[i], UINT64_C(0x123456789) + i));
        cr_assert(takes(fixed[i], 0xbad));
        cr_assert(reads_as(fixed[i], UINT64_C(0x123456789) + i));
    }
    cr_assert_eq(fake_count(FAKE_WRMSR), 0);
}

Test(vmm_msr, one_without_a_rule_is_the_machines) {
    start();
    cr_assert(!reads_as(0x40000000, 0)); /* outside the permission map: always exits */
    cr_assert(!takes(0xc0002000, 1));
    fake_msr(0xc0002000, 5, 0xff);
    cr_assert(reads_as(0xc0002000, 5));
    cr_assert(takes(0xc0002000, 0x7f));
    cr_assert(!takes(0xc0002000, 0x100));
    cr_assert(reads_as(0xc0002000, 0x7f));
}

Test(vmm_msr, a_range_outside_the_permission_map) {
    start();
    struct guest_trap t = {.answer = VMM_HANDLED, .value = 7};
    cr_assert_eq(vmm_msr_trap(&guest.vmm, 0x40000050, 0x20, guest_trap, &t), 0);
    cr_assert(reads_as(0x40000050, 7) && reads_as(0x4000006f, 7) && takes(0x40000060, 1));
    cr_assert(t.n_seen == 3 && t.seen[1].addr == 0x4000006f && t.seen[2].write);
    cr_assert(!reads_as(0x4000004f, 0) && !reads_as(0x40000070, 0) && !takes(0x40000070, 0)); /* the machine's #GP */
    cr_assert_eq(t.n_seen, 3);
    t.answer = VMM_PASS;
    cr_assert(!reads_as(0x40000050, 7) && !takes(0x40000050, 7));
}

Test(vmm_msr, verdicts) {
    start();
    struct guest_trap t = {.value = UINT64_C(0x1122334455667788)};
    fake_msr(0x10a, 0x99, 0xff);
    cr_assert_eq(vmm_msr_trap(&guest.vmm, 0x10a, 1, guest_trap, &t), 0);
    cr_assert(guest.n_msrs == 1 && guest.msr[0].msr == 0x10a && guest.msr[0].read && guest.msr[0].write);
    t.answer = VMM_HANDLED;
    cr_assert(reads_as(0x10a, UINT64_C(0x1122334455667788)));
    cr_assert(takes(0x10a, 0xffff));
    t.answer = VMM_SKIP;
    cr_assert(reads_as(0x10a, UINT64_MAX));
    cr_assert(takes(0x10a, 0xffff));
    t.answer = VMM_PASS;
    cr_assert(reads_as(0x10a, 0x99));
    cr_assert(!takes(0x10a, 0xffff));
    cr_assert(takes(0x10a, 0x7f));
    cr_assert_eq(fake_msr_find(0x10a)->value, 0x7f);
    t.answer = VMM_INJECT;
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_MSR, .n_insn_bytes = 2});
    cr_assert(CPU->inject.vector == 13 && CPU->inject.error == 0x123 && CPU->rip == GUEST_CODE + 2);
    cr_assert(t.n_seen == 8 && t.seen[1].write && t.seen[1].value == 0xffff && t.seen[1].addr == 0x10a);
    cr_assert(!t.seen[0].write && t.seen[0].n_bytes == 8);
}
