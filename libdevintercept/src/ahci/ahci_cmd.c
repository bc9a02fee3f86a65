/* see ahci_shadow.h: commands, from PxCI to completion
 *
 * A command is fetched once. It then consists of one or more parts, each a command of its own to the device: as many
 * sectors as one policy range, the table, the bounce memory and the time of one exit allow. */
#include <string.h>

#include "../bytes.h"
#include "ahci_shadow.h"

/* --- what the device reads --- */

static uint32_t table_offset(unsigned slot) { return AHCI_SHADOW_TABLES + slot * AHCI_TABLE_BYTES; }

uint8_t *ahci_table(const struct dvi_ahci_port *p, unsigned slot) { return p->mem + table_offset(slot); }

void ahci_cmdlist_install(const struct dvi_ahci *a, const struct dvi_ahci_port *p) {
    ahci_wr(a, p->regs + AHCI_PxCLB, (uint32_t)p->bus.v);
    ahci_wr(a, p->regs + AHCI_PxCLBU, (uint32_t)(p->bus.v >> 32));
}

void ahci_table_set(struct dvi_ahci_port *p, unsigned slot, const uint8_t *fis, uint32_t flags, uint32_t n_prds) {
    uint8_t *header = p->mem + slot * AHCI_CMDHDR_BYTES;
    put32(header + AHCI_CMDHDR_DW0, flags | (uint32_t)FIELD_PUT(AHCI_CMDHDR_CFL, FIS_H2D_DWORDS) |
                                        (uint32_t)FIELD_PUT(AHCI_CMDHDR_PRDTL, n_prds));
    put32(header + AHCI_CMDHDR_PRDBC, 0);
    put64(header + AHCI_CMDHDR_CTBA, p->bus.v + table_offset(slot));
    memcpy(ahci_table(p, slot) + AHCI_CMDTBL_CFIS, fis, FIS_H2D_BYTES);
}

uint32_t ahci_table_prdbc(const struct dvi_ahci_port *p, unsigned slot) {
    return *(const volatile uint32_t *)(const void *)(p->mem + slot * AHCI_CMDHDR_BYTES + AHCI_CMDHDR_PRDBC);
}

void ahci_table_sector(struct dvi_ahci_port *p, unsigned slot, const uint8_t *fis) {
    uint64_t to = p->bus.v + AHCI_SHADOW_IDENTIFY;
    data_prd_put(ahci_prdt(p, slot), 0, (struct data_prd){.addr = to, .n_bytes = ATA_ID_BYTES});
    ahci_table_set(p, slot, fis, 0, 1);
}

/* --- the guest's descriptors --- */

static bool fetch_prd(const struct dvi_host *h, struct dvi_prds *prds) {
    uint8_t raw[DATA_PRD_BYTES];
    if (h->gmem_read(h->ctx, prds->next, raw, sizeof raw)) return false;
    struct data_prd got = data_prd_parse(raw);
    *prds = (struct dvi_prds){
        .next = gpa_add(prds->next, sizeof raw), .n = prds->n - 1, .addr = got.addr, .left = got.n_bytes};
    return true;
}

static const struct data_format format = {.fetch = fetch_prd, .boundary = AHCI_PRD_MAX_BYTES};

static bool fill(const struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, uint32_t first, uint64_t max_bytes,
                 struct data_filled *out) {
    return data_fill(a->host, &format, &p->slot[slot].prds, ahci_prdt(p, slot), first, max_bytes, out);
}

/* Give the slot n_bytes of the pool. */
static void bounce(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, uint32_t n_bytes) {
    p->slot[slot].n_bounced = (uint16_t)data_pool_take(&a->pool, ahci_prdt(p, slot), n_bytes);
}

static void unbounce(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    data_pool_free(&a->pool, ahci_prdt(p, slot), p->slot[slot].n_bounced);
    p->slot[slot].n_bounced = 0;
}

/* --- fetch --- */

/* ACS-3, 7.22 "NOP": always aborted. */
static const uint8_t nop[FIS_H2D_BYTES] = {
    [FIS_TYPE] = FIS_TYPE_H2D, [FIS_H2D_FLAGS] = FIS_H2D_C, [FIS_H2D_COMMAND] = ATA_NOP};

