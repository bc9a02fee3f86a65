/* A guest's AHCI driver, polled or interrupt-driven, that checks everything it gets. */
#include "ahci_bench.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE 5000u /* looks at a command before it is given up */

uint64_t bench_list(unsigned port) { return 0x10000u + 0x1000u * port; }
uint64_t bench_fis(unsigned port) { return 0x18300u + 0x1000u * port; }
uint64_t bench_table(unsigned port, unsigned slot) { return 0x80080u + BENCH_TABLE_BYTES * (port * 32u + slot); }
uint64_t bench_arena(unsigned port, unsigned slot) {
    unsigned i = slot * BENCH_PORTS + port;
    return i < 40 ? 0x300000u + BENCH_ARENA_BYTES * i : FAKE_HIGH_BASE + (uint64_t)BENCH_ARENA_BYTES * (i - 40);
}

/* While interrupts wait, no exit does more than a slice, and the least there is for a port that had nothing to do. */
static uint64_t n_transformed(const struct bench *b) {
    return b->a.stats.sectors_encrypted + b->a.stats.sectors_decrypted;
}
static void check_slice(const struct bench *b, uint64_t before) {
    uint64_t n = n_transformed(b) - before, max = b->f.host.slice_sectors + BENCH_PORTS * DVI_SLICE_MIN;
    if (b->f.pending == 100 && !b->m.racing && n > max) fake_fail("%lu sectors in one exit, not %lu", n, max);
}

uint32_t bench_get(struct bench *b, unsigned offset) {
    uint64_t before = n_transformed(b);
    uint32_t value = (uint32_t)fake_guest_read(&b->f, b->abar + offset, 4);
    check_slice(b, before);
    return value;
}
void bench_put(struct bench *b, unsigned offset, uint32_t value) {
    uint64_t before = n_transformed(b);
    bool stops = offset == W_GHC || (offset >= W_PORT(0) && offset % 0x80 == W_CMD); /* nothing may be left then */
    fake_guest_write(&b->f, b->abar + offset, 4, value);
    if (!stops) check_slice(b, before);
    bench_check(b);
}
uint32_t bench_pget(struct bench *b, unsigned port, unsigned offset) { return bench_get(b, W_PORT(port) + offset); }
void bench_pput(struct bench *b, unsigned port, unsigned offset, uint32_t value) {
    bench_put(b, W_PORT(port) + offset, value);
}

/* --- building commands --- */

static void put32(struct bench *b, uint64_t at, uint32_t v) { memcpy(fake_dma(&b->f, at, 4), &v, 4); }
static void put64(struct bench *b, uint64_t at, uint64_t v) { memcpy(fake_dma(&b->f, at, 8), &v, 8); }

void bench_write_header(struct bench *b, unsigned port, unsigned slot, uint32_t flags, uint32_t n_prds) {
    uint64_t at = bench_list(port) + W_HEADER_BYTES * slot;
    put32(b, at, flags | n_prds << 16);
    put32(b, at + 4, 0xeeeeeeee); /* some drivers leave old counts here */
    put64(b, at + 8, bench_table(port, slot));
}

void bench_write_fis(struct bench *b, unsigned port, unsigned slot, const struct bench_fis *f) {
    uint8_t fis[20] = {W_FIS_H2D, W_H2D_C, f->opcode, (uint8_t)f->features};
    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = (uint8_t)(f->lba >> (8 * i));
        fis[8 + i] = (uint8_t)(f->lba >> (24 + 8 * i));
    }
    fis[7] = f->device;
    fis[11] = (uint8_t)(f->features >> 8);
    fis[12] = (uint8_t)f->count;
    fis[13] = (uint8_t)(f->count >> 8);
    memcpy(fake_dma(&b->f, bench_table(port, slot), sizeof fis), fis, sizeof fis);
}

void bench_write_prd(struct bench *b, unsigned port, unsigned slot, uint32_t i, uint64_t addr, uint32_t n_bytes) {
    uint64_t at = bench_table(port, slot) + W_TABLE_PRDT + W_PRD_BYTES * i;
    put64(b, at, addr);
    put32(b, at + 8, 0);
    put32(b, at + 12, (n_bytes - 1) | (bench_random(b, 16) == 0 ? W_PRD_I : 0));
}

static void *grow(void *old, size_t n) {
    void *p = realloc(old, n);
    if (!p) fake_fail("out of memory");
    return p;
}

