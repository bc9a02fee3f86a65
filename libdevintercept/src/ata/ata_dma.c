/* see ata_channel.h: commands whose data the bus master moves
 *
 * A command is held back until the bus master is started: only then is it known where its data is, and only then can it
 * be refused. It then consists of one or more parts, each a command of its own to the device. */
#include "../bytes.h"
#include "ata_channel.h"

static bool fetch_prd(const struct dvi_host *h, struct dvi_prds *prds) {
    uint8_t raw[BM_PRD_BYTES];
    if (h->gmem_read(h->ctx, prds->next, raw, sizeof raw)) return false;
    uint32_t count = get32(raw + 4) & BM_PRD_COUNT;
    bool last = get32(raw + 4) & BM_PRD_LAST;
    *prds = (struct dvi_prds){.next = gpa_add(prds->next, sizeof raw),
                              .n = last ? 0 : prds->n - 1,
                              .addr = get32(raw) & BM_PRD_ADDR,
                              .left = count ? count : BM_PRD_BOUNDARY};
    return true;
}

static const struct data_format format = {.fetch = fetch_prd, .boundary = BM_PRD_BOUNDARY};

static void rewind_prds(struct dvi_ata_channel *c) {
    c->prds = (struct dvi_prds){.next = gpa(c->prdt),
                                .n = (BM_PRD_BOUNDARY - (c->prdt & (BM_PRD_BOUNDARY - 1))) / BM_PRD_BYTES};
}

/* The first n_prds descriptors in the bus master's layout, and the bus master set to use them. */
static void set_up(struct dvi_ata_channel *c, uint32_t n_prds, bool to_mem) {
    const struct dvi_host *h = c->ata->host;
    for (uint32_t i = 0; i < n_prds; i++) {
        struct data_prd prd = data_prd_get(c->table, i);
        put32(c->bm_table + i * BM_PRD_BYTES, (uint32_t)prd.addr);
        put32(c->bm_table + i * BM_PRD_BYTES + 4, (prd.n_bytes & BM_PRD_COUNT) | (i + 1 == n_prds ? BM_PRD_LAST : 0));
    }
    ata_out(c, c->bm + BM_COMMAND, to_mem ? BM_COMMAND_TO_MEM : 0);
    h->port_write(h->ctx, (uint16_t)(c->bm + BM_PRDT), 4, (uint32_t)c->bm_bus.v);
}

static void run(const struct dvi_ata_channel *c, bool to_mem) {
    ata_out(c, c->bm + BM_COMMAND, (uint8_t)(BM_COMMAND_START | (to_mem ? BM_COMMAND_TO_MEM : 0)));
}

/* --- one part --- */

static void unbounce(struct dvi_ata_channel *c) {
    data_pool_free(&c->pool, c->table, c->n_bounced);
    c->n_bounced = 0;
}

/* A part of an encrypted range is not larger than a slice. */
static bool transform(struct dvi_ata_channel *c, const struct dvi_pool *pool) {
    struct dvi_slice slice = {.left = c->run.n_sectors};
    return data_transform(c->ata->host, pool, c->table, &c->run, &slice);
}

static bool encrypt(struct dvi_ata_channel *c) {
    uint32_t n_bytes = c->run.n_sectors * DVI_UNIT_BYTES;
    c->n_bounced = data_pool_take(&c->pool, c->table, n_bytes);
    c->ata->stats.bytes_bounced += n_bytes;
    c->ata->stats.sectors_encrypted += c->run.n_sectors;
    return transform(c, &c->pool);
}

