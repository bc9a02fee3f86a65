/* Version 1, read: see crypt/luks.h */
#include "luks_part.h"
#include "luks_disk.h"

#include <string.h>

/* LUKS1, figure 1: strings end at a NUL. */
static bool is_string(const char *field, const char *string) { return memcmp(field, string, strlen(string) + 1) == 0; }

static bool unusable(struct crypt_luks_slot *s, const char *why) {
    s->state = CRYPT_LUKS_SLOT_UNUSABLE;
    s->why = why;
    return false;
}

/* There is no checksum: one damaged slot must not close the others. */
static bool parse_slot(const struct luks1_slot *d, size_t n_image, const struct crypt_luks *l,
                       struct crypt_luks_slot *s) {
    uint64_t active = LUKS_GET(d->active), offset = LUKS_GET(d->area_sector) * CRYPT_LUKS_SECTOR_BYTES;
    s->state = active == LUKS1_SLOT_ENABLED ? CRYPT_LUKS_SLOT_USED : CRYPT_LUKS_SLOT_FREE;
    s->priority = CRYPT_LUKS_NORMAL;
    s->kdf.hash = l->hash;
    s->kdf.iterations = (uint32_t)LUKS_GET(d->iterations);
    s->salt_bytes = sizeof d->salt;
    memcpy(s->salt, d->salt, sizeof d->salt);
    s->af = (struct crypt_af){l->hash, l->key_bytes, (uint32_t)LUKS_GET(d->n_stripes)};
    s->area_key_bytes = l->key_bytes;

    if (active != LUKS1_SLOT_ENABLED && active != LUKS1_SLOT_DISABLED)
        return unusable(s, "the keyslot is neither enabled nor disabled");
    if (s->af.n_stripes != CRYPT_LUKS_STRIPES) return unusable(s, "the keyslot does not have 4000 stripes");
    size_t n_bytes = crypt_af_bytes(&s->af);
    if (offset < sizeof(struct luks1_header) || offset > n_image || n_bytes > n_image - offset)
        return unusable(s, "the keyslot's area is not within the header");
    s->area_offset = offset;
    s->area_bytes = n_bytes;
    if (s->state == CRYPT_LUKS_SLOT_USED && s->kdf.iterations == 0)
        return unusable(s, "the keyslot has no PBKDF2 iterations");
    return true;
}

static int parse_volume(const struct luks1_header *h, struct crypt_luks *l, const char **out_why) {
    if (!is_string(h->cipher_name, "aes") || !is_string(h->cipher_mode, "xts-plain64"))
        return luks_refuse(CRYPT_E_LUKS_FOREIGN, LUKS_NO_SUCH_CIPHER, out_why);
    if (crypt_hash_find(h->hash_spec, sizeof h->hash_spec, &l->hash))
        return luks_refuse(CRYPT_E_LUKS_FOREIGN, LUKS_NO_SUCH_HASH, out_why);
    l->key_bytes = (uint32_t)LUKS_GET(h->key_bytes);
    if (l->key_bytes != CRYPT_XTS_KEY_128 && l->key_bytes != CRYPT_XTS_KEY_256)
        return luks_refuse(CRYPT_E_LUKS_FOREIGN, LUKS_NO_SUCH_KEY, out_why);
    l->payload_offset = LUKS_GET(h->payload_sector) * CRYPT_LUKS_SECTOR_BYTES;
    l->digest_hash = l->hash;
    l->digest_iterations = (uint32_t)LUKS_GET(h->digest_iterations);
    l->digest_bytes = sizeof h->digest;
    memcpy(l->digest, h->digest, sizeof h->digest);
    l->digest_salt_bytes = sizeof h->digest_salt;
    memcpy(l->digest_salt, h->digest_salt, sizeof h->digest_salt);
    if (l->digest_iterations == 0)
        return luks_refuse(CRYPT_E_LUKS_DAMAGED, "the volume key's digest in the LUKS header has no iterations",
                           out_why);
    return crypt_luks_take_uuid(h->uuid, l, out_why);
}

int crypt_luks1_parse(const uint8_t *image, size_t n_bytes, struct crypt_luks *l, const char **out_why) {
    struct luks1_header h;
    if (n_bytes < 2 * CRYPT_LUKS_SECTOR_BYTES)
        return luks_refuse(CRYPT_E_LUKS_DAMAGED, "the LUKS header is cut short", out_why);
    memcpy(&h, image, sizeof h);
    l->version = 1;
    l->n_slots = LUKS1_SLOTS;
    l->areas_end = n_bytes;
    int err = parse_volume(&h, l, out_why);
    if (err) return err;
    for (unsigned i = 0; i < LUKS1_SLOTS; i++) (void)parse_slot(&h.slot[i], n_bytes, l, &l->slot[i]);
    for (unsigned i = 0; i < LUKS1_SLOTS; i++) {
        struct crypt_luks_slot *s = &l->slot[i];
        if (s->state == CRYPT_LUKS_SLOT_FREE && !crypt_luks_area_is_free(l, s->area_offset, s->area_bytes, i))
            (void)unusable(s, "the keyslot shares its area with another one");
    }
    return 0;
}
