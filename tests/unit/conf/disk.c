/* Which section takes which disk; and that nothing of a configuration outlives it. */
#include "conf_test.h"

#include <criterion/criterion.h>

/* As an ATA disk of QEMU's reports itself: padded on the right. Some real disks pad on the left. */
static const struct conf_disk_id qemu = {.serial = "QM00001             ", /* 20 characters, no NUL */
                                         .model = "QEMU HARDDISK                           ",
                                         .bus = 0,
                                         .dev = 0x1F,
                                         .fn = 2,
                                         .port = 3};
static const struct conf_disk_id left = {.serial = "      WD-WCAV12345  ", .model = "  WDC\0ignored", .bus = 1};
static const struct conf_disk_id full = {.serial = "ABCDEFGHIJKLMNOPQRST",
                                         .model = "0123456789012345678901234567890123456789"};
static const struct conf_disk_id blank = {.serial = "                    ", .port = 31};

static const struct {
    const char *match;
    const struct conf_disk_id *id;
    bool want;
} cases[] = {
    {"any", &qemu, true},
    {"any", &blank, true},
    {"serial:QM00001", &qemu, true},
    {"serial:  QM00001 ", &qemu, true},
    {"serial:QM0000", &qemu, false},
    {"serial:QM000012", &qemu, false},
    {"serial:qm00001", &qemu, false},
    {"serial:QM00001", &left, false},
    {"serial:QM00001", &blank, false},
    {"serial:WD-WCAV12345", &left, true},
    {"serial:ABCDEFGHIJKLMNOPQRST", &full, true},
    {"serial:ABCDEFGHIJKLMNOPQRS", &full, false},
    {"serial:0", &blank, false},
    {"model:QEMU HARDDISK", &qemu, true},
    {"model:QEMU  HARDDISK", &qemu, false},
    {"model:QM00001", &qemu, false},
    {"model:WDC", &left, true},
    {"model:0123456789012345678901234567890123456789", &full, true},
    {"pci:00:1f.2", &qemu, true},
    {"pci:0000:00:1F.2", &qemu, true},
    {"pci:01:1f.2", &qemu, false},
    {"pci:00:1e.2", &qemu, false},
    {"pci:00:1f.3", &qemu, false},
    {"pci:01:00.0", &left, true},
    {"port:3", &qemu, true},
    {"port:2", &qemu, false},
    {"port:31", &blank, true},
    {"port:0", &full, true},
};

Test(conf_disk, match) {
    static struct conf conf;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conf_error error;
        char text[128] = "[disk \"d\"]\nrange = 0..end clear\nmatch = ";
        strcat(text, cases[i].match);
        cr_assert_eq(parse_text(text, &conf, &error), 0, "case %zu: %s", i, error.message);
        cr_expect_eq(conf_disk_match(&conf.disk[0], cases[i].id), cases[i].want, "case %zu", i);
    }
}

Test(conf_disk, find_takes_the_first_section) {
    static struct conf conf;
    struct conf_error error;
    cr_assert_eq(parse_text("[disk \"a\"]\nmatch = port:31\nrange = 0..end deny\n"
                            "[disk \"b\"]\nmatch = pci:00:1f.2\nrange = 0..end deny\n"
                            "[disk \"c\"]\nmatch = serial:QM00001\nrange = 0..end deny\n"
                            "[disk \"d\"]\nmatch = model:WDC\nrange = 0..end deny\n",
                            &conf, &error),
                 0);
    cr_expect_eq(conf_disk_find(&conf, &qemu), 1);
    cr_expect_eq(conf_disk_find(&conf, &left), 3);
    cr_expect_eq(conf_disk_find(&conf, &blank), 0);
    cr_expect_eq(conf_disk_find(&conf, &full), -1);
    cr_assert_eq(parse_text("", &conf, &error), 0);
    cr_expect_eq(conf_disk_find(&conf, &qemu), -1);
}

Test(conf_wipe, leaves_nothing) {
    static struct conf conf;
    struct conf_error error;
    cr_assert_eq(parse_text("[disk \"a\"]\nmatch = any\nrange = 0..end encrypt:k\n" KEY_K, &conf, &error), 0);
    cr_assert_eq(conf.key[0].bytes[1], 0x11);
    conf_wipe(&conf);
    for (size_t i = 0; i < sizeof conf; i++) cr_assert_eq(((unsigned char *)&conf)[i], 0, "byte %zu", i);
}
