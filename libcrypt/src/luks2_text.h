/* The JSON of a LUKS2 header as text that is changed in place: members nobody here knows stay as they were written.
 * Pure. A text that does not fit its room is marked so, and MUST NOT be used any more. */
#ifndef CRYPT_LUKS2_TEXT_H
#define CRYPT_LUKS2_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct crypt_luks_slot;
struct crypt_luks;

struct luks2_text {
    char *p; /* [n_max] */
    size_t n, n_max;
    bool full;
};

/* Begin with a header without slots, as *l describes it. */
void crypt_luks2_text_new(struct luks2_text *t, const struct crypt_luks *l);
/* Give a slot this description, whether or not it has one, and have the volume key's digest refer to it. MUST: what is
 * in t was found right by crypt_luks2_read. */
void crypt_luks2_text_set(struct luks2_text *t, unsigned slot, const struct crypt_luks_slot *s);
/* Remove a slot, and from digests and tokens what refers to it. MUST: likewise. */
void crypt_luks2_text_clear(struct luks2_text *t, unsigned slot);

#endif
