/* Keys out of passphrases: PBKDF2, and Argon2i and Argon2id, made slow on purpose.
 *
 * One derivation runs on one processor, from a few milliseconds to many seconds. It allocates nothing: Argon2's memory
 * is the caller's. Whatever the outcome, nothing secret is left on the stack or in that memory; the inputs are the
 * caller's to wipe. All clobber CRYPT_XMM and use less than 4 KiB of stack.
 *
 * Time does not depend on the password's bytes, but for the second half of Argon2id's first pass and all later ones,
 * whose memory addresses do (RFC 9106, 7.2 "Security against Time-Space Trade-off Attacks" says why). */
#ifndef CRYPT_KDF_H
#define CRYPT_KDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <crypt/error.h>
#include <crypt/hash.h>

/* How far a derivation is: done of total units, which mean nothing else. done never falls, total stays; in the last
 * call they are equal. At most a few milliseconds' work lie between two calls, on a processor of this century. false
 * gives up. It runs in the caller's context, between two pieces of work, and may use vector registers. */
typedef bool crypt_kdf_step_fn(void *ctx, uint32_t done, uint32_t total);

/* What is derived from what. All borrowed; out MUST NOT overlap the rest. */
struct crypt_kdf {
    const void *password; /* [password_bytes] */
    size_t password_bytes;
    const void *salt; /* [salt_bytes] */
    size_t salt_bytes;
    void *out; /* [out_bytes] */
    size_t out_bytes;
    crypt_kdf_step_fn *step; /* or NULL */
    void *step_ctx;
};

/* PBKDF2 with HMAC.
 * 0 with the key in k->out; CRYPT_E_KDF_LIMITS if iterations or k->out_bytes is 0, or k->out_bytes is above
 * CRYPT_PBKDF2_OUT_MAX; CRYPT_E_CANCELLED if k->step said so. After an error all of k->out is zero.
 * Source: RFC 8018, 5.2 "PBKDF2"; RFC 2104, 2 "Definition of HMAC" and 4 "Implementation Note" for the states that are
 * computed once. */
#define CRYPT_PBKDF2_OUT_MAX 4096u
CRYPT_MUST_CHECK int crypt_pbkdf2(const struct crypt_kdf *k, enum crypt_hash hash, uint32_t iterations);

/* The numbers are those of RFC 9106. Argon2d is not there: nothing of ours is stored with it. */
enum crypt_argon2_type { CRYPT_ARGON2I = 1, CRYPT_ARGON2ID = 2 };

#define CRYPT_ARGON2_LANES_MAX 64u
#define CRYPT_ARGON2_KIB_MAX   4194304u /* 4 GiB */
#define CRYPT_ARGON2_OUT_MIN   4u
#define CRYPT_ARGON2_OUT_MAX   4096u
#define CRYPT_ARGON2_SALT_MIN  8u

struct crypt_argon2 {
    enum crypt_argon2_type type;
    uint32_t passes;    /* t, at least 1 */
    uint32_t kib;       /* m, at least 8 * lanes */
    uint32_t lanes;     /* p; changes the result. They are computed one after the other */
    const void *secret; /* K [secret_bytes], of which LUKS has none */
    size_t secret_bytes;
    const void *associated; /* X [associated_bytes], likewise */
    size_t associated_bytes;
};

/* How much memory crypt_argon2 wants: a little more than kib; 0 if it would refuse kib or lanes. Pure. */
size_t crypt_argon2_memory_bytes(uint32_t kib, uint32_t lanes);

/* Argon2, version 0x13.
 *   memory  [memory_bytes] for its own use; MUST be aligned to 16
 * 0 with the key in k->out; CRYPT_E_KDF_LIMITS if a length or cost is outside the limits above, or an input is longer
 * than 2^32 - 1 bytes; CRYPT_E_MEMORY if memory_bytes is less than crypt_argon2_memory_bytes says; CRYPT_E_CANCELLED if
 * k->step said so. After an error all of k->out is zero. What was used of memory is zero afterwards.
 * Source: RFC 9106, 3 "Argon2 Algorithm". */
CRYPT_MUST_CHECK int crypt_argon2(const struct crypt_kdf *k, const struct crypt_argon2 *cost, void *memory,
                                  size_t memory_bytes);

#endif
