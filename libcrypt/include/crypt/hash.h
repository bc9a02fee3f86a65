/* The hash functions that LUKS headers name. Any context that may change vector registers, any CPU; no allocation.
 * Not for passwords: see crypt/kdf.h.
 *
 * Sources: FIPS 180-4, 6.1 "SHA-1", 6.2 "SHA-256", 6.4 "SHA-512". SHA-1 is broken as to collisions, which neither
 * PBKDF2 nor the anti-forensic splitter relies on; it is here to read headers that others wrote. */
#ifndef CRYPT_HASH_H
#define CRYPT_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <crypt/error.h>

#define CRYPT_SHA1_BYTES     20u
#define CRYPT_SHA256_BYTES   32u
#define CRYPT_SHA512_BYTES   64u
#define CRYPT_HASH_BYTES_MAX CRYPT_SHA512_BYTES

enum crypt_hash { CRYPT_SHA1, CRYPT_SHA256, CRYPT_SHA512 };

/* The function that a header calls by this name ("sha1", "sha256", "sha512", lower case).
 *   name  [n_bytes], ends at its first NUL or at n_bytes
 * 0 with *out; CRYPT_E_HASH for any other name, *out unchanged. Pure. */
CRYPT_MUST_CHECK int crypt_hash_find(const char *name, size_t n_bytes, enum crypt_hash *out);

/* Its name, as crypt_hash_find takes it, and the length of its digest. Pure. */
const char *crypt_hash_name(enum crypt_hash hash);
size_t crypt_hash_bytes(enum crypt_hash hash);

/* The digest of data [n_bytes], to out [crypt_hash_bytes(hash)], which may overlap data. Clobbers CRYPT_XMM (BearSSL,
 * compiled by Debian, uses vector registers). Cannot fail. What it leaves on the stack is wiped. Uses less than 3 KiB
 * of stack. */
void crypt_hash_digest(enum crypt_hash hash, const void *data, size_t n_bytes, void *out);

#endif
