/* Intel's processor operations over a fake processor: what is written to its VMCS, and what an exit leaves behind. */
#include <criterion/criterion.h>
#include <hw_vmx.h>
#include <string.h>
#include "guest.h"
#include "msr_regs.h"
#include "vmx/vmx.h"

static const struct vmm_cpu_ops *const ops = &vmm_vmx_ops;
static struct vmm_vcpu *cpu = &guest.vcpu[1];

#define F(encoding) fake_vmx.field[encoding]
#define ALL         UINT64_C(0xffffffff00000000)

static void intel(void) {
    fake_cpuid(1, 0, (struct hw_cpuid){.eax = 0x50654, .ecx = 1u << 5, .edx = 1u << 12});
    fake_cpuid(0x80000001, 0, (struct hw_cpuid){.edx = 1u << 26});
    fake_msr(0x3a, 0, UINT64_MAX);
    fake_msr(0x480, UINT64_C(1) << 55 | UINT64_C(6) << 50 | UINT64_C(1024) << 32 | 0x2b, 0);
    for (uint32_t msr = 0x48b; msr <= 0x490; msr++) fake_msr(msr, ALL, 0);
    fake_msr(0x48c, UINT64_MAX, 0);
    fake_msr(0x486, 0x80000021, 0);
    fake_msr(0x487, UINT32_MAX, 0);
    fake_msr(0x488, 0x2000, 0);
    fake_msr(0x489, 0xb767ff, 0);
    fake_msr(0x174, 0x10, UINT64_MAX);
    fake_msr(0x175, 0x1234, UINT64_MAX);
    fake_msr(0x176, 0x5678, UINT64_MAX);
    fake_msr(0xfe, 0x508, 0);
    fake_msr(0x2ff, 0xc06, UINT64_MAX);
    fake_msr(0x250, 0, UINT64_MAX);
    for (uint32_t msr = 0x258; msr <= 0x259; msr++) fake_msr(msr, 0, UINT64_MAX);
    for (uint32_t msr = 0x268; msr <= 0x26f; msr++) fake_msr(msr, 0, UINT64_MAX);
    for (uint32_t msr = 0x200; msr <= 0x20f; msr++) fake_msr(msr, 0, UINT64_MAX);
    fake_msr(MSR_EFER, 0xd00, 0xd01);
}

static void start(void) {
    static struct host_area area;
    guest_start();
    intel();
    guest.vmm.ops = ops;
    cpu->area = &area;
    cr_assert_eq(ops->init(&guest.vmm), 0);
    cr_assert_eq(ops->vcpu_init(cpu), 0);
    ops->enable(cpu);
    ops->ready(cpu);
}

static struct vmx_maps *maps(void) { return guest.vmm.vendor; }

Test(vmx_ops, what_a_processor_must_have) {
    cr_assert(!ops->present());
    cr_assert_str_eq(ops->unsupported(), "this processor has no Intel VT-x virtualisation");
    intel();
    cr_assert(ops->present());
    cr_assert_null(ops->unsupported());
    fake_msr_find(0x3a)->value = 1;
    cr_assert_str_eq(ops->unsupported(), "VT-x virtualisation is switched off in the firmware's settings");
    fake_msr_find(0x3a)->value = 5;
    cr_assert_null(ops->unsupported());
    fake_msr_find(0x48b)->value &= ~(UINT64_C(2) << 32);
    cr_assert_str_eq(ops->unsupported(), "this processor has VT-x but no nested paging (EPT)");
    fake_msr_find(0x48b)->value = ALL;
    fake_cpuid(0x80000001, 0, (struct hw_cpuid){.edx = 0});
    cr_assert_str_eq(ops->unsupported(), "this processor has no 1 GiB pages");
}

