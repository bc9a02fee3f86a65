/* UTF-8 against the table of the standard, byte by byte; UTF-16 against every character there is. */
#include "text.h"

#include <conf/conf.h>
#include <criterion/criterion.h>

/* The Unicode Standard 15.0, table 3-7 "Well-Formed UTF-8 Byte Sequences": the ranges of the bytes that follow the
 * lead, n_more of them, of which only the first is ever restricted further than 80..BF. */
static const struct {
    uint8_t lead_min, lead_max, n_more, second_min, second_max;
} table_3_7[] = {
    {0x00, 0x7F, 0, 0x00, 0xFF}, {0xC2, 0xDF, 1, 0x80, 0xBF}, {0xE0, 0xE0, 2, 0xA0, 0xBF},
    {0xE1, 0xEC, 2, 0x80, 0xBF}, {0xED, 0xED, 2, 0x80, 0x9F}, {0xEE, 0xEF, 2, 0x80, 0xBF},
    {0xF0, 0xF0, 3, 0x90, 0xBF}, {0xF1, 0xF3, 3, 0x80, 0xBF}, {0xF4, 0xF4, 3, 0x80, 0x8F},
};

static size_t by_the_table(const uint8_t s[4], size_t n) {
    for (size_t i = 0; i < sizeof table_3_7 / sizeof table_3_7[0]; i++) {
        if (s[0] < table_3_7[i].lead_min || s[0] > table_3_7[i].lead_max) continue;
        size_t bytes = 1u + table_3_7[i].n_more;
        if (bytes == 1) return 1;
        if (n < bytes || s[1] < table_3_7[i].second_min || s[1] > table_3_7[i].second_max) return 0;
        for (size_t k = 2; k < bytes; k++)
            if (s[k] < 0x80 || s[k] > 0xBF) return 0;
        return bytes;
    }
    return 0;
}

Test(conf_utf8, every_lead_and_second_byte) {
    static const uint8_t later[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    for (unsigned pair = 0; pair < 65536; pair++)
        for (unsigned k = 0; k < 36; k++)
            for (size_t n = 1; n <= 4; n++) {
                const uint8_t s[4] = {(uint8_t)(pair >> 8), (uint8_t)pair, later[k / 6], later[k % 6]};
                uint32_t c;
                size_t got = conf_utf8((struct span){(const char *)s, n}, &c);
                cr_assert_eq(got, by_the_table(s, n), "%02x %02x %02x %02x, %zu bytes", s[0], s[1], s[2], s[3], n);
            }
}

/* Straight from table 3-6 "UTF-8 Bit Distribution". */
static size_t encode(uint32_t c, char *out) {
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xC0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)), out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63));
    return 4;
}

Test(conf_utf8, every_character_there_and_back) {
    for (uint32_t c = 1; c <= 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        char s[5] = {0};
        uint16_t units[3];
        uint32_t back;
        size_t n = encode(c, s);
        cr_assert_eq(conf_utf8((struct span){s, n}, &back), n, "U+%04X", c);
        cr_assert_eq(back, c, "U+%04X", c);

        size_t n_units = conf_utf16(s, units, 3);
        cr_assert_eq(n_units, c < 0x10000 ? 1u : 2u, "U+%04X", c);
        cr_assert_eq(units[n_units], 0);
        uint32_t from_units = n_units == 1 ? units[0] : 0x10000u + ((units[0] - 0xD800u) * 1024 + (units[1] - 0xDC00u));
        cr_assert_eq(from_units, c, "U+%04X", c);
    }
}

Test(conf_utf16, whole_characters_as_far_as_they_fit) {
    static const char text[] = "a\xE2\x82\xAC\xF0\x9F\x94\x92z"; /* a, euro, lock, z */
    static const uint16_t whole[] = {'a', 0x20AC, 0xD83D, 0xDD12, 'z'};
    static const size_t fits[] = {[1] = 0, [2] = 1, [3] = 2, [4] = 2, [5] = 4, [6] = 5, [7] = 5};
    for (size_t n = 1; n <= 7; n++) {
        uint16_t out[8];
        for (int i = 0; i < 8; i++) out[i] = 0xEEEE;
        cr_assert_eq(conf_utf16(text, out, n), fits[n], "n %zu", n);
        for (size_t i = 0; i < fits[n]; i++) cr_expect_eq(out[i], whole[i]);
        cr_expect_eq(out[fits[n]], 0);
        for (size_t i = n; i < 8; i++) cr_expect_eq(out[i], 0xEEEE, "n %zu, unit %zu", n, i);
    }
}

Test(conf_utf16, and_back) {
    uint16_t units[3];
    char back[5];
    for (uint32_t c = 1; c < 0x110000; c++) {
        size_t n = 0;
        if (c >= 0xD800 && c < 0xE000) continue;
        if (c >= 0x10000) units[n++] = (uint16_t)(0xD7C0 + (c >> 10));
        units[n] = (uint16_t)(c >= 0x10000 ? 0xDC00 | (c & 0x3FF) : c);
        units[n + 1] = 0;
        cr_assert(conf_utf8_from(units, 3, back, sizeof back));
        uint16_t again[3];
        cr_assert_eq(conf_utf16(back, again, 3), n + 1, "%x", c);
        cr_assert_arr_eq(again, units, (n + 2) * sizeof *units, "%x", c);
    }
}

Test(conf_utf16, back_from_anything) {
    static const uint16_t text[] = {'a', 0xDC00, 0xD800, 'b', 0x20AC, 0xD800};
    char out[16];
    cr_assert(conf_utf8_from(text, 6, out, sizeof out));
    cr_assert_str_eq(out, "a??b\xE2\x82\xAC?");
    cr_assert(conf_utf8_from(text, 6, out, 9));
    cr_assert_not(conf_utf8_from(text, 6, out, 8));
    cr_assert_str_eq(out, "a??b\xE2\x82\xAC");
    cr_assert_not(conf_utf8_from(text, 6, out, 7));
    cr_assert_str_eq(out, "a??b");
    cr_assert_not(conf_utf8_from(text, 6, out, 1));
    cr_assert_str_empty(out);
    cr_assert(conf_utf8_from(text, 0, out, 1));
    cr_assert_str_empty(out);
}
