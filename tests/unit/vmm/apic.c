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

static struct vmm_cpu_ops holding;

static void holds_init(void) {
    holding = guest_ops;
    holding.holds_init = true;
    guest.vmm.ops = &holding;
}

static void leaves(void) {
    for (unsigned i = 0; i < GUEST_CPUS; i++)
        if (guest.vcpu[i].stop) guest.vcpu[i].running = guest.vcpu[i].kick = 0;
}

Test(vmm_apic, an_init_follows_when_its_targets_are_out) {
    start();
    holds_init();
    for (unsigned i = 1; i < GUEST_CPUS; i++) guest.vcpu[i].in_exit = true;
    fake_hw.on_pause = leaves;
    cr_assert_eq(store(0x300, 4, INIT | OTHERS), INIT | OTHERS);
    cr_assert_eq(running(), 1);
    guest.vcpu[1].running = 1;
    x2apic();
    cr_assert(wrmsr(UINT64_C(1) << 32 | INIT));
    cr_assert_eq(fake_nth(FAKE_WRMSR, 0)->value, UINT64_C(1) << 32 | INIT);
    cr_assert_eq(running(), 1);
}

/* Who is asked, and in whose name. */
Test(vmm_apic, whoever_an_init_may_reach_is_asked) {
    static const struct {
        uint32_t command;
        uint8_t dest;
        unsigned left; /* running afterwards, of 0, 1, 2: everyone who is asked leaves here */
    } rows[] = {{INIT, 1, 5},        {INIT, 3, 7},           {INIT | LOGICAL, 2, 1}, {INIT | OTHERS, 0, 1},
                {INIT | SELF, 2, 7}, {DEASSERT | ALL, 0, 7}, {INIT | ALL, 0, 7}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(&fake_hw, 0, sizeof fake_hw);
        start();
        holds_init();
        for (unsigned n = 1; n < GUEST_CPUS; n++) guest.vcpu[n].in_exit = true;
        fake_hw.on_pause = leaves;
        destination(rows[i].dest);
        cr_assert_eq(store(0x300, 4, rows[i].command), rows[i].command);
        cr_assert_eq(running(), rows[i].left, "row %u: %x", i, running());
        if (rows[i].left != 7) cr_assert(guest.vmm.init_icr == rows[i].command && guest.vmm.init_dest == rows[i].dest);
        cr_assert_eq(guest.vmm.stopping, 0);
    }
}

/* Logical destinations as one processor sees them. Intel SDM Volume 3A, 10.6.2.2 "Logical Destination Mode" (in the
 * xAPIC and, there, 10.12.10.2 "Deriving Logical x2APIC ID from the Local x2APIC ID"). */
Test(vmm_apic, is_it_for_us) {
    static const struct {
        uint32_t ldr, dfr, dest;
        bool meant;
    } rows[] = {{0x02000000, 0xffffffff, 0x02, true},  {0x02000000, 0xffffffff, 0x06, true},
                {0x02000000, 0xffffffff, 0x05, false}, {0x02000000, 0xffffffff, 0xff, true},
                {0x00000000, 0xffffffff, 0x0f, false}, {0x12000000, 0x0fffffff, 0x12, true},
                {0x12000000, 0x0fffffff, 0x13, true},  {0x12000000, 0x0fffffff, 0x11, false},
                {0x12000000, 0x0fffffff, 0x22, false}, {0x12000000, 0x0fffffff, 0xff, true}};
    start();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        guest_poke(GUEST_APIC + 0xd0, 4, rows[i].ldr);
        guest_poke(GUEST_APIC + 0xe0, 4, rows[i].dfr);
        guest.vmm.init_icr = INIT | LOGICAL;
        guest.vmm.init_dest = rows[i].dest;
        cr_assert_eq(vmm_apic_is_meant(CPU), rows[i].meant, "row %u", i);
        guest.vmm.init_icr = INIT;
        cr_assert(vmm_apic_is_meant(CPU), "the sender has found that out");
        guest.vmm.init_icr = INIT | LOGICAL | OTHERS;
        cr_assert(vmm_apic_is_meant(CPU), "a shorthand has no destination");
    }
    x2apic();
    fake_msr(0x80d, 0x10002, 0);
    guest.vmm.init_icr = INIT | LOGICAL;
    static const uint32_t meant[] = {0x10002, 0x1000f, UINT32_MAX}, not_meant[] = {0x10001, 0x20002, 0x00002, 0};
    for (unsigned i = 0; i < 3; i++) {
        guest.vmm.init_dest = meant[i];
        cr_assert(vmm_apic_is_meant(CPU));
    }
    for (unsigned i = 0; i < 4; i++) {
        guest.vmm.init_dest = not_meant[i];
        cr_assert_not(vmm_apic_is_meant(CPU));
    }
}

static void asked_itself(void) {
    if (fake_hw.n_pauses == 5) guest.vcpu[0].stop = 1;
}

/* Another one's INIT for the sender is under way: its own command was never given. */
Test(vmm_apic, who_is_being_stopped_stops_nobody) {
    start();
    holds_init();
    guest.vmm.stopping = 1;
    guest.vmm.init_icr = INIT;
    fake_hw.on_pause = asked_itself;
    destination(1);
    cr_assert_eq(store(0x300, 4, INIT), UINT64_MAX);
    cr_assert(running() == 7 && fake_hw.n_pauses == 5 && guest.vmm.stopping == 1 && guest.vcpu[1].stop == 0);
    x2apic();
    cr_assert(wrmsr(UINT64_C(1) << 32 | INIT));
    cr_assert_eq(fake_count(FAKE_WRMSR), 0);
}

static void settled(void) {
    if (fake_hw.n_pauses == 5) guest.vcpu[0].stop = 1;
    if (fake_hw.n_pauses == 6) cr_assert_eq(guest.vcpu[0].stop, 0);
    if (fake_hw.n_pauses == 8) guest.vmm.stopping = 0;
    if (guest.vcpu[1].stop) guest.vcpu[1].running = 0;
}

Test(vmm_apic, who_is_not_meant_waits_for_its_turn) {
    start();
    holds_init();
    guest.vmm.stopping = 1;
    guest.vmm.init_icr = INIT | LOGICAL;
    guest.vmm.init_dest = 2;
    guest_poke(GUEST_APIC + 0xd0, 4, 0x01000000);
    guest_poke(GUEST_APIC + 0xe0, 4, 0xffffffff);
    guest.vcpu[1].in_exit = true;
    fake_hw.on_pause = settled;
    destination(1);
    cr_assert_eq(store(0x300, 4, INIT), INIT);
    cr_assert(running() == 5 && guest.vmm.stopping == 0);
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
