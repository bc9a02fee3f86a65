/* What xts.c and its kernels share. Private to libcrypt and its tests. */
#ifndef CRYPT_XTS_KERNEL_H
#define CRYPT_XTS_KERNEL_H

#include <crypt/xts.h>

#define CRYPT_XTS_BATCH_UNITS 16u

/* The secrets of one kernel call outside registers and the context: kept together, so that one wipe at the end of an
 * operation finds them all. Kernels keep nothing secret in locals that may end up in memory.
 *
 * The kernel operations encrypt and decrypt take n = 1 .. CRYPT_XTS_BATCH_UNITS data units. */
struct crypt_xts_batch {
    _Alignas(64) uint8_t tweak[CRYPT_XTS_BATCH_UNITS][16]; /* the kernel's own: of the units */
    uint8_t block[CRYPT_XTS_UNIT_BYTES / 16][16]; /* the kernel's own: of blocks at hand and of the next ones */
    uint64_t number[2]; /* in: of the first unit, 128 bits; its low half plus n does not wrap */
};

#endif
