/* What the files that write LUKS headers offer each other. Functions that return int: 0 or an enum crypt_error. */
#ifndef CRYPT_LUKS_WRITE_PART_H
#define CRYPT_LUKS_WRITE_PART_H

#include "luks_part.h"

#include <crypt/luks_write.h>

#define LUKS_DIGEST_ITERATIONS 1000u /* nobody guesses a random volume key */

/* The area that a key needs, with its padding. */
static inline uint64_t luks_area_bytes(uint32_t key_bytes) {
    return ((uint64_t)key_bytes * CRYPT_LUKS_STRIPES + LUKS_AREA_ALIGN - 1) / LUKS_AREA_ALIGN * LUKS_AREA_ALIGN;
}

/* luks_write.c: store a part of the image, and wait until it is there. */
int crypt_luks_put(const struct crypt_luks_edit *e, uint64_t offset, size_t n_bytes);
/* And: *e->luks is what the image says now; its key_bytes stay. */
int crypt_luks_parse_again(struct crypt_luks_edit *e);

/* One version each.
 * place: an area for a slot, into *s.
 * update: make the slot what *s says, whose area is written; or free it, if s is NULL.
 * format: make a header without slots of an image of zeros, as *e->luks describes it. */
int crypt_luks1_place(const struct crypt_luks_edit *e, unsigned slot, struct crypt_luks_slot *s);
int crypt_luks1_update(struct crypt_luks_edit *e, int slot, const struct crypt_luks_slot *s);
int crypt_luks1_format(struct crypt_luks_edit *e);
int crypt_luks2_place(const struct crypt_luks_edit *e, struct crypt_luks_slot *s);
/* CRYPT_LUKS_ANY_SLOT: write both copies again as they are. */
int crypt_luks2_update(struct crypt_luks_edit *e, int slot, const struct crypt_luks_slot *s);
int crypt_luks2_format(struct crypt_luks_edit *e);

#endif
