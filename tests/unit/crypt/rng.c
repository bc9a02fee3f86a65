/* The generator: nothing without entropy, sources that fail in every way there is, and the same numbers as a naive
 * HMAC_DRBG on OpenSSL's HMAC. */
#include <criterion/criterion.h>
#include <crypt/cpu.h>
#include <crypt/rng.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

static bool all_are(const uint8_t *p, size_t n, uint8_t value) {
    while (n > 0)
        if (p[--n] != value) return false;
    return true;
}

/* What a fake source says. */
enum says {
    NOTHING,
    NOISE,
    NOISE_SOMETIMES, /* two of three times: not ready */
    NOISE_THEN_NOTHING,
    NOISE_THEN_STUCK,
    ONES,      /* as some AMD processors after sleep */
    ONE_WORD,  /* the same, whatever it is */
    TWO_WORDS, /* by turns */
    COUNTER,
    STUCK_BYTE,  /* one of eight */
    MOSTLY_ONES, /* each bit, nine times of ten */
    FEW_BITS,    /* three bits of entropy a byte */
};

struct fake {
    enum says rdseed, rdrand, rdtsc;
    uint64_t n_asked, clock;
};

static uint64_t few(unsigned bits) {
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++) v = v << 8 | (noise() & ((1u << bits) - 1));
    return v;
}

static bool say(struct fake *f, enum says what, uint64_t *out) {
    uint64_t n = f->n_asked++;
    *out = noise();
    switch (what) {
    case NOTHING: *out = 0; return false;
    case NOISE: return true;
    case NOISE_SOMETIMES: return n % 3 == 0;
    case NOISE_THEN_NOTHING: return n < 500;
    case NOISE_THEN_STUCK:
        if (n >= 500) *out = 12345;
        return true;
    case ONES: *out = UINT64_MAX; return true;
    case ONE_WORD: *out = UINT64_C(0x0123456789abcdef); return true;
    case TWO_WORDS: *out = n % 2 ? UINT64_C(0x0123456789abcdef) : UINT64_C(0x5bd1e995ca62c1d6); return true;
    case COUNTER: *out = n; return true;
    case STUCK_BYTE: *out = (*out & ~UINT64_C(0xff0000)) | 0x420000; return true;
    case MOSTLY_ONES:
        for (unsigned i = 0; i < 64; i++)
            if (noise() % 10)
                *out |= UINT64_C(1) << i;
            else
                *out &= ~(UINT64_C(1) << i);
        return true;
    case FEW_BITS: *out = few(3); return true;
    }
    return false;
}

static bool fake_rdseed(void *ctx, uint64_t *out) { return say(ctx, ((struct fake *)ctx)->rdseed, out); }
static bool fake_rdrand(void *ctx, uint64_t *out) { return say(ctx, ((struct fake *)ctx)->rdrand, out); }

/* NOISE: times that differ; COUNTER: always the same; NOTHING: it stands still. */
static uint64_t fake_rdtsc(void *ctx) {
    struct fake *f = ctx;
    uint64_t jitter = noise() % 5, rare = noise() % 50 == 0;
    switch (f->rdtsc) {
    case NOTHING: break;
    case NOISE: f->clock += 1000 + jitter; break;
    case NOISE_SOMETIMES: f->clock += 1000 + rare; break;
    default: f->clock += 1000; break;
    }
    return f->clock;
}

static struct crypt_rng gather(struct fake *f) {
    struct crypt_rng r;
    struct crypt_rng_hw hw = {fake_rdseed, fake_rdrand, fake_rdtsc, f};
    memset(&r, 0xff, sizeof r);
    crypt_rng_init(&r);
    f->n_asked = 0;
    crypt_rng_gather(&r, &hw);
    return r;
}

static int generate(struct crypt_rng *r) {
    uint8_t out[64];
    memset(out, 0x5a, sizeof out);
    int e = crypt_rng_generate(r, out, sizeof out);
    cr_assert(e == 0 || e == CRYPT_E_ENTROPY);
    cr_assert_eq(all_are(out, sizeof out, 0), e != 0);
    return e;
}

