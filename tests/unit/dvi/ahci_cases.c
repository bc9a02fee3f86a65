/* The AHCI mediator, command by command: what passes, what is refused, tables of odd shapes, TRIM, ATAPI, big sectors.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "ahci_bench.h"

static struct bench *b;

static void start(const struct bench_options *o) {
    b = calloc(1, sizeof *b);
    bench_set_up(b, o);
}

static void set_up(void) { start(&(struct bench_options){.seed = 2, .policy = &bench_policy, .auto_step = 30}); }

static void tear_down(void) {
    bench_tear_down(b);
    free(b);
}

TestSuite(ahci_cases, .init = set_up, .fini = tear_down);
TestSuite(ahci_cases_own, .fini = tear_down); /* set up in their own way */

/* --- opcodes --- */

/* What must pass, restated; everything else must be refused. feature -1: any. */
static const struct {
    uint8_t opcode;
    int feature;
    uint16_t n_bytes; /* in */
} passing[] = {
    {W_DEVICE_RESET, -1, 0},
    {W_NATIVE_MAX_EXT, -1, 0},
    {W_READ_LOG_EXT, -1, 512},
    {W_VERIFY, -1, 0},
    {W_VERIFY_OLD, -1, 0},
    {W_VERIFY_EXT, -1, 0},
    {W_READ_LOG_DMA_EXT, -1, 512},
    {W_SMART, 0xd0, 512},
    {W_SMART, 0xd1, 512},
    {W_SMART, 0xd5, 512},
    {W_SMART, 0xd8, 0},
    {W_SMART, 0xda, 0},
    {W_SET_MULTI, -1, 0},
    {W_STANDBY_NOW, -1, 0},
    {W_IDLE_NOW, -1, 0},
    {W_STANDBY, -1, 0},
    {W_IDLE, -1, 0},
    {W_CHECK_POWER, -1, 0},
    {W_SLEEP, -1, 0},
    {W_FLUSH, -1, 0},
    {W_FLUSH_EXT, -1, 0},
    {W_IDENTIFY, -1, 512},
    {W_SET_FEATURES, 0x02, 0},
    {W_SET_FEATURES, 3, 0},
    {W_SET_FEATURES, 0x05, 0},
    {W_SET_FEATURES, 0x06, 0},
    {W_SET_FEATURES, 0x07, 0},
    {W_SET_FEATURES, 0x10, 0},
    {W_SET_FEATURES, 0x42, 0},
    {W_SET_FEATURES, 0x55, 0},
    {W_SET_FEATURES, 0x66, 0},
    {W_SET_FEATURES, 0x82, 0},
    {W_SET_FEATURES, 0x85, 0},
    {W_SET_FEATURES, 0x86, 0},
    {W_SET_FEATURES, 0x90, 0},
    {W_SET_FEATURES, 0xaa, 0},
    {W_SET_FEATURES, 0xc2, 0},
    {W_SET_FEATURES, 0xcc, 0},
    {W_SET_FEATURES, 0x4a, 0},
    {W_NATIVE_MAX, -1, 0},
    {W_READ, -1, 512},
    {W_READ_OLD, -1, 512},
    {W_READ_EXT, -1, 512},
    {W_READ_DMA_EXT, -1, 512},
    {W_READ_MULTI_EXT, -1, 512},
    {W_READ_MULTI, -1, 512},
    {W_READ_DMA, -1, 512},
    {W_READ_DMA_OLD, -1, 512},
};

static int find_passing(uint8_t opcode, uint8_t feature) {
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++)
        if (passing[i].opcode == opcode && (passing[i].feature < 0 || passing[i].feature == feature)) return (int)i;
    return -1;
}

