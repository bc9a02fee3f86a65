/* The AHCI mediator where its parts meet: drivers that look at one register only, functions that are reset behind its
 * back, ports that compete for bounce memory, and what is left of a command that was lost. */
#include <criterion/criterion.h>
#include <dvi/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include "ahci_bench.h"

static struct bench *b;

static void start(const struct bench_options *o) {
    b = calloc(1, sizeof *b);
    bench_set_up(b, o);
}

static void tear_down(void) {
    bench_tear_down(b);
    free(b);
}

TestSuite(ahci_edges, .fini = tear_down);

/* Both disks encrypted, and a pool of n pages. */
static void start_small(size_t n_pages, unsigned auto_step) {
    static struct dvi_policy all;
    all = (struct dvi_policy){.n_ranges = 1, .range = {{0, UINT64_MAX, DVI_ENCRYPT, bench_policy.range[1].transform}}};
    start(&(struct bench_options){
        .seed = 6, .policy = &all, .pool_bytes = n_pages * VMM_PAGE_BYTES, .auto_step = auto_step});
    b->port[1].policy = &all;
    bench_encode(&all, 0, b->port[1].plain, b->port[1].disk.data, BENCH_SECTORS);
    uint8_t id[512];
    cr_assert(bench_identify(b, 1, id));
}

/* Firmware's way: no interrupts, PxCI is not read, the command is taken as done when PxIS says so. */
static void polled_by_interrupt_status(uint8_t opcode, uint32_t done) {
    start_small(2, 0);
    struct bench_port *p = &b->port[0];
    bench_pput(b, 0, W_PxIE, 0);
    bench_pput(b, 0, W_PxIS, UINT32_MAX);
    bench_issue(b, 0, 4, opcode, 64, 200, 4096);
    unsigned looks = 0;
    while (!(bench_pget(b, 0, W_PxIS) & done)) {
        cr_assert_lt(++looks, 100000, "no end");
        ahci_model_step(&b->m);
        bench_check(b);
    }
    cr_expect_geq(b->a.stats.parts, 200 / 16, "in parts");
    memcpy(p->plain + 64 * 512, p->cmd[4].want, 200 * 512);
    uint8_t raw[512];
    for (uint64_t lba = 64; lba < 264; lba++) {
        bench_encode(p->policy, lba, p->plain + lba * 512, raw, 1);
        cr_assert_eq(memcmp(raw, p->disk.data + lba * 512, 512), 0, "sector %lu is not written yet", lba);
    }
    cr_expect_eq(bench_pget(b, 0, W_CI), 0);
    p->busy = 0;
    bench_check_idle(b);
}

Test(ahci_edges, polled_by_interrupt_status_dma) { polled_by_interrupt_status(W_WRITE_DMA_EXT, W_IS_DHRS); }
Test(ahci_edges, polled_by_interrupt_status_pio) { polled_by_interrupt_status(W_WRITE_EXT, W_IS_DHRS); }

/* One port holds all of the pool, the other has to wait: for its completion, or for its end. */
static void compete(bool kill) {
    start_small(2, 0);
    bench_issue(b, 1, 0, W_WRITE_DMA_EXT, 0, 16, 4096);
    cr_assert_eq(b->a.pool.n_free, 0);
    bench_issue(b, 0, 0, W_WRITE_DMA_EXT, 100, 16, 4096);
    cr_assert_eq(b->a.stats.waited, 1);
    cr_expect_eq(bench_pget(b, 0, W_CI), 1, "waiting looks like working");
    cr_expect_eq(b->m.port[0].ci, 0);
    if (kill) {
        b->port[1].maybe_error = true;
        bench_recover(b, 1, false);
    }
    bench_wait(b);
    cr_expect_eq(b->n_ok, 2 + !kill, "IDENTIFY DEVICE, and what could end well");
    bench_check_idle(b);
}

Test(ahci_edges, the_other_port_ends) { compete(false); }
Test(ahci_edges, the_other_port_is_stopped) { compete(true); }

/* Whoever waits is next, however small what comes later is. */
Test(ahci_edges, nobody_jumps_the_queue) {
    start_small(4, 0);
    bench_issue(b, 0, 0, W_WRITE_FPDMA, 0, 24, 4096);
    bench_issue(b, 0, 1, W_WRITE_FPDMA, 100, 32, 4096);
    bench_issue(b, 0, 2, W_WRITE_FPDMA, 200, 1, 512);
    cr_expect_eq(b->a.port[0].waiting, 1u << 1 | 1u << 2);
    bench_issue(b, 0, 3, W_READ_FPDMA, 300, 1, 512);
    cr_expect_eq(b->a.port[0].waiting, 1u << 1 | 1u << 2, "reads need no pool");
    bench_wait(b);
    cr_expect_eq(b->n_ok, 1 + 4);
    bench_check_idle(b);
}

