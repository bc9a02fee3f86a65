/* see crypt/rng.h */
#include <bearssl/bearssl_rand.h>
#include <crypt/rng.h>
#include <crypt/wipe.h>
#include <string.h>

#include "health.h"

#define SAMPLE_TRIES      1000u  /* in a row, for one answer */
#define REQUEST_BYTES_MAX 65536u /* SP 800-90A Rev. 1, table 2: 2^19 bits */
#define CHUNK_SAMPLES     64u

/* Cutoffs of SP 800-90B, 4.4.1 and 4.4.2, for false alarms of at most 2^-20: a test computes them a second time. Words
 * of RDSEED and RDRAND are taken to hold 32 bits, their bytes 4, a time between two readings of the clock 1/4. */
#define WORD_REPETITION 2u
#define WORD_PROPORTION 2u
#define BYTE_REPETITION 6u
#define BYTE_PROPORTION 62u
#define TIME_REPETITION 81u
#define TIME_PROPORTION 468u

#define RDSEED_SAMPLES 1024u /* 4.3 "Requirements for Health Tests": at least so many before the first output */
#define RDRAND_SAMPLES 4096u /* new seeds after at most 511 * 2 words: four of them, taken for 64 bits each */
#define TIMING_SAMPLES 1024u

static const uint32_t bits_max[CRYPT_RNG_SOURCES] = {
    [CRYPT_RNG_RDSEED] = 256, [CRYPT_RNG_RDRAND] = 256, [CRYPT_RNG_TIMING] = 64, [CRYPT_RNG_GIVEN] = 65536};

/* BearSSL's context, but for its pointers, is what r keeps. */
static void drbg_load(br_hmac_drbg_context *d, const struct crypt_rng *r) {
    memset(d, 0, sizeof *d);
    d->vtable = &br_hmac_drbg_vtable;
    d->digest_class = &br_sha256_vtable;
    memcpy(d->K, r->key, sizeof r->key);
    memcpy(d->V, r->value, sizeof r->value);
}

static void drbg_store(struct crypt_rng *r, br_hmac_drbg_context *d) {
    memcpy(r->key, d->K, sizeof r->key);
    memcpy(r->value, d->V, sizeof r->value);
    crypt_wipe(d, sizeof *d);
    crypt_wipe_stack();
}

static void mix(struct crypt_rng *r, const void *data, size_t n_bytes) {
    br_hmac_drbg_context d;
    drbg_load(&d, r);
    br_hmac_drbg_update(&d, data, n_bytes);
    drbg_store(r, &d);
}

void crypt_rng_init(struct crypt_rng *r) {
    br_hmac_drbg_context d;
    memset(r, 0, sizeof *r);
    br_hmac_drbg_init(&d, &br_sha256_vtable, "sekisho", 7);
    drbg_store(r, &d);
}

void crypt_rng_wipe(struct crypt_rng *r) { crypt_wipe(r, sizeof *r); }

/* What a source that once failed had been credited with is not to be relied on either. */
static void credit(struct crypt_rng *r, enum crypt_rng_source source, bool healthy, uint32_t bits) {
    uint32_t room = bits_max[source] - r->bits[source];
    if (!healthy || r->state[source] == CRYPT_RNG_FAILED) {
        r->state[source] = CRYPT_RNG_FAILED;
        r->bits[source] = 0;
        return;
    }
    r->state[source] = CRYPT_RNG_HEALTHY;
    r->bits[source] += bits < room ? bits : room;
}

/* Of whole words, and of the byte at each of their places: a byte that is stuck leaves the words different. */
struct word_health {
    struct crypt_health word, byte[8];
};

static void test_word(struct word_health *h, uint64_t word) {
    crypt_health_sample(&h->word, word);
    for (unsigned i = 0; i < 8; i++) crypt_health_sample(&h->byte[i], word >> 8 * i & 0xff);
}

static bool all_healthy(const struct word_health *h) {
    bool failed = h->word.failed;
    for (unsigned i = 0; i < 8; i++) failed |= h->byte[i].failed;
    return !failed;
}

struct word_source {
    enum crypt_rng_source source;
    uint32_t n_samples;
    bool (*read)(void *ctx, uint64_t *out);
    void *ctx;
};

