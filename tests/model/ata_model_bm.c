/* see ata_model.h: the bus master
 *
 * Source: Programming Interface for Bus Master IDE Controller, revision 1.0, 1.2 "Physical Region Descriptor", 2.0
 * "Bus Master IDE Register Description", 3.1 "Standard Programming Sequence". */
#include "ata_model.h"

#include <string.h>
#include "ata_wire.h"

enum { PRD_BYTES = 8 };
#define SEGMENT 0x10000u /* neither a region nor a table may cross a multiple of it */

/* --- descriptors --- */

static void check_address(struct ata_model *m, const struct ata_model_channel *c, uint32_t addr, uint32_t n) {
    fake_dma(m->fake, addr, n);
    if (m->prd_ok && !m->prd_ok(m->watch_ctx, (unsigned)(c - m->ch), addr, n))
        fake_fail("the bus master was told to access %#x, %u bytes", addr, n);
}

/* True: the last one. */
static bool read_prd(struct ata_model *m, const struct ata_model_channel *c, uint32_t at, uint32_t *addr, uint32_t *n) {
    uint32_t dw[2];
    if (at / SEGMENT != c->bm_prdt / SEGMENT) fake_fail("descriptor table at %#x crosses 64 KiB", c->bm_prdt);
    if (m->tables_of_region && fake_is_guest_ram(at, PRD_BYTES)) fake_fail("descriptor at %#x, in guest RAM", at);
    memcpy(dw, fake_dma(m->fake, at, PRD_BYTES), PRD_BYTES);
    *addr = dw[0];
    *n = dw[1] & 0xffff ? dw[1] & 0xffff : SEGMENT;
    if ((*addr & 1) || (*n & 1)) ata_model_bad(m, "odd descriptor");
    if (dw[1] & 0x7fff0000) ata_model_bad(m, "reserved bits in a descriptor");
    if (*addr / SEGMENT != (*addr + *n - 1) / SEGMENT) fake_fail("region %#x, %u bytes, crosses 64 KiB", *addr, *n);
    check_address(m, c, *addr, *n);
    return dw[1] & W_BM_EOT;
}

static void check_table(struct ata_model *m, const struct ata_model_channel *c) {
    uint32_t addr, n;
    for (uint32_t at = c->bm_prdt; !read_prd(m, c, at, &addr, &n); at += PRD_BYTES) {
    }
}

/* --- registers --- */

static void write_command(struct ata_model *m, struct ata_model_channel *c, uint8_t value) {
    bool was = c->bm_cmd & W_BM_START, start = value & W_BM_START;
    if (was && start && ((value ^ c->bm_cmd) & W_BM_TO_MEM) && (c->bm_status & W_BM_ACTIVE))
        ata_model_bad(m, "the direction changes under way");
    c->bm_cmd = value & (W_BM_START | W_BM_TO_MEM);
    if (start && !was) {
        check_table(m, c);
        c->bm_status |= W_BM_ACTIVE;
        c->prd_at = c->bm_prdt;
        c->prd_left = 0;
        c->prd_last = false;
        c->n_started++;
    } else if (!start) {
        c->bm_status &= (uint8_t)~W_BM_ACTIVE;
    }
}

static void write_prdt(struct ata_model *m, struct ata_model_channel *c, unsigned byte, uint8_t value) {
    if (c->bm_status & W_BM_ACTIVE) ata_model_bad(m, "the table changes under way");
    c->bm_prdt = (c->bm_prdt & ~(0xffu << (8 * byte))) | (uint32_t)value << (8 * byte);
    if (c->bm_prdt & 3) ata_model_bad(m, "the table is not aligned");
    c->bm_prdt &= ~3u;
}

static void write_byte(struct ata_model *m, unsigned offset, uint8_t value) {
    struct ata_model_channel *c = &m->ch[offset / P_BM_CHANNEL];
    offset %= P_BM_CHANNEL;
    if (offset == P_BM_CMD)
        write_command(m, c, value);
    else if (offset == P_BM_STATUS)
        c->bm_status =
            (uint8_t)((c->bm_status & ~(value & (W_BM_ERROR | W_BM_IRQ)) & ~W_BM_CAPABLE) | (value & W_BM_CAPABLE));
    else if (offset >= P_BM_PRDT)
        write_prdt(m, c, offset - P_BM_PRDT, value);
}

