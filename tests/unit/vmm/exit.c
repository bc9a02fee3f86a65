/* Exits one by one: who handles them, and what the guest gets. */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"

#define CPU (&guest.vcpu[0])

static void expect_event(enum vmm_event_type type, unsigned vector, bool has_error, uint32_t error) {
    const struct vmm_event *e = &CPU->inject;
    cr_assert(e->type == type && e->vector == vector && e->has_error == has_error && e->error == error,
              "event type %d vector %u error %d %x", e->type, e->vector, e->has_error, e->error);
}
static void expect_none(void) { cr_assert_eq(CPU->inject.type, VMM_EVENT_NONE); }
static void expect_exception(unsigned vector) { expect_event(VMM_EVENT_EXCEPTION, vector, false, 0); }

/* ---- vmm_inject ---- */

Test(vmm_exit, which_vectors_push_an_error_code) {
    guest_start();
    for (unsigned v = 0; v < 32; v++) {
        bool pushes = v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21;
        CPU->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
        vmm_inject(CPU, v, 0x1234);
        expect_event(VMM_EVENT_EXCEPTION, v, pushes, pushes ? 0x1234 : 0);
    }
}

/* APM Volume 2, 8.2.9 "#DF Double-Fault Exception", by classes: benign, contributory, page fault. */
Test(vmm_exit, two_exceptions) {
    enum { BENIGN, CONTRIBUTORY, PAGE };
    guest_start();
    for (unsigned first = 0; first < 32; first++)
        for (unsigned second = 0; second < 32; second++) {
            unsigned kind[2], v[2] = {first, second};
            if (first == 8) continue;
            for (unsigned i = 0; i < 2; i++)
                kind[i] = v[i] == 14                                               ? PAGE
                          : strchr("\x0a\x0b\x0c\x0d\x15", (int)v[i]) || v[i] == 0 ? CONTRIBUTORY
                                                                                   : BENIGN;
            bool doubled =
                (kind[0] == CONTRIBUTORY && kind[1] == CONTRIBUTORY) || (kind[0] == PAGE && kind[1] != BENIGN);
            CPU->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
            vmm_inject(CPU, first, 1);
            vmm_inject(CPU, second, 2);
            cr_assert_eq(CPU->inject.vector, doubled ? 8 : second, "%u then %u", first, second);
            if (doubled) expect_event(VMM_EVENT_EXCEPTION, 8, true, 0);
            cr_assert(!CPU->shutdown);
        }
}

Test(vmm_exit, a_third_exception_ends_it) {
    guest_start();
    vmm_inject(CPU, 14, 0);
    vmm_inject(CPU, 14, 0);
    cr_assert(!CPU->shutdown);
    vmm_inject(CPU, 13, 0);
    cr_assert(CPU->shutdown);
}

Test(vmm_exit, an_exception_replaces_an_interrupt) {
    guest_start();
    CPU->inject = (struct vmm_event){.type = VMM_EVENT_INTERRUPT, .vector = 13};
    vmm_inject(CPU, 13, 5);
    expect_event(VMM_EVENT_EXCEPTION, 13, true, 5);
}

/* ---- stepping over an instruction ---- */

Test(vmm_exit, rip_moves_by_the_length_reported) {
    guest_start();
    CPU->rflags = 0x10002; /* RF */
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_CPUID, .n_insn_bytes = 5});
    cr_assert_eq(CPU->rip, GUEST_CODE + 5);
    cr_assert_eq(CPU->rflags, 2);
    cr_assert_eq(guest.cpu[0].n_skipped, 1);
    expect_none();
}

Test(vmm_exit, or_by_the_one_decoded) {
    guest_start();
    GUEST_CODE_IS("\x66\x0f\xa2");
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_CPUID});
    cr_assert_eq(CPU->rip, GUEST_CODE + 3);
}

Test(vmm_exit, rip_is_cut_outside_64_bit_code) {
    guest_start();
    CPU->rip = 0xfffffffe;
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_CPUID, .n_insn_bytes = 2});
    cr_assert_eq(CPU->rip, 0x100000000);
    guest_flat32();
    CPU->rip = 0xfffffffe;
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_CPUID, .n_insn_bytes = 2});
    cr_assert_eq(CPU->rip, 0);
}

