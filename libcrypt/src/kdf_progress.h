/* Telling the caller of a derivation how far it is. Private to libcrypt. */
#ifndef CRYPT_KDF_PROGRESS_H
#define CRYPT_KDF_PROGRESS_H

#include <crypt/kdf.h>

struct crypt_kdf_progress {
    crypt_kdf_step_fn *step;
    void *ctx;
    uint64_t done, total; /* in pieces of work; done < 2^63 */
    unsigned shift;       /* so that total fits in what the caller is told */
};

/* MUST: total >= 1. */
static inline struct crypt_kdf_progress crypt_kdf_progress_init(const struct crypt_kdf *k, uint64_t total) {
    struct crypt_kdf_progress p = {k->step, k->step_ctx, 0, total, 0};
    while (total >> p.shift > UINT32_MAX) p.shift++;
    return p;
}

/* n more are done. false: stop. */
static inline bool crypt_kdf_progress_add(struct crypt_kdf_progress *p, uint64_t n) {
    p->done += n;
    return !p->step || p->step(p->ctx, (uint32_t)(p->done >> p->shift), (uint32_t)(p->total >> p->shift));
}

#endif