void bench_write_prdt(struct bench *b, unsigned port, unsigned slot, uint32_t n_bytes, uint32_t min_piece) {
    struct bench_cmd *c = &b->port[port].cmd[slot];
    uint32_t slack = BENCH_ARENA_BYTES - n_bytes, left = n_bytes, n = 0;
    uint64_t at = bench_arena(port, slot);
    c->pieces = grow(c->pieces, sizeof *c->pieces * BENCH_MAX_PRDS);
    while (left > 0) {
        uint32_t gap = 2 * bench_random(b, 32), piece = min_piece + 2 * bench_random(b, min_piece);
        if (gap > slack) gap = slack & ~1u;
        slack -= gap;
        if (piece > left || n == BENCH_MAX_PRDS - 1) piece = left;
        c->pieces[n++] = (struct bench_piece){at + gap, piece};
        at += gap + piece;
        left -= piece;
    }
    for (uint32_t i = n; i > 1 && bench_random(b, 2); i--) { /* some of it out of order */
        uint32_t k = bench_random(b, i);
        struct bench_piece t = c->pieces[i - 1];
        c->pieces[i - 1] = c->pieces[k];
        c->pieces[k] = t;
    }
    for (uint32_t i = 0; i < n; i++) bench_write_prd(b, port, slot, i, c->pieces[i].addr, c->pieces[i].n_bytes);
    c->n_prds = n;
}

/* Copy between a flat buffer and the pieces within an image of the arena. */
static void scatter(const struct bench_cmd *c, uint64_t base, const uint8_t *flat, uint8_t *image, uint32_t n_bytes) {
    for (uint32_t i = 0; i < c->n_prds && n_bytes > 0; i++) {
        uint32_t n = c->pieces[i].n_bytes < n_bytes ? c->pieces[i].n_bytes : n_bytes;
        memcpy(image + (c->pieces[i].addr - base), flat, n);
        flat += n;
        n_bytes -= n;
    }
}

/* --- issuing --- */

static bool is_queued(uint8_t opcode) { return opcode == W_READ_FPDMA || opcode == W_WRITE_FPDMA; }

static bool is_write(uint8_t opcode) {
    switch (opcode) {
    case W_WRITE:
    case W_WRITE_EXT:
    case W_WRITE_DMA_EXT:
    case W_WRITE_MULTI_EXT:
    case W_WRITE_DMA_FUA_EXT:
    case W_WRITE_FPDMA:
    case W_WRITE_MULTI:
    case W_WRITE_DMA:
    case W_WRITE_MULTI_FUA_EXT: return true;
    default: return false;
    }
}

static bool is_28bit(uint8_t opcode) {
    return opcode == W_READ || opcode == W_WRITE || opcode == W_READ_MULTI || opcode == W_WRITE_MULTI ||
           opcode == W_READ_DMA || opcode == W_WRITE_DMA;
}

static bool must_refuse(const struct bench *b, const struct bench_port *p, bool write, uint64_t lba, uint64_t n) {
    if ((!p->identified && !b->bare) || lba >= p->disk.n_units || n > p->disk.n_units - lba) return true;
    for (uint64_t l = lba; p->policy && l < lba + n; l++)
        for (uint32_t k = 0; k < p->policy->n_ranges; k++) {
            const struct dvi_range *r = &p->policy->range[k];
            if (l < r->first_lba || l >= r->end_lba) continue;
            if (r->action == DVI_DENY || (write && r->action == DVI_READ_ONLY)) return true;
            break;
        }
    return false;
}

static struct bench_fis sector_fis(uint8_t opcode, unsigned slot, uint64_t lba, uint32_t n) {
    struct bench_fis f = {.opcode = opcode, .device = W_DEV_LBA, .lba = lba, .count = (uint16_t)n};
    if (is_queued(opcode)) {
        f.features = (uint16_t)n;
        f.count = (uint16_t)(slot << 3);
    } else if (is_28bit(opcode)) {
        f.count = (uint8_t)n;
        f.device |= (uint8_t)(lba >> 24);
        f.lba = lba & 0xffffff;
    }
    return f;
}

/* Note the arena as it is, and set the command going. */
static void launch(struct bench *b, unsigned port, unsigned slot, uint32_t flags, bool queued) {
    struct bench_port *p = &b->port[port];
    struct bench_cmd *c = &p->cmd[slot];
    c->arena = grow(c->arena, BENCH_ARENA_BYTES);
    memcpy(c->arena, fake_dma(&b->f, bench_arena(port, slot), BENCH_ARENA_BYTES), BENCH_ARENA_BYTES);
    c->age = 0;
    bench_write_header(b, port, slot, 5 | flags, c->n_prds);
    p->busy |= 1u << slot;
    if (queued) bench_pput(b, port, W_SACT, 1u << slot);
    bench_pput(b, port, W_CI, 1u << slot);
}

