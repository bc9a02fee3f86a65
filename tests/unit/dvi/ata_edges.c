/* The ATA mediator where things are interrupted or wrong: resets under way, stopped bus masters, odd accesses to ports,
 * ports that move, and controllers it does not take. */
#include <criterion/criterion.h>
#include <dvi/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include "ata_bench.h"

static struct bench *b;
static const struct bench_manner by_irq = {.look = LOOK_IRQ}, polled = {.look = LOOK_STATUS};

static void start(const struct bench_options *o) {
    b = calloc(1, sizeof *b);
    bench_set_up(b, o);
}

static void set_up(void) { start(&(struct bench_options){.seed = 6, .policy = &bench_policy}); }

static void tear_down(void) {
    bench_tear_down(b);
    free(b);
}

TestSuite(ata_edges, .init = set_up, .fini = tear_down);
TestSuite(ata_edges_own, .fini = tear_down); /* set up in their own way */

/* Both channels work, on encrypted and clear sectors, by PIO and DMA. */
static void check_works(void) {
    for (unsigned d = 0; d < BENCH_DEVICES; d++) {
        if (!b->dev[d].plain) continue;
        bench_do(b, d, W_WRITE, 98, 5, &by_irq);
        bench_do(b, d, W_READ_EXT, 97, 7, &polled);
        bench_do(b, d, W_WRITE_DMA, 4090, 20, &by_irq);
        bench_do(b, d, W_READ_DMA_EXT, 3000, 600, &by_irq);
    }
    bench_check_idle(b);
}

static uint32_t config(unsigned offset, unsigned n) { return fake_guest_pci_read(&b->f, ATA_MODEL_BDF, offset, n); }
static void set_config(unsigned offset, unsigned n, uint32_t v) {
    fake_guest_pci_write(&b->f, ATA_MODEL_BDF, offset, n, v);
    bench_check(b);
}

/* --- interrupted commands --- */

/* A software reset after n things have happened, on either kind of sector. */
static void reset_under_way(uint8_t opcode, uint64_t lba, uint32_t n_steps) {
    const struct bench_manner m = {.look = LOOK_STATUS, .max_bytes = 300, .min_piece = 300};
    bench_issue(b, 0, opcode, lba, 12, &m);
    for (uint32_t i = 0; i < n_steps && b->cmd[0].busy; i++) {
        ata_model_step(&b->m);
        bench_poll(b, 0);
    }
    b->dev[0].maybe_error = true;
    bench_recover(b, 0);
    b->dev[0].maybe_error = false;
    bench_do(b, 0, W_READ, lba, 12, &by_irq);
    bench_do(b, 1, W_READ_DMA, lba, 12, &by_irq);
}

Test(ata_edges, software_reset_under_way) {
    static const uint8_t opcodes[] = {W_READ, W_WRITE, W_READ_MULTI, W_WRITE_MULTI, W_READ_DMA, W_WRITE_DMA};
    for (unsigned i = 0; i < sizeof opcodes; i++)
        for (uint32_t n = 0; n < 40; n += n < 8 ? 1 : 5) {
            reset_under_way(opcodes[i], 40, n);
            reset_under_way(opcodes[i], 140, n);
            reset_under_way(opcodes[i], 94, n);
        }
    cr_expect_geq(b->m.n_resets, 2 * 6 * 14 * 3);
    check_works();
}

/* Between two parts of a long command. */
Test(ata_edges, software_reset_between_parts) {
    for (uint32_t n = 1; n < 60; n += 3) {
        bench_issue(b, 0, n & 1 ? W_WRITE_DMA_EXT : W_READ_DMA_EXT, 200, 1800, &by_irq);
        for (uint32_t i = 0; i < n; i++) ata_model_step(&b->m), bench_poll(b, 0);
        b->dev[0].maybe_error = true;
        if (b->cmd[0].busy) bench_recover(b, 0);
        b->dev[0].maybe_error = false;
    }
    check_works();
}

/* The guest takes its bus master away, and comes back with another table: that must not be used for what is left of the
 * command. */
