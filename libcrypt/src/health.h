/* The two continuous health tests of an entropy source, as pure functions over its samples. Private to libcrypt and its
 * tests.
 *
 * Source: NIST SP 800-90B (January 2018), 4.4.1 "Repetition Count Test", 4.4.2 "Adaptive Proportion Test". */
#ifndef CRYPT_HEALTH_H
#define CRYPT_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#define CRYPT_HEALTH_WINDOW 512u /* 4.4.2: for samples that are not bits */

/* The state of both tests; contents private but for failed. */
struct crypt_health {
    bool failed; /* stays so */
    uint32_t repetition_cutoff, proportion_cutoff;
    uint64_t last, first; /* the sample before; the one that the window counts */
    uint32_t n_repeated, n_first, n_window;
};

/* Start. A sample's value occurs this many times in a row (repetition, at least 2), or this many times in a window of
 * CRYPT_HEALTH_WINDOW samples (proportion, at least 2), and the source has failed. */
void crypt_health_init(struct crypt_health *h, uint32_t repetition_cutoff, uint32_t proportion_cutoff);

/* Take the next sample into account. Returns !h->failed. */
bool crypt_health_sample(struct crypt_health *h, uint64_t sample);

#endif
