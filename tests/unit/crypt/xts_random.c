/* Random requests: every kernel against OpenSSL, and against the other kernels. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define N_REQUESTS  600
#define MAX_UNITS   40u /* more than two batches */
#define MAX_OFFSET  64u
#define GUARD_BYTES 64u

struct request {
    uint8_t key[CRYPT_XTS_KEY_256];
    size_t key_bytes, n_units, n_bytes;
    uint64_t unit;
    bool encrypt, in_place;
    size_t src_offset, dst_offset;
    uint8_t *data, *expected; /* [n_bytes] */
};

static uint64_t unit_number(size_t n_units) {
    switch (noise() % 5) {
    case 0: return noise() % 8;
    case 1: return UINT64_C(0x100000000) - noise() % (n_units + 1); /* crosses 2^32 */
    case 2: return UINT64_C(0x8000000000000000) - noise() % (n_units + 1);
    case 3: return 0 - (uint64_t)n_units; /* ends with the last number there is */
    default: return noise() >> 1;
    }
}

static void openssl(const struct request *r) {
    const EVP_CIPHER *cipher = r->key_bytes == CRYPT_XTS_KEY_128 ? EVP_aes_128_xts() : EVP_aes_256_xts();
    EVP_CIPHER_CTX *evp = EVP_CIPHER_CTX_new();
    for (size_t u = 0; u < r->n_units; u++) {
        uint64_t iv[2] = {r->unit + u, 0};
        size_t at = u * CRYPT_XTS_UNIT_BYTES;
        int n = 0;
        cr_assert_eq(EVP_CipherInit_ex(evp, cipher, NULL, r->key, (const uint8_t *)iv, r->encrypt), 1);
        cr_assert_eq(EVP_CipherUpdate(evp, r->expected + at, &n, r->data + at, CRYPT_XTS_UNIT_BYTES), 1);
        cr_assert_eq(n, CRYPT_XTS_UNIT_BYTES);
    }
    EVP_CIPHER_CTX_free(evp);
}

static struct request new_request(void) {
    struct request r = {.key_bytes = noise() % 2 ? CRYPT_XTS_KEY_128 : CRYPT_XTS_KEY_256,
                        .n_units = 1 + noise() % MAX_UNITS,
                        .encrypt = noise() % 2,
                        .in_place = noise() % 2,
                        .src_offset = noise() % MAX_OFFSET,
                        .dst_offset = noise() % MAX_OFFSET};
    r.n_bytes = r.n_units * CRYPT_XTS_UNIT_BYTES;
    r.unit = unit_number(r.n_units);
    r.data = malloc(r.n_bytes);
    r.expected = malloc(r.n_bytes);
    noise_fill(r.key, sizeof r.key);
    noise_fill(r.data, r.n_bytes);
    openssl(&r);
    return r;
}

static bool all_are(const uint8_t *p, size_t n_bytes, uint8_t value) {
    for (size_t i = 0; i < n_bytes; i++)
        if (p[i] != value) return false;
    return true;
}

static void run(const struct request *r, const struct crypt_xts_kernel *kernel) {
    struct crypt_xts x;
    cr_assert_eq(crypt_xts_init(&x, r->key, r->key_bytes, kernel), 0);
    /* The source ends where its allocation ends, so that the sanitizer sees a read beyond it. */
    uint8_t *src_area = malloc(r->src_offset + r->n_bytes), *src = src_area + r->src_offset;
    uint8_t *dst_area = malloc(r->dst_offset + r->n_bytes + GUARD_BYTES), *dst = dst_area + r->dst_offset;
    memset(dst_area, 0xa5, r->dst_offset + r->n_bytes + GUARD_BYTES);
    memcpy(src, r->data, r->n_bytes);
    uint8_t *result = r->in_place ? src : dst;

    (r->encrypt ? crypt_xts_encrypt : crypt_xts_decrypt)(&x, r->unit, src, result, r->n_units);
    cr_assert(memcmp(result, r->expected, r->n_bytes) == 0,
              "kernel %s, %zu-byte key, unit %#lx, %zu units, %s, offsets %zu %zu%s", kernel->name, r->key_bytes,
              r->unit, r->n_units, r->encrypt ? "encrypt" : "decrypt", r->src_offset, r->dst_offset,
              r->in_place ? ", in place" : "");
    cr_assert(all_are(dst_area, r->dst_offset, 0xa5), "kernel %s wrote before the destination", kernel->name);
    cr_assert(all_are(dst + r->n_bytes, GUARD_BYTES, 0xa5), "kernel %s wrote behind the destination", kernel->name);
    if (!r->in_place) cr_assert(memcmp(src, r->data, r->n_bytes) == 0, "kernel %s changed its source", kernel->name);
    free(src_area);
    free(dst_area);
}

TestSuite(xts_random, .init = find_runnable);

Test(xts_random, every_kernel_agrees_with_openssl) {
    for (int i = 0; i < N_REQUESTS; i++) {
        struct request r = new_request();
        for (size_t k = 0; k < n_runnable; k++) run(&r, runnable[k]);
        free(r.data);
        free(r.expected);
    }
}

/* Not through a common oracle: what one kernel wrote, each other one reads, in requests cut differently. */
Test(xts_random, what_one_kernel_writes_every_other_reads) {
    enum { N = 37 };
    static uint8_t plain[N][CRYPT_XTS_UNIT_BYTES], cipher[N][CRYPT_XTS_UNIT_BYTES], again[N][CRYPT_XTS_UNIT_BYTES];
    uint8_t key[CRYPT_XTS_KEY_256];
    for (size_t w = 0; w < n_runnable; w++)
        for (size_t r = 0; r < n_runnable; r++) {
            struct crypt_xts writer, reader;
            uint64_t unit = noise() >> 1;
            noise_fill(key, sizeof key);
            noise_fill(plain, sizeof plain);
            cr_assert_eq(crypt_xts_init(&writer, key, sizeof key, runnable[w]), 0);
            cr_assert_eq(crypt_xts_init(&reader, key, sizeof key, runnable[r]), 0);
            crypt_xts_encrypt(&writer, unit, plain, cipher, N);
            for (size_t at = 0, n; at < N; at += n) {
                n = 1 + noise() % (N - at);
                crypt_xts_decrypt(&reader, unit + at, cipher[at], again[at], n);
            }
            cr_assert(memcmp(plain, again, sizeof plain) == 0, "%s, then %s", runnable[w]->name, runnable[r]->name);
            cr_assert(memcmp(plain, cipher, sizeof plain) != 0);
        }
}
