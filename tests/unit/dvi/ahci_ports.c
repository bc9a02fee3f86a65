/* The AHCI mediator around the commands: taking over from firmware, registers, resets, hot plug, and the BAR. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <dvi/pci_regs.h>
#include "ahci_bench.h"

static struct bench *b;
#define POOL (8 * VMM_PAGE_BYTES)

static void start(const struct bench_options *o) {
    b = calloc(1, sizeof *b);
    bench_set_up(b, o);
}

static void set_up(void) {
    start(&(struct bench_options){.seed = 3, .policy = &bench_policy, .pool_bytes = POOL, .auto_step = 30});
}

/* A machine that no mediator has seen yet. */
static void machine(bool firmware_running) {
    b = calloc(1, sizeof *b);
    bench_set_up_machine(
        b, &(struct bench_options){.seed = 7, .policy = &bench_policy, .firmware_running = firmware_running});
}

static void tear_down(void) {
    bench_tear_down(b);
    free(b);
}

TestSuite(ahci_ports, .init = set_up, .fini = tear_down);
TestSuite(ahci_ports_own, .fini = tear_down); /* set up in their own way */

/* --- taking over --- */

Test(ahci_ports_own, takes_over_running_ports) {
    machine(true);
    ahci_model_write(&b->m, W_GHC, 4, W_GHC_AE | W_GHC_IE); /* a careless firmware */
    for (unsigned p = 0; p < BENCH_PORTS; p++) {
        ahci_model_write(&b->m, W_PORT(p) + W_PxIE, 4, UINT32_MAX);
        ahci_model_write(&b->m, W_PORT(p) + W_SERR, 4, UINT32_MAX);
        ahci_model_write(&b->m, W_PORT(p) + W_PxIS, 4, UINT32_MAX);
    }
    ahci_model_write(&b->m, W_IS, 4, UINT32_MAX);
    uint32_t cmd = (uint32_t)ahci_model_read(&b->m, W_PORT(0) + W_CMD, 4);
    unsigned irqs = b->m.n_irqs;
    uint8_t fis[W_RFIS_BYTES];
    memset(fake_dma(&b->f, bench_fis(0), sizeof fis), 0x77, sizeof fis);
    cr_assert_eq(bench_init_mediator(b, POOL), 0);
    b->m.auto_step = 30;

    cr_expect_eq(b->n_policy_calls, BENCH_PORTS);
    cr_expect_eq(b->m.n_irqs, irqs, "no interrupt of our making");
    cr_expect_eq(bench_get(b, W_GHC), W_GHC_AE | W_GHC_IE);
    cr_expect_eq(bench_get(b, W_IS) & 3, 0);
    for (unsigned p = 0; p < BENCH_PORTS; p++) {
        cr_expect_eq(bench_pget(b, p, W_CLB), bench_list(p));
        cr_expect_eq(bench_pget(b, p, W_FB), bench_fis(p));
        cr_expect_eq(b->m.port[p].fb, bench_fis(p), "given back to the guest");
        cr_expect_neq(b->m.port[p].clb, bench_list(p), "ours");
        cr_expect_eq(bench_pget(b, p, W_CMD), cmd);
        cr_expect_eq(bench_pget(b, p, W_PxIS), 0);
        cr_expect_eq(bench_pget(b, p, W_PxIE), 0xfdc000ff);
    }
    memset(fis, 0x77, sizeof fis);
    cr_expect_eq(memcmp(fake_dma(&b->f, bench_fis(0), sizeof fis), fis, sizeof fis), 0, "not with our IDENTIFY");
    bench_do(b, 0, W_WRITE_DMA_EXT, 150, 20, 4096);
    bench_do(b, 0, W_READ_DMA_EXT, 140, 40, 512);
    bench_check_idle(b);
}

