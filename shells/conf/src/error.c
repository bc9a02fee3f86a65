/* Messages: see parser.h and conf_error_format in conf/conf.h. */
#include "parser.h"

#include <stdarg.h>
#include <string.h>

#define QUOTED_MAX 40u /* characters of the file's own words in a message */

/* Text that grows in a buffer, and is cut short at its end. */
struct writer {
    char *p;
    size_t n, n_max;
};

static void put(struct writer *w, struct span s) {
    size_t n = s.n < w->n_max - w->n ? s.n : w->n_max - w->n;
    memcpy(w->p + w->n, s.p, n);
    w->n += n;
}

static void put_decimal(struct writer *w, unsigned n) {
    char digit[10];
    size_t at = sizeof digit;
    do digit[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    put(w, (struct span){digit + at, sizeof digit - at});
}

/* Each character of valid UTF-8 as a console shows it that knows ASCII only. */
static void put_quoted(struct writer *w, struct span s) {
    size_t n_shown = 0;
    put(w, conf_span("\""));
    for (const char *c = s.p; c < s.p + s.n && n_shown <= QUOTED_MAX; c++) {
        if (((uint8_t)*c & 0xC0) == 0x80) continue; /* the rest of a character of several bytes */
        if (n_shown++ == QUOTED_MAX)
            put(w, conf_span("..."));
        else
            put(w, *c >= 0x20 && *c < 0x7F ? (struct span){c, 1} : conf_span("?"));
    }
    put(w, conf_span("\""));
}

int conf_fail_at(struct parser *p, unsigned line, const char *template, ...) {
    struct writer w = {p->error->message, 0, CONF_MESSAGE_MAX - 1};
    va_list args;
    va_start(args, template);
    for (const char *t = template; *t; t++) {
        switch (*t) {
        case '%': put_quoted(&w, va_arg(args, struct span)); break;
        case '$': put(&w, conf_span(va_arg(args, const char *))); break;
        case '#': put_decimal(&w, va_arg(args, unsigned)); break;
        default: put(&w, (struct span){t, 1});
        }
    }
    va_end(args);
    w.p[w.n] = '\0';
    p->error->line = line;
    return CONF_E_INVALID;
}

int conf_fail_value(struct parser *p, struct span value, const char *expected) {
    return conf_fail(p, "% is not a value for $, expected $", value, p->setting->name, expected);
}

void conf_error_format(const struct conf_error *error, const char *file, char *out, size_t n_out) {
    struct writer w = {out, 0, n_out - 1};
    put(&w, conf_span(file));
    put(&w, conf_span(":"));
    put_decimal(&w, error->line);
    put(&w, conf_span(": "));
    put(&w, conf_span(error->message));
    w.p[w.n] = '\0';
}
