/* The ATA mediator, command by command: what passes, what is refused, sectors by every protocol and address, tables of
 * odd shapes, packet devices. Interrupted commands and the ports themselves are in ata_edges.c. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "ata_bench.h"

static struct bench *b;
static const struct bench_manner by_irq = {.look = LOOK_IRQ}, polled = {.look = LOOK_STATUS};

static void start(const struct bench_options *o) {
    b = calloc(1, sizeof *b);
    bench_set_up(b, o);
}

static void set_up(void) { start(&(struct bench_options){.seed = 2, .policy = &bench_policy, .auto_step = 30}); }

static void tear_down(void) {
    bench_tear_down(b);
    free(b);
}

TestSuite(ata_cases, .init = set_up, .fini = tear_down);
TestSuite(ata_cases_own, .fini = tear_down); /* set up in their own way */

/* --- opcodes --- */

/* What must pass, restated; everything else must be refused. feature -1: any. */
static const struct {
    uint8_t opcode;
    int feature;
    enum bench_proto proto;
} passing[] = {
    {W_RECALIBRATE, -1, BENCH_NO_DATA},    {W_SEEK, -1, BENCH_NO_DATA},
    {W_DEVICE_RESET, -1, BENCH_NO_DATA},   {W_INIT_PARAMS, -1, BENCH_NO_DATA},
    {W_NATIVE_MAX_EXT, -1, BENCH_NO_DATA}, {W_READ_LOG_EXT, -1, BENCH_PIO_IN},
    {W_VERIFY, -1, BENCH_NO_DATA},         {W_VERIFY_OLD, -1, BENCH_NO_DATA},
    {W_VERIFY_EXT, -1, BENCH_NO_DATA},     {W_READ_LOG_DMA_EXT, -1, BENCH_DMA_IN},
    {W_SMART, 0xd0, BENCH_PIO_IN},         {W_SMART, 0xd1, BENCH_PIO_IN},
    {W_SMART, 0xd5, BENCH_PIO_IN},         {W_SMART, 0xd8, BENCH_NO_DATA},
    {W_SMART, 0xda, BENCH_NO_DATA},        {W_SET_MULTI, -1, BENCH_NO_DATA},
    {W_STANDBY_NOW, -1, BENCH_NO_DATA},    {W_IDLE_NOW, -1, BENCH_NO_DATA},
    {W_STANDBY, -1, BENCH_NO_DATA},        {W_IDLE, -1, BENCH_NO_DATA},
    {W_CHECK_POWER, -1, BENCH_NO_DATA},    {W_SLEEP, -1, BENCH_NO_DATA},
    {W_FLUSH, -1, BENCH_NO_DATA},          {W_FLUSH_EXT, -1, BENCH_NO_DATA},
    {W_IDENTIFY, -1, BENCH_PIO_IN},        {W_SET_FEATURES, 0x02, BENCH_NO_DATA},
    {W_SET_FEATURES, 0x03, BENCH_NO_DATA}, {W_SET_FEATURES, 0x05, BENCH_NO_DATA},
    {W_SET_FEATURES, 0x06, BENCH_NO_DATA}, {W_SET_FEATURES, 0x07, BENCH_NO_DATA},
    {W_SET_FEATURES, 0x10, BENCH_NO_DATA}, {W_SET_FEATURES, 0x42, BENCH_NO_DATA},
    {W_SET_FEATURES, 0x4a, BENCH_NO_DATA}, {W_SET_FEATURES, 0x55, BENCH_NO_DATA},
    {W_SET_FEATURES, 0x66, BENCH_NO_DATA}, {W_SET_FEATURES, 0x82, BENCH_NO_DATA},
    {W_SET_FEATURES, 0x85, BENCH_NO_DATA}, {W_SET_FEATURES, 0x86, BENCH_NO_DATA},
    {W_SET_FEATURES, 0x90, BENCH_NO_DATA}, {W_SET_FEATURES, 0xaa, BENCH_NO_DATA},
    {W_SET_FEATURES, 0xc2, BENCH_NO_DATA}, {W_SET_FEATURES, 0xcc, BENCH_NO_DATA},
    {W_NATIVE_MAX, -1, BENCH_NO_DATA},
};

static int find_passing(uint8_t opcode, uint8_t feature) {
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (passing[i].opcode == opcode && (passing[i].feature < 0 || passing[i].feature == feature)) return (int)i;
    return -1;
}

