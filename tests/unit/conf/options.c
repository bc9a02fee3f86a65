/* Load options, as boot loaders hand them over. */
#include <conf/conf.h>
#include <criterion/criterion.h>
#include <string.h>

#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

Test(conf_options, values) {
    static const struct {
        const char *options, *name, *value; /* NULL: none */
    } rows[] = {
        {"", "conf", NULL},
        {"conf", "conf", NULL},
        {"conf=", "conf", ""},
        {"sekisho.efi conf=\\a\\b.conf", "conf", "\\a\\b.conf"},
        {"  conf=a\tx=y ", "conf", "a"},
        {"  conf=a\tx=y ", "x", "y"},
        {"conf=a conf=b", "conf", "a"},
        {"conf=a=b", "conf", "a=b"},
        {"xconf=a", "conf", NULL},
        {"conf =a", "conf", NULL},
        {"=a", "", "a"},
        {"http://h/x?conf=a", "conf", NULL},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = 99;
        const char *value = conf_option(rows[i].options, rows[i].name, &n);
        cr_assert_eq(value != NULL, rows[i].value != NULL, "row %u", i);
        if (value) cr_assert(n == strlen(rows[i].value) && !memcmp(value, rows[i].value, n), "row %u", i);
    }
}

Test(conf_options, checksums) {
    static const struct {
        const char *options;
        int result;
    } rows[] = {
        {"a.key=sha256:" DIGITS, 1},
        {"sekisho.efi x=y a.key=sha256:" DIGITS " z", 1},
        {"", 0},
        {"b.key=sha256:" DIGITS, 0},
        {"a.keys=sha256:" DIGITS, 0},
        {"a.key=" DIGITS, CONF_E_INVALID},
        {"a.key=sha256:", CONF_E_INVALID},
        {"a.key=", CONF_E_INVALID},
        {"a.key=sha256:" DIGITS "0", CONF_E_INVALID},
        {"a.key=sha256:0" DIGITS, CONF_E_INVALID},
        {"a.key=sha256:g" DIGITS, CONF_E_INVALID},
        {"a.key=sha512:" DIGITS, CONF_E_INVALID},
        {"a.key=sha256:000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1", CONF_E_INVALID},
        {"a.key=sha256:x00102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F", CONF_E_INVALID},
        {"a.key=sha256:000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1-", CONF_E_INVALID},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t sum[CONF_SHA256_BYTES] = {1};
        const char *why = NULL;
        cr_assert_eq(conf_option_sha256(rows[i].options, "a.key", sum, &why), rows[i].result, "row %u", i);
        cr_assert(rows[i].result >= 0 || why, "row %u", i);
        for (unsigned k = 0; k < sizeof sum && rows[i].result == 1; k++) cr_assert_eq(sum[k], k);
    }
}

Test(conf_options, a_checksum_of_what_is_not_read) {
    static struct conf conf;
    struct conf_error error;
    static const char text[] = "[disk \"a\"]\nmatch=any\nrange=0..9 encrypt:k\n[key \"k\"]\nsource=file:k.key\n";
    cr_assert_eq(conf_parse(text, sizeof text - 1, &conf, &error), 0);
    cr_assert_not(conf_option_stray("", "sekisho.conf", &conf));
    cr_assert_not(conf_option_stray("sekisho.efi conf=x on-error=return", "sekisho.conf", &conf));
    cr_assert_not(conf_option_stray("sekisho.conf=sha256:0 k.key=sha256:1", "sekisho.conf", &conf));
    cr_assert(conf_option_stray("k.kye=sha256:0", "sekisho.conf", &conf));
    cr_assert(conf_option_stray("x k=sha256:0", "sekisho.conf", &conf));
    cr_assert(conf_option_stray("=sha256:0", "sekisho.conf", &conf));
}
