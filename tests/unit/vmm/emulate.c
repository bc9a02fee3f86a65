/* Instructions on trapped memory and string port I/O: what reaches the handler, RAM and the device, and what does not
 * when something faults. */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"

#define CPU     (&guest.vcpu[0])
#define CODE(s) GUEST_CODE_IS(s)

static struct guest_trap t;

static void start(void) {
    guest_start();
    t = (struct guest_trap){.answer = VMM_HANDLED, .value = UINT64_C(0x8877665544332211)};
    cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x1000, guest_trap, &t), 0);
}

static void mmio(uint64_t at, bool write) { guest_exit(guest_mmio(at, write)); }
static bool done(void) { return CPU->inject.type == VMM_EVENT_NONE && CPU->rip != GUEST_CODE; }

static void expect_fault(unsigned vector, uint32_t error) {
    cr_assert(CPU->inject.type == VMM_EVENT_EXCEPTION && CPU->inject.vector == vector && CPU->inject.error == error,
              "event type %d, vector %u, error %x", CPU->inject.type, CPU->inject.vector, CPU->inject.error);
    cr_assert_eq(CPU->rip, GUEST_CODE);
}

static void expect_seen(unsigned i, uint64_t at, unsigned n_bytes, bool write, uint64_t value) {
    const struct vmm_access *a = &t.seen[i];
    cr_assert_lt(i, t.n_seen);
    cr_assert(a->addr == at && a->n_bytes == n_bytes && a->write == write && (!write || a->value == value),
              "access %u: %lx, %u bytes, write %d, value %lx", i, a->addr, a->n_bytes, a->write, a->value);
}

/* ---- one access ---- */

Test(vmm_emulate, loads) {
    static const struct {
        const char *code;
        unsigned n_code, n_bytes;
        uint64_t rax;
    } rows[] = {
        {"\x8a\x07", 2, 1, 0xa5a5a5a5a5a5a511},     /* mov al, [rdi] */
        {"\x66\x8b\x07", 3, 2, 0xa5a5a5a5a5a52211}, /* mov ax */
        {"\x8b\x07", 2, 4, 0x44332211},             /* mov eax */
        {"\x48\x8b\x07", 3, 8, 0x8877665544332211}, /* mov rax */
        {"\x0f\xb6\x07", 3, 1, 0x11},               /* movzx eax, byte */
        {"\x0f\xb7\x07", 3, 2, 0x2211},             /* movzx eax, word */
        {"\x48\x63\x07", 3, 4, 0x44332211},         /* movsxd rax, dword */
        {"\x48\x03\x07", 3, 8, 0x2e1d0bfae9d8c7b6}, /* add rax, [rdi] */
    };
    start();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.n_seen = 0;
        guest_code(rows[i].code, rows[i].n_code);
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RAX] = 0xa5a5a5a5a5a5a5a5;
        CPU->gpr[VMM_RDI] = GUEST_DEVICE + 0x10;
        mmio(GUEST_DEVICE + 0x10, false);
        cr_assert(done());
        cr_assert_eq(CPU->rip, GUEST_CODE + rows[i].n_code);
        cr_assert_eq(CPU->gpr[VMM_RAX], rows[i].rax, "row %u: %lx", i, CPU->gpr[VMM_RAX]);
        cr_assert_eq(t.n_seen, 1);
        expect_seen(0, GUEST_DEVICE + 0x10, rows[i].n_bytes, false, 0);
    }
    cr_assert_eq(guest.cpu[0].n_skipped, 8);
}

