/* Further processors: the trampoline page, the state a start-up IPI gives, and making all drop their translations. */
#define _GNU_SOURCE /* memmem */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"
#include "msr_regs.h"

/* ---- state after INIT and a start-up IPI: APM Volume 2, table 14-1 "Initial Processor State" ---- */

Test(vmm_smp, state_after_a_start_up_ipi) {
    struct vmm_cpu_state s = vmm_sipi_state(0x9a, 0x00a20f10);
    cr_assert(s.rip == 0 && s.rflags == 2 && s.cr0 == 0x60000010 && s.cr2 == 0 && s.cr3 == 0 && s.cr4 == 0);
    cr_assert(s.efer == 0 && s.dr6 == 0xffff0ff0 && s.dr7 == 0x400);
    for (unsigned i = 0; i < 16; i++) cr_assert_eq(s.gpr[i], i == VMM_RDX ? 0x00a20f10 : 0);
    cr_assert(s.seg[VMM_CS].selector == 0x9a00 && s.seg[VMM_CS].base == 0x9a000);
    cr_assert(s.seg[VMM_CS].limit == 0xffff && s.seg[VMM_CS].attrib == 0x9b);
    static const struct {
        enum vmm_segment_name name;
        uint16_t attrib;
    } rows[] = {{VMM_ES, 0x93},   {VMM_SS, 0x93}, {VMM_DS, 0x93}, {VMM_FS, 0x93}, {VMM_GS, 0x93},
                {VMM_LDTR, 0x82}, {VMM_TR, 0x8b}, {VMM_GDTR, 0},  {VMM_IDTR, 0}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct vmm_segment *g = &s.seg[rows[i].name];
        cr_assert(g->selector == 0 && g->base == 0 && g->limit == 0xffff && g->attrib == rows[i].attrib, "row %u", i);
    }
}

/* ---- the trampoline ---- */

extern const uint8_t vmm_trampoline[], vmm_trampoline_end[];

static uint64_t field(size_t from_end, unsigned n_bytes) {
    size_t n = (size_t)(vmm_trampoline_end - vmm_trampoline);
    uint64_t v = 0;
    memcpy(&v, guest.low_page + n - from_end, n_bytes);
    return v;
}

static void fill_page(void) {
    fake_hw.n_forbidden = 1; /* the page is ours to fill */
    fake_map(GUEST_LOW_PAGE, sizeof guest.low_page, guest.low_page);
    guest.vmm.host_cr3 = 0x12345000;
    cr_assert_eq(vmm_smp_init(&guest.vmm), 0);
}

static void start(void) {
    guest_start();
    fill_page();
}

Test(vmm_smp, the_trampoline_page) {
    start();
    size_t n = (size_t)(vmm_trampoline_end - vmm_trampoline);
    cr_assert(n > 0x38 && n <= 4096);
    cr_assert_eq(memcmp(guest.low_page, vmm_trampoline, n - 0x38), 0);
    cr_assert_eq(field(0x38, 2), 31); /* four descriptors */
    uint64_t gdt = field(0x36, 4), in32 = field(0x30, 4), in64 = field(0x28, 4);
    cr_assert(gdt > GUEST_LOW_PAGE && gdt < GUEST_LOW_PAGE + n && gdt % 8 == 0);
    cr_assert_eq(guest_peek(gdt + 8, 8), UINT64_C(0x00cf9b000000ffff));
    cr_assert_eq(guest_peek(gdt + 24, 8), UINT64_C(0x00209b0000000000));
    cr_assert(field(0x2c, 4) == 0x08 && field(0x24, 4) == 0x18);
    cr_assert(in32 > GUEST_LOW_PAGE && in64 > in32 && in64 < gdt);
    cr_assert_eq(guest_peek(in32, 1), 0xb8);     /* mov $0x10, %eax */
    cr_assert_eq(guest_peek(in64, 3), 0xd88941); /* mov %ebx, %r8d */
    cr_assert_eq(field(0x20, 8), 0x12345000);
    cr_assert_eq(field(0x18, 8), (uintptr_t)guest.vmm.slot);
    cr_assert_eq(field(0x10, 8), GUEST_CPUS);
    for (unsigned i = 0; i < GUEST_CPUS; i++)
        cr_assert(guest.vmm.slot[i].apic_id == SLOT_FREE && guest.vmm.slot[i].vcpu == &guest.vcpu[i]);
}