Test(ahci_ports_own, takes_over_idle_ports) {
    machine(false);
    uint32_t cmd = (uint32_t)ahci_model_read(&b->m, W_PORT(0) + W_CMD, 4);
    cr_assert_eq(bench_init_mediator(b, POOL), 0);
    cr_expect_eq(b->n_policy_calls, BENCH_PORTS);
    cr_expect_eq(bench_pget(b, 0, W_CMD), cmd, "left as it was");
    cr_expect_eq(bench_pget(b, 0, W_CLB), 0);
    cr_expect_eq(b->m.irq, false);
}

Test(ahci_ports_own, a_port_that_does_not_stop) {
    machine(true);
    b->m.port[1].stuck_cr = true;
    cr_expect_eq(bench_init_mediator(b, POOL), DVI_E_DEVICE);
}

/* The disk says nothing: its user data stays out of reach until it has said who it is. */
Test(ahci_ports_own, a_disk_that_does_not_answer) {
    machine(true);
    ahci_model_fail(&b->m, 0, FAULT_SILENT, 1);
    b->f.us_per_look = 1000;
    cr_assert_eq(bench_init_mediator(b, POOL), 0);
    b->m.auto_step = 30;
    b->port[0].identified = false;
    bench_do(b, 0, W_READ_DMA_EXT, 200, 1, 512);
    cr_expect_eq(b->n_refused, 1);
    bench_do(b, 1, W_READ_DMA_EXT, 200, 1, 512);
    uint8_t id[512];
    cr_assert(bench_identify(b, 0, id));
    bench_do(b, 0, W_READ_DMA_EXT, 200, 1, 512);
    cr_expect_eq(b->n_ok, 3);
    bench_check_idle(b);
}

Test(ahci_ports_own, what_init_refuses) {
    machine(true);
    cr_expect_eq(bench_init_mediator(b, 0), DVI_E_CONFIG);
    cr_expect_eq(bench_init_mediator(b, 100), DVI_E_CONFIG);
    cr_expect_eq(bench_init_mediator(b, DVI_AHCI_MAX_POOL + VMM_PAGE_BYTES), DVI_E_CONFIG);
    uint64_t used = b->f.region_used;
    b->f.region_used = FAKE_REGION_BYTES;
    cr_expect_eq(bench_init_mediator(b, POOL), DVI_E_NOMEM);
    b->f.region_used = used;
    b->f.untrappable_base = BENCH_ABAR;
    cr_expect_lt(bench_init_mediator(b, POOL), 0);
    b->f.untrappable_base = 0;
    memset(b->fn->config + 0x24, 0, 4);
    memset(b->fn->writable + 0x24, 0, 4);
    cr_expect_eq(bench_init_mediator(b, POOL), DVI_E_CONFIG, "no ABAR");
}

/* --- giving back --- */

struct snapshot {
    uint8_t config[256];
    uint32_t reg[AHCI_MODEL_BYTES / 4];
};

/* As the device has it, past all traps; but not the error register, which IDENTIFY DEVICE changes. */
static void snapshot(struct snapshot *out) {
    memcpy(out->config, b->fn->config, sizeof out->config);
    for (unsigned i = 0; i < AHCI_MODEL_BYTES / 4; i++) out->reg[i] = (uint32_t)ahci_model_read(&b->m, 4 * i, 4);
    for (unsigned p = 0; p < AHCI_MODEL_PORTS; p++) out->reg[(W_PORT(p) + W_TFD) / 4] &= 0xff;
}

static void expect_as_before(const struct snapshot *before) {
    struct snapshot now;
    snapshot(&now);
    for (unsigned i = 0; i < AHCI_MODEL_BYTES / 4; i++)
        cr_expect_eq(now.reg[i], before->reg[i], "register %#x: %#x, was %#x", 4 * i, now.reg[i], before->reg[i]);
    for (unsigned i = 0; i < sizeof now.config; i++)
        cr_expect_eq(now.config[i], before->config[i], "configuration %#x", i);
}

