/* The AHCI mediator encrypts and decrypts in slices while interrupts wait: the largest commands there can be, what
 * comes in between, and what the guest sees meanwhile. That no exit does more than it may is checked at every access by
 * the bench itself. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "../../../libdevintercept/src/data/data.h"
#include "ahci_bench.h"

#define BIG            65536u /* sectors: what a count of 0 means */
#define RAM            (4u << 20)
#define ALL_INTERRUPTS 0xfdc000ffu
#define SPARE          1024u /* sectors behind, for others */
#define N_PARTS        (BIG / DATA_PART_SECTORS)

static struct bench *b;

static void start(uint32_t slice, unsigned pending, uint32_t n_sectors, unsigned auto_step) {
    static struct dvi_policy all;
    all = (struct dvi_policy){.n_ranges = 1, .range = {{0, UINT64_MAX, DVI_ENCRYPT, bench_policy.range[1].transform}}};
    b = calloc(1, sizeof *b);
    bench_set_up(b, &(struct bench_options){.seed = 11,
                                            .policy = &all,
                                            .auto_step = auto_step,
                                            .slice_sectors = slice,
                                            .pending = pending,
                                            .pool_bytes = 256 * VMM_PAGE_BYTES,
                                            .n_sectors = n_sectors});
    b->irq_driven = auto_step == 0;
}

static void tear_down(void) {
    bench_tear_down(b);
    free(b);
}

TestSuite(ahci_slices, .fini = tear_down);

/* ---- 32 MiB at once ---- */

/* In slot 0: all of the 4 MiB above 4 GiB, eight times over. */
static void issue_big(uint8_t opcode) {
    bool queued = opcode == W_READ_FPDMA || opcode == W_WRITE_FPDMA;
    bool write = opcode == W_WRITE_FPDMA || opcode == W_WRITE_DMA_EXT;
    struct bench_fis f = {.opcode = opcode, .device = W_DEV_LBA};
    struct bench_cmd *c = &b->port[0].cmd[0];
    for (uint32_t i = 0; i < BIG * 512 / RAM; i++) bench_write_prd(b, 0, 0, i, FAKE_HIGH_BASE, RAM);
    bench_write_fis(b, 0, 0, &f);
    bench_write_header(b, 0, 0, 5 | (write ? W_HDR_WRITE : 0), BIG * 512 / RAM);
    c->data = c->want_error = false;
    c->opcode = opcode;
    c->n_bytes = BIG * 512;
    c->n_prds = 0;
    c->arena = realloc(c->arena, BENCH_ARENA_BYTES);
    memcpy(c->arena, fake_dma(&b->f, bench_arena(0, 0), BENCH_ARENA_BYTES), BENCH_ARENA_BYTES);
    b->port[0].busy |= 1;
    if (queued) bench_pput(b, 0, W_SACT, 1);
    bench_pput(b, 0, W_CI, 1);
}

static uint8_t *new_data(void) {
    uint8_t *ram = fake_dma(&b->f, FAKE_HIGH_BASE, RAM);
    bench_fill(b, ram, RAM);
    return ram;
}

/* Others at the same time, on this port if they can be queued, and on the other. */
static void issue_others(bool queued) {
    for (unsigned i = 0; i < 6; i++) {
        if (queued) bench_issue(b, 0, 1 + i, i % 2 ? W_WRITE_FPDMA : W_READ_FPDMA, BIG + 150 * i, 140, 512);
        bench_issue(b, 1, 1 + i, i % 2 ? W_WRITE_DMA_EXT : W_READ_DMA_EXT, 150 * i, 140, 512);
    }
}

static void both_ways(uint32_t slice, unsigned pending, bool queued, unsigned auto_step) {
    start(slice, pending, BIG + SPARE, auto_step);
    uint8_t *ram = new_data();
    issue_big(queued ? W_WRITE_FPDMA : W_WRITE_DMA_EXT);
    issue_others(queued);
    bench_wait(b);
    for (uint32_t i = 0; i < BIG * 512 / RAM; i++) memcpy(b->port[0].plain + (size_t)i * RAM, ram, RAM);
    bench_check_idle(b);
    memset(ram, 0, RAM);
    issue_big(queued ? W_READ_FPDMA : W_READ_DMA_EXT);
    issue_others(queued);
    bench_wait(b);
    cr_expect_eq(memcmp(ram, b->port[0].plain, RAM), 0);
    cr_expect_geq(b->a.stats.parts, 2 * (N_PARTS - 1));
    cr_expect_eq(b->n_ok, (queued ? 2u : 1u) * 12 + 2);
    bench_check_idle(b);
}