Test(vmm_exit, a_single_step_follows_the_instruction) {
    guest_start();
    CPU->rflags = 0x102;
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_CPUID, .n_insn_bytes = 2});
    expect_exception(1);
    cr_assert_eq(guest.cpu[0].reg[VMM_DR6], 0xffff4ff0);
    cr_assert_eq(CPU->rip, GUEST_CODE + 2);
}

Test(vmm_exit, an_instruction_that_cannot_be_fetched) {
    guest_start();
    *guest_pte(GUEST_CODE) = 0;
    CPU->gpr[VMM_RAX] = 0x77;
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_CPUID});
    expect_event(VMM_EVENT_EXCEPTION, 14, true, 0x10);
    cr_assert_eq(guest.cpu[0].reg[VMM_CR2], GUEST_CODE);
    cr_assert(CPU->rip == GUEST_CODE && CPU->gpr[VMM_RAX] == 0x77 && guest.cpu[0].n_skipped == 0);
}

/* ---- CPUID ---- */

static void on_cpuid(struct vmm_vcpu *vcpu, void *cookie, struct vmm_cpuid *r) {
    cr_assert_eq(vcpu, CPU);
    cr_assert_eq(r->ecx, 0x33);
    r->ecx = r->leaf << 8 | r->subleaf;
    ++*(unsigned *)cookie;
}

Test(vmm_exit, cpuid) {
    guest_start();
    unsigned n = 0;
    fake_cpuid(1, 2, (struct hw_cpuid){0x11, 0x22, 0x33, 0x44});
    fake_cpuid(3, 2, (struct hw_cpuid){0x55, 0x66, 0x77, 0x88});
    cr_assert_eq(vmm_cpuid_hook(&guest.vmm, 1, 1, on_cpuid, &n), 0);
    cr_assert(guest.vmm.cpuid_exits);
    for (unsigned i = 0; i < 2; i++) {
        CPU->gpr[VMM_RAX] = UINT64_C(0xaaaaaaaa00000000) | (i ? 3 : 1);
        CPU->gpr[VMM_RCX] = UINT64_C(0xbbbbbbbb00000002);
        guest_exit((struct vmm_exit){.kind = VMM_EXIT_CPUID, .n_insn_bytes = 2});
        cr_assert_eq(CPU->gpr[VMM_RAX], i ? 0x55 : 0x11); /* upper halves become zero */
        cr_assert_eq(CPU->gpr[VMM_RBX], i ? 0x66 : 0x22);
        cr_assert_eq(CPU->gpr[VMM_RCX], i ? 0x77 : 0x102);
        cr_assert_eq(CPU->gpr[VMM_RDX], i ? 0x88 : 0x44);
    }
    cr_assert_eq(n, 1);
}

/* ---- hypercalls ---- */

Test(vmm_exit, hypercall_verdicts) {
    guest_start();
    struct guest_trap t = {.value = 0x4242};
    cr_assert_eq(vmm_hypercall_hook(&guest.vmm, 0x100, 2, 0, guest_trap, &t), 0);
    static const enum vmm_verdict answers[] = {VMM_HANDLED, VMM_SKIP, VMM_PASS, VMM_INJECT};
    for (unsigned i = 0; i < 4; i++) {
        t.answer = answers[i];
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RAX] = 0x101;
        guest_exit((struct vmm_exit){.kind = VMM_EXIT_HYPERCALL, .n_insn_bytes = 3});
        cr_assert_eq(CPU->rip, GUEST_CODE + (i < 2 ? 3 : 0));
        cr_assert_eq(CPU->gpr[VMM_RAX], i == 0 ? 0x4242 : 0x101);
        if (i < 2) expect_none();
        if (i == 2) expect_exception(6);
        if (i == 3) expect_event(VMM_EVENT_EXCEPTION, 13, true, 0x123);
    }
    cr_assert(t.n_seen == 4 && t.seen[0].addr == 0x101 && !t.seen[0].write && t.seen[0].n_bytes == 8);
}