/* Port 0 runs, port 1 too or not; I/O decoding is on; interrupts are. */
static void machine_to_give_back(bool second_runs, struct snapshot *before) {
    b = calloc(1, sizeof *b);
    bench_set_up_machine(b, &(struct bench_options){.seed = 7, .firmware_running = second_runs});
    ahci_model_write(&b->m, W_GHC, 4, W_GHC_AE | W_GHC_IE);
    if (!second_runs) bench_start_ports(b, 0);
    for (unsigned p = 0; p < BENCH_PORTS; p++) {
        ahci_model_write(&b->m, W_PORT(p) + W_SERR, 4, UINT32_MAX);
        ahci_model_write(&b->m, W_PORT(p) + W_PxIS, 4, UINT32_MAX);
        ahci_model_write(&b->m, W_PORT(p) + W_PxIE, 4, W_IS_TFES | W_IS_DHRS);
    }
    b->fn->config[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BM;
    ahci_model_settle(&b->m);
    snapshot(before);
}

/* The launch is undone: no traps, and the region is anyone's. */
static void undo_launch(void) {
    memset(b->f.trap, 0, sizeof b->f.trap);
    b->fn->trap = NULL;
    b->fn->must_trap = false;
    b->bare = true;
    memset(b->f.region, 0xee, FAKE_REGION_BYTES);
}

static void expect_disks_work(bool second_runs) {
    if (!second_runs) bench_start_ports(b, 1);
    b->m.auto_step = 30;
    for (unsigned p = 0; p < BENCH_PORTS; p++) {
        bench_do(b, p, W_WRITE_DMA_EXT, 150, 20, 4096);
        bench_do(b, p, W_READ_DMA_EXT, 140, 40, 512);
    }
    cr_expect_eq(b->n_ok, 2 * BENCH_PORTS);
    bench_check_idle(b);
}

Test(ahci_ports_own, gives_back) {
    struct snapshot before;
    for (unsigned second_runs = 0; second_runs < 2; second_runs++) {
        if (second_runs) tear_down();
        machine_to_give_back(second_runs, &before);
        cr_assert_eq(bench_init_mediator(b, POOL), 0);
        cr_expect_neq(b->m.port[0].clb, bench_list(0));
        cr_expect_eq(b->fn->config[PCI_COMMAND] & PCI_COMMAND_IO, 0);
        cr_expect_eq(dvi_ahci_release(&b->a), 0);
        expect_as_before(&before);
        undo_launch();
        unsigned n_writes = b->f.n_device_writes;
        cr_expect_eq(dvi_ahci_release(&b->a), 0);
        cr_expect_eq(b->f.n_device_writes, n_writes, "the second time nothing happens");
        expect_disks_work(second_runs);
    }
}

Test(ahci_ports_own, gives_back_what_was_off) {
    struct snapshot before;
    machine_to_give_back(true, &before);
    ahci_model_write(&b->m, W_GHC, 4, 0);
    b->fn->config[PCI_COMMAND] = 0;
    snapshot(&before);
    cr_assert_eq(bench_init_mediator(b, POOL), 0);
    cr_expect_eq(dvi_ahci_release(&b->a), 0);
    expect_as_before(&before);
}

/* No memory for the second port; and all ports, but no trap. */
Test(ahci_ports_own, an_init_that_fails_gives_back) {
    struct snapshot before;
    machine_to_give_back(true, &before);
    uint64_t used = b->f.region_used;
    b->f.region_used = FAKE_REGION_BYTES - POOL - 0x41000 - VMM_PAGE_BYTES;
    cr_expect_eq(bench_init_mediator(b, POOL), DVI_E_NOMEM);
    cr_expect_neq(b->a.port[0].mem, NULL, "the first had some");
    expect_as_before(&before);
    b->f.region_used = used;
    b->f.untrappable_base = BENCH_ABAR;
    cr_expect_lt(bench_init_mediator(b, POOL), 0);
    expect_as_before(&before);
    undo_launch();
    expect_disks_work(true);
}

Test(ahci_ports_own, a_port_that_does_not_stop_again) {
    struct snapshot before;
    machine_to_give_back(true, &before);
    cr_assert_eq(bench_init_mediator(b, POOL), 0);
    b->m.port[1].stuck_cr = true;
    b->f.us_per_look = 1000;
    cr_expect_eq(dvi_ahci_release(&b->a), DVI_E_DEVICE);
    cr_expect_eq(b->m.port[0].clb, bench_list(0), "the others are");
    cr_expect_eq(b->fn->config[PCI_COMMAND], PCI_COMMAND_IO | PCI_COMMAND_MEM, "it cannot reach memory");
    cr_expect_eq(b->m.n_bad_registers, 0);
}

/* --- registers --- */

Test(ahci_ports, features_that_are_hidden) {
    uint32_t cap = bench_get(b, W_CAP);
    cr_expect_eq(cap & (W_CAP_SPM | W_CAP_FBSS | W_CAP_CCCS), 0);
    cr_expect_eq(cap, b->m.cap & ~(W_CAP_SPM | W_CAP_FBSS | W_CAP_CCCS), "all else is told");
    cr_expect_eq(fake_guest_read(&b->f, b->abar + W_CAP + 2, 1), (cap >> 16) & 0xff);
    bench_pput(b, 0, W_FBS, 1);
    bench_put(b, W_CCC_CTL, 1);
    cr_expect_eq(b->m.n_bad_registers, 0);
    cr_expect_eq(bench_get(b, W_PI), 0xf);
    cr_expect_eq(bench_get(b, W_VS), 0x10301);
    bench_put(b, W_GHC, W_GHC_IE);
    cr_expect(bench_get(b, W_GHC) & W_GHC_AE, "no legacy mode");
}

Test(ahci_ports, widths) {
    static const unsigned critical[] = {W_CLB, W_CLBU, W_FB, W_FBU, W_CMD, W_SCTL, W_SACT, W_CI};
    for (size_t i = 0; i < sizeof critical / sizeof critical[0]; i++)
        for (unsigned width = 1; width <= 2; width++)
            for (unsigned at = 0; at < 4; at += width) {
                uint64_t addr = b->abar + W_PORT(0) + critical[i] + at;
                uint32_t before = bench_pget(b, 0, critical[i]);
                fake_guest_write(&b->f, addr, width, ~fake_guest_read(&b->f, addr, width));
                cr_expect_eq(bench_pget(b, 0, critical[i]), before, "%u bytes at %#x", width, critical[i] + at);
                bench_check(b);
            }
    cr_expect_eq(fake_guest_read(&b->f, b->abar + W_PORT(0) + W_CLB, 8), bench_list(0));
    cr_expect_eq(fake_guest_read(&b->f, b->abar + W_PORT(0) + W_CLB + 1, 1), bench_list(0) >> 8 & 0xff);
    cr_expect_eq(fake_guest_read(&b->f, b->abar, 8), bench_get(b, W_CAP) | (uint64_t)bench_get(b, W_GHC) << 32);
    fake_guest_write(&b->f, b->abar + W_PORT(2) + W_CLB, 8, 0x100000400);
    cr_expect_eq(bench_pget(b, 2, W_CLB), 0x400);
    cr_expect_eq(bench_pget(b, 2, W_CLBU), 1);
    cr_expect_eq(b->m.port[2].clbu, b->m.port[0].clbu, "the device keeps ours");
}

Test(ahci_ports, what_a_stopped_port_ignores) {
    bench_pput(b, 0, W_CMD, bench_pget(b, 0, W_CMD) & ~W_CMD_ST);
    while (bench_pget(b, 0, W_CMD) & W_CMD_CR) continue;
    bench_pput(b, 0, W_SACT, 3);
    bench_pput(b, 0, W_CI, 3);
    cr_expect_eq(bench_pget(b, 0, W_CI) | bench_pget(b, 0, W_SACT), 0);
    bench_pput(b, 0, W_CMD, bench_pget(b, 0, W_CMD) | W_CMD_ST);
    cr_expect_eq(bench_pget(b, 0, W_CI) | bench_pget(b, 0, W_SACT), 0);
    cr_expect_eq(b->m.n_fetched, BENCH_PORTS * (1 + BENCH_READS), "what was read at the start only");
}

/* A new list while the port runs counts from the next start on, and shows at once. */
Test(ahci_ports, a_list_written_while_running) {
    bench_pput(b, 0, W_CLB, 0x7fffc00);
    cr_expect_eq(bench_pget(b, 0, W_CLB), 0x7fffc00);
    bench_pput(b, 0, W_CLB, (uint32_t)bench_list(0));
    bench_do(b, 0, W_READ_DMA_EXT, 200, 3, 512);
    cr_expect_eq(b->n_ok, 1);
}

Test(ahci_ports, received_fises_go_where_they_may) {
    static const uint64_t bad[] = {FAKE_REGION_BASE, FAKE_LOW_BYTES, UINT64_C(1) << 40, UINT64_MAX & ~UINT64_C(0xff)};
    uint32_t cmd = bench_pget(b, 0, W_CMD);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bench_pput(b, 0, W_CMD, cmd & ~W_CMD_ST);
        while (bench_pget(b, 0, W_CMD) & W_CMD_CR) continue;
        bench_pput(b, 0, W_CMD, cmd & ~(W_CMD_ST | W_CMD_FRE));
        bench_pput(b, 0, W_FB, (uint32_t)bad[i]);
        bench_pput(b, 0, W_FBU, (uint32_t)(bad[i] >> 32));
        cr_expect_eq(bench_pget(b, 0, W_FB), (uint32_t)bad[i]);
        bench_pput(b, 0, W_CMD, cmd); /* the model aborts if it is given such an address */
        cr_expect_eq(bench_pget(b, 0, W_CMD) & (W_CMD_FRE | W_CMD_FR), 0);
        bench_pput(b, 0, W_FB, (uint32_t)bench_fis(0));
        bench_pput(b, 0, W_FBU, 0);
        bench_pput(b, 0, W_CMD, cmd & ~W_CMD_ST);
        while (bench_pget(b, 0, W_CMD) & W_CMD_CR) continue;
        bench_pput(b, 0, W_CMD, cmd);
        cr_expect_eq(bench_pget(b, 0, W_CMD) & (W_CMD_FRE | W_CMD_ST), W_CMD_FRE | W_CMD_ST);
        bench_do(b, 0, W_READ_DMA_EXT, 200, 3, 512);
    }
    bench_check_idle(b);
}

