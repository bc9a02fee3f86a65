/* see traces.h */
#include "traces.h"

#include <stdbool.h>
#include <string.h>

#define KEY_DATA_BYTES  12u /* EFI_KEY_DATA: scan code, character, 8 bytes of state */
#define INPUT_KEY_BYTES 4u  /* EFI_INPUT_KEY: scan code, character */
#define LINE_MIN        5u  /* a line as short as that, with its Enter */
#define MANY            8u
#define MANY_KEYS       4u

static const struct form {
    unsigned step, width, min;
} forms[] = {{1, 1, MANY}, {2, 2, MANY}, {INPUT_KEY_BYTES, 2, MANY_KEYS}, {KEY_DATA_BYTES, 2, MANY_KEYS}};

void traces_add(struct traces *t, uint16_t character) { t->typed[t->n_typed++ % TRACES_TYPED_MAX] = character; }

static size_t n_kept(const struct traces *t) { return t->n_typed < TRACES_TYPED_MAX ? t->n_typed : TRACES_TYPED_MAX; }

/* The ith of those kept, from the oldest. */
static uint16_t kept(const struct traces *t, size_t i) {
    return t->typed[(t->n_typed - n_kept(t) + i) % TRACES_TYPED_MAX];
}

static uint16_t value_at(const uint8_t *at, unsigned width) {
    return (uint16_t)(width == 1 ? at[0] : at[0] | at[1] << 8);
}

/* How many characters from the ith on lie in memory from at on. */
static size_t run_at(const struct traces *t, size_t i, const struct form *f, const uint8_t *at, size_t n_bytes) {
    size_t n = 0, offset = 0;
    while (i + n < n_kept(t) && offset + f->width <= n_bytes && value_at(at + offset, f->width) == kept(t, i + n)) {
        n++;
        offset += f->step;
    }
    return n;
}

static bool three_differ(const struct traces *t, size_t i, size_t n) {
    uint16_t a = kept(t, i), b = a;
    for (size_t k = 1; k < n; k++) {
        uint16_t c = kept(t, i + k);
        if (c != a && b != a && c != b) return true;
        if (b == a) b = c;
    }
    return false;
}

static bool ends_line(const struct traces *t, size_t i, size_t n) {
    bool begins = i == 0 || kept(t, i - 1) == '\r';
    return begins && n >= LINE_MIN && kept(t, i + n - 1) == '\r';
}

static size_t wipe_form(const struct traces *t, const struct form *f, uint8_t *at, size_t n_bytes) {
    size_t longest = 0;
    for (size_t i = 0; i < n_kept(t); i++) {
        size_t n = run_at(t, i, f, at, n_bytes);
        if (n > longest && (n >= f->min || ends_line(t, i, n)) && three_differ(t, i, n)) longest = n;
    }
    for (size_t k = 0; k < longest; k++) memset(at + k * f->step, 0, f->width);
    return longest;
}

size_t traces_wipe(const struct traces *t, void *memory, size_t n_bytes) {
    bool known[256] = {false}; /* low bytes of what was typed: nearly all of memory is passed over by these */
    uint8_t *bytes = memory;
    size_t n = 0;
    if (t->n_typed == 0) return 0;
    for (size_t i = 0; i < n_kept(t); i++) known[kept(t, i) & 0xff] = kept(t, i) != 0;
    for (size_t at = 0; at < n_bytes; at++) {
        if (!known[bytes[at]]) continue;
        for (size_t f = 0; f < sizeof forms / sizeof forms[0]; f++) {
            if (at % forms[f].width == 0) n += wipe_form(t, &forms[f], bytes + at, n_bytes - at);
        }
    }
    return n;
}
