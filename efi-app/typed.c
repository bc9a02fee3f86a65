/* see typed.h */
#include "typed.h"

#include <string.h>

static void put_byte(struct typed *t, unsigned byte) { t->byte[t->n_bytes++] = (uint8_t)byte; }

static void put_character(struct typed *t, uint16_t c) {
    if (c >= 0xd800 && c <= 0xdfff) {
        put_byte(t, 0xff);
    } else if (c < 0x80) {
        put_byte(t, c);
    } else if (c < 0x800) {
        put_byte(t, 0xc0u | c >> 6);
        put_byte(t, 0x80u | (c & 0x3f));
    } else {
        put_byte(t, 0xe0u | c >> 12);
        put_byte(t, 0x80u | (c >> 6 & 0x3f));
        put_byte(t, 0x80u | (c & 0x3f));
    }
}

static void characters_after_all(struct typed *t) {
    for (unsigned i = 0; i < t->n_kept; i++) put_character(t, t->kept[i]);
    t->n_kept = 0;
}

void typed_put(struct typed *t, uint16_t c) {
    t->n_idle = 0;
    if (t->n_kept > 0 && (c < 0x80 || c > 0xbf)) characters_after_all(t);
    if (t->n_kept == 0 && (c < 0xc2 || c > 0xf4)) {
        put_character(t, c);
        return;
    }
    if (t->n_kept == 0) t->n_wanted = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    t->kept[t->n_kept++] = (uint8_t)c;
    if (t->n_kept < t->n_wanted) return;
    for (unsigned i = 0; i < t->n_kept; i++) put_byte(t, t->kept[i]);
    t->n_kept = 0;
}

void typed_idle(struct typed *t) {
    if (t->n_kept > 0 && ++t->n_idle >= TYPED_IDLE) characters_after_all(t);
}

int typed_get(struct typed *t) {
    if (t->n_bytes == 0) return -1;
    int byte = t->byte[0];
    memmove(t->byte, t->byte + 1, --t->n_bytes);
    t->byte[t->n_bytes] = 0;
    return byte;
}
