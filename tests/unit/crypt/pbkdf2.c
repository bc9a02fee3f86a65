/* PBKDF2 against the published vectors, and against OpenSSL's at random. */
#include <criterion/criterion.h>
#include <crypt/kdf.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "kernels.h"

static const struct vector {
    enum crypt_hash hash;
    const char *password;
    size_t password_bytes;
    const char *salt;
    size_t salt_bytes;
    uint32_t iterations;
    const char *key;
} vectors[] = {
    /* RFC 6070, 2 "PBKDF2 HMAC-SHA1 Test Vectors", but for the one of 16,777,216 iterations */
    {CRYPT_SHA1, "password", 8, "salt", 4, 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
    {CRYPT_SHA1, "password", 8, "salt", 4, 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"},
    {CRYPT_SHA1, "password", 8, "salt", 4, 4096, "4b007901b765489abead49d926f721d065a429c1"},
    {CRYPT_SHA1, "passwordPASSWORDpassword", 24, "saltSALTsaltSALTsaltSALTsaltSALTsalt", 36, 4096,
     "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"},
    {CRYPT_SHA1, "pass\0word", 9, "sa\0lt", 5, 4096, "56fa6aa75548099dcc37d7f03425e0c3"},
    /* RFC 7914, 11 "Test Vectors for PBKDF2 with HMAC-SHA-256" */
    {CRYPT_SHA256, "passwd", 6, "salt", 4, 1,
     "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
     "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"},
    {CRYPT_SHA256, "Password", 8, "NaCl", 4, 80000,
     "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
     "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d"},
};

Test(pbkdf2, published_vectors) {
    for (unsigned i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        uint8_t expected[64], out[64];
        size_t n = from_hex(v->key, expected, sizeof expected);
        struct crypt_kdf k = {.password = v->password,
                              .password_bytes = v->password_bytes,
                              .salt = v->salt,
                              .salt_bytes = v->salt_bytes,
                              .out = out,
                              .out_bytes = n};
        cr_assert_eq(crypt_pbkdf2(&k, v->hash, v->iterations), 0);
        cr_assert_arr_eq(out, expected, n, "vector %u", i);
    }
}

/* Passwords longer than a block are hashed first; outputs end within a block of the hash function. */
Test(pbkdf2, as_openssl) {
    for (unsigned i = 0; i < 600; i++) {
        enum crypt_hash hash = (enum crypt_hash)(noise() % 3);
        uint32_t iterations = 1 + (uint32_t)(noise() % (i % 50 ? 20 : 3000));
        size_t n_out = 1 + noise() % (i % 20 ? 200 : CRYPT_PBKDF2_OUT_MAX);
        struct crypt_kdf k = {.password_bytes = noise() % 300, .salt_bytes = noise() % 300, .out_bytes = n_out};
        uint8_t *password = malloc(k.password_bytes + 1), *salt = malloc(k.salt_bytes + 1);
        uint8_t *out = malloc(n_out), *expected = malloc(n_out);
        noise_fill(password, k.password_bytes);
        noise_fill(salt, k.salt_bytes);
        k.password = password;
        k.salt = salt;
        k.out = out;
        cr_assert_eq(crypt_pbkdf2(&k, hash, iterations), 0);
        cr_assert_eq(PKCS5_PBKDF2_HMAC((char *)password, (int)k.password_bytes, salt, (int)k.salt_bytes,
                                       (int)iterations, EVP_get_digestbyname(crypt_hash_name(hash)), (int)n_out,
                                       expected),
                     1);
        cr_assert_arr_eq(out, expected, n_out, "%s, %u iterations, %zu, %zu, %zu bytes", crypt_hash_name(hash),
                         iterations, k.password_bytes, k.salt_bytes, n_out);
        free(password);
        free(salt);
        free(out);
        free(expected);
    }
}

static bool all_zero(const uint8_t *p, size_t n) {
    while (n > 0)
        if (p[--n]) return false;
    return true;
}

Test(pbkdf2, refuses_what_has_no_meaning) {
    static uint8_t out[CRYPT_PBKDF2_OUT_MAX + 2];
    struct crypt_kdf k = {.password = "p", .password_bytes = 1, .salt = "s", .salt_bytes = 1, .out = out};
    memset(out, 0x5a, sizeof out);
    cr_assert_eq(crypt_pbkdf2(&k, CRYPT_SHA256, 1), CRYPT_E_KDF_LIMITS);
    cr_assert_eq(out[0], 0x5a);
    k.out_bytes = CRYPT_PBKDF2_OUT_MAX + 1;
    cr_assert_eq(crypt_pbkdf2(&k, CRYPT_SHA256, 1), CRYPT_E_KDF_LIMITS);
    cr_assert(all_zero(out, k.out_bytes));
    cr_assert_eq(out[k.out_bytes], 0x5a);
    memset(out, 0x5a, sizeof out);
    k.out_bytes = 40;
    cr_assert_eq(crypt_pbkdf2(&k, CRYPT_SHA256, 0), CRYPT_E_KDF_LIMITS);
    cr_assert(all_zero(out, k.out_bytes));
    cr_assert_eq(out[k.out_bytes], 0x5a);
}

struct steps {
    uint32_t n, last, total, cancel_at;
};

static bool step(void *ctx, uint32_t done, uint32_t total) {
    struct steps *s = ctx;
    if (s->n++) cr_assert_eq(total, s->total);
    cr_assert_gt(done, s->last);
    cr_assert_leq(done, total);
    s->last = done;
    s->total = total;
    return s->n != s->cancel_at;
}

Test(pbkdf2, tells_how_far_it_is) {
    static const struct {
        uint32_t iterations, out_bytes, n_steps;
    } rows[] = {{1, 32, 1}, {1024, 32, 1}, {1025, 32, 2}, {10000, 32, 10}, {1, 80, 3}, {5000, 33, 10}};
    uint8_t out[80];
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct steps s = {0};
        struct crypt_kdf k = {"p", 1, "s", 1, out, rows[i].out_bytes, step, &s};
        cr_assert_eq(crypt_pbkdf2(&k, CRYPT_SHA256, rows[i].iterations), 0);
        cr_assert_eq(s.n, rows[i].n_steps, "row %u: %u steps", i, s.n);
        cr_assert_eq(s.last, s.total);
    }
}

/* The most work there is: its units do not wrap around. */
Test(pbkdf2, tells_how_far_it_is_when_it_takes_for_ever) {
    static uint8_t out[CRYPT_PBKDF2_OUT_MAX];
    struct steps s = {.cancel_at = 1};
    struct crypt_kdf k = {"p", 1, "s", 1, out, sizeof out, step, &s};
    k.step_ctx = &s;
    cr_assert_eq(crypt_pbkdf2(&k, CRYPT_SHA1, UINT32_MAX), CRYPT_E_CANCELLED);
    cr_assert_gt(s.total, UINT32_MAX / 2);
}

Test(pbkdf2, gives_up_at_any_step_and_leaves_nothing) {
    uint8_t out[80];
    struct steps all = {0};
    struct crypt_kdf k = {"p", 1, "s", 1, out, sizeof out, step, &all};
    cr_assert_eq(crypt_pbkdf2(&k, CRYPT_SHA256, 3000), 0);
    for (uint32_t at = 1; at <= all.n; at++) {
        struct steps s = {.cancel_at = at};
        k.step_ctx = &s;
        memset(out, 0x5a, sizeof out);
        cr_assert_eq(crypt_pbkdf2(&k, CRYPT_SHA256, 3000), CRYPT_E_CANCELLED);
        cr_assert_eq(s.n, at);
        cr_assert(all_zero(out, sizeof out));
    }
}
