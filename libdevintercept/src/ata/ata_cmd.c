/* see ata_channel.h: commands, and data that passes through the data register */
#include <string.h>

#include "../bytes.h"
#include "ata_channel.h"

/* Where the registers are in a FIS, and their earlier values, which 48-bit commands read. */
static const struct {
    uint8_t port, earlier, now;
} registers[] = {{ATA_FEATURES, FIS_H2D_FEATURES_E, FIS_H2D_FEATURES},
                 {ATA_COUNT, FIS_H2D_COUNT_E, FIS_H2D_COUNT},
                 {ATA_LBA0, FIS_H2D_LBA3, FIS_H2D_LBA0},
                 {ATA_LBA1, FIS_H2D_LBA3 + 1, FIS_H2D_LBA0 + 1},
                 {ATA_LBA2, FIS_H2D_LBA3 + 2, FIS_H2D_LBA0 + 2}};

/* --- one command --- */

void ata_issue(const struct dvi_ata_channel *c, const uint8_t fis[FIS_H2D_BYTES]) {
    for (unsigned i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        ata_out(c, c->cmd + registers[i].port, fis[registers[i].earlier]);
        ata_out(c, c->cmd + registers[i].port, fis[registers[i].now]);
    }
    ata_out(c, c->cmd + ATA_DEVICE, fis[FIS_H2D_DEVICE]);
    ata_out(c, c->cmd + ATA_COMMAND, fis[FIS_H2D_COMMAND]);
    for (unsigned i = 0; i < ATA_SETTLE_LOOKS && !(ata_alt_status(c) & (ATA_STATUS_BSY | ATA_STATUS_DRQ));) i++;
}

void ata_forget(struct dvi_ata_channel *c) {
    c->phase = PHASE_IDLE;
    c->kind = ACS_REFUSE;
    c->dma = c->loaded = false;
    c->n_used = c->n_sectors = 0;
}

void ata_refuse(struct dvi_ata_channel *c) {
    ata_forget(c);
    c->ata->stats.refused++;
    uint8_t nop[FIS_H2D_BYTES] = {[FIS_H2D_COMMAND] = ATA_NOP, [FIS_H2D_DEVICE] = c->fis[FIS_H2D_DEVICE]};
    ata_issue(c, nop);
}

/* Whose registers the guest has selected. */
static struct dvi_ata_device *selected(struct dvi_ata_channel *c) {
    return &c->device[(c->fis[FIS_H2D_DEVICE] & ATA_DEVICE_DEV) != 0];
}

bool ata_busy(struct dvi_ata_channel *c) {
    ata_dma_poll(c, true);
    if (c->phase == PHASE_HELD || c->phase == PHASE_DMA || c->loaded) return true;
    uint8_t status = ata_alt_status(c);
    if (c->phase == PHASE_IDLE && ata_is_floating(status) && !selected(c)->known) return false; /* nobody is there */
    return status & (ATA_STATUS_BSY | ATA_STATUS_DRQ);
}

/* Commands that serial ATA has not. */
static bool is_old(struct dvi_ata_channel *c, const uint8_t fis[FIS_H2D_BYTES]) {
    switch (fis[FIS_H2D_COMMAND]) {
    case ATA_INITIALIZE_PARAMS: return true; /* see ata_settle_translation */
    case ATA_EXECUTE_DIAGNOSTIC: ata_reset_translations(c); return true;
    case ATA_RECALIBRATE:
    case ATA_SEEK: return true;
    default: return false;
    }
}

/* What is to be done with it, and what the device is to be told: c->out. */
static struct acs_cmd judge(struct dvi_ata_channel *c) {
    const struct acs_cmd refused = {.kind = ACS_REFUSE};
    const struct dvi_ata_device *d = c->on;
    if (is_old(c, c->out)) return (struct acs_cmd){.kind = ACS_NO_DATA};

