/* Argon2's blocks of 1 KiB. Private to libcrypt. */
#ifndef CRYPT_ARGON2_BLOCK_H
#define CRYPT_ARGON2_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CRYPT_ARGON2_BLOCK_BYTES 1024u

struct crypt_argon2_block {
    _Alignas(16) uint64_t v[CRYPT_ARGON2_BLOCK_BYTES / 8];
};

/* out = G(x, y), or out ^= G(x, y) if add. tmp: for its own use. out may be x or y, tmp is none of them.
 * Source: RFC 9106, 3.5 "Compression Function G". */
void crypt_argon2_compress(struct crypt_argon2_block *out, const struct crypt_argon2_block *x,
                           const struct crypt_argon2_block *y, struct crypt_argon2_block *tmp, bool add);

#endif