Test(rng, nothing_comes_out_of_a_new_one) {
    struct crypt_rng r;
    crypt_rng_init(&r);
    cr_assert_eq(crypt_rng_bits(&r), 0);
    cr_assert_eq(generate(&r), CRYPT_E_ENTROPY);
    crypt_rng_wipe(&r);
    cr_assert(all_are((uint8_t *)&r, sizeof r, 0));
    cr_assert_eq(generate(&r), CRYPT_E_ENTROPY);
}

Test(rng, each_source_is_credited_for_what_it_is) {
    static const struct {
        enum says says;
        enum crypt_rng_state state;
    } rows[] = {
        {NOTHING, CRYPT_RNG_ABSENT},          {NOISE, CRYPT_RNG_HEALTHY},
        {NOISE_SOMETIMES, CRYPT_RNG_HEALTHY}, {NOISE_THEN_NOTHING, CRYPT_RNG_ABSENT},
        {NOISE_THEN_STUCK, CRYPT_RNG_FAILED}, {ONES, CRYPT_RNG_FAILED},
        {ONE_WORD, CRYPT_RNG_FAILED},         {TWO_WORDS, CRYPT_RNG_FAILED},
        {COUNTER, CRYPT_RNG_FAILED},          {STUCK_BYTE, CRYPT_RNG_FAILED},
        {MOSTLY_ONES, CRYPT_RNG_FAILED},      {FEW_BITS, CRYPT_RNG_FAILED},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned round = 0; round < 3; round++) {
            bool good = rows[i].state == CRYPT_RNG_HEALTHY;
            struct fake seed = {.rdseed = rows[i].says}, rand = {.rdrand = rows[i].says};
            struct crypt_rng r = gather(&seed);
            cr_assert_eq(r.state[CRYPT_RNG_RDSEED], rows[i].state, "row %u", i);
            cr_assert_eq(r.state[CRYPT_RNG_RDRAND], CRYPT_RNG_ABSENT);
            cr_assert_eq(r.bits[CRYPT_RNG_RDSEED], good ? 256 : 0, "row %u", i);
            cr_assert_eq(generate(&r), good ? 0 : CRYPT_E_ENTROPY, "row %u", i);
            r = gather(&rand);
            cr_assert_eq(r.state[CRYPT_RNG_RDRAND], rows[i].state, "row %u", i);
            cr_assert_eq(r.bits[CRYPT_RNG_RDRAND], good ? 256 : 0, "row %u", i);
            cr_assert_eq(generate(&r), good ? 0 : CRYPT_E_ENTROPY, "row %u", i);
        }
}

Test(rng, timing_is_never_enough) {
    static const struct {
        enum says says;
        uint32_t bits;
    } rows[] = {{NOISE, 64}, {NOISE_SOMETIMES, 0}, {NOTHING, 0}, {COUNTER, 0}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fake f = {.rdtsc = rows[i].says};
        struct crypt_rng r = gather(&f);
        struct crypt_rng_hw hw = {NULL, NULL, fake_rdtsc, &f};
        for (unsigned again = 0; again < 5; again++) crypt_rng_gather(&r, &hw);
        cr_assert_eq(r.state[CRYPT_RNG_TIMING], rows[i].bits ? CRYPT_RNG_HEALTHY : CRYPT_RNG_FAILED, "row %u", i);
        cr_assert_eq(crypt_rng_bits(&r), rows[i].bits, "row %u", i);
        cr_assert_eq(generate(&r), CRYPT_E_ENTROPY);
    }
}

Test(rng, a_machine_may_have_no_source_at_all) {
    struct crypt_rng r;
    struct crypt_rng_hw none = {0};
    crypt_rng_init(&r);
    crypt_rng_gather(&r, &none);
    for (unsigned i = 0; i < CRYPT_RNG_SOURCES; i++) cr_assert_eq(r.state[i], CRYPT_RNG_ABSENT);
    cr_assert_eq(generate(&r), CRYPT_E_ENTROPY);
}

