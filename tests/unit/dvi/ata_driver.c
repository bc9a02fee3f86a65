/* A guest's ATA driver, polled or interrupt-driven, that checks everything it gets. */
#include "ata_bench.h"

#include <string.h>

#define PATIENCE 3000u /* looks at a command at which nothing happens before it is given up */

/* --- registers --- */

uint8_t bench_in(struct bench *b, unsigned channel, unsigned reg) {
    uint8_t v = (uint8_t)fake_guest_in(&b->f, (uint16_t)(b->cmd_port[channel] + reg), 1);
    bench_check(b);
    return v;
}

void bench_out(struct bench *b, unsigned channel, unsigned reg, uint8_t value) {
    fake_guest_out(&b->f, (uint16_t)(b->cmd_port[channel] + reg), 1, value);
    bench_check(b);
}

uint8_t bench_alt_status(struct bench *b, unsigned channel) {
    uint8_t v = (uint8_t)fake_guest_in(&b->f, b->ctl_port[channel], 1);
    bench_check(b);
    return v;
}

void bench_control(struct bench *b, unsigned channel, uint8_t value) {
    fake_guest_out(&b->f, b->ctl_port[channel], 1, value);
    bench_check(b);
}

uint8_t bench_bm_in(struct bench *b, unsigned channel, unsigned reg) {
    uint8_t v = (uint8_t)fake_guest_in(&b->f, (uint16_t)(b->bm_port[channel] + reg), 1);
    bench_check(b);
    return v;
}

void bench_bm_out(struct bench *b, unsigned channel, unsigned reg, uint8_t value) {
    fake_guest_out(&b->f, (uint16_t)(b->bm_port[channel] + reg), 1, value);
    bench_check(b);
}

void bench_bm_prdt(struct bench *b, unsigned channel, uint32_t addr) {
    fake_guest_out(&b->f, (uint16_t)(b->bm_port[channel] + P_BM_PRDT), 4, addr);
    bench_check(b);
}

uint32_t bench_data_in(struct bench *b, unsigned channel, unsigned n_bytes) {
    uint32_t v = fake_guest_in(&b->f, b->cmd_port[channel], n_bytes);
    bench_check(b);
    return v;
}

void bench_data_out(struct bench *b, unsigned channel, unsigned n_bytes, uint32_t value) {
    fake_guest_out(&b->f, b->cmd_port[channel], n_bytes, value);
    bench_check(b);
}

void bench_until(struct bench *b, unsigned channel, uint8_t mask, uint8_t value) {
    unsigned looks = 0;
    uint8_t status;
    while (((status = bench_alt_status(b, channel)) & mask) != value) {
        ata_model_step(&b->m);
        if (++looks > PATIENCE) fake_fail("channel %u: status stays %#x", channel, status);
    }
}

/* --- building commands --- */

void bench_write_regs(struct bench *b, unsigned device, const struct bench_regs *r) {
    unsigned c = device / 2;
    bench_out(b, c, P_DEVICE, (uint8_t)(0xa0u | r->device | (device & 1 ? W_DEV_DEV : 0)));
    bench_until(b, c, W_ST_BSY | W_ST_DRQ, 0);
    for (int high = r->ext; high >= 0; high--) {
        unsigned shift = high ? 8 : 0;
        bench_out(b, c, P_FEATURES, (uint8_t)(r->features >> shift));
        bench_out(b, c, P_COUNT, (uint8_t)(r->count >> shift));
        for (unsigned i = 0; i < 3; i++) bench_out(b, c, P_LBA0 + i, (uint8_t)(r->lba >> (8 * i + (high ? 24 : 0))));
    }
}