static const uint8_t sector_opcodes[] = {
    W_READ,        W_READ_OLD,        W_READ_EXT,  W_READ_DMA_EXT,      W_READ_MULTI_EXT, W_READ_MULTI,
    W_READ_DMA,    W_READ_DMA_OLD,    W_WRITE,     W_WRITE_OLD,         W_WRITE_EXT,      W_WRITE_DMA_EXT,
    W_WRITE_MULTI, W_WRITE_MULTI_EXT, W_WRITE_DMA, W_WRITE_DMA_FUA_EXT, W_WRITE_DMA_OLD,  W_WRITE_MULTI_FUA_EXT};

/* On a disk with a policy (device 0) and without (1). */
static void one_opcode(unsigned device, unsigned op, unsigned feature) {
    const struct bench_regs r = {
        .opcode = (uint8_t)op, .device = W_DEV_LBA, .features = (uint16_t)feature, .count = 1, .lba = 4};
    struct ata_disk *disk = &b->dev[device].disk;
    uint8_t data[512];
    int i = find_passing(r.opcode, (uint8_t)feature);
    bool by_disk = op == W_IDENTIFY_PACKET || op == W_PACKET; /* pass, and are not for a disk */
    uint64_t refused = dvi_ata_stats(&b->a).refused;
    bool ok = bench_simple(b, device, &r, i < 0 ? BENCH_NO_DATA : passing[i].proto, data,
                           i < 0 || passing[i].proto == BENCH_NO_DATA ? 0 : 512, NULL);
    cr_assert_eq(ok, i >= 0, "command %#x, feature %#x: %s", op, feature, ok ? "passed" : "failed");
    cr_assert_eq(dvi_ata_stats(&b->a).refused - refused, i < 0 && !by_disk, "command %#x", op);
    if (i >= 0 || by_disk) return;
    cr_assert_eq(disk->last_opcode, W_NOP, "what the device got instead of %#x: %#x", op, disk->last_opcode);
    cr_assert_eq(b->cmd[device / 2].error, W_ER_ABRT);
}

Test(ata_cases, every_opcode_and_feature) {
    for (unsigned op = 0; op < 256; op++)
        for (unsigned feature = 0; feature < 256; feature++) {
            if (op != W_SMART && op != W_SET_FEATURES && feature != 0 && feature != 0xd0) continue;
            if (op == W_DIAGNOSTIC || memchr(sector_opcodes, (int)op, sizeof sector_opcodes)) continue;
            one_opcode(0, op, feature);
            if (feature == 0) one_opcode(1, op, feature);
        }
    bench_check_idle(b);
}

Test(ata_cases, a_refusal_is_genuine) {
    const struct bench_regs trim = {.opcode = W_DSM, .device = W_DEV_LBA, .features = 1, .count = 1};
    struct ata_model_channel *c = &b->m.ch[0];
    unsigned n_irqs = c->n_irqs;
    b->m.auto_step = 0;
    bench_write_regs(b, 0, &trim);
    bench_out(b, 0, P_COMMAND, trim.opcode);
    cr_expect_eq(c->n_irqs, n_irqs);
    ata_model_settle(&b->m);
    cr_expect_eq(c->n_irqs, n_irqs + 1, "the device interrupts");
    cr_expect(c->line);
    cr_expect_eq(bench_alt_status(b, 0), W_ST_DRDY | W_ST_ERR);
    cr_expect(c->line, "alternate status leaves it");
    cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY | W_ST_ERR);
    cr_expect(!c->line, "status takes it back");
    cr_expect_eq(bench_in(b, 0, P_ERROR), W_ER_ABRT);
    cr_expect_eq(dvi_ata_stats(&b->a).refused, 1);
    bench_check_idle(b);
}

Test(ata_cases, results_in_registers) {
    const struct bench_regs max = {.opcode = W_NATIVE_MAX_EXT, .device = W_DEV_LBA};
    b->dev[1].disk.n_units = 0x123456789a; /* of which nobody reads any */
    cr_assert(bench_simple(b, 1, &max, BENCH_NO_DATA, NULL, 0, NULL));
    cr_expect_eq(bench_in(b, 0, P_LBA0), 0x99);
    cr_expect_eq(bench_in(b, 0, P_LBA2), 0x56);
    bench_control(b, 0, W_CTL_HOB);
    cr_expect_eq(bench_in(b, 0, P_LBA0), 0x34);
    cr_expect_eq(bench_in(b, 0, P_LBA1), 0x12);
    bench_out(b, 0, P_COUNT, 0x77);
    cr_expect_eq(bench_in(b, 0, P_LBA0), 0x99, "a write to the command block ends the second view");
    cr_expect_eq(bench_in(b, 0, P_COUNT), 0x77, "presence tests read back what they wrote");
}

