/* Text that grows, up to the end of its buffer. */
#include <conf/writer.h>
#include <criterion/criterion.h>
#include <string.h>

static void write_all(struct conf_writer *w) {
    conf_write(w, "a");
    conf_write_bytes(w, "bcd", 2);
    conf_write_decimal(w, 0);
    conf_write_decimal(w, UINT64_MAX);
    conf_write_quoted(w, "x\xc3\xb6\x1b\xf0\x9f\x94\x92", 8);
}

Test(conf_writer, cut_short_at_every_length) {
    static const char whole[] = "abc018446744073709551615\"x???\"";
    for (size_t n = 1; n < sizeof whole + 3; n++) {
        char out[64];
        memset(out, 'z', sizeof out);
        struct conf_writer w = conf_writer(out, n);
        cr_assert_str_eq(out, "");
        write_all(&w);
        size_t want = n < sizeof whole ? n - 1 : sizeof whole - 1;
        cr_assert(strlen(out) == want && w.n == want && memcmp(out, whole, want) == 0, "%s", out);
        cr_assert_eq(out[n], 'z');
    }
}
