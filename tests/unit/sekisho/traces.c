/* Typed characters in a firmware's memory. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <traces.h>

static struct traces t;
static uint8_t memory[8192], before[8192];

static void type(const char *text) {
    for (; *text; text++) traces_add(&t, (uint8_t)*text);
}

static void put(size_t at, const char *text, unsigned step) {
    for (; *text; text++, at += step) memory[at] = (uint8_t)*text;
}

static size_t wipe(void) {
    memcpy(before, memory, sizeof memory);
    return traces_wipe(&t, memory, sizeof memory);
}

/* Exactly these bytes have become zero. */
static void expect_wiped(size_t at, size_t n, unsigned step) {
    for (size_t i = 0; i < n; i++) before[at + i * step] = 0;
    cr_assert_arr_eq(memory, before, sizeof memory);
}

static void noise(unsigned seed) {
    srand(seed);
    for (size_t i = 0; i < sizeof memory; i++) memory[i] = (uint8_t)(rand() & 0x7f);
}

Test(traces, in_every_form) {
    static const struct {
        unsigned step;
        size_t at;
    } rows[] = {{1, 100}, {1, 101}, {2, 200}, {4, 402}, {4, 400}, {12, 1002}, {12, 8192 - 17 * 12 - 2}};
    type("correct horse 9!\r");
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(memory, 0, sizeof memory);
        put(rows[i].at, "correct horse 9!\r", rows[i].step);
        cr_assert_eq(wipe(), 17, "row %u", i);
        expect_wiped(rows[i].at, 17, rows[i].step);
        cr_assert_eq(wipe(), 0);
    }
}

Test(traces, nothing_else) {
    type("correct horse 9!\r");
    for (unsigned i = 0; i < 32; i++) {
        noise(i);
        cr_assert_eq(wipe(), 0);
        expect_wiped(0, 0, 1);
    }
    memset(memory, 0, sizeof memory);
    put(100, "correct", 1); /* a word, as any text may have it */
    put(200, "correct", 2);
    put(400, "cor", 4);
    cr_assert_eq(wipe(), 0);
    t.n_typed = 0;
    put(100, "correct horse 9!\r", 1);
    cr_assert_eq(wipe(), 0);
}

Test(traces, a_ring_that_went_round) {
    type("correct horse 9!\r");
    put(12 * 50 + 2, "rse 9!\r", 12);
    put(12 * 100 + 2, "correct ho", 12);
    cr_assert_eq(wipe(), 17);
    memset(before, 0, sizeof before);
    expect_wiped(0, 0, 1);
}

Test(traces, short_lines) {
    type("x1z9\rab\r");
    put(100, "x1z9\r", 1);
    put(200, "ab\r", 1);
    put(300, "1z9\r", 1); /* not from its start */
    cr_assert_eq(wipe(), 5);
    expect_wiped(100, 5, 1);
}

Test(traces, the_same_key_again_and_again) {
    type("        \r");
    put(100, "          ", 2); /* text that is empty */
    cr_assert_eq(wipe(), 0);
}

Test(traces, more_than_is_kept) {
    for (unsigned i = 0; i < TRACES_TYPED_MAX; i++) type("old");
    type("correct horse 9!\r");
    put(100, "correct horse 9!\r", 12);
    cr_assert_eq(wipe(), 17);
    expect_wiped(100, 17, 12);
}

Test(traces, at_the_end_of_memory) {
    type("correct horse 9!\r");
    for (size_t n = 0; n < 40; n++) {
        uint8_t *end = malloc(n + 1); /* the sanitizer looks behind it */
        for (size_t i = 0; i < n; i++) end[i] = i % 2 ? 0 : (uint8_t) "correct horse 9!\r"[i / 2 % 17];
        size_t whole = n / 2 < 17 ? n / 2 : 17;
        cr_assert_eq(traces_wipe(&t, end, n), whole < 8 ? 0 : whole, "%zu", n);
        free(end);
    }
}
