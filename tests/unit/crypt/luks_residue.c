/* What unlocking and changing LUKS headers leaves on the stack and in the workspace: no passphrase, no key of an area,
 * no volume key, whatever the outcome. */
#include "luks_bench.h"
#include "stack.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "a passphrase of some length, to be looked for"

static struct crypt_luks_opened opened;

struct job {
    struct bench *b;
    struct crypt_luks_try try;
    enum crypt_luks_outcome outcome;
};

/* Gives up in the midst of the digest, where the volume key is known. */
static bool one_call(void *ctx, uint32_t done, uint32_t total) {
    unsigned *n = ctx;
    return done <= total && (*n)++ == 0;
}

static void open_it(void *arg) {
    struct job *j = arg;
    j->outcome = crypt_luks_open(&j->b->luks, j->b->image, &j->try, &opened);
}

static void change_it(void *arg) {
    struct job *j = arg;
    struct crypt_luks_new n = bench_secret(SECRET);
    unsigned slot;
    if (j->b->luks.version == 2) n.kdf = bench_argon2id;
    if (crypt_luks_change(&j->b->edit, 0, j->b->key, &n, &slot)) abort();
}

/* The keys of a slot's area. */
static void add_area_key(const struct crypt_luks *l, unsigned slot) {
    const struct crypt_luks_slot *s = &l->slot[slot];
    uint8_t key[64];
    const struct crypt_kdf k = {.password = SECRET,
                                .password_bytes = strlen(SECRET),
                                .salt = s->salt,
                                .salt_bytes = s->salt_bytes,
                                .out = key,
                                .out_bytes = s->area_key_bytes};
    cr_assert_eq(crypt_pbkdf2(&k, s->kdf.hash, s->kdf.iterations), 0);
    secret_add_swapped(key, s->area_key_bytes);
}

static struct job prepare(unsigned version) {
    struct job j = {.b = bench_new(version)};
    struct crypt_luks_new n = bench_secret(SECRET);
    unsigned slot;
    for (unsigned i = 0; i < sizeof j.b->key; i++) j.b->key[i] = (uint8_t)rand();
    const struct crypt_luks_volume v = {version, j.b->key, sizeof j.b->key};
    cr_assert_eq(crypt_luks_format(&j.b->edit, &v, &n), 0);
    n.secret = "other";
    n.secret_bytes = 5;
    cr_assert_eq(crypt_luks_add(&j.b->edit, j.b->key, &n, &slot), 0);
    j.try = (struct crypt_luks_try){.secret = SECRET,
                                    .secret_bytes = strlen(SECRET),
                                    .slot = CRYPT_LUKS_ANY_SLOT,
                                    .work = j.b->edit.work,
                                    .work_bytes = j.b->edit.work_bytes,
                                    .kernel = j.b->edit.kernel};
    secrets_clear();
    secret_add_swapped(SECRET, strlen(SECRET));
    secret_add_swapped(j.b->key, sizeof j.b->key);
    add_area_key(&j.b->luks, 0);
    return j;
}

static void expect_clean_work(const struct job *j) {
    const uint8_t *work = j->b->edit.work;
    for (size_t i = 0; i < j->b->edit.work_bytes; i++) cr_assert_eq(work[i], 0, "workspace at %zu", i);
}

static void look(struct job j, enum crypt_luks_outcome outcome) {
    cr_expect_eq(stack_residue(open_it, &j), 0);
    cr_expect_eq(j.outcome, outcome);
    expect_clean_work(&j);
}

Test(luks_residue, of_opening) {
    for (unsigned version = 1; version <= 2; version++) {
        struct job j = prepare(version);
        unsigned n_calls = 0;
        look(j, CRYPT_LUKS_OPENED);
        j.try.step = one_call;
        j.try.step_ctx = &n_calls;
        look(j, CRYPT_LUKS_CANCELLED);
        j.try.step = NULL;
        j.b->image[j.b->luks.slot[0].area_offset + 1000] ^= 1;
        look(j, CRYPT_LUKS_WRONG);
    }
}

Test(luks_residue, of_changing) {
    for (unsigned version = 1; version <= 2; version++) {
        struct job j = prepare(version);
        cr_expect_eq(stack_residue(change_it, &j), 0);
    }
}
