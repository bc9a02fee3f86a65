/* The anti-forensic splitter against its specification, written down naively on OpenSSL's hashes, and there and back.
 */
#include <criterion/criterion.h>
#include <crypt/af.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

static const enum crypt_hash all[] = {CRYPT_SHA1, CRYPT_SHA256, CRYPT_SHA512};

static struct crypt_rng seeded(void) {
    struct crypt_rng r;
    uint8_t seed[64];
    crypt_rng_init(&r);
    noise_fill(seed, sizeof seed);
    crypt_rng_add(&r, seed, sizeof seed, 256);
    return r;
}

/* LUKS1 On-Disk Format Specification 1.2.3, 2.4: H1, the diffusion function for whole digests and a remainder. */
static void naive_h(const char *hash, uint8_t *d, size_t n) {
    const EVP_MD *md = EVP_get_digestbyname(hash);
    size_t size = (size_t)EVP_MD_get_size(md);
    uint8_t p[CRYPT_AF_KEY_MAX + 64], input[4 + 64];
    for (uint32_t j = 0; j * size < n; j++) {
        size_t left = n - j * size < size ? n - j * size : size;
        for (unsigned b = 0; b < 4; b++) input[b] = (uint8_t)(j >> (24 - 8 * b));
        memcpy(input + 4, d + j * size, left);
        cr_assert_eq(EVP_Digest(input, 4 + left, p + j * size, NULL, md, NULL), 1);
    }
    memcpy(d, p, n);
}

static void naive_merge(const struct crypt_af *af, const uint8_t *s, uint8_t *out) {
    uint8_t d[CRYPT_AF_KEY_MAX] = {0};
    for (uint32_t k = 0; k < af->n_stripes; k++) {
        for (size_t i = 0; i < af->key_bytes; i++) d[i] ^= s[k * af->key_bytes + i];
        if (k < af->n_stripes - 1) naive_h(crypt_hash_name(af->hash), d, af->key_bytes);
    }
    memcpy(out, d, af->key_bytes);
}

static void there_and_back(struct crypt_af af) {
    struct crypt_rng rng = seeded();
    size_t n = crypt_af_bytes(&af);
    uint8_t *key = malloc(af.key_bytes), *split = malloc(n), *out = malloc(af.key_bytes);
    noise_fill(key, af.key_bytes);
    cr_assert_eq(crypt_af_split(&af, &rng, key, split), 0);
    crypt_af_merge(&af, split, out);
    cr_assert_arr_eq(out, key, af.key_bytes, "%s, %u bytes, %u stripes", crypt_hash_name(af.hash), af.key_bytes,
                     af.n_stripes);
    naive_merge(&af, split, out);
    cr_assert_arr_eq(out, key, af.key_bytes);
    free(key);
    free(split);
    free(out);
}

Test(af, there_and_back_as_specified) {
    for (unsigned h = 0; h < 3; h++) {
        there_and_back((struct crypt_af){all[h], 32, 4000});
        there_and_back((struct crypt_af){all[h], 64, 4000});
        there_and_back((struct crypt_af){all[h], CRYPT_AF_KEY_MAX, 3});
        for (uint32_t n = 1; n <= 200; n++) there_and_back((struct crypt_af){all[h], n, 1 + n % 5});
    }
}

Test(af, one_wrong_bit_anywhere_gives_another_key) {
    struct crypt_af af = {CRYPT_SHA256, 64, 20};
    struct crypt_rng rng = seeded();
    uint8_t key[64], split[64 * 20], out[64];
    noise_fill(key, sizeof key);
    cr_assert_eq(crypt_af_split(&af, &rng, key, split), 0);
    for (size_t bit = 0; bit < sizeof split * 8; bit += 5) {
        split[bit / 8] ^= (uint8_t)(1 << bit % 8);
        crypt_af_merge(&af, split, out);
        cr_assert(memcmp(out, key, sizeof key) != 0);
        split[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

Test(af, splits_differ_and_stripes_are_random) {
    struct crypt_af af = {CRYPT_SHA256, 32, 4000};
    struct crypt_rng rng = seeded();
    static uint8_t one[32 * 4000], other[32 * 4000];
    uint8_t key[32] = {0};
    unsigned count[256] = {0};
    cr_assert_eq(crypt_af_split(&af, &rng, key, one), 0);
    cr_assert_eq(crypt_af_split(&af, &rng, key, other), 0);
    for (size_t at = 0; at < sizeof one; at += 32) cr_assert(memcmp(one + at, other + at, 32) != 0);
    for (size_t at = 0; at < sizeof one; at++) count[one[at]]++;
    for (unsigned i = 0; i < 256; i++) cr_assert(count[i] > 350 && count[i] < 650, "byte %u: %u of 500", i, count[i]);
}

Test(af, no_split_without_entropy) {
    struct crypt_af af = {CRYPT_SHA256, 32, 10};
    struct crypt_rng rng;
    uint8_t key[32], split[320 + 1];
    noise_fill(key, sizeof key);
    memset(split, 0x5a, sizeof split);
    crypt_rng_init(&rng);
    cr_assert_eq(crypt_af_split(&af, &rng, key, split), CRYPT_E_ENTROPY);
    for (size_t i = 0; i < 320; i++) cr_assert_eq(split[i], 0);
    cr_assert_eq(split[320], 0x5a);
}

Test(af, lengths_have_limits) {
    static const struct {
        uint32_t key_bytes, n_stripes;
        size_t n_bytes;
    } rows[] = {{64, 4000, 256000},
                {1, 1, 1},
                {0, 4000, 0},
                {64, 0, 0},
                {CRYPT_AF_KEY_MAX, CRYPT_AF_STRIPES_MAX, 67108864},
                {CRYPT_AF_KEY_MAX + 1, 1, 0},
                {1, CRYPT_AF_STRIPES_MAX + 1, 0},
                {UINT32_MAX, UINT32_MAX, 0}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(crypt_af_bytes(&(struct crypt_af){CRYPT_SHA1, rows[i].key_bytes, rows[i].n_stripes}),
                     rows[i].n_bytes, "row %u", i);
}