Test(ahci_cases, every_opcode_and_feature) {
    for (unsigned op = 0; op < 256; op++)
        for (unsigned feature = 0; feature < 256; feature++) {
            if (op != W_SMART && op != W_SET_FEATURES && feature != 0 && feature != 0xd0) continue;
            struct bench_fis f = {.opcode = (uint8_t)op, .device = 0xe0, .features = (uint16_t)feature, .count = 1};
            if (op == W_READ_LOG_EXT || op == W_READ_LOG_DMA_EXT) f.lba = 0x04; /* device statistics */
            int i = find_passing(f.opcode, (uint8_t)feature);
            bool write = op >= 0x30 && op <= 0x3f; /* some of those that must be refused */
            bool sectors = op == W_WRITE || op == W_WRITE_OLD || op == W_WRITE_EXT || op == W_WRITE_DMA_EXT ||
                           op == W_WRITE_MULTI_EXT || op == W_WRITE_DMA_FUA_EXT || op == W_WRITE_MULTI ||
                           op == W_WRITE_DMA || op == W_WRITE_DMA_OLD || op == W_WRITE_MULTI_FUA_EXT;
            if (sectors) continue;                  /* they have tests of their own */
            bool by_disk = op == W_IDENTIFY_PACKET; /* passes, and is not for a disk */
            uint64_t refused = b->a.stats.refused;
            bool ok = bench_simple(b, 0, &f, write ? W_HDR_WRITE : 0, i < 0 || passing[i].n_bytes ? 512 : 0);
            cr_assert_eq(ok, i >= 0, "command %#x, feature %#x: %s", op, feature, ok ? "passed" : "failed");
            cr_assert_eq(b->a.stats.refused - refused, i < 0 && !by_disk, "command %#x", op);
        }
    bench_check_idle(b);
}

Test(ahci_cases, malformed) {
    struct bench_fis f = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA, .count = 1, .lba = 10};
    cr_assert(bench_simple(b, 0, &f, 0, 512), "as it should be");
    f.device = 0;
    cr_expect(!bench_simple(b, 0, &f, 0, 512), "cylinder, head and sector");
    f.device = W_DEV_LBA | 0x10;
    cr_expect(!bench_simple(b, 0, &f, 0, 512), "the second device");
    f.device = W_DEV_LBA;
    cr_expect(!bench_simple(b, 0, &f, 1u << 12, 512), "behind a port multiplier");
    cr_expect(!bench_simple(b, 0, &f, W_HDR_BIST, 512), "a test pattern");
    cr_expect(!bench_simple(b, 0, &f, W_HDR_ATAPI, 512), "ATAPI without PACKET");
    f.count = 2;
    cr_expect(!bench_simple(b, 0, &f, 0, 512), "more sectors than the table holds");
    f.count = 1;
    cr_expect(!bench_simple(b, 0, &f, 0, 0), "no table at all");
    f.lba = 0xffffffffffff;
    cr_expect(!bench_simple(b, 0, &f, 0, 512), "past the end");
    cr_expect_eq(b->port[0].disk.n_aborted, 8, "NOP, or the device itself");
    bench_check_idle(b);
}

/* The device finds a queued command's buffers by its tag, so a tag that is not the slot's would borrow another's. */
Test(ahci_cases, a_tag_is_its_slot) {
    struct bench_fis f = {.opcode = W_WRITE_FPDMA, .device = W_DEV_LBA, .features = 1, .count = 5 << 3, .lba = 200};
    struct bench_port *p = &b->port[0];
    bench_issue(b, 0, 5, W_WRITE_FPDMA, 10, 1, 512); /* its table stays: clear data, from guest memory */
    bench_wait(b);
    bench_issue(b, 0, 3, W_WRITE_FPDMA, 300, 1, 512);
    bench_wait(b);
    p->cmd[3].want_error = true;
    p->cmd[3].lba = 200;
    bench_write_fis(b, 0, 3, &f);
    p->busy = 1u << 3;
    bench_pput(b, 0, W_SACT, 1u << 3);
    bench_pput(b, 0, W_CI, 1u << 3);
    bench_wait(b);
    cr_expect_eq(b->n_refused, 1);
    cr_expect_eq(b->a.stats.refused, 1);
    bench_check_idle(b);
}

Test(ahci_cases, queued_but_not_announced) {
    struct bench_fis f = {.opcode = W_READ_FPDMA, .device = W_DEV_LBA, .features = 1, .count = 0, .lba = 200};
    cr_expect(!bench_simple(b, 0, &f, 0, 512));
    bench_check_idle(b);
}

/* --- counts and tables --- */

/* Issue a command of one PRD per entry of prds in slot 0, and wait. True if it ended well. */
static bool with_prds(const struct bench_fis *f, uint32_t flags, const struct bench_piece *prds, uint32_t n) {
    struct bench_cmd *c = &b->port[0].cmd[0];
    uint64_t ok = b->n_ok;
    c->data = c->want_error = false;
    c->opcode = f->opcode;
    c->n_prds = 0;
    c->n_bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        bench_write_prd(b, 0, 0, i, prds[i].addr, prds[i].n_bytes);
        c->n_bytes += prds[i].n_bytes;
    }
    bench_write_fis(b, 0, 0, f);
    bench_write_header(b, 0, 0, 5 | flags, n);
    c->arena = realloc(c->arena, BENCH_ARENA_BYTES);
    b->port[0].busy = 1;
    b->port[0].maybe_error = b->port[0].maybe_short = true;
    bench_pput(b, 0, W_CI, 1);
    bench_wait(b);
    b->port[0].maybe_error = b->port[0].maybe_short = false;
    return b->n_ok == ok + 1;
}

