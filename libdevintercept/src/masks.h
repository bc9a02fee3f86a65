/* Sets of up to 32 small numbers: slots, ports. */
#ifndef DVI_MASKS_H
#define DVI_MASKS_H

#include <stdbool.h>
#include <stdint.h>

/* Nests only across functions. */
#define FOR_EACH_BIT(i, mask)                                                                                          \
    for (uint32_t rest_ = (mask), i = 0; rest_ && (i = (uint32_t)__builtin_ctz(rest_), true); rest_ &= rest_ - 1)

static inline uint32_t bit(unsigned n) { return UINT32_C(1) << n; }

static inline void set_bit(uint32_t *mask, unsigned n, bool value) { *mask = value ? *mask | bit(n) : *mask & ~bit(n); }

/* The first of a mask that is not empty, from one on, and around. */
static inline unsigned next_bit(uint32_t mask, unsigned from) {
    uint32_t later = mask >> from << from;
    return (unsigned)__builtin_ctz(later ? later : mask);
}

#endif
