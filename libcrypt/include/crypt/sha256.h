/* SHA-256, for files whose checksum a person gave. Source: FIPS 180-4, 6.2 "SHA-256". */
#ifndef CRYPT_SHA256_H
#define CRYPT_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define CRYPT_SHA256_BYTES 32u

/* The digest of data [n_bytes]. Clobbers CRYPT_XMM (BearSSL, compiled by Debian, uses vector registers). Any context
 * that may; no allocation. What it leaves on the stack is wiped. */
void crypt_sha256(const void *data, size_t n_bytes, uint8_t out[CRYPT_SHA256_BYTES]);

#endif