/* Once failed, never credited again, and not for the past either. */
Test(rng, a_failure_is_not_forgotten) {
    struct fake f = {.rdseed = NOISE};
    struct crypt_rng r = gather(&f);
    struct crypt_rng_hw hw = {fake_rdseed, NULL, NULL, &f};
    cr_assert_eq(generate(&r), 0);
    f.rdseed = ONES;
    crypt_rng_gather(&r, &hw);
    cr_assert_eq(generate(&r), CRYPT_E_ENTROPY);
    f.rdseed = NOISE;
    crypt_rng_gather(&r, &hw);
    cr_assert_eq(r.state[CRYPT_RNG_RDSEED], CRYPT_RNG_FAILED);
    cr_assert_eq(generate(&r), CRYPT_E_ENTROPY);
}

Test(rng, what_is_given_counts_as_the_caller_says_but_not_beyond_reason) {
    static const struct {
        size_t n_bytes;
        uint32_t bits, credited;
    } rows[] = {{32, 256, 256}, {32, 255, 255}, {32, 1000, 256}, {31, 256, 248},       {1, 8, 8},
                {64, 0, 0},     {0, 256, 0},    {64, 256, 256},  {9000, 80000, 65536}, {9000, UINT32_MAX, 65536}};
    static uint8_t data[9000];
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct crypt_rng r;
        crypt_rng_init(&r);
        noise_fill(data, sizeof data);
        crypt_rng_add(&r, data, rows[i].n_bytes, rows[i].bits);
        cr_assert_eq(crypt_rng_bits(&r), rows[i].credited, "row %u", i);
        cr_assert_eq(generate(&r), rows[i].credited < 256 ? CRYPT_E_ENTROPY : 0);
        for (unsigned k = 0; k < 3; k++) crypt_rng_add(&r, data, rows[i].n_bytes, rows[i].bits);
        cr_assert_leq(crypt_rng_bits(&r), 65536);
    }
}

Test(rng, given_bytes_must_be_healthy_too) {
    struct crypt_rng r;
    uint8_t data[64];
    crypt_rng_init(&r);
    memset(data, 0, sizeof data);
    crypt_rng_add(&r, data, sizeof data, 256);
    cr_assert_eq(r.state[CRYPT_RNG_GIVEN], CRYPT_RNG_FAILED);
    noise_fill(data, sizeof data);
    crypt_rng_add(&r, data, sizeof data, 256);
    cr_assert_eq(generate(&r), CRYPT_E_ENTROPY);
}

/* Little of each adds up. */
Test(rng, sources_add_up) {
    struct fake f = {.rdtsc = NOISE};
    struct crypt_rng r = gather(&f);
    uint8_t data[32];
    noise_fill(data, sizeof data);
    crypt_rng_add(&r, data, sizeof data, 191);
    cr_assert_eq(generate(&r), CRYPT_E_ENTROPY);
    crypt_rng_add(&r, data, sizeof data, 1);
    cr_assert_eq(generate(&r), 0);
}

struct naive {
    uint8_t k[32], v[32];
};

static void hmac(const uint8_t key[32], const uint8_t *data, size_t n, uint8_t out[32]) {
    unsigned n_out;
    uint8_t result[32];
    HMAC(EVP_sha256(), key, 32, data, n, result, &n_out);
    memcpy(out, result, 32);
}

/* SP 800-90A Rev. 1, 10.1.2.2 "The HMAC_DRBG Update Function" */
static void naive_update(struct naive *d, const uint8_t *data, size_t n) {
    uint8_t *input = malloc(33 + n);
    for (uint8_t i = 0; i < (n ? 2 : 1); i++) {
        memcpy(input, d->v, 32);
        input[32] = i;
        memcpy(input + 33, data, n);
        hmac(d->k, input, 33 + n, d->k);
        hmac(d->k, d->v, 32, d->v);
    }
    free(input);
}

/* 10.1.2.5 "Generating Pseudorandom Bits Using HMAC_DRBG", in requests as long as allowed */
static void naive_generate(struct naive *d, uint8_t *out, size_t n) {
    while (n > 0) {
        size_t request = n < 65536 ? n : 65536;
        for (size_t at = 0; at < request; at += 32) {
            hmac(d->k, d->v, 32, d->v);
            memcpy(out + at, d->v, request - at < 32 ? request - at : 32);
        }
        naive_update(d, out, 0);
        out += request;
        n -= request;
    }
}