/* Let the device refuse it. */
static void refuse(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    struct dvi_ahci_slot *s = &p->slot[slot];
    unbounce(a, p, slot);
    s->kind = ACS_REFUSE;
    s->n_sectors = 0;
    s->run = (struct dvi_run){0};
    p->refused |= bit(slot);
    a->stats.refused++;
    ahci_table_set(p, slot, nop, 0, 0);
}

/* Read header and FIS (and ATAPI command) from the guest, once. */
static struct acs_cmd read_cmd(const struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    const struct dvi_host *h = a->host;
    struct dvi_ahci_slot *s = &p->slot[slot];
    struct acs_cmd refused = {.kind = ACS_REFUSE};
    struct ahci_header header;
    uint8_t raw[AHCI_CMDHDR_FETCH];

    if (h->gmem_read(h->ctx, s->header, raw, sizeof raw) || !ahci_header_parse(raw, &header)) return refused;
    if (h->gmem_read(h->ctx, gpa_add(header.table, AHCI_CMDTBL_CFIS), s->fis, sizeof s->fis)) return refused;
    s->prds = (struct dvi_prds){.next = gpa_add(header.table, AHCI_CMDTBL_PRDT), .n = header.n_prds};
    memset(s->fis + FIS_H2D_AUX, 0, FIS_H2D_BYTES - FIS_H2D_AUX);

    struct acs_cmd cmd = ahci_cmd_parse(&header, s->fis, slot, &s->flags);
    if (cmd.kind != ACS_PACKET) return cmd;
    uint8_t *acmd = ahci_table(p, slot) + AHCI_CMDTBL_ACMD;
    if (ahci_rd(a, p->regs + AHCI_PxSIG) != AHCI_PxSIG_ATAPI) return refused;
    return h->gmem_read(h->ctx, gpa_add(header.table, AHCI_CMDTBL_ACMD), acmd, AHCI_ACMD_BYTES) ? refused : cmd;
}

/* May this be done with the disk as a whole? Each part is asked again, because the policy can change in between. */
static bool allowed(const struct dvi_ahci_port *p, const struct acs_cmd *cmd) {
    if (!acs_kind_has_lba(cmd->kind) && cmd->kind != ACS_TRIM) return cmd->kind != ACS_REFUSE;
    return p->known && acs_allowed(&p->id, p->policy, cmd);
}

static void fetch(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    struct dvi_ahci_slot *s = &p->slot[slot];
    *s = (struct dvi_ahci_slot){.header = gpa(p->clb + slot * AHCI_CMDHDR_BYTES)};
    struct acs_cmd cmd = read_cmd(a, p, slot);

    /* Whoever queues a command must have announced it; AHCI 1.3.1, 5.3.14 "Issuing Queued Commands". */
    set_bit(&p->queued, slot, cmd.queued && (p->sact & bit(slot)));
    if (cmd.queued && !(p->queued & bit(slot))) cmd.kind = ACS_REFUSE;
    set_bit(&p->refused, slot, false);
    p->issued |= bit(slot);
    s->kind = (uint8_t)cmd.kind;
    s->lba = cmd.lba;
    s->n_sectors = cmd.n_sectors;
    if (!allowed(p, &cmd)) {
        refuse(a, p, slot);
        return;
    }
    acs_count(&a->stats, cmd.kind);
    if (cmd.queued) a->stats.queued++;
}

/* --- one part --- */

enum prepared { READY, REFUSED, WAIT, LATE }; /* WAIT: for memory */

/* Whoever finds too little free memory waits; with all of it free, a smaller part will do. out_pages: how many. */
static bool pool_ready(const struct dvi_ahci *a, bool first_in_line, uint32_t n_sectors, uint32_t *out_pages) {
    *out_pages = (n_sectors + DATA_PAGE_SECTORS - 1) / DATA_PAGE_SECTORS;
    if (a->waiting && !first_in_line) return false;
    if (*out_pages > a->pool.n_pages) *out_pages = a->pool.n_pages;
    return *out_pages <= a->pool.n_free;
}

