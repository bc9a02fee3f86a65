/* The hash functions against FIPS 180-4's examples, and against OpenSSL's for every length around the blocks'. */
#include <criterion/criterion.h>
#include <crypt/hash.h>
#include <openssl/evp.h>
#include <string.h>

static const enum crypt_hash all[] = {CRYPT_SHA1, CRYPT_SHA256, CRYPT_SHA512};

Test(crypt_hash, published_digests_of_abc) {
    static const uint8_t sha1[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                                   0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
    static const uint8_t sha256[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                     0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                     0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    static const uint8_t sha512_begins[] = {0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba,
                                            0xcc, 0x41, 0x73, 0x49, 0xae, 0x20, 0x41, 0x31};
    uint8_t out[CRYPT_HASH_BYTES_MAX];
    crypt_hash_digest(CRYPT_SHA1, "abc", 3, out);
    cr_assert_arr_eq(out, sha1, sizeof sha1);
    crypt_hash_digest(CRYPT_SHA256, "abc", 3, out);
    cr_assert_arr_eq(out, sha256, sizeof sha256);
    crypt_hash_digest(CRYPT_SHA512, "abc", 3, out);
    cr_assert_arr_eq(out, sha512_begins, sizeof sha512_begins);
}

Test(crypt_hash, as_openssl) {
    static uint8_t data[100000];
    uint8_t mine[CRYPT_HASH_BYTES_MAX + 1], theirs[EVP_MAX_MD_SIZE];
    for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7 + i / 256);
    for (unsigned h = 0; h < 3; h++)
        for (size_t n = 0; n <= sizeof data; n = n < 300 ? n + 1 : n + 33233) {
            unsigned n_out = 0;
            size_t n_bytes = crypt_hash_bytes(all[h]);
            mine[n_bytes] = 0x5a;
            crypt_hash_digest(all[h], data, n, mine);
            cr_assert_eq(EVP_Digest(data, n, theirs, &n_out, EVP_get_digestbyname(crypt_hash_name(all[h])), NULL), 1);
            cr_assert_eq(n_out, n_bytes);
            cr_assert_arr_eq(mine, theirs, n_bytes, "%s of %zu bytes", crypt_hash_name(all[h]), n);
            cr_assert_eq(mine[n_bytes], 0x5a);
        }
}

Test(crypt_hash, may_overwrite_its_input) {
    uint8_t bytes[64], expected[32];
    memset(bytes, 7, sizeof bytes);
    crypt_hash_digest(CRYPT_SHA256, bytes, sizeof bytes, expected);
    crypt_hash_digest(CRYPT_SHA256, bytes, sizeof bytes, bytes);
    cr_assert_arr_eq(bytes, expected, sizeof expected);
}

Test(crypt_hash, found_by_the_names_in_headers) {
    static const struct {
        const char *name;
        size_t n_bytes;
        int expected; /* the function, or the error */
    } rows[] = {
        {"sha1", 4, CRYPT_SHA1},
        {"sha256", 6, CRYPT_SHA256},
        {"sha512", 6, CRYPT_SHA512},
        {"sha1\0sha256\0xxxxxxxxxxxxxxxxxxxx", 32, CRYPT_SHA1}, /* as in a field of 32 bytes */
        {"sha512-and-on", 6, CRYPT_SHA512},
        {"sha256", 5, CRYPT_E_HASH},
        {"sha256", 0, CRYPT_E_HASH},
        {"", 1, CRYPT_E_HASH},
        {"SHA256", 6, CRYPT_E_HASH},
        {"sha2567", 7, CRYPT_E_HASH},
        {" sha256", 7, CRYPT_E_HASH},
        {"ripemd160", 9, CRYPT_E_HASH},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum crypt_hash found = CRYPT_SHA1;
        int r = crypt_hash_find(rows[i].name, rows[i].n_bytes, &found);
        cr_assert_eq(r ? r : (int)found, rows[i].expected, "row %u", i);
    }
    for (unsigned h = 0; h < 3; h++) {
        enum crypt_hash found = all[(h + 1) % 3];
        cr_assert_eq(crypt_hash_find(crypt_hash_name(all[h]), strlen(crypt_hash_name(all[h])), &found), 0);
        cr_assert_eq(found, all[h]);
    }
}