void ata_model_bm_write(struct ata_model *m, unsigned offset, unsigned n_bytes, uint32_t value) {
    for (unsigned i = 0; i < n_bytes; i++) write_byte(m, offset + i, (uint8_t)(value >> (8 * i)));
}

static uint8_t read_byte(const struct ata_model *m, unsigned offset) {
    const struct ata_model_channel *c = &m->ch[offset / P_BM_CHANNEL];
    offset %= P_BM_CHANNEL;
    if (offset == P_BM_CMD) return c->bm_cmd;
    if (offset == P_BM_STATUS) return c->bm_status;
    if (offset < P_BM_PRDT) return 0;
    return (uint8_t)(c->bm_prdt >> (8 * (offset - P_BM_PRDT)));
}

uint32_t ata_model_bm_read(struct ata_model *m, unsigned offset, unsigned n_bytes) {
    uint32_t value = 0;
    for (unsigned i = 0; i < n_bytes; i++) value |= (uint32_t)read_byte(m, offset + i) << (8 * i);
    return value;
}

/* --- data --- */

static void move(struct ata_model *m, struct ata_model_channel *c, struct ata_model_device *d, uint32_t n) {
    uint8_t *mem = fake_dma(m->fake, c->prd_addr, n);
    if (d->task.move == ATA_TO_HOST)
        ata_disk_send(d->disk, &d->task, d->moved, mem, n);
    else
        ata_disk_take(d->disk, &d->task, d->moved, mem, n);
    ata_model_tell(m, d, d->moved, mem, n);
    *(fake_is_guest_ram(c->prd_addr, n) ? &m->n_guest_bytes : &m->n_region_bytes) += n;
    d->moved += n;
    c->n_bm_bytes += n;
    c->prd_addr += n;
    c->prd_left -= n;
    if (c->prd_left == 0 && c->prd_last) c->bm_status &= (uint8_t)~W_BM_ACTIVE;
}

/* False: nothing happens. */
static bool strike(struct ata_model *m, struct ata_model_channel *c, struct ata_model_device *d) {
    switch (d->fault) {
    case ATA_FAULT_HALFWAY: ata_model_fail_now(m, d); return true;
    case ATA_FAULT_BUS: c->bm_status = (uint8_t)((c->bm_status & ~W_BM_ACTIVE) | W_BM_ERROR); return true;
    default: return false; /* ATA_FAULT_STOPS */
    }
}

/* Within one descriptor. */
static void move_piece(struct ata_model *m, struct ata_model_channel *c, struct ata_model_device *d, uint64_t until) {
    if (c->prd_left == 0) {
        c->prd_last = read_prd(m, c, c->prd_at, &c->prd_addr, &c->prd_left);
        c->prd_at += PRD_BYTES;
    }
    uint32_t n = ata_model_random(m, 8) ? c->prd_left : 1 + ata_model_random(m, c->prd_left);
    if (n > until - d->moved) n = (uint32_t)(until - d->moved);
    move(m, c, d, n);
}

static bool move_some(struct ata_model *m, struct ata_model_channel *c, struct ata_model_device *d) {
    bool faulty = d->fault != ATA_FAULT_NONE;
    uint64_t until = faulty ? d->task.n_bytes / 2 : d->task.n_bytes;
    if (faulty && d->moved >= until) return strike(m, c, d);
    for (uint32_t i = ata_model_random(m, 64) + 1; i > 0 && d->moved < until && (c->bm_status & W_BM_ACTIVE); i--)
        move_piece(m, c, d, until);
    if (d->moved == d->task.n_bytes) {
        d->phase = ATA_FINISHING;
        d->status = W_ST_DRDY | W_ST_BSY;
    }
    return true;
}

bool ata_model_step_bm(struct ata_model *m, struct ata_model_channel *c) {
    bool to_mem = c->bm_cmd & W_BM_TO_MEM;
    if (!(c->bm_status & W_BM_ACTIVE)) return false;
    for (unsigned i = 0; i < ATA_MODEL_DEVICES; i++) {
        struct ata_model_device *d = &c->dev[i];
        if (!d->disk || d->phase != ATA_DMA) continue;
        if (to_mem == (d->task.move == ATA_TO_HOST)) return move_some(m, c, d);
        if (d->task.media) ata_model_bad(m, "the bus master runs in the wrong direction");
        m->n_odd_data++;
    }
    return false;
}