/* --- resets --- */

static void fill_queue(unsigned port, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) bench_issue(b, port, i, W_WRITE_FPDMA, 200 + 10 * i, 10, 4096);
    b->port[port].maybe_error = true;
}

static void restart_all(void) {
    uint8_t id[512];
    bench_put(b, W_GHC, W_GHC_AE | W_GHC_IE);
    for (unsigned p = 0; p < BENCH_PORTS; p++) {
        bench_pput(b, p, W_SERR, UINT32_MAX);
        bench_pput(b, p, W_PxIS, UINT32_MAX);
        bench_pput(b, p, W_PxIE, UINT32_MAX);
        bench_start_ports(b, p);
        b->port[p].identified = false;
        b->port[p].maybe_error = false;
        cr_assert(bench_identify(b, p, id));
    }
}

Test(ahci_ports, hba_reset_in_mid_flight) {
    for (unsigned round = 0; round < 20; round++) {
        fill_queue(0, 20);
        bench_issue(b, 1, 7, W_WRITE_DMA_EXT, 100, 20, 512);
        b->port[1].maybe_error = true;
        for (unsigned i = 0; i < round; i++) ahci_model_step(&b->m);
        bench_put(b, W_GHC, W_GHC_AE | W_GHC_HR);
        unsigned looks = 0;
        while (bench_get(b, W_GHC) & W_GHC_HR) cr_assert_lt(++looks, 100);
        bench_check(b);
        for (unsigned p = 0; p < BENCH_PORTS; p++) bench_recover(b, p, false);
        cr_expect_eq(b->a.pool.n_free, b->a.pool.n_pages, "nothing of the pool is held after a reset");
        restart_all();
        bench_do(b, 0, W_READ_DMA_EXT, 190, 250, 4096);
        bench_check_idle(b);
    }
}