Test(ahci_cases, addresses_the_device_must_not_get) {
    const struct bench_fis in = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA, .count = 2, .lba = 10};
    const struct bench_fis out = {.opcode = W_WRITE_DMA_EXT, .device = W_DEV_LBA, .count = 2, .lba = 10};
    const struct bench_fis enc = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA, .count = 2, .lba = 200};
    const struct bench_fis log = {.opcode = W_READ_LOG_EXT, .device = 0xa0, .count = 1, .lba = 4};
    const struct bench_fis id = {.opcode = W_IDENTIFY, .device = 0xa0};
    uint64_t good = bench_arena(0, 0);
    static const uint64_t bad[] = {FAKE_REGION_BASE,
                                   FAKE_REGION_BASE - 512,
                                   FAKE_REGION_BASE + FAKE_REGION_BYTES - 512,
                                   FAKE_LOW_BYTES,
                                   FAKE_LOW_BYTES - 256,
                                   UINT64_MAX - 511,
                                   UINT64_C(1) << 40,
                                   BENCH_ABAR,
                                   FAKE_HIGH_BASE + FAKE_HIGH_BYTES - 510,
                                   FAKE_HIGH_BASE - 2};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct bench_piece first[] = {{bad[i], 512}, {good, 512}}, last[] = {{good, 512}, {bad[i], 512}};
        cr_expect(!with_prds(&in, 0, first, 2), "%#lx", bad[i]);
        cr_expect(!with_prds(&in, 0, last, 2), "%#lx", bad[i]);
        cr_expect(!with_prds(&enc, 0, last, 2), "%#lx", bad[i]);
        cr_expect(!with_prds(&out, W_HDR_WRITE, first, 2), "%#lx", bad[i]);
        cr_expect(!with_prds(&log, 0, first, 1), "%#lx", bad[i]);
        cr_expect(!with_prds(&id, 0, first, 1), "%#lx", bad[i]);
    }
    const struct bench_piece whole[] = {{good, 1024}};
    cr_expect(with_prds(&in, 0, whole, 1));
    bench_check_idle(b);
}

/* Another device's memory is the guest's to use, but nothing there can be transformed. */
Test(ahci_cases, from_device_to_device) {
    const struct bench_piece peer[] = {{FAKE_PEER_BASE, 1024}};
    struct bench_fis f = {.opcode = W_WRITE_DMA_EXT, .device = W_DEV_LBA, .count = 2, .lba = 10};
    uint8_t *mem = fake_dma(&b->f, FAKE_PEER_BASE, 1024);
    bench_fill(b, mem, 1024);
    memcpy(b->port[0].plain + 512 * 10, mem, 1024);
    cr_expect(with_prds(&f, W_HDR_WRITE, peer, 1), "clear");
    f.lba = 200;
    cr_expect(!with_prds(&f, W_HDR_WRITE, peer, 1), "encrypted");
    f.lba = 99;
    cr_expect(!with_prds(&f, W_HDR_WRITE, peer, 1), "both: the clear part may have arrived");
    memcpy(b->port[0].plain + 512 * 99, mem, 512);
    f.opcode = W_READ_DMA_EXT;
    f.lba = 10;
    memset(mem, 0, 1024);
    cr_expect(with_prds(&f, 0, peer, 1), "clear");
    cr_expect_eq(memcmp(mem, b->port[0].plain + 512 * 10, 1024), 0);
    f.lba = 200;
    cr_expect(!with_prds(&f, 0, peer, 1), "encrypted");
    bench_check_idle(b);
}

/* Pieces that follow each other in memory are given to the device as one. */
Test(ahci_cases, adjacent_pieces_are_joined) {
    struct bench_piece prds[256];
    struct bench_fis f = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA, .count = 1, .lba = 200};
    for (unsigned i = 0; i < 256; i++) prds[i] = (struct bench_piece){bench_arena(0, 0) + 2 * i, 2};
    b->m.max_prds = 0;
    cr_expect(with_prds(&f, 0, prds, 256));
    cr_expect_eq(memcmp(fake_dma(&b->f, bench_arena(0, 0), 512), b->port[0].plain + 512 * 200, 512), 0);
    cr_expect_eq(b->m.max_prds, 1);
}