static void stop_and_start(uint8_t opcode, uint64_t lba) {
    bool in = bench_proto_of(opcode) == BENCH_DMA_IN;
    struct bench_cmd *c = &b->cmd[0];
    uint8_t run = (uint8_t)((in ? W_BM_TO_MEM : 0) | W_BM_START);
    bench_issue(b, 0, opcode, lba, 64, &(struct bench_manner){.min_piece = 64});
    while (b->m.ch[0].n_bm_bytes == 0) ata_model_step(&b->m);
    bench_bm_out(b, 0, P_BM_CMD, run & W_BM_TO_MEM);
    uint64_t moved = b->m.ch[0].n_bm_bytes;
    cr_assert_lt(moved, 64 * 512);
    ata_model_settle(&b->m);
    cr_expect_eq(b->m.ch[0].n_bm_bytes, moved, "stopped");
    cr_expect_eq(bench_bm_in(b, 0, P_BM_STATUS) & W_BM_ACTIVE, 0);
    memset(fake_dma(&b->f, BENCH_ARENA(0), c->n_arena), 0x5a, c->n_arena);
    memset(c->arena, 0x5a, c->n_arena);
    bench_bm_out(b, 0, P_BM_CMD, run);
    for (unsigned i = 0; i < 200; i++) ata_model_step(&b->m), bench_alt_status(b, 0);
    cr_expect_eq(b->m.ch[0].n_bm_bytes, moved, "nothing is in progress that it could be started for");
    b->dev[0].maybe_error = true;
    bench_recover(b, 0);
    b->dev[0].maybe_error = false;
    b->m.ch[0].n_bm_bytes = 0;
}

Test(ata_edges, the_bus_master_is_stopped) {
    stop_and_start(W_READ_DMA, 200);
    stop_and_start(W_WRITE_DMA, 200);
    stop_and_start(W_READ_DMA, 10);
    stop_and_start(W_WRITE_DMA_EXT, 10);
    check_works();
}

/* A table of one piece less than the command needs, found out after the first part. */
Test(ata_edges, a_table_too_short_for_the_second_part) {
    bench_issue(b, 0, W_READ_DMA_EXT, 200, 1000, &(struct bench_manner){.look = LOOK_STATUS});
    struct bench_cmd *c = &b->cmd[0];
    c->busy = false;
    c->want_error = true;
    b->m.n_bad_registers = 0;
    bench_recover(b, 0);
    uint32_t at = BENCH_TABLE(0);
    for (uint32_t i = 0; i < 5; i++) bench_write_prd(b, at + 8 * i, BENCH_ARENA(0) + 0x10000 * i, 0, i == 4);
    const struct bench_regs r = bench_sector_regs(b, 0, W_READ_DMA_EXT, 200, 1000, false);
    bench_control(b, 0, 0);
    bench_bm_prdt(b, 0, at);
    bench_write_regs(b, 0, &r);
    bench_out(b, 0, P_COMMAND, r.opcode);
    bench_bm_out(b, 0, P_BM_CMD, W_BM_TO_MEM | W_BM_START);
    for (unsigned i = 0; i < 300; i++) ata_model_step(&b->m), bench_bm_in(b, 0, P_BM_STATUS);
    cr_expect_eq(bench_in(b, 0, P_STATUS) & (W_ST_BSY | W_ST_DRQ | W_ST_ERR), W_ST_ERR);
    cr_expect_eq(bench_in(b, 0, P_ERROR), W_ER_ABRT);
    bench_bm_out(b, 0, P_BM_CMD, 0);
    check_works();
}

/* A packet device, 1, is reset in the middle of its data; a disk, 0, aborts what it does not know. */
Test(ata_edges_own, device_reset) {
    const struct bench_regs packet = {.opcode = W_PACKET, .lba = 512u << 8};
    start(&(struct bench_options){.seed = 7, .policy = &bench_policy, .atapi = 1u << 1});
    bench_write_regs(b, 1, &packet);
    bench_out(b, 0, P_COMMAND, W_PACKET);
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, W_ST_DRQ);
    for (unsigned i = 0; i < 6; i++) bench_data_out(b, 0, 2, i == 0 ? 0x28 : 0);
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, W_ST_DRQ);
    for (unsigned i = 0; i < 100; i++) bench_data_in(b, 0, 2);
    bench_out(b, 0, P_COMMAND, W_DEVICE_RESET);
    cr_expect(bench_alt_status(b, 0) & W_ST_BSY);
    ata_model_settle(&b->m);
    cr_expect_eq(bench_in(b, 0, P_STATUS), 0);
    cr_expect_eq(bench_in(b, 0, P_LBA2), 0xeb);
    check_works();
    for (unsigned i = 0; i < 2; i++) {
        bench_issue(b, 0, i ? W_WRITE : W_READ, 300, 4, &(struct bench_manner){.max_bytes = 100});
        for (unsigned k = 0; k < 5; k++) ata_model_step(&b->m), bench_poll(b, 0);
        bench_out(b, 0, P_COMMAND, W_DEVICE_RESET);
        b->dev[0].maybe_error = true;
        bench_recover(b, 0);
        b->dev[0].maybe_error = false;
        check_works();
    }
}

