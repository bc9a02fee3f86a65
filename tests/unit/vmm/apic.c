/* Start-up IPIs on their way through the interrupt command register. Numbers typed a second time from APM Volume 2,
 * 16.5 "Interprocessor Interrupts (IPI)". */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"
#include "msr_regs.h"

#define CPU (&guest.vcpu[0])

#define OURS       (GUEST_LOW_PAGE >> 12)
#define FIXED      0x00000
#define NMI        0x00400
#define INIT       0x04500
#define DEASSERT   0x08500
#define SIPI(page) (0x04600 | (page))
#define LOGICAL    0x00800
#define SELF       0x40000
#define ALL        0x80000
#define OTHERS     0xc0000

static void start(void) {
    guest_start();
    cr_assert_eq(vmm_apic_init(&guest.vmm), 0);
    guest.vmm.in_setup = false;
    for (unsigned i = 0; i < GUEST_CPUS; i++) guest.vcpu[i].running = 1;
    guest.slot[3].apic_id = SLOT_FREE; /* never seen yet */
    guest.vcpu[3].running = 0;
    fake_hw.n_log = 0;
}

/* The guest stores through the trapped page. What reached the register, or UINT64_MAX. */
static uint64_t store(uint32_t offset, unsigned n_bytes, uint64_t value) {
    static const char *const code[] = {[1] = "\x88\x07", [2] = "\x66\x89\x07", [4] = "\x89\x07", [8] = "\x48\x89\x07"};
    guest_code(code[n_bytes], strlen(code[n_bytes]));
    CPU->gpr[VMM_RDI] = GUEST_APIC + offset;
    CPU->gpr[VMM_RAX] = value;
    unsigned before = fake_count(FAKE_WRITE);
    CPU->rip = GUEST_CODE;
    guest_exit(guest_mmio(GUEST_APIC + offset, true));
    cr_assert_neq(CPU->rip, GUEST_CODE);
    return fake_count(FAKE_WRITE) == before ? UINT64_MAX : fake_nth(FAKE_WRITE, before)->value;
}

static void clear(void) {
    memset(guest.vmm.sipi_vector, 0, sizeof guest.vmm.sipi_vector);
    fake_hw.n_log = 0;
}

/* Processors a command is remembered for: bit n is APIC id n, up to 3. */
static unsigned remembered(uint8_t vector) {
    unsigned set = 0;
    for (unsigned id = 0; id < GUEST_CPUS; id++)
        if (guest.vmm.sipi_vector[id] == vector) set |= 1u << id;
    return set;
}

static void destination(uint8_t id) { guest_poke(GUEST_APIC + 0x310, 4, (uint32_t)id << 24); }

Test(vmm_apic, a_start_up_ipi_becomes_ours) {
    static const struct {
        uint32_t command;
        uint8_t dest;
        unsigned reaches; /* at least these */
        unsigned spares;
    } rows[] = {
        {SIPI(0x12), 1, 1u << 1, 0xd},     {SIPI(0x9a), 3, 1u << 3, 7},    {SIPI(0x12) | OTHERS, 0, 0xe, 1},
        {SIPI(0x12) | ALL, 0, 0xf, 0},     {SIPI(0x12) | SELF, 2, 1, 0xe}, {SIPI(0x12), 0xff, 0xf, 0},
        {SIPI(0x12) | LOGICAL, 8, 0xf, 0}, {0x600 | 0x12, 2, 1u << 2, 0xb} /* level clear */
    };
    start();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        clear();
        destination(rows[i].dest);
        uint64_t sent = store(0x300, 4, rows[i].command);
        cr_assert_eq(sent, (rows[i].command & ~0xffu) | OURS, "row %u: %lx", i, sent);
        uint8_t vector = (uint8_t)rows[i].command;
        cr_assert_eq(remembered(vector) & rows[i].reaches, rows[i].reaches, "row %u", i);
        cr_assert_eq(remembered(vector) & rows[i].spares, 0, "row %u", i);
    }
}

Test(vmm_apic, everything_else_goes_as_it_is) {
    start();
    static const uint32_t commands[] = {FIXED | 0x30, NMI, FIXED | ALL | 0xff, 0x4200, DEASSERT, INIT, INIT | OTHERS};
    for (unsigned i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        destination(1);
        cr_assert_eq(store(0x300, 4, commands[i]), commands[i]);
        cr_assert_eq(remembered(0), 0xf);
    }
    cr_assert_eq(store(0x310, 4, 0x5000000), 0x5000000);
    cr_assert_eq(store(0x0b0, 4, 0), 0);
    cr_assert_eq(store(0x2f0, 4, SIPI(0x12)), SIPI(0x12));
    cr_assert_eq(store(0x080, 4, 0x20), 0x20);
}