Test(vmx_ops, entering_vmx_operation) {
    start();
    cr_assert_eq(fake_msr_find(0x3a)->value, 5, "unlocked by the firmware: ours to lock");
    cr_assert(fake_hw.cr[4] & 0x2000);
    const struct vmx_cpu *c = cpu->vendor;
    cr_assert(fake_vmx.on == c->vmxon && fake_vmx.loaded == c->vmcs && c->vmxon != c->vmcs);
    cr_assert_eq(*(uint32_t *)hw_direct(c->vmcs), 0x2b);
    cr_assert_eq(*(uint32_t *)hw_direct(c->vmxon), 0x2b);
    cr_assert_eq(F(0x4000), 0x28);
    cr_assert_eq(F(0x4002), 1u << 25 | 1u << 28 | 1u << 31);
    cr_assert_eq(F(0x201a), (uintptr_t)guest.vmm.npt.root | 0x1e);
    cr_assert_eq(F(0x2000) + 4096, F(0x2002));
    cr_assert_eq(F(0x6000), 0x20);
    cr_assert_eq(F(0x6002), 0x6000);
    cr_assert_eq(F(0x2800), UINT64_MAX);
    cr_assert_eq(F(0x6c06), (uintptr_t)cpu, "FS while we run");
    cr_assert_eq(F(0x6c16), (uintptr_t)vmx_run_exit);
    cr_assert(F(0x482a) == 0x10 && F(0x6824) == 0x1234 && F(0x6826) == 0x5678);
    cr_assert(fake_vmx.n_invept);
}

Test(vmx_ops, a_locked_feature_register_is_left_alone) {
    guest_start();
    intel();
    fake_msr_find(0x3a)->value = 0x105;
    ops->enable(cpu);
    cr_assert_eq(fake_msr_find(0x3a)->value, 0x105);
}

static struct vmm_cpu_state firmware(void) {
    struct vmm_cpu_state st = {.rip = 0x1000,
                               .rflags = 2,
                               .cr0 = 0x80000013,
                               .cr2 = 7,
                               .cr3 = 0x2000,
                               .cr4 = 0x668,
                               .efer = 0x500,
                               .dr6 = 0xffff0ff0,
                               .dr7 = 0x400,
                               .pat = 0x0007040600070406};
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) st.seg[i] = (struct vmm_segment){0x30, 0xc92, UINT32_MAX, 0};
    st.seg[VMM_CS] = (struct vmm_segment){0x38, 0xa9a, UINT32_MAX, 0};
    st.gpr[VMM_RSP] = 0x8000;
    return st;
}

Test(vmx_ops, loading_state) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    cr_assert_eq(F(0x6800), 0x80000033, "NE is always set");
    cr_assert_eq(F(0x6004), 0x80000013, "and not seen");
    cr_assert_eq(F(0x6804), 0x2668);
    cr_assert_eq(F(0x6006), 0x668);
    cr_assert_eq(F(0x4012) >> 9 & 1, 1, "IA-32e mode");
    cr_assert_eq(F(0x4816), 0xa09b, "code, accessed");
    cr_assert_eq(F(0x4818), 0xc093);
    cr_assert_eq(F(0x4822), 0x8b, "a task register even if there was none");
    cr_assert_eq(F(0x4820), 0x10000);
    cr_assert(fake_hw.cr[2] == 7 && fake_hw.dr6 == 0xffff0ff0);
    cr_assert_eq(ops->reg_get(cpu, VMM_CR0), 0x80000013);
    cr_assert_eq(ops->reg_get(cpu, VMM_CR4), 0x668);
    ops->reg_set(cpu, VMM_EFER, 0x100);
    cr_assert_eq(F(0x4012) >> 9 & 1, 0);
    ops->reg_set(cpu, VMM_CR0, 0x11);
    cr_assert(F(0x6800) == 0x31 && F(0x6004) == 0x11);
}

static struct vmm_exit run(uint32_t reason) {
    struct vmm_exit e;
    F(0x4402) = reason;
    ops->run(cpu, &e);
    return e;
}

Test(vmx_ops, a_turn) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    F(0x440c) = 2;
    cpu->rip = 0x1002;
    cpu->gpr[VMM_RSP] = 0x7ff0;
    cr_assert_eq(run(10).kind, VMM_EXIT_CPUID);
    cr_assert(!fake_vmx.run_launched);
    cr_assert(F(0x681e) == 0x1002 && F(0x681c) == 0x7ff0 && F(0x4016) == 0);
    cr_assert_eq(vmm_mode(cpu), VMM_INSN_64);
    struct vmm_exit e = run(10);
    cr_assert(fake_vmx.run_launched && e.n_insn_bytes == 2);
    unsigned flushes = fake_vmx.n_invept;
    __atomic_add_fetch(&guest.vmm.npt_generation, 1, __ATOMIC_SEQ_CST);
    run(10);
    cr_assert_eq(fake_vmx.n_invept, flushes + 1);
    run(10);
    cr_assert_eq(fake_vmx.n_invept, flushes + 1);
}

