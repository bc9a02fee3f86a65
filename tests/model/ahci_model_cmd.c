/* Commands: fetch, move data, finish, fail. */
#include "ahci_model.h"

#include <string.h>
#include "ahci_wire.h"

static uint32_t get32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static uint64_t get64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

void ahci_model_drop(struct ahci_model_port *p) {
    for (unsigned i = 0; i < AHCI_MODEL_SLOTS; i++) p->slot[i].busy = false;
}

/* --- FISes --- */

static void post(struct ahci_model *m, struct ahci_model_port *p, unsigned offset, const uint8_t *fis, size_t n) {
    if (!(p->cmd & W_CMD_FR)) return;
    memcpy((uint8_t *)fake_dma(m->fake, (uint64_t)p->fbu << 32 | p->fb, W_RFIS_BYTES) + offset, fis, n);
}

void ahci_model_d2h(struct ahci_model *m, struct ahci_model_port *p, uint8_t status, uint8_t error, uint32_t is) {
    uint8_t fis[20] = {W_FIS_D2H, is ? 0x40 : 0, status, error};
    fis[4] = fis[12] = 1; /* the signature; without meaning else */
    if (p->disk && p->disk->atapi) fis[5] = 0x14, fis[6] = 0xeb;
    p->tfd = (uint32_t)error << 8 | status;
    p->is |= is;
    post(m, p, W_RFIS_D2H, fis, sizeof fis);
}

static void post_sdb(struct ahci_model *m, struct ahci_model_port *p, uint8_t status, uint8_t error, uint32_t done) {
    uint8_t fis[8] = {W_FIS_SDB, 0x40, status, error};
    memcpy(fis + 4, &done, 4);
    p->tfd = (uint32_t)error << 8 | (p->tfd & 0x88) | (status & 0x77u); /* 5.3.12 "ND:SDB...": BSY and DRQ stay */
    p->sact &= ~done;
    p->is |= W_IS_SDBS;
    post(m, p, W_RFIS_SDB, fis, sizeof fis);
}

static void post_setup(struct ahci_model *m, struct ahci_model_port *p, const struct ata_task *t) {
    if (t->pio) {
        uint8_t fis[20] = {W_FIS_PIO_SETUP, t->move == ATA_TO_HOST ? 0x60 : 0x40, W_ST_DRDY | W_ST_DRQ};
        fis[15] = W_ST_DRDY;
        fis[16] = 0x00, fis[17] = 0x02;
        post(m, p, W_RFIS_PSFIS, fis, sizeof fis);
    } else if (t->ncq) {
        uint8_t fis[28] = {W_FIS_DMA_SETUP, t->move == ATA_TO_HOST ? 0x60 : 0x40};
        fis[4] = t->tag;
        p->is |= W_IS_DSS;
        post(m, p, W_RFIS_DSFIS, fis, sizeof fis);
    }
}

/* --- errors --- */

/* The port stops: 6.2.2 "Software Error Recovery". An error while queued commands are outstanding ends them all. */
static void fail(struct ahci_model *m, struct ahci_model_port *p, unsigned slot, uint32_t is) {
    bool queued = p->slot[slot].task.ncq && p->slot[slot].busy;
    m->n_errors++;
    for (unsigned i = 0; i < AHCI_MODEL_SLOTS; i++) {
        queued |= p->slot[i].busy && p->slot[i].task.ncq;
        p->slot[i].busy = false;
    }
    p->halted = true;
    p->cmd = (p->cmd & ~0x1f00u) | slot << 8;
    p->is |= is;
    if (!(is & W_IS_TFES)) return;
    if (queued) {
        p->disk->ncq_error = true;
        p->disk->error_tag = p->slot[slot].task.ncq ? p->slot[slot].task.tag : 0x80;
    }
    if (queued && p->slot[slot].task.ncq)
        post_sdb(m, p, W_ST_DRDY | W_ST_ERR, W_ER_ABRT, 0);
    else
        ahci_model_d2h(m, p, W_ST_DRDY | W_ST_ERR, W_ER_ABRT, W_IS_DHRS);
}

/* --- fetch --- */

static const uint8_t *header_of(struct ahci_model *m, const struct ahci_model_port *p, unsigned slot) {
    uint64_t list = (uint64_t)p->clbu << 32 | p->clb;
    return fake_dma(m->fake, list + W_HEADER_BYTES * slot, W_HEADER_BYTES);
}

static void prd_of(struct ahci_model *m, const uint8_t *header, uint32_t i, uint64_t *addr, uint64_t *n) {
    const uint8_t *prd = fake_dma(m->fake, get64(header + 8) + W_TABLE_PRDT + (uint64_t)W_PRD_BYTES * i, W_PRD_BYTES);
    *addr = get64(prd) & ~UINT64_C(1);
    *n = (get32(prd + 12) & 0x3fffff) + 1;
    if (*n & 1) m->n_bad_registers++;
}

