/* see crypt/xts.h */
#include <crypt/wipe.h>
#include <string.h>

#include "xts_kernel.h"

const struct crypt_xts_kernel *crypt_xts_kernel_best(uint32_t features) {
    const struct crypt_xts_kernel *fastest_first[] = {&crypt_xts_kernel_vaes_avx512, &crypt_xts_kernel_vaes_avx2,
                                                      &crypt_xts_kernel_aesni};
    for (size_t i = 0; i < sizeof fastest_first / sizeof fastest_first[0]; i++) {
        uint32_t needs = fastest_first[i]->needs;
        if ((features & needs) == needs) return fastest_first[i];
    }
    return &crypt_xts_kernel_portable;
}

/* The one that sets it apart from the slower kernels is the last of its needs. */
uint32_t crypt_xts_kernel_without(uint32_t features, const struct crypt_xts_kernel *kernel) {
    uint32_t last = kernel->needs;
    while (last & (last - 1)) last &= last - 1;
    return features & ~last;
}

/* Without a branch on the data, as for anything secret. */
static uint8_t difference(const uint8_t *a, const uint8_t *b, size_t n_bytes) {
    uint8_t d = 0;
    for (size_t i = 0; i < n_bytes; i++) d |= a[i] ^ b[i];
    return d;
}

int crypt_xts_init(struct crypt_xts *x, const void *key, size_t key_bytes, const struct crypt_xts_kernel *kernel) {
    crypt_wipe(x, sizeof *x);
    if (key_bytes != CRYPT_XTS_KEY_128 && key_bytes != CRYPT_XTS_KEY_256) return CRYPT_E_KEY_BYTES;

    size_t half_bytes = key_bytes / 2;
    const uint8_t *data_key = key, *tweak_key = data_key + half_bytes;
    if (difference(data_key, tweak_key, half_bytes) == 0) return CRYPT_E_KEY_WEAK;

    x->kernel = kernel;
    x->n_rounds = key_bytes == CRYPT_XTS_KEY_128 ? 10 : 14;
    kernel->expand(x, data_key, tweak_key, half_bytes);
    crypt_wipe_stack(); /* BearSSL's key schedule leaves its temporaries */
    return 0;
}

void crypt_xts_wipe(struct crypt_xts *x) { crypt_wipe(x, sizeof *x); }

typedef void batch_fn(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n);

static void run(const struct crypt_xts *x, batch_fn *batch, uint64_t unit, const uint8_t *src, uint8_t *dst,
                size_t n_units) {
    struct crypt_xts_batch b;
    while (n_units > 0) {
        size_t n = n_units < CRYPT_XTS_BATCH_UNITS ? n_units : CRYPT_XTS_BATCH_UNITS;
        b.number[0] = unit;
        b.number[1] = 0;
        batch(x, &b, src, dst, n);
        unit += n;
        src += n * CRYPT_XTS_UNIT_BYTES;
        dst += n * CRYPT_XTS_UNIT_BYTES;
        n_units -= n;
    }
    crypt_wipe(&b, sizeof b);
}

void crypt_xts_encrypt(const struct crypt_xts *x, uint64_t unit, const void *src, void *dst, size_t n_units) {
    run(x, x->kernel->encrypt, unit, src, dst, n_units);
}

void crypt_xts_decrypt(const struct crypt_xts *x, uint64_t unit, const void *src, void *dst, size_t n_units) {
    run(x, x->kernel->decrypt, unit, src, dst, n_units);
}
