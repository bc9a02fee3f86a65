/* see data.h */
#include "data.h"

#include <string.h>

#include "../bytes.h"

#define PRD_COUNT ((uint32_t)BITS(21, 0)) /* bytes, less one; bit 0 must be 1 */
#define PRD_DW3   12u

static uint32_t min_bytes(uint32_t n, uint64_t limit) { return n < limit ? n : (uint32_t)limit; }

/* --- descriptors --- */

struct data_prd data_prd_parse(const uint8_t raw[DATA_PRD_BYTES]) {
    return (struct data_prd){.addr = get64(raw) & ~UINT64_C(1),
                             .n_bytes = ((get32(raw + PRD_DW3) & PRD_COUNT) | 1) + 1};
}

struct data_prd data_prd_get(const uint8_t *table, uint32_t i) {
    return data_prd_parse(table + i * DATA_PRD_BYTES);
}

void data_prd_put(uint8_t *table, uint32_t i, struct data_prd prd) {
    uint8_t *at = table + i * DATA_PRD_BYTES;
    put64(at, prd.addr);
    put64(at + 8, (uint64_t)(prd.n_bytes - 1) << 32);
}

static bool next_prd(const struct dvi_host *h, const struct data_format *format, struct dvi_prds *prds) {
    return prds->n > 0 && format->fetch(h, prds) && h->dma_ok(h->ctx, gpa(prds->addr), prds->left);
}

bool data_fill(const struct dvi_host *h, const struct data_format *format, struct dvi_prds *prds, uint8_t *table,
               uint32_t first, uint64_t max_bytes, struct data_filled *out) {
    uint32_t n = first + out->n_prds; /* descriptors in use; the last one is: */
    struct data_prd last = out->n_prds ? data_prd_get(table, n - 1) : (struct data_prd){0};

    while (out->n_bytes < max_bytes) {
        uint32_t into_sector = out->n_bytes % DVI_UNIT_BYTES;
        if (n > DATA_TABLE_FULL && into_sector == 0) break;
        if (prds->left == 0 && max_bytes == DATA_ALL && prds->n == 0) break;
        if (prds->left == 0 && !next_prd(h, format, prds)) return false;

        uint32_t run = min_bytes(prds->left, max_bytes - out->n_bytes);
        run = min_bytes(run, format->boundary - (prds->addr & (format->boundary - 1)));
        if (n > DATA_TABLE_FULL) run = min_bytes(run, DVI_UNIT_BYTES - into_sector);
        if (n > first && last.addr + last.n_bytes == prds->addr && (prds->addr & (format->boundary - 1)) != 0) {
            last.n_bytes += run;
        } else {
            n++;
            last = (struct data_prd){.addr = prds->addr, .n_bytes = run};
        }
        data_prd_put(table, n - 1, last);
        prds->addr += run;
        prds->left -= run;
        out->n_bytes += run;
    }
    out->n_prds = n - first;
    return true;
}

struct data_filled data_rest(uint8_t *table, const struct dvi_run *run, uint32_t n_prds) {
    struct data_filled rest = {0};
    uint32_t offset = run->offset, end = n_prds ? DATA_BOUNCE_PRDS + n_prds : 0;
    for (uint32_t i = run->prd; i < end; i++, offset = 0) {
        struct data_prd prd = data_prd_get(table, i);
        prd.addr += offset;
        prd.n_bytes -= offset;
        data_prd_put(table, DATA_BOUNCE_PRDS + rest.n_prds++, prd);
        rest.n_bytes += prd.n_bytes;
    }
    return rest;
}

/* --- walking a table --- */

struct walk {
    const uint8_t *prd;
    uint32_t offset;
};

static struct walk walk_from(const uint8_t *table, uint32_t first, uint32_t offset) {
    return (struct walk){.prd = table + first * DATA_PRD_BYTES, .offset = offset};
}

/* Where the walk stands, and how many bytes lie there in one piece. */
static gpa_t walk_at(const struct walk *w, uint32_t *out_bytes) {
    struct data_prd at = data_prd_parse(w->prd);
    *out_bytes = at.n_bytes - w->offset;
    return gpa(at.addr + w->offset);
}