Test(vmm_exit, hypercall_privilege) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    cr_assert_eq(vmm_hypercall_hook(&guest.vmm, 0, 1, 0, guest_trap, &t), 0);
    cr_assert_eq(vmm_hypercall_hook(&guest.vmm, UINT64_MAX, 1, 3, guest_trap, &t), 0);
    static const struct {
        uint64_t number;
        uint8_t cpl;
        bool allowed;
    } rows[] = {{0, 0, true},
                {0, 1, false},
                {0, 3, false},
                {UINT64_MAX, 0, true},
                {UINT64_MAX, 3, true},
                {1, 0, false},
                {UINT64_MAX - 1, 0, false}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.n_seen = 0;
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RAX] = rows[i].number;
        guest.cpu[0].cpl = rows[i].cpl;
        guest_exit((struct vmm_exit){.kind = VMM_EXIT_HYPERCALL, .n_insn_bytes = 3});
        cr_assert_eq(t.n_seen, rows[i].allowed, "row %u", i);
        if (rows[i].allowed)
            expect_none();
        else
            expect_exception(6);
    }
}

Test(vmm_exit, virtualisation_instructions_do_not_exist) {
    guest_start();
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_VIRT_INSN, .n_insn_bytes = 3});
    expect_exception(6);
    cr_assert_eq(CPU->rip, GUEST_CODE);
}

/* ---- NMI ---- */

static void nmi(void) { guest_exit((struct vmm_exit){.kind = VMM_EXIT_NMI}); }
static void iret(void) { guest_exit((struct vmm_exit){.kind = VMM_EXIT_IRET}); }

Test(vmm_exit, an_nmi_of_the_guests) {
    guest_start();
    nmi();
    expect_event(VMM_EVENT_NMI, 2, false, 0);
    cr_assert(CPU->nmi_blocked && guest.cpu[0].iret_exit && !CPU->nmi_pending);
    cr_assert_eq(fake_count(FAKE_GIF_WINDOW), 1);
    iret();
    expect_none();
    cr_assert(!CPU->nmi_blocked && !guest.cpu[0].iret_exit);
}

Test(vmm_exit, an_nmi_of_ours) {
    guest_start();
    CPU->kick = 1;
    nmi();
    expect_none();
    cr_assert(CPU->kick == 0 && !CPU->nmi_blocked && !guest.cpu[0].iret_exit);
    cr_assert_eq(fake_count(FAKE_GIF_WINDOW), 1);
}

Test(vmm_exit, an_nmi_waits_for_the_one_before) {
    guest_start();
    nmi();
    nmi();
    expect_none();
    nmi(); /* only one is remembered */
    expect_none();
    cr_assert(CPU->nmi_pending && CPU->nmi_blocked && guest.cpu[0].iret_exit);
    iret();
    expect_event(VMM_EVENT_NMI, 2, false, 0);
    cr_assert(!CPU->nmi_pending && CPU->nmi_blocked && guest.cpu[0].iret_exit);
    iret();
    expect_none();
    cr_assert(!CPU->nmi_blocked && !guest.cpu[0].iret_exit);
}

/* ---- ports ---- */

static void port(uint16_t number, unsigned n_bytes, bool in) {
    CPU->rip = GUEST_CODE;
    guest_exit((struct vmm_exit){
        .kind = VMM_EXIT_PIO, .n_insn_bytes = 1, .pio = {.port = number, .n_bytes = (uint8_t)n_bytes, .in = in}});
}

Test(vmm_exit, port_reads_merge_into_rax) {
    guest_start();
    fake_hw.in_value = 0x99887766;
    static const struct {
        unsigned n_bytes;
        uint64_t rax;
    } rows[] = {{1, 0x1122334455667766}, {2, 0x1122334455667766}, {4, 0x99887766}};
    for (unsigned i = 0; i < 3; i++) {
        CPU->gpr[VMM_RAX] = 0x1122334455667788;
        port(0x60, rows[i].n_bytes, true);
        cr_assert_eq(CPU->gpr[VMM_RAX], rows[i].rax, "%u bytes: %lx", rows[i].n_bytes, CPU->gpr[VMM_RAX]);
        cr_assert(fake_nth(FAKE_IN, i)->at == 0x60 && fake_nth(FAKE_IN, i)->n_bytes == rows[i].n_bytes);
    }
    CPU->gpr[VMM_RAX] = 0x1122334455667788;
    port(0x60, 2, true);
    cr_assert_eq(CPU->gpr[VMM_RAX] & 0xffff, 0x7766);
}

