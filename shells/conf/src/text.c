/* see text.h */
#include "text.h"

#include <string.h>
#include <conf/conf.h>

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct span drop(struct span s, size_t n) { return (struct span){s.p + n, s.n - n}; }

struct span conf_span(const char *string) {
    return (struct span){string, strlen(string)};
}

bool conf_span_skip(struct span *s, const char *prefix) {
    size_t n = strlen(prefix);
    if (s->n < n || memcmp(s->p, prefix, n) != 0) return false;
    *s = drop(*s, n);
    return true;
}

bool conf_span_is(struct span s, const char *string) { return conf_span_skip(&s, string) && s.n == 0; }

struct span conf_span_trim(struct span s) {
    while (s.n > 0 && is_blank(s.p[0])) s = drop(s, 1);
    while (s.n > 0 && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

struct span conf_span_word(struct span *s) {
    struct span word = {s->p, 0};
    while (word.n < s->n && !is_blank(s->p[word.n])) word.n++;
    *s = conf_span_trim(drop(*s, word.n));
    return word;
}

bool conf_span_split(struct span *s, const char *separator, struct span *out_before) {
    for (size_t i = 0; i < s->n; i++) {
        struct span rest = drop(*s, i);
        if (!conf_span_skip(&rest, separator)) continue;
        *out_before = (struct span){s->p, i};
        *s = rest;
        return true;
    }
    return false;
}

void conf_span_copy(struct span s, char *out) {
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
}

struct span conf_text_line(struct span *text) {
    struct span line = *text;
    if (conf_span_split(text, "\n", &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r') line.n--;
    } else {
        text->n = 0;
    }
    return line;
}

void conf_text_skip_bom(struct span *text) { (void)conf_span_skip(text, "\xEF\xBB\xBF"); }

struct span conf_line_content(struct span line) {
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == '#' && (i == 0 || is_blank(line.p[i - 1]))) line.n = i;
    return conf_span_trim(line);
}

/* Source: The Unicode Standard 15.0, 3.9 "Unicode Encoding Forms", definition D92 and table 3-6 "UTF-8 Bit
 * Distribution": no form longer than needed, no surrogate, nothing above U+10FFFF. */
size_t conf_utf8(struct span s, uint32_t *out) {
    static const uint32_t least[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
    uint8_t lead = (uint8_t)s.p[0];
    *out = lead;
    if (lead < 0x80) return 1;

    size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC0 || lead > 0xF7 || s.n < n) return 0;
    uint32_t c = lead & 0x7Fu >> n;
    for (size_t i = 1; i < n; i++) {
        uint8_t next = (uint8_t)s.p[i];
        if ((next & 0xC0) != 0x80) return 0;
        c = c << 6 | (next & 0x3F);
    }
    *out = c;
    return c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : n;
}

size_t conf_utf16(const char *utf8, uint16_t *out, size_t n_out) {
    size_t n = 0, n_bytes;
    uint32_t c;
    for (struct span s = conf_span(utf8); s.n > 0; s = drop(s, n_bytes)) {
        n_bytes = conf_utf8(s, &c);
        if (n_bytes == 0 || n + (n_bytes == 4 ? 2 : 1) >= n_out) break;
        if (n_bytes == 4) out[n++] = (uint16_t)(0xD800 + ((c - 0x10000) >> 10));
        out[n++] = (uint16_t)(n_bytes == 4 ? 0xDC00 + (c & 0x3FF) : c);
    }
    out[n] = 0;
    return n;
}

enum conf_number conf_number(struct span s, uint64_t max, uint64_t *out) {
    uint64_t value = 0;
    bool too_large = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return CONF_NUMBER_BAD;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (value > (max - digit) / 10) too_large = true;
        if (!too_large) value = value * 10 + digit;
    }
    if (too_large) return CONF_NUMBER_TOO_LARGE;
    *out = value;
    return s.n > 0 ? CONF_NUMBER_OK : CONF_NUMBER_BAD;
}

int conf_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* The character at *i, which moves behind it. */
static uint32_t utf16_next(const uint16_t *utf16, size_t n_units, size_t *i) {
    uint32_t c = utf16[(*i)++];
    if (c < 0xD800 || c > 0xDFFF) return c;
    if (c > 0xDBFF || *i == n_units || (utf16[*i] & 0xFC00) != 0xDC00) return '?';
    return 0x10000 + ((c & 0x3FF) << 10 | (utf16[(*i)++] & 0x3FFu));
}

bool conf_utf8_from(const uint16_t *utf16, size_t n_units, char *out, size_t n_out) {
    size_t n = 0;
    for (size_t i = 0; i < n_units && utf16[i];) {
        uint32_t c = utf16_next(utf16, n_units, &i);
        unsigned n_more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        if (n + n_more + 1 >= n_out) {
            out[n] = '\0';
            return false;
        }
        out[n++] = (char)(n_more ? 0xFF00 >> (n_more + 1) | c >> 6 * n_more : c);
        while (n_more-- > 0) out[n++] = (char)(0x80 | (c >> 6 * n_more & 0x3F));
    }
    out[n] = '\0';
    return true;
}