static bool read_sample(const struct word_source *w, uint64_t *out) {
    for (uint32_t tries = 0; tries < SAMPLE_TRIES; tries++)
        if (w->read(w->ctx, out)) return true;
    return false;
}

static void gather_words(struct crypt_rng *r, const struct word_source *w) {
    struct word_health health;
    uint64_t chunk[CHUNK_SAMPLES] = {0};
    bool answers = w->read != NULL;
    crypt_health_init(&health.word, WORD_REPETITION, WORD_PROPORTION);
    for (unsigned i = 0; i < 8; i++) crypt_health_init(&health.byte[i], BYTE_REPETITION, BYTE_PROPORTION);
    for (uint32_t n = 0; n < w->n_samples && answers; n++) {
        uint64_t *sample = &chunk[n % CHUNK_SAMPLES];
        answers = read_sample(w, sample);
        if (answers) test_word(&health, *sample);
        if ((n + 1) % CHUNK_SAMPLES == 0 || !answers) mix(r, chunk, sizeof chunk);
    }
    bool healthy = all_healthy(&health);
    crypt_wipe(chunk, sizeof chunk);
    crypt_wipe(&health, sizeof health);
    if (answers || !healthy) credit(r, w->source, healthy, bits_max[w->source]);
}

/* The time that mixing takes, again and again: caches, interrupts, other processors and clock domains have their say.
 */
static void gather_timing(struct crypt_rng *r, const struct crypt_rng_hw *hw) {
    struct crypt_health times;
    if (!hw->rdtsc) return;
    crypt_health_init(&times, TIME_REPETITION, TIME_PROPORTION);
    uint64_t before = hw->rdtsc(hw->ctx), now, took;
    for (uint32_t n = 0; n < TIMING_SAMPLES; n++) {
        mix(r, &before, sizeof before);
        now = hw->rdtsc(hw->ctx);
        took = now - before;
        crypt_health_sample(&times, took);
        before = now;
    }
    mix(r, &before, sizeof before);
    credit(r, CRYPT_RNG_TIMING, !times.failed, bits_max[CRYPT_RNG_TIMING]);
    crypt_wipe(&times, sizeof times);
}

void crypt_rng_gather(struct crypt_rng *r, const struct crypt_rng_hw *hw) {
    gather_words(r, &(struct word_source){CRYPT_RNG_RDSEED, RDSEED_SAMPLES, hw->rdseed, hw->ctx});
    gather_words(r, &(struct word_source){CRYPT_RNG_RDRAND, RDRAND_SAMPLES, hw->rdrand, hw->ctx});
    gather_timing(r, hw);
}

void crypt_rng_add(struct crypt_rng *r, const void *data, size_t n_bytes, uint32_t bits) {
    struct crypt_health bytes;
    if (n_bytes == 0) return;
    crypt_health_init(&bytes, BYTE_REPETITION, BYTE_PROPORTION);
    for (size_t i = 0; i < n_bytes; i++) crypt_health_sample(&bytes, ((const uint8_t *)data)[i]);
    mix(r, data, n_bytes);
    credit(r, CRYPT_RNG_GIVEN, !bytes.failed, bits / 8 < n_bytes ? bits : (uint32_t)n_bytes * 8);
    crypt_wipe(&bytes, sizeof bytes);
}

uint32_t crypt_rng_bits(const struct crypt_rng *r) {
    uint32_t bits = 0;
    for (unsigned i = 0; i < CRYPT_RNG_SOURCES; i++) bits += r->bits[i];
    return bits;
}

int crypt_rng_generate(struct crypt_rng *r, void *out, size_t n_bytes) {
    br_hmac_drbg_context d;
    uint8_t *p = out;
    if (crypt_rng_bits(r) < CRYPT_RNG_BITS_NEEDED) {
        memset(out, 0, n_bytes);
        return CRYPT_E_ENTROPY;
    }
    drbg_load(&d, r);
    while (n_bytes > 0) {
        size_t n = n_bytes < REQUEST_BYTES_MAX ? n_bytes : REQUEST_BYTES_MAX;
        br_hmac_drbg_generate(&d, p, n);
        p += n;
        n_bytes -= n;
    }
    drbg_store(r, &d);
    return 0;
}