Test(vmm_emulate, stores) {
    static const struct {
        const char *code;
        unsigned n_code, n_bytes;
        uint64_t value;
    } rows[] = {
        {"\x88\x07", 2, 1, 0x88},
        {"\x88\x27", 2, 1, 0x77}, /* ah */
        {"\x66\x89\x07", 3, 2, 0x7788},
        {"\x89\x07", 2, 4, 0x55667788},
        {"\x48\x89\x07", 3, 8, 0x1122334455667788},
        {"\xc7\x07\x78\x56\x34\x92", 6, 4, 0x92345678},
        {"\x48\xc7\x07\x78\x56\x34\x92", 7, 8, 0xffffffff92345678},
        {"\x8c\x1f", 2, 2, 0x10},  /* mov [rdi], ds */
        {"\x0f\x95\x07", 3, 1, 1}, /* setne [rdi] */
    };
    start();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        t.n_seen = 0;
        guest_code(rows[i].code, rows[i].n_code);
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RAX] = 0x1122334455667788;
        CPU->gpr[VMM_RDI] = GUEST_DEVICE + 0x20;
        mmio(GUEST_DEVICE + 0x20, true);
        cr_assert(done());
        cr_assert_eq(CPU->rip, GUEST_CODE + rows[i].n_code, "row %u", i);
        cr_assert_eq(t.n_seen, 1);
        expect_seen(0, GUEST_DEVICE + 0x20, rows[i].n_bytes, true, rows[i].value);
    }
    cr_assert_eq(fake_count(FAKE_WRITE), 0);
}

Test(vmm_emulate, read_modify_write) {
    start();
    CODE("\x09\x07"); /* or [rdi], eax */
    CPU->gpr[VMM_RAX] = 0x0f000000;
    CPU->gpr[VMM_RDI] = GUEST_DEVICE;
    mmio(GUEST_DEVICE, true);
    cr_assert(done());
    expect_seen(0, GUEST_DEVICE, 4, false, 0);
    expect_seen(1, GUEST_DEVICE, 4, true, 0x4f332211);
}

Test(vmm_emulate, verdicts) {
    static const enum vmm_verdict answers[] = {VMM_HANDLED, VMM_SKIP, VMM_PASS, VMM_INJECT};
    static const uint64_t reads[] = {0x44332211, 0xffffffff, 0xcafe, 0x99};
    for (unsigned fast = 0; fast < 2; fast++)
        for (unsigned i = 0; i < 4; i++) {
            memset(&fake_hw, 0, sizeof fake_hw);
            start();
            t.answer = answers[i];
            guest_poke(GUEST_DEVICE + 8, 4, 0xcafe);
            if (fast)
                CODE("\x8b\x07"); /* mov eax, [rdi] */
            else
                CODE("\x67\x0f\x44\x07"); /* cmove eax, [edi] */
            CPU->rflags |= 0x40;
            CPU->gpr[VMM_RAX] = 0x99;
            CPU->gpr[VMM_RDI] = GUEST_DEVICE + 8;
            mmio(GUEST_DEVICE + 8, false);
            cr_assert_eq(CPU->gpr[VMM_RAX], reads[i], "%u: %lx", i, CPU->gpr[VMM_RAX]);
            cr_assert_eq(t.n_seen, 1);
            if (i == 3)
                expect_fault(13, 0x123);
            else
                cr_assert(done());
            CODE("\x89\x07"); /* mov [rdi], eax */
            CPU->rip = GUEST_CODE;
            CPU->gpr[VMM_RAX] = 0xbeef;
            mmio(GUEST_DEVICE + 8, true);
            cr_assert_eq(guest_peek(GUEST_DEVICE + 8, 4), i == 2 ? 0xbeef : 0xcafe);
            if (i == 3) expect_fault(13, 0x123);
        }
}

Test(vmm_emulate, the_fast_way_ends_like_the_slow_one) {
    start();
    CODE("\x89\x07");
    CPU->gpr[VMM_RDI] = GUEST_DEVICE;
    CPU->rflags = 0x10102; /* RF, TF */
    mmio(GUEST_DEVICE, true);
    cr_assert(CPU->inject.vector == 1 && CPU->rip == GUEST_CODE + 2 && CPU->rflags == 0x102);
    cr_assert_eq(guest.cpu[0].reg[VMM_DR6], 0xffff4ff0);
    guest_flat32();
    CPU->rflags = 2;
    CODE("\x8b\x07");
    CPU->gpr[VMM_RAX] = UINT64_MAX;
    mmio(GUEST_DEVICE, false);
    cr_assert(CPU->rip == GUEST_CODE + 2 && CPU->gpr[VMM_RAX] == 0x44332211);
}

/* ---- shape of the pieces ---- */