/* Encrypt the part into bounce memory. Where that has to stop, the part ends: the device's interrupt for it is when the
 * guest looks again. Returns the number of descriptors for the device; 0: not all of it is RAM. */
static uint32_t encrypt(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    struct dvi_run *run = &p->slot[slot].run;
    bounce(a, p, slot, run->n_sectors * DVI_UNIT_BYTES);
    if (!data_transform(a->host, &a->pool, ahci_prdt(p, slot), run, &a->slice)) return 0;
    a->stats.sectors_encrypted += run->n_done;
    a->stats.bytes_bounced += run->n_done * DVI_UNIT_BYTES;
    run->n_sectors = run->n_done;
    return data_pool_cut(ahci_prdt(p, slot), run->n_sectors);
}

/* Something else of the port will make the guest look again. */
static bool others_under_way(const struct dvi_ahci_port *p, unsigned slot) {
    return (p->issued & ~(p->waiting | p->late | p->halted | bit(slot))) != 0;
}

static enum prepared prepare_data(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, bool first_in_line) {
    struct dvi_ahci_slot *s = &p->slot[slot];
    struct dvi_span span = {.n_sectors = s->n_sectors, .action = DVI_CLEAR};
    if (!allowed(p, &(struct acs_cmd){.kind = s->kind, .lba = s->lba, .n_sectors = s->n_sectors})) return REFUSED;
    if (p->policy) span = dvi_policy_lookup(p->policy, s->lba, s->n_sectors);
    if (span.action == DVI_ENCRYPT && !span.transform) return REFUSED;
    uint32_t n = (uint32_t)span.n_sectors, n_pages;
    bool encrypted = span.action == DVI_ENCRYPT, bounced = encrypted && s->kind == ACS_WRITE;
    if (encrypted && n > DATA_PART_SECTORS) n = DATA_PART_SECTORS;
    if (bounced && !data_may_go_on(a->host, &a->slice)) {
        if (others_under_way(p, slot)) return LATE;
        a->slice.left = DVI_SLICE_MIN; /* or nothing would ever start it */
    }
    if (bounced && !pool_ready(a, first_in_line, n, &n_pages)) return WAIT;
    if (bounced && n > n_pages * DATA_PAGE_SECTORS) n = n_pages * DATA_PAGE_SECTORS;

    struct data_filled filled = data_rest(ahci_prdt(p, slot), &s->run, s->n_filled);
    uint64_t n_bytes = (uint64_t)n * p->id.sector_bytes;
    if (filled.n_bytes > (bounced ? n_bytes : 0)) return REFUSED; /* the policy is another than a part ago */
    if (!fill(a, p, slot, bounced ? DATA_BOUNCE_PRDS : 0, n_bytes, &filled)) return REFUSED;
    /* The table is cut where sectors of 512 bytes end. */
    if (filled.n_bytes < n_bytes && p->id.sector_bytes != DVI_UNIT_BYTES) return REFUSED;
    s->run = data_run(&span, (uint32_t)(filled.n_bytes / p->id.sector_bytes), bounced);
    s->n_filled = bounced ? (uint16_t)filled.n_prds : 0;
    if (bounced && !(filled.n_prds = encrypt(a, p, slot))) return REFUSED;
    if (encrypted && !bounced && !data_is_ram(a->host, ahci_prdt(p, slot), filled.n_prds)) return REFUSED;

    acs_set_range(s->fis, s->lba, s->run.n_sectors);
    s->lba += s->run.n_sectors;
    s->n_sectors -= s->run.n_sectors;
    ahci_table_set(p, slot, s->fis, s->flags, filled.n_prds);
    return READY;
}

