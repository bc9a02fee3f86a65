/* The health tests of SP 800-90B on sequences made by hand, and the cutoffs that rng.c chose. */
#include "health.h"

#include <criterion/criterion.h>
#include <math.h>

#include "kernels.h"

/* Gives each character of text as a sample; returns the number of the sample that failed, or 0. */
static unsigned fails_at(uint32_t repetition, uint32_t proportion, const char *text) {
    struct crypt_health h;
    crypt_health_init(&h, repetition, proportion);
    for (unsigned i = 0; text[i]; i++)
        if (!crypt_health_sample(&h, (uint64_t)text[i])) return i + 1;
    return 0;
}

Test(health, repetitions_in_a_row) {
    static const struct {
        uint32_t cutoff;
        const char *text;
        unsigned fails_at;
    } rows[] = {
        {2, "abababab", 0},     {2, "aa", 2},      {2, "abcdd", 5}, {3, "aabbaabb", 0}, {3, "aabbb", 5},
        {6, "aaaaabaaaaab", 0}, {6, "baaaaaa", 7}, {2, "", 0},      {2, "a", 0},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(fails_at(rows[i].cutoff, UINT32_MAX, rows[i].text), rows[i].fails_at, "row %u", i);
}

Test(health, a_zero_is_no_repetition_of_nothing) { cr_assert_eq(fails_at(2, UINT32_MAX, "\x01\x02"), 0); }

Test(health, a_failure_stays) {
    struct crypt_health h;
    crypt_health_init(&h, 2, UINT32_MAX);
    cr_assert(crypt_health_sample(&h, 0));
    cr_assert_not(crypt_health_sample(&h, 0));
    for (uint64_t i = 1; i < 2000; i++) cr_assert_not(crypt_health_sample(&h, i));
    cr_assert(h.failed);
}

/* The first of each window is counted, at every place it may have; others may be as frequent as they like. */
Test(health, proportion_in_a_window) {
    for (unsigned n = 1; n <= 4; n++)
        for (unsigned round = 0; round < 100; round++) {
            struct crypt_health h;
            unsigned left = n; /* so many more of the first sample, anywhere */
            bool failed = false;
            crypt_health_init(&h, UINT32_MAX, 4);
            for (unsigned i = 0; i < CRYPT_HEALTH_WINDOW; i++) {
                bool again = left > 0 && (i == 0 || noise() % (CRYPT_HEALTH_WINDOW - i) < left);
                left -= again;
                failed = !crypt_health_sample(&h, again ? 7 : 1000 + i % 5);
                cr_assert_eq(failed, n - left >= 4);
            }
            cr_assert_eq(left, 0);
            for (unsigned i = 0; i < 3; i++) cr_assert_eq(crypt_health_sample(&h, 7), !failed); /* counted anew */
        }
}

/* The smallest k of which P(X <= k) >= 1 - 2^-20, X being binomial, plus 1: by the logarithms of its terms. */
static unsigned proportion_cutoff(double bits) {
    double p = exp2(-bits), n = CRYPT_HEALTH_WINDOW, above = 0;
    unsigned k = CRYPT_HEALTH_WINDOW;
    for (; k > 0; k--) {
        above += exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log1p(-p));
        if (above > exp2(-20)) break;
    }
    return k + 1;
}

/* The numbers of rng.c, typed a second time. 4.4.1: 1 + ceil(-log2(alpha) / H); 4.4.2, step 1 and footnote. */
Test(health, cutoffs_have_the_false_alarms_of_the_standard) {
    cr_assert_eq(1 + ceil(20 / 32.0), 2);
    cr_assert_eq(1 + ceil(20 / 4.0), 6);
    cr_assert_eq(1 + ceil(20 / 0.25), 81);
    cr_assert_leq(proportion_cutoff(32), 2);
    cr_assert_eq(proportion_cutoff(4), 62);
    cr_assert_eq(proportion_cutoff(0.25), 468);
}
