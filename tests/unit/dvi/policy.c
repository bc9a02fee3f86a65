/* dvi_policy_lookup: a table of chosen cases, and random policies against a rule-by-rule look at every sector. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdint.h>
#include <dvi/policy.h>

static const struct dvi_blk_transform key_a, key_b;

#define END UINT64_MAX

/* As a partition table, an encrypted system, and a protected tail would be configured. */
static const struct dvi_policy plain_disk = {.n_ranges = 4,
                                             .range = {{0, 2048, DVI_CLEAR, NULL},
                                                       {2048, 10000, DVI_ENCRYPT, &key_a},
                                                       {10000, 10010, DVI_READ_ONLY, NULL},
                                                       {20000, END, DVI_DENY, NULL}}};
/* The first range that holds a sector decides, whatever comes later. */
static const struct dvi_policy layered = {.n_ranges = 4,
                                          .range = {{100, 110, DVI_DENY, NULL},
                                                    {50, 200, DVI_ENCRYPT, &key_a},
                                                    {150, 160, DVI_CLEAR, NULL}, /* never reached */
                                                    {0, END, DVI_ENCRYPT, &key_b}}};
static const struct dvi_policy to_end = {.n_ranges = 1, .range = {{7, END, DVI_ENCRYPT, &key_b}}};
/* Ranges that hold nothing bound nothing; a transform on a range that is not encrypted is not handed out. */
static const struct dvi_policy odd = {
    .n_ranges = 3, .range = {{40, 40, DVI_DENY, NULL}, {60, 30, DVI_DENY, NULL}, {80, 90, DVI_READ_ONLY, &key_a}}};
static const struct dvi_policy none = {.n_ranges = 0};

static const struct {
    const struct dvi_policy *policy;
    uint64_t lba, n_sectors;
    struct dvi_span want;
} cases[] = {
    {&none, 0, 1, {1, DVI_CLEAR, NULL, 0}},
    {&none, 12345, 65536, {65536, DVI_CLEAR, NULL, 0}},
    {&none, 0, END, {END, DVI_CLEAR, NULL, 0}},

    {&plain_disk, 0, 8, {8, DVI_CLEAR, NULL, 0}},
    {&plain_disk, 2040, 8, {8, DVI_CLEAR, NULL, 0}},
    {&plain_disk, 2040, 9, {8, DVI_CLEAR, NULL, 0}},
    {&plain_disk, 2047, 1, {1, DVI_CLEAR, NULL, 0}},
    {&plain_disk, 2048, 1, {1, DVI_ENCRYPT, &key_a, 0}},
    {&plain_disk, 2049, 100, {100, DVI_ENCRYPT, &key_a, 1}},
    {&plain_disk, 9999, 100, {1, DVI_ENCRYPT, &key_a, 7951}},
    {&plain_disk, 2048, 65536, {7952, DVI_ENCRYPT, &key_a, 0}},
    {&plain_disk, 10000, 11, {10, DVI_READ_ONLY, NULL, 0}},
    {&plain_disk, 10010, 20000, {9990, DVI_CLEAR, NULL, 0}}, /* no rule, up to the next rule */
    {&plain_disk, 20000, 65536, {65536, DVI_DENY, NULL, 0}},
    {&plain_disk, END - 1, 1, {1, DVI_DENY, NULL, 0}},

    {&layered, 0, 1000, {50, DVI_ENCRYPT, &key_b, 0}},
    {&layered, 50, 1000, {50, DVI_ENCRYPT, &key_a, 0}},
    {&layered, 100, 1000, {10, DVI_DENY, NULL, 0}},
    {&layered, 110, 1000, {90, DVI_ENCRYPT, &key_a, 60}},
    {&layered, 155, 1, {1, DVI_ENCRYPT, &key_a, 105}},
    {&layered, 200, 1000, {1000, DVI_ENCRYPT, &key_b, 200}},

    {&to_end, 0, END, {7, DVI_CLEAR, NULL, 0}},
    {&to_end, 7, END - 7, {END - 7, DVI_ENCRYPT, &key_b, 0}},
    {&to_end, END - 2, 2, {2, DVI_ENCRYPT, &key_b, END - 9}},

    {&odd, 0, 100, {80, DVI_CLEAR, NULL, 0}},
    {&odd, 40, 1, {1, DVI_CLEAR, NULL, 0}},
    {&odd, 80, 100, {10, DVI_READ_ONLY, NULL, 0}},
};

static bool same(const struct dvi_span *a, const struct dvi_span *b) {
    return a->n_sectors == b->n_sectors && a->action == b->action && a->transform == b->transform && a->unit == b->unit;
}

Test(policy, table) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dvi_span got = dvi_policy_lookup(cases[i].policy, cases[i].lba, cases[i].n_sectors);
        cr_expect(same(&got, &cases[i].want),
                  "case %zu: got %" PRIu64 " sectors, action %d, unit %" PRIu64 ", transform %p", i, got.n_sectors,
                  got.action, got.unit, (const void *)got.transform);
    }
}

/* --- the oracle --- */

#define DISK 64u /* sectors of the small disk that the oracle looks at one by one */

/* Index of the rule that decides for one sector, or -1. */
static int rule_of(const struct dvi_policy *p, uint64_t lba) {
    for (uint32_t i = 0; i < p->n_ranges; i++)
        if (lba >= p->range[i].first_lba && lba < p->range[i].end_lba) return (int)i;
    return -1;
}

static struct dvi_span naive_lookup(const struct dvi_policy *p, uint64_t lba, uint64_t n_sectors) {
    int rule = rule_of(p, lba);
    struct dvi_span s = {.n_sectors = 1, .action = DVI_CLEAR};
    while (s.n_sectors < n_sectors && rule_of(p, lba + s.n_sectors) == rule) s.n_sectors++;
    if (rule < 0) return s;
    s.action = p->range[rule].action;
    if (s.action != DVI_ENCRYPT) return s;
    s.transform = p->range[rule].transform;
    for (uint64_t l = p->range[rule].first_lba; l < lba; l++) s.unit++;
    return s;
}

static uint32_t rng_state;

static uint32_t rng(uint32_t below) {
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 17;
    rng_state ^= rng_state << 5;
    return rng_state % below;
}

/* Short ranges, empty ones, nested ones, and ones to the end of the disk. */
static struct dvi_policy random_policy(void) {
    struct dvi_policy p = {.n_ranges = rng(DVI_POLICY_MAX_RANGES + 1)};
    for (uint32_t i = 0; i < p.n_ranges; i++) {
        uint64_t first = rng(DISK), end = rng(8) == 0 ? END : first + rng(DISK / 4);
        enum dvi_action action = (enum dvi_action)rng(4);
        p.range[i] = (struct dvi_range){first, end, action, NULL};
        if (action == DVI_ENCRYPT) p.range[i].transform = rng(2) ? &key_a : &key_b;
    }
    return p;
}

Test(policy, random_policies_against_a_look_at_every_sector) {
    for (uint32_t seed = 1; seed <= 300; seed++) {
        rng_state = seed * 2654435761u;
        struct dvi_policy p = random_policy();
        for (uint64_t lba = 0; lba < DISK; lba++)
            for (uint64_t n = 1; n <= DISK; n++) {
                struct dvi_span got = dvi_policy_lookup(&p, lba, n), want = naive_lookup(&p, lba, n);
                cr_assert(same(&got, &want), "seed %u, lba %" PRIu64 ", n %" PRIu64, seed, lba, n);
            }
    }
}
