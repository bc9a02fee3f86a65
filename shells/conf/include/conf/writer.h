/* Text that grows in a buffer of the caller's, and is cut short at its end: messages and lines of the log. Always a C
 * string. Pure; any context; no allocation. */
#ifndef CONF_WRITER_H
#define CONF_WRITER_H

#include <stddef.h>
#include <stdint.h>

struct conf_writer {
    char *p;
    size_t n, n_max; /* without the NUL */
};

/* Of out [n_out], which is borrowed and empty then. MUST: n_out >= 1. */
struct conf_writer conf_writer(char *out, size_t n_out);

void conf_write(struct conf_writer *w, const char *string);
void conf_write_bytes(struct conf_writer *w, const char *p, size_t n);
void conf_write_decimal(struct conf_writer *w, uint64_t v);
/* Valid UTF-8 that others chose, in quotes: up to 40 characters, with "?" for all but printable ASCII. */
void conf_write_quoted(struct conf_writer *w, const char *utf8, size_t n_bytes);

#endif
