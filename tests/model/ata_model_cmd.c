/* see ata_model.h: commands, one phase after the other */
#include "ata_model.h"

#include <string.h>
#include "ata_wire.h"

enum { CDB_BYTES = 12 };

static void enter(struct ata_model_device *d, enum ata_model_phase phase, uint8_t status) {
    d->phase = phase;
    d->status = status;
}

static void interrupt(struct ata_model *m, struct ata_model_device *d) {
    d->intrq = true;
    ata_model_update_line(ata_model_channel_of(m, d));
}

void ata_model_tell(struct ata_model *m, struct ata_model_device *d, uint64_t offset, const uint8_t *data, uint64_t n) {
    if (!m->moved) return;
    const struct ata_model_channel *c = ata_model_channel_of(m, d);
    unsigned device = (unsigned)(c - m->ch) * ATA_MODEL_DEVICES + (unsigned)(d - c->dev);
    m->moved(m->watch_ctx, device, &d->task, offset, data, n);
}

/* --- ends --- */

static void reason(struct ata_model_device *d, uint8_t value) {
    if (d->packet) d->count[0] = value;
}

static void put_lba(struct ata_model_device *d, uint64_t lba) {
    for (unsigned i = 0; i < 3; i++) {
        d->lba[i][0] = (uint8_t)(lba >> (8 * i));
        d->lba[i][1] = (uint8_t)(lba >> (24 + 8 * i));
    }
}

/* What commands tell in the registers, 6 of ATA/ATAPI-7 volume 1. */
static void put_results(struct ata_model_device *d) {
    if (d->task.opcode == W_CHECK_POWER) d->count[0] = 0xff;
    if (d->task.opcode == W_NATIVE_MAX || d->task.opcode == W_NATIVE_MAX_EXT) put_lba(d, d->disk->n_units - 1);
}

static void finish(struct ata_model *m, struct ata_model_device *d) {
    ata_disk_end(d->disk, &d->task);
    put_results(d);
    reason(d, W_REASON_CD | W_REASON_IO);
    m->n_completed++;
    d->error = 0;
    enter(d, ATA_IDLE, W_ST_DRDY);
    interrupt(m, d);
}

static void put_signature(struct ata_model_device *d) {
    d->count[0] = d->lba[0][0] = 1;
    d->lba[1][0] = d->disk->atapi ? 0x14 : 0;
    d->lba[2][0] = d->disk->atapi ? 0xeb : 0;
}

void ata_model_fail_now(struct ata_model *m, struct ata_model_device *d) {
    bool tells = d->task.opcode == W_IDENTIFY || d->task.opcode == W_READ;
    m->n_errors++;
    d->error = W_ER_ABRT;
    if (d->disk->atapi && tells) put_signature(d);
    reason(d, W_REASON_CD | W_REASON_IO);
    enter(d, ATA_IDLE, W_ST_DRDY | W_ST_ERR);
    interrupt(m, d);
}

/* --- resets --- */

void ata_model_reset(struct ata_model *m, struct ata_model_device *d) {
    m->n_resets++;
    memset(&d->task, 0, sizeof d->task);
    d->packet = false;
    d->fault = ATA_FAULT_NONE;
    d->intrq = false;
    enter(d, ATA_RESETTING, W_ST_BSY);
    ata_model_update_line(ata_model_channel_of(m, d));
}

static bool end_reset(struct ata_model *m, struct ata_model_device *d) {
    const struct ata_model_channel *c = ata_model_channel_of(m, d);
    if (c->control & W_CTL_SRST) return false;
    if (ata_model_random(m, 3) == 0) return true; /* it takes a while */
    put_signature(d);
    d->error = 0x01; /* passed */
    enter(d, ATA_IDLE, d->disk->atapi ? 0x00 : W_ST_DRDY);
    if (d->task.opcode == W_DIAGNOSTIC && d == &c->dev[0]) interrupt(m, d);
    return true;
}

/* --- beginnings --- */

static void diagnose(struct ata_model *m, struct ata_model_channel *c) {
    c->device = 0;
    for (unsigned i = 0; i < ATA_MODEL_DEVICES; i++) {
        if (!c->dev[i].disk) continue;
        ata_model_reset(m, &c->dev[i]);
        c->dev[i].task.opcode = W_DIAGNOSTIC;
    }
}

void ata_model_command(struct ata_model *m, struct ata_model_channel *c, uint8_t opcode) {
    struct ata_model_device *d = &c->dev[!!(c->device & W_DEV_DEV)];
    m->n_commands++;
    if (opcode == W_DIAGNOSTIC) {
        diagnose(m, c);
        return;
    }
    memset(&d->task, 0, sizeof d->task);
    d->task.opcode = opcode;
    d->packet = false;
    d->intrq = false;
    d->moved = 0;
    d->limit = d->lba[1][0] | (uint32_t)d->lba[2][0] << 8;
    d->fault = ATA_FAULT_NONE;
    if (d->fault_in > 0 && --d->fault_in == 0) d->fault = d->next_fault;
    enter(d, ATA_STARTING, W_ST_DRDY | W_ST_BSY);
}