Test(ahci_slices, the_largest_commands) { both_ways(97, 100, false, 0); }
Test(ahci_slices, the_largest_commands_polled) { both_ways(200, 100, false, 30); }
Test(ahci_slices, the_largest_commands_queued) { both_ways(97, 100, true, 0); }
Test(ahci_slices, the_largest_commands_in_large_slices) { both_ways(3 * DATA_PART_SECTORS, 100, true, 0); }
Test(ahci_slices, the_largest_commands_now_and_then) { both_ways(DVI_SLICE_MIN, 10, true, 0); }
Test(ahci_slices, the_largest_commands_undisturbed) { both_ways(DVI_SLICE_MIN, 0, true, 0); }

/* ---- and what comes in between ---- */

/* Every sector is what it was, or what was being written. */
static void accept_either(const uint8_t *ram) {
    struct bench_port *p = &b->port[0];
    uint8_t new[512], *old = malloc(512);
    for (uint32_t lba = 0; lba < BIG; lba++) {
        const uint8_t *raw = p->disk.data + (size_t)lba * 512, *data = ram + (size_t)lba * 512 % RAM;
        bench_encode(p->policy, lba, p->plain + (size_t)lba * 512, old, 1);
        bench_encode(p->policy, lba, data, new, 1);
        for (unsigned i = 0; i < 512; i++)
            cr_assert(raw[i] == old[i] || raw[i] == new[i], "sector %u is neither old nor new", lba);
        bench_decode(p->policy, lba, raw, p->plain + (size_t)lba * 512, 1);
    }
    free(old);
}

static void run_until(unsigned n_rounds) {
    for (unsigned i = 0; i < n_rounds && b->port[0].busy; i++) {
        (void)ahci_model_step(&b->m);
        if (b->m.irq) bench_interrupt(b);
    }
}

static void nothing_goes_on(uint32_t enabled) {
    cr_expect_eq(b->a.port[0].arrived, 0);
    cr_expect_eq(b->m.port[0].ie, enabled, "interrupts are the guest's");
}

Test(ahci_slices, an_error_in_between) {
    static const enum ahci_model_fault faults[] = {FAULT_TASK_FILE, FAULT_HALFWAY, FAULT_INTERFACE, FAULT_HOST_BUS};
    static const uint8_t opcodes[] = {W_WRITE_DMA_EXT, W_WRITE_FPDMA, W_READ_DMA_EXT, W_READ_FPDMA};
    start(50, 100, BIG + SPARE, 0);
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *ram = new_data();
        uint64_t failed = b->n_failed;
        b->port[0].maybe_error = true;
        ahci_model_fail(&b->m, 0, faults[i % 4], 1 + 7 * i);
        issue_big(opcodes[i / 2]);
        bench_wait(b);
        cr_expect_eq(b->n_failed, failed + 1);
        if (i < 4) accept_either(ram);
        nothing_goes_on(ALL_INTERRUPTS);
        bench_check_idle(b);
    }
    b->port[0].maybe_error = false;
    bench_do(b, 0, W_READ_DMA_EXT, 190, 250, 4096);
}