enum bench_proto bench_proto_of(uint8_t opcode) {
    switch (opcode) {
    case W_READ:
    case W_READ_OLD:
    case W_READ_EXT:
    case W_READ_MULTI:
    case W_READ_MULTI_EXT: return BENCH_PIO_IN;
    case W_WRITE:
    case W_WRITE_OLD:
    case W_WRITE_EXT:
    case W_WRITE_MULTI:
    case W_WRITE_MULTI_EXT:
    case W_WRITE_MULTI_FUA_EXT: return BENCH_PIO_OUT;
    case W_READ_DMA:
    case W_READ_DMA_OLD:
    case W_READ_DMA_EXT: return BENCH_DMA_IN;
    case W_WRITE_DMA:
    case W_WRITE_DMA_OLD:
    case W_WRITE_DMA_EXT:
    case W_WRITE_DMA_FUA_EXT: return BENCH_DMA_OUT;
    default: fake_fail("test: opcode %#x", opcode);
    }
}

bool bench_is_ext(uint8_t opcode) {
    switch (opcode) {
    case W_READ_EXT:
    case W_READ_MULTI_EXT:
    case W_READ_DMA_EXT:
    case W_WRITE_EXT:
    case W_WRITE_MULTI_EXT:
    case W_WRITE_MULTI_FUA_EXT:
    case W_WRITE_DMA_EXT:
    case W_WRITE_DMA_FUA_EXT:
    case W_VERIFY_EXT: return true;
    default: return false;
    }
}

static bool is_multi(uint8_t opcode) {
    return opcode == W_READ_MULTI || opcode == W_READ_MULTI_EXT || opcode == W_WRITE_MULTI ||
           opcode == W_WRITE_MULTI_EXT || opcode == W_WRITE_MULTI_FUA_EXT;
}

struct bench_regs bench_sector_regs(struct bench *b, unsigned device, uint8_t opcode, uint64_t lba, uint32_t n,
                                    bool chs) {
    struct bench_regs r = {.opcode = opcode, .device = W_DEV_LBA, .count = (uint16_t)n, .lba = lba};
    const struct ata_disk *d = &b->dev[device].disk;
    r.ext = bench_is_ext(opcode);
    if (chs && !r.ext) {
        uint64_t track = lba / d->sectors_per_track;
        r.device = (uint8_t)(track % d->n_heads);
        r.lba = (lba % d->sectors_per_track + 1) | (track / d->n_heads) << 8;
    } else if (!r.ext) {
        r.device |= (uint8_t)(lba >> 24 & 0x0f);
    }
    return r;
}

void bench_write_prd(struct bench *b, uint32_t at, uint32_t addr, uint32_t n_bytes, bool last) {
    uint32_t prd[2] = {addr, (n_bytes & 0xffff) | (last ? W_BM_EOT : 0)};
    memcpy(fake_dma(&b->f, at, sizeof prd), prd, sizeof prd);
}

/* The next piece from *at on; it must not cross 64 KiB. */
static struct bench_piece cut(struct bench *b, uint32_t *at, uint32_t min_piece, uint32_t left) {
    uint32_t n = min_piece + (min_piece < 0x8000 ? 2 * bench_random(b, min_piece) : 0);
    uint32_t room = 0x10000 - (*at & 0xffff);
    if (n > left) n = left;
    if (n > room) n = room;
    struct bench_piece p = {*at, n};
    *at += n;
    return p;
}

