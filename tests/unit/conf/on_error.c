/* What happens after a failed parse: boot unprotected only where the person clearly wrote so. */
#include "conf_test.h"

#include <criterion/criterion.h>

#define BOOT "boot-unprotected"

static const struct {
    const char *text;
    enum conf_on_error want;
} cases[] = {
    {"", CONF_STOP},
    {"[boot]\non-error = " BOOT, CONF_BOOT_UNPROTECTED},
    {"\xEF\xBB\xBF[boot]\r\non-error=" BOOT " # why not\r\n", CONF_BOOT_UNPROTECTED},
    {"rubbish\n\x01\xFF\n[disk]\n[boot]\nnxt = 1\non-error = " BOOT "\n[", CONF_BOOT_UNPROTECTED},
    {"[boot]\non-error = " BOOT "\n[boot]\non-error = " BOOT, CONF_BOOT_UNPROTECTED},
    {"[disk \"a\"]\non-error = stop\n[boot]\non-error = " BOOT, CONF_BOOT_UNPROTECTED},

    {"on-error = " BOOT, CONF_STOP},
    {"[boot\non-error = " BOOT, CONF_STOP},
    {"[boot \"a\"]\non-error = " BOOT, CONF_STOP},
    {"[boot]\n[disk \"a\"]\non-error = " BOOT, CONF_STOP},
    {"[boot]\n[broken\non-error = " BOOT, CONF_STOP},
    {"[boot]\non-error = stop", CONF_STOP},
    {"[boot]\non-error = ", CONF_STOP},
    {"[boot]\non-error " BOOT, CONF_STOP},
    {"[boot]\non-error = " BOOT " or stop", CONF_STOP},
    {"[boot]\non-error = Boot-unprotected", CONF_STOP},
    {"[boot]\nonerror = " BOOT, CONF_STOP},
    {"[boot]\n# on-error = " BOOT, CONF_STOP},
    {"[boot]\nnext = \\a # on-error = " BOOT, CONF_STOP},
    {"[boot]\non-error = " BOOT "\non-error = stop", CONF_STOP},
    {"[boot]\non-error = stop\non-error = " BOOT, CONF_STOP},
    {"[boot]\ron-error = " BOOT, CONF_STOP},
};

Test(conf_on_error, table) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(conf_on_error(cases[i].text, strlen(cases[i].text)), cases[i].want, "case %zu", i);
}

Test(conf_on_error, line_of_any_length) {
    static char text[5000];
    memset(text, 'x', sizeof text);
    static const char end[] = "\n[boot]\non-error=" BOOT;
    memcpy(text + sizeof text - (sizeof end - 1), end, sizeof end - 1);
    cr_expect_eq(conf_on_error(text, sizeof text), CONF_BOOT_UNPROTECTED);
    cr_expect_eq(conf_on_error(text, sizeof text - 1), CONF_STOP);
}

static void rescued(const char *text, const char *next, const char *options) {
    static struct conf conf;
    memset(&conf, 0xaa, sizeof conf);
    conf_rescue_next(text, strlen(text), &conf);
    cr_assert_str_eq(conf.next, next, "in: %s", text);
    cr_assert_str_eq(conf.next_options, options, "in: %s", text);
    cr_assert_eq(conf.n_disks, 0xaa);
}

Test(conf_rescue_next, finds_what_to_start_in_a_broken_file) {
    rescued("", "", "");
    rescued("[boot]\nnext = \\a.efi\n[disk \"x\"]\nrubbish\n", "\\a.efi", "");
    rescued("[boot]\nnext = \\a.efi # first\nnext-options = quiet root=/dev/sda2\nwhat = ever\n", "\\a.efi",
            "quiet root=/dev/sda2");
    rescued("next = \\a.efi\n[disk \"x\"]\nnext = \\b.efi\n", "", "");
    rescued("[boot]\nnext = \\a.efi\n[boot]\nnext = \\b.efi\n", "\\b.efi", "");
    rescued("[boot]\nnext =\nnext = \n", "", "");
    static char long_line[3000] = "[boot]\nnext-options = ";
    memset(long_line + strlen(long_line), 'x', 2000);
    rescued(long_line, "", "");
    rescued("[boot]\nnext = \\a\x01.efi\n", "", "");
}

Test(conf_rescue_next, finds_the_drive) {
    static const struct {
        const char *text;
        uint8_t drive;
    } rows[] = {{"", 0x80},
                {"[boot]\nrubbish\ndrive = hd1\n", 0x81},
                {"[boot]\ndrive = cd0\n[disk]\ndrive = hd3\n", 0xe0},
                {"[boot]\ndrive = hd1\ndrive = fd0\n", 0x80}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conf conf;
        memset(&conf, 0xA5, sizeof conf);
        conf_rescue_next(rows[i].text, strlen(rows[i].text), &conf);
        cr_expect_eq(conf.drive, rows[i].drive, "row %zu", i);
    }
}