/* Choose the next part, see to its data, and let c->out say so. out_prds: descriptors. False: refused. */
static bool prepare(struct dvi_ata_channel *c, uint32_t *out_prds) {
    const struct dvi_ata_device *d = c->on;
    struct dvi_span span = {.n_sectors = c->n_sectors, .action = DVI_CLEAR};
    if (d->policy) span = dvi_policy_lookup(d->policy, c->lba, c->n_sectors);
    if (span.action == DVI_ENCRYPT && !span.transform) return false;
    bool encrypted = span.action == DVI_ENCRYPT, bounced = encrypted && c->kind == ACS_WRITE;
    uint64_t n = span.n_sectors;
    if (encrypted && n > DATA_PART_SECTORS) n = DATA_PART_SECTORS;
    if (encrypted && n > c->ata->host->slice_sectors) n = c->ata->host->slice_sectors;

    struct data_filled filled = {0};
    uint64_t n_bytes = n * d->id.sector_bytes;
    if (!data_fill(c->ata->host, &format, &c->prds, c->table, bounced ? DATA_BOUNCE_PRDS : 0, n_bytes, &filled))
        return false;
    /* The table is cut where sectors of 512 bytes end. */
    if (filled.n_bytes < n_bytes && d->id.sector_bytes != DVI_UNIT_BYTES) return false;
    c->run = data_run(&span, (uint32_t)(filled.n_bytes / d->id.sector_bytes), bounced);
    if (bounced && !encrypt(c)) return false;
    if (encrypted && !bounced && !data_is_ram(c->ata->host, c->table, filled.n_prds)) return false;

    acs_set_range(c->out, c->lba, c->run.n_sectors);
    c->lba += c->run.n_sectors;
    c->n_sectors -= c->run.n_sectors;
    *out_prds = bounced ? c->n_bounced : filled.n_prds;
    return true;
}

static void start_part(struct dvi_ata_channel *c) {
    uint32_t n_prds;
    if (!prepare(c, &n_prds)) {
        unbounce(c);
        ata_refuse(c);
        return;
    }
    set_up(c, n_prds, c->kind == ACS_READ);
    /* Whatever is there now belongs to the past, and would look like the end of this. */
    uint8_t status = ata_in(c, c->bm + BM_STATUS);
    ata_out(c, c->bm + BM_STATUS, status | BM_STATUS_INTERRUPT | BM_STATUS_ERROR);
    ata_issue(c, c->out);
    run(c, c->kind == ACS_READ);
    c->phase = PHASE_DMA;
}

/* --- commands of which we know no more than where their data lies --- */

static void start_pass(struct dvi_ata_channel *c) {
    struct data_filled filled = {0};
    bool ok = data_fill(c->ata->host, &format, &c->prds, c->table, 0, DATA_ALL, &filled);
    if (!ok || c->prds.n > 0 || c->prds.left > 0) {
        c->ata->stats.bad_registers++;
        return;
    }
    bool to_mem = c->bm_command & BM_COMMAND_TO_MEM;
    set_up(c, filled.n_prds, to_mem);
    run(c, to_mem);
}

void ata_dma_start(struct dvi_ata_channel *c) {
    rewind_prds(c);
    if (c->phase == PHASE_HELD)
        start_part(c);
    else if (c->phase == PHASE_RUN && c->dma)
        start_pass(c);
}

/* --- completion --- */

/* The device is done, one way or the other; without an interrupt (nIEN) the bus master's end of the table tells. */
static bool is_done(const struct dvi_ata_channel *c, bool *out_error) {
    uint8_t status = ata_alt_status(c);
    if (status & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) return false;
    uint8_t bm = ata_in(c, c->bm + BM_STATUS);
    *out_error = (status & (ATA_STATUS_ERR | ATA_STATUS_DF)) || (bm & BM_STATUS_ERROR);
    return (bm & BM_STATUS_INTERRUPT) || !(bm & BM_STATUS_ACTIVE) || *out_error;
}

void ata_dma_poll(struct dvi_ata_channel *c, bool go_on) {
    bool error;
    if (c->phase != PHASE_DMA || !is_done(c, &error)) return;
    unbounce(c);
    if (!error && c->kind == ACS_READ && c->run.transform) {
        (void)transform(c, NULL); /* it is RAM, or the device would not have been given it */
        c->ata->stats.sectors_decrypted += c->run.n_sectors;
    }
    if (error || c->n_sectors == 0 || !go_on) {
        ata_forget(c);
        return;
    }
    ata_out(c, c->bm + BM_COMMAND, 0);
    (void)ata_in(c, c->cmd + ATA_COMMAND); /* the interrupt of this part is not the guest's */
    c->ata->stats.parts++;
    start_part(c);
}

void ata_dma_stop(struct dvi_ata_channel *c) {
    ata_dma_poll(c, false);
    c->bm_command &= BM_COMMAND_TO_MEM;
    if (c->bm) ata_out(c, c->bm + BM_COMMAND, c->bm_command);
    if (c->phase != PHASE_DMA) return;
    unbounce(c);
    ata_forget(c);
}
