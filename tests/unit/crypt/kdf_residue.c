/* What hashes, KDFs, the splitter and the generator leave behind on the stack: nothing that depends on a secret. Where
 * they can be cancelled, also then. */
#include <criterion/criterion.h>
#include <crypt/af.h>
#include <crypt/kdf.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "stack.h"

#define ITERATIONS 40u
#define KIB        64u

static uint8_t password[40], salt[16], derived[64], memory[(KIB + 8) * 1024] __attribute__((aligned(16)));

struct job {
    enum crypt_hash hash;
    enum crypt_argon2_type type;
    crypt_kdf_step_fn *step;
    struct crypt_af af;
    struct crypt_rng rng;
    uint8_t key[64], area[64 * 10];
};

static bool give_up(void *ctx, uint32_t done, uint32_t total) {
    (void)ctx, (void)done, (void)total;
    return false;
}

/* Adds every block that is there: called when the last one has been made. */
static bool look(void *ctx, uint32_t done, uint32_t total) {
    (void)ctx, (void)done, (void)total;
    secret_add(memory, KIB * 1024);
    return true;
}

static struct crypt_kdf kdf(crypt_kdf_step_fn *step) {
    return (struct crypt_kdf){password, sizeof password, salt, sizeof salt, derived, sizeof derived, step, NULL};
}

static void hash(void *arg) {
    uint8_t *out = derived;
    crypt_hash_digest(((struct job *)arg)->hash, password, sizeof password, out);
}

static void pbkdf2(void *arg) {
    const struct job *j = arg;
    struct crypt_kdf k = kdf(j->step);
    if (crypt_pbkdf2(&k, j->hash, ITERATIONS) != (j->step ? CRYPT_E_CANCELLED : 0)) abort();
}

static void argon2(void *arg) {
    const struct job *j = arg;
    struct crypt_kdf k = kdf(j->step);
    struct crypt_argon2 cost = {.type = j->type, .passes = 2, .kib = KIB, .lanes = 2};
    if (crypt_argon2(&k, &cost, memory, sizeof memory) != (j->step == give_up ? CRYPT_E_CANCELLED : 0)) abort();
}

static void split(void *arg) {
    struct job *j = arg;
    if (crypt_af_split(&j->af, &j->rng, j->key, j->area)) abort();
}

static void merge(void *arg) {
    struct job *j = arg;
    crypt_af_merge(&j->af, j->area, j->key);
}

static void generate(void *arg) {
    struct job *j = arg;
    if (crypt_rng_generate(&j->rng, j->key, sizeof j->key)) abort();
}

static void gather(void *arg) {
    struct job *j = arg;
    struct crypt_rng_hw hw = crypt_rng_hw(crypt_cpu_features());
    crypt_rng_gather(&j->rng, &hw);
}

static void new_password(void) {
    noise_fill(password, sizeof password);
    noise_fill(salt, sizeof salt);
    secrets_clear();
    secret_add_swapped(password, sizeof password);
    for (size_t i = 0; i < 2; i++) { /* as HMAC pads it */
        uint8_t padded[sizeof password];
        for (size_t k = 0; k < sizeof padded; k++) padded[k] = password[k] ^ (i ? 0x36 : 0x5c);
        secret_add_swapped(padded, sizeof padded);
    }
}

/* Every U of every block, and the running XOR. */
static void add_pbkdf2(const EVP_MD *md) {
    size_t size = (size_t)EVP_MD_get_size(md);
    for (uint8_t block = 1; (block - 1) * size < sizeof derived; block++) {
        uint8_t u[64], t[64] = {0}, first[sizeof salt + 4] = {0};
        unsigned n = sizeof first;
        memcpy(first, salt, sizeof salt);
        first[sizeof first - 1] = block;
        HMAC(md, password, sizeof password, first, n, u, &n);
        for (unsigned j = 0; j < ITERATIONS; j++) {
            for (size_t i = 0; i < size; i++) t[i] ^= u[i];
            secret_add_swapped(u, size);
            secret_add(t, size);
            uint8_t next[64];
            HMAC(md, password, sizeof password, u, size, next, &n);
            memcpy(u, next, size);
        }
    }
}