Test(vmm_emulate, an_unaligned_access_arrives_in_aligned_pieces) {
    start();
    CODE("\x48\x89\x07"); /* mov [rdi], rax */
    CPU->gpr[VMM_RAX] = 0x8877665544332211;
    CPU->gpr[VMM_RDI] = GUEST_DEVICE + 0x13;
    mmio(GUEST_DEVICE + 0x13, true);
    cr_assert(done());
    cr_assert_eq(t.n_seen, 4);
    expect_seen(0, GUEST_DEVICE + 0x13, 1, true, 0x11);
    expect_seen(1, GUEST_DEVICE + 0x14, 4, true, 0x55443322);
    expect_seen(2, GUEST_DEVICE + 0x18, 2, true, 0x7766);
    expect_seen(3, GUEST_DEVICE + 0x1a, 1, true, 0x88);
    CODE("\x48\x8b\x07");
    t = (struct guest_trap){.answer = VMM_HANDLED, .value = 0xffffffffa4a3a2a1};
    CPU->rip = GUEST_CODE;
    mmio(GUEST_DEVICE + 0x13, false);
    cr_assert_eq(CPU->gpr[VMM_RAX], 0xa1a2a1a4a3a2a1a1, "%lx", CPU->gpr[VMM_RAX]); /* each piece's low bytes count */
}

/* Both directions, both orders, through linear pages that do not lie as the physical ones do. */
Test(vmm_emulate, across_a_page_end_between_ram_and_the_trap) {
    start();
    guest_map(0x10000000000, GUEST_RAM + 0x5000, PT_W);
    guest_map(0x10000001000, GUEST_DEVICE, PT_W);
    guest_map(0x10000002000, GUEST_RAM + 0x7000, PT_W);
    /* RAM, then device: the exit tells of the device's first byte */
    guest_poke(0x5ffd, 3, 0xc3c2c1);
    for (unsigned n = 4; n <= 8; n += 4) {
        t.n_seen = 0;
        if (n == 4)
            CODE("\x8b\x07");
        else
            CODE("\x48\x8b\x07");
        CPU->gpr[VMM_RDI] = 0x10000000ffd;
        CPU->rip = GUEST_CODE;
        mmio(GUEST_DEVICE, false);
        cr_assert(done());
        cr_assert_eq(CPU->gpr[VMM_RAX], n == 4 ? 0x11c3c2c1 : 0x1144332211c3c2c1, "%lx", CPU->gpr[VMM_RAX]);
        expect_seen(0, GUEST_DEVICE, n == 4 ? 1 : 4, false, 0);
        cr_assert_eq(t.n_seen, n == 4 ? 1 : 2);
    }
    CODE("\x89\x07");
    CPU->gpr[VMM_RAX] = 0xd4d3d2d1;
    CPU->gpr[VMM_RDI] = 0x10000000ffe;
    CPU->rip = GUEST_CODE;
    t.n_seen = 0;
    mmio(GUEST_DEVICE, true);
    cr_assert_eq(guest_peek(0x5ffe, 2), 0xd2d1);
    cr_assert_eq(t.n_seen, 1);
    expect_seen(0, GUEST_DEVICE, 2, true, 0xd4d3);
    /* device, then RAM */
    CPU->gpr[VMM_RDI] = 0x10000001ffd;
    CPU->rip = GUEST_CODE;
    t.n_seen = 0;
    mmio(GUEST_DEVICE + 0xffd, true);
    expect_seen(0, GUEST_DEVICE + 0xffd, 1, true, 0xd1);
    expect_seen(1, GUEST_DEVICE + 0xffe, 2, true, 0xd3d2);
    cr_assert_eq(guest_peek(0x7000, 1), 0xd4);
    CODE("\x8b\x07");
    CPU->rip = GUEST_CODE;
    mmio(GUEST_DEVICE + 0xffd, false);
    cr_assert_eq(CPU->gpr[VMM_RAX], 0xd4221111, "%lx", CPU->gpr[VMM_RAX]);
}

/* ---- faults come before effects ---- */