/* MUST: n_bytes is at most what walk_at says. */
static void walk_on(struct walk *w, uint32_t n_bytes) {
    w->offset += n_bytes;
    if (w->offset < data_prd_parse(w->prd).n_bytes) return;
    w->prd += DATA_PRD_BYTES;
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

bool data_copy(const struct dvi_host *h, const uint8_t *table, uint32_t first, void *buf, size_t n_bytes,
               bool to_guest) {
    struct walk w = walk_from(table, first, 0);
    return walk_copy(h, &w, buf, n_bytes, to_guest);
}

bool data_is_ram(const struct dvi_host *h, const uint8_t *table, uint32_t n_prds) {
    for (uint32_t i = 0; i < n_prds; i++) {
        struct data_prd at = data_prd_get(table, i);
        if (!h->gmem_borrow(h->ctx, gpa(at.addr), at.n_bytes)) return false;
    }
    return true;
}

/* --- bounce memory --- */

int data_pool_init(struct dvi_pool *pool, const struct dvi_host *h, size_t n_bytes) {
    pool->mem = h->dma_alloc(h->ctx, n_bytes, &pool->bus);
    if (!pool->mem) return DVI_E_NOMEM;
    pool->n_pages = pool->n_free = (uint32_t)(n_bytes / VMM_PAGE_BYTES);
    for (uint32_t i = pool->n_pages; i < DVI_POOL_MAX_BYTES / VMM_PAGE_BYTES; i++) pool->used[i / 64] |= BIT(i % 64);
    return 0;
}

static uint32_t page_take(struct dvi_pool *pool) {
    uint32_t i = 0;
    while (pool->used[i] == UINT64_MAX) i++;
    uint32_t bit = (uint32_t)__builtin_ctzll(~pool->used[i]);
    pool->used[i] |= BIT(bit);
    pool->n_free--;
    return i * 64 + bit;
}

static uint32_t page_of(const struct dvi_pool *pool, const uint8_t *table, uint32_t i) {
    return (uint32_t)((data_prd_get(table, i).addr - pool->bus.v) / VMM_PAGE_BYTES);
}

uint8_t *data_pool_page(const struct dvi_pool *pool, const uint8_t *table, uint32_t i) {
    return pool->mem + (size_t)page_of(pool, table, i) * VMM_PAGE_BYTES;
}

uint32_t data_pool_take(struct dvi_pool *pool, uint8_t *table, uint32_t n_bytes) {
    uint32_t n = 0;
    for (; n_bytes > 0; n++) {
        uint32_t here = min_bytes(n_bytes, VMM_PAGE_BYTES);
        uint64_t addr = pool->bus.v + (uint64_t)page_take(pool) * VMM_PAGE_BYTES;
        data_prd_put(table, n, (struct data_prd){.addr = addr, .n_bytes = here});
        n_bytes -= here;
    }
    return n;
}

void data_pool_free(struct dvi_pool *pool, const uint8_t *table, uint32_t n_pages) {
    for (uint32_t i = 0; i < n_pages; i++) {
        uint32_t page = page_of(pool, table, i);
        pool->used[page / 64] &= ~BIT(page % 64);
    }
    pool->n_free += n_pages;
}

uint32_t data_pool_cut(uint8_t *table, uint32_t n_sectors) {
    uint32_t last = (n_sectors - 1) / DATA_PAGE_SECTORS;
    uint64_t addr = data_prd_get(table, last).addr;
    data_prd_put(table, last,
                 (struct data_prd){.addr = addr, .n_bytes = (n_sectors - last * DATA_PAGE_SECTORS) * DVI_UNIT_BYTES});
    return last + 1;
}

/* --- transforms --- */

void data_slice_begin(const struct dvi_host *h, struct dvi_slice *slice, bool waited) {
    slice->left = waited || slice->stopped ? DVI_SLICE_MIN : h->slice_sectors;
    slice->last = waited;
}

bool data_may_go_on(const struct dvi_host *h, struct dvi_slice *slice) {
    if (slice->left > 0) return true;
    if (slice->last) return false;
    slice->stopped = slice->last = vmm_lock_is_wanted(slice->lock) || h->interrupt_pending(h->ctx);
    if (!slice->last) slice->left = h->slice_sectors;
    return !slice->last;
}

bool data_transform(const struct dvi_host *h, const struct dvi_pool *pool, const uint8_t *table, struct dvi_run *run,
                    struct dvi_slice *slice) {
    const struct dvi_blk_transform *t = run->transform;
    struct walk w = walk_from(table, run->prd, run->offset);
    uint8_t sector[DVI_UNIT_BYTES];

    while (run->n_done < run->n_sectors && data_may_go_on(h, slice)) {
        struct walk start = w;
        uint32_t into_page = run->n_done % DATA_PAGE_SECTORS, in_a_piece;
        gpa_t at = walk_at(&w, &in_a_piece);
        uint32_t n = min_bytes(in_a_piece / DVI_UNIT_BYTES, run->n_sectors - run->n_done);
        n = min_bytes(n, slice->left);
        if (pool) n = min_bytes(n, DATA_PAGE_SECTORS - into_page);

        uint8_t *from = sector;
        if (n > 0) {
            from = h->gmem_borrow(h->ctx, at, n * DVI_UNIT_BYTES);
            if (!from) return false;
            walk_on(&w, n * DVI_UNIT_BYTES);
        } else {
            n = 1;
            if (!walk_copy(h, &w, sector, sizeof sector, false)) return false;
        }
        if (pool) {
            uint8_t *page = data_pool_page(pool, table, run->n_done / DATA_PAGE_SECTORS);
            t->encrypt(t->ctx, run->unit + run->n_done, from, page + into_page * DVI_UNIT_BYTES, n);
        } else {
            t->decrypt(t->ctx, run->unit + run->n_done, from, from, n);
            if (from == sector && !walk_copy(h, &start, sector, sizeof sector, true)) return false;
        }
        run->n_done += n;
        slice->left -= n;
    }
    run->prd = (uint32_t)(w.prd - table) / DATA_PRD_BYTES;
    run->offset = w.offset;
    return true;
}