Test(vmm_exit, port_verdicts) {
    guest_start();
    struct guest_trap t = {.value = 0xa5a5a5a5a5a5a5a5};
    cr_assert_eq(vmm_pio_trap(&guest.vmm, 0x1f0, 8, guest_trap, &t), 0);
    static const enum vmm_verdict answers[] = {VMM_HANDLED, VMM_SKIP, VMM_PASS, VMM_INJECT};
    static const uint64_t reads[] = {0x1111a5a5, 0x1111ffff, 0x11117766, 0x11112222};
    fake_hw.in_value = 0x99887766;
    for (unsigned i = 0; i < 4; i++) {
        t.answer = answers[i], t.n_seen = 0;
        CPU->gpr[VMM_RAX] = 0x11112222;
        port(0x1f0, 2, true);
        cr_assert_eq(CPU->gpr[VMM_RAX], reads[i], "%u: %lx", i, CPU->gpr[VMM_RAX]);
        cr_assert_eq(CPU->rip, GUEST_CODE + (i < 3));
        CPU->gpr[VMM_RAX] = 0x33334444;
        port(0x1f7, 1, false);
        cr_assert_eq(CPU->gpr[VMM_RAX], 0x33334444);
        cr_assert_eq(CPU->rip, GUEST_CODE + (i < 3));
        cr_assert(t.n_seen == 2 && !t.seen[0].write && t.seen[0].addr == 0x1f0 && t.seen[0].n_bytes == 2);
        cr_assert(t.seen[1].write && t.seen[1].addr == 0x1f7 && t.seen[1].value == 0x44 && t.seen[1].n_bytes == 1);
        if (i == 3) expect_event(VMM_EVENT_EXCEPTION, 13, true, 0x123);
    }
    cr_assert(fake_count(FAKE_IN) == 1 && fake_count(FAKE_OUT) == 1);
    cr_assert(fake_nth(FAKE_OUT, 0)->at == 0x1f7 && fake_nth(FAKE_OUT, 0)->value == 0x44);
}

Test(vmm_exit, a_wide_access_belongs_to_any_of_its_ports) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    cr_assert_eq(vmm_pio_trap(&guest.vmm, 0x100, 1, guest_trap, &t), 0);
    port(0xfd, 4, true);
    port(0xff, 2, true);
    cr_assert_eq(t.n_seen, 2);
    cr_assert_eq(t.seen[0].addr, 0xfd);
    port(0xfc, 4, true);
    port(0xff, 1, true);
    port(0x101, 4, true);
    cr_assert_eq(t.n_seen, 2);
    port(0xffff, 4, true); /* nothing beyond the last port */
    cr_assert_eq(fake_count(FAKE_IN), 4);
}

/* ---- memory ---- */

static void handle(void *exit) { guest_exit(*(struct vmm_exit *)exit); }

Test(vmm_exit, what_no_emulation_can_answer) {
    static const struct {
        bool fetch, walk, vectoring, triple;
    } rows[] = {
        {true, false, false, false}, {false, true, false, true}, {false, false, true, true}, {true, true, true, true}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(&fake_hw, 0, sizeof fake_hw);
        guest_start();
        struct guest_trap t = {.answer = VMM_SKIP};
        cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x1000, guest_trap, &t), 0);
        struct vmm_exit e = guest_mmio(GUEST_DEVICE, false);
        e.mmio.fetch = rows[i].fetch;
        e.mmio.walk = rows[i].walk;
        if (rows[i].vectoring) e.vectoring = (struct vmm_event){.type = VMM_EVENT_INTERRUPT, .vector = 0x30};
        if (!rows[i].triple) {
            guest_exit(e);
            expect_exception(6);
        } else {
            cr_assert_eq(fake_run(handle, &e), FAKE_TRIPLE_FAULT, "row %u", i);
        }
        cr_assert_eq(t.n_seen, 0);
    }
}

/* ---- the rest ---- */