/* A command must not slip through in a width or place the register does not have. */
Test(vmm_apic, odd_accesses_send_nothing) {
    start();
    destination(1);
    for (unsigned n = 1; n <= 8; n *= 2)
        for (uint32_t offset = 0x300; offset < 0x310; offset += n) {
            if (n == 4 && offset == 0x300) continue;
            clear();
            cr_assert_eq(store(offset, n, SIPI(0x12)), UINT64_MAX, "%u bytes at %x", n, offset);
            cr_assert_eq(remembered(0x12), 0);
        }
    cr_assert_eq(store(0x080, 1, 0x20), UINT64_MAX);
    cr_assert_eq(store(0x084, 4, 0x20), UINT64_MAX);
    cr_assert_eq(store(0x080, 8, 0x20), UINT64_MAX);
    clear(); /* crossing into it */
    GUEST_CODE_IS("\x89\x07");
    CPU->gpr[VMM_RDI] = GUEST_APIC + 0x2fe;
    CPU->gpr[VMM_RAX] = 0x46120000;
    CPU->rip = GUEST_CODE;
    guest_exit(guest_mmio(GUEST_APIC + 0x2fe, true));
    cr_assert_eq(fake_count(FAKE_WRITE), 0);
}

Test(vmm_apic, reads_are_the_devices) {
    start();
    guest_poke(GUEST_APIC + 0x300, 4, 0x1234);
    GUEST_CODE_IS("\x8b\x07"); /* mov eax, [rdi], as part of an instruction that exits for its write */
    CPU->gpr[VMM_RDI] = GUEST_APIC + 0x300;
    guest_exit(guest_mmio(GUEST_APIC + 0x300, false));
    cr_assert_eq(CPU->gpr[VMM_RAX], 0x1234);
    cr_assert_eq(guest.vmm.mmio.hook[0].writes_only, true);
}

/* ---- x2APIC ---- */

static bool wrmsr(uint64_t value) {
    CPU->gpr[VMM_RCX] = 0x830;
    CPU->gpr[VMM_RAX] = (uint32_t)value;
    CPU->gpr[VMM_RDX] = value >> 32;
    CPU->rip = GUEST_CODE;
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_MSR, .n_insn_bytes = 2, .msr.write = true});
    return CPU->rip != GUEST_CODE;
}

static void x2apic(void) {
    fake_msr(MSR_APIC_BASE, GUEST_APIC | 0xd00, GUEST_APIC | 0xd00);
    fake_msr(0x830, 0, UINT64_C(0xffffffff000fffff));
    fake_msr(0x802, 5, 0);
}

Test(vmm_apic, a_start_up_ipi_by_register) {
    static const struct {
        uint64_t icr;
        unsigned reaches, spares;
    } rows[] = {
        {UINT64_C(2) << 32 | SIPI(0x12), 4, 0xb},
        {SIPI(0x12) | OTHERS, 0xe, 1},
        {UINT64_C(0xffffffff) << 32 | SIPI(0x12), 0xf, 0},
        {UINT64_C(0xff) << 32 | SIPI(0x12), 0, 0xf},
        {UINT64_C(0x10001) << 32 | SIPI(0x12) | LOGICAL, 1, 0},
    };
    start();
    x2apic();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        clear();
        cr_assert(wrmsr(rows[i].icr));
        cr_assert_eq(fake_nth(FAKE_WRMSR, 0)->value, (rows[i].icr & ~UINT64_C(0xff)) | OURS);
        cr_assert_eq(remembered(0x12) & rows[i].reaches, rows[i].reaches, "row %u", i);
        cr_assert_eq(remembered(0x12) & rows[i].spares, 0, "row %u", i);
    }
    clear();
    cr_assert(wrmsr(UINT64_C(1) << 32 | 0x4041));
    cr_assert_eq(fake_nth(FAKE_WRMSR, 0)->value, UINT64_C(1) << 32 | 0x4041);
    cr_assert_eq(remembered(0x41), 0);
    fake_msr_find(0x830)->value = 0x77;
    CPU->rip = GUEST_CODE;
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_MSR, .n_insn_bytes = 2});
    cr_assert_eq(CPU->gpr[VMM_RAX], 0x77);
}

/* ---- INIT ---- */