/* The parts of a command in places the host cannot read: refused, and nothing stays behind. */
Test(ahci_cases, tables_out_of_reach) {
    static const uint64_t bad[] = {FAKE_REGION_BASE, FAKE_LOW_BYTES, FAKE_LOW_BYTES - 0x80, UINT64_MAX - 0x7f,
                                   UINT64_C(1) << 40};
    struct bench_port *p = &b->port[0];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bench_fis f = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA, .count = 1, .lba = 10};
        bench_write_fis(b, 0, 0, &f);
        bench_write_header(b, 0, 0, 5, 1);
        uint64_t at = bad[i] & ~UINT64_C(0x7f);
        memcpy(fake_dma(&b->f, bench_list(0) + 8, 8), &at, 8);
        if (at == FAKE_LOW_BYTES - 0x80) memcpy(fake_dma(&b->f, at, 20), fake_dma(&b->f, bench_table(0, 0), 20), 20);
        p->cmd[0].want_error = true;
        p->cmd[0].data = false;
        p->busy = 1;
        bench_pput(b, 0, W_CI, 1);
        bench_wait(b);
    }
    cr_expect_eq(b->n_refused, 5);
    /* A command list out of reach: refused the same way, slot by slot. */
    bench_pput(b, 0, W_CMD, bench_pget(b, 0, W_CMD) & ~W_CMD_ST);
    while (bench_pget(b, 0, W_CMD) & W_CMD_CR) continue;
    bench_pput(b, 0, W_CLB, (uint32_t)FAKE_REGION_BASE);
    bench_pput(b, 0, W_CMD, bench_pget(b, 0, W_CMD) | W_CMD_ST);
    cr_expect_eq(bench_pget(b, 0, W_CLB), FAKE_REGION_BASE, "the guest sees its own value");
    p->busy = 1;
    bench_pput(b, 0, W_CI, 1);
    bench_wait(b);
    cr_expect_eq(b->n_refused, 6);
    bench_check_idle(b);
}

static const struct dvi_policy *all_encrypted(void) {
    static struct dvi_policy p;
    p = (struct dvi_policy){.n_ranges = 1, .range = {{0, UINT64_MAX, DVI_ENCRYPT, bench_policy.range[1].transform}}};
    return &p;
}

/* The whole disk in one command, from and to one PRD of 4 MiB above 4 GiB, through a pool of two pages. */
Test(ahci_cases_own, four_mebibytes_at_once) {
    start(&(struct bench_options){
        .seed = 3, .policy = all_encrypted(), .pool_bytes = 2 * VMM_PAGE_BYTES, .auto_step = 30});
    const struct bench_piece prd = {FAKE_HIGH_BASE, 4u << 20};
    uint8_t *ram = fake_dma(&b->f, FAKE_HIGH_BASE, 4u << 20);
    struct bench_fis f = {.opcode = W_WRITE_DMA_EXT, .device = W_DEV_LBA, .count = BENCH_SECTORS};
    bench_fill(b, ram, 4u << 20);
    memcpy(b->port[0].plain, ram, 4u << 20);
    cr_assert(with_prds(&f, W_HDR_WRITE, &prd, 1));
    cr_expect_eq(memcmp(b->port[0].plain, ram, 4u << 20), 0, "the guest's data is left alone");
    cr_expect_geq(b->a.stats.parts, 500);
    bench_check_idle(b);
    memset(ram, 0, 4u << 20);
    f.opcode = W_READ_DMA_EXT;
    cr_assert(with_prds(&f, 0, &prd, 1));
    cr_expect_eq(memcmp(b->port[0].plain, ram, 4u << 20), 0);
    bench_check_idle(b);
}