Test(ata_cases, diagnostic) {
    bench_out(b, 0, P_DEVICE, 0xb0);
    bench_out(b, 0, P_COMMAND, W_DIAGNOSTIC);
    bench_until(b, 0, W_ST_BSY, 0);
    ata_model_settle(&b->m);
    cr_expect_eq(bench_in(b, 0, P_ERROR), 0x01);
    cr_expect_eq(bench_in(b, 0, P_COUNT), 0x01);
    cr_expect_eq(b->m.n_resets, 4 + 2, "both devices, and all four when they were switched on");
    bench_do(b, 0, W_READ_DMA, 3000, 8, &by_irq);
    bench_check_idle(b);
}

/* --- IDENTIFY DEVICE --- */

static uint16_t word(const uint8_t *id, unsigned i) { return (uint16_t)(id[2 * i] | id[2 * i + 1] << 8); }

Test(ata_cases, identify) {
    uint8_t id[512];
    unsigned calls = b->n_policy_calls;
    cr_expect_eq(calls, 4, "every disk was asked");
    cr_expect_eq(b->n_readers, 4, "and could be read");
    for (unsigned i = 0; i < BENCH_DEVICES; i++) {
        cr_assert(bench_identify(b, i, id));
        cr_expect_eq(word(id, 60), BENCH_SECTORS);
        cr_expect_eq(word(id, 83) & 0x7400, 0x7400, "48-bit commands, and what else is not refused, are offered");
        cr_expect_eq(word(id, 169) & 1, 0, "TRIM is not");
        cr_expect_eq(word(id, 82) & 0x0002, 0, "security is not");
        cr_expect_eq(id[2 * 10 + 1], 'Q', "the serial number is there");
    }
    cr_expect_eq(b->n_policy_calls, calls + 4, "each one was told of again");
    cr_expect_eq(b->n_readers, 4, "but the disks are the guest's now");
}

/* --- ranges --- */

static const struct {
    uint64_t lba;
    uint32_t n;
    bool read, write; /* allowed */
} ranges[] = {
    {0, 100, true, true},    {10, 1, true, true},    {100, 1, true, true},      {99, 2, true, true},
    {3999, 1, true, true},   {4000, 1, true, false}, {3999, 2, true, false},    {3990, 120, true, false},
    {4001, 99, true, true},  {4095, 10, true, true}, {4999, 2, false, false},   {5000, 3, false, false},
    {5002, 1, false, false}, {5003, 1, true, true},  {4900, 200, false, false}, {6000, 2, true, true},
    {6001, 200, true, true}, {8191, 1, true, true},  {8191, 2, false, false},   {8192, 1, false, false},
};

Test(ata_cases, ranges_by_every_command) {
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        for (size_t k = 0; k < sizeof sector_opcodes; k++) {
            uint8_t op = sector_opcodes[k];
            bool write = bench_proto_of(op) == BENCH_PIO_OUT || bench_proto_of(op) == BENCH_DMA_OUT;
            if (ranges[i].n > 20 && k % 4 != i % 4) continue; /* not all of the long ones */
            uint64_t ok = b->n_ok, refused = b->n_refused;
            bench_do(b, i & 1 ? 0 : 3, op, ranges[i].lba, ranges[i].n, k & 1 ? &by_irq : &polled);
            bool allowed = write ? ranges[i].write : ranges[i].read;
            cr_assert_eq(b->n_ok - ok, allowed, "command %#x, lba %lu", op, ranges[i].lba);
            cr_assert_eq(b->n_refused - refused, !allowed);
        }
    bench_check_idle(b);
}

Test(ata_cases, verify_is_judged_too) {
    struct bench_regs r = {.opcode = W_VERIFY_EXT, .device = W_DEV_LBA, .count = 2, .lba = 4999, .ext = true};
    cr_expect(!bench_simple(b, 0, &r, BENCH_NO_DATA, NULL, 0, NULL), "of a denied sector");
    r.lba = 4998;
    cr_expect(bench_simple(b, 0, &r, BENCH_NO_DATA, NULL, 0, NULL));
    r.opcode = W_VERIFY, r.ext = false, r.lba = 5002;
    cr_expect(!bench_simple(b, 0, &r, BENCH_NO_DATA, NULL, 0, NULL));
    cr_expect(bench_simple(b, 1, &r, BENCH_NO_DATA, NULL, 0, NULL), "a disk without policy");
    cr_expect_eq(dvi_ata_stats(&b->a).refused, 2);
}

