/* What the operations on LUKS headers answer when something is in the way, and what they leave behind. */
#include "luks_bench.h"

#include <criterion/criterion.h>
#include <string.h>

static bool stop_at(void *ctx, uint32_t done, uint32_t total) {
    int *n = ctx;
    return done <= total && (*n)-- > 0;
}

Test(luks_edges, cancelled_anywhere) {
    static _Alignas(CRYPT_LUKS_WORK_ALIGN) uint8_t work[BENCH_WORK_BYTES];
    struct bench *b = bench_new(2);
    int n_calls = 0, left;
    enum crypt_luks_outcome o;
    do {
        struct crypt_luks_opened opened;
        left = n_calls++;
        const struct crypt_luks_try t = {.secret = "first",
                                         .secret_bytes = 5,
                                         .slot = 0,
                                         .work = work,
                                         .work_bytes = sizeof work,
                                         .kernel = b->edit.kernel,
                                         .step = stop_at,
                                         .step_ctx = &left};
        o = crypt_luks_open(&b->luks, b->image, &t, &opened);
        for (unsigned i = 0; o != CRYPT_LUKS_OPENED && i < sizeof opened.key; i++) cr_assert_eq(opened.key[i], 0);
        for (size_t i = 0; i < sizeof work; i++) cr_assert_eq(work[i], 0);
    } while (o == CRYPT_LUKS_CANCELLED);
    cr_expect_eq(o, CRYPT_LUKS_OPENED);
    cr_expect_gt(n_calls, 2);
}

Test(luks_edges, cancelled_changes_store_nothing) {
    for (unsigned change = 0; change < 2; change++) {
        struct bench *b = bench_new(2);
        const struct crypt_luks_new n = bench_secret("second");
        unsigned slot;
        int n_calls = 0, left, err;
        b->edit.step = stop_at;
        b->edit.step_ctx = &left;
        do {
            cr_expect_eq(b->n_writes, 0);
            left = n_calls++;
            err = change ? crypt_luks_change(&b->edit, 0, b->key, &n, &slot)
                         : crypt_luks_add(&b->edit, b->key, &n, &slot);
        } while (err == CRYPT_E_CANCELLED);
        cr_expect_eq(err, 0);
        cr_expect_gt(n_calls, 2);
    }
}

/* Every write and every flush fails once; the passphrases that were there open what was stored. */
Test(luks_edges, storage_fails) {
    for (unsigned version = 1; version <= 2; version++) {
        for (unsigned at = 1;; at++) {
            static uint8_t disk[BENCH_IMAGE_BYTES];
            struct bench *b = bench_new(version);
            const struct crypt_luks_new n = bench_secret("second");
            unsigned slot;
            memcpy(disk, b->image, sizeof disk);
            b->fail_at = at;
            int err = crypt_luks_add(&b->edit, b->key, &n, &slot);
            for (unsigned w = 0; w < b->n_writes; w++)
                memcpy(disk + b->write[w].offset, b->write[w].data, b->write[w].n_bytes);
            cr_expect_eq(bench_open(b, disk, "first"), CRYPT_LUKS_OPENED);
            if (err == 0) {
                cr_expect_eq(at, version == 1 ? 5 : 7);
                break;
            }
            cr_expect_eq(err, CRYPT_E_LUKS_WRITE);
        }
    }
}

Test(luks_edges, no_entropy) {
    struct bench *b = bench_new(2);
    const struct crypt_luks_new n = bench_secret("second");
    const struct crypt_luks_volume v = {1, b->key, sizeof b->key};
    unsigned slot;
    crypt_rng_init(&b->rng);
    cr_expect_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), CRYPT_E_ENTROPY);
    cr_expect_eq(crypt_luks_change(&b->edit, 0, b->key, &n, &slot), CRYPT_E_ENTROPY);
    cr_expect_eq(crypt_luks_repair(&b->edit), CRYPT_E_ENTROPY);
    cr_expect_eq(crypt_luks_format(&b->edit, &v, &n), CRYPT_E_ENTROPY);
    cr_expect_eq(b->n_writes, 0);
}

Test(luks_edges, wrong_volume_key) {
    struct bench *b = bench_new(1);
    const struct crypt_luks_new n = bench_secret("second");
    unsigned slot;
    b->key[31] ^= 1;
    cr_expect_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), CRYPT_E_LUKS_KEY);
    cr_expect_eq(crypt_luks_change(&b->edit, 0, b->key, &n, &slot), CRYPT_E_LUKS_KEY);
    cr_expect_eq(b->n_writes, 0);
}

