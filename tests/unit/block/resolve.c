/* From named partitions to sectors, or to one clear sentence. */
#include <block/policy.h>
#include <block/resolve.h>
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GUID_1 "a1b2c3d4-0123-4567-89ab-cdefabcdef01"
#define GUID_2 "00000000-0123-4567-89ab-cdefabcdef02"
#define GUID_3 "00000000-0123-4567-89ab-cdefabcdef03"

static struct part_table gpt = {
    .scheme = PART_GPT,
    .n_parts = 4,
    .part = {{.number = 1, .first_lba = 2048, .n_sectors = 100, .id = GUID_1, .name = "EFI system"},
             {.number = 2, .first_lba = 4096, .n_sectors = 1000, .id = GUID_2, .name = "gr\xc3\xb6\xc3\x9f\x1b[2J"},
             {.number = 7, .first_lba = 6000, .n_sectors = 1, .id = GUID_3},
             {.number = 128, .first_lba = 8000, .n_sectors = 1, .id = GUID_3}},
};

static struct part_table mbr = {
    .scheme = PART_MBR,
    .n_parts = 3,
    .part = {{.number = 1, .first_lba = 63, .n_sectors = 937, .id = "00c0ffee-01"},
             {.number = 2, .first_lba = 1000, .n_sectors = 9000, .id = "00c0ffee-02", .extended = true},
             {.number = 10, .first_lba = 1063, .n_sectors = 937, .id = "00c0ffee-0a"}},
};

static struct conf conf;
static struct conf_disk out;
static struct conf_error error;

/* Ranges, with a name of a place each. */
static int resolve(const struct part_table *table, const char *ranges) {
    char text[1024];
    int n = snprintf(text, sizeof text, "[disk \"d\"]\nmatch = any\n%s", ranges);
    cr_assert_eq(conf_parse(text, (size_t)n, &conf, &error), 0, "%s", error.message);
    memset(&out, 0xa5, sizeof out);
    memset(&error, 0, sizeof error);
    return resolve_disk(&conf.disk[0], table, &out, &error);
}

Test(resolve, right_ones) {
    static const struct {
        const struct part_table *table;
        const char *range;
        uint64_t first_lba, end_lba;
    } rows[] = {
        {&gpt, "partition:1", 2048, 2148},
        {&gpt, "partition:" GUID_1, 2048, 2148},
        {&gpt, "partition:0002", 4096, 5096},
        {&gpt, "partition:128", 8000, 8001},
        {&gpt, "partition:7", 6000, 6001},
        {&mbr, "partition:10", 1063, 2000},
        {&mbr, "partition:00C0FFEE-0A", 1063, 2000},
        {&mbr, "partition:00c0ffee-01", 63, 1000},
        {&mbr, "5..end", 5, UINT64_MAX},
        {NULL, "5..9", 5, 10},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "range = %s read-only\n", rows[i].range);
        cr_assert_eq(resolve(rows[i].table, text), 0, "row %zu: %s", i, error.message);
        cr_assert_eq(out.n_ranges, 1);
        cr_assert(out.range[0].first_lba == rows[i].first_lba && out.range[0].end_lba == rows[i].end_lba, "row %zu", i);
        out.range[0].first_lba = conf.disk[0].range[0].first_lba;
        out.range[0].end_lba = conf.disk[0].range[0].end_lba;
        cr_assert(memcmp(&out, &conf.disk[0], sizeof out) == 0, "row %zu: more than that was changed", i);
    }
}

