/* From the text of a configuration to what happens to a sector. */
#include <block/policy.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEX "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef"

static const char text[] = "[disk \"system\"]\n"
                           "match = serial:A\n"
                           "range = 0..2047 clear\n"
                           "range = 2048..9999 encrypt:system\n"
                           "range = 20000..29999 read-only\n"
                           "range = 10000..19999 deny\n"
                           "range = 40000..end encrypt:home\n"
                           "[disk \"other\"]\n"
                           "match = any\n"
                           "range = 5..5 encrypt:home\n"
                           "[key \"home\"]\n"
                           "source = hex:" HEX "\n"
                           "[key \"system\"]\n"
                           "source = hex:" HEX "\n";

static struct conf conf;
static struct dvi_blk_transform transforms[CONF_KEYS_MAX];

static const struct dvi_blk_transform *transform(const char *key) {
    for (unsigned i = 0; i < conf.n_keys; i++)
        if (strcmp(conf.key[i].name, key) == 0) return &transforms[i];
    return NULL;
}

static void setup(void) {
    struct conf_error error;
    cr_assert_eq(conf_parse(text, sizeof text - 1, &conf, &error), 0, "%u: %s", error.line, error.message);
}

TestSuite(policy_from_conf, .init = setup);

Test(policy_from_conf, sectors_meet_their_rule) {
    static const struct {
        unsigned disk;
        uint64_t lba, n_sectors;
        enum dvi_action action;
        const char *key;
        uint64_t unit;
    } cases[] = {
        {0, 0, 2048, DVI_CLEAR, NULL, 0},
        {0, 2048, 7952, DVI_ENCRYPT, "system", 0},
        {0, 9999, 1, DVI_ENCRYPT, "system", 7951},
        {0, 10000, 10000, DVI_DENY, NULL, 0},
        {0, 20000, 10000, DVI_READ_ONLY, NULL, 0},
        {0, 30000, 10000, DVI_CLEAR, NULL, 0},
        {0, 40001, 1ull << 40, DVI_ENCRYPT, "home", 1},
        {1, 0, 5, DVI_CLEAR, NULL, 0},
        {1, 5, 1, DVI_ENCRYPT, "home", 0},
        {1, 6, 1ull << 40, DVI_CLEAR, NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dvi_policy policy;
        memset(&policy, 0xA5, sizeof policy);
        policy_from_conf(&conf.disk[cases[i].disk], transforms, &policy);
        struct dvi_span s = dvi_policy_lookup(&policy, cases[i].lba, 1ull << 40);
        cr_expect_eq(s.n_sectors, cases[i].n_sectors, "case %zu: %" PRIu64, i, s.n_sectors);
        cr_expect_eq(s.action, cases[i].action, "case %zu", i);
        cr_expect_eq(s.transform, cases[i].key ? transform(cases[i].key) : NULL, "case %zu", i);
        cr_expect_eq(s.unit, cases[i].unit, "case %zu", i);
    }
}

Test(policy_from_conf, only_encrypted_ranges_have_a_transform) {
    struct dvi_policy policy;
    policy_from_conf(&conf.disk[0], transforms, &policy);
    for (unsigned i = 0; i < policy.n_ranges; i++)
        cr_expect_eq(policy.range[i].transform != NULL, policy.range[i].action == DVI_ENCRYPT, "range %u", i);
}

Test(policy_from_conf, nothing_is_left_over) {
    struct dvi_policy policy;
    memset(&policy, 0xA5, sizeof policy);
    policy_from_conf(&conf.disk[1], transforms, &policy);
    cr_expect_eq(policy.n_ranges, 1);
    for (unsigned i = 1; i < DVI_POLICY_MAX_RANGES; i++) cr_expect_eq(policy.range[i].end_lba, 0);
}

/* Nobody looked where partition 2 lies: nothing that may be in it is clear, or written in clear. */
Test(policy_from_conf, partition_not_looked_up) {
    static const char partition[] =
        "[disk \"d\"]\nmatch = any\nrange = 10..19 read-only\nrange = partition:2 encrypt:k\n"
        "range = 30..39 clear\n[key \"k\"]\nsource = hex:" HEX;
    struct conf_error error;
    struct dvi_policy policy;
    cr_assert_eq(conf_parse(partition, sizeof partition - 1, &conf, &error), 0);
    policy_from_conf(&conf.disk[0], transforms, &policy);
    for (uint64_t lba = 0; lba < 50; lba++)
        cr_expect_eq(dvi_policy_lookup(&policy, lba, 1).action, lba / 10 == 1 ? DVI_READ_ONLY : DVI_DENY);
}

/* A disk with as many ranges, and a file with as many keys, as there can be. */
Test(policy_from_conf, largest) {
    static char large[4096];
    struct conf_error error;
    struct dvi_policy policy;
    int n = sprintf(large, "[disk \"d\"]\nmatch = any\n");
    for (unsigned i = 0; i < CONF_RANGES_MAX; i++)
        n += sprintf(large + n, "range = %u..%u encrypt:k%u\n", i, i, i % CONF_KEYS_MAX);
    for (unsigned i = 0; i < CONF_KEYS_MAX; i++) n += sprintf(large + n, "[key \"k%u\"]\nsource = hex:" HEX "\n", i);
    cr_assert_eq(conf_parse(large, (size_t)n, &conf, &error), 0, "%u: %s", error.line, error.message);
    policy_from_conf(&conf.disk[0], transforms, &policy);
    for (unsigned i = 0; i < CONF_RANGES_MAX; i++) {
        struct dvi_span s = dvi_policy_lookup(&policy, i, 100);
        cr_expect(s.n_sectors == 1 && s.action == DVI_ENCRYPT && s.transform == &transforms[i % CONF_KEYS_MAX]);
    }
}
