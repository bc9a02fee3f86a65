/* Argon2 against the published vectors, and against Debian's libargon2 at random. */
#include <argon2.h>
#include <criterion/criterion.h>
#include <crypt/kdf.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "kernels.h"

static bool all_are(const uint8_t *p, size_t n, uint8_t value) {
    while (n > 0)
        if (p[--n] != value) return false;
    return true;
}

/* With memory that ends where it must, so that the sanitizer sees a byte beyond, and that holds something at first. */
static int argon2(const struct crypt_kdf *k, const struct crypt_argon2 *cost) {
    size_t n = crypt_argon2_memory_bytes(cost->kib, cost->lanes);
    uint8_t *memory = aligned_alloc(16, n);
    memset(memory, 0xa5, n);
    int r = crypt_argon2(k, cost, memory, n);
    if (r == 0 || r == CRYPT_E_CANCELLED) cr_assert(all_are(memory, n, 0), "something is left in the memory");
    free(memory);
    return r;
}

static void published(enum crypt_argon2_type type, const char *hex) {
    uint8_t password[32], salt[16], secret[8], associated[12], expected[32], out[32];
    memset(password, 1, sizeof password);
    memset(salt, 2, sizeof salt);
    memset(secret, 3, sizeof secret);
    memset(associated, 4, sizeof associated);
    from_hex(hex, expected, sizeof expected);
    struct crypt_kdf k = {password, sizeof password, salt, sizeof salt, out, sizeof out, NULL, NULL};
    struct crypt_argon2 cost = {type, 3, 32, 4, secret, sizeof secret, associated, sizeof associated};
    cr_assert_eq(argon2(&k, &cost), 0);
    cr_assert_arr_eq(out, expected, sizeof out);
}

/* RFC 9106, 5.2 "Argon2i Test Vectors", 5.3 "Argon2id Test Vectors" */
Test(argon2, published_vectors) {
    published(CRYPT_ARGON2I,
              "c8 14 d9 d1 dc 7f 37 aa 13 f0 d7 7f 24 94 bd a1 c8 de 6b 01 6d d3 88 d2 99 52 a4 c4 67 2b 6c e8");
    published(CRYPT_ARGON2ID,
              "0d 64 0d f5 8d 78 76 6c 08 c0 37 a3 4a 8b 53 c9 d0 1e f0 45 2d 75 b6 5e b5 25 20 e9 6b 01 e6 59");
}

struct request {
    struct crypt_kdf k;
    struct crypt_argon2 cost;
    uint8_t *password, *salt, *secret, *associated;
};

static uint8_t *random_bytes(size_t n) {
    uint8_t *p = malloc(n + 1);
    noise_fill(p, n);
    return p;
}

static struct request new_request(unsigned i) {
    struct request r = {.cost.type = noise() % 2 ? CRYPT_ARGON2I : CRYPT_ARGON2ID};
    r.cost.lanes = 1 + (uint32_t)(noise() % (i % 10 ? 6 : CRYPT_ARGON2_LANES_MAX));
    r.cost.kib = 8 * r.cost.lanes + (uint32_t)(noise() % (i % 20 ? 200 : 5000)); /* 128 blocks a segment, and more */
    r.cost.passes = 1 + (uint32_t)(noise() % 4);
    r.k.out_bytes = CRYPT_ARGON2_OUT_MIN + noise() % (i % 5 ? 130 : 1500);
    r.k.password_bytes = noise() % 200;
    r.k.salt_bytes = CRYPT_ARGON2_SALT_MIN + noise() % 100;
    r.cost.secret_bytes = i % 3 ? 0 : noise() % 40;
    r.cost.associated_bytes = i % 4 ? 0 : noise() % 40;
    r.k.password = r.password = random_bytes(r.k.password_bytes);
    r.k.salt = r.salt = random_bytes(r.k.salt_bytes);
    r.cost.secret = r.secret = random_bytes(r.cost.secret_bytes);
    r.cost.associated = r.associated = random_bytes(r.cost.associated_bytes);
    r.k.out = malloc(r.k.out_bytes);
    return r;
}

static void theirs(const struct request *r, uint8_t *out) {
    argon2_context c = {.out = out,
                        .outlen = (uint32_t)r->k.out_bytes,
                        .pwd = r->password,
                        .pwdlen = (uint32_t)r->k.password_bytes,
                        .salt = r->salt,
                        .saltlen = (uint32_t)r->k.salt_bytes,
                        .secret = r->secret,
                        .secretlen = (uint32_t)r->cost.secret_bytes,
                        .ad = r->associated,
                        .adlen = (uint32_t)r->cost.associated_bytes,
                        .t_cost = r->cost.passes,
                        .m_cost = r->cost.kib,
                        .lanes = r->cost.lanes,
                        .threads = 1,
                        .version = ARGON2_VERSION_13};
    cr_assert_eq(argon2_ctx(&c, r->cost.type == CRYPT_ARGON2I ? Argon2_i : Argon2_id), ARGON2_OK);
}

Test(argon2, as_libargon2) {
    for (unsigned i = 0; i < 300; i++) {
        struct request r = new_request(i);
        uint8_t *expected = malloc(r.k.out_bytes);
        theirs(&r, expected);
        cr_assert_eq(argon2(&r.k, &r.cost), 0);
        cr_assert(memcmp(r.k.out, expected, r.k.out_bytes) == 0, "type %d, %u KiB, %u lanes, %u passes, %zu bytes",
                  (int)r.cost.type, r.cost.kib, r.cost.lanes, r.cost.passes, r.k.out_bytes);
        free(r.password);
        free(r.salt);
        free(r.secret);
        free(r.associated);
        free(r.k.out);
        free(expected);
    }
}