static const struct {
    const struct part_table *table;
    const char *ranges;
    unsigned line;
    const char *message;
} cases[] = {
    {&gpt, "range = partition:3 deny\n", 3, "partition 3: it is not in the partition table of the disk"},
    {&gpt, "range = partition:1 deny\nrange = partition:256 deny\n", 4,
     "partition 256: it is not in the partition table of the disk"},
    {&mbr, "range = partition:" GUID_1 " deny\n", 3,
     "partition " GUID_1 ": it is not in the partition table of the disk"},
    {&mbr, "range = partition:00c0ffee-0b deny\n", 3,
     "partition 00c0ffee-0b: it is not in the partition table of the disk"},
    {&gpt, "range = partition:00c0ffee-01 deny\n", 3,
     "partition 00c0ffee-01: it is not in the partition table of the disk"},
    {&gpt, "range = partition:" GUID_3 " deny\n", 3,
     "partition " GUID_3 ": it is more than once in the partition table of the disk"},
    {&mbr, "range = partition:2 deny\n", 3, "partition 2: it is extended and holds others, expected one of those"},

    /* other ranges: before, behind, touching, around, the same by another name */
    {&gpt,
     "range = 0..2047 clear\nrange = partition:1 deny\nrange = 2148..4095 deny\nrange = partition:2 deny\n"
     "range = 5096..5999 deny\nrange = partition:7 deny\nrange = 6001..end clear\n",
     0, NULL},
    {&gpt, "range = partition:2 deny\nrange = partition:1 deny\nrange = 0..10 deny\n", 0, NULL},
    {&gpt, "range = 0..2048 clear\nrange = partition:1 deny\n", 4,
     "partition 1 (2048..2147) overlaps range 0..2048 of line 3, expected each sector in one range of a disk"},
    {&gpt, "range = partition:1 deny\nrange = 2147..2147 clear\n", 4,
     "range 2147..2147 overlaps partition 1 (2048..2147) of line 3, expected each sector in one range of a disk"},
    {&gpt, "range = partition:1 deny\nrange = 0..end clear\n", 4,
     "range 0..end overlaps partition 1 (2048..2147) of line 3, expected each sector in one range of a disk"},
    {&gpt, "range = 5..9 deny\nrange = 5000..end deny\nrange = partition:2 deny\n", 5,
     "partition 2 (4096..5095) overlaps range 5000..end of line 4, expected each sector in one range of a disk"},
    {&gpt, "range = partition:2 deny\nrange = 1..2 clear\nrange = partition:" GUID_2 " deny\n", 5,
     "partition " GUID_2 " (4096..5095) overlaps partition 2 (4096..5095) of line 3, "
     "expected each sector in one range of a disk"},
};

Test(resolve, sentences) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int r = resolve(cases[i].table, cases[i].ranges);
        cr_assert_eq(r, cases[i].message ? CONF_E_INVALID : 0, "case %zu: %s", i, error.message);
        if (!r) continue;
        cr_assert_str_eq(error.message, cases[i].message, "case %zu: %s", i, error.message);
        cr_assert_eq(error.line, cases[i].line, "case %zu: line %u", i, error.line);
        static const struct conf_disk nothing;
        cr_assert(memcmp(&out, &nothing, sizeof out) == 0, "case %zu", i);
    }
}

/* The manual page lists what can be said. */
Test(resolve, manual) {
    static char page[32768];
    static const char *const ours[] = {"it is not in the partition table of the disk",
                                       "it is more than once in the partition table of the disk",
                                       "it is extended and holds others", "overlaps partition X"};
    FILE *f = fopen(CONF_MANUAL, "rb");
    cr_assert_not_null(f);
    size_t n = fread(page, 1, sizeof page - 1, f);
    fclose(f);
    cr_assert(n > 0 && n < sizeof page - 1);
    const char *errors = strstr(page, "## Errors");
    for (unsigned i = 0; i < sizeof ours / sizeof ours[0]; i++) cr_expect(strstr(errors, ours[i]), "%s", ours[i]);
    for (int e = PART_E_READ; e >= PART_E_OVERLAP; e--)
        cr_expect(strstr(errors, part_error_text(e)), "%s", part_error_text(e));
}