/* Look at every address the command brings along, used or not. */
static void check_table(struct ahci_model *m, const struct ahci_model_port *p, const uint8_t *header) {
    uint32_t n_prds = get32(header) >> 16;
    if (n_prds > m->max_prds) m->max_prds = n_prds;
    if (get64(header + 8) & 0x7f) fake_fail("command table at %#lx", get64(header + 8));
    for (uint32_t i = 0; i < n_prds; i++) {
        uint64_t addr, n;
        prd_of(m, header, i, &addr, &n);
        fake_dma(m->fake, addr, n);
        if (m->prd_ok && !m->prd_ok(m->watch_ctx, (unsigned)(p - m->port), addr, n))
            fake_fail("the device was told to access %#lx, %lu bytes", addr, n);
    }
}

/* A write to the control register only: 10.4.1 "Software Reset". */
static void control(struct ahci_model *m, struct ahci_model_port *p, unsigned slot, const uint8_t *fis) {
    p->ci &= ~(1u << slot);
    bool srst = fis[15] & 4;
    if (srst) {
        ahci_model_drop(p);
        p->tfd = W_ST_BSY;
    } else if (p->tfd & W_ST_BSY) {
        ahci_model_d2h(m, p, p->disk->atapi ? 0x00 : W_ST_DRDY, 0x01, W_IS_DHRS);
        p->disk->ncq_error = false;
    }
}

static void fetch(struct ahci_model *m, struct ahci_model_port *p, unsigned slot) {
    const uint8_t *header = header_of(m, p, slot);
    uint32_t flags = get32(header);
    const uint8_t *table = fake_dma(m->fake, get64(header + 8), W_TABLE_PRDT);
    bool queued_before = false;
    for (unsigned i = 0; i < AHCI_MODEL_SLOTS; i++) queued_before |= p->slot[i].busy;
    check_table(m, p, header);
    m->n_fetched++;
    if ((flags & W_HDR_CFL) < 2 || flags >> 12 & 0xf || table[0] != W_FIS_H2D || table[1] & 0xf) m->n_bad_registers++;
    if (!(table[1] & W_H2D_C)) {
        control(m, p, slot, table);
        return;
    }

    struct ahci_model_slot *s = &p->slot[slot];
    memset(s, 0, sizeof *s);
    bool ok = ata_disk_begin(p->disk, table, table + W_TABLE_ACMD, &s->task);
    bool packet = s->task.opcode == W_PACKET;
    if (packet != !!(flags & W_HDR_ATAPI)) ok = false;
    if (s->task.move == ATA_TO_DEVICE && !(flags & W_HDR_WRITE)) m->n_bad_registers++;
    if (s->task.move == ATA_TO_HOST && (flags & W_HDR_WRITE) && !packet) m->n_bad_registers++;
    if (s->task.ncq && !p->disk->ncq) ok = false;
    if (p->fault_in > 0 && --p->fault_in == 0) s->fault = p->next_fault;
    s->busy = true;
    if (!ok || s->fault == FAULT_TASK_FILE || (queued_before && !s->task.ncq)) {
        fail(m, p, slot, W_IS_TFES);
        return;
    }
    if (s->task.ncq) { /* accepted: the slot's bit in PxSACT says when it ends */
        p->ci &= ~(1u << slot);
        ahci_model_d2h(m, p, W_ST_DRDY, 0, 0);
    } else {
        p->tfd = W_ST_DRDY | W_ST_BSY;
    }
}

/* --- data --- */

/* Move up to n bytes within one PRD. The table is that of the slot which the device names: its tag, if queued. */
static bool move_some(struct ahci_model *m, struct ahci_model_port *p, unsigned slot, uint64_t n) {
    struct ahci_model_slot *s = &p->slot[slot];
    const uint8_t *header = header_of(m, p, s->task.ncq ? s->task.tag : slot);
    uint64_t addr, size;
    if (s->prd >= get32(header) >> 16) return false; /* more data than the table holds */
    prd_of(m, header, s->prd, &addr, &size);
    if (n > size - s->prd_offset) n = size - s->prd_offset;
    uint8_t *mem = fake_dma(m->fake, addr + s->prd_offset, n);
    if (s->task.move == ATA_TO_HOST)
        ata_disk_send(p->disk, &s->task, s->moved, mem, n);
    else
        ata_disk_take(p->disk, &s->task, s->moved, mem, n);
    if (m->moved) m->moved(m->watch_ctx, (unsigned)(p - m->port), &s->task, s->moved, mem, n);
    *(fake_is_guest_ram(addr, size) ? &m->n_guest_bytes : &m->n_region_bytes) += n;
    s->moved += n;
    s->prd_offset += n;
    if (s->prd_offset == size) {
        const uint8_t *prd = fake_dma(m->fake, get64(header + 8) + W_TABLE_PRDT + (uint64_t)W_PRD_BYTES * s->prd, 16);
        if (get32(prd + 12) & W_PRD_I) p->is |= W_IS_DPS;
        s->prd++;
        s->prd_offset = 0;
    }
    return true;
}