Test(ahci_ports, comreset_in_mid_flight) {
    for (unsigned round = 0; round < 20; round++) {
        uint8_t id[512];
        fill_queue(0, 20);
        for (unsigned i = 0; i < round; i++) ahci_model_step(&b->m);
        bench_recover(b, 0, true);
        b->port[0].maybe_error = false;
        bench_do(b, 0, W_READ_DMA_EXT, 190, 3, 512);
        cr_expect_eq(b->n_refused, round + 1, "not before IDENTIFY DEVICE");
        cr_assert(bench_identify(b, 0, id));
        bench_do(b, 0, W_READ_DMA_EXT, 190, 250, 4096);
        bench_check_idle(b);
    }
}

/* While CR is set the device may still read what it was given, however long that takes. */
Test(ahci_ports, memory_is_held_until_the_port_has_stopped) {
    fill_queue(0, 8);
    while (b->m.n_fetched < BENCH_PORTS + 4) ahci_model_step(&b->m);
    cr_assert_lt(b->a.pool.n_free, b->a.pool.n_pages);
    b->m.port[0].stuck_cr = true;
    bench_pput(b, 0, W_CMD, bench_pget(b, 0, W_CMD) & ~W_CMD_ST);
    for (unsigned i = 0; i < 50; i++) {
        cr_assert(bench_pget(b, 0, W_CMD) & W_CMD_CR);
        ahci_model_step(&b->m);
        bench_check(b);
    }
    cr_expect_lt(b->a.pool.n_free, b->a.pool.n_pages, "still in use");
    b->m.port[0].stuck_cr = false;
    bench_recover(b, 0, false);
    cr_expect_eq(b->a.pool.n_free, b->a.pool.n_pages);
    bench_check_idle(b);
}

