/* A guest gone mad above the ATA mediator: ports of any width, commands, descriptor tables and configuration writes of
 * its making, on devices that fail and get stuck. Whatever it does:
 *   - the bus master is given tables of the mediator's and addresses in guest RAM and in bounce memory only;
 *   - what arrives in an encrypted range went through the transform, for the right unit;
 *   - read-only ranges are not written, denied ones not read either, no forbidden command is obeyed;
 *   - the device is driven as its manual says, and bounce memory is free when it has been reset. */
#include <stdlib.h>
#include <string.h>
#include <dvi/ata.h>
#include "ata_model.h"
#include "ata_wire.h"

#define SECTORS   768u
#define N_DEVICES 4u /* 0 and 2 have a policy */
#define MAX_OPS   400u
#define TABLE     0x10000u  /* where descriptor tables are */
#define REACHED   0x140000u /* of RAM: what inputs name; the rest is left as it is */

static struct fake_host f;
static struct ata_model m;
static struct ata_disk disk[N_DEVICES];
static struct dvi_ata a;
static const uint16_t cmd_ports[2] = {W_LEGACY_CMD0, W_LEGACY_CMD1}, ctl_ports[2] = {W_LEGACY_CTL0, W_LEGACY_CTL1};

/* --- a transform that leaves nothing of what it is given --- */

static uint8_t mark(uint64_t unit, size_t i) { return (uint8_t)(unit * 41 + i * 7 + (unit >> 8) + 0x35); }

static void encrypt(void *ctx, uint64_t unit, const void *src, void *dst, size_t n) {
    (void)ctx;
    memmove(dst, src, n * 512); /* must be readable */
    for (size_t i = 0; i < n * 512; i++) ((uint8_t *)dst)[i] = mark(unit + i / 512, i % 512);
}
static void decrypt(void *ctx, uint64_t unit, const void *src, void *dst, size_t n) {
    (void)ctx;
    for (size_t i = 0; i < n * 512; i++)
        ((uint8_t *)dst)[i] = ((const uint8_t *)src)[i] ^ mark(unit + i / 512, i % 512);
}

static const struct dvi_blk_transform transform = {.encrypt = encrypt, .decrypt = decrypt};
static const struct dvi_policy policy = {.n_ranges = 4,
                                         .range = {{0, 64, DVI_CLEAR, NULL},
                                                   {64, 512, DVI_ENCRYPT, &transform},
                                                   {512, 520, DVI_READ_ONLY, NULL},
                                                   {600, 610, DVI_DENY, NULL}}};

static bool is_mediated(unsigned device) { return device % 2 == 0; }

static const struct dvi_policy *policy_for(void *cookie, const struct dvi_disk_id *id) {
    (void)cookie;
    if (strcmp(id->serial, disk[id->port].serial) != 0) fake_fail("port %u is not '%s'", id->port, id->serial);
    return is_mediated(id->port) ? &policy : NULL;
}

/* --- what must hold --- */

static bool prd_ok(void *ctx, unsigned channel, uint64_t addr, uint64_t n) {
    (void)ctx;
    const struct dvi_pool *p = &a.channel[channel].pool;
    uint64_t pool = p->bus.v, n_pool = (uint64_t)p->n_pages * VMM_PAGE_BYTES;
    return f.host.dma_ok(&f, gpa(addr), n) || (addr >= pool && n <= n_pool && addr - pool <= n_pool - n);
}

static void moved(void *ctx, unsigned device, const struct ata_task *t, uint64_t offset, const uint8_t *data,
                  uint64_t n) {
    (void)ctx;
    if (!t->media || !is_mediated(device)) return;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t lba = t->lba + (offset + i) / 512;
        if (lba >= 600 && lba < 610) fake_fail("lba %lu is denied", lba);
        if (t->move == ATA_TO_HOST) continue;
        if (lba >= 512 && lba < 520) fake_fail("lba %lu is read-only", lba);
        if (lba >= 64 && lba < 512 && data[i] != mark(lba - 64, (offset + i) % 512))
            fake_fail("lba %lu is written in clear, or as another unit", lba);
    }
}