uint32_t bench_write_prdt(struct bench *b, unsigned channel, uint32_t n_bytes, uint32_t min_piece) {
    struct bench_cmd *c = &b->cmd[channel];
    uint32_t at = BENCH_ARENA(channel), left = n_bytes, n = 0, table = BENCH_TABLE(channel);
    uint32_t slack = BENCH_ARENA_BYTES - BENCH_MAX_BYTES - 0x1000;
    if (min_piece == 0) min_piece = 0x10000;
    while (n_bytes / min_piece > BENCH_MAX_PRDS - 100) min_piece *= 2;
    while (left > 0) {
        uint32_t gap = 2 * bench_random(b, 24);
        if (gap < slack) at += gap, slack -= gap;
        c->pieces[n] = cut(b, &at, min_piece, left);
        left -= c->pieces[n++].n_bytes;
    }
    c->n_arena = at - BENCH_ARENA(channel) + 64;
    for (uint32_t i = n; i > 1 && bench_random(b, 8); i--) { /* some of it out of order */
        uint32_t k = bench_random(b, i);
        struct bench_piece t = c->pieces[i - 1];
        c->pieces[i - 1] = c->pieces[k];
        c->pieces[k] = t;
    }
    table += 4 * bench_random(b, (0x10000 - 8 * n) / 4);
    for (uint32_t i = 0; i < n; i++)
        bench_write_prd(b, table + 8 * i, c->pieces[i].addr, c->pieces[i].n_bytes, i + 1 == n);
    c->n_prds = n;
    return table;
}

/* Copy from a flat buffer to the pieces within an image of the arena. */
static void scatter(const struct bench_cmd *c, uint32_t base, const uint8_t *flat, uint8_t *image) {
    for (uint32_t i = 0; i < c->n_prds; i++) {
        memcpy(image + (c->pieces[i].addr - base), flat, c->pieces[i].n_bytes);
        flat += c->pieces[i].n_bytes;
    }
}

/* --- issuing --- */

static bool is_dma(enum bench_proto p) { return p == BENCH_DMA_IN || p == BENCH_DMA_OUT; }
static bool is_out(enum bench_proto p) { return p == BENCH_PIO_OUT || p == BENCH_DMA_OUT; }

static void start_bus_master(struct bench *b, unsigned channel) {
    bench_bm_out(b, channel, P_BM_CMD, (is_out(b->cmd[channel].proto) ? 0 : W_BM_TO_MEM) | W_BM_START);
}

static void prepare_dma(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    uint8_t *arena = fake_dma(&b->f, BENCH_ARENA(channel), BENCH_ARENA_BYTES);
    uint32_t table = bench_write_prdt(b, channel, c->n_bytes, c->manner.min_piece);
    memset(arena, (int)bench_random(b, 256), c->n_arena);
    if (is_out(c->proto)) scatter(c, BENCH_ARENA(channel), c->data, arena);
    memcpy(c->arena, arena, c->n_arena);
    bench_bm_out(b, channel, P_BM_CMD, is_out(c->proto) ? 0 : W_BM_TO_MEM);
    bench_bm_out(b, channel, P_BM_STATUS, W_BM_CAPABLE | W_BM_IRQ | W_BM_ERROR);
    bench_bm_prdt(b, channel, table);
}

/* The command is filled in but for its progress. */
static void launch(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    c->moved = c->block_left = c->age = 0;
    bench_control(b, channel, c->manner.look == LOOK_ALT ? W_CTL_NIEN : 0);
    bench_write_regs(b, c->device, &c->regs);
    if (is_dma(c->proto)) prepare_dma(b, channel);
    c->irqs_seen = b->m.ch[channel].n_irqs;
    c->busy = true;
    if (is_dma(c->proto) && c->manner.start_first) start_bus_master(b, channel);
    bench_out(b, channel, P_COMMAND, c->regs.opcode);
    if (is_dma(c->proto) && !c->manner.start_first) start_bus_master(b, channel);
}