Test(vmx_ops, events) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    vmm_inject(cpu, 13, 0x77);
    run(10);
    cr_assert(F(0x4016) == 0x80000b0d && F(0x4018) == 0x77);
    cr_assert_eq(cpu->inject.type, VMM_EVENT_NONE);
    run(10);
    cr_assert_eq(F(0x4016), 0);
    F(0x4824) = 9; /* STI's shadow, and NMIs blocked by the delivery that was interrupted */
    cpu->inject = (struct vmm_event){.type = VMM_EVENT_NMI, .vector = 2};
    run(10);
    cr_assert(F(0x4016) == 0x80000202 && F(0x4824) == 0);
    F(0x4824) = 2; /* behind MOV SS: not now */
    cpu->inject = (struct vmm_event){.type = VMM_EVENT_NMI, .vector = 2};
    run(10);
    cr_assert(F(0x4016) == 0 && F(0x4824) == 2 && cpu->nmi_pending);
    ops->skipped(cpu);
    cr_assert_eq(F(0x4824), 0);
}

Test(vmx_ops, an_nmi_before_the_entry) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    struct vmx_cpu *c = cpu->vendor;
    uint64_t rip = 0x1234;
    ops->nmi_in_host(cpu, &rip);
    cr_assert(c->nmi_in_host && rip == 0x1234);
    fake_vmx.run_result = VMX_RUN_NMI;
    vmm_inject(cpu, 6, 0);
    cr_assert_eq(run(10).kind, VMM_EXIT_NMI);
    cpu->vmm->ops->take_nmi();
    cr_expect_eq(fake_vmx.n_unblock_nmi, 1, "or the exit blocks the next one");
    cr_assert(!c->nmi_in_host);
    cr_assert_eq(cpu->inject.vector, 6, "still to be delivered");
}

Test(vmx_ops, the_window_follows_the_guests_iret) {
    start();
    ops->iret_exit(cpu, true);
    cr_assert(F(0x4002) >> 22 & 1);
    ops->iret_exit(cpu, false);
    cr_assert(!(F(0x4002) >> 22 & 1));
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    F(0x6400) = 0x1181; /* an EPT violation while IRET was unblocking NMIs */
    run(48);
    cr_assert_eq(F(0x4824), 8);
    F(0x4824) = 0;
    F(0x4408) = 0x8000030e; /* unless it was an event's delivery */
    run(48);
    cr_assert_eq(F(0x4824), 0);
}

static void exit_now(uint32_t reason, uint64_t qualification, uint32_t n_bytes) {
    F(0x6400) = qualification;
    F(0x440c) = n_bytes;
    struct vmm_exit e = run(reason);
    vmm_exit_handle(cpu, &e);
}

Test(vmx_ops, control_register_exits) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    cpu->gpr[VMM_RBX] = 0x80010033; /* NE comes on, WP too */
    exit_now(28, 0x300, 3);
    cr_assert_eq(cpu->inject.type, VMM_EVENT_NONE);
    cr_assert_eq(cpu->rip, 0x1003);
    cr_assert(F(0x6800) == 0x80010033 && F(0x6004) == 0x80010033);
    cpu->gpr[VMM_RBX] = 0x80000030; /* paging without protection */
    exit_now(28, 0x300, 3);
    cr_assert(cpu->inject.type == VMM_EVENT_EXCEPTION && cpu->inject.vector == 13 && cpu->rip == 0x1003);
    cpu->inject.type = VMM_EVENT_NONE;
    cpu->gpr[VMM_RCX] = 0x2668; /* CR4.VMXE */
    exit_now(28, 0x104, 3);
    cr_assert(cpu->inject.type == VMM_EVENT_EXCEPTION && cpu->inject.vector == 13);
    cr_assert_eq(F(0x6804), 0x2668);
}

Test(vmx_ops, paging_comes_on_with_long_mode) {
    start();
    struct vmm_cpu_state st = vmm_sipi_state(0x9e, 0);
    st.cr0 = 0x11;
    st.cr4 = 0x20;
    st.efer = 0x100;
    ops->load(cpu, &st);
    cpu->gpr[VMM_RAX] = 0x80000031;
    exit_now(28, 0x000, 3);
    cr_assert_eq(F(0x2806), 0x500);
    cr_assert(F(0x4012) >> 9 & 1);
    cr_assert_eq(F(0x6800), 0x80000031);
}