/* The ranges are checked in our copy, and that is what the device reads. */
static enum prepared prepare_trim(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, bool first_in_line) {
    struct dvi_ahci_slot *s = &p->slot[slot];
    uint32_t n_bytes = s->n_sectors * DVI_UNIT_BYTES, n_pages;
    struct data_filled filled = {0};
    if (!pool_ready(a, first_in_line, s->n_sectors, &n_pages)) return WAIT;
    if (!fill(a, p, slot, DATA_BOUNCE_PRDS, n_bytes, &filled)) return REFUSED;
    bounce(a, p, slot, n_bytes);
    a->stats.bytes_bounced += n_bytes;
    uint8_t *blocks = data_pool_page(&a->pool, ahci_prdt(p, slot), 0);
    if (!data_copy(a->host, ahci_prdt(p, slot), DATA_BOUNCE_PRDS, blocks, n_bytes, false) ||
        !acs_trim_ok(blocks, n_bytes, p->policy))
        return REFUSED;
    s->n_sectors = 0;
    ahci_table_set(p, slot, s->fis, s->flags, s->n_bounced);
    return READY;
}

/* What the disk says of itself goes through our memory: the guest could forge it in its own. */
static enum prepared prepare_identify(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    struct data_filled filled = {0};
    if (!fill(a, p, slot, 1, ATA_ID_BYTES, &filled)) return REFUSED;
    ahci_table_sector(p, slot, p->slot[slot].fis);
    return READY;
}

static enum prepared prepare_pass(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    struct dvi_ahci_slot *s = &p->slot[slot];
    struct data_filled filled = {0};
    bool has_data = s->kind == ACS_IN || s->kind == ACS_PACKET;
    if (has_data && !fill(a, p, slot, 0, DATA_ALL, &filled)) return REFUSED;
    if (has_data && (s->prds.n > 0 || s->prds.left > 0)) return REFUSED; /* too many pieces */
    s->n_sectors = 0;
    ahci_table_set(p, slot, s->fis, s->flags, filled.n_prds);
    return READY;
}

static enum prepared prepare(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, bool first_in_line) {
    switch (p->slot[slot].kind) {
    case ACS_REFUSE: return READY;
    case ACS_READ:
    case ACS_WRITE: return prepare_data(a, p, slot, first_in_line);
    case ACS_TRIM: return prepare_trim(a, p, slot, first_in_line);
    case ACS_IDENTIFY: return prepare_identify(a, p, slot);
    default: return prepare_pass(a, p, slot);
    }
}

/* Give the device the next part of each of these commands, or let it wait. */
static void start(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t slots, bool first_in_line) {
    uint32_t ready = 0;
    FOR_EACH_BIT(slot, slots) {
        enum prepared now = prepare(a, p, slot, first_in_line);
        if (now == REFUSED) refuse(a, p, slot);
        set_bit(&p->late, slot, now == LATE);
        set_bit(&p->waiting, slot, now == WAIT);
        set_bit(&a->waiting, p->number, p->waiting != 0);
        if (now == WAIT) a->stats.waited++;
        set_bit(&ready, slot, now == READY || now == REFUSED);
    }
    uint32_t sact = ready & p->queued & ~p->refused;
    if (sact) ahci_wr(a, p->regs + AHCI_PxSACT, sact);
    if (ready) ahci_wr(a, p->regs + AHCI_PxCI, ready);
}

void ahci_issue(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t slots) {
    slots &= a->slots;
    if (slots & p->issued) (void)ahci_poll(a, p, true);
    /* Who uses a slot again has seen its command's end, in the received FIS. */
    while (slots & p->arrived & ~p->queued) {
        a->slice.left = DATA_PART_SECTORS;
        (void)ahci_poll(a, p, true);
    }
    slots &= ~p->issued;
    FOR_EACH_BIT(slot, slots) fetch(a, p, slot);
    start(a, p, slots, false);
}

/* Start what waits on one port; false if something still does. */
static bool retry(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    FOR_EACH_BIT(slot, p->waiting) {
        start(a, p, bit(slot), true);
        if (p->waiting & bit(slot)) return false;
    }
    return true;
}

static void retry_all(struct dvi_ahci *a) {
    FOR_EACH_BIT(n, a->waiting) {
        if (a->port[n].st && !retry(a, &a->port[n])) return;
    }
}

/* --- completion --- */