Test(ata_cases, parts) {
    struct dvi_disk_stats before = dvi_ata_stats(&b->a);
    bench_do(b, 0, W_WRITE_DMA_EXT, 1000, 2000, &by_irq);
    bench_do(b, 0, W_READ_DMA_EXT, 900, 2200, &by_irq);
    bench_do(b, 0, W_READ_DMA_EXT, 3990, 200, &(struct bench_manner){.look = LOOK_BM}); /* clear, two keys, read-only */
    struct dvi_disk_stats s = dvi_ata_stats(&b->a);
    cr_expect_geq(s.parts - before.parts, 3 + 4 + 3);
    cr_expect_eq(s.sectors_encrypted - before.sectors_encrypted, 2000);
    cr_expect_eq(s.sectors_decrypted - before.sectors_decrypted, 2200 + 10 + 99);
    cr_expect_eq(s.reads - before.reads, 2);
    cr_expect_eq(s.writes - before.writes, 1);
    bench_check_idle(b);
}

Test(ata_cases, the_longest_command) {
    bench_do(b, 1, W_WRITE_DMA, 5, 256, &by_irq); /* a count of 0 */
    bench_do(b, 0, W_READ, 200, 256, &by_irq);
    bench_do(b, 0, W_READ_DMA_EXT, 6002, 2190, &(struct bench_manner){.look = LOOK_ALT, .min_piece = 512});
    bench_check_idle(b);
}

Test(ata_cases, without_policy_nothing_is_copied) {
    bench_do(b, 1, W_WRITE_DMA_EXT, 100, 256, &by_irq);
    bench_do(b, 2, W_READ_DMA, 4900, 200, &by_irq);
    bench_do(b, 0, W_READ_DMA, 0, 100, &by_irq);
    bench_do(b, 0, W_READ_DMA, 150, 100, &by_irq); /* decrypted where it lies */
    cr_expect_eq(b->m.n_region_bytes, 0);
    bench_do(b, 0, W_WRITE_DMA, 150, 100, &by_irq);
    cr_expect_eq(b->m.n_region_bytes, 100 * 512);
    cr_expect_eq(dvi_ata_stats(&b->a).bytes_bounced, 100 * 512);
    bench_check_idle(b);
}

Test(ata_cases, only_the_addressed_device_has_commands) {
    uint64_t others = b->dev[1].disk.n_commands + b->dev[2].disk.n_commands + b->dev[3].disk.n_commands;
    bench_do(b, 0, W_WRITE_DMA_EXT, 100, 256, &by_irq);
    bench_do(b, 0, W_READ_MULTI, 100, 40, &polled);
    bench_do(b, 0, W_READ, 5000, 1, &polled);
    cr_expect_eq(b->dev[1].disk.n_commands + b->dev[2].disk.n_commands + b->dev[3].disk.n_commands, others);
    uint64_t first = b->dev[0].disk.n_commands;
    bench_do(b, 1, W_READ_MULTI, 100, 40, &polled);
    cr_expect_eq(b->dev[0].disk.n_commands, first);
    bench_check_idle(b);
}

Test(ata_cases, one_interrupt_each) {
    unsigned n = b->m.ch[0].n_irqs, other = b->m.ch[1].n_irqs;
    bench_do(b, 0, W_READ_DMA, 200, 64, &by_irq);
    cr_expect_eq(b->m.ch[0].n_irqs, n + 1, "DMA in one part");
    bench_do(b, 0, W_READ, 200, 5, &by_irq);
    cr_expect_eq(b->m.ch[0].n_irqs, n + 1 + 5, "PIO in: one a sector");
    bench_do(b, 0, W_WRITE, 200, 5, &by_irq);
    cr_expect_eq(b->m.ch[0].n_irqs, n + 1 + 5 + 5, "PIO out: one a sector, and none before the first");
    cr_assert(bench_set_multiple(b, 0, 4));
    n = b->m.ch[0].n_irqs;
    bench_do(b, 0, W_READ_MULTI, 200, 9, &by_irq);
    cr_expect_eq(b->m.ch[0].n_irqs, n + 3, "one a block");
    cr_expect_eq(b->m.ch[1].n_irqs, other);
}

Test(ata_cases, multiple_mode_off) {
    cr_assert(bench_set_multiple(b, 0, 0));
    bench_do(b, 0, W_READ_MULTI, 200, 9, &by_irq);
    bench_do(b, 0, W_WRITE_MULTI_EXT, 200, 9, &by_irq);
    cr_expect_eq(b->n_refused, 2, "by the disk");
    cr_expect_eq(dvi_ata_stats(&b->a).refused, 0);
    cr_expect(!bench_set_multiple(b, 0, 3), "not a power of two");
}

/* --- the data register --- */