Test(vmx_ops, paging_comes_on_with_pae_tables) {
    start();
    struct vmm_cpu_state st = vmm_sipi_state(0x9e, 0);
    st.cr0 = 0x11;
    st.cr4 = 0x20;
    st.cr3 = GUEST_DATA;
    ops->load(cpu, &st);
    for (unsigned i = 0; i < 4; i++) guest_poke(GUEST_DATA + 8 * i, 8, 0x5001 + 0x1000 * i);
    cpu->gpr[VMM_RAX] = 0x80000031;
    exit_now(28, 0x000, 3);
    cr_assert_eq(cpu->inject.type, VMM_EVENT_NONE);
    for (unsigned i = 0; i < 4; i++) cr_assert_eq(F(0x280a + 2 * i), 0x5001 + 0x1000 * i);
    ops->load(cpu, &st);
    guest_poke(GUEST_DATA + 8, 8, 0x6003); /* a reserved bit */
    cpu->gpr[VMM_RAX] = 0x80000031;
    exit_now(28, 0x000, 3);
    cr_assert_eq(cpu->inject.vector, 13);
}

Test(vmx_ops, xsetbv_and_invd) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    cpu->gpr[VMM_RAX] = 7;
    exit_now(55, 0, 3);
    cr_assert(fake_hw.xcr0 == 7 && cpu->rip == 0x1003);
    fake_vmx.refuse_xsetbv = true;
    exit_now(55, 0, 3);
    cr_assert(cpu->inject.vector == 13 && cpu->rip == 0x1003);
    cpu->inject.type = VMM_EVENT_NONE;
    exit_now(13, 0, 2);
    cr_assert(fake_count(FAKE_WBINVD) == 1 && cpu->rip == 0x1005);
}

static void send_sipi(void) {
    if (fake_vmx.on) return; /* still held */
    cr_assert_eq(cpu->running, 0, "while it waits nobody waits for it");
    guest.vmm.sipi_vector[1] = 0x42;
    guest.vmm.start[1] = VMM_START_SIPI;
}

static void init_exit(void *unused) {
    (void)unused;
    exit_now(3, 0, 0);
}

Test(vmx_ops, init_and_startup_ipi) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    cr_assert(guest.vmm.holds_init);
    cr_assert_eq(vmm_apic_init(&guest.vmm), 0);
    fake_msr_find(MSR_APIC_BASE)->value &= ~UINT64_C(0x100); /* not the bootstrap processor */
    fake_msr(MSR_PAT, 0, UINT64_MAX);
    cpu->running = 1;
    cpu->apic_id = 1;
    F(0x6826) = 0x999;
    fake_hw.on_pause = send_sipi;
    cr_assert_eq(fake_run(init_exit, NULL), FAKE_STOPPED);
    cr_assert_eq(guest.vmm.start[1], VMM_START_DONE);
    cr_assert_eq(fake_vmx.on, 0, "outside VMX operation: an INIT takes its natural course");
    cr_assert_eq(fake_msr_find(0x176)->value, 0x999, "INIT leaves the system-call registers");
    cr_assert(cpu->start.seg[VMM_CS].selector == 0x4200 && cpu->start.seg[VMM_CS].base == 0x42000 &&
              cpu->start.rip == 0);
    cr_assert_eq(cpu->start.gpr[VMM_RDX], 0x50654);
    cr_assert_eq(cpu->start.pat, 0x0007040600070406, "PAT is kept");
    ops->ready(cpu);
    ops->load(cpu, &cpu->start);
    cr_assert_eq(fake_hw.cr[0] & 0x60000000, 0x60000000, "no field has them: the processor's own are the guest's");
    cr_assert(F(0x0802) == 0x4200 && F(0x6808) == 0x42000 && F(0x6800) == 0x60000030 && F(0x6826) == 0x999);
    run(10);
    cr_assert(!fake_vmx.run_launched, "a cleared VMCS must be launched anew");
}

Test(vmx_ops, init_of_the_bootstrap_processor_resets) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    fake_msr_find(MSR_APIC_BASE)->value |= 0x100;
    cr_assert_eq(fake_run(init_exit, NULL), FAKE_TRIPLE_FAULT);
}