void bench_issue(struct bench *b, unsigned device, uint8_t opcode, uint64_t lba, uint32_t n_sectors,
                 const struct bench_manner *manner) {
    struct bench_device *d = &b->dev[device];
    struct bench_cmd *c = &b->cmd[device / 2];
    if (c->busy || n_sectors == 0 || n_sectors * 512 > BENCH_MAX_BYTES) fake_fail("test: device %u", device);
    if (!bench_is_ext(opcode) && n_sectors > 256) fake_fail("test: %u sectors", n_sectors);
    c->device = device;
    c->manner = *manner;
    c->proto = bench_proto_of(opcode);
    c->sectors = true;
    c->write = is_out(c->proto);
    c->lba = lba;
    c->n_bytes = n_sectors * 512;
    c->block = is_multi(opcode) ? d->multiple * 512 : 512;
    c->regs = bench_sector_regs(b, device, opcode, lba, n_sectors, manner->chs);
    bool allowed = bench_allowed(d->policy, c->write, lba, n_sectors);
    bool past_end = lba >= BENCH_SECTORS || n_sectors > BENCH_SECTORS - lba;
    c->want_error = past_end || !allowed || (is_multi(opcode) && d->multiple == 0);
    c->past_end = past_end && allowed;
    if (c->write) bench_fill(b, c->data, c->n_bytes);
    launch(b, device / 2);
}

/* --- what became of it --- */

static void check_arena(struct bench *b, unsigned channel, const uint8_t *flat) {
    struct bench_cmd *c = &b->cmd[channel];
    if (flat) scatter(c, BENCH_ARENA(channel), flat, c->arena);
    const uint8_t *now = fake_dma(&b->f, BENCH_ARENA(channel), c->n_arena);
    for (uint32_t i = 0; memcmp(now, c->arena, c->n_arena) != 0; i++)
        if (now[i] != c->arena[i])
            fake_fail("device %u: command %#x lba %lu, %u bytes: wrong byte %#x of the arena", c->device,
                      c->regs.opcode, c->lba, c->n_bytes, i);
}

/* Bytes the descriptors cover may have any value, all others must be as they were. */
static void forget_pieces(struct bench *b, struct bench_cmd *c, uint32_t base) {
    for (uint32_t i = 0; i < c->n_prds; i++)
        memcpy(c->arena + (c->pieces[i].addr - base), fake_dma(&b->f, c->pieces[i].addr, c->pieces[i].n_bytes),
               c->pieces[i].n_bytes);
}

/* A write that ended early: every byte of the medium is the old one or the new one; take it as it is. */
static void accept_torn_write(struct bench_device *d, const struct bench_cmd *c) {
    uint8_t was[512], new[512];
    for (uint32_t s = 0; s < c->n_bytes / 512 && c->lba + s < BENCH_SECTORS; s++) {
        uint8_t *raw = d->disk.data + 512 * (c->lba + s), *plain = d->plain + 512 * (c->lba + s);
        bench_encode(d->policy, c->lba + s, plain, was, 1);
        bench_encode(d->policy, c->lba + s, c->data + 512 * s, new, 1);
        for (unsigned i = 0; i < 512; i++)
            if (raw[i] != was[i] && raw[i] != new[i]) fake_fail("lba %lu: neither old nor new", c->lba + s);
        bench_decode(d->policy, c->lba + s, raw, plain, 1);
    }
}

static void ended_well(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    struct bench_device *d = &b->dev[c->device];
    uint8_t *plain = c->sectors && d->plain ? d->plain + 512 * c->lba : NULL;
    if (c->want_error)
        fake_fail("device %u: command %#x lba %lu should have failed", c->device, c->regs.opcode, c->lba);
    if (!is_dma(c->proto) && c->moved != c->n_bytes) fake_fail("%u bytes moved, not %u", c->moved, c->n_bytes);
    b->n_ok++;
    if (plain && c->write) memcpy(plain, c->data, c->n_bytes);
    if (plain && c->proto == BENCH_PIO_IN && memcmp(plain, c->data, c->n_bytes) != 0)
        fake_fail("device %u: command %#x lba %lu: wrong data", c->device, c->regs.opcode, c->lba);
    if (!is_dma(c->proto)) return;
    if (is_out(c->proto) && b->f.mutate) forget_pieces(b, c, BENCH_ARENA(channel));
    if (c->sectors && !c->write)
        check_arena(b, channel, plain);
    else if (is_out(c->proto))
        check_arena(b, channel, NULL);
}