Test(ata_cases, a_sector_in_small_steps) {
    static const uint32_t steps[] = {6, 4, 200, 510, 512};
    for (unsigned i = 0; i < 5; i++)
        for (unsigned wide = 0; wide < 2; wide++)
            for (unsigned way = 0; way < 3; way++) {
                static const enum bench_look looks[] = {LOOK_IRQ, LOOK_STATUS, LOOK_ALT};
                struct bench_manner m = {
                    .look = looks[way], .wide = wide, .max_bytes = wide ? steps[i] & ~3u : steps[i]};
                bench_do(b, 0, W_READ, 3998, 3, &m); /* encrypted and clear ones */
                bench_do(b, 0, W_WRITE, 4095, 6, &m);
                bench_do(b, 1, W_READ_EXT, 50, 2, &m);
                bench_do(b, 3, W_WRITE_MULTI, 300, 5, &m);
            }
    bench_check_idle(b);
}

/* Status shows the sector in progress for as long as the guest is at it, and the next one's interrupt is not lost. */
Test(ata_cases, a_hundred_words_then_status) {
    const struct bench_regs r = bench_sector_regs(b, 0, W_READ, 300, 2, false);
    uint8_t data[1024];
    bench_write_regs(b, 0, &r);
    bench_out(b, 0, P_COMMAND, r.opcode);
    for (unsigned i = 0; i < sizeof data; i += 2) {
        if (i % 512 == 0) {
            ata_model_settle(&b->m);
            cr_expect(b->m.ch[0].line, "sector %u", i / 512);
            cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY | W_ST_DRQ);
        }
        uint16_t w = (uint16_t)bench_data_in(b, 0, 2);
        memcpy(data + i, &w, 2);
        if (i % 512 != 200) continue;
        ata_model_settle(&b->m); /* the device is at the next sector, or done */
        cr_expect_eq(bench_alt_status(b, 0), W_ST_DRDY | W_ST_DRQ);
        cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY | W_ST_DRQ);
    }
    cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY);
    cr_expect_eq(memcmp(data, b->dev[0].plain + 300 * 512, sizeof data), 0);
}

Test(ata_cases, data_without_a_command) {
    cr_expect_eq(bench_data_in(b, 0, 2), 0xffff);
    bench_data_out(b, 0, 4, 0x12345678);
    uint64_t n = b->m.n_data_accesses;
    const struct bench_regs r = bench_sector_regs(b, 0, W_WRITE, 300, 1, false);
    bench_write_regs(b, 0, &r);
    bench_out(b, 0, P_COMMAND, r.opcode);
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, W_ST_DRQ);
    cr_expect_eq(bench_data_in(b, 0, 2), 0xffff, "the wrong direction");
    cr_expect_eq(bench_data_in(b, 0, 1), 0xff, "the wrong width");
    bench_data_out(b, 0, 1, 0x55);
    cr_expect_eq(b->m.n_data_accesses, n);
    bench_recover(b, 0);
    bench_check_idle(b);
}

/* --- cylinder, head and sector --- */

Test(ata_cases, chs_is_lba) {
    static const uint8_t heads[] = {16, 5, 1}, tracks[] = {63, 17, 255};
    const struct bench_manner chs = {.chs = true};
    for (unsigned d = 0; d < 2; d++)
        for (unsigned i = 0; i < 3; i++) {
            cr_assert(bench_set_geometry(b, d, heads[i], tracks[i]));
            bench_do(b, d, W_WRITE, 3000, 5, &chs);
            bench_do(b, d, W_READ, 0, 3, &chs);
            bench_do(b, d, W_READ_DMA, 2990, 200, &chs);
            bench_do(b, d, W_WRITE_DMA, 3999, 1, &chs);
            bench_do(b, d, W_WRITE_MULTI, 4000, 2, &chs);
            bench_do(b, d, W_READ, 5002, 1, &chs);
        }
    cr_expect_eq(b->n_refused, 2 * 3, "policy holds for them too");
    bench_check_idle(b);
}

Test(ata_cases, chs_that_does_not_exist) {
    static const struct bench_regs bad[] = {{.opcode = W_WRITE, .count = 1, .lba = 0x000200}, /* sector 0 */
                                            {.opcode = W_WRITE, .count = 1, .lba = 0x000040}, /* sector 64 */
                                            {.opcode = W_WRITE_DMA, .count = 1, .lba = 0xffff01}};
    uint8_t data[512] = {0};
    for (unsigned i = 0; i < 3; i++)
        for (unsigned d = 0; d < 2; d++)
            cr_expect(!bench_simple(b, d, &bad[i], i == 2 ? BENCH_DMA_OUT : BENCH_PIO_OUT, data, 512, NULL));
    bench_check_idle(b);
}