Test(kdf_residue, of_hashes_and_pbkdf2) {
    for (unsigned h = 0; h < 3; h++) {
        struct job j = {.hash = (enum crypt_hash)h};
        const EVP_MD *md = EVP_get_digestbyname(crypt_hash_name(j.hash));
        uint8_t digest[64];
        new_password();
        EVP_Digest(password, sizeof password, digest, NULL, md, NULL);
        secret_add_swapped(digest, crypt_hash_bytes(j.hash));
        add_pbkdf2(md);
        cr_assert_eq(stack_residue(hash, &j), 0, "digest, %s", crypt_hash_name(j.hash));
        cr_assert_eq(stack_residue(pbkdf2, &j), 0, "%s", crypt_hash_name(j.hash));
        j.step = give_up;
        cr_assert_eq(stack_residue(pbkdf2, &j), 0, "%s, cancelled", crypt_hash_name(j.hash));
    }
}

Test(kdf_residue, of_argon2) {
    for (unsigned type = CRYPT_ARGON2I; type <= CRYPT_ARGON2ID; type++) {
        struct job j = {.type = (enum crypt_argon2_type)type, .step = look};
        new_password();
        argon2(&j);
        secret_add(derived, sizeof derived);
        j.step = NULL;
        cr_assert_eq(stack_residue(argon2, &j), 0, "type %u", type);
        j.step = give_up;
        cr_assert_eq(stack_residue(argon2, &j), 0, "type %u, cancelled", type);
    }
}

Test(kdf_residue, of_splitter_and_generator) {
    for (unsigned h = 0; h < 3; h++) {
        struct job j = {.af = {(enum crypt_hash)h, 64, 10}};
        uint8_t d[64] = {0};
        noise_fill(j.area, sizeof j.area);
        secrets_clear();
        crypt_rng_init(&j.rng);
        crypt_rng_add(&j.rng, j.area, 64, 256);
        for (uint32_t k = 1; k < 10; k++) { /* what the first k stripes come to: a split of k, whose key is that */
            struct crypt_af some = {j.af.hash, 64, k};
            crypt_af_merge(&some, j.area, d);
            secret_add_swapped(d, sizeof d);
        }
        struct job before = j;
        crypt_af_merge(&j.af, j.area, j.key);
        secret_add_swapped(j.key, sizeof j.key);
        cr_assert_eq(stack_residue(merge, &before), 0);
        struct job after = j;
        split(&after);
        secret_add_swapped(after.rng.key, 32);
        secret_add_swapped(after.rng.value, 32);
        secret_add_swapped(j.rng.key, 32);
        secret_add_swapped(j.rng.value, 32);
        secret_add_swapped(after.area, sizeof after.area);
        cr_assert_eq(stack_residue(split, &j), 0);
        secrets_clear();
        after = j;
        generate(&after);
        secret_add_swapped(after.key, sizeof after.key);
        secret_add_swapped(after.rng.key, 32);
        secret_add_swapped(after.rng.value, 32);
        cr_assert_eq(stack_residue(generate, &j), 0);
    }
}

/* The state it ends with cannot be foreseen; that it starts with can. */
Test(kdf_residue, of_gathering) {
    struct job j = {.hash = CRYPT_SHA1};
    crypt_rng_init(&j.rng);
    noise_fill(j.key, sizeof j.key);
    crypt_rng_add(&j.rng, j.key, sizeof j.key, 0);
    secrets_clear();
    secret_add_swapped(j.rng.key, 32);
    secret_add_swapped(j.rng.value, 32);
    cr_assert_eq(stack_residue(gather, &j), 0);
}
