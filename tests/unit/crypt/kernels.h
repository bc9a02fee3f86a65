/* The kernels under test, and keys to test them with. */
#ifndef TEST_CRYPT_KERNELS_H
#define TEST_CRYPT_KERNELS_H

#include <crypt/xts.h>
#include <stdbool.h>

/* Those this processor can run. The others are named on stderr, once, as not tested. */
extern const struct crypt_xts_kernel *runnable[4];
extern size_t n_runnable;
void find_runnable(void);

/* Reproducible noise. */
uint64_t noise(void);
void noise_fill(void *p, size_t n_bytes);

#endif
