/* see health.h */
#include "health.h"

void crypt_health_init(struct crypt_health *h, uint32_t repetition_cutoff, uint32_t proportion_cutoff) {
    *h = (struct crypt_health){.repetition_cutoff = repetition_cutoff, .proportion_cutoff = proportion_cutoff};
}

/* 4.4.1 "Repetition Count Test"; B is n_repeated */
static bool repeats_too_often(struct crypt_health *h, uint64_t sample) {
    h->n_repeated = h->n_repeated > 0 && sample == h->last ? h->n_repeated + 1 : 1;
    h->last = sample;
    return h->n_repeated >= h->repetition_cutoff;
}

/* 4.4.2 "Adaptive Proportion Test"; A is first, B is n_first */
static bool occurs_too_often(struct crypt_health *h, uint64_t sample) {
    if (h->n_window == 0) {
        h->first = sample;
        h->n_first = 0;
    }
    h->n_first += sample == h->first;
    h->n_window = (h->n_window + 1) % CRYPT_HEALTH_WINDOW;
    return h->n_first >= h->proportion_cutoff;
}

bool crypt_health_sample(struct crypt_health *h, uint64_t sample) {
    bool repeats = repeats_too_often(h, sample), occurs = occurs_too_often(h, sample);
    h->failed |= repeats || occurs;
    return !h->failed;
}