static void enter_trampolines_end(void *vcpu) {
    void (*entry)(struct vmm_vcpu *);
    uint64_t at = field(8, 8);
    memcpy(&entry, &at, sizeof entry);
    entry(vcpu);
}

/* What a processor executes outside, before it is ours, must not go through a table of the guest's. */
Test(vmm_smp, the_trampoline_leaves_the_table_at_0_before_protected_mode) {
    static const uint8_t lidt[] = {0x66, 0x0f, 0x01, 0x1e}, to_cr0[] = {0x0f, 0x22, 0xc0};
    size_t n = (size_t)(vmm_trampoline_end - vmm_trampoline);
    const uint8_t *at = memmem(vmm_trampoline, n, lidt, sizeof lidt),
                  *pe = memmem(vmm_trampoline, n, to_cr0, sizeof to_cr0);
    cr_assert(at && pe && at < pe);
    const uint8_t *table = vmm_trampoline + (at[4] | at[5] << 8);
    for (unsigned i = 0; i < 6; i++) cr_assert_eq(table[i], 0);
}

Test(vmm_smp, an_nmi_in_real_mode_starts_the_trampoline_over) {
    start();
    static uint8_t copy[4096];
    memset(guest.ram, 0x5a, sizeof copy);
    fake_map(0x90000000, sizeof copy, copy);
    uint64_t pool = (uintptr_t)vmm_alloc(&guest.vmm, 4 * 4096);
    cr_assert_eq(pt_init(&guest.vmm.npt, pool, 4, PT_P | PT_W | PT_U, PT_P), 0);
    cr_assert_eq(pt_map(&guest.vmm.npt, 0, 0x90000000, 4096, PT_P | PT_W | PT_U), 0);
    fake_cpuid(1, 0, (struct hw_cpuid){.eax = 0xabcd});
    fake_msr(MSR_PAT, PAT_RESET, 0);
    guest.vmm.slot[0].apic_id = 0;
    cr_assert_eq(fake_run(enter_trampolines_end, &guest.vcpu[0]), FAKE_STOPPED);
    for (unsigned i = 0; i < sizeof copy; i++) cr_assert_eq(copy[i], 0x5a);
    for (unsigned i = 0; i < sizeof copy; i++)
        if (i < 8 || i >= 12) cr_assert_eq(guest.ram[i], 0x5a);
    cr_assert(guest.ram[8] == 0 && guest.ram[9] == 0); /* offset, segment */
    cr_assert_eq((guest.ram[10] | guest.ram[11] << 8) << 4, GUEST_LOW_PAGE);
}

Test(vmm_smp, no_room_for_slots) {
    guest_start();
    guest.vmm.arena_end = guest.vmm.arena_next;
    cr_assert_eq(vmm_smp_init(&guest.vmm), VMM_E_NOMEM);
}

Test(vmm_smp, a_processor_arrives_and_enters_the_guest_at_its_vector) {
    start();
    struct vmm_vcpu *v = &guest.vcpu[2];
    fake_cpuid(1, 0, (struct hw_cpuid){.eax = 0xabcd});
    fake_msr(MSR_PAT, 0x1122334455667788, 0);
    guest.vmm.slot[2].apic_id = 17;
    guest.vmm.sipi_vector[17] = 0x9b;
    guest.vmm.npt_generation = 5;
    v->nmi_blocked = v->nmi_pending = v->shutdown = true;
    v->kick = 1;
    v->inject = (struct vmm_event){.type = VMM_EVENT_NMI};
    cr_assert_eq(fake_run(enter_trampolines_end, v), FAKE_STOPPED);
    const struct guest_cpu *c = &guest.cpu[2];
    cr_assert(c->n_enabled == 1 && c->n_ready == 1 && !c->iret_exit);
    cr_assert_eq(fake_nth(FAKE_HOST_ENTER, 0)->at, 2);
    cr_assert(v->apic_id == 17 && v->running == 1 && v->kick == 0 && v->npt_generation == 5);
    cr_assert(!v->nmi_blocked && !v->nmi_pending && !v->shutdown);
    cr_assert_eq(guest.entered[0].type, VMM_EVENT_NONE);
    cr_assert(c->loaded.seg[VMM_CS].base == 0x9b000 && c->loaded.gpr[VMM_RDX] == 0xabcd);
    cr_assert_eq(c->loaded.pat, 0x1122334455667788);
    cr_assert(!v->in_exit);
}