Test(rng, numbers_are_those_of_a_naive_generator) {
    static uint8_t out[150000], expected[sizeof out];
    static const size_t lengths[] = {32, 1, 64, 33, 65536, 65537, sizeof out};
    for (unsigned i = 0; i < 20; i++) {
        struct naive d;
        struct crypt_rng r;
        uint8_t data[100];
        memset(d.k, 0, sizeof d.k);
        memset(d.v, 1, sizeof d.v);
        naive_update(&d, (const uint8_t *)"sekisho", 7);
        crypt_rng_init(&r);
        for (unsigned k = 0; k < 3; k++) {
            size_t n = 40 + noise() % 60;
            noise_fill(data, n);
            crypt_rng_add(&r, data, n, 256);
            naive_update(&d, data, n);
            size_t length = lengths[noise() % 7];
            cr_assert_eq(crypt_rng_generate(&r, out, length), 0);
            naive_generate(&d, expected, length);
            cr_assert(memcmp(out, expected, length) == 0, "%zu bytes", length);
        }
        struct crypt_rng moved = r; /* holds no pointers */
        memset(&r, 0, sizeof r);
        cr_assert_eq(crypt_rng_generate(&moved, out, 64), 0);
        naive_generate(&d, expected, 64);
        cr_assert_arr_eq(out, expected, 64);
    }
}

/* Also of a bad source, and of one that is there for a moment only. */
Test(rng, everything_is_mixed_in) {
    static const enum says says[] = {NOISE, NOISE_THEN_NOTHING, NOISE_THEN_STUCK, COUNTER};
    struct crypt_rng seen[9];
    unsigned n = 0;
    for (unsigned i = 0; i < 4; i++) {
        struct fake seed = {.rdseed = says[i]}, rand = {.rdrand = says[i]};
        seen[n++] = gather(&seed);
        seen[n++] = gather(&rand);
    }
    struct fake nothing = {0};
    seen[n++] = gather(&nothing);
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < i; k++)
            cr_assert(memcmp(seen[i].key, seen[k].key, sizeof seen[i].key) != 0, "%u, %u", i, k);
}

Test(rng, this_processor_is_asked) {
    uint32_t features = crypt_cpu_features();
    struct crypt_rng_hw hw = crypt_rng_hw(features);
    struct crypt_rng r, again;
    uint8_t out[64], other[64];
    cr_assert_eq(hw.rdseed != NULL, !!(features & CRYPT_CPU_RDSEED));
    cr_assert_eq(hw.rdrand != NULL, !!(features & CRYPT_CPU_RDRAND));
    cr_assert_null(crypt_rng_hw(0).rdseed);
    cr_assert_null(crypt_rng_hw(0).rdrand);
    cr_assert_null(crypt_rng_hw(~(uint32_t)CRYPT_CPU_RDRAND).rdrand);
    cr_assert_null(crypt_rng_hw(~(uint32_t)CRYPT_CPU_RDSEED).rdseed);
    crypt_rng_init(&r);
    crypt_rng_init(&again);
    crypt_rng_gather(&r, &hw);
    crypt_rng_gather(&again, &hw);
    for (unsigned i = 0; i < CRYPT_RNG_GIVEN; i++) cr_assert_neq(r.state[i], CRYPT_RNG_FAILED, "source %u", i);
    if (crypt_rng_bits(&r) < CRYPT_RNG_BITS_NEEDED || crypt_rng_bits(&again) < CRYPT_RNG_BITS_NEEDED) {
        fprintf(stderr, "NOT TESTED: random numbers from this processor: it has no RDSEED and no RDRAND that answer\n");
        return;
    }
    cr_assert_eq(crypt_rng_generate(&r, out, sizeof out), 0);
    cr_assert_eq(crypt_rng_generate(&again, other, sizeof other), 0);
    cr_assert(memcmp(out, other, sizeof out) != 0);
}