/* What the device does in mid-command is not disturbed by writes to its registers. */
Test(ata_edges, registers_are_locked_under_way) {
    struct bench_cmd *c = &b->cmd[0];
    bench_issue(b, 0, W_WRITE, 300, 2, &(struct bench_manner){.look = LOOK_STATUS, .max_bytes = 100});
    uint64_t n = b->m.n_commands;
    while (c->busy) {
        bench_out(b, 0, P_LBA0, (uint8_t)c->moved);
        bench_out(b, 0, P_DEVICE, c->moved & 4 ? 0xf0 : 0xe0);
        bench_out(b, 0, P_COMMAND, W_READ);
        ata_model_step(&b->m);
        if (bench_poll(b, 0)) break;
    }
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, 0);
    cr_expect_geq(b->m.n_commands, n);
    cr_expect_gt(dvi_ata_stats(&b->a).bad_registers, 5);
    bench_check_idle(b);
}

/* --- ports --- */

Test(ata_edges, wrong_widths) {
    const uint16_t cmd = b->cmd_port[0], ctl = b->ctl_port[0], bm = b->bm_port[0];
    bench_out(b, 0, P_COUNT, 0x12), bench_out(b, 0, P_LBA0, 0x34), bench_out(b, 0, P_LBA1, 0x56);
    uint64_t n = b->m.n_commands;
    for (unsigned width = 2; width <= 4; width += 2)
        for (int at = -3; at < 8; at++) {
            if (at == P_DATA) continue;
            uint16_t port = (uint16_t)(cmd + at);
            uint32_t ones = width == 2 ? 0xffff : UINT32_MAX;
            if (at + (int)width <= 0) continue;
            fake_guest_out(&b->f, port, width, 0xecececec);
            cr_expect_eq(fake_guest_in(&b->f, port, width), ones, "%u bytes at %#x", width, port);
            bench_check(b);
        }
    for (int at = -3; at <= 0; at++) fake_guest_out(&b->f, (uint16_t)(ctl + at), 4, 0x04040404), bench_check(b);
    cr_expect_eq(fake_guest_in(&b->f, ctl, 2), 0xffff);
    cr_expect_eq(b->m.n_commands, n);
    cr_expect_eq(b->m.n_resets, 4, "only those of the beginning");
    cr_expect_eq(bench_in(b, 0, P_COUNT), 0x12);
    cr_expect_eq(bench_in(b, 0, P_LBA0), 0x34);
    cr_expect_eq(bench_in(b, 0, P_LBA1), 0x56);
    fake_guest_out(&b->f, (uint16_t)(bm - 2), 4, 0x00090009);
    fake_guest_out(&b->f, (uint16_t)(bm + 14), 4, 0xffffffff);
    fake_guest_out(&b->f, (uint16_t)(bm + 5), 4, 0xffffffff);
    bench_check(b);
    cr_expect_eq(b->m.ch[0].n_started, 0);
    check_works();
}

Test(ata_edges, bus_master_registers) {
    const uint16_t bm = b->bm_port[1];
    fake_guest_out(&b->f, (uint16_t)(bm + P_BM_PRDT), 4, 0x12345677);
    cr_expect_eq(fake_guest_in(&b->f, (uint16_t)(bm + P_BM_PRDT), 4), 0x12345674);
    fake_guest_out(&b->f, (uint16_t)(bm + P_BM_PRDT + 2), 2, 0xabcd);
    cr_expect_eq(fake_guest_in(&b->f, (uint16_t)(bm + P_BM_PRDT), 4), 0xabcd5674);
    fake_guest_out(&b->f, (uint16_t)(bm + P_BM_PRDT + 1), 1, 0x00);
    cr_expect_eq(fake_guest_in(&b->f, (uint16_t)(bm + P_BM_PRDT), 2), 0x0074);
    cr_expect_eq(bench_bm_in(b, 1, P_BM_STATUS), W_BM_CAPABLE | (b->m.ch[1].bm_status & W_BM_IRQ));
    bench_bm_out(b, 1, P_BM_STATUS, 0x20 | W_BM_IRQ);
    cr_expect_eq(bench_bm_in(b, 1, P_BM_STATUS), 0x20, "drive capabilities are the guest's");
    bench_bm_out(b, 1, P_BM_CMD, W_BM_TO_MEM);
    cr_expect_eq(fake_guest_in(&b->f, bm, 4) & 0xff00ff, 0x200000 | W_BM_TO_MEM);
    check_works();
}