Test(vmm_exit, shutdown_resets_the_machine) {
    guest_start();
    struct vmm_exit e = {.kind = VMM_EXIT_SHUTDOWN};
    cr_assert_eq(fake_run(handle, &e), FAKE_TRIPLE_FAULT);
    cr_assert_eq(CPU->n_exits[VMM_EXIT_SHUTDOWN], 1);
}

Test(vmm_exit, our_own_fault_is_a_panic) {
    guest_start();
    struct vmm_exit failed = {.kind = VMM_EXIT_ENTRY_FAILED}, other = {.kind = VMM_EXIT_OTHER, .raw = {0x42}};
    cr_assert_eq(fake_run(handle, &failed), FAKE_PANIC);
    cr_assert_not_null(strstr(fake_hw.panic, "refused"));
    cr_assert_eq(fake_run(handle, &other), FAKE_PANIC);
    cr_assert_not_null(strstr(fake_hw.panic, "42"));
}

Test(vmm_exit, a_state_the_guest_made_is_its_own_end) {
    guest_start();
    struct vmm_exit failed = {.kind = VMM_EXIT_ENTRY_FAILED};
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_INTERRUPT});
    cr_assert_eq(fake_run(handle, &failed), FAKE_TRIPLE_FAULT);
}

Test(vmm_exit, interrupts_need_nothing) {
    guest_start();
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_INTERRUPT});
    expect_none();
    cr_assert_eq(CPU->rip, GUEST_CODE);
}

Test(vmm_exit, an_interrupted_delivery_goes_on) {
    guest_start();
    struct vmm_event due = {.type = VMM_EVENT_SOFTWARE, .vector = 0x80};
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_INTERRUPT, .vectoring = due});
    expect_event(VMM_EVENT_SOFTWARE, 0x80, false, 0);
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_VIRT_INSN, .vectoring = due}); /* replaced */
    expect_exception(6);
}

Test(vmm_exit, exits_are_counted_by_cause) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x1000, guest_trap, &t), 0);
    cr_assert_eq(vmm_mmio_trap_writes(&guest.vmm, gpa(GUEST_APIC), 0x1000, guest_trap, &t), 1);
    GUEST_CODE_IS("\x89\x07"); /* mov [rdi], eax */
    const uint64_t at[] = {GUEST_DEVICE, GUEST_APIC, GUEST_REGION};
    for (unsigned i = 0; i < 3; i++) {
        CPU->gpr[VMM_RDI] = at[i];
        CPU->rip = GUEST_CODE;
        guest_exit(guest_mmio(at[i], true));
    }
    for (unsigned i = 0; i < 5; i++) guest_exit((struct vmm_exit){.kind = VMM_EXIT_INTERRUPT});
    guest.vcpu[2].n_exits[VMM_EXIT_INTERRUPT] = 7;
    uint64_t n[VMM_N_EXITS];
    vmm_stats(&guest.vmm, n);
    for (unsigned k = 0; k < VMM_N_EXITS; k++) {
        uint64_t want = k == VMM_EXIT_MMIO || k == VMM_EXIT_APIC || k == VMM_EXIT_HIDDEN ? 1
                        : k == VMM_EXIT_INTERRUPT                                        ? 12
                                                                                         : 0;
        cr_assert_eq(n[k], want, "%s", vmm_exit_name((enum vmm_exit_kind)k));
        cr_assert_gt(strlen(vmm_exit_name((enum vmm_exit_kind)k)), 2);
    }
}

static void loop(void *vcpu) { vmm_loop(vcpu); }

Test(vmm_exit, the_loop_enters_handles_and_enters_again) {
    guest_start();
    static const struct vmm_exit script[] = {{.kind = VMM_EXIT_NMI},
                                             {.kind = VMM_EXIT_VIRT_INSN},
                                             {.kind = VMM_EXIT_CPUID, .n_insn_bytes = 2},
                                             {.kind = VMM_EXIT_IRET}};
    guest.script = script;
    guest.n_script = 4;
    cr_assert_eq(fake_run(loop, CPU), FAKE_STOPPED);
    cr_assert_eq(guest.n_entered, 5);
    static const unsigned vectors[] = {0, 2, 6, 0, 0};
    for (unsigned i = 0; i < 5; i++) cr_assert_eq(guest.entered[i].vector, vectors[i], "entry %u", i);
    cr_assert(!CPU->in_exit);
}