/* 65535 PRDs of 2 bytes, some 128 KiB: more than any shadow table; the guest's table ends with its last page of RAM. */
Test(ahci_cases_own, the_longest_table) {
    start(&(struct bench_options){.seed = 4, .policy = all_encrypted(), .auto_step = 30});
    uint64_t table = FAKE_HIGH_BASE + FAKE_HIGH_BYTES - 0x80 - 65535 * 16ul;
    table &= ~UINT64_C(0x7f);
    uint8_t *data = fake_dma(&b->f, 0x300000, 0x60000);
    struct bench_fis f = {.opcode = W_WRITE_DMA_EXT, .device = W_DEV_LBA, .count = 255, .lba = 77};
    for (unsigned round = 0; round < 2; round++) {
        bench_write_fis(b, 0, 0, &f);
        memcpy(fake_dma(&b->f, table, 20), fake_dma(&b->f, bench_table(0, 0), 20), 20);
        for (uint32_t i = 0; i < 65535; i++) { /* every third pair of bytes */
            uint64_t prd[2] = {0x300000 + 6 * i, UINT64_C(1) << 32};
            memcpy(fake_dma(&b->f, table + 0x80 + 16 * i, 16), prd, 16);
        }
        bench_write_header(b, 0, 0, 5 | (round == 0 ? W_HDR_WRITE : 0), 65535);
        memcpy(fake_dma(&b->f, bench_list(0) + 8, 8), &table, 8);
        struct bench_cmd *c = &b->port[0].cmd[0];
        c->data = c->want_error = false;
        c->n_bytes = 255 * 512;
        c->opcode = f.opcode;
        b->port[0].busy = 1;
        uint64_t ok = b->n_ok;
        if (round == 0) {
            bench_fill(b, data, 0x60000);
            for (uint32_t i = 0; i < 255 * 512; i++) b->port[0].plain[77 * 512 + i] = data[i / 2 * 6 + i % 2];
        } else {
            memset(data, 0, 0x60000);
        }
        bench_pput(b, 0, W_CI, 1);
        bench_wait(b);
        cr_assert_eq(b->n_ok, ok + 1);
        for (uint32_t i = 0; i < 255 * 512; i++) cr_assert_eq(b->port[0].plain[77 * 512 + i], data[i / 2 * 6 + i % 2]);
        for (uint32_t i = 0; i < 65535 && round == 1; i++) cr_assert_eq(data[6 * i + 2] | data[6 * i + 5], 0);
        bench_check_idle(b);
        f.opcode = W_READ_DMA_EXT;
    }
    cr_expect_leq(b->m.max_prds, 504);
}

/* Counts of 0 mean the most there can be: 256 of 28-bit commands, 65536 of the others, past the end of this disk. */
Test(ahci_cases, a_count_of_nothing) {
    bench_do(b, 0, W_WRITE_DMA, 300, 256, 4096);
    bench_do(b, 0, W_READ_DMA, 300, 256, 4096);
    cr_expect_eq(b->n_ok, 2);
    struct bench_fis f = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA};
    cr_expect(!bench_simple(b, 0, &f, 0, 4096));
    bench_check_idle(b);
}

/* --- copies only where needed --- */

Test(ahci_cases, clear_and_read_data_is_not_copied) {
    bench_do(b, 0, W_WRITE_DMA_EXT, 0, 64, 4096);
    bench_do(b, 0, W_READ_DMA_EXT, 0, 64, 4096);
    bench_do(b, 0, W_READ_DMA_EXT, 128, 64, 4096);
    cr_expect_eq(b->m.n_region_bytes, 512 * BENCH_PORTS * (1 + BENCH_READS), "but for what was read at the start");
    cr_expect_eq(b->m.n_guest_bytes, 3 * 64 * 512);
    bench_do(b, 0, W_WRITE_DMA_EXT, 128, 64, 4096);
    cr_expect_eq(b->m.n_guest_bytes, 3 * 64 * 512);
    struct dvi_disk_stats s = dvi_ahci_stats(&b->a);
    cr_expect_eq(s.sectors_encrypted, 64);
    cr_expect_eq(s.sectors_decrypted, 64);
    cr_expect_eq(s.reads, 2);
    cr_expect_eq(s.writes, 2);
    bench_check_idle(b);
}