/* The bus master started for nothing, with any table: it must not reach the device. */
Test(ata_edges, started_for_nothing) {
    bench_bm_prdt(b, 0, FAKE_REGION_BASE);
    bench_bm_out(b, 0, P_BM_CMD, W_BM_START);
    cr_expect_eq(bench_bm_in(b, 0, P_BM_CMD), W_BM_START);
    bench_out(b, 0, P_DEVICE, 0xe0);
    bench_out(b, 0, P_COMMAND, W_FLUSH);
    ata_model_settle(&b->m);
    cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY);
    cr_expect_eq(b->m.ch[0].n_started, 0);
    bench_bm_out(b, 0, P_BM_CMD, 0);
    check_works();
}

/* --- configuration space --- */

Test(ata_edges, command_register) {
    set_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BM);
    cr_expect_eq(config(PCI_COMMAND, 2), PCI_COMMAND_IO | PCI_COMMAND_BM, "no memory space");
    set_config(PCI_COMMAND, 4, PCI_COMMAND_BM);
    cr_expect_eq(config(PCI_COMMAND, 2), PCI_COMMAND_BM);
    cr_expect_eq(bench_in(b, 0, P_STATUS), 0xff, "nobody is there");
    bench_out(b, 0, P_COMMAND, W_FLUSH);
    set_config(PCI_COMMAND, 1, PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BM);
    cr_expect_eq(config(PCI_COMMAND, 1), PCI_COMMAND_IO | PCI_COMMAND_BM);
    check_works();
}

Test(ata_edges, the_operating_mode_stays) {
    uint32_t class_revision = config(PCI_REVISION_ID, 4);
    set_config(PCI_CLASS_CODE, 1, 0x8f);
    set_config(PCI_REVISION_ID, 4, 0x01018f00);
    set_config(PCI_REVISION_ID, 2, 0x8f00);
    cr_expect_eq(config(PCI_REVISION_ID, 4), class_revision);
    check_works();
}

static void start_native(void) { start(&(struct bench_options){.seed = 8, .policy = &bench_policy, .native = true}); }

/* Move a BAR, and what the driver knows of it. */
static void move_bar(unsigned bar, uint32_t base) {
    set_config(PCI_BAR(bar), 4, base);
    if (bar == 4)
        for (unsigned c = 0; c < 2; c++) b->bm_port[c] = (uint16_t)(base + P_BM_CHANNEL * c);
    else
        *(bar & 1 ? &b->ctl_port[bar / 2] : &b->cmd_port[bar / 2]) = (uint16_t)(base + (bar & 1 ? P_CONTROL : 0));
}

Test(ata_edges_own, ports_move) {
    start_native();
    check_works();
    uint16_t old = b->cmd_port[0];
    for (unsigned bar = 0; bar < 5; bar++) {
        move_bar(bar, 0x5000 + 0x40 * bar);
        cr_expect_eq(config(PCI_BAR(bar), 4), (0x5000 + 0x40 * bar) | PCI_BAR_IO);
        check_works();
    }
    cr_expect_eq(fake_guest_in(&b->f, old, 1), 0xff, "nobody is left there");
    move_bar(0, old);
    move_bar(2, 0x5000); /* where another was */
    set_config(PCI_COMMAND, 2, 0);
    move_bar(4, 0x6000); /* while decoding is off */
    set_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BM);
    check_works();
}

Test(ata_edges_own, ports_that_cannot_be_trapped) {
    start_native();
    b->f.untrappable_port = 0xcfc;
    set_config(PCI_BAR(0), 4, 0xcf8);
    cr_expect_eq(config(PCI_COMMAND, 2) & PCI_COMMAND_IO, 0, "switched off");
    set_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BM);
    cr_expect_eq(config(PCI_COMMAND, 2) & PCI_COMMAND_IO, 0);
    move_bar(0, 0x5000);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BM);
    check_works();
    set_config(PCI_BAR(4), 4, 0x12345670); /* where there are no ports */
    set_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BM);
    cr_expect_eq(config(PCI_COMMAND, 2) & PCI_COMMAND_IO, 0);
    move_bar(4, 0x6000);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BM);
    check_works();
}

