/* Finding values in a checked text: see json.h */
#include "json.h"

#include <string.h>

bool crypt_json_is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void drop(struct json *s, size_t n) {
    s->p += n;
    s->n -= n;
}

static void skip_blanks(struct json *s) {
    while (s->n > 0 && crypt_json_is_blank(s->p[0])) drop(s, 1);
}

/* Length of the string s begins with, both quotes included. */
static size_t string_length(struct json s) {
    size_t n = 1;
    while (n < s.n && s.p[n] != '"') n += s.p[n] == '\\' ? 2 : 1;
    return n + 1 < s.n ? n + 1 : s.n;
}

static size_t container_length(struct json s) {
    size_t n = 0, depth = 0;
    while (n < s.n) {
        char c = s.p[n];
        if (c == '"') {
            n += string_length((struct json){s.p + n, s.n - n});
            continue;
        }
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') depth--;
        n++;
        if (depth == 0) break;
    }
    return n;
}

static size_t value_length(struct json s) {
    if (s.n > 0 && s.p[0] == '"') return string_length(s);
    if (crypt_json_is_object(s) || crypt_json_is_array(s)) return container_length(s);
    size_t n = 0;
    while (n < s.n && !crypt_json_is_blank(s.p[n]) && s.p[n] != ',' && s.p[n] != '}' && s.p[n] != ']') n++;
    return n;
}

static struct json take(struct json *rest, size_t n) {
    struct json taken = {rest->p, n};
    drop(rest, n);
    skip_blanks(rest);
    return taken;
}

bool crypt_json_is_object(struct json v) { return v.n > 0 && v.p[0] == '{'; }

bool crypt_json_is_array(struct json v) { return v.n > 0 && v.p[0] == '['; }

bool crypt_json_is(struct json v, const char *string) {
    size_t n = strlen(string);
    return v.n == n + 2 && v.p[0] == '"' && memcmp(v.p + 1, string, n) == 0;
}

/* What remains begins with the bracket that opens, a comma, or the bracket that closes. */
bool crypt_json_next(struct json *rest, struct json *name, struct json *value) {
    if (rest->n == 0) return false;
    (void)take(rest, 1);
    if (rest->n == 0 || rest->p[0] == '}' || rest->p[0] == ']') return false;
    if (name) {
        *name = take(rest, string_length(*rest));
        (void)take(rest, rest->n > 0); /* the colon */
    }
    *value = take(rest, value_length(*rest));
    return true;
}

bool crypt_json_member(struct json v, const char *name, struct json *out) {
    struct json at;
    if (!crypt_json_is_object(v)) return false;
    while (crypt_json_next(&v, &at, out))
        if (crypt_json_is(at, name)) return true;
    return false;
}

bool crypt_json_object(struct json v, const char *name, struct json *out) {
    return crypt_json_member(v, name, out) && crypt_json_is_object(*out);
}

bool crypt_json_array(struct json v, const char *name, struct json *out) {
    return crypt_json_member(v, name, out) && crypt_json_is_array(*out);
}

bool crypt_json_element(struct json v, const char *string, struct json *out) {
    while (crypt_json_next(&v, NULL, out))
        if (crypt_json_is(*out, string)) return true;
    return false;
}

bool crypt_json_number(struct json v, uint64_t max, uint64_t *out) {
    uint64_t value = 0;
    if (v.n == 0 || (v.n > 1 && v.p[0] == '0')) return false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9') return false;
        uint64_t digit = (uint64_t)(v.p[i] - '0');
        if (digit > max || value > (max - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool crypt_json_number_text(struct json v, uint64_t max, uint64_t *out) {
    return v.n > 2 && v.p[0] == '"' && crypt_json_number((struct json){v.p + 1, v.n - 2}, max, out);
}

bool crypt_json_member_u32(struct json v, const char *name, uint32_t *out) {
    struct json number;
    uint64_t wide;
    if (!crypt_json_member(v, name, &number) || !crypt_json_number(number, UINT32_MAX, &wide)) return false;
    *out = (uint32_t)wide;
    return true;
}

bool crypt_json_member_u64_text(struct json v, const char *name, uint64_t *out) {
    struct json text;
    return crypt_json_member(v, name, &text) && crypt_json_number_text(text, UINT64_MAX, out);
}

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Old writers escape each "/", as JSON allows. */
bool crypt_json_base64(struct json v, uint8_t *out, size_t n_max, size_t *out_n) {
    uint32_t bits = 0;
    size_t n = 0, n_digits = 0, n_padding = 0;
    if (v.n < 2 || v.p[0] != '"') return false;
    for (size_t i = 1; i < v.n - 1; i++) {
        if (v.p[i] == '\\' && v.p[i + 1] == '/') continue;
        if (v.p[i] == '=') {
            n_padding++;
            continue;
        }
        int digit = base64_digit(v.p[i]);
        if (digit < 0 || n_padding > 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        if (n_digits++ % 4 == 0) continue;
        if (n == n_max) return false;
        out[n++] = (uint8_t)(bits >> (6 - 2 * ((n_digits - 1) % 4)));
    }
    *out_n = n;
    return n > 0 && n_digits % 4 != 1 && n_padding == (4 - n_digits % 4) % 4;
}