static void ended_badly(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    struct bench_device *d = &b->dev[c->device];
    *(c->want_error ? &b->n_refused : &b->n_failed) += 1;
    /* One that policy refuses left the medium alone; past the end, what comes before it may be written. */
    if (c->sectors && c->write && (!c->want_error || c->past_end)) accept_torn_write(d, c);
    if (!is_dma(c->proto)) return;
    if (!is_out(c->proto) || b->f.mutate) forget_pieces(b, c, BENCH_ARENA(channel));
    check_arena(b, channel, NULL);
}

void bench_ended(struct bench *b, unsigned channel, bool ok) {
    struct bench_cmd *c = &b->cmd[channel];
    if (!ok && !c->want_error && !b->dev[c->device].maybe_error)
        fake_fail("device %u: command %#x lba %lu: status %#x, error %#x", c->device, c->regs.opcode, c->lba, c->status,
                  c->error);
    if (ok)
        ended_well(b, channel);
    else
        ended_badly(b, channel);
    c->busy = false;
}

/* --- looking --- */

static void took_status(struct bench *b, unsigned channel, uint8_t status) {
    struct bench_cmd *c = &b->cmd[channel];
    c->status = status;
    c->error = status & W_ST_ERR ? bench_in(b, channel, P_ERROR) : 0;
    if (c->want_error && (status & W_ST_ERR) && !(c->error & W_ER_ABRT)) fake_fail("error %#x, not ABRT", c->error);
}

/* Status by the way the driver looks; alternate status must agree with what follows it. */
static uint8_t look(struct bench *b, unsigned channel) {
    return b->cmd[channel].manner.look == LOOK_ALT ? bench_alt_status(b, channel) : bench_in(b, channel, P_STATUS);
}

static bool poll_dma(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    uint8_t bm = bench_bm_in(b, channel, P_BM_STATUS);
    bool by_bm = c->manner.look == LOOK_IRQ || c->manner.look == LOOK_BM;
    if (bm & W_BM_ERROR) {
        if (!b->dev[c->device].maybe_error) fake_fail("bus master error");
        bench_recover(b, channel);
        return true;
    }
    if (by_bm ? !(bm & W_BM_IRQ) : look(b, channel) & (W_ST_BSY | W_ST_DRQ)) return false;
    bench_bm_out(b, channel, P_BM_CMD, is_out(c->proto) ? 0 : W_BM_TO_MEM);
    took_status(b, channel, bench_in(b, channel, P_STATUS));
    if (c->status & (W_ST_BSY | W_ST_DRQ)) fake_fail("status %#x after the end of DMA", c->status);
    if (!(c->status & W_ST_ERR) && by_bm && (bm & W_BM_ACTIVE)) fake_fail("active at the end");
    bench_bm_out(b, channel, P_BM_STATUS, W_BM_CAPABLE | W_BM_IRQ | W_BM_ERROR);
    if (bench_bm_in(b, channel, P_BM_STATUS) & (W_BM_IRQ | W_BM_ACTIVE)) fake_fail("bus master status stays");
    bench_ended(b, channel, !(c->status & W_ST_ERR));
    return true;
}

static void move_block(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    uint32_t n = c->block_left;
    if (c->manner.max_bytes && n > c->manner.max_bytes) n = c->manner.max_bytes;
    for (uint32_t end = c->moved + n; c->moved < end;) {
        uint32_t v = 0, size = c->manner.wide && end - c->moved >= 4 ? 4 : 2;
        if (is_out(c->proto)) {
            memcpy(&v, c->data + c->moved, size);
            bench_data_out(b, channel, size, v);
        } else {
            v = bench_data_in(b, channel, size);
            memcpy(c->data + c->moved, &v, size);
        }
        c->moved += size;
    }
    c->block_left -= n;
    c->age = 0;
}

