/* see ahci_shadow.h: command tables and the data that passes through them */
#include <string.h>

#include "ahci_bytes.h"
#include "ahci_shadow.h"

/* --- what the device reads --- */

static uint32_t table_offset(unsigned slot) { return AHCI_SHADOW_TABLES + slot * AHCI_TABLE_BYTES; }

uint8_t *ahci_table(const struct dvi_ahci_port *p, unsigned slot) { return p->mem + table_offset(slot); }

static uint8_t *prd(const struct dvi_ahci_port *p, unsigned slot, uint32_t i) {
    return ahci_table(p, slot) + AHCI_CMDTBL_PRDT + i * AHCI_PRD_BYTES;
}

static void prd_put(const struct dvi_ahci_port *p, unsigned slot, uint32_t i, uint64_t addr, uint32_t n_bytes) {
    uint8_t *at = prd(p, slot, i);
    put64(at + AHCI_PRD_DBA, addr);
    put64(at + AHCI_PRD_DBA + 8, (uint64_t)(n_bytes - 1) << 32);
}

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

void ahci_table_own(struct dvi_ahci_port *p, unsigned slot, uint32_t i, hpa_t addr, uint32_t n_bytes) {
    prd_put(p, slot, i, addr.v, n_bytes);
}

/* --- the guest's descriptors --- */

static bool next_prd(const struct dvi_ahci *a, struct dvi_ahci_slot *s) {
    const struct dvi_host *h = a->host;
    uint8_t raw[AHCI_PRD_BYTES];
    if (s->n_prds == 0 || h->gmem_read(h->ctx, s->prdt, raw, sizeof raw)) return false;
    struct ahci_prd got = ahci_prd_parse(raw);
    s->prdt = gpa_add(s->prdt, AHCI_PRD_BYTES);
    s->n_prds--;
    s->prd_addr = got.addr;
    s->prd_left = got.n_bytes;
    return h->dma_ok(h->ctx, gpa(got.addr), got.n_bytes);
}

static uint32_t min_bytes(uint32_t n, uint64_t limit) { return n < limit ? n : (uint32_t)limit; }

bool ahci_table_fill(const struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, uint32_t first,
                     uint64_t max_bytes, struct ahci_filled *out) {
    struct dvi_ahci_slot *s = &p->slot[slot];
    uint32_t n = first; /* descriptors in use; the last one is: */
    uint64_t addr = 0;
    uint32_t n_bytes = 0;

    out->n_bytes = 0;
    while (out->n_bytes < max_bytes) {
        uint32_t into_sector = out->n_bytes % DVI_UNIT_BYTES;
        if (n > AHCI_TABLE_FULL && into_sector == 0) break;
        if (s->prd_left == 0 && max_bytes == AHCI_ALL && s->n_prds == 0) break;
        if (s->prd_left == 0 && !next_prd(a, s)) return false;

        uint32_t run = min_bytes(s->prd_left, max_bytes - out->n_bytes);
        if (n > AHCI_TABLE_FULL) run = min_bytes(run, DVI_UNIT_BYTES - into_sector);
        if (n > first && addr + n_bytes == s->prd_addr && n_bytes + run <= AHCI_PRD_MAX_BYTES) {
            n_bytes += run;
        } else {
            n++;
            addr = s->prd_addr;
            n_bytes = run;
        }
        prd_put(p, slot, n - 1, addr, n_bytes);
        s->prd_addr += run;
        s->prd_left -= run;
        out->n_bytes += run;
    }
    out->n_prds = n - first;
    return true;
}

/* --- walking a table --- */

struct walk {
    const uint8_t *prd;
    uint32_t offset;
};

static struct walk walk_from(const struct dvi_ahci_port *p, unsigned slot, uint32_t first) {
    return (struct walk){.prd = prd(p, slot, first)};
}

/* Where the walk stands, and how many bytes lie there in one piece. */
static gpa_t walk_at(const struct walk *w, uint32_t *out_bytes) {
    struct ahci_prd at = ahci_prd_parse(w->prd);
    *out_bytes = at.n_bytes - w->offset;
    return gpa(at.addr + w->offset);
}

/* MUST: n_bytes is at most what walk_at says. */
static void walk_on(struct walk *w, uint32_t n_bytes) {
    w->offset += n_bytes;
    if (w->offset < ahci_prd_parse(w->prd).n_bytes) return;
    w->prd += AHCI_PRD_BYTES;
    w->offset = 0;
}

static bool walk_copy(const struct dvi_host *h, struct walk *w, uint8_t *buf, size_t n_bytes, bool to_guest) {
    while (n_bytes > 0) {
        uint32_t run;
        gpa_t at = walk_at(w, &run);
        run = min_bytes(run, n_bytes);
        uint8_t *guest = h->gmem_borrow(h->ctx, at, run);
        if (!guest) return false;
        memcpy(to_guest ? guest : buf, to_guest ? buf : guest, run);
        walk_on(w, run);
        buf += run;
        n_bytes -= run;
    }
    return true;
}

bool ahci_table_copy(const struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, uint32_t first, void *buf,
                     size_t n_bytes, bool to_guest) {
    struct walk w = walk_from(p, slot, first);
    return walk_copy(a->host, &w, buf, n_bytes, to_guest);
}

