/* The seam between a block mediator and whatever changes the data: a key and two operations.
 * Fixed after set-up; called from trap handlers on any processor, also at the same time; cannot fail. */
#ifndef DVI_TRANSFORM_H
#define DVI_TRANSFORM_H

#include <stddef.h>
#include <stdint.h>

#define DVI_UNIT_BYTES 512u

struct dvi_blk_transform {
    void *ctx;
    /* unit: number of the first 512-byte unit, counted from the start of the policy range.
     * src, dst: [n_units * 512] bytes, any alignment; the same buffer, or not overlapping. n_units >= 1. */
    void (*encrypt)(void *ctx, uint64_t unit, const void *src, void *dst, size_t n_units);
    void (*decrypt)(void *ctx, uint64_t unit, const void *src, void *dst, size_t n_units);
};

#endif
