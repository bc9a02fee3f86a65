/* A guest gone mad above the AHCI mediator: register and configuration writes, command lists, tables and FISes of its
 * making, on a device that reorders, fails, disappears. Whatever it does:
 *   - the device is given addresses in guest RAM and in bounce memory only;
 *   - what arrives in an encrypted range went through the transform, for the right unit;
 *   - read-only ranges are not written, denied ones not read either, no forbidden command is obeyed;
 *   - bounce memory is conserved, and free when the device has been stopped. */
#include <stdlib.h>
#include <string.h>
#include <dvi/ahci.h>
#include "ahci_model.h"
#include "ahci_wire.h"

#define SECTORS 2048u
#define ABAR    0xfebd5000u
#define GUEST   0x10000u /* where lists and tables are */
#define N_PORTS 2u
#define MAX_OPS 600u
#define REACHED (2u << 20) /* of either RAM: what inputs name; the rest is left as it is */

static struct fake_host f;
static struct ahci_model m;
static struct ata_disk disk[N_PORTS];
static struct dvi_ahci a;
static struct ata_disk *in_port[N_PORTS]; /* now, or last */

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

static const struct dvi_blk_transform transform = {NULL, encrypt, decrypt};
static const struct dvi_policy policy = {.n_ranges = 4,
                                         .range = {{0, 64, DVI_CLEAR, NULL},
                                                   {64, 512, DVI_ENCRYPT, &transform},
                                                   {512, 520, DVI_READ_ONLY, NULL},
                                                   {600, 610, DVI_DENY, NULL}}};

static const struct dvi_policy *policy_for(void *cookie, const struct dvi_disk_id *id) {
    (void)cookie;
    return strcmp(id->serial, "MEDIATED") == 0 ? &policy : NULL;
}

/* --- what must hold --- */

static bool prd_ok(void *ctx, unsigned port, uint64_t addr, uint64_t n) {
    (void)ctx;
    if (f.host.dma_ok(&f, gpa(addr), n)) return true;
    uint64_t pool = a.pool.bus.v, n_pool = (uint64_t)a.pool.n_pages * VMM_PAGE_BYTES;
    if (addr >= pool && n <= n_pool && addr - pool <= n_pool - n) return true;
    return n == 512 && a.port[port].mem && addr - a.port[port].bus.v < 4096; /* IDENTIFY DEVICE */
}

static void moved(void *ctx, unsigned port, const struct ata_task *t, uint64_t offset, const uint8_t *data,
                  uint64_t n) {
    (void)ctx;
    bool mediated = m.port[port].disk == &disk[0];
    if (!t->media || !mediated) return;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t lba = t->lba + (offset + i) / 512;
        if (lba >= 600 && lba < 610) fake_fail("lba %lu is denied", lba);
        if (t->move == ATA_TO_HOST) continue;
        if (lba >= 512 && lba < 520) fake_fail("lba %lu is read-only", lba);
        if (lba >= 64 && lba < 512 && data[i] != mark(lba - 64, (offset + i) % 512))
            fake_fail("lba %lu is written in clear, or as another unit", lba);
    }
}

static void check_trim(void) {
    static const uint8_t zero[512];
    if (memcmp(disk[0].data + 512 * 515, zero, 512) == 0 || memcmp(disk[0].data + 512 * 605, zero, 512) == 0)
        fake_fail("a protected sector was trimmed");
}

static void check(void) {
    uint32_t n_used = 0;
    for (uint32_t i = 0; i < a.pool.n_pages; i++) n_used += (uint32_t)(a.pool.used[i / 64] >> (i % 64) & 1);
    if (n_used + a.pool.n_free != a.pool.n_pages) fake_fail("pool: %u used, %u free", n_used, a.pool.n_free);
    if (a.lock.next != a.lock.owner) fake_fail("the lock is held");
    if (disk[0].n_forbidden | disk[1].n_forbidden) fake_fail("command %#x was obeyed", disk[0].last_forbidden);
    if (m.n_bad_registers) fake_fail("the device was driven against its manual");
}

