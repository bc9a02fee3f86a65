/* see cost.h */
#include "cost.h"

#include <time.h>
#include "secret.h"

#define ITERATIONS_MIN 1000u
#define PASSES_MIN     4u
#define KIB_ENOUGH     32768u
#define SAMPLE_MS      200.0 /* long enough to be measured */

static double now_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* How long one derivation takes; negative: a crypt_error. */
static double sample(const struct cost_wish *w, uint32_t iterations, uint32_t kib, void *memory, size_t n_memory) {
    static const uint8_t salt[32] = {1}, password[] = "of common length";
    uint8_t out[CRYPT_LUKS_KEY_MAX];
    const struct crypt_kdf k = {password, sizeof password - 1, salt, sizeof salt, out, w->key_bytes, NULL, NULL};
    const struct crypt_argon2 cost = {.type = w->type == CRYPT_LUKS_ARGON2I ? CRYPT_ARGON2I : CRYPT_ARGON2ID,
                                      .passes = iterations,
                                      .kib = kib,
                                      .lanes = 1};
    double start = now_ms();
    int err = w->type == CRYPT_LUKS_PBKDF2 ? crypt_pbkdf2(&k, w->hash, iterations)
                                           : crypt_argon2(&k, &cost, memory, n_memory);
    double ms = now_ms() - start;
    return err ? err : ms > 0.001 ? ms : 0.001;
}

static uint32_t fit(double n, uint32_t min) { return n < min ? min : n > 1e9 ? 1000000000u : (uint32_t)n; }

static int measure_pbkdf2(const struct cost_wish *w, struct crypt_luks_kdf *out) {
    uint32_t n = ITERATIONS_MIN;
    double ms = sample(w, n, 0, NULL, 0);
    for (; ms >= 0 && ms < SAMPLE_MS && ms < w->ms; ms = sample(w, n, 0, NULL, 0)) n *= 2;
    if (ms < 0) return (int)ms;
    out->iterations = fit(n * (w->ms / ms), ITERATIONS_MIN);
    return 0;
}

static int measure_argon2(const struct cost_wish *w, struct crypt_luks_kdf *out) {
    size_t n_memory = crypt_argon2_memory_bytes(w->kib, 1);
    if (n_memory == 0) return CRYPT_E_KDF_LIMITS;
    void *memory = secret_alloc(n_memory);
    double first = sample(w, 1, w->kib, memory, n_memory); /* pages come in: does not count */
    double ms = first < 0 ? first : sample(w, 1, w->kib, memory, n_memory);
    secret_free(memory, n_memory);
    if (ms < 0) return (int)ms;
    out->kib = w->kib;
    for (; ms * PASSES_MIN > w->ms && out->kib / 2 >= KIB_ENOUGH; ms /= 2) out->kib /= 2;
    out->iterations = fit(w->ms / ms, PASSES_MIN);
    out->lanes = 1;
    return 0;
}

int cost_measure(const struct cost_wish *w, struct crypt_luks_kdf *out) {
    *out = (struct crypt_luks_kdf){.type = w->type, .hash = w->hash};
    return w->type == CRYPT_LUKS_PBKDF2 ? measure_pbkdf2(w, out) : measure_argon2(w, out);
}
