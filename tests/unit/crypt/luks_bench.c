/* see luks_bench.h */
#include "luks_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

const struct crypt_luks_kdf bench_pbkdf2 = {.type = CRYPT_LUKS_PBKDF2, .hash = CRYPT_SHA256, .iterations = 2};
const struct crypt_luks_kdf bench_argon2id = {.type = CRYPT_LUKS_ARGON2ID, .iterations = 1, .kib = 16, .lanes = 2};

static _Alignas(CRYPT_LUKS_WORK_ALIGN) uint8_t work[BENCH_WORK_BYTES];

static bool fails(struct bench *b) { return b->fail_at && b->n_writes + b->n_flushes == b->fail_at; }

static int write_down(void *ctx, uint64_t offset, const void *src, size_t n_bytes) {
    struct bench *b = ctx;
    cr_assert(offset % 512 == 0 && n_bytes % 512 == 0 && n_bytes > 0 && b->n_writes < BENCH_WRITES_MAX);
    cr_assert_eq(b->n_writes, b->n_flushes, "a write is flushed before the next");
    struct bench_write *w = &b->write[b->n_writes++];
    *w = (struct bench_write){offset, n_bytes, malloc(n_bytes)};
    memcpy(w->data, src, n_bytes);
    return fails(b);
}

static int flush(void *ctx) {
    struct bench *b = ctx;
    b->n_flushes++;
    return fails(b);
}

void bench_forget(struct bench *b) {
    for (unsigned i = 0; i < b->n_writes; i++) free(b->write[i].data);
    b->n_writes = b->n_flushes = b->fail_at = 0;
}

struct crypt_luks_new bench_secret(const char *secret) {
    return (struct crypt_luks_new){.secret = secret,
                                   .secret_bytes = strlen(secret),
                                   .kdf = bench_pbkdf2,
                                   .priority = CRYPT_LUKS_NORMAL,
                                   .slot = CRYPT_LUKS_ANY_SLOT};
}

struct bench *bench_new(unsigned version) {
    static struct bench bench;
    uint8_t seed[64];
    struct bench *b = &bench;
    bench_forget(b);
    for (unsigned i = 0; i < sizeof seed; i++) seed[i] = (uint8_t)(i * 151 + version);
    for (unsigned i = 0; i < sizeof b->key; i++) b->key[i] = (uint8_t)(i * 7 + version);
    crypt_rng_init(&b->rng);
    crypt_rng_add(&b->rng, seed, sizeof seed, 512);
    b->store = (struct crypt_luks_store){write_down, flush, b};
    b->edit = (struct crypt_luks_edit){.luks = &b->luks,
                                       .image = b->image,
                                       .image_bytes = sizeof b->image,
                                       .store = &b->store,
                                       .rng = &b->rng,
                                       .kernel = crypt_xts_kernel_best(crypt_cpu_features()),
                                       .work = work,
                                       .work_bytes = sizeof work};
    const struct crypt_luks_volume volume = {version, b->key, sizeof b->key};
    const struct crypt_luks_new first = bench_secret("first");
    cr_assert_eq(crypt_luks_format(&b->edit, &volume, &first), 0);
    cr_assert_eq(b->n_writes, 0);
    return b;
}

enum crypt_luks_outcome bench_open(const struct bench *b, const uint8_t *image, const char *secret) {
    static struct crypt_luks luks;
    struct crypt_luks_opened opened;
    const char *why = "";
    cr_assert_eq(crypt_luks_parse(image, BENCH_IMAGE_BYTES, &luks, &why), 0, "%s", why);
    const struct crypt_luks_try t = {.secret = secret,
                                     .secret_bytes = strlen(secret),
                                     .slot = CRYPT_LUKS_ANY_SLOT,
                                     .work = work,
                                     .work_bytes = sizeof work,
                                     .kernel = b->edit.kernel};
    enum crypt_luks_outcome o = crypt_luks_open(&luks, image, &t, &opened);
    if (o == CRYPT_LUKS_OPENED) cr_assert_eq(memcmp(opened.key, b->key, sizeof b->key), 0);
    for (size_t i = 0; i < sizeof work; i++) cr_assert_eq(work[i], 0, "workspace at %zu", i);
    return o;
}