/* --- the input --- */

static const uint8_t *input;
static size_t n_input;

static uint32_t take(unsigned n_bytes) {
    uint32_t v = 0;
    for (unsigned i = 0; i < n_bytes && n_input > 0; i++, n_input--) v |= (uint32_t)*input++ << (8 * i);
    return v;
}

static uint64_t take_address(void) {
    uint32_t v = take(3);
    switch (v >> 21) {
    case 0: return FAKE_REGION_BASE + (v & 0x1fffff);
    case 1: return FAKE_HIGH_BASE + (v & 0x1fffff);
    case 2: return FAKE_LOW_BYTES - (v & 0x3fff);
    case 3: return v & 0x100000 ? FAKE_PEER_BASE + (v & 0xffff) : UINT64_MAX - (v & 0xffff);
    default: return v & 0xfffff;
    }
}

static void *ram(uint64_t addr, uint64_t n) { return fake_is_guest_ram(addr, n) ? fake_mem(&f, addr, n) : NULL; }
static uint64_t list_of(unsigned port) { return GUEST + 0x400 * port; }
static uint64_t table_of(unsigned port, unsigned slot) { return GUEST + 0x2000 + 0x400 * (port * 32 + slot); }

/* The first PRDs hold what the command needs, all the others anything. */
static uint32_t plausible_prdt(uint8_t *table, uint32_t n_bytes) {
    uint32_t shape = take(1), n_prds = shape & 15;
    for (uint32_t i = 0; i < n_prds; i++) {
        uint32_t size = i == 0 && shape < 0xc0 ? n_bytes : 2 * (take(1) + 1u);
        if (shape & 0x10 && i + 1 == n_prds) size = n_bytes; /* what is left of it */
        n_bytes -= size < n_bytes ? size : n_bytes;
        uint64_t prd[2] = {take_address(), (uint64_t)(size ? size - 1 : 0) << 32};
        memcpy(table + 0x80 + 16 * i, prd, 16);
    }
    return n_prds;
}

/* A range to trim, where the first PRD points. */
static void plausible_trim(const uint8_t *table) {
    uint64_t at, range = take(2) % SECTORS | (uint64_t)take(1) << 48;
    memcpy(&at, table + 0x80, 8);
    if (ram(at, 8)) memcpy(ram(at, 8), &range, 8);
}

/* A command that is right in most parts. */
static void plausible_command(unsigned port, unsigned slot) {
    static const uint8_t opcodes[] = {W_READ_DMA_EXT, W_WRITE_DMA_EXT, W_READ_FPDMA,   W_WRITE_FPDMA,
                                      W_WRITE,        W_READ_MULTI,    W_DSM,          W_IDENTIFY,
                                      W_VERIFY_EXT,   W_FLUSH,         W_READ_LOG_EXT, W_SMART,
                                      W_WRITE_DMA,    W_READ_DMA,      W_SET_FEATURES, W_PACKET};
    uint32_t pick = take(1), lba = take(2) % (SECTORS + 8), n = take(1), flags = 5;
    uint8_t opcode = pick < 0xf0 ? opcodes[pick % sizeof opcodes] : (uint8_t)take(1);
    uint8_t fis[20] = {W_FIS_H2D, W_H2D_C, opcode};
    bool queued = opcode == W_READ_FPDMA || opcode == W_WRITE_FPDMA;
    if (opcode == W_DSM) n = n % 9;
    fis[4] = (uint8_t)lba, fis[5] = (uint8_t)(lba >> 8), fis[7] = W_DEV_LBA;
    fis[queued ? 3 : 12] = (uint8_t)n;
    if (queued) fis[12] = (uint8_t)(slot << 3);
    if (opcode == W_DSM) fis[3] = 1;
    if (opcode == W_SET_FEATURES) fis[3] = (uint8_t)take(1);
    if (opcode == W_SMART) fis[3] = (uint8_t)(0xd0 + (take(1) & 15));
    if (opcode == W_PACKET) flags |= W_HDR_ATAPI;
    uint8_t *table = ram(table_of(port, slot), 0x400), *header = ram(list_of(port) + 32 * slot, 32);
    memcpy(table, fis, sizeof fis);
    table[W_TABLE_ACMD] = 0x28;
    flags |= plausible_prdt(table, n * 512) << 16;
    if (opcode == W_DSM) plausible_trim(table);
    if (take(1) & 1) flags |= W_HDR_WRITE;
    uint64_t at = table_of(port, slot);
    memcpy(header, &flags, 4);
    memcpy(header + 8, &at, 8);
    if (queued) fake_guest_write(&f, a.abar + W_PORT(port) + W_SACT, 4, 1u << slot);
    fake_guest_write(&f, a.abar + W_PORT(port) + W_CI, 4, 1u << slot);
}