/* ---- flushing ---- */

static void flushing(void) {
    guest_start();
    guest.vmm.in_setup = false;
    for (unsigned i = 0; i < GUEST_CPUS; i++) {
        guest.vcpu[i].running = 1;
        guest.vcpu[i].in_exit = false;
    }
    guest.vcpu[0].in_exit = true; /* who asks */
}

static unsigned nmis_to(unsigned id) {
    unsigned n = 0;
    for (unsigned i = 0; i < fake_count(FAKE_WRITE); i++)
        n += fake_nth(FAKE_WRITE, i)->at == GUEST_APIC + 0x310 && fake_nth(FAKE_WRITE, i)->value == id << 24;
    return n;
}

static void leaves_the_guest(void) { /* each NMI is answered after a while */
    if (fake_hw.n_pauses % 10) return;
    for (unsigned i = 0; i < GUEST_CPUS; i++) guest.vcpu[i].kick = 0;
}

Test(vmm_smp, a_flush_fetches_those_in_the_guest) {
    flushing();
    guest.vcpu[2].running = 0;
    fake_hw.on_pause = leaves_the_guest;
    uint32_t generation = guest.vmm.npt_generation;
    cr_assert(vmm_flush_nested(&guest.vmm));
    cr_assert_eq(guest.vmm.npt_generation, generation + 1);
    cr_assert_eq(fake_hw.n_pauses, 20); /* waited for both */
    cr_assert(nmis_to(1) == 1 && nmis_to(3) == 1);
    cr_assert_eq(fake_count(FAKE_WRITE), 6);
    cr_assert_eq(guest.vcpu[2].kick, 0);
}

static void enters_an_exit(void) { guest.vcpu[1].in_exit = guest.vcpu[2].in_exit = guest.vcpu[3].in_exit = true; }

Test(vmm_smp, a_flush_does_not_wait_for_one_that_is_out) {
    flushing();
    fake_hw.on_pause = enters_an_exit;
    cr_assert(vmm_flush_nested(&guest.vmm));
    cr_assert_eq(fake_hw.n_pauses, 1);
    cr_assert_eq(nmis_to(2) + nmis_to(3), 0); /* out by then */
}

Test(vmm_smp, a_flush_in_setup_disturbs_nobody) {
    flushing();
    guest.vmm.in_setup = true;
    cr_assert(vmm_flush_nested(&guest.vmm));
    cr_assert_eq(fake_hw.n_log, 0);
    cr_assert_eq(guest.vmm.npt_generation, 1);
}

Test(vmm_smp, a_flush_says_if_one_stays_in_the_guest) {
    flushing();
    guest.vcpu[2].running = 0;
    cr_assert_not(vmm_flush_nested(&guest.vmm)); /* nobody answers, and it ends all the same */
    cr_assert(nmis_to(1) == 1 && nmis_to(3) == 1);
}

/* ---- an INIT that exits: Intel SDM Volume 3C, 25.2 "Other Causes of VM Exits" ---- */

static void init_exits(void *vcpu) { vmm_init_exit(vcpu); }

static void stopping(void) {
    flushing();
    guest.vmm.in_setup = true;
    cr_assert_eq(vmm_apic_init(&guest.vmm), 0);
    guest.vmm.in_setup = false;
    guest.vmm.holds_init = true;
    guest.vmm.n_possible = GUEST_CPUS;
    for (unsigned i = 0; i < GUEST_CPUS; i++) guest.vcpu[i].running = 1;
    guest.vcpu[2].in_exit = true;
    guest.vcpu[2].apic_id = 2;
    vmm_apic_open(&guest.vmm);
    cr_assert(guest.vmm.apic_open);
    fake_cpuid(1, 0, (struct hw_cpuid){.eax = 0xabcd});
    fake_msr(MSR_APIC_BASE, GUEST_APIC | 0x800, GUEST_APIC | 0xd00);
    fake_msr(MSR_PAT, 0x1122334455667788, 0);
    fake_hw.n_log = 0;
}