/* Task 28h, 32 bits, in a protected guest without paging: everything lies at GUEST_DATA. */
static struct vmm_cpu_state tasks(void) {
    struct vmm_cpu_state st = vmm_sipi_state(0x9e, 0);
    const uint32_t old = GUEST_DATA + 0x100, new = GUEST_DATA + 0x200;
    st.cr0 = 0x11;
    st.rip = 0x1000, st.rflags = 2;
    st.seg[VMM_CS] = (struct vmm_segment){.selector = 8, .attrib = 0xc9b, .limit = UINT32_MAX};
    st.seg[VMM_SS] = (struct vmm_segment){.selector = 0x10, .attrib = 0xc93, .limit = UINT32_MAX};
    st.seg[VMM_TR] = (struct vmm_segment){.selector = 0x20, .attrib = 0x8b, .limit = 0x67, .base = old};
    st.seg[VMM_GDTR] = (struct vmm_segment){.limit = 0x2f, .base = GUEST_DATA};
    guest_poke(GUEST_DATA + 8, 8, 0x00cf9b000000ffff);
    guest_poke(GUEST_DATA + 0x10, 8, 0x00cf93000000ffff);
    guest_poke(GUEST_DATA + 0x20, 8, 0x00008b0000000067 | (uint64_t)old << 16);
    guest_poke(GUEST_DATA + 0x28, 8, 0x0000890000000067 | (uint64_t) new << 16);
    guest_poke(new + 0x20, 4, 0x1234);
    guest_poke(new + 0x38, 4, 0x7000);
    guest_poke(new + 0x4c, 4, 8);
    guest_poke(new + 0x50, 4, 0x10);
    return st;
}

static void gate_exit(uint32_t event, uint32_t error) {
    F(0x4408) = event;
    F(0x440a) = error;
    exit_now(9, 0xc0000028, 2);
}

Test(vmx_ops, a_task_switch_is_carried_out) {
    start();
    struct vmm_cpu_state st = tasks();
    ops->load(cpu, &st);
    F(0x4824) = 1;
    exit_now(9, 0x28, 7); /* CALL */
    cr_assert(cpu->rip == 0x1234 && cpu->gpr[VMM_RSP] == 0x7000 && cpu->rflags == 0x4002);
    cr_assert(F(0x080e) == 0x28 && F(0x6814) == GUEST_DATA + 0x200 && F(0x4822) == 0x8b);
    cr_assert(F(0x0802) == 8 && F(0x4816) == 0xc09b && F(0x4814) == 0x10000 && (F(0x6800) & 8) && F(0x4824) == 0);
    cr_assert(cpu->inject.type == VMM_EVENT_NONE && guest.ram[GUEST_DATA + 0x120] == 7);
    exit_now(9, 0x40000020, 1); /* IRET */
    cr_assert(F(0x080e) == 0x20 && cpu->rip == 0x1007 && guest.ram[GUEST_DATA + 0x2d] == 0x89);
}

Test(vmx_ops, an_event_through_a_task_gate) {
    start();
    struct vmm_cpu_state st = tasks();
    ops->load(cpu, &st);
    gate_exit(0x80000b0d, 0x77); /* #GP: not delivered a second time */
    cr_assert(cpu->rip == 0x1234 && cpu->gpr[VMM_RSP] == 0x6ffc && guest.ram[0x6ffc] == 0x77);
    cr_assert(cpu->inject.type == VMM_EVENT_NONE && guest.ram[GUEST_DATA + 0x121] == 0x10);
    cr_assert_eq(guest.ram[GUEST_DATA + 0x120], 0);
    st = tasks();
    ops->load(cpu, &st);
    gate_exit(0x80000202, 0); /* NMI: blocks others, until IRET */
    cr_assert_eq(F(0x4824), 8);
    F(0x4408) = 0;
    exit_now(9, 0x40000020, 1);
    cr_assert_eq(F(0x4824), 0);
    st = tasks();
    ops->load(cpu, &st);
    gate_exit(0x80000430, 0); /* INT */
    cr_assert_eq(guest.ram[GUEST_DATA + 0x120], 2);
}