/* One look at status, and what it calls for. */
static bool poll_pio(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    uint8_t status = look(b, channel);
    if (c->block_left > 0 && (status & (W_ST_BSY | W_ST_DRQ)) != W_ST_DRQ)
        fake_fail("status %#x in the middle of a block", status);
    if (status & W_ST_BSY) return false;
    if (!(status & W_ST_DRQ) || (status & W_ST_ERR)) {
        took_status(b, channel, bench_in(b, channel, P_STATUS));
        if (!(status & W_ST_ERR) && c->moved < c->n_bytes) fake_fail("no data, and no error");
        bench_ended(b, channel, !(status & W_ST_ERR));
        return true;
    }
    if (c->moved == c->n_bytes) fake_fail("DRQ after all data was moved");
    if (c->block_left == 0) c->block_left = c->n_bytes - c->moved < c->block ? c->n_bytes - c->moved : c->block;
    move_block(b, channel);
    return false;
}

/* Whether an interrupt must have come before the driver looks again. */
static bool needs_interrupt(const struct bench_cmd *c) {
    if (c->manner.look != LOOK_IRQ || c->block_left > 0) return false;
    if (c->proto == BENCH_PIO_OUT && c->moved == 0) return false;
    return !(c->proto == BENCH_PIO_IN && c->moved == c->n_bytes);
}

bool bench_poll(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    if (!c->busy) return true;
    bool looks = true;
    if (needs_interrupt(c)) {
        looks = c->irqs_seen != b->m.ch[channel].n_irqs;
        c->irqs_seen = b->m.ch[channel].n_irqs;
    }
    if (looks && (is_dma(c->proto) ? poll_dma(b, channel) : poll_pio(b, channel))) return true;
    if (c->seen != b->m.ch[channel].n_bm_bytes) c->age = 0;
    c->seen = b->m.ch[channel].n_bm_bytes;
    if (++c->age <= PATIENCE) return false;
    if (!b->dev[c->device].maybe_error)
        fake_fail("device %u: command %#x lba %lu never ends", c->device, c->regs.opcode, c->lba);
    bench_recover(b, channel);
    return true;
}

void bench_wait(struct bench *b) {
    while (b->cmd[0].busy || b->cmd[1].busy) {
        ata_model_step(&b->m);
        bench_check(b);
        for (unsigned c = 0; c < BENCH_CHANNELS; c++) bench_poll(b, c);
    }
}

void bench_do(struct bench *b, unsigned device, uint8_t opcode, uint64_t lba, uint32_t n_sectors,
              const struct bench_manner *manner) {
    bench_issue(b, device, opcode, lba, n_sectors, manner);
    bench_wait(b);
}

/* --- other commands --- */

bool bench_simple(struct bench *b, unsigned device, const struct bench_regs *regs, enum bench_proto proto, void *data,
                  uint32_t n_bytes, const struct bench_manner *manner) {
    static const struct bench_manner usual = {.look = LOOK_STATUS};
    unsigned channel = device / 2;
    struct bench_cmd *c = &b->cmd[channel];
    uint64_t ok = b->n_ok;
    bool was = b->dev[device].maybe_error;
    if (c->busy) fake_fail("test: channel %u is not idle", channel);
    c->device = device;
    c->manner = manner ? *manner : usual;
    c->proto = proto;
    c->sectors = c->write = c->want_error = false;
    c->lba = regs->lba;
    c->n_bytes = n_bytes;
    c->block = 512;
    c->regs = *regs;
    c->n_prds = 0;
    if (is_out(proto)) memcpy(c->data, data, n_bytes);
    b->dev[device].maybe_error = true; /* either outcome is an answer */
    launch(b, channel);
    while (!bench_poll(b, channel)) ata_model_step(&b->m);
    b->dev[device].maybe_error = was;
    if (proto == BENCH_PIO_IN) memcpy(data, c->data, n_bytes);
    for (uint32_t i = 0, at = 0; proto == BENCH_DMA_IN && i < c->n_prds; at += c->pieces[i++].n_bytes)
        memcpy((uint8_t *)data + at, fake_dma(&b->f, c->pieces[i].addr, c->pieces[i].n_bytes), c->pieces[i].n_bytes);
    return b->n_ok == ok + 1;
}

