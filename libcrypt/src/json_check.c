/* Is it JSON at all? See json.h */
#include "json.h"

#include <string.h>

struct level {
    struct json open; /* from the bracket that opens it */
    unsigned n_members;
};

struct checker {
    struct json rest;
    unsigned depth;
    struct level level[CRYPT_JSON_DEPTH_MAX];
    const char *why;
};

static bool wrong(struct checker *c, const char *why) {
    c->why = why;
    return false;
}

static bool peek(const struct checker *c, char what) { return c->rest.n > 0 && c->rest.p[0] == what; }

static void drop(struct checker *c, size_t n) {
    c->rest.p += n;
    c->rest.n -= n;
}

static bool take(struct checker *c, char what) {
    if (!peek(c, what)) return false;
    drop(c, 1);
    return true;
}

static bool take_one(struct checker *c, const char *set) {
    for (; *set; set++)
        if (take(c, *set)) return true;
    return false;
}

static size_t take_all(struct checker *c, const char *set) {
    size_t n = 0;
    while (take_one(c, set)) n++;
    return n;
}

static void skip_blanks(struct checker *c) { (void)take_all(c, " \t\n\r"); }

#define DIGITS "0123456789"

/* RFC 8259, 7 "Strings". */
static bool check_escape(struct checker *c) {
    if (!take(c, 'u')) return take_one(c, "\"\\/bfnrt");
    for (unsigned i = 0; i < 4; i++)
        if (!take_one(c, DIGITS "abcdefABCDEF")) return false;
    return true;
}

static bool check_string(struct checker *c, bool escapes) {
    if (!take(c, '"')) return false;
    while (!take(c, '"')) {
        if (c->rest.n == 0 || (unsigned char)c->rest.p[0] < 0x20) return false;
        bool escape = peek(c, '\\');
        drop(c, 1);
        if (escape && (!escapes || !check_escape(c))) return false;
    }
    return true;
}

/* RFC 8259, 6 "Numbers". */
static bool check_number(struct checker *c) {
    (void)take(c, '-');
    if (!take(c, '0') && take_all(c, DIGITS) == 0) return false;
    if (take(c, '.') && take_all(c, DIGITS) == 0) return false;
    if (!take_one(c, "eE")) return true;
    (void)take_one(c, "+-");
    return take_all(c, DIGITS) > 0;
}

static bool check_word(struct checker *c, const char *word) {
    size_t n = strlen(word);
    if (c->rest.n < n || memcmp(c->rest.p, word, n) != 0) return false;
    drop(c, n);
    return true;
}

static bool check_scalar(struct checker *c) {
    if (peek(c, '"')) return check_string(c, true);
    return check_word(c, "true") || check_word(c, "false") || check_word(c, "null") || check_number(c);
}

/* A member's name and colon, in the innermost object. */
static bool check_name(struct checker *c) {
    struct level *in = &c->level[c->depth - 1];
    skip_blanks(c);
    struct json name = {c->rest.p, 0}, at, value;
    if (!check_string(c, false)) return false;
    name.n = (size_t)(c->rest.p - name.p);
    if (in->n_members++ == CRYPT_JSON_MEMBERS_MAX)
        return wrong(c, "an object in the LUKS2 header has too many members");

    struct json before = {in->open.p, (size_t)(name.p - in->open.p)};
    while (crypt_json_next(&before, &at, &value))
        if (at.n == name.n && memcmp(at.p, name.p, name.n) == 0)
            return wrong(c, "an object in the LUKS2 header has two members of the same name");
    skip_blanks(c);
    return take(c, ':');
}

static bool open_level(struct checker *c) {
    if (c->depth == CRYPT_JSON_DEPTH_MAX) return wrong(c, "the objects in the LUKS2 header are nested too deeply");
    c->level[c->depth++] = (struct level){c->rest, 0};
    drop(c, 1);
    skip_blanks(c);
    return true;
}

static bool in_object(const struct checker *c) { return crypt_json_is_object(c->level[c->depth - 1].open); }

static bool close_level(struct checker *c) {
    if (!take(c, in_object(c) ? '}' : ']')) return false;
    c->depth--;
    return true;
}

/* From the start of a value to that of the next one, or to the end of all: then the depth is 0. */
static bool check_value(struct checker *c) {
    skip_blanks(c);
    if (peek(c, '{') || peek(c, '[')) {
        if (!open_level(c)) return false;
        if (!close_level(c)) return !in_object(c) || check_name(c);
    } else if (!check_scalar(c)) {
        return false;
    }
    while (c->depth > 0) {
        skip_blanks(c);
        if (take(c, ',')) return !in_object(c) || check_name(c);
        if (!close_level(c)) return false;
    }
    return true;
}

bool crypt_json_check(struct json text, struct json *out, const char **out_why) {
    struct checker c = {.rest = text, .why = "the metadata in the LUKS2 header is not JSON"};
    bool ok = text.n <= CRYPT_JSON_TEXT_MAX || wrong(&c, "the metadata in the LUKS2 header is too long");
    skip_blanks(&c);
    out->p = c.rest.p;
    ok = ok && peek(&c, '{');
    if (ok) do
            ok = check_value(&c);
        while (ok && c.depth > 0);
    out->n = (size_t)(c.rest.p - out->p);
    skip_blanks(&c);
    if (!ok || c.rest.n > 0) *out_why = c.why;
    return ok && c.rest.n == 0;
}