Test(vmx_ops, what_goes_wrong_in_a_task_switch) {
    static const struct {
        uint32_t event;
        uint8_t vector;
        uint32_t error;
    } rows[] = {{0x80000306, 11, 0x29}, {0x80000b0d, 8, 0}, {0x80000430, 11, 0x28}, {0x80000031, 11, 0x29}};
    start();
    struct vmm_cpu_state st;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        st = tasks();
        guest.ram[GUEST_DATA + 0x2d] = 0x09; /* not present */
        ops->load(cpu, &st);
        gate_exit(rows[i].event, 0);
        cr_assert(cpu->inject.type == VMM_EVENT_EXCEPTION && cpu->inject.vector == rows[i].vector &&
                      cpu->inject.error == rows[i].error,
                  "row %u: %u", i, cpu->inject.vector);
        cr_assert(cpu->rip == 0x1000 && F(0x080e) == 0x20);
    }
    st = tasks();
    guest_poke(GUEST_DATA + 0x264, 2, 1); /* T */
    ops->load(cpu, &st);
    exit_now(9, 0x80000028, 7);
    cr_assert(cpu->inject.vector == 1 && (fake_hw.dr6 & 0x8000) && F(0x080e) == 0x28);
}

static void double_fault(void *unused) {
    (void)unused;
    gate_exit(0x80000b08, 0);
}

static void shadow_stacks(void *unused) {
    (void)unused;
    exit_now(9, 0x80000028, 7);
}

Test(vmx_ops, what_ends_the_machine) {
    start();
    struct vmm_cpu_state st = tasks();
    guest.ram[GUEST_DATA + 0x2d] = 0x09;
    ops->load(cpu, &st);
    cr_assert_eq(fake_run(double_fault, NULL), FAKE_TRIPLE_FAULT);
    cpu->shutdown = false;
    st = tasks();
    st.cr4 = 1u << 23;
    ops->load(cpu, &st);
    cr_assert_eq(fake_run(shadow_stacks, NULL), FAKE_TRIPLE_FAULT);
}

static void refused(void *unused) {
    (void)unused;
    struct vmm_exit e = run(0x80000021);
    vmm_exit_handle(cpu, &e);
}

Test(vmx_ops, a_refused_entry_is_explained) {
    start();
    struct vmm_cpu_state st = firmware();
    st.dr7 = UINT64_MAX;
    ops->load(cpu, &st);
    F(0x2800) = 0;
    cr_assert_eq(fake_run(refused, NULL), FAKE_PANIC);
    cr_assert(strstr(fake_hw.panic, "refused to enter"));
    cr_assert(strstr(guest.vmm.log, "reason 80000021"));
    cr_assert(strstr(guest.vmm.log, "guest state refused: DR7 has high bits"));
    cr_assert(strstr(guest.vmm.log, "guest state refused: VMCS link pointer"));
    cr_assert(!strstr(guest.vmm.log, "every check"));
}

static uint64_t rdmsr(uint32_t msr) {
    cpu->gpr[VMM_RCX] = msr;
    exit_now(31, 0, 2);
    return cpu->gpr[VMM_RDX] << 32 | cpu->gpr[VMM_RAX];
}

static bool wrmsr(uint32_t msr, uint64_t v) {
    cpu->gpr[VMM_RCX] = msr;
    cpu->gpr[VMM_RAX] = (uint32_t)v;
    cpu->gpr[VMM_RDX] = v >> 32;
    exit_now(32, 0, 2);
    bool good = cpu->inject.type == VMM_EVENT_NONE;
    cr_assert(good || cpu->inject.vector == 13);
    cpu->inject.type = VMM_EVENT_NONE;
    return good;
}