/* How often the device is asked per access of the guest: an exit is dear, but so is an uncached read. */
Test(ahci_cases, few_accesses_to_the_device) {
    b->m.auto_step = 0;
    bench_issue(b, 0, 0, W_READ_FPDMA, 200, 8, 4096);
    unsigned reads = b->f.n_device_reads, writes = b->f.n_device_writes;
    bench_pget(b, 1, W_CI);
    cr_expect_leq(b->f.n_device_reads - reads, 1, "an idle port");
    reads = b->f.n_device_reads;
    bench_pget(b, 0, W_CI);
    cr_expect_leq(b->f.n_device_reads - reads, 3);
    reads = b->f.n_device_reads;
    bench_pget(b, 0, W_PxIE);
    cr_expect_leq(b->f.n_device_reads - reads, 1);
    reads = b->f.n_device_reads;
    bench_get(b, W_IS);
    cr_expect_leq(b->f.n_device_reads - reads, 3, "one port is active");
    reads = b->f.n_device_reads;
    writes = b->f.n_device_writes;
    bench_issue(b, 0, 1, W_READ_FPDMA, 300, 8, 4096);
    cr_expect_leq(b->f.n_device_writes - writes, 2);
    cr_expect_leq(b->f.n_device_reads - reads, 2);
    bench_wait(b);
}

/* --- TRIM --- */

static bool trim(const uint64_t *entries, unsigned n, unsigned n_blocks) {
    struct bench_fis f = {.opcode = W_DSM, .device = W_DEV_LBA, .features = 1, .count = (uint16_t)n_blocks};
    uint8_t *data = fake_dma(&b->f, bench_arena(0, 0), BENCH_ARENA_BYTES);
    struct bench_piece prd = {bench_arena(0, 0), 512 * (n_blocks ? n_blocks : 1)};
    memset(data, 0, 4096);
    memcpy(data, entries, 8 * n);
    b->f.mutate = true; /* what was checked must be what the device gets */
    bool ok = with_prds(&f, W_HDR_WRITE, &prd, 1);
    b->f.mutate = false;
    return ok;
}

#define RANGE(lba, n) ((uint64_t)(lba) | (uint64_t)(n) << 48)

Test(ahci_cases, trim) {
    const uint64_t good[] = {RANGE(10, 5), 0, RANGE(200, 3), RANGE(5000, 0)};
    static const uint8_t zero[5 * 512];
    memset(b->port[0].plain + 512 * 10, 0, 5 * 512);
    cr_assert(trim(good, 4, 1));
    bench_decode(&bench_policy, 200, zero, b->port[0].plain + 512 * 200, 3);
    bench_check_idle(b);
    const uint64_t read_only[] = {RANGE(10, 5), RANGE(4000, 1)}, across[] = {RANGE(3990, 20)},
                   denied[] = {RANGE(4990, 500)};
    uint64_t many[512];
    for (unsigned i = 0; i < 512; i++) many[i] = RANGE(20, 1);
    many[511] = RANGE(5002, 1);
    cr_expect(!trim(read_only, 2, 1));
    cr_expect(!trim(across, 1, 1));
    cr_expect(!trim(denied, 1, 1));
    cr_expect(!trim(many, 512, 8));
    cr_expect(!trim(good, 4, 0), "no blocks");
    bench_check_idle(b);
    cr_expect(trim(many, 511, 8));
    memset(b->port[0].plain + 512 * 20, 0, 512);
    bench_check_idle(b);
}

/* --- a device that transfers less than it was asked for, and says so --- */

Test(ahci_cases, short_transfers) {
    struct bench_fis f = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA, .count = 8, .lba = 200};
    const struct bench_piece prd = {bench_arena(0, 0), 4096};
    ahci_model_fail(&b->m, 0, FAULT_SHORT, 1);
    cr_assert(with_prds(&f, 0, &prd, 1));
    uint32_t prdbc;
    memcpy(&prdbc, fake_dma(&b->f, bench_list(0) + 4, 4), 4);
    cr_assert_eq(prdbc, 2048);
    cr_expect_eq(memcmp(fake_dma(&b->f, prd.addr, prdbc), b->port[0].plain + 200 * 512, prdbc), 0);
    bench_check_idle(b);
}

/* In the middle of a split command that must not pass for success. */
Test(ahci_cases_own, a_short_part) {
    start(&(struct bench_options){.seed = 4, .policy = &bench_policy, .pool_bytes = VMM_PAGE_BYTES, .auto_step = 30});
    struct bench_cmd *c = &b->port[0].cmd[4];
    ahci_model_fail(&b->m, 0, FAULT_SHORT, 2);
    b->port[0].maybe_error = true;
    bench_issue(b, 0, 4, W_WRITE_DMA_EXT, 200, 40, 4096);
    bench_wait(b);
    cr_expect_eq(b->n_failed, 1);
    cr_expect_eq(memcmp(b->port[0].plain + 512 * 200, c->want, 4096), 0, "the part before it was done");
    bench_check_idle(b);
}