/* The disk keeps the translation it had. */
Test(ata_cases, a_translation_the_disk_refuses) {
    ata_model_fail(&b->m, 0, ATA_FAULT_ABORT, 1);
    cr_assert(!bench_set_geometry(b, 0, 4, 17));
    bench_do(b, 0, W_WRITE, 3000, 5, &(struct bench_manner){.chs = true});
    bench_do(b, 0, W_READ, 3000, 5, &polled);
    bench_check_idle(b);
}

Test(ata_cases_own, a_translation_firmware_has_set) {
    b = calloc(1, sizeof *b);
    bench_set_up_machine(b, &(struct bench_options){.seed = 3, .policy = &bench_policy});
    b->dev[0].disk.n_heads = 8;
    b->dev[0].disk.sectors_per_track = 32;
    cr_assert_eq(bench_init_mediator(b), 0);
    bench_do(b, 0, W_WRITE, 3000, 5, &(struct bench_manner){.chs = true});
    bench_do(b, 0, W_READ, 3000, 5, &polled);
    bench_check_idle(b);
}

/* --- the bus master --- */

Test(ata_cases, held_back_until_the_bus_master_starts) {
    struct bench_cmd *c = &b->cmd[0];
    const struct bench_regs r = bench_sector_regs(b, 0, W_READ_DMA, 300, 8, false);
    uint64_t n = b->m.n_commands;
    c->n_bytes = 8 * 512;
    bench_bm_prdt(b, 0, bench_write_prdt(b, 0, 8 * 512, 100));
    bench_write_regs(b, 0, &r);
    bench_out(b, 0, P_COMMAND, r.opcode);
    ata_model_settle(&b->m);
    cr_expect_eq(b->m.n_commands, n);
    cr_expect_eq(bench_alt_status(b, 0) & (W_ST_BSY | W_ST_DRQ | W_ST_ERR), W_ST_DRQ);
    cr_expect_eq(bench_in(b, 0, P_STATUS) & (W_ST_BSY | W_ST_DRQ | W_ST_ERR), W_ST_DRQ);
    bench_out(b, 0, P_LBA0, 0x99); /* too late */
    bench_out(b, 0, P_COMMAND, W_FLUSH);
    ata_model_settle(&b->m);
    cr_expect_eq(b->m.n_commands, n);
    bench_bm_out(b, 0, P_BM_CMD, W_BM_TO_MEM | W_BM_START);
    ata_model_settle(&b->m);
    cr_expect_eq(b->m.n_commands, n + 1);
    cr_expect_eq(bench_bm_in(b, 0, P_BM_STATUS) & (W_BM_IRQ | W_BM_ACTIVE), W_BM_IRQ);
    cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY);
    for (uint32_t i = 0, at = 300 * 512; i < c->n_prds; at += c->pieces[i++].n_bytes)
        cr_expect_eq(memcmp(fake_dma(&b->f, c->pieces[i].addr, c->pieces[i].n_bytes), b->dev[0].plain + at,
                            c->pieces[i].n_bytes),
                     0, "piece %u", i);
    cr_expect_eq(bench_bm_in(b, 0, P_BM_CMD), W_BM_TO_MEM | W_BM_START, "as written");
}

Test(ata_cases, both_orders_and_all_looks) {
    for (unsigned look = 0; look < N_LOOKS; look++)
        for (unsigned first = 0; first < 2; first++)
            for (unsigned d = 0; d < BENCH_DEVICES; d++) {
                struct bench_manner m = {.look = (enum bench_look)look, .start_first = first, .min_piece = 200};
                bench_do(b, d, W_WRITE_DMA, 3980, 20, &m);
                bench_do(b, d, W_READ_DMA_EXT, 90, 1000, &m);
                bench_do(b, d, W_READ_DMA, 5000, 1, &m);
            }
    cr_expect_eq(b->n_refused, 2 * 4 * 2);
    bench_check_idle(b);
}

/* A read or write of two sectors with this table. True: it ended well. */
static bool with_table(uint8_t opcode, uint64_t lba, uint32_t table) {
    const struct bench_regs r = bench_sector_regs(b, 0, opcode, lba, 2, false);
    bool in = bench_proto_of(opcode) == BENCH_DMA_IN;
    bench_bm_out(b, 0, P_BM_STATUS, W_BM_CAPABLE | W_BM_IRQ | W_BM_ERROR);
    bench_bm_prdt(b, 0, table);
    bench_write_regs(b, 0, &r);
    bench_out(b, 0, P_COMMAND, r.opcode);
    bench_bm_out(b, 0, P_BM_CMD, (in ? W_BM_TO_MEM : 0) | W_BM_START);
    for (unsigned i = 0; i < 100; i++) ata_model_step(&b->m), bench_check(b);
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, 0);
    bench_bm_out(b, 0, P_BM_CMD, 0);
    uint8_t status = bench_in(b, 0, P_STATUS);
    if (status & W_ST_ERR) cr_expect_eq(bench_in(b, 0, P_ERROR), W_ER_ABRT);
    return !(status & W_ST_ERR);
}