/* 10.4.1 "Software Reset": two commands without C; some drivers do it before anything else. */
Test(ahci_ports, software_reset) {
    static const uint8_t fis[2][16] = {{W_FIS_H2D, 0, [15] = 0x0c}, {W_FIS_H2D, 0, [15] = 0x08}};
    for (unsigned i = 0; i < 2; i++) {
        struct bench_cmd *c = &b->port[0].cmd[i];
        c->data = c->want_error = false;
        c->n_bytes = 0;
        memset(fake_dma(&b->f, bench_table(0, i), 64), 0, 64);
        memcpy(fake_dma(&b->f, bench_table(0, i), 16), fis[i], 16);
        bench_write_header(b, 0, i, 5 | (i == 0 ? W_HDR_RESET | W_HDR_CLEAR : 0), 0);
        b->port[0].busy = 1u << i;
        bench_pput(b, 0, W_CI, 1u << i);
        bench_wait(b);
        cr_expect_eq(b->m.port[0].tfd & W_ST_BSY, i == 0 ? W_ST_BSY : 0);
    }
    cr_expect_eq(b->n_ok, 2);
    cr_expect_eq(b->a.stats.refused, 0);
    const uint8_t *d2h = fake_dma(&b->f, bench_fis(0) + W_RFIS_D2H, 20);
    cr_expect(d2h[0] == W_FIS_D2H && d2h[4] == 1 && d2h[12] == 1, "the signature");
}

/* --- hot plug --- */