static unsigned running(void) {
    unsigned set = 0;
    for (unsigned i = 0; i < GUEST_CPUS; i++) set |= (guest.vcpu[i].running != 0 ? 1u : 0u) << i;
    return set;
}

Test(vmm_apic, an_init_stops_whom_it_reaches) {
    static const struct {
        uint32_t command;
        uint8_t dest;
        unsigned left; /* running afterwards, of 0, 1, 2 */
    } rows[] = {{INIT, 1, 5},
                {INIT | OTHERS, 0, 1},
                {DEASSERT, 1, 7},
                {DEASSERT | ALL, 0, 7},
                {INIT, 3, 7},
                {INIT | LOGICAL, 8, 7}, /* whoever that is */
                {INIT | LOGICAL | OTHERS, 0, 1},
                {0x500, 1, 5}, /* edge-triggered: the level is of no account */
                {FIXED | OTHERS, 0, 7}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(&fake_hw, 0, sizeof fake_hw);
        start();
        destination(rows[i].dest);
        store(0x300, 4, rows[i].command);
        cr_assert_eq(running(), rows[i].left, "row %u: %x", i, running());
    }
}

/* ---- an INIT that exits ---- */

static void stops(void) {
    if (fake_hw.n_pauses == 7) guest.vcpu[1].running = 0;
    if (fake_hw.n_pauses == 9) guest.vcpu[2].running = 0;
}

Test(vmm_apic, a_start_up_ipi_follows_when_its_targets_have_stopped) {
    start();
    guest.vmm.holds_init = true;
    fake_hw.on_pause = stops;
    cr_assert_eq(store(0x300, 4, INIT | OTHERS), INIT | OTHERS);
    cr_assert(running() == 7 && fake_hw.n_pauses == 0, "they stop by themselves");
    cr_assert_eq(store(0x300, 4, SIPI(0x12) | OTHERS), SIPI(OURS) | OTHERS);
    cr_assert(running() == 1 && fake_hw.n_pauses > 9);
    cr_assert_eq(guest.vmm.start[1], VMM_START_SIPI);
    unsigned before = fake_hw.n_pauses;
    cr_assert_eq(store(0x300, 4, SIPI(0x13) | OTHERS), SIPI(OURS) | OTHERS);
    cr_assert_eq(fake_hw.n_pauses, before, "the second one finds nobody");
}

Test(vmm_apic, one_that_does_not_stop_is_not_waited_for_for_ever) {
    start();
    guest.vmm.holds_init = true;
    store(0x300, 4, INIT | OTHERS);
    cr_assert_eq(store(0x300, 4, SIPI(0x12) | OTHERS), SIPI(OURS) | OTHERS);
    cr_assert_eq(running(), 7);
}

/* ---- open ---- */

static bool is_open(void) {
    uint64_t page_bytes, leaf = pt_lookup(&guest.vmm.npt, GUEST_APIC, &page_bytes);
    const struct guest_msr *m = &guest.msr[guest.n_msrs - 1];
    cr_assert(m->msr == 0x830 && m->read == m->write && m->read == !(leaf & PT_W) && page_bytes == 4096);
    cr_assert_eq(leaf & PT_ADDR, GUEST_APIC);
    return (leaf & PT_W) != 0;
}

/* Three of the four run. */
Test(vmm_apic, open_when_everyone_runs_below) {
    static const struct {
        uint32_t n_possible;
        bool holds_init, fourth, open;
    } rows[] = {{0, true, false, false}, {3, true, false, true},  {4, true, false, false}, {4, true, true, true},
                {3, true, true, false},  {2, true, false, false}, {3, false, false, false}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(&fake_hw, 0, sizeof fake_hw);
        guest.n_msrs = 0;
        start();
        guest.vmm.n_possible = rows[i].n_possible;
        guest.vmm.holds_init = rows[i].holds_init;
        guest.vcpu[3].running = rows[i].fourth;
        guest.vmm.start[2] = VMM_START_INIT;
        vmm_apic_open(&guest.vmm);
        cr_assert_eq(is_open(), rows[i].open, "row %u", i);
        cr_assert_eq(guest.vmm.npt_generation, rows[i].open, "row %u", i);
        cr_assert_eq(guest.vmm.start[2], rows[i].open ? VMM_START_DONE : VMM_START_INIT);
    }
}

Test(vmm_apic, open_on_a_machine_with_one_processor) {
    start();
    guest.vcpu[1].running = guest.vcpu[2].running = 0;
    guest.vmm.n_possible = 1;
    vmm_apic_open(&guest.vmm);
    cr_assert(is_open(), "nobody else is there, whatever an INIT does");
}