static void finish(struct ahci_model *m, struct ahci_model_port *p, unsigned slot) {
    struct ahci_model_slot *s = &p->slot[slot];
    s->busy = false;
    m->n_completed++;
    ata_disk_end(p->disk, &s->task);
    if (s->task.ncq) {
        post_sdb(m, p, W_ST_DRDY, 0, 1u << s->task.tag);
        return;
    }
    uint32_t moved = (uint32_t)s->moved;
    uint64_t list = (uint64_t)p->clbu << 32 | p->clb;
    memcpy(fake_dma(m->fake, list + W_HEADER_BYTES * slot + 4, 4), &moved, 4);
    p->ci &= ~(1u << slot);
    if (s->task.pio && s->task.move == ATA_TO_HOST)
        p->tfd = W_ST_DRDY, p->is |= W_IS_PSS; /* after its data, from the PIO Setup FIS; no other follows */
    else
        ahci_model_d2h(m, p, W_ST_DRDY, 0, W_IS_DHRS);
}

static void progress(struct ahci_model *m, struct ahci_model_port *p, unsigned slot) {
    struct ahci_model_slot *s = &p->slot[slot];
    uint64_t half = s->task.n_bytes / 2, left = s->task.n_bytes - s->moved;
    bool running = p->cmd & W_CMD_ST;
    if (s->moved == 0 && running) post_setup(m, p, &s->task);
    if (s->moved >= half && running && s->fault != FAULT_NONE) {
        if (s->fault == FAULT_SHORT && !s->task.ncq) finish(m, p, slot);
        if (s->fault == FAULT_HALFWAY) fail(m, p, slot, W_IS_TFES);
        if (s->fault == FAULT_INTERFACE) fail(m, p, slot, W_IS_IFS);
        if (s->fault == FAULT_HOST_BUS) fail(m, p, slot, W_IS_HBFS);
        if (s->fault != FAULT_SHORT || !s->task.ncq) return;
        s->fault = FAULT_NONE;
    }
    uint64_t until = s->fault != FAULT_NONE && s->moved < half ? half : s->task.n_bytes;
    uint64_t n = ahci_model_random(m, 4) ? until - s->moved : (left ? 1 + ahci_model_random(m, 65536) : 0);
    if (n > until - s->moved) n = until - s->moved;
    while (n > 0) {
        uint64_t before = s->moved;
        if (!move_some(m, p, slot, n)) {
            s->busy = running; /* else it ends unseen */
            if (running) fail(m, p, slot, W_IS_OFS | W_IS_IFS);
            return;
        }
        n -= s->moved - before;
    }
    if (s->moved == s->task.n_bytes && s->fault == FAULT_NONE && running) finish(m, p, slot);
}

/* Which slots can get on. */
static uint32_t ready(const struct ahci_model_port *p, uint32_t *out_fetchable) {
    uint32_t busy = 0, movable = 0;
    bool exclusive = false, running = (p->cmd & W_CMD_ST) && !p->halted;
    for (unsigned i = 0; i < AHCI_MODEL_SLOTS; i++) {
        const struct ahci_model_slot *s = &p->slot[i];
        if (!s->busy) continue;
        busy |= 1u << i;
        exclusive |= !s->task.ncq;
        if (s->fault != FAULT_SILENT && (running || s->moved < s->task.n_bytes)) movable |= 1u << i;
    }
    *out_fetchable = running && !exclusive ? p->ci & ~busy : 0;
    return movable;
}

bool ahci_model_step_port(struct ahci_model *m, struct ahci_model_port *p) {
    uint32_t fetchable;
    if (!p->disk || !(p->cmd & W_CMD_CR) || p->ssts != W_SSTS_UP) return false;
    uint32_t movable = ready(p, &fetchable);
    if ((movable | fetchable) == 0) return false;
    unsigned slot = ahci_model_random(m, 32);
    while (!((movable | fetchable) >> slot & 1)) slot = (slot + 1) % 32;
    if (fetchable >> slot & 1)
        fetch(m, p, slot);
    else
        progress(m, p, slot);
    return true;
}