static void start(unsigned port) {
    uint64_t at = a.abar + W_PORT(port);
    fake_guest_write(&f, at + W_CLB, 4, list_of(port));
    fake_guest_write(&f, at + W_CLBU, 4, 0);
    fake_guest_write(&f, at + W_FB, 4, GUEST + 0x1000 + 0x100 * port);
    fake_guest_write(&f, at + W_FBU, 4, 0);
    fake_guest_write(&f, at + W_CMD, 4, W_CMD_FRE);
    fake_guest_write(&f, at + W_CMD, 4, W_CMD_FRE | W_CMD_ST);
}

static void identify(unsigned port) {
    uint8_t fis[20] = {W_FIS_H2D, W_H2D_C, W_IDENTIFY};
    uint64_t at = table_of(port, 0), prd[2] = {0x80000, UINT64_C(511) << 32};
    uint32_t flags = 5 | 1u << 16;
    memcpy(ram(at, 20), fis, 20);
    memcpy(ram(at + 0x80, 16), prd, 16);
    memcpy(ram(list_of(port), 4), &flags, 4);
    memcpy(ram(list_of(port) + 8, 8), &at, 8);
    fake_guest_write(&f, a.abar + W_PORT(port) + W_CI, 4, 1);
}

static void garbage(uint64_t addr, unsigned n) {
    uint8_t *p = ram(addr, n);
    for (unsigned i = 0; p && i < n; i++) p[i] = (uint8_t)take(1);
}

/* Each disk in one port only. One may take another's place while the port is stopped: a swap while it runs goes
 * unnoticed if its guest looks at nothing that tells. */
static void plug(unsigned port, uint32_t how) {
    struct ata_disk *other = m.port[port ^ 1].disk, *before = in_port[port];
    struct ata_disk *disk_now = a.port[port].st && before != other ? before : &disk[other == &disk[0]];
    if (how & 1) {
        ahci_model_unplug(&m, port);
    } else if (!a.port[port].st || before != other) {
        in_port[port] = disk_now;
        ahci_model_plug(&m, port, disk_now);
    }
}

