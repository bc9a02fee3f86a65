/* What crypt/luks.h and crypt/luks_write.h promise of any header, for the two fuzz targets. */
#ifndef FUZZ_LUKS_PROMISES_H
#define FUZZ_LUKS_PROMISES_H

#include <crypt/luks_write.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void require(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

#define REQUIRE(condition) require(condition, #condition)

static inline void promise_slot(const struct crypt_luks *l, const struct crypt_luks_slot *s, size_t n_image) {
    REQUIRE(s->state <= CRYPT_LUKS_SLOT_UNUSABLE && s->priority <= CRYPT_LUKS_PREFER);
    REQUIRE((s->why != NULL) == (s->state == CRYPT_LUKS_SLOT_UNUSABLE));
    if (s->state != CRYPT_LUKS_SLOT_USED) return;
    REQUIRE(s->area_offset >= 592 && s->area_bytes <= n_image && s->area_offset <= n_image - s->area_bytes);
    REQUIRE(crypt_af_bytes(&s->af) > 0 && crypt_af_bytes(&s->af) <= s->area_bytes);
    REQUIRE(s->af.key_bytes == l->key_bytes && (s->area_key_bytes == 32 || s->area_key_bytes == 64));
    REQUIRE(s->kdf.iterations > 0 && s->salt_bytes > 0 && s->salt_bytes <= sizeof s->salt);
    REQUIRE(s->kdf.type == CRYPT_LUKS_PBKDF2 || crypt_argon2_memory_bytes(s->kdf.kib, s->kdf.lanes) > 0);
}

/* True: it is a header. */
static inline bool promise_parse(const uint8_t *image, size_t n, struct crypt_luks *l) {
    static const struct crypt_luks nothing;
    const char *why = NULL;
    memset(l, 0xA5, sizeof *l);
    int err = crypt_luks_parse(image, n, l, &why);
    if (err) {
        REQUIRE(err <= CRYPT_E_LUKS_NONE && err >= CRYPT_E_LUKS_FOREIGN);
        REQUIRE(why && strlen(why) > 10 && memcmp(l, &nothing, sizeof nothing) == 0);
        return false;
    }
    REQUIRE(memchr(l->uuid, '\0', sizeof l->uuid) != NULL);
    REQUIRE(l->key_bytes == 32 || l->key_bytes == 64 || (l->key_bytes == 0 && crypt_luks_used(l) == 0));
    REQUIRE(l->digest_bytes >= 20 && l->digest_bytes <= 64 && l->digest_iterations > 0 && l->digest_salt_bytes <= 64);
    for (unsigned i = 0; i < l->n_slots; i++) promise_slot(l, &l->slot[i], n);
    REQUIRE(crypt_luks_work_bytes(l, CRYPT_LUKS_ANY_SLOT) >= CRYPT_LUKS_WORK_MIN);
    return true;
}

static inline bool give_up_soon(void *ctx, uint32_t done, uint32_t total) {
    unsigned *n = ctx;
    return done <= total && --*n > 0;
}

/* Nothing opens with a passphrase that nobody chose. */
static inline void promise_open(const uint8_t *image, const struct crypt_luks *l) {
    static _Alignas(CRYPT_LUKS_WORK_ALIGN) uint8_t work[CRYPT_LUKS_WORK_MIN];
    static const uint8_t zero[CRYPT_LUKS_KEY_MAX];
    struct crypt_luks_opened opened;
    unsigned n = 3;
    const struct crypt_luks_try t = {.secret = "x",
                                     .secret_bytes = 1,
                                     .slot = CRYPT_LUKS_ANY_SLOT,
                                     .work = work,
                                     .work_bytes = sizeof work,
                                     .kernel = crypt_xts_kernel_best(crypt_cpu_features()),
                                     .step = give_up_soon,
                                     .step_ctx = &n};
    enum crypt_luks_outcome o = crypt_luks_open(l, image, &t, &opened);
    REQUIRE(o != CRYPT_LUKS_OPENED && o <= CRYPT_LUKS_CANCELLED);
    REQUIRE((o == CRYPT_LUKS_NO_SLOT) == (opened.slot == CRYPT_LUKS_ANY_SLOT));
    REQUIRE((o == CRYPT_LUKS_NO_MEMORY) == (opened.work_bytes > sizeof work));
    REQUIRE(memcmp(opened.key, zero, sizeof zero) == 0);
}

/* Any slot can be removed, until one is left; then it is free, and the others are as before. */
static inline void promise_remove(uint8_t *image, size_t n, struct crypt_luks *l) {
    static _Alignas(CRYPT_LUKS_WORK_ALIGN) uint8_t work[CRYPT_LUKS_WORK_MIN];
    static struct crypt_luks before;
    static struct crypt_rng rng;
    uint8_t seed[64];
    for (unsigned i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)(i * 151);
    crypt_rng_init(&rng);
    crypt_rng_add(&rng, seed, sizeof seed, 512);
    struct crypt_luks_edit e = {.luks = l,
                                .image = image,
                                .image_bytes = n,
                                .rng = &rng,
                                .kernel = &crypt_xts_kernel_portable,
                                .work = work,
                                .work_bytes = sizeof work};
    for (unsigned i = 0; i < l->n_slots; i++) {
        if (l->slot[i].state == CRYPT_LUKS_SLOT_FREE) continue;
        before = *l;
        int err = crypt_luks_remove(&e, i);
        REQUIRE(err == 0 || err == CRYPT_E_LUKS_LAST || err == CRYPT_E_LUKS_SLOT);
        REQUIRE(err || l->slot[i].state != CRYPT_LUKS_SLOT_USED);
        REQUIRE(crypt_luks_used(l) >= 1 || crypt_luks_used(&before) == 0);
        for (unsigned k = 0; k < l->n_slots; k++)
            if (k != i && before.slot[k].state == CRYPT_LUKS_SLOT_USED)
                REQUIRE(memcmp(&before.slot[k], &l->slot[k], sizeof l->slot[k]) == 0);
    }
}

#endif