Test(luks_edges, slots_that_are_not_there) {
    for (unsigned version = 1; version <= 2; version++) {
        struct bench *b = bench_new(version);
        struct crypt_luks_new n = bench_secret("second");
        unsigned slot;
        cr_expect_eq(crypt_luks_remove(&b->edit, 1), CRYPT_E_LUKS_SLOT);
        cr_expect_eq(crypt_luks_remove(&b->edit, 32), CRYPT_E_LUKS_SLOT);
        cr_expect_eq(crypt_luks_remove(&b->edit, 0), CRYPT_E_LUKS_LAST);
        cr_expect_eq(crypt_luks_change(&b->edit, 1, b->key, &n, &slot), CRYPT_E_LUKS_SLOT);
        cr_expect_eq(crypt_luks_change(&b->edit, UINT32_MAX, b->key, &n, &slot), CRYPT_E_LUKS_SLOT);
        n.slot = 0;
        cr_expect_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), CRYPT_E_LUKS_SLOT);
        n.slot = (int)b->luks.n_slots;
        cr_expect_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), CRYPT_E_LUKS_SLOT);
        cr_expect_eq(b->n_writes, 0);
    }
}

Test(luks_edges, costs_out_of_bounds) {
    static const struct {
        unsigned version;
        struct crypt_luks_kdf kdf;
        int error;
    } cases[] = {
        {1, {.type = CRYPT_LUKS_PBKDF2}, CRYPT_E_KDF_LIMITS},
        {2, {.type = CRYPT_LUKS_PBKDF2}, CRYPT_E_KDF_LIMITS},
        {1, {.type = CRYPT_LUKS_ARGON2ID, .iterations = 1, .kib = 64, .lanes = 1}, CRYPT_E_KDF_LIMITS},
        {2, {.type = CRYPT_LUKS_ARGON2ID, .iterations = 0, .kib = 64, .lanes = 1}, CRYPT_E_KDF_LIMITS},
        {2, {.type = CRYPT_LUKS_ARGON2ID, .iterations = 1, .kib = 7, .lanes = 1}, CRYPT_E_KDF_LIMITS},
        {2,
         {.type = CRYPT_LUKS_ARGON2I, .iterations = 1, .kib = BENCH_WORK_BYTES / 1024 + 1, .lanes = 1},
         CRYPT_E_MEMORY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench *b = bench_new(cases[i].version);
        struct crypt_luks_new n = bench_secret("second");
        unsigned slot;
        n.kdf = cases[i].kdf;
        cr_expect_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), cases[i].error, "case %zu", i);
        cr_expect_eq(b->n_writes, 0);
    }
}

Test(luks_edges, volume_keys) {
    struct bench *b = bench_new(2);
    const struct crypt_luks_new n = bench_secret("x");
    static const uint8_t zero[64];
    static const struct {
        unsigned version;
        const void *key;
        size_t key_bytes;
        int error;
    } cases[] = {
        {2, zero, 64, CRYPT_E_KEY_WEAK}, {1, zero, 48, CRYPT_E_KEY_BYTES}, {3, zero, 64, CRYPT_E_LUKS_FOREIGN}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct crypt_luks_volume v = {cases[i].version, cases[i].key, cases[i].key_bytes};
        cr_expect_eq(crypt_luks_format(&b->edit, &v, &n), cases[i].error, "case %zu", i);
    }
}

Test(luks_edges, image_too_small) {
    struct bench *b = bench_new(2);
    const struct crypt_luks_new n = bench_secret("x");
    struct crypt_luks_volume v = {2, b->key, sizeof b->key};
    b->edit.image_bytes = 2 * 16384 + 131072 - 1;
    cr_expect_eq(crypt_luks_format(&b->edit, &v, &n), CRYPT_E_LUKS_FULL);
    b->edit.image_bytes++;
    cr_expect_eq(crypt_luks_format(&b->edit, &v, &n), 0);
    v.version = 1;
    cr_expect_eq(crypt_luks_format(&b->edit, &v, &n), CRYPT_E_LUKS_FULL);
}

/* A sentence for every error there is. */
Test(luks_edges, sentences) {
    for (int err = CRYPT_E_LUKS_WRITE; err < 0; err++)
        if (err >= CRYPT_E_CANCELLED - 1 || err <= CRYPT_E_LUKS_NONE)
            cr_expect_neq(strcmp(crypt_luks_why(err), crypt_luks_why(1)), 0, "error %d", err);
}

Test(luks_edges, used_area_is_overwritten) {
    for (unsigned version = 1; version <= 2; version++) {
        static uint8_t before[BENCH_IMAGE_BYTES];
        struct bench *b = bench_new(version);
        const struct crypt_luks_new n = bench_secret("second");
        unsigned slot;
        size_t at = b->luks.slot[0].area_offset, n_bytes = crypt_af_bytes(&b->luks.slot[0].af);
        memcpy(before, b->image, sizeof before);
        cr_assert_eq(crypt_luks_change(&b->edit, 0, b->key, &n, &slot), 0);
        for (size_t i = 0; i < n_bytes; i += 512) cr_expect_neq(memcmp(before + at + i, b->image + at + i, 512), 0);
    }
}
