/* What both applications are given, and what they make of it. */
#include <criterion/criterion.h>
#include <inputs.h>
#include <string.h>

/* sha256sum of these bytes, computed by Python */
#define EMPTY_SUM "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
static const char text[] = "[boot]\non-error = boot-unprotected\n[disk \"a\"]\nmatch=any\nrange=0..9 encrypt:k\n"
                           "[key \"k\"]\nsource=file:k.key\n";
#define TEXT_SUM "97fd87b2b39467df49a3d9ff95535ae20089f404ce4d187bf220020648c03eac"
static const char key[] = "0123456789abcdef0123456789ABCDEF";
#define KEY_SUM "f02ae380606c48d62288560c09fd0afa283407e69fd9898e034869321740aabf"

static struct conf conf;
static enum conf_on_error on_error;
static char message[SEKISHO_MESSAGE_MAX];

static bool take(const char *options, const char *t, size_t n) {
    memset(message, 0, sizeof message);
    bool good = inputs_conf(&conf, options, t, n, &on_error, message);
    cr_assert_eq(!good, message[0] != '\0', "a sentence if and only if it fails");
    return good;
}

Test(sekisho_inputs, without_a_checksum) {
    cr_assert(take("", text, sizeof text - 1));
    cr_assert_eq(on_error, CONF_BOOT_UNPROTECTED);
    cr_assert_eq(conf.n_keys, 1);
    cr_assert(take("", "", 0));
    cr_assert_not(take("", "[boot]\nnext\n", 12));
    cr_assert_eq(strncmp(message, "sekisho.conf:2: ", 16), 0, "%s", message);
}

Test(sekisho_inputs, with_its_checksum) {
    cr_assert(take("sekisho.efi sekisho.conf=sha256:" TEXT_SUM, text, sizeof text - 1));
    cr_assert(take("sekisho.conf=sha256:" EMPTY_SUM, "", 0));
    cr_assert(take("sekisho.conf=sha256:" TEXT_SUM " k.key=sha256:" KEY_SUM, text, sizeof text - 1));
}

Test(sekisho_inputs, a_wrong_checksum_stops_whatever_the_file_says) {
    static const char *const rows[] = {
        "sekisho.conf=sha256:" EMPTY_SUM, "sekisho.conf=sha256:" TEXT_SUM "0",
        "sekisho.conf=", "sekisho.conf=sha256:" TEXT_SUM " k.kye=sha256:" KEY_SUM, /* checks what is not read */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        on_error = CONF_BOOT_UNPROTECTED;
        cr_assert_not(take(rows[i], text, sizeof text - 1), "row %u", i);
        cr_assert_eq(on_error, CONF_STOP, "row %u", i);
        cr_assert_eq(strncmp(message, "sekisho.conf ", 13), 0, "%s", message);
    }
    cr_assert_not(take("sekisho.conf=sha256:" TEXT_SUM, text, sizeof text - 2));
}

Test(sekisho_inputs, a_wrong_text_tells_what_to_start_without_protection) {
    static const char wrong[] = "[boot]\nnext = \\a.efi\non-error = boot-unprotected\nx = y\n";
    cr_assert_not(take("", wrong, sizeof wrong - 1));
    cr_assert_eq(on_error, CONF_BOOT_UNPROTECTED);
    cr_assert_str_eq(conf.next, "\\a.efi");
}

Test(sekisho_inputs, checksums_switch_boot_unprotected_off) {
    static const char open_text[] = "[boot]\nnext = \\a.efi\non-error = boot-unprotected\n[disk \"a\"]\nmatch=any\n"
                                    "range=0..9 encrypt:k\n[key \"k\"]\nsource=file:k.key\n";
    cr_assert(take("", open_text, sizeof open_text - 1));
    cr_assert_eq(on_error, CONF_BOOT_UNPROTECTED);
    cr_assert(take("k.key=sha256:" EMPTY_SUM, open_text, sizeof open_text - 1));
    cr_assert_eq(on_error, CONF_STOP);
}

Test(sekisho_inputs, keys) {
    const char *why = NULL;
    cr_assert(take("", text, sizeof text - 1));
    cr_assert_not(inputs_key_in_text(&conf));
    cr_assert(inputs_key(&conf.key[0], "", key, 32, &why));
    cr_assert_arr_eq(conf.key[0].bytes, key, 32);
    cr_assert(inputs_key(&conf.key[0], "k.key=sha256:" KEY_SUM, key, 32, &why));
    cr_assert_not(inputs_key(&conf.key[0], "k.key=sha256:" EMPTY_SUM, key, 32, &why));
    cr_assert(strstr(why, "checksum"));
    cr_assert_not(inputs_key(&conf.key[0], "", key, 31, &why));
    cr_assert(strstr(why, "32 bytes"));
    conf.key[0].kind = CONF_KEY_HEX;
    cr_assert(inputs_key_in_text(&conf));
}

Test(sekisho_inputs, checksums_of_headers_and_key_files) {
    static const char luks[] = "[disk \"a\"]\nmatch=any\nrange=0..9 encrypt:k\n[key \"k\"]\nsource=luks:k.luks\n"
                               "unlock=keyfile:k.key\n";
    static const char options[] = "k.luks=sha256:" EMPTY_SUM " k.key=sha256:" KEY_SUM;
    const char *why = NULL;
    cr_assert(take(options, luks, sizeof luks - 1));
    cr_assert_not(inputs_key_in_text(&conf));
    cr_assert(inputs_file(options, "k.key", key, 32, &why));
    cr_assert(inputs_file(options, "another", key, 32, &why));
    cr_assert_not(inputs_file(options, "k.luks", key, 32, &why));
    cr_assert_str_eq(why, "does not have the checksum that the load options tell");
}
