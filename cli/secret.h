/* Passphrases, key files and other secrets: where they lie, and how they come in.
 *
 * Memory for secrets is locked (never in the swap space), left out of core dumps, and wiped before it is given back.
 * Where locking is refused, one note says so. No secret is ever taken from the command line or the environment. */
#ifndef CLI_SECRET_H
#define CLI_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_BYTES_MAX 65536u

/* n_bytes of zeros for secrets, aligned to a page; ends the program if there is no memory. */
void *secret_alloc(size_t n_bytes);
void secret_free(void *p, size_t n_bytes); /* wiped; p may be NULL */

struct secret {
    uint8_t *p; /* [SECRET_BYTES_MAX], from secret_alloc; NULL before anything came in */
    size_t n_bytes;
};

/* Where a secret is to come from. */
struct secret_source {
    const char *file;   /* its whole contents; "-": the standard input, to its end. NULL: typed */
    const char *prompt; /* typed: what to ask for */
    bool twice;         /* typed on a terminal: a new one, which a slip of the finger must not spoil */
};

/* Take it in. Typed is a line of the standard input without its end; from a terminal, it is not echoed. true, or false
 * after a message: nothing there, longer than SECRET_BYTES_MAX, typed differently. */
bool secret_get(struct secret *s, const struct secret_source *source);
void secret_drop(struct secret *s);

/* Would a secret be typed by a person, who can try again? */
bool secret_is_typed(const struct secret_source *source);

#endif