static void check(void) {
    for (unsigned c = 0; c < 2; c++) {
        const struct dvi_pool *p = &a.channel[c].pool;
        uint32_t n_used = 0;
        for (uint32_t i = 0; i < p->n_pages; i++) n_used += (uint32_t)(p->used[i / 64] >> (i % 64) & 1);
        if (n_used + p->n_free != p->n_pages) fake_fail("pool: %u used, %u free", n_used, p->n_free);
    }
    if (a.lock.next != a.lock.owner) fake_fail("the lock is held");
    for (unsigned i = 0; i < N_DEVICES; i++)
        if (disk[i].n_forbidden) fake_fail("command %#x was obeyed", disk[i].last_forbidden);
    if (m.n_bad_registers) fake_fail("the device was driven against its manual: %s", m.bad);
}

/* --- the input --- */

static const uint8_t *input;
static size_t n_input;

static uint32_t take(unsigned n_bytes) {
    uint32_t v = 0;
    for (unsigned i = 0; i < n_bytes && n_input > 0; i++, n_input--) v |= (uint32_t)*input++ << (8 * i);
    return v;
}

static uint32_t take_address(void) {
    uint32_t v = take(3);
    switch (v >> 21) {
    case 0: return (uint32_t)FAKE_REGION_BASE + (v & 0x1fffff);
    case 1: return FAKE_LOW_BYTES - (v & 0x3fff);
    case 2: return v & 0x100000 ? (uint32_t)FAKE_PEER_BASE + (v & 0xffff) : UINT32_MAX - (v & 0xffff);
    default: return v & 0xfffff;
    }
}

static void out(unsigned channel, unsigned reg, uint8_t v) {
    fake_guest_out(&f, (uint16_t)(cmd_ports[channel] + reg), 1, v);
}

static void put32(uint32_t at, uint32_t v) { memcpy(fake_mem(&f, at, 4), &v, 4); }

/* The first descriptors hold what the command needs, all the others anything. */
static void plausible_table(unsigned channel, uint32_t n_bytes) {
    uint32_t shape = take(1), n = (shape & 15) + 1, at = TABLE + 0x1000 * channel;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t size = i == 0 && shape < 0xc0 ? n_bytes : 2 * (take(1) + 1u);
        if (shape & 0x10 && i + 1 == n) size = n_bytes; /* what is left of it */
        n_bytes -= size < n_bytes ? size : n_bytes;
        put32(at + 8 * i, take_address());
        put32(at + 8 * i + 4, (size & 0xffff) | (i + 1 == n ? W_BM_EOT : 0));
    }
    fake_guest_out(&f, (uint16_t)(ATA_MODEL_BM_BASE + P_BM_CHANNEL * channel + P_BM_PRDT), 4, at);
}

static void start(unsigned channel, bool to_mem) {
    uint16_t port = (uint16_t)(ATA_MODEL_BM_BASE + P_BM_CHANNEL * channel);
    fake_guest_out(&f, port, 1, 0);
    fake_guest_out(&f, port, 1, W_BM_START | (to_mem ? W_BM_TO_MEM : 0));
}

static void settle(unsigned channel) {
    for (unsigned i = 0; i < 12; i++) fake_guest_in(&f, ctl_ports[channel], 1);
}

/* Words through the data register. */
static void data(unsigned channel, uint32_t how) {
    static const uint16_t counts[] = {1, 6, 255, 256, 257, 1024};
    unsigned n = counts[(how & 7) % 6], width = how & 8 ? 4 : 2;
    for (unsigned i = 0; i < n; i += width / 2) {
        if (how & 16)
            fake_guest_out(&f, cmd_ports[channel], width, how * 0x1010101 + i);
        else
            fake_guest_in(&f, cmd_ports[channel], width);
        if (i % 256 == 0 && (how & 32)) settle(channel);
    }
}