Test(vmm_emulate, a_missing_second_page) {
    start();
    *guest_pte(GUEST_DEVICE + 0x1000) = 0;
    CODE("\x89\x07");
    CPU->gpr[VMM_RDI] = GUEST_DEVICE + 0xffe;
    mmio(GUEST_DEVICE + 0xffe, true);
    expect_fault(14, 2);
    cr_assert_eq(guest.cpu[0].reg[VMM_CR2], GUEST_DEVICE + 0x1000);
    cr_assert_eq(t.n_seen, 0);
    guest.cpu[0].cpl = 3;
    guest_map(GUEST_CODE, GUEST_CODE, PT_U);
    guest_map(GUEST_DEVICE, GUEST_DEVICE, PT_U | PT_W);
    mmio(GUEST_DEVICE + 0xffe, true);
    expect_fault(14, 6);
}

Test(vmm_emulate, a_read_only_destination) {
    start();
    guest_map(GUEST_DATA, GUEST_DATA, 0);
    CODE("\xa5"); /* movsd: from the device to RAM */
    CPU->gpr[VMM_RSI] = GUEST_DEVICE;
    CPU->gpr[VMM_RDI] = GUEST_DATA + 8;
    mmio(GUEST_DEVICE, false);
    expect_fault(14, 3);
    cr_assert_eq(t.n_seen, 0); /* a status register was not read for nothing */
    cr_assert(CPU->gpr[VMM_RSI] == GUEST_DEVICE && CPU->gpr[VMM_RDI] == GUEST_DATA + 8);
    *guest_pte(GUEST_DATA + 0x1000) = 0; /* only its last byte lies on a missing page */
    guest_map(GUEST_DATA, GUEST_DATA, PT_W);
    CPU->gpr[VMM_RDI] = GUEST_DATA + 0xffd;
    mmio(GUEST_DEVICE, false);
    expect_fault(14, 2);
    cr_assert_eq(guest.cpu[0].reg[VMM_CR2], GUEST_DATA + 0x1000);
    cr_assert_eq(t.n_seen, 0);
}

/* ---- string instructions ---- */

Test(vmm_emulate, rep_movs_from_the_device) {
    start();
    CODE("\xf3\xa5"); /* rep movsd */
    CPU->gpr[VMM_RCX] = 300;
    CPU->gpr[VMM_RSI] = GUEST_DEVICE;
    CPU->gpr[VMM_RDI] = GUEST_DATA;
    mmio(GUEST_DEVICE, false);
    cr_assert(CPU->rip == GUEST_CODE && CPU->gpr[VMM_RCX] == 300 - 256 && CPU->inject.type == VMM_EVENT_NONE);
    cr_assert_eq(guest.cpu[0].n_skipped, 0);
    mmio(CPU->gpr[VMM_RSI], false);
    cr_assert(done() && CPU->gpr[VMM_RCX] == 0 && CPU->gpr[VMM_RDI] == GUEST_DATA + 1200);
    cr_assert_eq(guest_peek(GUEST_DATA + 1196, 4), 0x44332211);
    cr_assert_eq(guest_peek(GUEST_DATA + 1200, 4), 0);
    cr_assert_eq(guest.cpu[0].n_skipped, 1);
}

Test(vmm_emulate, a_step_after_each_iteration) {
    start();
    CODE("\xf3\xaa"); /* rep stosb */
    CPU->rflags |= 0x100;
    CPU->gpr[VMM_RCX] = 2;
    CPU->gpr[VMM_RDI] = GUEST_DEVICE;
    mmio(GUEST_DEVICE, true);
    cr_assert(CPU->gpr[VMM_RCX] == 1 && CPU->rip == GUEST_CODE && CPU->inject.vector == 1);
    mmio(GUEST_DEVICE + 1, true);
    cr_assert(CPU->gpr[VMM_RCX] == 0 && CPU->rip == GUEST_CODE + 2 && CPU->inject.vector == 1);
    cr_assert_eq(t.n_seen, 2);
}

static void string_port(bool in, unsigned n_bytes) {
    guest_exit((struct vmm_exit){.kind = VMM_EXIT_PIO,
                                 .pio = {.port = 0x1f0, .n_bytes = (uint8_t)n_bytes, .in = in, .string = true}});
}