void bench_issue(struct bench *b, unsigned port, unsigned slot, uint8_t opcode, uint64_t lba, uint32_t n_sectors,
                 uint32_t min_piece) {
    struct bench_port *p = &b->port[port];
    struct bench_cmd *c = &p->cmd[slot];
    uint8_t *arena = fake_dma(&b->f, bench_arena(port, slot), BENCH_ARENA_BYTES);
    if (p->busy >> slot & 1 || (uint64_t)n_sectors * 512 > BENCH_ARENA_BYTES) fake_fail("test: slot %u", slot);
    c->data = true;
    c->write = is_write(opcode);
    c->opcode = opcode;
    c->lba = lba;
    c->n_bytes = n_sectors * 512;
    c->want_error = must_refuse(b, p, c->write, lba, n_sectors);
    bench_write_prdt(b, port, slot, c->n_bytes, min_piece);
    memset(arena, (int)bench_random(b, 256), BENCH_ARENA_BYTES);
    if (c->write) {
        c->want = grow(c->want, c->n_bytes);
        bench_fill(b, c->want, c->n_bytes);
        scatter(c, bench_arena(port, slot), c->want, arena, c->n_bytes);
    }
    struct bench_fis f = sector_fis(opcode, slot, lba, n_sectors);
    bench_write_fis(b, port, slot, &f);
    launch(b, port, slot, c->write ? W_HDR_WRITE : 0, is_queued(opcode));
}

/* --- what became of it --- */

static void check_arena(struct bench *b, unsigned port, unsigned slot, const uint8_t *flat, uint32_t n_bytes) {
    struct bench_cmd *c = &b->port[port].cmd[slot];
    uint64_t base = bench_arena(port, slot);
    if (flat) scatter(c, base, flat, c->arena, n_bytes);
    const uint8_t *now = fake_dma(&b->f, base, BENCH_ARENA_BYTES);
    for (uint32_t i = 0; memcmp(now, c->arena, BENCH_ARENA_BYTES) != 0; i++)
        if (now[i] != c->arena[i])
            fake_fail("port %u slot %u: command %#x lba %lu, %u bytes: wrong byte %#x of the arena", port, slot,
                      c->opcode, c->lba, c->n_bytes, i);
}

/* Bytes the PRDs cover may have any value after a failed read, all others must be as they were. */
static void forget_pieces(struct bench *b, struct bench_cmd *c, uint64_t base) {
    for (uint32_t i = 0; i < c->n_prds; i++)
        memcpy(c->arena + (c->pieces[i].addr - base), fake_dma(&b->f, c->pieces[i].addr, c->pieces[i].n_bytes),
               c->pieces[i].n_bytes);
}

/* A write that ended early: every byte of the medium is the old one or the new one; take it as it is. */
static void accept_torn_write(struct bench_port *p, const struct bench_cmd *c) {
    uint8_t was[512], new[512];
    for (uint32_t s = 0; s < c->n_bytes / 512; s++) {
        uint8_t *raw = p->disk.data + 512 * (c->lba + s), *plain = p->plain + 512 * (c->lba + s);
        bench_encode(p->policy, c->lba + s, plain, was, 1);
        bench_encode(p->policy, c->lba + s, c->want + 512 * s, new, 1);
        for (unsigned i = 0; i < 512; i++)
            if (raw[i] != was[i] && raw[i] != new[i]) fake_fail("lba %lu: neither old nor new", c->lba + s);
        bench_decode(p->policy, c->lba + s, raw, plain, 1);
    }
}

