/* Changes of either version: see crypt/luks_write.h */
#include "luks_write_part.h"

#include <string.h>
#include <crypt/wipe.h>

int crypt_luks_put(const struct crypt_luks_edit *e, uint64_t offset, size_t n_bytes) {
    const struct crypt_luks_store *s = e->store;
    if (!s) return 0;
    if (s->write(s->ctx, offset, e->image + offset, n_bytes) != 0 || s->flush(s->ctx) != 0) return CRYPT_E_LUKS_WRITE;
    return 0;
}

int crypt_luks_parse_again(struct crypt_luks_edit *e) {
    const char *why;
    uint32_t key_bytes = e->luks->key_bytes; /* a new header of version 2 has no slot that tells */
    int err = crypt_luks_parse(e->image, e->image_bytes, e->luks, &why);
    if (!err) e->luks->key_bytes = key_bytes;
    return err;
}

/* A slot for a new passphrase, but for its place. */
static int describe(struct crypt_luks_edit *e, const struct crypt_luks_new *n, struct crypt_luks_slot *s) {
    const struct crypt_luks *l = e->luks;
    *s = (struct crypt_luks_slot){.state = CRYPT_LUKS_SLOT_USED,
                                  .priority = n->priority,
                                  .kdf = n->kdf,
                                  .salt_bytes = 32,
                                  .af = {l->hash, l->key_bytes, CRYPT_LUKS_STRIPES},
                                  .area_key_bytes = l->key_bytes};
    if (n->kdf.iterations == 0 || n->priority > CRYPT_LUKS_PREFER) return CRYPT_E_KDF_LIMITS;
    if (n->kdf.type != CRYPT_LUKS_PBKDF2) {
        size_t needed = crypt_argon2_memory_bytes(n->kdf.kib, n->kdf.lanes);
        if (needed == 0 || l->version == 1) return CRYPT_E_KDF_LIMITS;
        if (needed > e->work_bytes) return CRYPT_E_MEMORY;
    } else if (l->version == 1) {
        s->kdf.hash = l->hash;
    }
    return crypt_rng_generate(e->rng, s->salt, s->salt_bytes);
}

/* Fill a slot's area: LUKS1, 4.2 "Adding new passwords". */
static int write_area(struct crypt_luks_edit *e, const void *key, const struct crypt_luks_new *n,
                      const struct crypt_luks_slot *s) {
    const struct crypt_luks_try t = {.secret = n->secret,
                                     .secret_bytes = n->secret_bytes,
                                     .work = e->work,
                                     .work_bytes = e->work_bytes,
                                     .step = e->step,
                                     .step_ctx = e->step_ctx};
    struct crypt_xts x;
    uint8_t area_key[CRYPT_LUKS_KEY_MAX];
    size_t n_bytes = crypt_af_bytes(&s->af);
    int err = crypt_luks_derive(s, &t, area_key);
    if (!err) err = crypt_xts_init(&x, area_key, s->area_key_bytes, e->kernel);
    crypt_wipe(area_key, sizeof area_key);
    if (err) return err;
    err = crypt_af_split(&s->af, e->rng, key, e->work);
    if (!err) crypt_xts_encrypt(&x, 0, e->work, e->image + s->area_offset, n_bytes / CRYPT_LUKS_SECTOR_BYTES);
    crypt_xts_wipe(&x);
    crypt_wipe(e->work, n_bytes);
    return err ? err : crypt_luks_put(e, s->area_offset, n_bytes);
}

static int update(struct crypt_luks_edit *e, int slot, const struct crypt_luks_slot *s) {
    int err = e->luks->version == 1 ? crypt_luks1_update(e, slot, s) : crypt_luks2_update(e, slot, s);
    return err ? err : crypt_luks_parse_again(e);
}

static int take_in(struct crypt_luks_edit *e, const void *key, const struct crypt_luks_new *n, unsigned slot) {
    struct crypt_luks_slot s;
    int err = describe(e, n, &s);
    if (!err) err = e->luks->version == 1 ? crypt_luks1_place(e, slot, &s) : crypt_luks2_place(e, &s);
    if (!err) err = write_area(e, key, n, &s);
    return err ? err : update(e, (int)slot, &s);
}

/* A free slot: the one asked for, or any. */
static int choose(const struct crypt_luks *l, int asked, unsigned *out) {
    for (unsigned i = 0; i < l->n_slots; i++) {
        *out = i;
        if (l->slot[i].state == CRYPT_LUKS_SLOT_FREE && (asked == CRYPT_LUKS_ANY_SLOT || asked == (int)i)) return 0;
    }
    return asked == CRYPT_LUKS_ANY_SLOT ? CRYPT_E_LUKS_FULL : CRYPT_E_LUKS_SLOT;
}

static int destroy(struct crypt_luks_edit *e, uint64_t offset, size_t n_bytes) {
    int err = crypt_rng_generate(e->rng, e->image + offset, n_bytes);
    return err || n_bytes == 0 ? err : crypt_luks_put(e, offset, n_bytes);
}

int crypt_luks_add(struct crypt_luks_edit *e, const void *key, const struct crypt_luks_new *n, unsigned *out_slot) {
    int err = crypt_luks_verify(e->luks, key, e->step, e->step_ctx);
    if (!err) err = choose(e->luks, n->slot, out_slot);
    return err ? err : take_in(e, key, n, *out_slot);
}

