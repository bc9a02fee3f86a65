/* From a passphrase to the volume key: see crypt/luks.h */
#include "luks_part.h"

#include <string.h>
#include <crypt/wipe.h>

int crypt_luks_derive(const struct crypt_luks_slot *slot, const struct crypt_luks_try *t, uint8_t *out) {
    const struct crypt_luks_kdf *cost = &slot->kdf;
    const struct crypt_kdf k = {.password = t->secret,
                                .password_bytes = t->secret_bytes,
                                .salt = slot->salt,
                                .salt_bytes = slot->salt_bytes,
                                .out = out,
                                .out_bytes = slot->area_key_bytes,
                                .step = t->step,
                                .step_ctx = t->step_ctx};
    if (cost->type == CRYPT_LUKS_PBKDF2) return crypt_pbkdf2(&k, cost->hash, cost->iterations);
    const struct crypt_argon2 argon2 = {.type = cost->type == CRYPT_LUKS_ARGON2I ? CRYPT_ARGON2I : CRYPT_ARGON2ID,
                                        .passes = cost->iterations,
                                        .kib = cost->kib,
                                        .lanes = cost->lanes};
    return crypt_argon2(&k, &argon2, t->work, t->work_bytes);
}

int crypt_luks_digest(const struct crypt_luks *l, const void *key, crypt_kdf_step_fn *step, void *step_ctx,
                      uint8_t *out) {
    const struct crypt_kdf k = {.password = key,
                                .password_bytes = l->key_bytes,
                                .salt = l->digest_salt,
                                .salt_bytes = l->digest_salt_bytes,
                                .out = out,
                                .out_bytes = l->digest_bytes,
                                .step = step,
                                .step_ctx = step_ctx};
    return crypt_pbkdf2(&k, l->digest_hash, l->digest_iterations);
}

int crypt_luks_verify(const struct crypt_luks *l, const void *key, crypt_kdf_step_fn *step, void *step_ctx) {
    uint8_t digest[sizeof l->digest], difference = 0;
    int err = crypt_luks_digest(l, key, step, step_ctx, digest);
    if (err) return err;
    for (uint32_t i = 0; i < l->digest_bytes; i++) difference |= digest[i] ^ l->digest[i];
    crypt_wipe(digest, sizeof digest);
    return difference ? CRYPT_E_LUKS_KEY : 0;
}

/* No writer leaves a sector of equal bytes in an area; erased or failing storage does. */
static bool area_is_blank(const uint8_t *area, size_t n_bytes) {
    for (size_t at = 0; at + CRYPT_LUKS_SECTOR_BYTES <= n_bytes; at += CRYPT_LUKS_SECTOR_BYTES)
        if (memcmp(area + at, area + at + 1, CRYPT_LUKS_SECTOR_BYTES - 1) == 0) return true;
    return false;
}

/* The key that is in the area if area_key is right: LUKS1, 4.3 "Master key recovery". */
static int unlock_area(const struct crypt_luks_slot *s, const uint8_t *area, const struct crypt_luks_try *t,
                       const uint8_t *area_key, uint8_t *out_key) {
    struct crypt_xts x;
    size_t n_bytes = crypt_af_bytes(&s->af);
    int err = crypt_xts_init(&x, area_key, s->area_key_bytes, t->kernel);
    if (err) return err;
    crypt_xts_decrypt(&x, 0, area, t->work, n_bytes / CRYPT_LUKS_SECTOR_BYTES);
    crypt_af_merge(&s->af, t->work, out_key);
    crypt_wipe(t->work, n_bytes);
    crypt_xts_wipe(&x);
    return 0;
}

static enum crypt_luks_outcome try_slot(const struct crypt_luks *l, const struct crypt_luks_slot *s,
                                        const uint8_t *image, const struct crypt_luks_try *t,
                                        struct crypt_luks_opened *out) {
    const uint8_t *area = image + s->area_offset;
    uint8_t area_key[CRYPT_LUKS_KEY_MAX];
    int err = crypt_luks_derive(s, t, area_key);
    if (!err) err = unlock_area(s, area, t, area_key, out->key);
    crypt_wipe(area_key, sizeof area_key);
    if (!err) err = crypt_luks_verify(l, out->key, t->step, t->step_ctx);
    if (!err) return CRYPT_LUKS_OPENED;
    crypt_wipe(out->key, sizeof out->key);
    if (err == CRYPT_E_CANCELLED) return CRYPT_LUKS_CANCELLED;
    return area_is_blank(area, crypt_af_bytes(&s->af)) ? CRYPT_LUKS_DAMAGED : CRYPT_LUKS_WRONG;
}

enum crypt_luks_outcome crypt_luks_open(const struct crypt_luks *l, const void *image, const struct crypt_luks_try *t,
                                        struct crypt_luks_opened *out) {
    enum crypt_luks_outcome best = CRYPT_LUKS_NO_SLOT;
    crypt_wipe(out, sizeof *out);
    out->slot = CRYPT_LUKS_ANY_SLOT;
    out->key_bytes = l->key_bytes;
    for (unsigned priority = CRYPT_LUKS_PREFER + 1; priority-- > CRYPT_LUKS_IGNORE;) {
        for (unsigned i = 0; i < l->n_slots && best != CRYPT_LUKS_OPENED && best != CRYPT_LUKS_CANCELLED; i++) {
            const struct crypt_luks_slot *s = &l->slot[i];
            if (s->state != CRYPT_LUKS_SLOT_USED || s->priority != priority) continue;
            if (t->slot == CRYPT_LUKS_ANY_SLOT ? priority == CRYPT_LUKS_IGNORE : t->slot != (int)i) continue;
            size_t lacks = crypt_luks_work_bytes(l, (int)i) > t->work_bytes ? crypt_luks_work_bytes(l, (int)i) : 0;
            enum crypt_luks_outcome o = lacks ? CRYPT_LUKS_NO_MEMORY : try_slot(l, s, image, t, out);
            if (o != CRYPT_LUKS_OPENED && o <= best && (o != CRYPT_LUKS_NO_MEMORY || lacks >= out->work_bytes))
                continue;
            best = o;
            out->slot = (int)i;
            out->work_bytes = lacks;
        }
    }
    return best;
}
