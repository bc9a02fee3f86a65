/* How fast each XTS kernel of the product's own archive is, against OpenSSL's in the same run.
 *
 * OpenSSL is asked twice: for the same work (512-byte data units, one call and one tweak each, the key set up once),
 * and for less than that (the whole request as one data unit: one tweak, one call), which is the most its assembly can
 * do. All are run in turn, many short rounds; the best round of each counts, because everything else that happens on a
 * machine only adds time. Every result is compared before anything is measured. */
#include <crypt/xts.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_BYTES     (128u * 1024u)
#define N_ROUNDS      60
#define ROUND_SECONDS 0.01

struct contender {
    const char *name;
    const struct crypt_xts_kernel *kernel; /* NULL: OpenSSL */
    bool whole;                            /* OpenSSL: one data unit for the whole request */
    struct crypt_xts xts;
    EVP_CIPHER_CTX *evp[2]; /* decrypt, encrypt */
    double best_seconds;    /* for one request */
};

static struct contender contenders[] = {
    {.name = "OpenSSL, 512-byte units"},
    {.name = "OpenSSL, one unit", .whole = true},
    {.name = "portable", .kernel = &crypt_xts_kernel_portable},
    {.name = "aesni", .kernel = &crypt_xts_kernel_aesni},
    {.name = "vaes-avx2", .kernel = &crypt_xts_kernel_vaes_avx2},
};
#define N_CONTENDERS (sizeof contenders / sizeof contenders[0])

static uint8_t source[MAX_BYTES], target[MAX_BYTES], expected[MAX_BYTES];

static void die(const char *what) {
    fprintf(stderr, "bench_xts: %s\n", what);
    exit(1);
}

static bool can_run(const struct contender *c) {
    return !c->kernel || (crypt_cpu_features() & c->kernel->needs) == c->kernel->needs;
}

static void prepare(struct contender *c, const uint8_t *key, size_t key_bytes) {
    c->best_seconds = 1e9;
    if (c->kernel) {
        if (crypt_xts_init(&c->xts, key, key_bytes, c->kernel)) die("key refused");
        return;
    }
    const EVP_CIPHER *cipher = key_bytes == CRYPT_XTS_KEY_128 ? EVP_aes_128_xts() : EVP_aes_256_xts();
    for (int enc = 0; enc < 2; enc++) {
        if (!c->evp[enc]) c->evp[enc] = EVP_CIPHER_CTX_new();
        if (EVP_CipherInit_ex(c->evp[enc], cipher, NULL, key, NULL, enc) != 1) die("EVP_CipherInit_ex");
    }
}

static void run(struct contender *c, bool encrypt, size_t n_bytes) {
    if (c->kernel) {
        (encrypt ? crypt_xts_encrypt : crypt_xts_decrypt)(&c->xts, 7, source, target, n_bytes / CRYPT_XTS_UNIT_BYTES);
        return;
    }
    size_t step = c->whole ? n_bytes : CRYPT_XTS_UNIT_BYTES;
    uint64_t iv[2] = {7, 0};
    for (size_t at = 0; at < n_bytes; at += step, iv[0]++) {
        int n;
        EVP_CipherInit_ex(c->evp[encrypt], NULL, NULL, NULL, (const uint8_t *)iv, encrypt);
        if (EVP_CipherUpdate(c->evp[encrypt], target + at, &n, source + at, (int)step) != 1) die("EVP_CipherUpdate");
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void time_round(struct contender *c, bool encrypt, size_t n_bytes) {
    double start = now(), elapsed;
    unsigned n_requests = 0;
    do {
        for (int i = 0; i < 4; i++) run(c, encrypt, n_bytes);
        n_requests += 4;
        elapsed = now() - start;
    } while (elapsed < ROUND_SECONDS);
    if (elapsed / n_requests < c->best_seconds) c->best_seconds = elapsed / n_requests;
}

static void measure(size_t key_bytes, bool encrypt, size_t n_bytes) {
    uint8_t key[CRYPT_XTS_KEY_256];
    for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 37 + 1);
    for (size_t i = 0; i < n_bytes; i++) source[i] = (uint8_t)(i * 31 ^ i >> 8);

    for (size_t i = 0; i < N_CONTENDERS; i++) {
        if (!can_run(&contenders[i])) continue;
        prepare(&contenders[i], key, key_bytes);
        run(&contenders[i], encrypt, n_bytes);
        if (i == 0) memcpy(expected, target, n_bytes);
        if (!contenders[i].whole && memcmp(target, expected, n_bytes) != 0) die(contenders[i].name);
    }
    for (int round = 0; round < N_ROUNDS; round++)
        for (size_t i = 0; i < N_CONTENDERS; i++)
            if (can_run(&contenders[i])) time_round(&contenders[i], encrypt, n_bytes);

    printf("AES-%zu-XTS %s, %zu KiB requests\n", key_bytes * 4, encrypt ? "encrypt" : "decrypt", n_bytes / 1024);
    for (size_t i = 0; i < N_CONTENDERS; i++) {
        const struct contender *c = &contenders[i];
        if (!can_run(c)) {
            printf("  %-24s not on this processor\n", c->name);
            continue;
        }
        printf("  %-24s %8.0f MB/s  %6.2f x same work  %6.2f x one unit\n", c->name,
               (double)n_bytes / c->best_seconds / 1e6, contenders[0].best_seconds / c->best_seconds,
               contenders[1].best_seconds / c->best_seconds);
    }
}

int main(void) {
    static const size_t key_bytes[] = {CRYPT_XTS_KEY_128, CRYPT_XTS_KEY_256};
    static const size_t n_bytes[] = {4096, MAX_BYTES};
    for (size_t k = 0; k < 2; k++)
        for (size_t n = 0; n < 2; n++)
            for (int encrypt = 1; encrypt >= 0; encrypt--) measure(key_bytes[k], encrypt, n_bytes[n]);
    return 0;
}