Test(ahci_slices, a_reset_in_between) {
    static const uint8_t opcodes[] = {W_WRITE_DMA_EXT, W_WRITE_FPDMA, W_READ_DMA_EXT, W_READ_FPDMA};
    uint8_t id[512];
    start(DVI_SLICE_MIN, 100, BIG + SPARE, 0);
    for (unsigned i = 0; i < 24; i++) {
        uint8_t *ram = new_data();
        issue_big(opcodes[i % 4]);
        run_until(5 + 17 * i);
        cr_assert(b->port[0].busy, "too late");
        if (i / 4 % 3 == 2) { /* of the whole controller */
            bench_put(b, W_GHC, W_GHC_AE | W_GHC_HR);
            while (bench_get(b, W_GHC) & W_GHC_HR) continue;
            cr_expect_eq(bench_pget(b, 0, W_PxIE), 0);
            cr_expect_eq(b->m.port[0].ie, 0, "a reset is a reset");
        }
        bench_recover(b, 0, i / 4 % 3 == 1);
        cr_expect_eq(b->a.pool.n_free, b->a.pool.n_pages);
        nothing_goes_on(i / 4 % 3 == 2 ? 0 : ALL_INTERRUPTS);
        if (i % 4 < 2) accept_either(ram);
        if (i / 4 % 3 == 2) {
            bench_put(b, W_GHC, W_GHC_AE | W_GHC_IE);
            bench_recover(b, 1, false);
            bench_start_ports(b, 0);
            bench_start_ports(b, 1);
            cr_assert(bench_identify(b, 1, id));
        }
        if (i / 4 % 3) cr_assert(bench_identify(b, 0, id));
        for (unsigned p = 0; p < BENCH_PORTS; p++) bench_pput(b, p, W_PxIE, UINT32_MAX);
        bench_check_idle(b);
    }
}

/* ---- what the guest sees ---- */

/* A read whose data has arrived, and of which a slice is decrypted. */
static void start_decrypting(void) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_issue(b, 0, 4, W_READ_DMA_EXT, 0, 200, 4096);
    ahci_model_settle(&b->m);
    cr_assert(b->m.irq && b->m.port[0].is & W_IS_DHRS);
    cr_assert_eq(bench_get(b, W_IS), 1);
    cr_assert_eq(b->a.port[0].arrived, 1u << 4);
}

Test(ahci_slices, the_interrupt_stays_until_all_is_decrypted) {
    start_decrypting();
    for (unsigned looks = 1; b->a.port[0].arrived; looks++) {
        cr_assert(b->m.irq, "still due");
        cr_assert_eq(b->a.stats.sectors_decrypted, looks * DVI_SLICE_MIN);
        cr_expect_eq(bench_pget(b, 0, W_TFD) & W_ST_BSY, W_ST_BSY);
        cr_expect_eq(b->a.stats.sectors_decrypted, ++looks * DVI_SLICE_MIN);
        bench_pput(b, 0, W_PxIS, UINT32_MAX);
        cr_expect_eq(b->a.stats.sectors_decrypted, ++looks * DVI_SLICE_MIN);
        bench_put(b, W_IS, UINT32_MAX);
        cr_expect_eq(bench_pget(b, 0, W_PxIS) & W_IS_DHRS, b->a.port[0].arrived ? 0 : W_IS_DHRS, "the end, or not");
    }
    cr_expect_eq(b->a.stats.sectors_decrypted, 200);
    bench_wait(b);
    cr_expect(!b->m.irq);
    cr_expect_eq(b->a.stats.parts, 0);
}

/* Acknowledgments of any width, and of other causes. */
Test(ahci_slices, acknowledging_meanwhile) {
    uint64_t is = BENCH_ABAR + W_PORT(0) + W_PxIS;
    start_decrypting();
    b->m.port[0].is |= W_IS_IFS;
    fake_guest_write(&b->f, is, 1, 0xff);
    cr_expect_eq(b->m.port[0].is, W_IS_IFS | W_IS_DHRS);
    fake_guest_write(&b->f, is, 2, 0xffff);
    cr_expect_eq(b->m.port[0].is, W_IS_IFS | W_IS_DHRS);
    fake_guest_write(&b->f, is + 3, 1, W_IS_IFS >> 24);
    cr_expect_eq(b->m.port[0].is, W_IS_DHRS);
    fake_guest_write(&b->f, BENCH_ABAR + W_IS, 1, 0xff);
    cr_expect(b->m.irq);
    bench_wait(b);
    fake_guest_write(&b->f, is, 1, 0xff);
    cr_expect_eq(b->m.port[0].is, 0);
}

/* Drivers whose ports have a message each do not write IS. */
Test(ahci_slices, acknowledging_asks_for_another_message) {
    start_decrypting();
    b->m.edges = b->m.messages = true;
    ahci_model_write(&b->m, W_IS, 4, UINT32_MAX);
    b->m.irq = false;
    bench_pput(b, 0, W_PxIS, UINT32_MAX);
    cr_expect(b->m.irq);
}