Test(vmm_apic, closed_before_an_init_takes_its_course) {
    start();
    guest.vmm.holds_init = true;
    guest.vmm.n_possible = 3;
    vmm_apic_open(&guest.vmm);
    cr_assert(is_open());
    vmm_apic_close(&guest.vcpu[1]);
    cr_assert_not(is_open());
    vmm_apic_open(&guest.vmm);
    cr_assert_not(is_open(), "it still runs, but not for long");
    vmm_apic_close(&guest.vcpu[2]);
    guest.vcpu[1].stopping = false;
    vmm_apic_open(&guest.vmm);
    cr_assert_not(is_open(), "now the other one is about to stop");
    guest.vcpu[2].stopping = false;
    vmm_apic_open(&guest.vmm);
    cr_assert(is_open());
    cr_assert_eq(store(0x300, 4, SIPI(0x12)), SIPI(OURS), "an exit that was under way is none the less handled");
}

Test(vmm_apic, a_start_up_ipi_sent_unseen_is_sent_again) {
    start();
    destination(2);
    guest_poke(GUEST_APIC + 0x300, 4, SIPI(0x12) | 0x1000);
    guest.vmm.start[2] = VMM_START_INIT;
    guest.vcpu[2].running = 0;
    vmm_apic_look_back(CPU);
    cr_assert(fake_count(FAKE_WRITE) == 1 && fake_nth(FAKE_WRITE, 0)->at == GUEST_APIC + 0x300);
    cr_assert_eq(fake_nth(FAKE_WRITE, 0)->value, SIPI(OURS));
    cr_assert(guest.vmm.start[2] == VMM_START_SIPI && guest.vmm.sipi_vector[2] == 0x12);
    static const uint32_t others[] = {SIPI(OURS), INIT, NMI, FIXED | 0x12, DEASSERT};
    for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
        clear();
        guest_poke(GUEST_APIC + 0x300, 4, others[i]);
        vmm_apic_look_back(CPU);
        cr_assert_eq(fake_count(FAKE_WRITE), 0, "%x", others[i]);
    }
    x2apic();
    clear();
    fake_msr_find(0x830)->value = UINT64_C(2) << 32 | SIPI(0x13);
    vmm_apic_look_back(CPU);
    cr_assert_eq(fake_nth(FAKE_WRMSR, 0)->value, UINT64_C(2) << 32 | SIPI(OURS));
    cr_assert_eq(guest.vmm.sipi_vector[2], 0x13);
    clear();
    fake_msr(MSR_APIC_BASE, GUEST_APIC, GUEST_APIC | 0xd00); /* switched off */
    vmm_apic_look_back(CPU);
    cr_assert_eq(fake_count(FAKE_WRITE) + fake_count(FAKE_WRMSR), 0);
}

Test(vmm_apic, as_init_leaves_it) {
    static const uint64_t modes[] = {0x800, 0xc00}, steps[2][3] = {{0, 0x800}, {0, 0x800, 0xc00}};
    for (unsigned i = 0; i < 2; i++) {
        memset(&fake_hw, 0, sizeof fake_hw);
        start();
        fake_msr(MSR_APIC_BASE, GUEST_APIC | modes[i], GUEST_APIC | 0xd00);
        vmm_apic_reset();
        cr_assert_eq(fake_count(FAKE_WRMSR), 2 + i);
        for (unsigned n = 0; n < 2 + i; n++) cr_assert_eq(fake_nth(FAKE_WRMSR, n)->value, GUEST_APIC | steps[i][n]);
    }
    clear();
    fake_msr(MSR_APIC_BASE, GUEST_APIC, GUEST_APIC | 0xd00);
    vmm_apic_reset();
    cr_assert_eq(fake_count(FAKE_WRMSR), 0, "switched off: it stays so");
}

/* An INIT that the APIC does not take, in the mode it is in, has stopped nobody; a start-up IPI is ours in any mode. */
Test(vmm_apic, commands_that_go_nowhere) {
    start();
    cr_assert(!wrmsr(INIT | OTHERS)); /* xAPIC mode: the machine's #GP */
    cr_assert_eq(running(), 7);
    x2apic();
    store(0x300, 4, INIT | OTHERS); /* x2APIC mode: nothing is at the page */
    cr_assert_eq(running(), 7);
    cr_assert_eq(store(0x300, 4, SIPI(0x12) | OTHERS), SIPI(OURS) | OTHERS);
    fake_msr(MSR_APIC_BASE, GUEST_APIC, GUEST_APIC | 0xd00); /* switched off */
    store(0x300, 4, INIT | OTHERS);
    cr_assert_eq(running(), 7);
    cr_assert_eq(store(0x300, 4, SIPI(0x12) | OTHERS), SIPI(OURS) | OTHERS);
}

