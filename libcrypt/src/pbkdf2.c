/* PBKDF2. see crypt/kdf.h */
#include <bearssl/bearssl_hmac.h>
#include <crypt/wipe.h>
#include <string.h>

#include "hash_class.h"
#include "kdf_progress.h"

#define ITERATIONS_PER_STEP 1024u /* a millisecond */

/* Everything secret, in one place for one wipe. BearSSL's key context is the state of the hash function after the
 * padded key's block, inner and outer: neither is computed again. */
struct work {
    br_hmac_key_context key;
    br_hmac_context hmac;
    uint8_t u[CRYPT_HASH_BYTES_MAX], t[CRYPT_HASH_BYTES_MAX]; /* U_j and the XOR of all so far */
};

static void first_u(struct work *w, const struct crypt_kdf *k, uint32_t block) {
    uint8_t number[4] = {(uint8_t)(block >> 24), (uint8_t)(block >> 16), (uint8_t)(block >> 8), (uint8_t)block};
    br_hmac_init(&w->hmac, &w->key, 0);
    br_hmac_update(&w->hmac, k->salt, k->salt_bytes);
    br_hmac_update(&w->hmac, number, sizeof number);
    br_hmac_out(&w->hmac, w->u);
}

static void next_u(struct work *w, size_t n_bytes) {
    br_hmac_init(&w->hmac, &w->key, 0);
    br_hmac_update(&w->hmac, w->u, n_bytes);
    br_hmac_out(&w->hmac, w->u);
}

/* T_i, in w->t. */
static bool one_block(struct work *w, const struct crypt_kdf *k, uint32_t block, uint32_t iterations, size_t n_bytes,
                      struct crypt_kdf_progress *progress) {
    first_u(w, k, block);
    memcpy(w->t, w->u, n_bytes);
    uint32_t n_unsaid = 1;
    for (uint32_t j = 1; j < iterations; j++) {
        if (n_unsaid == ITERATIONS_PER_STEP) {
            if (!crypt_kdf_progress_add(progress, n_unsaid)) return false;
            n_unsaid = 0;
        }
        next_u(w, n_bytes);
        for (size_t i = 0; i < n_bytes; i++) w->t[i] ^= w->u[i];
        n_unsaid++;
    }
    return crypt_kdf_progress_add(progress, n_unsaid);
}

int crypt_pbkdf2(const struct crypt_kdf *k, enum crypt_hash hash, uint32_t iterations) {
    struct work w;
    uint8_t *out = k->out;
    size_t n_bytes = crypt_hash_bytes(hash);
    bool go_on = true;
    if (k->out_bytes == 0 || k->out_bytes > CRYPT_PBKDF2_OUT_MAX || iterations == 0) {
        crypt_wipe(out, k->out_bytes);
        return CRYPT_E_KDF_LIMITS;
    }
    uint64_t n_blocks = (k->out_bytes + n_bytes - 1) / n_bytes;
    struct crypt_kdf_progress progress = crypt_kdf_progress_init(k, n_blocks * iterations);
    br_hmac_key_init(&w.key, crypt_hash_class(hash), k->password, k->password_bytes);
    for (uint32_t i = 0; i < n_blocks && go_on; i++) {
        size_t at = i * n_bytes, left = k->out_bytes - at;
        go_on = one_block(&w, k, i + 1, iterations, n_bytes, &progress);
        memcpy(out + at, w.t, left < n_bytes ? left : n_bytes);
    }
    crypt_wipe(&w, sizeof w);
    crypt_wipe_stack();
    if (go_on) return 0;
    crypt_wipe(out, k->out_bytes);
    return CRYPT_E_CANCELLED;
}