static void one_operation(void) {
    uint32_t op = take(1);
    unsigned port = op >> 7, slot;
    uint64_t regs = a.abar + W_PORT(port);
    switch (op & 15) {
    case 0: fake_guest_write(&f, regs + (take(1) & 0x7c), 4, take(4)); break;
    case 1: fake_guest_write(&f, a.abar + (take(1) & 0xfc), 4, take(4)); break;
    case 2:
        slot = take(1),
        fake_guest_write(&f, (regs + (slot & 0x7f)) & ~((1ull << (slot >> 7)) - 1), 1u << (slot >> 7), take(2));
        break;
    case 3: slot = take(2), fake_guest_read(&f, a.abar + (slot & 0x3f8), 8u >> (slot >> 14)); break;
    case 4: fake_guest_read(&f, regs + W_CI, 4); break;
    case 5: fake_guest_write(&f, regs + W_CMD, 4, take(1)); break;
    case 6: garbage(list_of(port) + (take(2) & 0x3ff), take(1) & 31); break;
    case 7: slot = take(1) & 31, garbage(table_of(port, slot) + (take(1)), take(1) & 63); break;
    case 8: start(port); break;
    case 9: identify(port); break;
    case 10: fake_guest_pci_write(&f, (struct dvi_bdf){0, 31, 2}, take(1) & 0xfc, 4, take(4)); break;
    case 11: plug(port, take(1)); break;
    case 12: slot = take(1), ahci_model_fail(&m, port, (enum ahci_model_fault)(slot % 7), slot >> 4); break;
    case 13:
        for (unsigned n = take(1) & 63; n > 0; n--) ahci_model_step(&m), check();
        break;
    default: plausible_command(port, op >> 4 & 7); break;
    }
}

/* Whatever state this left, a guest that stops its ports has nothing outstanding. */
static void quiesce(void) {
    fake_guest_pci_write(&f, (struct dvi_bdf){0, 31, 2}, 0x24, 4, ABAR);
    fake_guest_pci_write(&f, (struct dvi_bdf){0, 31, 2}, 0x04, 2, 6);
    if (a.abar != ABAR || !a.decoding) fake_fail("the registers cannot be brought back");
    for (unsigned i = 0; i < 10; i++) fake_guest_read(&f, a.abar + W_GHC, 4);
    for (unsigned p = 0; p < N_PORTS; p++) {
        fake_guest_write(&f, a.abar + W_PORT(p) + W_CMD, 4, 0);
        for (unsigned i = 0; i < 20; i++) fake_guest_read(&f, a.abar + W_PORT(p) + W_CMD, 4);
    }
    check();
    if (a.pool.n_free != a.pool.n_pages)
        fake_fail("pool: %u of %u pages leaked", a.pool.n_pages - a.pool.n_free, a.pool.n_pages);
}

static void set_up(uint32_t options) {
    if (!f.low)
        fake_host_init(&f);
    else
        fake_host_reset(&f);
    memset(f.low, 0, REACHED);
    memset(f.high, 0, REACHED);
    if (options & 0x80) f.host.slice_sectors = DVI_SLICE_MIN;
    f.pending = options >> 4 & 3 ? 25 * (options >> 4 & 3) + 25 : 0;
    ahci_model_init(&m, &f, N_PORTS, options);
    m.racing = options >> 6 & 1;
    m.auto_step = 60;
    m.cr_lingers = options & 1;
    m.prd_ok = prd_ok;
    m.moved = moved;
    struct fake_fn *fn = ahci_model_attach(&m, ABAR);
    for (unsigned p = 0; p < N_PORTS; p++) {
        if (!disk[p].data) ata_disk_init(&disk[p], SECTORS, p == 0 ? "MEDIATED" : "FREE");
        disk[p].ncq_error = false;
        disk[p].atapi = p == 1 && (options >> 4 & 1);
        disk[p].n_forbidden = 0;
        memset(disk[p].data, 0x99, SECTORS * 512);
        in_port[p] = &disk[p];
        ahci_model_plug(&m, p, &disk[p]);
    }
    struct dvi_ahci_config config = {.policy_for = policy_for, .pool_bytes = (1 + (options >> 1 & 3)) * VMM_PAGE_BYTES};
    if (dvi_ahci_init(&a, &f.host, fn->bdf, &config)) fake_fail("init");
    fn->must_trap = true;
    f.mutate = options >> 3 & 1;
    for (unsigned p = 0; p < N_PORTS; p++) start(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input = data;
    n_input = size;
    set_up(take(1));
    for (unsigned i = 0; n_input > 0 && i < MAX_OPS; i++) {
        one_operation();
        check();
    }
    f.mutate = false;
    quiesce();
    check_trim();
    return 0;
}
