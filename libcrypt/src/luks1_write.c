/* Version 1, written: see crypt/luks_write.h and luks_write_part.h */
#include "luks_write_part.h"
#include "luks_disk.h"

#include <string.h>

int crypt_luks1_place(const struct crypt_luks_edit *e, unsigned slot, struct crypt_luks_slot *s) {
    s->area_offset = e->luks->slot[slot].area_offset;
    s->area_bytes = e->luks->slot[slot].area_bytes;
    return 0;
}

/* Slot 6 lies in two sectors. The first says whether it is enabled, and is written last. */
static int put_slot(const struct crypt_luks_edit *e, unsigned slot) {
    size_t at = offsetof(struct luks1_header, slot) + slot * sizeof(struct luks1_slot);
    size_t first = at / CRYPT_LUKS_SECTOR_BYTES, last = (at + sizeof(struct luks1_slot) - 1) / CRYPT_LUKS_SECTOR_BYTES;
    int err = 0;
    if (last != first) err = crypt_luks_put(e, last * CRYPT_LUKS_SECTOR_BYTES, CRYPT_LUKS_SECTOR_BYTES);
    return err ? err : crypt_luks_put(e, first * CRYPT_LUKS_SECTOR_BYTES, CRYPT_LUKS_SECTOR_BYTES);
}

/* LUKS1, 4.2 "Adding new passwords", 4.4 "Password revocation". */
int crypt_luks1_update(struct crypt_luks_edit *e, int slot, const struct crypt_luks_slot *s) {
    struct luks1_slot *d = &((struct luks1_header *)e->image)->slot[slot];
    LUKS_PUT(d->active, s ? LUKS1_SLOT_ENABLED : LUKS1_SLOT_DISABLED);
    LUKS_PUT(d->iterations, s ? s->kdf.iterations : 0);
    memset(d->salt, 0, sizeof d->salt);
    if (s) memcpy(d->salt, s->salt, s->salt_bytes);
    return put_slot(e, (unsigned)slot);
}

int crypt_luks1_format(struct crypt_luks_edit *e) {
    const struct crypt_luks *l = e->luks;
    struct luks1_header *h = (struct luks1_header *)e->image;
    uint64_t stride = luks_area_bytes(l->key_bytes);
    const char *hash = crypt_hash_name(l->hash);
    if (e->image_bytes < LUKS_AREA_ALIGN + LUKS1_SLOTS * stride) return CRYPT_E_LUKS_FULL;
    memcpy(h->magic, LUKS_MAGIC, sizeof h->magic);
    LUKS_PUT(h->version, 1);
    memcpy(h->cipher_name, "aes", sizeof "aes");
    memcpy(h->cipher_mode, "xts-plain64", sizeof "xts-plain64");
    memcpy(h->hash_spec, hash, strlen(hash));
    LUKS_PUT(h->key_bytes, l->key_bytes);
    memcpy(h->digest, l->digest, sizeof h->digest);
    memcpy(h->digest_salt, l->digest_salt, sizeof h->digest_salt);
    LUKS_PUT(h->digest_iterations, l->digest_iterations);
    memcpy(h->uuid, l->uuid, sizeof h->uuid);
    for (unsigned i = 0; i < LUKS1_SLOTS; i++) {
        LUKS_PUT(h->slot[i].active, LUKS1_SLOT_DISABLED);
        LUKS_PUT(h->slot[i].area_sector, (LUKS_AREA_ALIGN + i * stride) / CRYPT_LUKS_SECTOR_BYTES);
        LUKS_PUT(h->slot[i].n_stripes, CRYPT_LUKS_STRIPES);
    }
    return 0;
}