static void ended_well(struct bench *b, unsigned port, unsigned slot) {
    struct bench_port *p = &b->port[port];
    struct bench_cmd *c = &p->cmd[slot];
    uint32_t prdbc, n = c->n_bytes;
    if (c->want_error) fake_fail("port %u: command %#x lba %lu should have been refused", port, c->opcode, c->lba);
    memcpy(&prdbc, fake_dma(&b->f, bench_list(port) + W_HEADER_BYTES * slot + 4, 4), 4);
    if (!is_queued(c->opcode) && prdbc != n) {
        if (!p->maybe_short || prdbc > n) fake_fail("command %#x: PRDBC %u, not %u", c->opcode, prdbc, n);
        n = prdbc & ~511u;
    }
    b->n_ok++;
    if (!c->data) return;
    bool is_short = n < c->n_bytes; /* some part of it; which is for a test of its own */
    if (c->write && is_short)
        accept_torn_write(p, c);
    else if (c->write)
        memcpy(p->plain + 512 * c->lba, c->want, n);
    /* The guest's own data is left alone, except by the host that shows double fetches. */
    if (is_short || (c->write && b->f.mutate)) forget_pieces(b, c, bench_arena(port, slot));
    check_arena(b, port, slot, c->write || is_short ? NULL : p->plain + 512 * c->lba, n);
}

static void ended_badly(struct bench *b, unsigned port, unsigned slot) {
    struct bench_port *p = &b->port[port];
    struct bench_cmd *c = &p->cmd[slot];
    if (c->want_error)
        b->n_refused++;
    else
        b->n_failed++;
    if (!c->data) return;
    if (c->write && !c->want_error) accept_torn_write(p, c); /* a refused one must have left the medium alone */
    if ((!c->write && !c->want_error) || b->f.mutate) forget_pieces(b, c, bench_arena(port, slot));
    check_arena(b, port, slot, NULL, 0);
}

/* --- looking --- */

static bool error_is_explained(const struct bench_port *p) {
    for (unsigned s = 0; s < 32; s++)
        if (p->busy >> s & 1 && p->cmd[s].want_error) return true;
    return p->maybe_error;
}

static bool out_of_patience(struct bench_port *p) {
    bool out = false;
    for (unsigned s = 0; s < 32; s++)
        if (p->busy >> s & 1 && ++p->cmd[s].age > PATIENCE) out = true;
    if (out && !p->maybe_error) fake_fail("a command never ends");
    return out;
}

bool bench_poll(struct bench *b, unsigned port) {
    struct bench_port *p = &b->port[port];
    uint32_t is = bench_pget(b, port, W_PxIS);
    if (is) bench_pput(b, port, W_PxIS, is);
    uint32_t active = bench_pget(b, port, W_SACT) | bench_pget(b, port, W_CI), done = p->busy & ~active;
    if (active & ~p->busy) fake_fail("port %u: bits %#x of commands that were not issued", port, active & ~p->busy);
    for (unsigned s = 0; s < 32; s++)
        if (done >> s & 1) ended_well(b, port, s);
    p->busy &= ~done;
    bool error = is & (W_IS_TFES | W_IS_HBFS | W_IS_IFS);
    if (error && p->busy && !error_is_explained(p)) fake_fail("port %u: unexpected error, PxIS %#x", port, is);
    if (p->busy && (error || out_of_patience(p))) bench_recover(b, port, false);
    bench_check(b);
    return p->busy == 0;
}

void bench_interrupt(struct bench *b) {
    if (b->m.messages) b->m.irq = false;
    uint32_t is = bench_get(b, W_IS);
    if (b->m.edges) bench_put(b, W_IS, is); /* later would be too late, if one came meanwhile */
    for (unsigned p = 0; p < BENCH_PORTS; p++)
        if (is >> p & 1) bench_poll(b, p);
    if (!b->m.edges) bench_put(b, W_IS, is);
}

static bool all_idle(const struct bench *b) {
    for (unsigned p = 0; p < BENCH_PORTS; p++)
        if (b->port[p].busy) return false;
    return true;
}

void bench_wait(struct bench *b) {
    for (unsigned rounds = 0; !all_idle(b); rounds++) {
        bool busy = ahci_model_step(&b->m), silent = false;
        bench_check(b);
        for (unsigned p = 0; p < BENCH_PORTS; p++) silent |= b->port[p].maybe_error;
        if (!b->irq_driven || (silent && !busy))
            for (unsigned p = 0; p < BENCH_PORTS; p++) bench_poll(b, p);
        else if (b->m.irq)
            bench_interrupt(b);
        else if (!busy)
            fake_fail("the device is done, commands are outstanding, and no interrupt will come");
        if (rounds > 200000) fake_fail("no end of commands");
    }
}

/* --- the port --- */

void bench_start_ports(struct bench *b, unsigned port) {
    bench_pput(b, port, W_CLB, (uint32_t)bench_list(port));
    bench_pput(b, port, W_CLBU, 0);
    bench_pput(b, port, W_FB, (uint32_t)bench_fis(port));
    bench_pput(b, port, W_FBU, 0);
    uint32_t cmd = bench_pget(b, port, W_CMD);
    bench_pput(b, port, W_CMD, cmd | W_CMD_FRE);
    bench_pput(b, port, W_CMD, cmd | W_CMD_FRE | W_CMD_ST);
}