Test(ata_cases, addresses_the_device_must_not_get) {
    static const uint32_t bad[] = {FAKE_REGION_BASE,     FAKE_REGION_BASE + FAKE_REGION_BYTES - 512,
                                   FAKE_LOW_BYTES - 256, FAKE_LOW_BYTES,
                                   0xc0000000,           0xfffffe00};
    const uint32_t good = BENCH_ARENA(0), at = BENCH_TABLE(0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (unsigned pos = 0; pos < 2; pos++)
            for (uint64_t lba = 10; lba < 300; lba += 200) { /* clear, encrypted */
                bench_write_prd(b, at + 8 * pos, bad[i], 512, pos == 1);
                bench_write_prd(b, at + 8 * (1 - pos), good, 512, pos == 0);
                cr_expect(!with_table(W_READ_DMA, lba, at), "%#x", bad[i]);
                cr_expect(!with_table(W_READ_DMA_EXT, lba, at), "%#x", bad[i]);
                cr_expect(!with_table(W_WRITE_DMA, lba, at), "%#x", bad[i]);
            }
    bench_write_prd(b, at, good, 512, false);
    bench_write_prd(b, at + 8, good, 512, true);
    cr_expect(with_table(W_READ_DMA, 10, at));
    bench_write_prd(b, at, FAKE_PEER_BASE, 512, false);
    cr_expect(with_table(W_READ_DMA, 10, at), "another device's memory, clear");
    cr_expect(!with_table(W_READ_DMA, 210, at), "but nothing that would have to be decrypted there");
    bench_check_idle(b);
}

Test(ata_cases, tables_of_odd_shapes) {
    const uint32_t good = BENCH_ARENA(0), at = BENCH_TABLE(0);
    bench_write_prd(b, at, good, 1022, true);
    cr_expect(!with_table(W_READ_DMA, 10, at), "too short");
    cr_expect(!with_table(W_WRITE_DMA, 210, at), "too short");
    bench_write_prd(b, at, good, 4096, true);
    cr_expect(with_table(W_READ_DMA, 210, at), "longer than the data");
    bench_write_prd(b, at, good + 0xfe00, 1024, true);
    cr_expect(with_table(W_READ_DMA, 10, at) || b->m.n_errors > 0, "across 64 KiB: taken apart, or refused");
    cr_expect(!with_table(W_READ_DMA, 10, FAKE_REGION_BASE), "a table in the hypervisor's region");
    cr_expect(!with_table(W_READ_DMA, 10, 0xd0000000), "a table in no memory");
    for (uint32_t i = 0; i < 0x10000; i += 8) bench_write_prd(b, at + i, good, 2, false);
    cr_expect(!with_table(W_READ_DMA, 10, at + 0xfff8), "a table that has no end");
    cr_expect(with_table(W_READ_DMA, 10, at), "or only looks so: what is needed is there");
    bench_check_idle(b);
}

/* --- packet devices --- */

static void set_up_packet(void) {
    start(&(struct bench_options){.seed = 4, .policy = &bench_policy, .auto_step = 30, .atapi = 1u << 1});
}

static void write_cdb(uint8_t features, uint16_t limit, uint8_t opcode, uint8_t block) {
    const uint8_t cdb[12] = {opcode, 0, 0, 0, 0, block, 0, 0, 1};
    const struct bench_regs r = {.opcode = W_PACKET, .features = features, .lba = (uint32_t)limit << 8};
    bench_write_regs(b, 1, &r);
    bench_out(b, 0, P_COMMAND, r.opcode);
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, W_ST_DRQ);
    cr_expect_eq(bench_in(b, 0, P_COUNT), W_REASON_CD);
    for (unsigned i = 0; i < 12; i += 2) bench_data_out(b, 0, 2, cdb[i] | (uint32_t)cdb[i + 1] << 8);
}

/* READ(10) of a block: 2048 bytes, in pieces of at most limit. */
static void read_packet(uint16_t limit, unsigned width) {
    uint8_t got[2048];
    unsigned n = 0;
    write_cdb(0, limit, 0x28, 3);
    while (n < sizeof got) {
        bench_until(b, 0, W_ST_BSY | W_ST_DRQ, W_ST_DRQ);
        cr_assert_eq(bench_in(b, 0, P_COUNT), W_REASON_IO);
        unsigned size = bench_in(b, 0, P_LBA1) | (unsigned)bench_in(b, 0, P_LBA2) << 8;
        cr_assert(size > 0 && size <= limit && n + size <= sizeof got, "%u bytes", size);
        for (unsigned i = 0; i < size; i += width, n += width) {
            uint32_t v = bench_data_in(b, 0, width);
            memcpy(got + n, &v, width);
        }
    }
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, 0);
    cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY);
    cr_expect_eq(bench_in(b, 0, P_COUNT), W_REASON_CD | W_REASON_IO);
    for (unsigned i = 0; i < sizeof got; i++) cr_assert_eq(got[i], (uint8_t)(i * 7 + 3), "byte %u", i);
}

