/* Messages: see parser.h and conf_error_format in conf/conf.h. */
#include "parser.h"

#include <stdarg.h>
#include <conf/writer.h>

int conf_fail_at(struct parser *p, unsigned line, const char *template, ...) {
    struct conf_writer w = conf_writer(p->error->message, CONF_MESSAGE_MAX);
    struct span s;
    va_list args;
    va_start(args, template);
    for (const char *t = template; *t; t++) {
        switch (*t) {
        case '%':
            s = va_arg(args, struct span);
            conf_write_quoted(&w, s.p, s.n);
            break;
        case '$': conf_write(&w, va_arg(args, const char *)); break;
        case '#': conf_write_decimal(&w, va_arg(args, unsigned)); break;
        default: conf_write_bytes(&w, t, 1);
        }
    }
    va_end(args);
    p->error->line = line;
    return CONF_E_INVALID;
}

int conf_fail_value(struct parser *p, struct span value, const char *expected) {
    return conf_fail(p, "% is not a value for $, expected $", value, p->setting->name, expected);
}

void conf_error_format(const struct conf_error *error, const char *file, char *out, size_t n_out) {
    struct conf_writer w = conf_writer(out, n_out);
    conf_write(&w, file);
    conf_write(&w, ":");
    conf_write_decimal(&w, error->line);
    conf_write(&w, ": ");
    conf_write(&w, error->message);
}