static void stop_port(struct bench *b, unsigned port) {
    bench_pput(b, port, W_CMD, bench_pget(b, port, W_CMD) & ~W_CMD_ST);
    unsigned looks = 0;
    while (bench_pget(b, port, W_CMD) & W_CMD_CR)
        if (++looks > 100) fake_fail("port %u does not stop", port);
}

/* Until it is read, the disk aborts everything: ACS-3 "NCQ Command Error log". */
static void read_error_log(struct bench *b, unsigned port) {
    struct bench_port *p = &b->port[port];
    struct bench_fis f = {.opcode = W_READ_LOG_EXT, .device = 0xa0, .lba = 0x10, .count = 1};
    unsigned fault_in = b->m.port[port].fault_in;
    b->m.port[port].fault_in = 0;
    if (p->recovering) fake_fail("READ LOG EXT failed");
    p->recovering = true;
    if (!bench_simple(b, port, &f, 0, 512)) fake_fail("READ LOG EXT failed");
    p->recovering = false;
    b->m.port[port].fault_in = fault_in;
}

void bench_recover(struct bench *b, unsigned port, bool comreset) {
    struct bench_port *p = &b->port[port];
    stop_port(b, port);
    if (bench_pget(b, port, W_CI) | bench_pget(b, port, W_SACT)) fake_fail("port %u: bits left after ST", port);
    for (unsigned s = 0; s < 32; s++)
        if (p->busy >> s & 1) ended_badly(b, port, s);
    p->busy = 0;
    if (comreset) {
        bench_pput(b, port, W_SCTL, 0x301);
        bench_pput(b, port, W_SCTL, 0x300);
        p->identified = false;
    }
    bench_pput(b, port, W_SERR, bench_pget(b, port, W_SERR));
    bench_pput(b, port, W_PxIS, bench_pget(b, port, W_PxIS));
    bench_pput(b, port, W_CMD, bench_pget(b, port, W_CMD) | W_CMD_ST);
    if (p->disk.ncq_error && b->m.port[port].disk) read_error_log(b, port);
}

unsigned bench_free_slot(struct bench *b, unsigned port) {
    unsigned first = bench_random(b, 32), i = 0;
    while (i < 32 && b->port[port].busy >> ((first + i) % 32) & 1) i++;
    return i == 32 ? 32 : (first + i) % 32;
}

void bench_do(struct bench *b, unsigned port, uint8_t opcode, uint64_t lba, uint32_t n_sectors, uint32_t min_piece) {
    bench_issue(b, port, bench_free_slot(b, port), opcode, lba, n_sectors, min_piece);
    bench_wait(b);
}

bool bench_simple(struct bench *b, unsigned port, const struct bench_fis *fis, uint32_t flags, uint32_t n_bytes) {
    struct bench_port *p = &b->port[port];
    struct bench_cmd *c = &p->cmd[0];
    if (p->busy) fake_fail("test: port %u is not idle", port);
    uint64_t ok = b->n_ok;
    bool was = p->maybe_error;
    c->data = c->want_error = false;
    c->opcode = fis->opcode;
    c->lba = fis->lba;
    c->n_bytes = n_bytes;
    c->n_prds = 0;
    if (n_bytes > 0) bench_write_prdt(b, port, 0, n_bytes, 2 + 2 * bench_random(b, n_bytes));
    bench_write_fis(b, port, 0, fis);
    p->maybe_error = true; /* either outcome is an answer */
    launch(b, port, 0, flags, false);
    while (!bench_poll(b, port)) ahci_model_step(&b->m);
    p->maybe_error = was;
    return b->n_ok == ok + 1;
}

bool bench_identify(struct bench *b, unsigned port, uint8_t *data) {
    struct bench_fis f = {.opcode = W_IDENTIFY, .device = 0xa0};
    if (!bench_simple(b, port, &f, 0, 512)) return false;
    const struct bench_cmd *c = &b->port[port].cmd[0];
    for (uint32_t i = 0, at = 0; i < c->n_prds; at += c->pieces[i++].n_bytes)
        memcpy(data + at, fake_dma(&b->f, c->pieces[i].addr, c->pieces[i].n_bytes), c->pieces[i].n_bytes);
    b->port[port].identified = true;
    return true;
}