/* ---- our own use of it ---- */

Test(vmm_apic, an_nmi_leaves_the_guests_half_command) {
    start();
    destination(0x5a);
    vmm_apic_send_nmi(&guest.vmm, 2);
    cr_assert_eq(fake_count(FAKE_WRITE), 3);
    cr_assert(fake_nth(FAKE_WRITE, 0)->at == GUEST_APIC + 0x310 && fake_nth(FAKE_WRITE, 0)->value == 2u << 24);
    cr_assert(fake_nth(FAKE_WRITE, 1)->at == GUEST_APIC + 0x300 && fake_nth(FAKE_WRITE, 1)->value == 0x4400);
    cr_assert(fake_nth(FAKE_WRITE, 2)->at == GUEST_APIC + 0x310 && fake_nth(FAKE_WRITE, 2)->value == 0x5au << 24);
    x2apic();
    clear();
    vmm_apic_send_nmi(&guest.vmm, 0x12345);
    cr_assert_eq(fake_nth(FAKE_WRMSR, 0)->value, UINT64_C(0x12345) << 32 | 0x4400);
}

static void delivered(void) { guest_poke(GUEST_APIC + 0x300, 4, 0x4030); }

Test(vmm_apic, it_waits_for_the_command_before) {
    start();
    guest_poke(GUEST_APIC + 0x300, 4, 0x5030); /* delivery pending */
    fake_hw.on_pause = delivered;
    vmm_apic_send_nmi(&guest.vmm, 2);
    cr_assert_eq(fake_hw.n_pauses, 1);
}

Test(vmm_apic, whose_is_this) {
    start();
    guest_poke(GUEST_APIC + 0x20, 4, 0x07000000);
    cr_assert_eq(vmm_apic_id(&guest.vmm), 7);
    x2apic();
    cr_assert_eq(vmm_apic_id(&guest.vmm), 5);
}

Test(vmm_apic, it_must_be_trappable) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(GUEST_APIC), 0x1000, guest_trap, &t), 0);
    cr_assert_eq(vmm_apic_init(&guest.vmm), VMM_E_BUSY);
}

/* Every bit of the request registers counts, each in its own dword: APM Volume 2, table 16-2 "APIC Registers". */
Test(vmm_apic, an_interrupt_waits) {
    start();
    guest_poke(GUEST_APIC + 0x350, 4, 0x10700); /* LINT0: ExtINT, masked */
    cr_expect(!vmm_interrupt_pending(&guest.vmm));
    for (unsigned vector = 0; vector < 256; vector += 13) {
        guest_poke(GUEST_APIC + 0x200 + vector / 32 * 16, 4, 1u << vector % 32);
        cr_expect(vmm_interrupt_pending(&guest.vmm), "vector %u", vector);
        guest_poke(GUEST_APIC + 0x200 + vector / 32 * 16, 4, 0);
    }
    x2apic();
    fake_msr(0x835, 0x10700, 0);
    for (unsigned i = 0; i < 8; i++) fake_msr(0x820 + i, 0, 0);
    cr_expect(!vmm_interrupt_pending(&guest.vmm));
    fake_msr_find(0x827)->value = 1u << 31;
    cr_expect(vmm_interrupt_pending(&guest.vmm));
}

Test(vmm_apic, an_interrupt_may_come_from_the_8259s) {
    static const struct {
        uint32_t lint0, masks;
        bool may;
    } cases[] = {{0x00700, 0xfe, true},  {0x00700, 0x00, true},  {0x00700, 0xff, false},
                 {0x10700, 0x00, false}, {0x00400, 0x00, false}, {0x00000, 0x00, false}};
    start();
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        guest_poke(GUEST_APIC + 0x350, 4, cases[i].lint0);
        fake_hw.in_value = cases[i].masks;
        cr_expect_eq(vmm_interrupt_pending(&guest.vmm), cases[i].may, "case %u", i);
    }
    fake_hw.in_value = 0xff;
    fake_msr(MSR_APIC_BASE, GUEST_APIC, GUEST_APIC | 0xd00); /* switched off: they reach the processor directly */
    cr_expect(vmm_interrupt_pending(&guest.vmm));
}