Test(vmm_emulate, string_ports) {
    start();
    struct guest_trap p = {.answer = VMM_HANDLED, .value = 0xb2b1};
    cr_assert_eq(vmm_pio_trap(&guest.vmm, 0x1f0, 1, guest_trap, &p), 0);
    CODE("\x66\xf3\x6d"); /* rep insw */
    CPU->gpr[VMM_RDX] = 0x1f0;
    CPU->gpr[VMM_RCX] = 3;
    CPU->gpr[VMM_RDI] = GUEST_DATA + 0xffd; /* the second word lies on both pages */
    string_port(true, 2);
    cr_assert(done() && CPU->gpr[VMM_RCX] == 0);
    cr_assert_eq(guest_peek(GUEST_DATA + 0xffd, 6), 0xb2b1b2b1b2b1);
    cr_assert(p.n_seen == 3 && p.seen[2].addr == 0x1f0 && p.seen[2].n_bytes == 2);
    CODE("\xf3\x6f"); /* rep outsd */
    CPU->gpr[VMM_RCX] = 2;
    CPU->gpr[VMM_RSI] = GUEST_DATA + 0xffd;
    CPU->rip = GUEST_CODE;
    p.n_seen = 0;
    string_port(false, 4);
    cr_assert(done() && p.n_seen == 2 && p.seen[0].value == 0xb2b1b2b1 && p.seen[0].write);
    p.answer = VMM_PASS;
    CPU->gpr[VMM_RCX] = 1;
    CPU->rip = GUEST_CODE;
    string_port(false, 4);
    cr_assert(fake_count(FAKE_OUT) == 1 && fake_nth(FAKE_OUT, 0)->n_bytes == 4);
    p.answer = VMM_INJECT;
    for (unsigned i = 0; i < 2; i++) {
        if (i) CODE("\x66\xf3\x6d");
        CPU->gpr[VMM_RCX] = 1;
        CPU->gpr[VMM_RSI] = CPU->gpr[VMM_RDI] = GUEST_DATA;
        CPU->rip = GUEST_CODE;
        string_port(i, i ? 2 : 4);
        expect_fault(13, 0x123);
        cr_assert_eq(CPU->gpr[VMM_RCX], 1);
    }
    p.answer = VMM_SKIP;
    string_port(true, 2);
    cr_assert_eq(guest_peek(GUEST_DATA, 2), 0xffff);
}

Test(vmm_emulate, a_string_port_into_a_missing_page) {
    start();
    *guest_pte(GUEST_DATA) = 0;
    CODE("\x6c"); /* insb */
    CPU->gpr[VMM_RDX] = 0x1f0;
    CPU->gpr[VMM_RDI] = GUEST_DATA;
    string_port(true, 1);
    expect_fault(14, 2);
    cr_assert_eq(fake_count(FAKE_IN), 0);
}

/* ---- hidden memory and the end of the bus ---- */

Test(vmm_emulate, writes_to_the_region_vanish) {
    start();
    const uint64_t at[] = {GUEST_REGION, GUEST_LOW_PAGE + 0x10};
    for (unsigned i = 0; i < 2; i++) {
        CODE("\x48\x89\x07");
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RDI] = at[i];
        mmio(at[i], true);
        cr_assert(done());
        CODE("\x48\x01\x07"); /* add [rdi], rax: reads ones */
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RAX] = 2;
        CPU->rflags = 2;
        mmio(at[i], true);
        cr_assert(done() && (CPU->rflags & 1)); /* -1 + 2 carries */
    }
    CODE("\x48\xa5"); /* movsq: region to device */
    CPU->rip = GUEST_CODE;
    CPU->gpr[VMM_RSI] = GUEST_REGION + 8;
    CPU->gpr[VMM_RDI] = GUEST_DEVICE;
    mmio(GUEST_DEVICE, true);
    expect_seen(0, GUEST_DEVICE, 8, true, UINT64_MAX);
    cr_assert_eq(fake_count(FAKE_WRITE) + fake_count(FAKE_READ), 0);
    cr_assert_eq(CPU->n_exits[VMM_EXIT_HIDDEN], 4);
}