static void write_registers(unsigned channel, uint8_t device, uint32_t lba, uint32_t n, uint8_t features) {
    out(channel, P_DEVICE, device);
    settle(channel);
    for (unsigned high = 0; high < 2; high++) { /* the earlier values: zero */
        out(channel, P_FEATURES, high ? features : 0);
        out(channel, P_COUNT, high ? (uint8_t)n : 0);
        out(channel, P_LBA0, high ? (uint8_t)lba : 0);
        out(channel, P_LBA1, high ? (uint8_t)(lba >> 8) : 0);
        out(channel, P_LBA2, high ? (uint8_t)(lba >> 16) : 0);
    }
}

/* A command that is right in most parts, and what a driver does next. */
static void plausible_command(unsigned channel) {
    static const uint8_t opcodes[] = {W_READ,      W_WRITE,        W_READ_MULTI,    W_WRITE_MULTI,      W_READ_DMA,
                                      W_WRITE_DMA, W_READ_DMA_EXT, W_WRITE_DMA_EXT, W_WRITE_EXT,        W_READ_EXT,
                                      W_IDENTIFY,  W_INIT_PARAMS,  W_READ_LOG_EXT,  W_READ_LOG_DMA_EXT, W_SET_MULTI,
                                      W_PACKET,    W_FLUSH,        W_VERIFY,        W_DIAGNOSTIC,       W_DSM};
    uint32_t pick = take(1), how = take(1), lba = take(2) % (SECTORS + 8), n = take(1);
    uint8_t opcode = pick < 0xf0 ? opcodes[pick % sizeof opcodes] : (uint8_t)take(1);
    uint8_t device = (uint8_t)(0xa0 | (how & 1 ? W_DEV_DEV : 0) | (how & 6 ? W_DEV_LBA : 0));
    if (!(how & 6) && opcode != W_INIT_PARAMS) lba = (lba % 63 + 1) | lba / 63 / 16 << 8; /* by cylinder */
    if (!(how & 6)) device |= (uint8_t)(take(1) & 15);
    write_registers(channel, device, lba, n % 24, (uint8_t)(how >> 7));
    if (how & 8) plausible_table(channel, (n % 24) * 512);
    if ((how & 0x30) == 0x10) start(channel, how & 0x40);
    out(channel, P_COMMAND, opcode);
    if ((how & 0x30) == 0x20) start(channel, how & 0x40);
    settle(channel);
    if ((how & 0x30) == 0x30) data(channel, how & 0x40 ? 0x33 : 0x23);
}

static void odd_access(void) {
    uint32_t where = take(1), n = 1u << (where >> 6 & 1) << (where >> 7);
    const uint16_t bases[] = {cmd_ports[0],     cmd_ports[1],      ctl_ports[0] - 4,
                              ctl_ports[1] - 4, ATA_MODEL_BM_BASE, ATA_MODEL_BM_BASE + 8};
    uint16_t port = (uint16_t)(bases[(where >> 3 & 7) % 6] + (where & 7) - 1);
    if (n_input & 1)
        fake_guest_out(&f, port, n, take(n));
    else
        fake_guest_in(&f, port, n);
}

