/* see prompt.h */
#include "prompt.h"

#define BACKSPACE 0x08u
#define TAB       0x09u
#define LF        0x0au
#define CR        0x0du
#define CTRL_U    0x15u
#define DELETE    0x7fu /* what most terminals send for Backspace */

enum { NO_ESCAPE, AFTER_ESCAPE, IN_SEQUENCE };

unsigned prompt_delay_seconds(unsigned n_wrong) { return n_wrong == 0 ? 0 : 1u << (n_wrong - 1); }

static unsigned n_shown(const struct prompt *p) {
    unsigned n = p->n_chars < PROMPT_STARS_MAX ? p->n_chars : PROMPT_STARS_MAX;
    return p->no_stars ? 0 : n;
}

/* The first byte of a character. Table 3-7: how many follow, and of which the next one is. */
static bool begin(struct prompt *p, uint8_t lead) {
    unsigned n_missing = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || p->n_bytes + 1 + n_missing > PROMPT_BYTES_MAX) return false;
    p->low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    p->high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    p->text[p->n_bytes] = lead;
    p->n_begun = 1;
    p->n_missing = (uint8_t)n_missing;
    return true;
}

static bool go_on(struct prompt *p, uint8_t byte) {
    if (byte < p->low || byte > p->high) return false;
    p->low = 0x80;
    p->high = 0xbf;
    p->text[p->n_bytes + p->n_begun++] = byte;
    p->n_missing--;
    return true;
}

/* false: something was refused. A character that is cut off by another's first byte does not take that with it. */
static bool type(struct prompt *p, uint8_t byte) {
    bool whole = p->n_begun == 0, taken = !whole && go_on(p, byte);
    if (!taken) {
        p->n_begun = 0;
        if (!begin(p, byte)) return false;
    }
    if (p->n_missing == 0) {
        p->n_bytes = (uint16_t)(p->n_bytes + p->n_begun);
        p->n_chars++;
        p->n_begun = 0;
    }
    return whole || taken;
}

static bool erase(struct prompt *p) {
    if (p->n_chars == 0) return false;
    do p->n_bytes--;
    while ((p->text[p->n_bytes] & 0xc0) == 0x80);
    p->n_chars--;
    return true;
}

/* false: refused */
static bool control(struct prompt *p, uint8_t byte, enum prompt_state *state) {
    p->n_begun = 0;
    switch (byte) {
    case BACKSPACE:
    case DELETE: return erase(p);
    case CTRL_U: p->n_bytes = p->n_chars = 0; return true;
    case TAB: p->no_stars = !p->no_stars; return true;
    case PROMPT_ESCAPE: p->escape = AFTER_ESCAPE; return true;
    case CR:
    case LF: *state = p->n_bytes > 0 ? PROMPT_ENTERED : PROMPT_TYPING; return p->n_bytes > 0;
    default: return false;
    }
}

/* Whether a byte belongs to a function key: a sequence ends with one of 40h to 7Eh; Alt with a key sends only that. */
static bool in_escape(struct prompt *p, uint8_t byte) {
    if (p->escape == NO_ESCAPE) return false;
    if (p->escape == AFTER_ESCAPE)
        p->escape = byte == '[' || byte == 'O' ? IN_SEQUENCE : NO_ESCAPE;
    else if (byte >= 0x40 && byte <= 0x7e)
        p->escape = NO_ESCAPE;
    return true;
}

struct prompt_echo prompt_byte(struct prompt *p, uint8_t byte) {
    struct prompt_echo e = {.state = PROMPT_TYPING};
    unsigned before = n_shown(p);
    if (in_escape(p, byte)) return e;
    e.bell = byte < 0x20 || byte == DELETE ? !control(p, byte, &e.state) : !type(p, byte);
    e.stars = (int)n_shown(p) - (int)before;
    return e;
}

struct prompt_echo prompt_idle(struct prompt *p) {
    struct prompt_echo e = {.state = p->escape == AFTER_ESCAPE ? PROMPT_GIVEN_UP : PROMPT_TYPING};
    p->escape = NO_ESCAPE;
    return e;
}