bool bench_identify(struct bench *b, unsigned device, uint8_t *data) {
    const struct bench_regs r = {.opcode = W_IDENTIFY};
    return bench_simple(b, device, &r, BENCH_PIO_IN, data, 512, NULL);
}

bool bench_set_multiple(struct bench *b, unsigned device, unsigned n) {
    const struct bench_regs r = {.opcode = W_SET_MULTI, .count = (uint16_t)n};
    bool ok = bench_simple(b, device, &r, BENCH_NO_DATA, NULL, 0, NULL);
    if (ok) b->dev[device].multiple = n;
    return ok;
}

bool bench_set_geometry(struct bench *b, unsigned device, unsigned n_heads, unsigned sectors_per_track) {
    const struct bench_regs r = {
        .opcode = W_INIT_PARAMS, .count = (uint16_t)sectors_per_track, .device = (uint8_t)(n_heads - 1)};
    bool ok = bench_simple(b, device, &r, BENCH_NO_DATA, NULL, 0, NULL);
    if (ok) b->dev[device].n_heads = n_heads, b->dev[device].sectors_per_track = sectors_per_track;
    return ok;
}

/* --- reset --- */

static void check_signature(struct bench *b, unsigned device) {
    unsigned c = device / 2;
    const struct ata_disk *d = &b->dev[device].disk;
    bench_out(b, c, P_DEVICE, (uint8_t)(0xa0 | (device & 1 ? W_DEV_DEV : 0)));
    unsigned got = bench_in(b, c, P_LBA1) | (unsigned)bench_in(b, c, P_LBA2) << 8;
    if (bench_in(b, c, P_COUNT) != 1 || bench_in(b, c, P_LBA0) != 1 || got != (d->atapi ? 0xeb14 : 0))
        fake_fail("device %u: signature %#x after reset", device, got);
    if (bench_in(b, c, P_ERROR) != 0x01) fake_fail("device %u: diagnostic code", device);
}

void bench_recover(struct bench *b, unsigned channel) {
    struct bench_cmd *c = &b->cmd[channel];
    bool late = bench_random(b, 2); /* not all drivers stop the bus master first */
    if (!late) bench_bm_out(b, channel, P_BM_CMD, 0);
    bench_control(b, channel, W_CTL_SRST | W_CTL_NIEN);
    for (uint32_t i = bench_random(b, 4); i > 0; i--) ata_model_step(&b->m);
    if (late) bench_bm_out(b, channel, P_BM_CMD, 0);
    bench_control(b, channel, W_CTL_NIEN);
    bench_until(b, channel, W_ST_BSY, 0);
    ata_model_settle(&b->m);
    for (unsigned i = 0; i < 2; i++)
        if (b->dev[2 * channel + i].disk.data) check_signature(b, 2 * channel + i);
    bench_bm_out(b, channel, P_BM_STATUS, W_BM_CAPABLE | W_BM_IRQ | W_BM_ERROR);
    if (c->busy) {
        bool was = b->dev[c->device].maybe_error;
        b->dev[c->device].maybe_error = true;
        bench_ended(b, channel, false);
        b->dev[c->device].maybe_error = was;
    }
    for (unsigned i = 2 * channel; i < 2 * channel + 2; i++) { /* whether a reset undoes it is the device's choice */
        ata_model_fail(&b->m, i, ATA_FAULT_NONE, 0);
        if (b->dev[i].n_heads && !bench_set_geometry(b, i, b->dev[i].n_heads, b->dev[i].sectors_per_track))
            fake_fail("device %u: no translation", i);
    }
}
