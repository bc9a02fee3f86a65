/* BLAKE2b against the published digest, and against OpenSSL's. Shorter digests are compared by way of Argon2. */
#include "blake2b.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "hex.h"
#include "kernels.h"

/* RFC 7693, appendix A "Example of BLAKE2b Computation" */
Test(blake2b, published_digest_of_abc) {
    uint8_t expected[64], out[64];
    struct crypt_blake2b b;
    from_hex("BA 80 A5 3F 98 1C 4D 0D 6A 27 97 B6 9F 12 F6 E9 4C 21 2F 14 68 5A C4 B7 4B 12 BB 6F DB FF A2 D1"
             "7D 87 C5 39 2A AB 79 2D C2 52 D5 DE 45 33 CC 95 18 D3 8A A8 DB F1 92 5A B9 23 86 ED D4 00 99 23",
             expected, sizeof expected);
    crypt_blake2b_init(&b, sizeof out);
    crypt_blake2b_update(&b, "abc", 3);
    crypt_blake2b_out(&b, out);
    cr_assert_arr_eq(out, expected, sizeof out);
}

/* Every length around the block's, in pieces of every size. */
Test(blake2b, as_openssl) {
    uint8_t out[64], expected[64];
    for (size_t n = 0; n < 700; n++) {
        struct crypt_blake2b b;
        uint8_t *data = malloc(n + 1);
        noise_fill(data, n);
        crypt_blake2b_init(&b, sizeof out);
        for (size_t at = 0, piece; at < n; at += piece) {
            piece = noise() % (n - at + 1);
            crypt_blake2b_update(&b, data + at, piece);
        }
        crypt_blake2b_out(&b, out);
        cr_assert_eq(EVP_Digest(data, n, expected, NULL, EVP_blake2b512(), NULL), 1);
        cr_assert_arr_eq(out, expected, sizeof out, "%zu bytes", n);
        for (size_t i = 0; i < sizeof b; i++) cr_assert_eq(((uint8_t *)&b)[i], 0);
        free(data);
    }
}