Test(ahci_ports, another_disk_in_mid_flight) {
    struct bench_port *p = &b->port[0];
    for (unsigned round = 0; round < 10; round++) {
        uint8_t id[512];
        fill_queue(0, 12);
        for (unsigned i = 0; i < 2 * round; i++) ahci_model_step(&b->m);
        ahci_model_unplug(&b->m, 0);
        bench_check(b);
        cr_expect(bench_pget(b, 0, W_PxIS) & W_IS_PRCS);
        cr_expect_eq(bench_pget(b, 0, W_SSTS), 0);
        bench_recover(b, 0, false);
        cr_expect_eq(b->a.pool.n_free, b->a.pool.n_pages);

        /* The same slot of the machine, a disk that is no business of ours. */
        const struct dvi_policy *was = p->policy;
        p->policy = round % 2 ? &bench_policy : NULL;
        if (p->policy != was) { /* the medium stays; what the guest sees through the other policy changes */
            bench_decode(p->policy, 0, p->disk.data, p->plain, BENCH_SECTORS);
            p->disk.serial[6] = p->policy ? '1' : '9';
        }
        ahci_model_plug(&b->m, 0, &p->disk);
        p->identified = false;
        p->maybe_error = false;
        bench_pput(b, 0, W_SERR, UINT32_MAX);
        bench_pput(b, 0, W_PxIS, UINT32_MAX);
        bench_do(b, 0, W_READ_DMA_EXT, 200, 4, 512);
        cr_expect_eq(b->n_refused, 2 * round + 1, "it might be any disk");
        bench_do(b, 0, W_WRITE_DMA_EXT, 200, 4, 512);
        unsigned calls = b->n_policy_calls;
        cr_assert(bench_identify(b, 0, id));
        cr_expect_eq(b->n_policy_calls, calls + 1);
        bench_do(b, 0, W_READ_DMA_EXT, 190, 200, 4096);
        bench_do(b, 0, W_WRITE_DMA_EXT, 3900, 50, 512);
        bench_check_idle(b);
    }
}

/* An unplugged port is a quiet one, and a plugged one is found. */
Test(ahci_ports_own, an_empty_port_gets_a_disk) {
    machine(false);
    ahci_model_unplug(&b->m, 0);
    cr_assert_eq(bench_init_mediator(b, POOL), 0);
    b->m.auto_step = 30;
    cr_expect_eq(b->n_policy_calls, 1);
    ahci_model_plug(&b->m, 0, &b->port[0].disk);
    restart_all();
    bench_do(b, 0, W_WRITE_DMA_EXT, 190, 200, 4096);
    bench_check_idle(b);
}

/* --- configuration space --- */

static uint32_t cfg(unsigned offset, unsigned n) { return fake_guest_pci_read(&b->f, b->fn->bdf, offset, n); }
static void set_cfg(unsigned offset, unsigned n, uint32_t v) { fake_guest_pci_write(&b->f, b->fn->bdf, offset, n, v); }

Test(ahci_ports, the_bar_moves) {
    static const uint32_t places[] = {0xfebd6000, 0xc0000000, 0xc0001000, BENCH_ABAR};
    for (unsigned i = 0; i < 4; i++) {
        uint32_t old = (uint32_t)b->abar;
        set_cfg(PCI_BAR(5), 4, UINT32_MAX);
        cr_expect_eq(cfg(PCI_BAR(5), 4), 0xfffff000, "its size is told");
        cr_expect_eq(b->f.trap[0].base, old, "and nothing moves");
        cr_expect_eq(b->fn->config[PCI_BAR(5) + 3], old >> 24);
        set_cfg(PCI_BAR(5), 4, old);
        cr_expect_eq(cfg(PCI_BAR(5), 4), old);
        cr_expect_eq(bench_get(b, W_VS), 0x10301);

        set_cfg(PCI_COMMAND, 2, PCI_COMMAND_BM); /* decoding off, as a careful guest does */
        cr_expect_eq(bench_get(b, W_VS), UINT32_MAX);
        set_cfg(PCI_BAR(5), 4, places[i]);
        set_cfg(PCI_COMMAND, 2, PCI_COMMAND_BM | PCI_COMMAND_MEM);
        b->abar = places[i];
        cr_expect_eq(bench_get(b, W_VS), 0x10301);
        cr_expect_eq(fake_guest_read(&b->f, old + W_VS, 4), UINT32_MAX, "nothing is left behind");
        bench_do(b, 0, W_WRITE_DMA_EXT, 190, 20, 4096);
        set_cfg(PCI_BAR(5), 4, places[i] + 0x5000); /* and a careless one */
        b->abar = places[i] + 0x5000;
        bench_do(b, 0, W_READ_DMA_EXT, 190, 20, 4096);
        bench_check_idle(b);
    }
}

