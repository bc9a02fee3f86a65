/* The formatter against the C library's, over everything both know. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fmt.h"

static size_t format(char *out, size_t size, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    size_t n = vmm_vformat(out, size, fmt, ap);
    va_end(ap);
    return n;
}

static unsigned long random_number(void) {
    unsigned long v = 0;
    for (unsigned i = 0; i < 4; i++) v = v << 16 ^ (unsigned long)rand();
    return v >> (rand() % 64);
}

/* One directive with random flags, and its argument, to both. */
static void compare_one(size_t size) {
    static const char *const kinds[] = {"d", "u", "x", "ld", "lu", "lx"};
    char fmt[32], ours[128], theirs[128];
    const char *kind = kinds[rand() % 6];
    const char *zero = rand() % 2 ? "0" : "";
    char width[4] = "";
    if (rand() % 3) snprintf(width, sizeof width, "%d", 1 + rand() % 40);
    snprintf(fmt, sizeof fmt, "<%%%s%s%s>", width[0] ? zero : "", width, kind);
    unsigned long v = rand() % 8 ? random_number() : 0UL - random_number();
    size_t n;
    if (kind[0] == 'l') {
        n = format(ours, size, fmt, v);
        snprintf(theirs, size, fmt, v);
    } else {
        n = format(ours, size, fmt, (unsigned)v);
        snprintf(theirs, size, fmt, (unsigned)v);
    }
    cr_assert_str_eq(ours, theirs, "%s of %lx in %zu: '%s', not '%s'", fmt, v, size, ours, theirs);
    cr_assert_eq(n, strlen(ours));
}

Test(vmm_fmt, numbers_as_the_c_library_prints_them) {
    srand(1);
    for (unsigned i = 0; i < 200000; i++) compare_one(128);
}

Test(vmm_fmt, cut_where_the_c_library_cuts) {
    srand(2);
    for (unsigned i = 0; i < 50000; i++) compare_one(1 + (size_t)rand() % 30);
}

Test(vmm_fmt, everything_else) {
    static const struct {
        const char *fmt, *text;
    } rows[] = {
        {"%s", "abc"},    {"%%", "%"},      {"a%sb%%", "aabcb%"}, {"%5s|", "  abc|"}, {"%2s|", "abc|"},
        {"", ""},         {"%", "%"},       {"%q", "%q"},         {"%5q", "%5q"},     {"%l", "%l"},
        {"100%", "100%"}, {"%-3s", "%-3s"}, {"%.2s", "%.2s"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[32];
        size_t n = format(out, sizeof out, rows[i].fmt, "abc");
        cr_assert_str_eq(out, rows[i].text, "%s", rows[i].fmt);
        cr_assert_eq(n, strlen(rows[i].text));
    }
    char out[8];
    cr_assert_eq(format(out, sizeof out, "%c%c", 'x', 'y'), 2);
    cr_assert_str_eq(out, "xy");
}

Test(vmm_fmt, never_past_the_end) {
    for (size_t size = 1; size < 20; size++) {
        char *out = malloc(size); /* of exactly this size: the sanitizer looks */
        size_t n = format(out, size, "%s %08x", "0123456789", 0x12345678u);
        cr_assert_eq(n, size - 1 < 19 ? size - 1 : 19);
        cr_assert_eq(out[n], 0);
        cr_assert_eq(memcmp(out, "0123456789 12345678", n), 0);
        free(out);
    }
}