bool ahci_table_is_ram(const struct dvi_ahci *a, const struct dvi_ahci_port *p, unsigned slot, uint32_t n_prds) {
    for (uint32_t i = 0; i < n_prds; i++) {
        struct ahci_prd at = ahci_prd_parse(prd(p, slot, i));
        if (!a->host->gmem_borrow(a->host->ctx, gpa(at.addr), at.n_bytes)) return false;
    }
    return true;
}

/* --- bounce memory --- */

static uint32_t page_take(struct dvi_ahci *a) {
    uint32_t i = 0;
    while (a->used[i] == UINT64_MAX) i++;
    uint32_t bit = (uint32_t)__builtin_ctzll(~a->used[i]);
    a->used[i] |= BIT(bit);
    a->n_free--;
    return i * 64 + bit;
}

static uint32_t page_of(const struct dvi_ahci *a, const struct dvi_ahci_port *p, unsigned slot, uint32_t i) {
    return (uint32_t)((ahci_prd_parse(prd(p, slot, i)).addr - a->pool_bus.v) / VMM_PAGE_BYTES);
}

uint8_t *ahci_bounce_page(const struct dvi_ahci *a, const struct dvi_ahci_port *p, unsigned slot, uint32_t i) {
    return a->pool + (size_t)page_of(a, p, slot, i) * VMM_PAGE_BYTES;
}

void ahci_bounce_take(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, uint32_t n_bytes) {
    uint16_t n = 0;
    a->stats.bytes_bounced += n_bytes;
    for (; n_bytes > 0; n++) {
        uint32_t here = min_bytes(n_bytes, VMM_PAGE_BYTES);
        prd_put(p, slot, n, a->pool_bus.v + (uint64_t)page_take(a) * VMM_PAGE_BYTES, here);
        n_bytes -= here;
    }
    p->slot[slot].n_bounced = n;
}

void ahci_bounce_free(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    struct dvi_ahci_slot *s = &p->slot[slot];
    for (uint32_t i = 0; i < s->n_bounced; i++) {
        uint32_t page = page_of(a, p, slot, i);
        a->used[page / 64] &= ~BIT(page % 64);
    }
    a->n_free += s->n_bounced;
    s->n_bounced = 0;
}

/* --- transforms --- */

bool ahci_data_encrypt(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    const struct dvi_host *h = a->host;
    struct dvi_ahci_slot *s = &p->slot[slot];
    const struct dvi_blk_transform *t = s->transform;
    struct walk w = walk_from(p, slot, AHCI_BOUNCE_PRDS);
    uint8_t sector[DVI_UNIT_BYTES];
    bool ok = true;

    ahci_bounce_take(a, p, slot, s->part_sectors * DVI_UNIT_BYTES);
    t->begin(t->ctx);
    for (uint32_t done = 0, n; done < s->part_sectors && ok; done += n) {
        uint8_t *to = ahci_bounce_page(a, p, slot, done / AHCI_PAGE_SECTORS);
        to += done % AHCI_PAGE_SECTORS * DVI_UNIT_BYTES;
        uint32_t run;
        gpa_t at = walk_at(&w, &run);
        n = min_bytes(run / DVI_UNIT_BYTES, AHCI_PAGE_SECTORS - done % AHCI_PAGE_SECTORS);
        n = min_bytes(n, s->part_sectors - done);
        const void *from = sector;
        if (n > 0) {
            from = h->gmem_borrow(h->ctx, at, n * DVI_UNIT_BYTES);
            walk_on(&w, n * DVI_UNIT_BYTES);
            ok = from != NULL;
        } else {
            n = 1;
            ok = walk_copy(h, &w, sector, sizeof sector, false);
        }
        if (ok) t->encrypt(t->ctx, s->unit + done, from, to, n);
    }
    t->end(t->ctx);
    if (!ok)
        ahci_bounce_free(a, p, slot);
    else
        a->stats.sectors_encrypted += s->part_sectors;
    return ok;
}

void ahci_data_decrypt(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot) {
    const struct dvi_host *h = a->host;
    struct dvi_ahci_slot *s = &p->slot[slot];
    const struct dvi_blk_transform *t = s->transform;
    struct walk w = walk_from(p, slot, 0);
    uint8_t sector[DVI_UNIT_BYTES];
    bool ok = true;

    t->begin(t->ctx);
    for (uint32_t done = 0, n; done < s->part_sectors && ok; done += n) {
        uint32_t run;
        gpa_t at = walk_at(&w, &run);
        n = min_bytes(run / DVI_UNIT_BYTES, s->part_sectors - done);
        if (n > 0) {
            void *here = h->gmem_borrow(h->ctx, at, n * DVI_UNIT_BYTES);
            walk_on(&w, n * DVI_UNIT_BYTES);
            ok = here != NULL;
            if (ok) t->decrypt(t->ctx, s->unit + done, here, here, n);
            continue;
        }
        n = 1;
        struct walk start = w;
        ok = walk_copy(h, &w, sector, sizeof sector, false);
        if (!ok) break;
        t->decrypt(t->ctx, s->unit + done, sector, sector, 1);
        ok = walk_copy(h, &start, sector, sizeof sector, true);
    }
    t->end(t->ctx);
    a->stats.sectors_decrypted += s->part_sectors;
}