Test(ata_cases_own, packet) {
    uint8_t id[512];
    const struct bench_regs r = {.opcode = W_IDENTIFY_PACKET};
    set_up_packet();
    cr_expect_eq(b->n_policy_calls, 3, "not for the packet device");
    cr_expect(!bench_identify(b, 1, id));
    cr_expect_eq(bench_in(b, 0, P_LBA1), 0x14, "it says why");
    cr_assert(bench_simple(b, 1, &r, BENCH_PIO_IN, id, 512, NULL));
    cr_expect_eq(word(id, 0), 0x8580);
    read_packet(2048, 2);
    read_packet(512, 4);
    write_cdb(0, 0, 0x00, 0); /* TEST UNIT READY */
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, 0);
    cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY);
    write_cdb(0, 2, 0x55, 0); /* what it does not know */
    bench_until(b, 0, W_ST_BSY | W_ST_DRQ, 0);
    cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY | W_ST_ERR);
    bench_do(b, 0, W_READ, 300, 3, &by_irq);
    cr_expect_eq(dvi_ata_stats(&b->a).refused, 0);
    bench_check_idle(b);
}

static uint8_t packet_by_dma(uint32_t addr) {
    bench_write_prd(b, BENCH_TABLE(0), addr, 2048, true);
    bench_bm_out(b, 0, P_BM_STATUS, W_BM_CAPABLE | W_BM_IRQ | W_BM_ERROR);
    bench_bm_prdt(b, 0, BENCH_TABLE(0));
    write_cdb(1, 0, 0x28, 9);
    bench_bm_out(b, 0, P_BM_CMD, W_BM_TO_MEM | W_BM_START);
    ata_model_settle(&b->m);
    uint8_t status = bench_bm_in(b, 0, P_BM_STATUS);
    bench_bm_out(b, 0, P_BM_CMD, 0);
    return status & (W_BM_IRQ | W_BM_ACTIVE);
}

Test(ata_cases_own, packet_by_dma) {
    set_up_packet();
    cr_expect_eq(packet_by_dma(BENCH_ARENA(0)), W_BM_IRQ);
    const uint8_t *got = fake_dma(&b->f, BENCH_ARENA(0), 2048);
    for (unsigned i = 0; i < 2048; i++) cr_assert_eq(got[i], (uint8_t)(i * 7 + 9), "byte %u", i);
    cr_expect_eq(bench_in(b, 0, P_STATUS), W_ST_DRDY);
    uint64_t moved = b->m.ch[0].n_bm_bytes;
    /* Into the hypervisor's region: it does not begin. An interrupt may be there, for the command packet. */
    cr_expect_eq(packet_by_dma(FAKE_REGION_BASE) & W_BM_ACTIVE, 0);
    cr_expect_neq(bench_in(b, 0, P_STATUS) & (W_ST_BSY | W_ST_DRQ), 0, "the device waits for ever, either way");
    cr_expect_eq(b->m.ch[0].n_bm_bytes, moved);
    bench_recover(b, 0);
    bench_control(b, 0, 0);
    cr_expect_eq(packet_by_dma(BENCH_ARENA(0)), W_BM_IRQ);
}

/* --- sectors of 4096 bytes --- */

Test(ata_cases_own, large_sectors) {
    uint8_t data[4096];
    b = calloc(1, sizeof *b);
    bench_set_up_machine(b, &(struct bench_options){.seed = 5, .policy = &bench_policy});
    b->dev[0].disk.logical_bytes = b->dev[1].disk.logical_bytes = 4096;
    cr_assert_eq(bench_init_mediator(b), 0);
    const struct bench_regs r = {.opcode = W_READ_DMA, .device = W_DEV_LBA, .count = 1, .lba = 700};
    cr_expect(!bench_simple(b, 0, &r, BENCH_DMA_IN, data, 4096, NULL), "a policy is for sectors of 512");
    cr_assert(bench_simple(b, 1, &r, BENCH_DMA_IN, data, 4096, NULL));
    cr_expect_eq(memcmp(data, b->dev[1].plain + 700 * 4096, 4096), 0);
    bench_check_idle(b);
}
