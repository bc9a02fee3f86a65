/* The anti-forensic splitter of LUKS: a short key becomes a long area, all of which is needed to get the key back, so
 * that overwriting any part of it on a disk destroys the key. It hides nothing: the area is stored encrypted.
 *
 * Any context that may change vector registers (all clobber CRYPT_XMM), any CPU; no allocation. Nothing secret is left
 * on the stack, of which they use less than 3 KiB.
 *
 * Source: LUKS1 On-Disk Format Specification, version 1.2.3, 2.4 "Anti-forensic information splitting". */
#ifndef CRYPT_AF_H
#define CRYPT_AF_H

#include <stddef.h>
#include <stdint.h>
#include <crypt/error.h>
#include <crypt/hash.h>
#include <crypt/rng.h>

#define CRYPT_AF_KEY_MAX     1024u
#define CRYPT_AF_STRIPES_MAX 65536u

struct crypt_af {
    enum crypt_hash hash;
    uint32_t key_bytes; /* 1 .. CRYPT_AF_KEY_MAX */
    uint32_t n_stripes; /* 1 .. CRYPT_AF_STRIPES_MAX; 4000 in every header seen */
};

/* The length of the area, key_bytes * n_stripes (no padding to sectors); 0 if outside the limits above. Pure. */
size_t crypt_af_bytes(const struct crypt_af *af);

/* Split key [af->key_bytes] into out [crypt_af_bytes(af)]; they MUST NOT overlap. MUST: crypt_af_bytes(af) is not 0.
 * 0, or the error of crypt_rng_generate, with all of out zero. */
CRYPT_MUST_CHECK int crypt_af_split(const struct crypt_af *af, struct crypt_rng *rng, const void *key, void *out);

/* The reverse: out [af->key_bytes] from split [crypt_af_bytes(af)], which MUST NOT overlap. MUST: crypt_af_bytes(af) is
 * not 0. Cannot fail: whether the key is the right one, its digest says. */
void crypt_af_merge(const struct crypt_af *af, const void *split, void *out);

#endif
