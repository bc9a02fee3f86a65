/* see crypt/af.h */
#include <crypt/af.h>
#include <crypt/wipe.h>
#include <string.h>

#include "hash_class.h"

size_t crypt_af_bytes(const struct crypt_af *af) {
    if (af->key_bytes == 0 || af->key_bytes > CRYPT_AF_KEY_MAX) return 0;
    if (af->n_stripes == 0 || af->n_stripes > CRYPT_AF_STRIPES_MAX) return 0;
    return (size_t)af->key_bytes * af->n_stripes;
}

/* H of the specification, in place: each piece as long as a digest, and the shorter one that may remain, becomes the
 * digest (or as much of it as there is room for) of its number, big-endian, and itself. */
static void diffuse(const struct crypt_af *af, uint8_t *d) {
    br_hash_compat_context c;
    uint8_t digest[CRYPT_HASH_BYTES_MAX];
    size_t digest_bytes = crypt_hash_bytes(af->hash);
    for (size_t at = 0; at < af->key_bytes; at += digest_bytes) {
        size_t piece = at / digest_bytes, left = af->key_bytes - at, n = left < digest_bytes ? left : digest_bytes;
        const uint8_t number[4] = {0, 0, (uint8_t)(piece >> 8), (uint8_t)piece};
        crypt_hash_class(af->hash)->init(&c.vtable);
        c.vtable->update(&c.vtable, number, sizeof number);
        c.vtable->update(&c.vtable, d + at, n);
        c.vtable->out(&c.vtable, digest);
        memcpy(d + at, digest, n);
    }
    crypt_wipe(&c, sizeof c);
    crypt_wipe(digest, sizeof digest);
}

static void add(const struct crypt_af *af, uint8_t *d, const uint8_t *s) {
    for (size_t i = 0; i < af->key_bytes; i++) d[i] ^= s[i];
}

/* d_(n-1) of the specification: what all stripes but the last come to. */
static void fold(const struct crypt_af *af, const uint8_t *stripes, uint8_t *d) {
    memset(d, 0, af->key_bytes);
    for (uint32_t k = 0; k + 1 < af->n_stripes; k++) {
        add(af, d, stripes + (size_t)k * af->key_bytes);
        diffuse(af, d);
    }
}

int crypt_af_split(const struct crypt_af *af, struct crypt_rng *rng, const void *key, void *out) {
    size_t n_random = (size_t)(af->n_stripes - 1) * af->key_bytes;
    uint8_t *last = (uint8_t *)out + n_random;
    int r = crypt_rng_generate(rng, out, n_random);
    if (r) {
        memset(last, 0, af->key_bytes);
        return r;
    }
    fold(af, out, last);
    add(af, last, key);
    crypt_wipe_stack();
    return 0;
}

void crypt_af_merge(const struct crypt_af *af, const void *split, void *out) {
    fold(af, split, out);
    add(af, out, (const uint8_t *)split + (size_t)(af->n_stripes - 1) * af->key_bytes);
    crypt_wipe_stack();
}