/* What has ended between the look at PxIS and its acknowledgment is noticed by then. */
Test(ahci_slices, an_end_between_look_and_acknowledgment) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_issue(b, 0, 4, W_READ_DMA_EXT, 0, 100, 4096);
    cr_expect_eq(bench_pget(b, 0, W_PxIS), 0);
    ahci_model_settle(&b->m);
    bench_pput(b, 0, W_PxIS, UINT32_MAX);
    cr_expect_eq(bench_pget(b, 0, W_CI), 1u << 4);
    cr_expect(b->m.irq);
    bench_wait(b);
    bench_check_idle(b);
}

/* Acknowledged before the mediator knew of it: nothing would make the guest look again. */
Test(ahci_slices, an_interrupt_that_was_acknowledged_early) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_issue(b, 0, 4, W_READ_DMA_EXT, 0, 100, 4096);
    bench_pput(b, 0, W_PxIS, UINT32_MAX);
    ahci_model_settle(&b->m);
    ahci_model_write(&b->m, W_PORT(0) + W_PxIS, 4, UINT32_MAX); /* as if it had ended in that very exit */
    ahci_model_write(&b->m, W_IS, 4, UINT32_MAX);
    cr_expect_eq(fake_guest_read(&b->f, BENCH_ABAR + W_PORT(0) + W_CI, 4), 0);
    cr_expect_eq(b->a.stats.sectors_decrypted, 100);
    bench_poll(b, 0);
    cr_expect_eq(b->n_ok, 1);
    bench_check_idle(b);
}

/* A driver that takes the bit of PxIS for the end of its command, and has interrupts off. */
Test(ahci_slices, polled_by_interrupt_status) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_pput(b, 0, W_PxIE, 0);
    bench_pput(b, 0, W_PxIS, UINT32_MAX);
    for (unsigned i = 0; i < 2; i++) {
        bench_issue(b, 0, 4, i ? W_READ_EXT : W_READ_DMA_EXT, 64, 200, 4096);
        while (!(bench_pget(b, 0, W_PxIS) & (i ? W_IS_PSS : W_IS_DHRS))) ahci_model_step(&b->m);
        cr_expect_eq(b->a.stats.sectors_decrypted, 200 * (i + 1));
        cr_expect_eq(bench_pget(b, 0, W_CI), 0);
        b->irq_driven = false;
        bench_wait(b);
        bench_pput(b, 0, W_PxIS, UINT32_MAX);
    }
    bench_check_idle(b);
}

/* Stopped with data that has arrived: nothing interrupts for what nobody will decrypt. */
Test(ahci_slices, a_port_that_does_not_stop) {
    start_decrypting();
    b->m.port[0].stuck_cr = true;
    bench_pput(b, 0, W_CMD, bench_pget(b, 0, W_CMD) & ~W_CMD_ST);
    bench_pput(b, 0, W_PxIS, UINT32_MAX);
    bench_put(b, W_IS, UINT32_MAX);
    cr_expect(!b->m.irq);
    nothing_goes_on(ALL_INTERRUPTS);
    b->m.port[0].stuck_cr = false;
    b->port[0].maybe_error = true;
    bench_recover(b, 0, false);
}

/* Two disks: the one whose port has nothing under way is not kept from writing by the other, which uses up the time. */
Test(ahci_slices, two_ports) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    for (unsigned s = 0; s < 8; s++) {
        bench_issue(b, 0, s, s % 2 ? W_WRITE_DMA_EXT : W_READ_DMA_EXT, 150 * s, 140, 4096);
        bench_issue(b, 1, s, s % 2 ? W_WRITE_DMA_EXT : W_READ_DMA_EXT, 150 * s, 140, 4096);
    }
    bench_wait(b);
    cr_expect_eq(b->n_ok, 16);
    bench_check_idle(b);
}