Test(vmx_ops, vmx_is_not_there_for_the_guest) {
    start();
    struct vmm_cpu_state st = firmware();
    ops->load(cpu, &st);
    cr_assert_eq(vmm_msr_init(&guest.vmm), 0);
    const uint8_t *map = hw_direct(maps()->msr_bitmap);
    cr_assert((map[0x3a / 8] & 1 << 0x3a % 8) && (map[0x480 / 8] & 1), "both exit");
    cr_assert(!(map[0x400 + 0x80 / 8] & 1), "EFER does not: entry and exit switch it");
    fake_msr_find(0x3a)->value = 0x4ff07;
    cr_assert_eq(rdmsr(0x3a), 0x40001);
    cr_assert(!wrmsr(0x3a, 5));
    for (uint32_t msr = 0x480; msr <= 0x493; msr++) {
        rdmsr(msr);
        cr_assert(cpu->inject.type == VMM_EVENT_EXCEPTION && cpu->inject.vector == 13, "%x", msr);
        cpu->inject.type = VMM_EVENT_NONE;
    }
    fake_msr(0x79, 0, UINT64_MAX);
    cr_assert(wrmsr(0x79, 0x1000));
    cr_assert_eq(fake_msr_find(0x79)->value, 0, "no microcode by a guest's pointer");
    for (uint32_t reason = 18; reason <= 27; reason++) { /* VMCALL without a hook, and the VMX instructions */
        exit_now(reason, 0, 3);
        cr_assert(cpu->inject.type == VMM_EVENT_EXCEPTION && cpu->inject.vector == 6, "%u", reason);
        cpu->inject.type = VMM_EVENT_NONE;
    }
    cpu->gpr[VMM_RAX] = 1;
    exit_now(10, 0, 2);
    cr_assert_eq(cpu->gpr[VMM_RCX] & 1u << 5, 0);
}

Test(vmx_ops, permission_maps) {
    start();
    const uint8_t *msr = hw_direct(maps()->msr_bitmap), *io = hw_direct(maps()->io_bitmap);
    ops->msr_intercept(&guest.vmm, 0x1b, false, true);
    cr_assert(!(msr[3] & 8) && (msr[0x803] & 8));
    ops->msr_intercept(&guest.vmm, 0xc0000080, true, false);
    cr_assert((msr[0x410] & 1) && !(msr[0xc10] & 1));
    ops->msr_intercept(&guest.vmm, 0x1b, false, false);
    cr_assert(!(msr[3] & 8) && !(msr[0x803] & 8));
    ops->msr_intercept(&guest.vmm, 0x40000000, true, true); /* always exits */
    ops->pio_intercept(&guest.vmm, 0x8003, 2);
    cr_assert(io[0x1000] == 0x18);
}

Test(vmx_ops, nested_tables_have_the_mtrrs_types) {
    guest_start();
    intel();
    guest.vmm.ops = ops;
    fake_msr_find(0x2ff)->value = 0x806; /* default WB, fixed ranges off */
    fake_msr_find(0x200)->value = 0x80000000;
    fake_msr_find(0x201)->value =
        (((UINT64_C(1) << guest.vmm.phys_bits) - 1) & ~UINT64_C(0x3fffff)) | 0x800; /* 4 MiB, UC */
    cr_assert_eq(ops->init(&guest.vmm), 0);
    cr_assert_eq(vmm_space_init(&guest.vmm), 0);
    uint64_t size;
    cr_assert_eq(pt_lookup(&guest.vmm.npt, 0x40000000, &size), 0x40000000 | 0xb7);
    cr_assert_eq(size, UINT64_C(1) << 30);
    cr_assert_eq(pt_lookup(&guest.vmm.npt, 0x80000000, &size), 0x80000000 | 0x87);
    cr_assert_eq(size, UINT64_C(2) << 20);
    cr_assert_eq(pt_lookup(&guest.vmm.npt, 0x80400000, &size), 0x80400000 | 0xb7);
    cr_assert_eq(pt_lookup(&guest.vmm.npt, GUEST_REGION, &size) & 0xfff, 0x31, "hidden: read-only, write-back");
    /* The guest makes it write-combining, and takes the type of another GiB. */
    fake_msr_find(0x200)->value = 0x80000001;
    fake_msr_find(0x202)->value = 0x40000004;
    fake_msr_find(0x203)->value = (((UINT64_C(1) << guest.vmm.phys_bits) - 1) & ~UINT64_C(0x3fffffff)) | 0x800;
    ops->mtrr_written(cpu);
    cr_assert_eq(pt_lookup(&guest.vmm.npt, 0x80200000, &size), 0x80200000 | 0x8f);
    cr_assert_eq(pt_lookup(&guest.vmm.npt, 0x40000000, &size), 0x40000000 | 0xa7);
    /* While they are off nothing changes. */
    fake_msr_find(0x2ff)->value = 0x006;
    ops->mtrr_written(cpu);
    cr_assert_eq(pt_lookup(&guest.vmm.npt, 0x40000000, &size), 0x40000000 | 0xa7);
}