void ahci_learn(struct dvi_ahci *a, struct dvi_ahci_port *p, const uint8_t data[ATA_ID_BYTES],
                const struct dvi_disk_reader *reader) {
    p->id = (struct dvi_disk_id){.bdf = a->bdf, .port = p->number};
    acs_identify_parse(data, &p->id);
    p->policy = acs_policy(&p->id, reader, a->config.policy_for, a->config.cookie);
    p->known = true;
}

static void finish_identify(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    uint8_t data[ATA_ID_BYTES];
    if (p->slot[slot].prdbc != sizeof data) return;
    memcpy(data, p->mem + AHCI_SHADOW_IDENTIFY, sizeof data);
    ahci_learn(a, p, data, NULL);
    acs_identify_hide(data, false);
    (void)data_copy(a->host, ahci_prdt(p, slot), 1, data, sizeof data, true);
    a->stats.bytes_bounced += sizeof data;
}

/* Slots whose part is still with the device. */
static uint32_t on_device(const struct dvi_ahci_port *p) {
    return p->issued & ~(p->waiting | p->late | p->halted | p->arrived);
}

/* Take note of what the device has done. */
static void receive(const struct dvi_ahci *a, struct dvi_ahci_port *p) {
    uint32_t slots = on_device(p);
    if (!slots) return;
    uint32_t ci = ahci_rd(a, p->regs + AHCI_PxCI);
    uint32_t sact = slots & p->queued ? ahci_rd(a, p->regs + AHCI_PxSACT) : 0;
    p->arrived |= slots & ~ci & ~(p->queued & (sact | p->refused));
}

static bool is_ciphertext(const struct dvi_ahci_slot *s) { return s->kind == ACS_READ && s->run.transform; }

/* Get on with decrypting. True if the data of the slot is the guest's now. */
static bool decrypt(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    struct dvi_run *run = &p->slot[slot].run;
    uint32_t before = run->n_done;
    bool gone = !data_transform(a->host, NULL, ahci_prdt(p, slot), run, &a->slice); /* RAM once, and now it is not */
    a->stats.sectors_decrypted += run->n_done - before;
    return gone || run->n_done == run->n_sectors;
}

/* A part is done, and its data where it belongs. True if there is another. */
static bool finish(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    struct dvi_ahci_slot *s = &p->slot[slot];
    bool queued = p->queued & bit(slot);
    uint32_t n_bytes = ahci_table_prdbc(p, slot);
    s->prdbc += n_bytes;
    unbounce(a, p, slot);
    if (!queued && s->n_sectors > 0 && n_bytes < s->run.n_sectors * p->id.sector_bytes) {
        refuse(a, p, slot); /* what came after would leave a gap, and to stop here would be silent for most drivers */
        return true;
    }
    if (s->kind == ACS_IDENTIFY) finish_identify(a, p, slot);
    if (s->n_sectors > 0) return true;

    p->issued &= ~bit(slot);
    if (p->queued & bit(slot))
        p->sact &= ~bit(slot); /* PRDBC means nothing then: AHCI 1.3.1, 5.4.1 */
    else
        (void)a->host->gmem_write(a->host->ctx, gpa_add(s->header, AHCI_CMDHDR_PRDBC), &s->prdbc, sizeof s->prdbc);
    return false;
}

/* Nothing will make the guest look at the port again: what has arrived was acknowledged before we took note, and
 * nothing else is with the device. While no interrupt is enabled, any bit of PxIS will be one later. */
static bool is_forgotten(const struct dvi_ahci *a, const struct dvi_ahci_port *p) {
    if (!p->acknowledged || on_device(p)) return false;
    uint32_t enabled = ahci_rd(a, p->regs + AHCI_PxIE) & AHCI_PxIS_DONE;
    return !(ahci_rd(a, p->regs + AHCI_PxIS) & (enabled ? enabled : AHCI_PxIS_DONE));
}

/* Drivers that poll may take the FIS in memory for the end of a command that is not queued, and stop the port then. */
static bool may_stop_at(const struct dvi_ahci *a, const struct dvi_ahci_port *p, bool go_on) {
    return !is_forgotten(a, p) && (go_on || (p->queued & bit(p->turn)));
}

