/* What the firmware's console gives for keys, as UTF-8. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <typed.h>

static struct typed t;
static char got[64];
static size_t n_got;

static void take(void) {
    for (int byte; (byte = typed_get(&t)) >= 0;) got[n_got++] = (char)byte;
    got[n_got] = '\0';
}

static void type(const uint16_t *c) {
    for (; *c; c++) {
        typed_put(&t, *c);
        take();
    }
}

static void wait_a_while(void) {
    for (unsigned i = 0; i < TYPED_IDLE; i++) typed_idle(&t);
    take();
}

Test(typed, keyboard) {
    type(u"a\r\x1b\x7f\u0100\u30d1\ufffdz");
    cr_assert_str_eq(got, "a\r\x1b\x7f\xc4\x80\xe3\x83\x91\xef\xbf\xbdz");
}

Test(typed, keyboard_with_latin_characters) {
    type(u"zw\u00f6lf \u00bf");
    cr_assert_str_eq(got, "zw\xc3\xb6lf \xc2\xbf");
    n_got = 0;
    type(u"gr\u00fc\u00df"); /* the last one might begin something */
    cr_assert_str_eq(got, "gr\xc3\xbc");
    type(u"e");
    cr_assert_str_eq(got, "gr\xc3\xbc\xc3\x9f"
                          "e");
    n_got = 0;
    type(u"\u00e4");
    for (unsigned i = 0; i < TYPED_IDLE - 1; i++) typed_idle(&t);
    take();
    cr_assert_eq(n_got, 0);
    wait_a_while();
    cr_assert_str_eq(got, "\xc3\xa4");
    type(u"\u00a7"); /* by itself */
    cr_assert_str_eq(got, "\xc3\xa4\xc2\xa7");
}

Test(typed, terminal_of_8_bits) {
    type(u"zw\u00c3\u00b6lf\u00e3\x83\x91\u00f0\x9f\x94\x91!");
    cr_assert_str_eq(got, "zw\xc3\xb6lf\xe3\x83\x91\xf0\x9f\x94\x91!");
    n_got = 0;
    type(u"\u00e3\x83x"); /* cut off */
    cr_assert_str_eq(got, "\xc3\xa3\xc2\x83x");
    n_got = 0;
    type(u"\u00e3\x83\u00c3\u00b6");
    cr_assert_str_eq(got, "\xc3\xa3\xc2\x83\xc3\xb6");
}

Test(typed, half_a_character) {
    type((const uint16_t[]){0xd83d, 0xdd11, 'a', 0});
    cr_assert_str_eq(got, "\xff\xff"
                          "a");
}

Test(typed, any) {
    srand(1);
    for (unsigned i = 0; i < 1000000; i++) {
        if (rand() % 3)
            typed_put(&t, (uint16_t)(rand() % 2 ? rand() : rand() & 0xff));
        else
            typed_idle(&t);
        n_got = 0;
        take();
        cr_assert(n_got <= sizeof t.byte && t.n_kept < 4);
    }
}
