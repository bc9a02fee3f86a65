/* A passphrase, typed byte by byte and never shown: what each byte does to it and to the line on the console. Pure; the
 * storage is the caller's, and the caller's to wipe.
 *
 * Bytes are those of a terminal: UTF-8 of what is typed, and control characters. Backspace takes back a character,
 * Ctrl-U all of them; Enter ends; Tab shows no stars, and shows them again; Escape gives up. A terminal's function keys
 * begin with an Escape too, but go on at once: so it counts when nothing follows (prompt_idle). Sequences of bytes that
 * are no UTF-8, other control characters, and what does not fit are refused with a bell, and so is an Enter with
 * nothing before.
 *
 * Source: The Unicode Standard 15.0, 3.9 "Unicode Encoding Forms", table 3-7 "Well-Formed UTF-8 Byte Sequences";
 * ECMA-48, 5.4 "Control sequences". */
#ifndef SEKISHO_PROMPT_H
#define SEKISHO_PROMPT_H

#include <stdbool.h>
#include <stdint.h>

#define PROMPT_BYTES_MAX 512u
#define PROMPT_STARS_MAX 32u /* more would wrap, and a line that wrapped cannot be wiped everywhere */
#define PROMPT_ESCAPE    0x1bu
#define PROMPT_IDLE_MS   50u /* an Escape after which nothing comes for so long is one */

#define PROMPT_TRIES 5u
/* How long to wait after the nth wrong passphrase, counted from 1. */
unsigned prompt_delay_seconds(unsigned n_wrong);

/* All zero bytes at first. Read text and n_bytes; the rest is private. */
struct prompt {
    uint8_t text[PROMPT_BYTES_MAX];
    uint16_t n_bytes, n_chars;  /* whole characters */
    uint8_t n_begun, n_missing; /* bytes of a character that has begun, behind the whole ones */
    uint8_t low, high;          /* what its next byte may be */
    uint8_t escape;             /* how far a function key's sequence is */
    bool no_stars;
};

enum prompt_state { PROMPT_TYPING, PROMPT_ENTERED, PROMPT_GIVEN_UP };

struct prompt_echo {
    enum prompt_state state;
    int stars; /* to be written; negative: to be wiped off */
    bool bell;
};

struct prompt_echo prompt_byte(struct prompt *p, uint8_t byte);
struct prompt_echo prompt_idle(struct prompt *p); /* nothing came for PROMPT_IDLE_MS */

#endif