/* The registers as the FIS which the disk understands. */
static void build_fis(const struct ata_model_device *d, uint8_t device, uint8_t fis[20]) {
    memset(fis, 0, 20);
    fis[0] = W_FIS_H2D;
    fis[1] = W_H2D_C;
    fis[2] = d->task.opcode;
    fis[3] = d->features[0];
    fis[11] = d->features[1];
    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = d->lba[i][0];
        fis[8 + i] = d->lba[i][1];
    }
    fis[7] = device;
    fis[12] = d->count[0];
    fis[13] = d->count[1];
}

/* Parallel ATA has no such commands: a mediator must not let them through. */
static bool is_alien(struct ata_disk *disk, const struct ata_task *t) {
    bool alien = t->ncq || t->opcode == W_DSM;
    disk->n_forbidden += alien;
    if (alien) disk->last_forbidden = t->opcode;
    return alien;
}

static void expect_cdb(struct ata_model *m, struct ata_model_device *d) {
    memset(d->cdb, 0, sizeof d->cdb);
    d->packet = true;
    d->n_block = CDB_BYTES;
    d->at_block = 0;
    reason(d, W_REASON_CD);
    enter(d, ATA_CDB, W_ST_DRDY | W_ST_DRQ);
    if (ata_model_random(m, 2)) interrupt(m, d); /* some do */
}

static void understand(struct ata_model *m, struct ata_model_device *d) {
    uint8_t fis[20];
    build_fis(d, ata_model_channel_of(m, d)->device, fis);
    bool ok =
        d->fault != ATA_FAULT_ABORT && ata_disk_begin(d->disk, fis, d->cdb, &d->task) && !is_alien(d->disk, &d->task);
    if (d->packet) d->task.pio = !(d->features[0] & 1);
    if (!ok)
        ata_model_fail_now(m, d);
    else if (d->task.move == ATA_NO_DATA)
        enter(d, ATA_FINISHING, W_ST_DRDY | W_ST_BSY);
    else if (d->task.pio)
        enter(d, ATA_PREPARING, W_ST_DRDY | W_ST_BSY);
    else
        enter(d, ATA_DMA, W_ST_DRDY | (ata_model_random(m, 2) ? W_ST_BSY : W_ST_DRQ));
}

/* --- blocks of data by the data register --- */

static uint32_t block_bytes(const struct ata_model_device *d) {
    uint64_t left = d->task.n_bytes - d->moved;
    uint32_t n = d->task.multi ? d->disk->multiple * 512 : 512;
    if (d->packet) n = (d->limit ? d->limit : 0xfffe) & ~1u;
    if (d->packet && n == 0) n = 2;
    if (n > ATA_MODEL_BLOCK_BYTES) n = ATA_MODEL_BLOCK_BYTES;
    return n < left ? n : (uint32_t)left;
}

/* True: it got on, or not at all any more. */
static bool prepare(struct ata_model *m, struct ata_model_device *d) {
    bool in = d->task.move == ATA_TO_HOST;
    if (d->fault != ATA_FAULT_NONE && d->moved >= d->task.n_bytes / 2) {
        if (d->fault == ATA_FAULT_STOPS) return false;
        ata_model_fail_now(m, d);
        return true;
    }
    d->n_block = block_bytes(d);
    d->at_block = 0;
    if (in) {
        ata_disk_send(d->disk, &d->task, d->moved, d->block, d->n_block);
        ata_model_tell(m, d, d->moved, d->block, d->n_block);
    }
    reason(d, in ? W_REASON_IO : 0);
    if (d->packet) {
        d->lba[1][0] = (uint8_t)d->n_block;
        d->lba[2][0] = (uint8_t)(d->n_block >> 8);
    }
    enter(d, ATA_BLOCK, W_ST_DRDY | W_ST_DRQ);
    if (in || d->packet || d->moved > 0) interrupt(m, d); /* 9.6 "PIO data-out": none for the first block */
    return true;
}

void ata_model_block_done(struct ata_model *m, struct ata_model_device *d) {
    if (d->phase == ATA_CDB) {
        enter(d, ATA_STARTING, W_ST_DRDY | W_ST_BSY);
        return;
    }
    if (d->task.move == ATA_TO_DEVICE) {
        ata_disk_take(d->disk, &d->task, d->moved, d->block, d->n_block);
        ata_model_tell(m, d, d->moved, d->block, d->n_block);
    }
    d->moved += d->n_block;
    if (d->moved < d->task.n_bytes) {
        enter(d, ATA_PREPARING, W_ST_DRDY | W_ST_BSY);
    } else if (d->task.move == ATA_TO_DEVICE || d->packet) {
        enter(d, ATA_FINISHING, W_ST_DRDY | W_ST_BSY);
    } else { /* 9.5 "PIO data-in": no interrupt after the last block */
        m->n_completed++;
        d->error = 0;
        enter(d, ATA_IDLE, W_ST_DRDY);
    }
}

bool ata_model_step_device(struct ata_model *m, struct ata_model_device *d) {
    if (!d->disk || (d->fault == ATA_FAULT_BUSY && d->phase == ATA_STARTING)) return false;
    switch (d->phase) {
    case ATA_RESETTING: return end_reset(m, d);
    case ATA_STARTING:
        if (d->task.opcode == W_PACKET && d->disk->atapi && !d->packet)
            expect_cdb(m, d);
        else
            understand(m, d);
        return true;
    case ATA_PREPARING: return prepare(m, d);
    case ATA_FINISHING: finish(m, d); return true;
    default: return false; /* the host's turn, or the bus master's */
    }
}