/* Stopping a port with commands that wait: they are gone, and nobody waits for them. */
Test(ahci_edges, stopped_while_waiting) {
    start_small(1, 0);
    b->port[0].maybe_error = true;
    for (unsigned s = 0; s < 5; s++) bench_issue(b, 0, s, W_WRITE_FPDMA, 100 * s, 8, 4096);
    cr_assert_neq(b->a.waiting, 0);
    bench_recover(b, 0, false);
    cr_expect_eq(b->a.waiting, 0);
    bench_do(b, 0, W_WRITE_FPDMA, 50, 64, 4096);
    bench_check_idle(b);
}

/* ST is clear, CR is not: the device's empty PxCI does not mean that anything is complete, and ST has to wait. */
Test(ahci_edges, between_st_and_cr) {
    start_small(8, 0);
    for (unsigned s = 0; s < 4; s++) bench_issue(b, 0, s, W_WRITE_FPDMA, 100 * s, 8, 4096);
    b->m.port[0].stuck_cr = true;
    bench_pput(b, 0, W_CMD, W_CMD_FRE);
    uint64_t bad = b->a.stats.bad_registers;
    bench_pput(b, 0, W_CMD, W_CMD_FRE | W_CMD_ST);
    cr_expect_eq(bench_pget(b, 0, W_CMD) & W_CMD_ST, 0);
    cr_expect_eq(b->a.stats.bad_registers, bad + 1);
    static const unsigned looks[] = {W_CI, W_SACT, W_TFD, W_PxIS};
    for (unsigned i = 0; i < 4; i++) {
        bench_pget(b, 0, looks[i]);
        bench_get(b, W_IS);
        cr_expect_eq(b->a.pool.n_free, 4);
    }
    b->port[0].maybe_error = true;
    b->m.port[0].stuck_cr = false;
    bench_recover(b, 0, false);
    cr_expect_eq(b->a.pool.n_free, 8);
    bench_check_idle(b);
}

/* Some controllers clear the bit in PxCI of a command that failed. Were its next part issued, the guest would take what
 * is left of it for the whole. */
Test(ahci_edges, a_part_fails_and_its_bit_goes) {
    start_small(2, 0);
    b->port[0].maybe_error = true;
    ahci_model_fail(&b->m, 0, FAULT_TASK_FILE, 3);
    bench_issue(b, 0, 7, W_WRITE_DMA_EXT, 0, 200, 4096);
    while (!b->m.port[0].halted) {
        ahci_model_step(&b->m);
        if (!b->m.port[0].halted) bench_pget(b, 0, W_CI);
    }
    uint32_t moved = 16 * 512;
    memcpy(fake_dma(&b->f, b->a.port[0].bus.v + W_HEADER_BYTES * 7 + 4, 4), &moved, 4);
    b->m.port[0].ci = 0;
    cr_expect_eq(bench_pget(b, 0, W_CI), 1u << 7, "it has not ended");
    cr_expect_eq(b->m.port[0].ci, 0, "nor does it go on");
    bench_recover(b, 0, false);
    ahci_model_fail(&b->m, 0, FAULT_NONE, 0);
    b->port[0].maybe_error = false;
    bench_do(b, 0, W_WRITE_DMA_EXT, 0, 200, 4096);
    bench_check_idle(b);
}

/* The link was reset, which is reason enough, even if no status bit says that somebody else may answer. */
Test(ahci_edges, a_silent_link_reset) {
    start_small(2, 30);
    bench_pput(b, 0, W_CMD, W_CMD_FRE);
    while (bench_pget(b, 0, W_CMD) & W_CMD_CR) continue;
    bench_pput(b, 0, W_SCTL, 0x301);
    bench_pput(b, 0, W_SCTL, 0x300);
    b->m.port[0].serr = 0;
    bench_pput(b, 0, W_CMD, W_CMD_FRE | W_CMD_ST);
    b->port[0].identified = false;
    bench_do(b, 0, W_READ_DMA_EXT, 0, 8, 4096);
    cr_expect_eq(b->n_refused, 1);
    uint8_t id[512];
    cr_assert(bench_identify(b, 0, id));
    bench_do(b, 0, W_READ_DMA_EXT, 0, 8, 4096);
    bench_check_idle(b);
}

/* A function reset, or D3 and back: the device has forgotten all, the mediator was not asked. */
static void reset_function(void) {
    for (unsigned p = 0; p < BENCH_PORTS; p++) {
        struct ahci_model_port *m = &b->m.port[p];
        ahci_model_drop(m);
        m->clb = m->clbu = m->fb = m->fbu = m->cmd = m->ci = m->sact = m->ie = 0;
    }
    b->m.ghc = 0;
}

