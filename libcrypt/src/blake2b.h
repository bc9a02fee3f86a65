/* BLAKE2b without a key, for Argon2. Private to libcrypt and its tests.
 *
 * Source: RFC 7693, 3 "BLAKE2 Processing". */
#ifndef CRYPT_BLAKE2B_H
#define CRYPT_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#define CRYPT_BLAKE2B_BYTES_MAX   64u
#define CRYPT_BLAKE2B_BLOCK_BYTES 128u

struct crypt_blake2b {
    uint64_t h[8], n_bytes; /* hashed so far, without what is in block */
    uint8_t block[CRYPT_BLAKE2B_BLOCK_BYTES];
    size_t n_block, out_bytes;
};

/* A digest of out_bytes, 1 .. CRYPT_BLAKE2B_BYTES_MAX: one length's is not the beginning of another's. */
void crypt_blake2b_init(struct crypt_blake2b *b, size_t out_bytes);
void crypt_blake2b_update(struct crypt_blake2b *b, const void *data, size_t n_bytes);
/* To out [b->out_bytes]; b is wiped. */
void crypt_blake2b_out(struct crypt_blake2b *b, void *out);

#endif