/* Drivers of old firmware take the FIS in memory for the end, look at PxTFD.ERR once, and stop the port. */
Test(ahci_slices, stopped_by_a_driver_that_has_seen_the_fis) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_pput(b, 0, W_PxIE, 0);
    uint8_t *fis = fake_dma(&b->f, bench_fis(0) + W_RFIS_D2H, 20);
    memset(fis, 0, 20);
    bench_issue(b, 0, 0, W_READ_DMA_EXT, 64, 200, 4096);
    while (fis[0] != W_FIS_D2H) ahci_model_step(&b->m);
    ahci_model_settle(&b->m);
    cr_assert_eq(bench_pget(b, 0, W_TFD) & W_ST_ERR, 0);
    uint64_t cmd = BENCH_ABAR + W_PORT(0) + W_CMD;
    fake_guest_write(&b->f, cmd, 4, fake_guest_read(&b->f, cmd, 4) & ~(uint32_t)W_CMD_ST);
    while (bench_pget(b, 0, W_CMD) & W_CMD_CR) continue;
    const struct bench_cmd *c = &b->port[0].cmd[0];
    const uint8_t *want = b->port[0].plain + 64 * 512;
    for (uint32_t i = 0; i < c->n_prds; want += c->pieces[i++].n_bytes)
        cr_assert_eq(memcmp(fake_dma(&b->f, c->pieces[i].addr, c->pieces[i].n_bytes), want, c->pieces[i].n_bytes), 0);
    b->port[0].busy = 0;
}

/* A handler that masks interrupts and leaves the rest to somebody who enables them again. */
Test(ahci_slices, interrupts_enabled_later) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_issue(b, 0, 4, W_READ_DMA_EXT, 0, 200, 4096);
    bench_pput(b, 0, W_PxIE, 0);
    bench_pput(b, 0, W_PxIS, UINT32_MAX);
    ahci_model_settle(&b->m);
    ahci_model_write(&b->m, W_PORT(0) + W_PxIS, 4, UINT32_MAX); /* as if it had ended in that very exit */
    ahci_model_write(&b->m, W_IS, 4, UINT32_MAX);
    cr_expect_eq(fake_guest_read(&b->f, BENCH_ABAR + W_PORT(0) + W_CI, 4), 0, "no interrupt would come");
    fake_guest_write(&b->f, BENCH_ABAR + W_PORT(0) + W_PxIE, 4, ALL_INTERRUPTS);
    bench_poll(b, 0);
    bench_check_idle(b);
}

/* By bytes, too; and whoever polls is not given more than a slice for it. */
Test(ahci_slices, some_interrupts_enabled) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_pput(b, 0, W_PxIE, 0);
    fake_guest_write(&b->f, BENCH_ABAR + W_PORT(0) + W_PxIE, 1, W_IS_DHRS); /* queued commands end with SDBS */
    for (unsigned i = 0; i < 8; i++) bench_issue(b, 0, i, W_READ_FPDMA, 250 * i, 240, 4096);
    ahci_model_settle(&b->m);
    cr_expect_eq(bench_pget(b, 0, W_SACT), 0xff);
    cr_expect_eq(b->a.stats.sectors_decrypted, DVI_SLICE_MIN);
    fake_guest_write(&b->f, BENCH_ABAR + W_PORT(0) + W_PxIE, 2, W_IS_SDBS | W_IS_DHRS);
    cr_expect_eq(b->a.stats.sectors_decrypted, 2 * DVI_SLICE_MIN);
    cr_expect(b->m.irq);
    bench_wait(b);
    bench_check_idle(b);
}

/* IS takes note of changes only, and the driver acknowledges in PxIS what it sees there: nothing. */
Test(ahci_slices, an_end_between_two_looks) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    b->m.edges = true;
    bench_issue(b, 0, 0, W_WRITE_DMA_EXT, 300, 8, 4096);
    ahci_model_settle(&b->m);
    cr_assert(b->m.irq);
    bench_issue(b, 0, 1, W_READ_DMA_EXT, 0, 200, 4096);
    bench_put(b, W_IS, bench_get(b, W_IS));
    ahci_model_settle(&b->m);
    bench_poll(b, 0);
    bench_wait(b);
    bench_check_idle(b);
}

