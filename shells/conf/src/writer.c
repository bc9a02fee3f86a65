/* see conf/writer.h */
#include <conf/writer.h>
#include <string.h>

#define QUOTED_MAX 40u

struct conf_writer conf_writer(char *out, size_t n_out) {
    out[0] = '\0';
    return (struct conf_writer){out, 0, n_out - 1};
}

void conf_write_bytes(struct conf_writer *w, const char *p, size_t n) {
    if (n > w->n_max - w->n) n = w->n_max - w->n;
    memcpy(w->p + w->n, p, n);
    w->n += n;
    w->p[w->n] = '\0';
}

void conf_write(struct conf_writer *w, const char *string) { conf_write_bytes(w, string, strlen(string)); }

void conf_write_decimal(struct conf_writer *w, uint64_t v) {
    char digit[20];
    size_t at = sizeof digit;
    do digit[--at] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    conf_write_bytes(w, digit + at, sizeof digit - at);
}

/* As a console shows it that knows ASCII only. */
void conf_write_quoted(struct conf_writer *w, const char *utf8, size_t n_bytes) {
    size_t n_shown = 0;
    conf_write(w, "\"");
    for (const char *c = utf8; c < utf8 + n_bytes && n_shown <= QUOTED_MAX; c++) {
        if (((uint8_t)*c & 0xC0) == 0x80) continue; /* the rest of a character of several bytes */
        if (n_shown++ == QUOTED_MAX)
            conf_write(w, "...");
        else
            conf_write_bytes(w, *c >= 0x20 && *c < 0x7F ? c : "?", 1);
    }
    conf_write(w, "\"");
}