int crypt_luks_remove(struct crypt_luks_edit *e, unsigned slot) {
    const struct crypt_luks *l = e->luks;
    if (slot >= l->n_slots || l->slot[slot].state == CRYPT_LUKS_SLOT_FREE) return CRYPT_E_LUKS_SLOT;
    const struct crypt_luks_slot *s = &l->slot[slot];
    bool in_image = s->area_offset <= e->image_bytes && s->area_bytes <= e->image_bytes - s->area_offset;
    if (!crypt_luks_area_is_free(l, s->area_offset, s->area_bytes, slot) || !in_image) return CRYPT_E_LUKS_SLOT;
    if (crypt_luks_used(l) <= (s->state == CRYPT_LUKS_SLOT_USED ? 1u : 0u)) return CRYPT_E_LUKS_LAST;
    int err = destroy(e, s->area_offset, s->area_bytes);
    return err ? err : update(e, (int)slot, NULL);
}

int crypt_luks_change(struct crypt_luks_edit *e, unsigned slot, const void *key, const struct crypt_luks_new *n,
                      unsigned *out_slot) {
    const struct crypt_luks *l = e->luks;
    if (slot >= l->n_slots || l->slot[slot].state != CRYPT_LUKS_SLOT_USED) return CRYPT_E_LUKS_SLOT;
    struct crypt_luks_new in_place = *n;
    uint64_t old_offset = l->slot[slot].area_offset, old_bytes = l->slot[slot].area_bytes;
    in_place.priority = l->slot[slot].priority;
    *out_slot = slot;
    int err = crypt_luks_verify(l, key, e->step, e->step_ctx);
    if (!err && l->version == 1) err = choose(l, CRYPT_LUKS_ANY_SLOT, out_slot);
    if (!err) err = take_in(e, key, &in_place, *out_slot);
    if (err) return err;
    return l->version == 1 ? crypt_luks_remove(e, slot) : destroy(e, old_offset, old_bytes);
}

int crypt_luks_repair(struct crypt_luks_edit *e) {
    return e->luks->version == 1 ? 0 : update(e, CRYPT_LUKS_ANY_SLOT, NULL);
}

/* RFC 4122, 4.4 "Algorithms for Creating a UUID from Truly Random or Pseudo-Random Numbers". */
static int random_uuid(struct crypt_rng *rng, char *out) {
    static const char hex[] = "0123456789abcdef";
    uint8_t r[16];
    int err = crypt_rng_generate(rng, r, sizeof r);
    if (err) return err;
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    for (unsigned i = 0; i < sizeof r; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
        *out++ = hex[r[i] >> 4];
        *out++ = hex[r[i] & 0xf];
    }
    *out = '\0';
    return 0;
}

/* What both versions have, but slots. */
static int describe_volume(struct crypt_luks_edit *e, const struct crypt_luks_volume *v, enum crypt_hash hash) {
    struct crypt_luks *l = e->luks;
    struct crypt_xts x;
    int err = crypt_xts_init(&x, v->key, v->key_bytes, e->kernel);
    crypt_xts_wipe(&x);
    if (err) return err;
    crypt_wipe(l, sizeof *l);
    l->version = v->version;
    l->key_bytes = (uint32_t)v->key_bytes;
    l->hash = v->version == 1 ? hash : CRYPT_SHA256;
    l->digest_hash = l->hash;
    l->digest_iterations = LUKS_DIGEST_ITERATIONS;
    l->digest_bytes = v->version == 1 ? CRYPT_SHA1_BYTES : CRYPT_SHA256_BYTES;
    l->digest_salt_bytes = 32;
    err = crypt_rng_generate(e->rng, l->digest_salt, l->digest_salt_bytes);
    if (!err) err = random_uuid(e->rng, l->uuid);
    return err ? err : crypt_luks_digest(l, v->key, e->step, e->step_ctx, l->digest);
}

int crypt_luks_format(struct crypt_luks_edit *e, const struct crypt_luks_volume *v,
                      const struct crypt_luks_new *first) {
    struct crypt_luks_edit in_memory = *e;
    unsigned slot;
    in_memory.store = NULL;
    if (v->version != 1 && v->version != 2) return CRYPT_E_LUKS_FOREIGN;
    int err = describe_volume(e, v, first->kdf.hash);
    if (err) return err;
    memset(e->image, 0, e->image_bytes);
    err = v->version == 1 ? crypt_luks1_format(&in_memory) : crypt_luks2_format(&in_memory);
    if (!err) err = crypt_luks_parse_again(e);
    if (!err) err = choose(e->luks, first->slot, &slot);
    return err ? err : take_in(&in_memory, v->key, first, slot);
}

const char *crypt_luks_why(int error) {
    switch (error) {
    case CRYPT_E_KEY_BYTES: return LUKS_NO_SUCH_KEY;
    case CRYPT_E_KEY_WEAK: return "both halves of the volume key are equal";
    case CRYPT_E_HASH: return LUKS_NO_SUCH_HASH;
    case CRYPT_E_KDF_LIMITS:
        return "the costs of the key derivation are out of bounds, or this version does not have it";
    case CRYPT_E_MEMORY: return "there is too little memory for Argon2";
    case CRYPT_E_CANCELLED: return "it was cancelled";
    case CRYPT_E_ENTROPY: return "there is too little entropy to make keys";
    case CRYPT_E_LUKS_NONE: return "it is not a LUKS header";
    case CRYPT_E_LUKS_DAMAGED: return "the LUKS header is not sound";
    case CRYPT_E_LUKS_FOREIGN: return "the LUKS header asks for something that is not supported";
    case CRYPT_E_LUKS_FULL: return "the LUKS header has no room for one more keyslot";
    case CRYPT_E_LUKS_SLOT: return "there is no such keyslot, or it is not one to do this with";
    case CRYPT_E_LUKS_LAST: return "it is the last passphrase that opens the volume";
    case CRYPT_E_LUKS_KEY: return "the volume key is not the one of this header";
    case CRYPT_E_LUKS_WRITE: return "the LUKS header could not be written";
    default: return "it failed for an unknown reason";
    }
}
