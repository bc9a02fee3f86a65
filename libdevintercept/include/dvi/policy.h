/* What may happen to which part of a disk. Pure: plain data in, plain data out, any context.
 *
 * A policy is an ordered list of LBA ranges; the first range that holds a sector decides; a sector in none is clear.
 * LBAs are in units of 512 bytes. */
#ifndef DVI_POLICY_H
#define DVI_POLICY_H

#include <stdint.h>
#include <dvi/transform.h>

enum dvi_action { DVI_CLEAR, DVI_ENCRYPT, DVI_READ_ONLY, DVI_DENY };

struct dvi_range {
    uint64_t first_lba, end_lba; /* half-open; end_lba UINT64_MAX: to the end of the disk */
    enum dvi_action action;
    const struct dvi_blk_transform *transform; /* DVI_ENCRYPT only; unit 0 is first_lba */
};

#define DVI_POLICY_MAX_RANGES 16u

struct dvi_policy {
    uint32_t n_ranges;
    struct dvi_range range[DVI_POLICY_MAX_RANGES];
};

/* The longest run of sectors from lba on, at most n_sectors, that one rule covers. */
struct dvi_span {
    uint64_t n_sectors; /* 1 .. the n_sectors asked for */
    enum dvi_action action;
    const struct dvi_blk_transform *transform; /* DVI_ENCRYPT only */
    uint64_t unit;                             /* DVI_ENCRYPT only: number of sector lba within its range */
};

/* MUST: n_sectors >= 1 and lba + n_sectors does not wrap. */
struct dvi_span dvi_policy_lookup(const struct dvi_policy *policy, uint64_t lba, uint64_t n_sectors);

#endif