/* Every way in which a table can be wrong has a sentence, and ranges of sectors do not mind. */
Test(resolve, no_table) {
    for (int e = PART_E_READ; e >= PART_E_OVERLAP; e--) {
        struct part_table none = {.error = e};
        char want[128];
        snprintf(want, sizeof want, "partition 2: %s", part_error_text(e));
        cr_assert_eq(resolve(&none, "range = 0..1 deny\nrange = partition:2 deny\n"), CONF_E_INVALID);
        cr_assert_str_eq(error.message, want);
        cr_assert_eq(error.line, 4);
        cr_assert_eq(resolve(&none, "range = 0..1 deny\n"), 0);
    }
}

/* Sectors of the largest numbers, and the longest names, still make a whole sentence. */
Test(resolve, longest_sentence) {
    struct part_table t = {.scheme = PART_GPT, .n_parts = 1};
    t.part[0] = (struct part){.number = 200, .first_lba = (1ull << 55) - 2, .n_sectors = 2, .id = GUID_1};
    cr_assert_eq(resolve(&t, "range = partition:200 deny\nrange = partition:" GUID_1 " deny\n"), CONF_E_INVALID);
    cr_assert(strstr(error.message, "expected each sector in one range of a disk"), "%s", error.message);
    cr_assert_eq(resolve(&t, "range = partition:200 deny\nrange = 36028797018963967..end clear\n"), CONF_E_INVALID);
    cr_assert_str_eq(error.message, "range 36028797018963967..end overlaps partition 200 (36028797018963966.."
                                    "36028797018963967) of line 3, expected each sector in one range of a disk");
}

Test(resolve, lines_for_the_log) {
    char line[256];
    cr_assert_eq(
        resolve(&gpt, "range = partition:2 deny\nrange = partition:" GUID_1 " deny\nrange = partition:7 deny\n"), 0);
    resolve_describe(&out.range[0], &gpt, line, sizeof line);
    cr_assert_str_eq(line, "partition 2 (" GUID_2 ", \"gr???[2J\") is sectors 4096..5095");
    resolve_describe(&out.range[1], &gpt, line, sizeof line);
    cr_assert_str_eq(line, "partition 1 (" GUID_1 ", \"EFI system\") is sectors 2048..2147");
    resolve_describe(&out.range[2], &gpt, line, sizeof line);
    cr_assert_str_eq(line, "partition 7 (" GUID_3 ") is sectors 6000..6000");
    for (size_t n = 1; n < 80; n++) { /* cut to fit */
        memset(line, 'z', sizeof line);
        resolve_describe(&out.range[0], &gpt, line, n);
        cr_assert(strlen(line) < n && line[n] == 'z');
    }
    cr_assert_eq(resolve(&mbr, "range = partition:00c0ffee-0a deny\n"), 0);
    resolve_describe(&out.range[0], &mbr, line, sizeof line);
    cr_assert_str_eq(line, "partition 10 (00c0ffee-0a) is sectors 1063..1999");
}

/* What the mediator enforces then. The tweak counts from the partition's first sector. */
Test(resolve, policy) {
    static struct dvi_blk_transform transforms[CONF_KEYS_MAX];
    struct dvi_policy policy;
    char text[] = "range = 0..2047 read-only\nrange = partition:2 encrypt:k\n[key \"k\"]\nsource = file:k\n";
    cr_assert_eq(resolve(&gpt, text), 0);
    policy_from_conf(&out, transforms, &policy);
    struct dvi_span s = dvi_policy_lookup(&policy, 4100, 10000);
    cr_assert(s.action == DVI_ENCRYPT && s.unit == 4 && s.n_sectors == 996 && s.transform == &transforms[0]);
    cr_assert_eq(dvi_policy_lookup(&policy, 4095, 1).action, DVI_CLEAR);
    cr_assert_eq(dvi_policy_lookup(&policy, 5096, 1).action, DVI_CLEAR);
    cr_assert_eq(dvi_policy_lookup(&policy, 2047, 1).action, DVI_READ_ONLY);
}