Test(argon2, memory_is_the_blocks_and_a_little) {
    static const struct {
        uint32_t kib, lanes;
        size_t n_blocks; /* 0: refused */
    } rows[] = {
        {8, 1, 8},
        {11, 1, 8},
        {12, 1, 12},
        {31, 4, 0},
        {32, 4, 32},
        {47, 4, 32},
        {7, 1, 0},
        {0, 0, 0},
        {64, 0, 0},
        {0, 1, 0},
        {512, 64, 512},
        {511, 64, 0},
        {100000, 65, 0},
        {100000, UINT32_MAX, 0},
        {UINT32_MAX, 1, 0},
        {UINT32_MAX, UINT32_MAX, 0},
        {8, 0x20000001, 0},
        {CRYPT_ARGON2_KIB_MAX, 1, CRYPT_ARGON2_KIB_MAX},
        {CRYPT_ARGON2_KIB_MAX + 1, 1, 0},
        {CRYPT_ARGON2_KIB_MAX, 64, CRYPT_ARGON2_KIB_MAX},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = crypt_argon2_memory_bytes(rows[i].kib, rows[i].lanes);
        size_t least = rows[i].n_blocks * 1024;
        cr_assert(rows[i].n_blocks ? n > least && n <= least + 8192 : n == 0, "row %u: %zu bytes", i, n);
    }
}

Test(argon2, refuses_what_is_outside_its_limits) {
    static uint8_t out[CRYPT_ARGON2_OUT_MAX + 2], memory[16384] __attribute__((aligned(16)));
    const struct crypt_kdf k = {"password", 8, "saltsalt", 8, out, 32, NULL, NULL};
    const struct crypt_argon2 cost = {.type = CRYPT_ARGON2ID, .passes = 1, .kib = 8, .lanes = 1};
    struct request bad[16];
    unsigned n = 0;
    for (; n < 16; n++) bad[n] = (struct request){.k = k, .cost = cost};
    n = 0;
    bad[n++].cost.type = (enum crypt_argon2_type)0; /* Argon2d */
    bad[n++].cost.type = (enum crypt_argon2_type)3;
    bad[n++].cost.passes = 0;
    bad[n++].cost.kib = 7;
    bad[n++].cost.lanes = 0;
    bad[n++].cost.lanes = 2;
    bad[n++].cost.kib = CRYPT_ARGON2_KIB_MAX + 1;
    bad[n++].k.out_bytes = CRYPT_ARGON2_OUT_MIN - 1;
    bad[n++].k.out_bytes = CRYPT_ARGON2_OUT_MAX + 1;
    bad[n++].k.salt_bytes = CRYPT_ARGON2_SALT_MIN - 1;
    bad[n++].k.salt_bytes = (size_t)UINT32_MAX + 1;
    bad[n++].k.password_bytes = (size_t)UINT32_MAX + 1;
    bad[n++].cost.secret_bytes = (size_t)UINT32_MAX + 1;
    bad[n++].cost.associated_bytes = (size_t)UINT32_MAX + 1;
    for (unsigned i = 0; i < n; i++) {
        memset(out, 0x5a, sizeof out);
        cr_assert_eq(crypt_argon2(&bad[i].k, &bad[i].cost, memory, sizeof memory), CRYPT_E_KDF_LIMITS, "row %u", i);
        cr_assert(all_are(out, bad[i].k.out_bytes, 0), "row %u", i);
        cr_assert_eq(out[bad[i].k.out_bytes], 0x5a, "row %u", i);
    }
    memset(out, 0x5a, sizeof out);
    size_t enough = crypt_argon2_memory_bytes(cost.kib, cost.lanes);
    cr_assert_eq(crypt_argon2(&k, &cost, memory, enough - 1), CRYPT_E_MEMORY);
    cr_assert(all_are(out, k.out_bytes, 0));
    cr_assert_eq(crypt_argon2(&k, &cost, memory, enough), 0);
}

struct steps {
    uint32_t n, last, total, cancel_at;
};

static bool step(void *ctx, uint32_t done, uint32_t total) {
    struct steps *s = ctx;
    if (s->n++) cr_assert_eq(total, s->total);
    cr_assert_gt(done, s->last);
    cr_assert_leq(done, total);
    s->last = done;
    s->total = total;
    return s->n != s->cancel_at;
}

Test(argon2, tells_how_far_it_is_and_gives_up_at_any_step) {
    static const struct {
        uint32_t passes, kib, lanes, n_steps;
    } rows[] = {{1, 8, 1, 1}, {1, 1024, 1, 1}, {1, 1028, 1, 2}, {3, 2048, 4, 6}, {2, 3000, 3, 6}};
    uint8_t out[32];
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct steps all = {0};
        struct crypt_kdf k = {"password", 8, "saltsalt", 8, out, sizeof out, step, &all};
        struct crypt_argon2 cost = {
            .type = CRYPT_ARGON2ID, .passes = rows[i].passes, .kib = rows[i].kib, .lanes = rows[i].lanes};
        cr_assert_eq(argon2(&k, &cost), 0);
        cr_assert_eq(all.n, rows[i].n_steps, "row %u: %u steps", i, all.n);
        cr_assert_eq(all.last, all.total);
        for (uint32_t at = 1; at <= all.n; at++) {
            struct steps s = {.cancel_at = at};
            k.step_ctx = &s;
            memset(out, 0x5a, sizeof out);
            cr_assert_eq(argon2(&k, &cost), CRYPT_E_CANCELLED);
            cr_assert_eq(s.n, at);
            cr_assert(all_are(out, sizeof out, 0));
        }
    }
}
