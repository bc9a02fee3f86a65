/* How fast each XTS kernel of the product's own archive is, against OpenSSL's in the same run.
 *
 * OpenSSL is asked twice: for the same work (512-byte data units, one call and one tweak each, the key set up once),
 * and for less than that (the whole request as one data unit: one tweak, one call), which is the most its assembly can
 * do. The machine's own limit is what its AES instructions alone reach for as many rounds as the key length has, on
 * registers of the kernel's width, with nothing to load or store and no tweaks. All are run in turn, many short rounds;
 * the best round of each counts, because everything else that happens on a machine only adds time. Every result is
 * compared before anything is measured. */
#include <crypt/xts.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_BYTES     (128u * 1024u)
#define N_ROUNDS      300
#define ROUND_SECONDS 0.001

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
    {.name = "vaes-avx512", .kernel = &crypt_xts_kernel_vaes_avx512},
};
#define N_CONTENDERS (sizeof contenders / sizeof contenders[0])

/* Ten independent chains, in which each result is waited for by one instruction only. */
#define N_BURST          100u
#define TEN(f)           f("0") f("1") f("2") f("3") f("4") f("5") f("6") f("7") f("8") f("9")
#define AESENC(n)        "aesenc %%xmm10, %%xmm" n "\n"
#define VAESENC_YMM(n)   "vaesenc %%ymm10, %%ymm" n ", %%ymm" n "\n"
#define VAESENC_ZMM(n)   "vaesenc %%zmm10, %%zmm" n ", %%zmm" n "\n"
#define TEN_TIMES(burst) burst burst burst burst burst burst burst burst burst burst
#define BURST(f)         __asm__ volatile(TEN_TIMES(TEN(f)) : : : CLOBBERED)
#define CLOBBERED        "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9"
static double seconds_per_block_round[3]; /* by enum crypt_vector_state; the best so far */

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

static bool has_instructions(enum crypt_vector_state width) {
    static const struct crypt_xts_kernel *of[] = {[CRYPT_XMM] = &crypt_xts_kernel_aesni,
                                                  [CRYPT_YMM] = &crypt_xts_kernel_vaes_avx2,
                                                  [CRYPT_ZMM] = &crypt_xts_kernel_vaes_avx512};
    return (crypt_cpu_features() & of[width]->needs) == of[width]->needs;
}

static void time_instructions(enum crypt_vector_state width) {
    enum { N = 1000 };
    if (!has_instructions(width)) return;
    double start = now();
    for (int i = 0; i < N; i++) {
        if (width == CRYPT_XMM) BURST(AESENC);
        if (width == CRYPT_YMM) BURST(VAESENC_YMM);
        if (width == CRYPT_ZMM) BURST(VAESENC_ZMM);
    }
    if (width != CRYPT_XMM) __asm__ volatile("vzeroupper" : : : CLOBBERED);
    double seconds = (now() - start) / N / N_BURST / (double)(1 << width);
    if (seconds < seconds_per_block_round[width]) seconds_per_block_round[width] = seconds;
}

/* What c could do if nothing but the AES rounds took time. */
static double limit_seconds(const struct contender *c, size_t key_bytes, size_t n_bytes) {
    enum crypt_vector_state width = c->kernel ? c->kernel->clobbers : CRYPT_XMM;
    return seconds_per_block_round[width] * (key_bytes == CRYPT_XTS_KEY_128 ? 10 : 14) * (double)n_bytes / 16;
}

static void time_round(struct contender *c, bool encrypt, size_t n_bytes) {
    double start = now(), elapsed;
    unsigned n_requests = 0, n_between = n_bytes < MAX_BYTES ? 16 : 1; /* reading the clock takes time, too */
    do {
        for (unsigned i = 0; i < n_between; i++) run(c, encrypt, n_bytes);
        n_requests += n_between;
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
    for (int width = 0; width < 3; width++) seconds_per_block_round[width] = 1e9;
    for (int round = 0; round < N_ROUNDS; round++) {
        for (int width = 0; width < 3; width++) time_instructions((enum crypt_vector_state)width);
        for (size_t i = 0; i < N_CONTENDERS; i++)
            if (can_run(&contenders[i])) time_round(&contenders[i], encrypt, n_bytes);
    }

    printf("AES-%zu-XTS %s, %zu KiB requests\n", key_bytes * 4, encrypt ? "encrypt" : "decrypt", n_bytes / 1024);
    for (size_t i = 0; i < N_CONTENDERS; i++) {
        const struct contender *c = &contenders[i];
        if (!can_run(c)) {
            printf("  %-24s not on this processor\n", c->name);
            continue;
        }
        printf("  %-24s %8.0f MB/s  %6.2f x same work  %6.2f x one unit  %6.2f x limit\n", c->name,
               (double)n_bytes / c->best_seconds / 1e6, contenders[0].best_seconds / c->best_seconds,
               contenders[1].best_seconds / c->best_seconds, limit_seconds(c, key_bytes, n_bytes) / c->best_seconds);
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