/* --- sectors of 4096 bytes, ATAPI --- */

Test(ahci_cases_own, large_sectors) {
    b = calloc(1, sizeof *b);
    bench_set_up_machine(b, &(struct bench_options){.seed = 5, .policy = &bench_policy});
    b->port[0].disk.logical_bytes = b->port[1].disk.logical_bytes = 4096;
    cr_assert_eq(bench_init_mediator(b, 8 * VMM_PAGE_BYTES), 0);
    b->m.auto_step = 30;
    for (unsigned p = 0; p < BENCH_PORTS; p++) bench_start_ports(b, p);
    struct bench_fis f = {.opcode = W_READ_DMA_EXT, .device = W_DEV_LBA, .count = 2, .lba = 3};
    cr_expect(!bench_simple(b, 0, &f, 0, 8192), "a policy cannot be applied");
    cr_assert(bench_simple(b, 1, &f, 0, 8192), "without one any size will do");
    const struct bench_cmd *c = &b->port[1].cmd[0];
    for (uint32_t i = 0, at = 3 * 4096; i < c->n_prds; at += c->pieces[i++].n_bytes)
        cr_expect_eq(memcmp(fake_dma(&b->f, c->pieces[i].addr, c->pieces[i].n_bytes), b->port[1].plain + at,
                            c->pieces[i].n_bytes),
                     0);
    f = (struct bench_fis){.opcode = W_FLUSH_EXT, .device = 0xa0};
    cr_expect(bench_simple(b, 0, &f, 0, 0));
    bench_check_idle(b);
}

Test(ahci_cases_own, atapi) {
    b = calloc(1, sizeof *b);
    bench_set_up_machine(b, &(struct bench_options){.seed = 6, .policy = &bench_policy});
    b->port[1].disk.atapi = true;
    b->m.port[1].sig = W_SIG_ATAPI;
    cr_assert_eq(bench_init_mediator(b, 8 * VMM_PAGE_BYTES), 0);
    b->m.auto_step = 30;
    for (unsigned p = 0; p < BENCH_PORTS; p++) bench_start_ports(b, p);
    struct bench_fis f = {.opcode = W_PACKET, .features = 1, .lba = 2048 << 8};
    uint8_t *acmd = fake_dma(&b->f, bench_table(1, 0) + W_TABLE_ACMD, 16);
    memset(acmd, 0, 16);
    cr_expect(bench_simple(b, 1, &f, W_HDR_ATAPI, 0), "TEST UNIT READY");
    acmd[0] = 0x28;
    acmd[5] = 9;
    cr_expect(bench_simple(b, 1, &f, W_HDR_ATAPI, 2048), "READ (10)");
    const struct bench_cmd *c = &b->port[1].cmd[0];
    for (uint32_t i = 0, at = 0; i < c->n_prds; i++) {
        const uint8_t *got = fake_dma(&b->f, c->pieces[i].addr, c->pieces[i].n_bytes);
        for (uint32_t k = 0; k < c->pieces[i].n_bytes; k++, at++) cr_assert_eq(got[k], (uint8_t)(at * 7 + 9));
    }
    cr_expect(!bench_simple(b, 0, &f, W_HDR_ATAPI, 2048), "PACKET to a disk");
    f = (struct bench_fis){.opcode = W_IDENTIFY_PACKET, .device = 0xa0};
    cr_expect(bench_simple(b, 1, &f, 0, 512));
    cr_expect_eq(b->port[0].disk.n_forbidden + b->port[1].disk.n_forbidden, 0);
}

/* --- IDENTIFY DEVICE, as the guest sees it --- */

Test(ahci_cases, identify) {
    uint8_t id[512];
    unsigned calls = b->n_policy_calls;
    cr_expect_eq(calls, BENCH_PORTS, "once a disk, at the start");
    cr_expect_eq(b->n_readers, calls, "when it could be read");
    cr_assert(bench_identify(b, 0, id));
    cr_expect_eq(b->n_policy_calls, calls + 1);
    cr_expect_eq(b->n_readers, calls, "now the disk is the guest's");
    cr_expect_eq(memcmp(id + 20, "MQ0000", 6), 0, "the serial number, as the disk says it");
    cr_expect_eq(id[2 * 82] & 2, 0, "SECURITY is not offered");
    cr_expect_eq(id[2 * 83 + 1] & 0x04, 0x04, "48-bit addresses are");
}