/* What needs no decrypting does not wait for what does. */
Test(ahci_slices, a_write_behind_a_read) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_issue(b, 0, 0, W_READ_DMA_EXT, 0, 240, 4096);
    bench_issue(b, 0, 1, W_WRITE_DMA_EXT, 300, 8, 4096);
    ahci_model_settle(&b->m);
    cr_expect_eq(bench_pget(b, 0, W_CI), 1);
    bench_wait(b);
    bench_check_idle(b);
}

/* A write in memory, not issued yet. */
static void prepare_write(unsigned port, unsigned slot, uint64_t lba, uint32_t n) {
    struct bench_cmd *c = &b->port[port].cmd[slot];
    struct bench_fis f = {.opcode = W_WRITE_DMA_EXT, .device = W_DEV_LBA, .lba = lba, .count = (uint16_t)n};
    c->n_bytes = n * 512;
    bench_write_prdt(b, port, slot, n * 512, 4096);
    bench_write_fis(b, port, slot, &f);
    bench_write_header(b, port, slot, 5 | W_HDR_WRITE, c->n_prds);
}

/* Several at once: one is begun, on each port, and the rest follow as the first ones end; but not on a port that is
 * being stopped. */
Test(ahci_slices, writes_that_come_too_many) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    b->a.port[1].policy = b->a.port[0].policy;
    for (unsigned s = 0; s < 3; s++) prepare_write(0, s, 100 * s, 64), prepare_write(1, s, 100 * s, 64);
    bench_pput(b, 0, W_CI, 7);
    cr_expect_eq(b->a.port[0].late, 6);
    cr_expect_eq(b->m.port[0].ci, 1);
    bench_pput(b, 1, W_CI, 1);
    cr_expect(b->a.port[1].late == 0 && b->m.port[1].ci == 1, "its own exit, its own time");
    cr_expect_eq(b->a.waiting, 0);

    uint64_t before = b->a.stats.sectors_encrypted;
    for (unsigned i = 0; i < 100 && b->a.port[0].issued; i++) {
        ahci_model_settle(&b->m);
        (void)bench_pget(b, 0, W_CI);
    }
    cr_expect_eq(b->a.port[0].issued, 0);
    cr_expect_eq(b->a.stats.sectors_encrypted - before, 3 * 64 - DVI_SLICE_MIN);

    bench_pput(b, 0, W_CI, 7);
    before = b->a.stats.sectors_encrypted;
    bench_pput(b, 0, W_CMD, bench_pget(b, 0, W_CMD) & ~(uint32_t)W_CMD_ST);
    cr_expect_eq(b->a.stats.sectors_encrypted, before);
}

/* ERR stays in PxTFD over a stop and a start, until another command has ended. */
Test(ahci_slices, late_writes_after_an_old_error) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    b->port[0].maybe_error = true;
    ahci_model_fail(&b->m, 0, FAULT_TASK_FILE, 1);
    bench_issue(b, 0, 0, W_READ_DMA_EXT, 0, 8, 4096);
    bench_wait(b);
    b->port[0].maybe_error = false;
    b->m.port[0].tfd |= W_ST_ERR;
    for (unsigned s = 0; s < 3; s++) prepare_write(0, s, 100 * s, 64);
    bench_pput(b, 0, W_CI, 7);
    cr_assert_eq(b->a.port[0].late, 6);
    (void)bench_pget(b, 0, W_CI);
    cr_expect_eq(b->a.port[0].halted, 0);
    for (unsigned i = 0; i < 100 && b->a.port[0].issued; i++) {
        ahci_model_settle(&b->m);
        (void)bench_pget(b, 0, W_CI);
    }
    cr_expect_eq(b->a.port[0].issued, 0);
}

/* Reads that never end to come, and one write that takes more than a slice. */
Test(ahci_slices, a_write_among_reads) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_issue(b, 0, 0, W_WRITE_FPDMA, 3000, 40, 4096);
    unsigned n = 0;
    for (; (b->port[0].busy & 1) && n < 200; n++) {
        for (unsigned s = 1; s < 4; s++)
            if (!(b->port[0].busy >> s & 1)) bench_issue(b, 0, s, W_READ_FPDMA, 250 * s, 240, 4096);
        ahci_model_settle(&b->m);
        if (b->m.irq) bench_interrupt(b);
    }
    cr_expect_lt(n, 20, "%u rounds", n);
    bench_wait(b);
    bench_check_idle(b);
}

