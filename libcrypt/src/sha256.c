/* see crypt/sha256.h */
#include <bearssl/bearssl_hash.h>
#include <crypt/sha256.h>
#include <crypt/wipe.h>

void crypt_sha256(const void *data, size_t n_bytes, uint8_t out[CRYPT_SHA256_BYTES]) {
    br_sha256_context c;
    br_sha256_init(&c);
    br_sha256_update(&c, data, n_bytes);
    br_sha256_out(&c, out);
    crypt_wipe(&c, sizeof c);
    crypt_wipe_stack();
}
