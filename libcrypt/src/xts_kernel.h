/* What xts.c and its kernels share. Private to libcrypt and its tests. */
#ifndef CRYPT_XTS_KERNEL_H
#define CRYPT_XTS_KERNEL_H

#include <crypt/xts.h>

#define CRYPT_XTS_BATCH_UNITS 16u

/* The secrets of one kernel call outside registers and the context: kept together, so that one wipe at the end of an
 * operation finds them all. Kernels keep nothing secret in locals that may end up in memory.
 *
 * The kernel operations encrypt and decrypt take n = 1 .. CRYPT_XTS_BATCH_UNITS data units and may process (but not
 * use) all of tweak. */
struct crypt_xts_batch {
    _Alignas(32) uint8_t tweak[CRYPT_XTS_BATCH_UNITS][16]; /* in: each unit's number; the kernel encrypts it in place */
    union {
        _Alignas(32) uint8_t block[8][16];
        uint8_t pair[8][32];
    } even, odd; /* the kernel's own: tweaks of the blocks at hand, and of those that follow */
};

#endif
