/* The data of a disk's command: the guest's list of descriptors, taken over and checked, and what is done with the
 * memory they name. Under the controller's lock.
 *
 * A table holds DATA_TABLE_PRDS descriptors in AHCI's layout, which an AHCI device reads as they are. A transfer that
 * is not bounced uses them from the first on, all in guest memory. One that is bounced uses the first DATA_BOUNCE_PRDS
 * for pages of the pool, and keeps the guest's, which the device is not told of, behind them. */
#ifndef DVI_DATA_H
#define DVI_DATA_H

#include <dvi/disk.h>
#include <vmm/bits.h>

#define DATA_PRD_BYTES   16u
#define DATA_TABLE_PRDS  504u
#define DATA_TABLE_BYTES (DATA_TABLE_PRDS * DATA_PRD_BYTES)
/* With more in use than this, a sector in the smallest possible pieces no longer fits. */
#define DATA_TABLE_FULL (DATA_TABLE_PRDS - DVI_UNIT_BYTES / 2)

/* The largest part of a command on an encrypted range, which bounds the bounce memory that it needs. */
#define DATA_PART_SECTORS 512u
#define DATA_PAGE_SECTORS (VMM_PAGE_BYTES / DVI_UNIT_BYTES)
#define DATA_BOUNCE_PRDS  (DATA_PART_SECTORS / DATA_PAGE_SECTORS)
_Static_assert(DATA_TABLE_FULL >= DATA_BOUNCE_PRDS, "a sector always fits behind the bounce descriptors");

/* --- descriptors --- */

struct data_prd {
    uint64_t addr;
    uint32_t n_bytes; /* 2 .. 4 MiB, even */
};

/* Source: AHCI 1.3.1, 4.2.3.3 "Physical Region Descriptor Table". The two bits that must be so are taken as so. */
struct data_prd data_prd_parse(const uint8_t raw[DATA_PRD_BYTES]);

/* Descriptor i of the table. */
struct data_prd data_prd_get(const uint8_t *table, uint32_t i);
void data_prd_put(uint8_t *table, uint32_t i, struct data_prd prd);

/* How a kind of controller describes memory. fetch: read the next of the guest's descriptors, of which there is one,
 * into addr and left; false if that cannot be. boundary: a power of two that no descriptor may cross. */
struct data_format {
    bool (*fetch)(const struct dvi_host *host, struct dvi_prds *prds);
    uint32_t boundary;
};

/* Continue to copy the guest's descriptors, checked, into the table from descriptor first on, for at most max_bytes, a
 * multiple of the sector size; fewer if the table becomes full, whole sectors then too. Adjacent ones are joined.
 * max_bytes DATA_ALL: to the end of the guest's list. out: what the table holds, before and after. False if one may not
 * be given to a device, or if the guest's list ends too early. */
struct data_filled {
    uint32_t n_prds;
    uint64_t n_bytes;
};
#define DATA_ALL UINT64_MAX
bool data_fill(const struct dvi_host *host, const struct data_format *format, struct dvi_prds *prds, uint8_t *table,
               uint32_t first, uint64_t max_bytes, struct data_filled *out) VMM_MUST_CHECK;

/* Copy between a buffer and the guest memory that descriptors from first on name. False if some of it is not RAM. */
bool data_copy(const struct dvi_host *host, const uint8_t *table, uint32_t first, void *buf, size_t n_bytes,
               bool to_guest);

/* True if all that the first n_prds descriptors name is guest RAM. */
bool data_is_ram(const struct dvi_host *host, const uint8_t *table, uint32_t n_prds);

/* Of the n_prds of the guest's descriptors behind the bounce ones, move those that the run did not come to to the
 * beginning. Returns what they are. */
struct data_filled data_rest(uint8_t *table, const struct dvi_run *run, uint32_t n_prds);

/* --- bounce memory --- */

/* 0, or DVI_E_NOMEM. n_bytes: whole pages, up to DVI_POOL_MAX_BYTES. */
int data_pool_init(struct dvi_pool *pool, const struct dvi_host *host, size_t n_bytes) VMM_MUST_CHECK;

/* Enter pages of the pool as the first descriptors of the table, n_bytes in all. Returns how many.
 * MUST: that many are free. */
uint32_t data_pool_take(struct dvi_pool *pool, uint8_t *table, uint32_t n_bytes);

/* The bounce page of descriptor i. */
uint8_t *data_pool_page(const struct dvi_pool *pool, const uint8_t *table, uint32_t i);

/* Take the pages of the first n_pages descriptors back. MUST: the device cannot read them any more. */
void data_pool_free(struct dvi_pool *pool, const uint8_t *table, uint32_t n_pages);

/* Let the table name only what n_sectors fill of its bounce pages. Returns how many descriptors. */
uint32_t data_pool_cut(uint8_t *table, uint32_t n_sectors);

/* --- transforms, in slices --- */

/* Begin an exit. It gets a slice, or the least there is if it has waited for the lock, or if somebody waited when last
 * asked: the guest may not have had the time yet to take its interrupt. */
void data_slice_begin(const struct dvi_host *host, struct dvi_slice *slice, bool waited);

/* True while the exit may encrypt or decrypt: to the end of its slice, and for one more as often as nobody waits by
 * then, neither the guest for an interrupt nor another processor for the lock. */
bool data_may_go_on(const struct dvi_host *host, struct dvi_slice *slice);

/* The first n_sectors of a span. bounced: the guest's descriptors lie behind those of the pool. */
static inline struct dvi_run data_run(const struct dvi_span *span, uint32_t n_sectors, bool bounced) {
    const struct dvi_blk_transform *t = span->action == DVI_ENCRYPT ? span->transform : NULL;
    return (struct dvi_run){
        .transform = t, .unit = span->unit, .n_sectors = n_sectors, .prd = bounced ? DATA_BOUNCE_PRDS : 0};
}

/* Get on with a run while data_may_go_on: with a pool, encrypt what the guest's descriptors name into its pages;
 * with NULL, decrypt where it lies. False: it lies outside RAM. */
bool data_transform(const struct dvi_host *host, const struct dvi_pool *pool, const uint8_t *table, struct dvi_run *run,
                    struct dvi_slice *slice) VMM_MUST_CHECK;

#endif