Test(ata_edges_own, bars_are_sized) {
    static const uint32_t sizes[] = {8, 4, 8, 4, 16};
    start_native();
    for (unsigned bar = 0; bar < 5; bar++) {
        uint32_t was = config(PCI_BAR(bar), 4);
        set_config(PCI_BAR(bar), 4, UINT32_MAX);
        cr_expect_eq(config(PCI_BAR(bar), 4), ~(sizes[bar] - 1) | PCI_BAR_IO);
        bench_in(b, bar / 2 % 2, P_STATUS); /* it still is where it was, trapped */
        set_config(PCI_BAR(bar), 4, was);
        cr_expect_eq(config(PCI_BAR(bar), 4), was);
    }
    check_works();
}

/* --- controllers and their devices --- */

static void with_absent(unsigned absent) {
    start(&(struct bench_options){.seed = 9, .policy = &bench_policy, .absent = absent, .auto_step = 30});
    unsigned n = 0;
    for (unsigned i = 0; i < BENCH_DEVICES; i++) n += !(absent >> i & 1);
    cr_expect_eq(b->n_policy_calls, n);
    check_works();
}

Test(ata_edges_own, one_disk) { with_absent(0xe); }
Test(ata_edges_own, the_second_disk_only) { with_absent(0xd); }
Test(ata_edges_own, second_channel_only) { with_absent(0x3); }
Test(ata_edges_own, no_disks) { with_absent(0xf); }

/* As it was found, when it cannot be taken. */
static void init_fails(int error) {
    uint8_t was[256];
    memcpy(was, b->fn->config, sizeof was);
    cr_expect_eq(bench_init_mediator(b), error);
    cr_expect_eq(memcmp(was, b->fn->config, sizeof was), 0);
}

static void start_without(bool native) {
    b = calloc(1, sizeof *b);
    bench_set_up_machine(b, &(struct bench_options){.seed = 10, .policy = &bench_policy, .native = native});
}

Test(ata_edges_own, no_ports) {
    start_without(true);
    memset(b->fn->config + PCI_BAR(2), 0, 4);
    memset(b->fn->writable + PCI_BAR(2), 0, 4);
    init_fails(DVI_E_CONFIG);
}

Test(ata_edges_own, ports_that_are_trapped_already) {
    start_without(false);
    b->f.untrappable_port = 0x376;
    init_fails(DVI_E_RANGE);
}

Test(ata_edges_own, no_memory) {
    start_without(false);
    b->f.region_used = FAKE_REGION_BYTES;
    init_fails(DVI_E_NOMEM);
}

Test(ata_edges_own, a_command_that_does_not_end) {
    start_without(false);
    b->m.auto_step = 0;
    ata_model_fail(&b->m, 2, ATA_FAULT_BUSY, 1);
    b->bare = true;
    bench_out(b, 1, P_DEVICE, 0xa0);
    bench_out(b, 1, P_COMMAND, W_FLUSH);
    b->bare = false;
    init_fails(DVI_E_DEVICE);
    cr_expect_lt(b->f.now_us, 20000000);
}

Test(ata_edges_own, a_disk_that_does_not_answer) {
    start_without(false);
    ata_model_fail(&b->m, 0, ATA_FAULT_ABORT, 1);
    cr_assert_eq(bench_init_mediator(b), 0);
    cr_expect_eq(b->n_policy_calls, 3);
    uint8_t raw[512];
    const struct bench_regs r = bench_sector_regs(b, 0, W_READ, 10, 1, false);
    cr_expect(!bench_simple(b, 0, &r, BENCH_PIO_IN, raw, 512, NULL), "nobody knows what holds for it");
    cr_assert(bench_identify(b, 0, raw));
    cr_expect_eq(b->n_policy_calls, 4, "until it is known");
    check_works();
}

Test(ata_edges_own, given_back) {
    start_without(false);
    set_config(PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BM);
    memcpy(b->fn->config + PCI_COMMAND, &(uint16_t){PCI_COMMAND_MEM | PCI_COMMAND_BM}, 2);
    cr_assert_eq(bench_init_mediator(b), 0, "I/O space may be off");
    cr_expect_eq(config(PCI_COMMAND, 2), PCI_COMMAND_BM);
    dvi_ata_release(&b->a);
    uint16_t now;
    memcpy(&now, b->fn->config + PCI_COMMAND, 2);
    cr_expect_eq(now, PCI_COMMAND_MEM | PCI_COMMAND_BM);
    memset(b->fn->config + PCI_COMMAND, 0, 2);
    dvi_ata_release(&b->a);
    cr_expect_eq(b->fn->config[PCI_COMMAND], 0, "once");
    static struct dvi_ata nothing;
    dvi_ata_release(&nothing);
}