    struct acs_cmd cmd = acs_cmd_parse(c->out, 0);
    if (cmd.kind == ACS_REFUSE && cmd.lba28 && d->known && !(c->out[FIS_H2D_DEVICE] & ATA_DEVICE_LBA)) {
        if (!ata_to_lba(c->out, d)) return refused;
        cmd = acs_cmd_parse(c->out, 0);
    }
    if (cmd.queued || cmd.kind == ACS_TRIM) return refused;
    if (acs_kind_has_lba(cmd.kind) && !(d->known && acs_allowed(&d->id, d->policy, &cmd))) return refused;
    return cmd;
}

static enum ata_phase phase_of(const struct dvi_ata_channel *c, const struct acs_cmd *cmd) {
    bool user = cmd->kind == ACS_READ || cmd->kind == ACS_WRITE;
    if (user && cmd->dma) return PHASE_HELD;
    return cmd->kind == ACS_IDENTIFY || (user && c->on->policy) ? PHASE_SECTORS : PHASE_RUN;
}

void ata_settle_translation(struct dvi_ata_channel *c, uint8_t status) {
    struct dvi_ata_device *d = c->on;
    if (c->phase != PHASE_RUN || c->out[FIS_H2D_COMMAND] != ATA_INITIALIZE_PARAMS) return;
    if (status & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) return;
    bool is_selected = d == selected(c);
    c->phase = PHASE_IDLE;
    if (is_selected && (status & (ATA_STATUS_ERR | ATA_STATUS_DF))) return; /* all is as it was */
    d->n_heads = is_selected ? (uint8_t)((c->out[FIS_H2D_DEVICE] & ATA_DEVICE_HEADS) + 1) : 0;
    d->n_track = c->out[FIS_H2D_COUNT];
}

void ata_command(struct dvi_ata_channel *c, uint8_t opcode) {
    if (opcode == ATA_DEVICE_RESET) { /* ends whatever a packet device does; a disk aborts it */
        ata_dma_stop(c);
        ata_forget(c);
        ata_out(c, c->cmd + ATA_COMMAND, opcode);
        c->ata->stats.passed++;
        return;
    }
    if (ata_busy(c)) {
        c->ata->stats.bad_registers++;
        return;
    }
    ata_settle_translation(c, ata_alt_status(c));
    ata_forget(c);
    c->fis[FIS_H2D_COMMAND] = opcode;
    c->on = selected(c);
    memcpy(c->out, c->fis, sizeof c->out);
    struct acs_cmd cmd = judge(c);
    if (cmd.kind == ACS_REFUSE) {
        ata_refuse(c);
        return;
    }
    acs_count(&c->ata->stats, cmd.kind);
    c->kind = (uint8_t)cmd.kind;
    c->dma = cmd.dma && c->bm;
    c->lba = cmd.lba;
    c->n_sectors = cmd.kind == ACS_IDENTIFY ? 1 : cmd.n_sectors;
    c->phase = (uint8_t)phase_of(c, &cmd);
    if (c->phase != PHASE_HELD) ata_issue(c, c->out);
    if (c->dma && (c->bm_command & BM_COMMAND_START)) ata_dma_start(c);
}

void ata_learn(struct dvi_ata_channel *c, struct dvi_ata_device *d, const uint8_t data[ATA_ID_BYTES],
               const struct dvi_disk_reader *reader) {
    unsigned port = DVI_ATA_N_DEVICES * c->number + (unsigned)(d - c->device);
    d->id = (struct dvi_disk_id){.bdf = c->ata->bdf, .port = port};
    acs_identify_parse(data, &d->id);
    ata_learn_translation(d, data);
    d->policy = acs_policy(&d->id, reader, c->ata->config.policy_for, c->ata->config.cookie);
    d->known = true;
}

/* --- the data register --- */

