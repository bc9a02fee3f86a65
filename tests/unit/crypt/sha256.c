/* SHA-256 against OpenSSL's, for every length around the block's. */
#include <criterion/criterion.h>
#include <crypt/sha256.h>
#include <openssl/sha.h>

Test(crypt_sha256, as_openssl) {
    static uint8_t data[100000];
    uint8_t mine[CRYPT_SHA256_BYTES], theirs[SHA256_DIGEST_LENGTH];
    for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t n = 0; n <= sizeof data; n = n < 300 ? n + 1 : n + 33233) {
        crypt_sha256(data, n, mine);
        SHA256(data, n, theirs);
        cr_assert_arr_eq(mine, theirs, sizeof mine, "%zu bytes", n);
    }
}
