/* What is typed at a passphrase's prompt, and what becomes of it. */
#include <criterion/criterion.h>
#include <prompt.h>
#include <stdlib.h>
#include <string.h>

static struct prompt p;
static int stars; /* on the screen */
static unsigned bells;
static enum prompt_state state;

static void take(struct prompt_echo e) {
    stars += e.stars;
    bells += e.bell;
    state = e.state;
    cr_assert(stars >= 0 && stars <= (int)PROMPT_STARS_MAX, "%d stars", stars);
}

static void type(const char *text) {
    for (; *text; text++) take(prompt_byte(&p, (uint8_t)*text));
}

static void holds(const char *text, int n_stars, unsigned n_bells) {
    cr_assert_eq(p.n_bytes, strlen(text), "%u bytes", p.n_bytes);
    cr_assert_eq(memcmp(p.text, text, p.n_bytes), 0);
    cr_assert_eq(stars, n_stars, "%d stars", stars);
    cr_assert_eq(bells, n_bells, "%u bells", bells);
}

Test(sekisho_prompt, ends_with_enter) {
    type("pass word");
    holds("pass word", 9, 0);
    cr_assert_eq(state, PROMPT_TYPING);
    type("\r");
    cr_assert_eq(state, PROMPT_ENTERED);
    holds("pass word", 9, 0);
    type("\n");
    cr_assert_eq(state, PROMPT_ENTERED);
}

Test(sekisho_prompt, nothing_is_no_passphrase) {
    type("\r\n");
    cr_assert_eq(state, PROMPT_TYPING);
    holds("", 0, 2);
}

Test(sekisho_prompt, takes_back_whole_characters) {
    type("a\xc3\xb6\xe3\x83\x91\xf0\x9f\x94\x91");
    holds("a\xc3\xb6\xe3\x83\x91\xf0\x9f\x94\x91", 4, 0);
    type("\x7f");
    holds("a\xc3\xb6\xe3\x83\x91", 3, 0);
    type("\b");
    holds("a\xc3\xb6", 2, 0);
    type("\b");
    holds("a", 1, 0);
    type("\b\b");
    holds("", 0, 1);
    type("abc\x15");
    holds("", 0, 1);
    type("\x15x");
    holds("x", 1, 1);
}

Test(sekisho_prompt, tab_hides_and_shows) {
    type("abc\t");
    holds("abc", 0, 0);
    type("d\be\xc3\xb6");
    holds("abce\xc3\xb6", 0, 0);
    type("\t");
    holds("abce\xc3\xb6", 5, 0);
}

Test(sekisho_prompt, escape_counts_when_nothing_follows) {
    type("ab\x1b");
    cr_assert_eq(state, PROMPT_TYPING);
    take(prompt_idle(&p));
    cr_assert_eq(state, PROMPT_GIVEN_UP);
}

Test(sekisho_prompt, function_keys_do_nothing) {
    static const char *const keys[] = {"\x1b[A", "\x1b[3~", "\x1bOP", "\x1b[1;5C", "\x1bx"};
    type("a");
    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        type(keys[i]);
        take(prompt_idle(&p));
        cr_assert_eq(state, PROMPT_TYPING, "key %u", i);
    }
    holds("a", 1, 0);
    type("\x1b[");
    take(prompt_idle(&p)); /* cut off */
    type("b");
    holds("ab", 2, 0);
}

Test(sekisho_prompt, what_is_no_text_is_refused) {
    static const char *const rows[] = {
        "\x01", "\x1f", "\x80", "\xbf", "\xc0", "\xc1", "\xf5", "\xff", /* never */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        type(rows[i]);
        holds("", 0, i + 1);
    }
    bells = 0;
    type("\xc3z"); /* cut off by what is good */
    holds("z", 1, 1);
    type("\xe3\x83\xc3\xb6");
    holds("z\xc3\xb6", 2, 2);
    type("\xe3\x83\b"); /* and by a control character, which counts */
    holds("z", 1, 2);
    type("\xc3\r");
    cr_assert_eq(state, PROMPT_ENTERED);
    holds("z", 1, 2);
}

/* Against a decoder that is written another way. */
static bool good_utf8(const uint8_t *s, unsigned n) {
    uint32_t c = n == 2   ? (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu)
                 : n == 3 ? (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu)
                          : (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu);
    for (unsigned i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return false;
    if (n == 2) return (s[0] & 0xe0) == 0xc0 && c >= 0x80;
    if (n == 3) return (s[0] & 0xf0) == 0xe0 && c >= 0x800 && (c < 0xd800 || c > 0xdfff);
    return (s[0] & 0xf8) == 0xf0 && c >= 0x10000 && c <= 0x10ffff;
}

Test(sekisho_prompt, knows_utf8) {
    srand(1);
    for (unsigned round = 0; round < 2000000; round++) {
        unsigned n = 2 + (unsigned)rand() % 3;
        uint8_t s[4] = {(uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | (rand() & (n == 2 ? 0x1f : 0x0f)))};
        for (unsigned i = 1; i < n; i++) s[i] = (uint8_t)(rand() % 8 ? 0x80 | (rand() & 0x3f) : rand() | 0x80);
        memset(&p, 0, sizeof p);
        for (unsigned i = 0; i < n; i++) (void)prompt_byte(&p, s[i]);
        bool whole = p.n_bytes == n && p.n_chars == 1;
        cr_assert_eq(whole, good_utf8(s, n), "%02x %02x %02x %02x of %u", s[0], s[1], s[2], s[3], n);
    }
}

Test(sekisho_prompt, what_does_not_fit_is_refused) {
    for (unsigned i = 0; i < 511; i++) type("a");
    type("\xc3\xb6");
    cr_assert_eq(p.n_bytes, 511);
    cr_assert_eq(bells, 2);
    type("z");
    cr_assert_eq(p.n_bytes, 512);
    type("z\xf0\x9f\x94\x91");
    cr_assert_eq(p.n_bytes, 512);
    cr_assert_eq(p.text[511], 'z');
    cr_assert_eq(bells, 2 + 5);
    for (unsigned i = 0; i < 512 - 32; i++) type("\b");
    cr_assert_eq(stars, 32);
    type("\b");
    cr_assert_eq(stars, 31);
}

Test(sekisho_prompt, any_bytes) {
    srand(2);
    for (unsigned i = 0; i < 1000000; i++) {
        take(rand() % 100 ? prompt_byte(&p, (uint8_t)(rand() % 4 ? rand() : rand() & 0x1f)) : prompt_idle(&p));
        cr_assert(p.n_bytes + p.n_begun <= PROMPT_BYTES_MAX && p.n_chars <= p.n_bytes);
    }
}

Test(sekisho_prompt, waits_longer_each_time) {
    static const unsigned seconds[] = {0, 1, 2, 4, 8, 16};
    for (unsigned i = 0; i <= PROMPT_TRIES; i++) cr_assert_eq(prompt_delay_seconds(i), seconds[i]);
}
