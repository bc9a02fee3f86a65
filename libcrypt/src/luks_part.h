/* What the files about LUKS headers offer each other. Functions that return int: 0 or an enum crypt_error, with
 * *out_why then a sentence where they have one. */
#ifndef CRYPT_LUKS_PART_H
#define CRYPT_LUKS_PART_H

#include "json.h"

#include <crypt/luks.h>

#define LUKS_CIPHER     "aes-xts-plain64" /* as version 2 writes it; version 1 has it in two parts */
#define LUKS_AREA_ALIGN 4096u
#define LUKS2_AREAS_MAX (UINT64_C(128) << 20) /* bytes of all areas together */

#define LUKS_NO_SUCH_KEY    "the volume key is neither 256 nor 512 bits long"
#define LUKS_NO_SUCH_CIPHER "the volume is not encrypted with " LUKS_CIPHER
#define LUKS_NO_SUCH_HASH   "it uses a hash function other than SHA-1, SHA-256 and SHA-512"

static inline int luks_refuse(int error, const char *why, const char **out_why) {
    *out_why = why;
    return error;
}

/* luks.c */
/* Take over the UUID: printable ASCII that ends at a NUL. */
int crypt_luks_take_uuid(const char field[CRYPT_LUKS_UUID_MAX], struct crypt_luks *l, const char **out_why);
/* Does [offset, offset + n_bytes) touch no other slot's area? */
bool crypt_luks_area_is_free(const struct crypt_luks *l, uint64_t offset, uint64_t n_bytes, unsigned except_slot);

/* One version each, into *l, all zero before. MUST: n_bytes >= 8. */
int crypt_luks1_parse(const uint8_t *image, size_t n_bytes, struct crypt_luks *l, const char **out_why);
int crypt_luks2_parse(const uint8_t *image, size_t n_bytes, struct crypt_luks *l, const char **out_why);

/* luks2.c: the JSON text of the copy in force, without what follows it. */
bool crypt_luks2_text(const uint8_t *image, const struct crypt_luks *l, struct json *out);
/* And its checksum. */
void crypt_luks2_checksum(const uint8_t *copy, size_t n_bytes, uint8_t *out);
/* luks2_json.c: what that text says, into *l, whose copy_bytes are set. n_image: bytes in the image. */
int crypt_luks2_read(struct json text, size_t n_image, struct crypt_luks *l, const char **out_why);

/* luks_open.c: the key of a slot's area, to out [slot->area_key_bytes], or an enum crypt_error and zeros. */
int crypt_luks_derive(const struct crypt_luks_slot *slot, const struct crypt_luks_try *t, uint8_t *out);
/* The digest of a volume key [l->key_bytes], to out [l->digest_bytes]. */
int crypt_luks_digest(const struct crypt_luks *l, const void *key, crypt_kdf_step_fn *step, void *step_ctx,
                      uint8_t *out);

#endif