Test(ahci_edges, reset_behind_our_back) {
    for (unsigned round = 0; round < 3; round++) {
        if (round == 0) start_small(4, 0);
        b->port[0].maybe_error = true;
        if (round > 0) /* in mid-flight */
            for (unsigned s = 0; s < 4; s++) bench_issue(b, 0, s, W_WRITE_DMA_EXT, 100 * s, 20, 4096);
        reset_function();
        /* A hostile driver would go on as if nothing had happened: with a command list at 0. */
        if (round < 2)
            bench_pput(b, 0, W_CMD, W_CMD_FRE | W_CMD_ST);
        else
            bench_pput(b, 0, W_CMD, W_CMD_ST);
        cr_expect_eq(b->m.port[0].clb, b->a.port[0].bus.v);
        cr_expect_eq(b->a.pool.n_free, b->a.pool.n_pages);
        b->port[0].busy = 0;
        bench_put(b, W_GHC, W_GHC_AE | W_GHC_IE);
        for (unsigned p = 0; p < BENCH_PORTS; p++) {
            bench_pput(b, p, W_CMD, 0);
            while (bench_pget(b, p, W_CMD) & (W_CMD_CR | W_CMD_FR)) continue;
            bench_start_ports(b, p);
        }
        for (uint64_t lba = 0; lba < 400; lba++) /* what the lost writes did is not known to the driver either */
            bench_decode(b->port[0].policy, lba, b->port[0].disk.data + 512 * lba, b->port[0].plain + 512 * lba, 1);
        b->port[0].maybe_error = false;
        bench_do(b, 0, W_WRITE_DMA_EXT, 70, 50, 512);
        bench_do(b, 0, W_READ_DMA_EXT, 60, 90, 512);
        bench_check_idle(b);
    }
}

/* A controller that keeps PxCI over a stop must not find our old commands. */
Test(ahci_edges, nothing_is_left_in_the_slots) {
    start_small(8, 0);
    b->port[0].maybe_error = true;
    for (unsigned s = 0; s < 4; s++) bench_issue(b, 0, s, W_WRITE_DMA_EXT, 100 * s, 8, 4096);
    bench_recover(b, 0, false);
    for (unsigned s = 0; s < 4; s++) {
        const uint8_t *header = fake_dma(&b->f, b->a.port[0].bus.v + W_HEADER_BYTES * s, W_HEADER_BYTES);
        uint64_t table;
        memcpy(&table, header + 8, 8);
        const uint8_t *fis = fake_dma(&b->f, table, 20);
        cr_expect(header[2] == 0 && header[3] == 0, "descriptors in slot %u", s);
        cr_expect_eq(fis[2], W_NOP, "command %#x in slot %u", fis[2], s);
    }
    bench_check_idle(b);
}

Test(ahci_edges, a_range_without_its_key) {
    start_small(4, 30);
    struct dvi_policy keyless = {.n_ranges = 1, .range = {{10, 20, DVI_ENCRYPT, NULL}}};
    uint8_t id[512];
    b->port[0].policy = &keyless;
    cr_assert(bench_identify(b, 0, id));
    b->m.n_guest_bytes = b->m.n_region_bytes = 0;
    const struct bench_fis in = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA, .count = 1, .lba = 15};
    const struct bench_fis out = {.opcode = W_WRITE_DMA_EXT, .device = W_DEV_LBA, .count = 1, .lba = 15};
    cr_expect(!bench_simple(b, 0, &in, 0, 512));
    cr_expect(!bench_simple(b, 0, &out, W_HDR_WRITE, 512));
    cr_expect_eq(b->m.n_guest_bytes + b->m.n_region_bytes, 0);
}

/* AHCI 1.3.1, 2.4.2 "SATACR1": index and data in configuration space, behind the capability. */
Test(ahci_edges, index_and_data_in_configuration_space) {
    b = calloc(1, sizeof *b);
    bench_set_up_machine(b, &(struct bench_options){.seed = 9, .auto_step = 30});
    static const uint8_t caps[] = {0x01, 0x94, 0, 0, [0x14] = 0x12, 0x00, 0x10, 0, 0x0f, 0, 0, 0};
    b->fn->config[PCI_STATUS] |= (uint8_t)PCI_STATUS_CAPS;
    b->fn->config[PCI_CAP_PTR] = 0x80;
    memcpy(b->fn->config + 0x80, caps, sizeof caps);
    memset(b->fn->writable + 0x94, 0xff, 24);
    cr_assert_eq(bench_init_mediator(b, 4 * VMM_PAGE_BYTES), 0);
    for (unsigned at = 0x9c; at < 0xa4; at += 4) {
        fake_guest_pci_write(&b->f, b->fn->bdf, at, 4, 0x12345678);
        cr_expect_eq(fake_guest_pci_read(&b->f, b->fn->bdf, at, 4), UINT32_MAX);
        cr_expect_eq(b->fn->config[at], 0);
        fake_guest_pci_write(&b->f, b->fn->bdf, at + 3, 1, 0x77);
        cr_expect_eq(b->fn->config[at + 3], 0);
    }
    fake_guest_pci_write(&b->f, b->fn->bdf, 0xa4, 4, 0x12345678);
    cr_expect_eq(fake_guest_pci_read(&b->f, b->fn->bdf, 0xa4, 4), 0x12345678);
}