static void one_operation(void) {
    uint32_t op = take(1), v;
    unsigned channel = op >> 7;
    switch (op & 15) {
    case 0: v = take(1), out(channel, v & 7 ? v & 7 : 7u, (uint8_t)take(1)); break;
    case 1: v = take(1), fake_guest_in(&f, (uint16_t)(cmd_ports[channel] + (v & 7)), v & 7 ? 1 : 2); break;
    case 2: data(channel, take(1)); break;
    case 3: v = take(1), fake_guest_out(&f, (uint16_t)(ATA_MODEL_BM_BASE + (v & 15)), 1, take(1)); break;
    case 4: fake_guest_out(&f, ctl_ports[channel], 1, take(1)); break;
    case 5: fake_guest_pci_write(&f, ATA_MODEL_BDF, take(1) & 0xfc, 4, take(4)); break;
    case 6: put32(TABLE + (take(2) & 0x1ffc), take(4)); break;
    case 7: odd_access(); break;
    case 8: v = take(1), ata_model_fail(&m, v & 3, (enum ata_model_fault)((v >> 2) % 6), v >> 5); break;
    case 9: start(channel, op & 0x40); break;
    case 10: settle(channel); break;
    case 11:
        for (v = take(1) & 63; v > 0; v--) ata_model_step(&m), check();
        break;
    default: plausible_command(channel); break;
    }
}

/* Whatever state this left, a guest that resets its devices finds them, and their ranges, as they were. */
static void quiesce(void) {
    fake_guest_pci_write(&f, ATA_MODEL_BDF, 0x20, 4, ATA_MODEL_BM_BASE);
    fake_guest_pci_write(&f, ATA_MODEL_BDF, 0x04, 2, 5);
    if (!a.decoding) fake_fail("the registers cannot be brought back");
    for (unsigned i = 0; i < N_DEVICES; i++) ata_model_fail(&m, i, ATA_FAULT_NONE, 0);
    for (unsigned c = 0; c < 2; c++) {
        fake_guest_out(&f, ctl_ports[c], 1, W_CTL_SRST);
        fake_guest_out(&f, ctl_ports[c], 1, 0);
        ata_model_settle(&m);
        if (fake_guest_in(&f, ctl_ports[c], 1) & (W_ST_BSY | W_ST_DRQ)) fake_fail("no end of the reset");
        check();
        if (a.channel[c].pool.n_free != a.channel[c].pool.n_pages) fake_fail("pages leaked");
        write_registers(c, 0xe0, 100, 1, 0);
        out(c, P_COMMAND, W_WRITE);
        settle(c);
        uint64_t n = m.n_completed;
        data(c, 16 | 3);
        ata_model_settle(&m);
        if (m.n_completed != n + 1) fake_fail("a disk no longer works");
    }
    check();
}

static void set_up(uint32_t options) {
    static const char *const serials[] = {"MEDIATED0", "FREE1", "MEDIATED2", "FREE3"};
    if (!f.low)
        fake_host_init(&f);
    else
        fake_host_reset(&f);
    memset(f.low, 0, REACHED);
    ata_model_init(&m, &f, false, options);
    m.auto_step = 60;
    m.prd_ok = prd_ok;
    m.moved = moved;
    struct fake_fn *fn = ata_model_attach(&m);
    for (unsigned i = 0; i < N_DEVICES; i++) {
        uint8_t *kept = disk[i].data;
        if (!kept) ata_disk_init(&disk[i], SECTORS, serials[i]);
        disk[i].n_heads = ATA_DISK_HEADS;
        disk[i].sectors_per_track = ATA_DISK_SECTORS;
        disk[i].multiple = ATA_DISK_MAX_MULTIPLE;
        disk[i].ncq = false;
        disk[i].chs_ok = !is_mediated(i);
        disk[i].atapi = i == 3 && (options >> 4 & 1);
        disk[i].n_forbidden = 0;
        memset(disk[i].data, 0x99, SECTORS * 512);
        ata_model_plug(&m, i, &disk[i]);
    }
    struct dvi_ata_config config = {.policy_for = policy_for};
    if (dvi_ata_init(&a, &f.host, fn->bdf, &config)) fake_fail("init");
    fn->must_trap = m.tables_of_region = true;
    f.mutate = options >> 3 & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    input = bytes;
    n_input = size;
    set_up(take(1));
    for (unsigned i = 0; n_input > 0 && i < MAX_OPS; i++) {
        one_operation();
        check();
    }
    f.mutate = false;
    quiesce();
    return 0;
}