/* A driver that has seen the FIS in memory, and uses the slot again at once. */
Test(ahci_slices, a_slot_used_again_early) {
    start(DVI_SLICE_MIN, 100, 0, 0);
    bench_issue(b, 0, 0, W_READ_DMA_EXT, 64, 200, 4096);
    ahci_model_settle(&b->m);
    uint64_t n_writes = b->a.stats.writes;
    prepare_write(0, 0, 300, 8);
    fake_guest_write(&b->f, BENCH_ABAR + W_PORT(0) + W_CI, 4, 1);
    cr_expect_eq(b->a.stats.writes, n_writes + 1);
    cr_expect_eq(b->a.stats.sectors_decrypted, 200);
    cr_expect_eq(b->m.port[0].ci, 1);
    b->port[0].busy = 0;
}

/* Only the first look of a handler that works while an interrupt waits gets a whole slice. */
Test(ahci_slices, the_looks_of_a_handler_do_not_add_up) {
    start(96, 100, 0, 0);
    bench_issue(b, 0, 0, W_READ_DMA_EXT, 0, 250, 4096);
    ahci_model_settle(&b->m);
    cr_expect_eq(bench_get(b, W_IS), 1);
    cr_expect_eq(b->a.stats.sectors_decrypted, 96);
    cr_expect_eq(bench_pget(b, 0, W_PxIS), 0);
    bench_pput(b, 0, W_PxIS, 0);
    cr_expect_eq(bench_pget(b, 0, W_CI), 1);
    cr_expect_eq(b->a.stats.sectors_decrypted, 96 + 3 * DVI_SLICE_MIN);
    bench_wait(b);
    bench_check_idle(b);
}

/* ---- how long an exit may go on ---- */

static bool nobody(void *ctx) { return *(bool *)ctx; }

Test(ahci_slices_exit, who_waits) {
    bool pending = false;
    const struct dvi_host host = {.ctx = &pending, .slice_sectors = 90, .interrupt_pending = nobody};
    struct vmm_lock lock = {UINT32_MAX, UINT32_MAX}; /* tickets wrap */
    struct dvi_slice s = {.lock = &lock};

    cr_expect(!vmm_lock_is_held(&lock));
    vmm_lock(&lock);
    cr_expect(vmm_lock_is_held(&lock) && !vmm_lock_is_wanted(&lock));
    data_slice_begin(&host, &s, false);
    cr_expect(s.left == 90 && data_may_go_on(&host, &s));
    s.left = 0;
    cr_expect(data_may_go_on(&host, &s) && s.left == 90, "nobody waits");
    s.left = 0;
    pending = true;
    cr_expect(!data_may_go_on(&host, &s), "the guest does");
    pending = false;
    cr_expect(!data_may_go_on(&host, &s), "once is enough");

    data_slice_begin(&host, &s, false);
    cr_expect_eq(s.left, DVI_SLICE_MIN, "little, so soon after");
    s.left = 0;
    lock.next++;
    cr_expect(vmm_lock_is_wanted(&lock) && !data_may_go_on(&host, &s), "another processor waits");
    vmm_unlock(&lock);

    data_slice_begin(&host, &s, true);
    cr_expect_eq(s.left, DVI_SLICE_MIN, "it has waited");
    s.left = 0;
    cr_expect(!data_may_go_on(&host, &s));
    data_slice_begin(&host, &s, false);
    cr_expect_eq(s.left, DVI_SLICE_MIN, "nobody has asked since");
    s.left = 0;
    cr_expect(data_may_go_on(&host, &s) && s.left == 90);
    vmm_unlock(&lock);
    cr_expect(!vmm_lock_is_held(&lock));
    data_slice_begin(&host, &s, false);
    cr_expect_eq(s.left, 90);
}

Test(ahci_slices_exit, a_host_that_allows_nothing) {
    struct bench *x = calloc(1, sizeof *x);
    bench_set_up_machine(x, &(struct bench_options){.seed = 1});
    x->f.host.slice_sectors = DVI_SLICE_MIN - 1;
    cr_expect_eq(bench_init_mediator(x, DVI_AHCI_MIN_POOL), DVI_E_CONFIG);
    bench_tear_down(x);
    free(x);
}
