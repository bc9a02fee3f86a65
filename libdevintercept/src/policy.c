/* see dvi/policy.h */
#include <dvi/policy.h>

struct dvi_span dvi_policy_lookup(const struct dvi_policy *policy, uint64_t lba, uint64_t n_sectors) {
    struct dvi_span span = {.n_sectors = n_sectors, .action = DVI_CLEAR};

    for (uint32_t i = 0; i < policy->n_ranges; i++) {
        const struct dvi_range *r = &policy->range[i];
        if (r->first_lba >= r->end_lba || r->end_lba <= lba) continue;

        /* Either the rule for lba, or one that takes over further on: both bound the span. */
        uint64_t bound = r->first_lba <= lba ? r->end_lba : r->first_lba;
        if (span.n_sectors > bound - lba) span.n_sectors = bound - lba;
        if (r->first_lba > lba) continue;

        span.action = r->action;
        if (r->action == DVI_ENCRYPT) {
            span.transform = r->transform;
            span.unit = lba - r->first_lba;
        }
        break;
    }
    return span;
}
