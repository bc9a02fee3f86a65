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