/* Finish what has arrived, and before that decrypt it where it must be, in turn. Returns the slots that have a further
 * part. */
static uint32_t finish_arrived(struct dvi_ahci *a, struct dvi_ahci_port *p, bool go_on) {
    uint32_t more = 0, clear = 0;
    FOR_EACH_BIT(slot, p->arrived) set_bit(&clear, slot, !is_ciphertext(&p->slot[slot]));
    p->arrived &= ~clear;
    FOR_EACH_BIT(slot, clear) set_bit(&more, slot, finish(a, p, slot));
    while (p->arrived) {
        p->turn = next_bit(p->arrived, p->turn);
        if (decrypt(a, p, p->turn)) {
            p->arrived &= ~bit(p->turn);
            set_bit(&more, p->turn, finish(a, p, p->turn));
        } else if (may_stop_at(a, p, go_on)) {
            return more;
        } else {
            a->slice.left = DATA_PART_SECTORS;
        }
    }
    p->acknowledged = false;
    return more;
}

void ahci_remind(const struct dvi_ahci *a, const struct dvi_ahci_port *p) {
    if (!p->arrived) return;
    uint32_t ie = ahci_rd(a, p->regs + AHCI_PxIE);
    ahci_wr(a, p->regs + AHCI_PxIE, 0);
    ahci_wr(a, p->regs + AHCI_PxIE, ie);
}

bool ahci_poll(struct dvi_ahci *a, struct dvi_ahci_port *p, bool go_on) {
    if (!p->st) return false;
    receive(a, p);
    if (!(p->arrived | p->late | a->waiting)) return false;
    uint32_t more = finish_arrived(a, p, go_on);

    /* After an error the port does nothing until the guest has stopped it, and all that is in it is lost then. But it
     * may be an old one's ERR, if nothing has ended since. */
    bool failed = (more | p->late) && (ahci_rd(a, p->regs + AHCI_PxTFD) & ATA_STATUS_ERR);
    if (!go_on || failed) {
        p->halted |= more;
        more = 0;
    }
    bool hide = more != 0 && p->issued == more;
    if (hide) ahci_wr(a, p->regs + AHCI_PxIS, AHCI_PxIS_DONE);
    for (uint32_t left = more; left; left &= left - 1) a->stats.parts++;
    if (more) start(a, p, more, true);
    if (p->arrived && a->slice.left == 0) a->slice.left = DVI_SLICE_MIN; /* reads alone must not use up all looks */
    if (p->late && go_on && !failed) start(a, p, p->late, false);
    if (go_on) retry_all(a);
    return hide || p->arrived;
}

uint32_t ahci_acknowledge(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t bits) {
    if (on_device(p) | p->arrived)
        (void)ahci_poll(a, p, true); /* what ends unseen must not be acknowledged with the rest */
    ahci_remind(a, p);
    if (p->arrived) return bits & ~AHCI_PxIS_DONE;
    p->acknowledged = on_device(p) && (bits & AHCI_PxIS_DONE);
    return bits;
}

void ahci_stop(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    p->st = p->acknowledged = false;
    p->arrived = 0;
    set_bit(&a->stopping, p->number, true);
}

void ahci_forget(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    FOR_EACH_BIT(slot, p->issued) {
        unbounce(a, p, slot);
        ahci_table_set(p, slot, nop, 0, 0); /* whatever the device still makes of its bit in PxCI */
    }
    p->issued = p->waiting = p->late = p->halted = p->queued = p->refused = p->arrived = p->sact = 0;
    p->st = p->acknowledged = false;
    set_bit(&a->waiting, p->number, false);
    set_bit(&a->stopping, p->number, false);
}

void ahci_settle(struct dvi_ahci *a) {
    FOR_EACH_BIT(n, a->stopping) {
        if (!(ahci_rd(a, a->port[n].regs + AHCI_PxCMD) & AHCI_PxCMD_CR)) ahci_forget(a, &a->port[n]);
    }
    retry_all(a);
}