void ata_take_sector(const struct dvi_ata_channel *c, uint8_t sector[DVI_UNIT_BYTES]) {
    const struct dvi_host *h = c->ata->host;
    for (unsigned i = 0; i < DVI_UNIT_BYTES; i += 2) {
        uint32_t word = h->port_read(h->ctx, (uint16_t)(c->cmd + ATA_DATA), 2);
        sector[i] = (uint8_t)word;
        sector[i + 1] = (uint8_t)(word >> 8);
    }
}

static void give_sector(const struct dvi_ata_channel *c) {
    const struct dvi_host *h = c->ata->host;
    for (unsigned i = 0; i < DVI_UNIT_BYTES; i += 2)
        h->port_write(h->ctx, (uint16_t)(c->cmd + ATA_DATA), 2, get16(c->sector + i));
}

/* The transform of the next sector, or NULL. */
static const struct dvi_blk_transform *transform_of(const struct dvi_ata_channel *c, uint64_t *out_unit) {
    struct dvi_span span = dvi_policy_lookup(c->on->policy, c->lba, 1);
    *out_unit = span.unit;
    return span.action == DVI_ENCRYPT ? span.transform : NULL;
}

static bool device_waits_for_data(struct dvi_ata_channel *c) {
    c->status = ata_alt_status(c);
    return c->n_sectors > 0 && (c->status & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) == ATA_STATUS_DRQ;
}

/* The device's next sector, as the guest shall see it. False: it has none. */
static bool load(struct dvi_ata_channel *c) {
    if (!device_waits_for_data(c)) return false;
    ata_take_sector(c, c->sector);
    uint64_t unit;
    const struct dvi_blk_transform *t;
    if (c->kind == ACS_IDENTIFY) {
        ata_learn(c, c->on, c->sector, NULL);
        acs_identify_hide(c->sector, true);
    } else if ((t = transform_of(c, &unit)) != NULL) {
        t->decrypt(t->ctx, unit, c->sector, c->sector, 1);
        c->ata->stats.sectors_decrypted++;
    }
    c->loaded = true;
    return true;
}

static void unload(struct dvi_ata_channel *c) {
    uint64_t unit;
    const struct dvi_blk_transform *t = transform_of(c, &unit);
    if (t) {
        t->encrypt(t->ctx, unit, c->sector, c->sector, 1);
        c->ata->stats.sectors_encrypted++;
    }
    give_sector(c);
}

/* The next n_bytes of the sector on its way. */
static bool sector_access(struct dvi_ata_channel *c, struct vmm_access *access) {
    unsigned n = access->n_bytes;
    bool write = c->kind == ACS_WRITE;
    if (n == 1 || access->write != write) return false;
    if (write ? c->n_used == 0 && !device_waits_for_data(c) : !c->loaded && !load(c)) return false;
    if (n > DVI_UNIT_BYTES - c->n_used) return false; /* 4 bytes where 2 are left */

    uint8_t *at = c->sector + c->n_used;
    for (unsigned i = 0; i < n && write; i++) at[i] = (uint8_t)(access->value >> 8 * i);
    if (!write) access->value = n == 2 ? get16(at) : get32(at);
    c->n_used += n;
    if (c->n_used < DVI_UNIT_BYTES) return true;

    if (write) unload(c);
    c->ata->stats.bytes_bounced += DVI_UNIT_BYTES;
    c->loaded = false;
    c->n_used = 0;
    c->lba++;
    c->n_sectors--;
    return true;
}

bool ata_data(struct dvi_ata_channel *c, struct vmm_access *access) {
    const struct dvi_host *h = c->ata->host;
    uint16_t port = (uint16_t)(c->cmd + ATA_DATA);
    if (c->phase == PHASE_SECTORS) return sector_access(c, access);
    if (c->phase != PHASE_RUN) return false;
    if (access->write)
        h->port_write(h->ctx, port, access->n_bytes, (uint32_t)access->value);
    else
        access->value = h->port_read(h->ctx, port, access->n_bytes);
    return true;
}
