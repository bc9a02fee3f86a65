/* see block/policy.h */
#include <block/policy.h>

_Static_assert(CONF_RANGES_MAX <= DVI_POLICY_MAX_RANGES, "a disk that can be written down can be enforced");

static enum dvi_action action(enum conf_action a) {
    switch (a) {
    case CONF_CLEAR: return DVI_CLEAR;
    case CONF_ENCRYPT: return DVI_ENCRYPT;
    case CONF_READ_ONLY: return DVI_READ_ONLY;
    case CONF_DENY: break;
    }
    return DVI_DENY;
}

void policy_from_conf(const struct conf_disk *disk, const struct dvi_blk_transform *transforms,
                      struct dvi_policy *out) {
    *out = (struct dvi_policy){.n_ranges = disk->n_ranges};
    for (unsigned i = 0; i < disk->n_ranges; i++) {
        const struct conf_range *from = &disk->range[i];
        out->range[i] = (struct dvi_range){
            .first_lba = from->first_lba,
            .end_lba = from->end_lba,
            .action = action(from->action),
            .transform = from->action == CONF_ENCRYPT ? &transforms[from->key] : NULL,
        };
        if (!from->end_lba) out->range[i] = (struct dvi_range){.end_lba = UINT64_MAX, .action = DVI_DENY};
    }
}