Test(vmm_emulate, what_our_page_tables_do_not_reach_is_not_there) {
    start();
    guest.vmm.phys_bits = 48; /* the guest may address more than we do */
    guest_map(GUEST_DATA, UINT64_C(1) << 40, PT_W);
    guest_map(GUEST_DATA + 0x1000, 0xfffffffff000, PT_W);
    CODE("\xa5"); /* movsd: from there to the device, and back */
    for (unsigned i = 0; i < 2; i++) {
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RSI] = GUEST_DATA + i * 0x1000;
        CPU->gpr[VMM_RDI] = GUEST_DEVICE;
        mmio(GUEST_DEVICE, true);
        expect_seen(2 * i, GUEST_DEVICE, 4, true, 0xffffffff);
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RDI] = GUEST_DATA + i * 0x1000;
        CPU->gpr[VMM_RSI] = GUEST_DEVICE;
        mmio(GUEST_DEVICE, false);
        cr_assert(done());
    }
    cr_assert_eq(fake_count(FAKE_WRITE) + fake_count(FAKE_READ), 0);
    guest.vmm.phys_bits = 40; /* now the processor itself refuses such a table entry */
    CPU->rip = GUEST_CODE;
    CPU->gpr[VMM_RDI] = GUEST_DATA;
    mmio(GUEST_DEVICE, false);
    expect_fault(14, 0xb);
}

/* A trap that was moved to nowhere does not come out at the bottom of memory. There, what we would write is not what
 * the guest has. */
Test(vmm_emulate, low_memory_is_no_trap_whatever_happens_to_traps) {
    start();
    cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE + 0x2000), 0x1000, guest_trap, &t), 1);
    cr_assert_eq(vmm_mmio_move(&guest.vmm, 1, gpa(GUEST_REGION)), VMM_E_BUSY);
    CODE("\xa4"); /* movsb */
    CPU->gpr[VMM_RSI] = GUEST_DEVICE;
    CPU->gpr[VMM_RDI] = 0x10;
    mmio(GUEST_DEVICE, false);
    cr_assert_eq(t.n_seen, 1);
    cr_assert_neq(guest.ram[0x10], 0x11);
}

/* ---- segments ---- */

Test(vmm_emulate, segment_limits) {
    static const struct {
        uint32_t offset, limit;
        uint16_t attrib;
        bool fits;
    } rows[] = {
        {0x0, 0xffffffff, 0xc93, true}, {0xfffffffc, 0xffffffff, 0xc93, true}, {0xfffffffd, 0xffffffff, 0xc93, false},
        {0xffc, 0xfff, 0x493, true},    {0xffd, 0xfff, 0x493, false},          {0x1000, 0xfff, 0x493, false},
        {0x1000, 0xfff, 0x497, true},   {0xfff, 0xfff, 0x497, false},          {0xfffc, 0xfff, 0x097, true},
        {0xfffd, 0xfff, 0x097, false},  {0xfffffffc, 0xfff, 0x497, true},      {0xfffffffd, 0xfff, 0x497, false},
    };
    start();
    guest_flat32();
    for (unsigned seg = VMM_SS; seg <= VMM_DS; seg++)
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            if (seg == VMM_SS) CODE("\x36\x0f\xb6\x07\x90" /* movzx eax, byte ss:[edi] */);
            CODE("\x01\x07"); /* add [edi], eax */
            if (seg == VMM_SS) CODE("\x36\x01\x07");
            CPU->rip = GUEST_CODE;
            CPU->gpr[VMM_RDI] = rows[i].offset;
            guest.cpu[0].seg[seg] = (struct vmm_segment){
                .attrib = rows[i].attrib, .limit = rows[i].limit, .base = (uint32_t)(GUEST_DEVICE - rows[i].offset)};
            t.n_seen = 0;
            mmio(GUEST_DEVICE, true);
            if (rows[i].fits)
                cr_assert(done() && t.n_seen == 2, "row %u", i);
            else
                expect_fault(seg == VMM_SS ? 12 : 13, 0);
            cr_assert_eq(t.n_seen, rows[i].fits ? 2 : 0);
        }
}

