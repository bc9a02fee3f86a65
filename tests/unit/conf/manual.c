/* The manual page keeps its word: its example is right, and it lists what the parser says. */
#include "conf_test.h"

#include <criterion/criterion.h>
#include <stdio.h>

static char page[32768];

static void read_page(void) {
    FILE *f = fopen(CONF_MANUAL, "rb");
    cr_assert(f != NULL, "%s", CONF_MANUAL);
    size_t n = fread(page, 1, sizeof page - 1, f);
    fclose(f);
    cr_assert(n > 0 && n < sizeof page - 1);
}

TestSuite(conf_manual, .init = read_page);

Test(conf_manual, example_is_right) {
    static struct conf conf;
    struct conf_error error;
    char *start = strstr(page, "```\n"), *end = start ? strstr(start + 4, "```\n") : NULL;
    cr_assert(end != NULL);
    cr_assert_eq(conf_parse(start + 4, (size_t)(end - start - 4), &conf, &error), 0, "%u: %s", error.line,
                 error.message);
    cr_expect_str_eq(conf.next, "\\EFI\\debian\\grubx64.efi");
    cr_expect_eq(conf.disk[0].n_ranges, 3);
    cr_expect_str_eq(conf.key[0].file, "system.key");
    cr_expect_eq(conf.key[0].n_bytes, 0);
}

/* One way into each class of errors, and the words under which the page lists it. */
static const struct {
    const char *text, *words;
} classes[] = {
    {"\xFF", "is not UTF-8"},
    {"\x01", "is a control character"},
    {"[x]", "is not a section"},
    {"[disk \"?\"]", "is not a name"},
    {"[boot]\n[boot]", "the same section is in line"},
    {"x", "no \"=\" after \""},
    {KEY_K "x", "no \"=\" in the line"},
    {"x = 1", "stands before any section"},
    {"[boot]\nx = 1", "unknown setting \""},
    {"[boot]\nconsole = serial\nconsole = serial", "is set in line"},
    {"[boot]\nnext =", "has no value"},
    {"[boot]\nnext = a", "is not a value for"},
    {"[boot]\nconsole = serial,serial", "is named twice"},
    {"[boot]\nnext-options = a", "next-options without next"},
    {"[disk \"d\"]", "[disk] without match"},
    {"[disk \"d\"]\nmatch = any", "[disk] without range"},
    {"[key \"k\"]", "[key] without source"},
    {"[disk \"d\"]\nrange = 0", "is not a range"},
    {"[disk \"d\"]\nrange = partition:0", "is not a partition"},
    {"[disk \"d\"]\nrange = 0..x", "is not a sector number"},
    {"[disk \"d\"]\nrange = 0..99999999999999999999", "is too large"},
    {"[disk \"d\"]\nrange = 1..0 clear", "ends before it begins"},
    {"[disk \"d\"]\nrange = 0..1 x", "is not an action"},
    {"[disk \"d\"]\nrange = 0..1 clear x", "after the action"},
    {DISK_A "range = 0..1 clear", "overlaps that of line"},
    {"[key \"k\"]\nsource = x", "unknown kind of source"},
    {"[key \"k\"]\nsource = file:", "no name of a file after file:"},
    {"[key \"k\"]\nunlock = x", "unknown way to unlock"},
    {"[key \"k\"]\nunlock = passphrase,passphrase", "to unlock is the same as way"},
    {"[key \"k\"]\nunlock = passphrase,keyfile:a,keyfile:b,keyfile:c,keyfile:d", "to unlock is one too many"},
    {KEY_K "unlock = passphrase", "unlock without source = luks:"},
    {"[key \"k\"]\nsource = hex:x", "after hex: is not a hexadecimal digit"},
    {"[key \"k\"]\nsource = hex:", "hexadecimal digits"},
    {"[key \"k\"]\nsource = hex:" HEX_16 HEX_16, "both halves of the key are equal"},
    {"[disk \"d\"]\nmatch = any\nrange = 0..1 encrypt:k", "there is no key \""},
    {KEY_K, "is not used"},
    {DISK_A "[disk \"b\"]\nmatch = any\nrange = 0..1 deny", "can match nothing that"},
};

Test(conf_manual, lists_every_class_of_errors) {
    static struct conf conf;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        struct conf_error error;
        cr_assert_eq(parse_text(classes[i].text, &conf, &error), CONF_E_INVALID, "case %zu", i);
        cr_expect(strstr(error.message, classes[i].words) != NULL, "case %zu: %s", i, error.message);
        cr_expect(strstr(strstr(page, "## Errors"), classes[i].words) != NULL, "case %zu: %s", i, classes[i].words);
    }
}
