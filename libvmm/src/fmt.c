/* see fmt.h */
#include "fmt.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct sink {
    char *out;
    size_t size, n;
};

static void put(struct sink *s, char c) {
    if (s->n + 1 < s->size) s->out[s->n++] = c;
}

static void put_padding(struct sink *s, char pad, size_t width, size_t n) {
    for (; width > n; n++) put(s, pad);
}

static void put_number(struct sink *s, bool negative, uint64_t v, unsigned base, unsigned width, char pad) {
    char digits[20];
    unsigned n = 0;
    do digits[n++] = "0123456789abcdef"[v % base];
    while (v /= base);
    if (pad == ' ') put_padding(s, ' ', width, n + negative);
    if (negative) put(s, '-');
    if (pad == '0') put_padding(s, '0', width, n + negative);
    while (n) put(s, digits[--n]);
}

static void put_string(struct sink *s, const char *p, unsigned width) {
    put_padding(s, ' ', width, strlen(p));
    while (*p) put(s, *p++);
}

static void put_signed(struct sink *s, int64_t v, unsigned width, char pad) {
    put_number(s, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, width, pad);
}

size_t vmm_vformat(char *out, size_t size, const char *fmt, va_list ap) {
    struct sink s = {out, size, 0};
    for (; *fmt; fmt++) {
        if (*fmt != '%') {
            put(&s, *fmt);
            continue;
        }
        const char *start = fmt++;
        char pad = *fmt == '0' ? '0' : ' ';
        unsigned width = 0;
        while (*fmt >= '0' && *fmt <= '9') width = (width * 10 + (unsigned)(*fmt++ - '0')) % 100;
        bool wide = *fmt == 'l';
        if (wide) fmt++;
        switch (*fmt) {
        case 's': put_string(&s, va_arg(ap, const char *), width); break;
        case 'c': put(&s, (char)va_arg(ap, int)); break;
        case 'd': put_signed(&s, wide ? va_arg(ap, long) : va_arg(ap, int), width, pad); break;
        case 'u': put_number(&s, false, wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 10, width, pad); break;
        case 'x': put_number(&s, false, wide ? va_arg(ap, unsigned long) : va_arg(ap, unsigned), 16, width, pad); break;
        case '%': put(&s, '%'); break;
        default: fmt = start; put(&s, '%');
        }
    }
    s.out[s.n] = 0;
    return s.n;
}