/* Byte by byte, over addresses on the way that nobody meant. */
Test(ahci_ports, the_bar_moves_in_bytes) {
    set_cfg(PCI_BAR(5) + 1, 1, 0x60);
    set_cfg(PCI_BAR(5) + 3, 1, 0xc0);
    set_cfg(PCI_BAR(5) + 2, 1, 0x12);
    b->abar = 0xc0126000;
    cr_expect_eq(cfg(PCI_BAR(5), 4), b->abar);
    cr_expect_eq(bench_get(b, W_VS), 0x10301);
    set_cfg(PCI_BAR(5) + 2, 2, 0xd012);
    b->abar = 0xd0126000;
    bench_do(b, 0, W_READ_DMA_EXT, 190, 20, 4096);
    bench_check_idle(b);
}

Test(ahci_ports, the_bar_goes_where_no_trap_can) {
    static const uint32_t places[] = {0xe0000000, FAKE_REGION_BASE, 0x1000};
    b->f.untrappable_base = 0xe0000000;
    for (unsigned i = 0; i < 3; i++) {
        set_cfg(PCI_BAR(5), 4, places[i]);
        set_cfg(PCI_COMMAND, 2, PCI_COMMAND_BM | PCI_COMMAND_MEM); /* insist */
        cr_expect_eq(b->fn->config[PCI_COMMAND] & PCI_COMMAND_MEM, 0, "the device does not decode there");
        set_cfg(PCI_BAR(5), 4, BENCH_ABAR);
        set_cfg(PCI_COMMAND, 2, PCI_COMMAND_BM | PCI_COMMAND_MEM);
        cr_expect_eq(bench_get(b, W_VS), 0x10301);
        bench_do(b, 0, W_READ_DMA_EXT, 190, 20, 4096);
    }
    bench_check_idle(b);
}

Test(ahci_ports, no_way_in_by_ports) {
    for (unsigned width = 1; width <= 4; width *= 2) {
        set_cfg(PCI_COMMAND, width, PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BM);
        cr_expect_eq(b->fn->config[PCI_COMMAND] & PCI_COMMAND_IO, 0);
        cr_expect(b->fn->config[PCI_COMMAND] & PCI_COMMAND_MEM);
    }
    bench_do(b, 0, W_READ_DMA_EXT, 190, 20, 4096);
}

/* Accesses that AHCI 3 "HBA Memory Registers" does not promise anything for. */
Test(ahci_ports, crooked_accesses) {
    struct dvi_disk_stats before = dvi_ahci_stats(&b->a);
    struct vmm_access access = {.addr = b->abar + W_PORT(0) + W_CMD + 1, .n_bytes = 4, .write = true, .value = 0};
    cr_expect_neq(b->f.trap[0].handler(b->f.trap[0].cookie, &access), VMM_PASS);
    access = (struct vmm_access){.addr = b->abar + W_PORT(0) + W_SERR + 4, .n_bytes = 8, .write = true, .value = 1};
    cr_expect_eq(b->f.trap[0].handler(b->f.trap[0].cookie, &access), VMM_HANDLED, "two at four bytes' alignment");
    cr_expect(b->m.port[0].cmd & W_CMD_ST);
    cr_expect_eq(dvi_ahci_stats(&b->a).refused, before.refused);
}