/* The others are fetched late; later still one of them sends. */
static void answers_late(void) {
    const struct vmm_vcpu *v = &guest.vcpu[2];
    if (fake_hw.n_pauses < 1500000) { /* more than one round of asking */
        cr_assert(v->running == 1 && v->stopping && !guest.vmm.apic_open && guest.cpu[2].n_left == 0);
        return;
    }
    guest.vcpu[1].kick = guest.vcpu[3].kick = 0;
    if (!guest.cpu[2].n_left) return;
    cr_assert(v->running == 0 && guest.vmm.start[2] == VMM_START_INIT);
    guest.vmm.sipi_vector[2] = 0x42;
    guest.vmm.start[2] = VMM_START_SIPI;
}

Test(vmm_smp, an_init_takes_its_course_when_everyone_is_seen_again) {
    stopping();
    fake_hw.on_pause = answers_late;
    struct vmm_vcpu *v = &guest.vcpu[2];
    cr_assert_eq(fake_run(init_exits, v), FAKE_STOPPED);
    cr_assert(guest.cpu[2].n_left == 1 && guest.vmm.n_inits == 1 && guest.vmm.start[2] == VMM_START_DONE);
    cr_assert(nmis_to(1) >= 1 && nmis_to(3) >= 1 && nmis_to(2) == 0);
    cr_assert(v->start.seg[VMM_CS].selector == 0x4200 && v->start.gpr[VMM_RDX] == 0xabcd);
    cr_assert_eq(v->start.pat, 0x1122334455667788, "INIT leaves it");
    cr_assert_eq(fake_msr_find(MSR_APIC_BASE)->value, GUEST_APIC | 0x800);
}

static void sent_before(void) {
    guest.vcpu[1].kick = guest.vcpu[3].kick = 0;
    if (!guest.cpu[2].n_left) return;
    cr_assert_eq(guest.vmm.start[2], VMM_START_INIT, "what was sent before the INIT does not count");
    guest.vmm.start[2] = VMM_START_SIPI;
}

Test(vmm_smp, a_start_up_ipi_before_the_init_does_not_count) {
    stopping();
    guest.vmm.start[2] = VMM_START_INIT; /* sent by one who is seen */
    fake_hw.on_pause = sent_before;
    cr_assert_eq(fake_run(init_exits, &guest.vcpu[2]), FAKE_STOPPED);
}

Test(vmm_smp, an_init_of_the_first_processor_resets) {
    stopping();
    fake_msr(MSR_APIC_BASE, GUEST_APIC | 0x900, GUEST_APIC | 0xd00);
    vmm_init_exit(&guest.vcpu[0]);
    cr_assert(guest.vcpu[0].shutdown && guest.vmm.apic_open && fake_hw.n_log == 0);
}

static void enter_loop(void *vcpu) { vmm_loop(vcpu); }

Test(vmm_smp, whoever_sees_an_init_looks_back_once) {
    static const struct vmm_exit exits[2] = {{.kind = VMM_EXIT_INTERRUPT}, {.kind = VMM_EXIT_INTERRUPT}};
    stopping();
    guest_poke(GUEST_APIC + 0x300, 4, 0x4612);
    guest.vmm.n_inits = 1;
    guest.script = exits;
    guest.n_script = 2;
    cr_assert_eq(fake_run(enter_loop, &guest.vcpu[1]), FAKE_STOPPED);
    cr_assert_eq(fake_count(FAKE_WRITE), 1);
    cr_assert_eq(fake_nth(FAKE_WRITE, 0)->value, 0x4600 | GUEST_LOW_PAGE >> 12);
}

Test(vmm_smp, the_last_processor_that_starts_opens) {
    stopping();
    vmm_apic_close(&guest.vcpu[2]);
    guest.vmm.in_setup = true;
    fill_page();
    guest.vmm.in_setup = false;
    guest.vmm.slot[2].apic_id = 2;
    guest.vmm.n_inits = 3;
    cr_assert_eq(fake_run(enter_trampolines_end, &guest.vcpu[2]), FAKE_STOPPED);
    cr_assert(guest.vmm.apic_open && guest.vcpu[2].running == 1 && guest.vcpu[2].n_inits == 3);
}