Test(vmm_emulate, real_mode) {
    start();
    guest_real();
    cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(0xb8000), 0x1000, guest_trap, &t), 1);
    guest.cpu[0].seg[VMM_DS].base = 0xb8000;
    CODE("\x89\x05"); /* mov [di], ax */
    CPU->gpr[VMM_RDI] = 0xabcd0010;
    CPU->gpr[VMM_RAX] = 0x1234;
    mmio(0xb8010, true);
    cr_assert(done());
    expect_seen(0, 0xb8010, 2, true, 0x1234);
    CPU->gpr[VMM_RDI] = 0xffff; /* a word at the segment's end */
    CPU->rip = GUEST_CODE;
    mmio(0xb8010, true);
    expect_fault(13, 0);
}

Test(vmm_emulate, canonical_addresses) {
    static const struct {
        uint64_t base, offset;
        bool la57, canonical;
    } rows[] = {
        {0, 0x7ffffffffffc, false, true},     {0, 0x7ffffffffffd, false, false},
        {0, 0x800000000000, false, false},    {0, 0xffff7fffffffffff, false, false},
        {0, 0xffff800000000000, false, true}, {0, 0x800000000000, true, true},
        {0, 0xfffffffffffffc, true, true},    {0, 0xfffffffffffffd, true, false},
        {0x7ffffffffff0, 0x10, false, false}, {0xffffffffffffff00, 0x200, false, true},
    };
    start();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        CODE("\x64\x01\x07"); /* add fs:[rdi], eax */
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RDI] = rows[i].offset;
        guest.cpu[0].seg[VMM_FS].base = rows[i].base;
        guest.cpu[0].reg[VMM_CR4] = rows[i].la57 ? 0x1020 : 0x20;
        guest.cpu[0].insn_bytes[0] = 0x64, guest.cpu[0].insn_bytes[1] = 1, guest.cpu[0].insn_bytes[2] = 7;
        guest.cpu[0].n_insn_bytes = 3;
        mmio(GUEST_DEVICE, true);
        if (rows[i].canonical) /* passes on to the walk, which finds nothing */
            cr_assert(CPU->inject.vector == 14 || CPU->inject.type == VMM_EVENT_NONE, "row %u", i);
        else
            expect_fault(13, 0);
    }
    guest.cpu[0].reg[VMM_CR4] = 0x20;
    CODE("\x36\x01\x07"); /* other segments' bases mean nothing; the stack segment's fault is its own */
    memcpy(guest.cpu[0].insn_bytes, "\x36\x01\x07", 3);
    guest.cpu[0].seg[VMM_SS].base = 0x123456789;
    CPU->gpr[VMM_RDI] = GUEST_DEVICE;
    CPU->rip = GUEST_CODE;
    t.n_seen = 0;
    mmio(GUEST_DEVICE, true);
    cr_assert(done() && t.n_seen == 2);
    memcpy(guest.cpu[0].insn_bytes, "\x01\x45\x00", 3); /* add [rbp], eax */
    CODE("\x01\x45\x00");
    CPU->gpr[VMM_RBP] = UINT64_C(1) << 60;
    CPU->rip = GUEST_CODE;
    mmio(GUEST_DEVICE, true);
    expect_fault(12, 0);
}

/* ---- instructions we do not know ---- */

Test(vmm_emulate, what_is_not_emulated) {
    static const struct {
        const char *code;
        unsigned n_code, vector;
    } rows[] = {
        {"\x0f\x01\x17", 3, 13}, /* lgdt [rdi]: known, not ours */
        {"\x0f\x6f\x07", 3, 13}, /* movq mm0, [rdi]: unknown to the decoder */
        {"\xf0\x8b\x07", 3, 6},  /* lock mov */
    };
    start();
    for (unsigned i = 0; i < 3; i++) {
        guest_code(rows[i].code, rows[i].n_code);
        CPU->rip = GUEST_CODE;
        CPU->gpr[VMM_RDI] = GUEST_DEVICE;
        mmio(GUEST_DEVICE, false);
        expect_fault(rows[i].vector, 0);
        cr_assert_eq(t.n_seen, 0);
    }
    cr_assert_not_null(strstr(guest.vmm.log, "0f 6f 07"));
}
