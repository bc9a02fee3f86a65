/* Version 2, read: the JSON area. See crypt/luks.h
 *
 * What the checksum covers and the format forbids is refused as damage: it is not for us to guess what was meant. */
#include "luks_part.h"

struct reader {
    struct crypt_luks *l;
    size_t n_image;
    uint32_t bound; /* bit n: slot n holds the volume's key, says its digest */
    int err;
    const char *why;
};

static bool damaged(struct reader *r, const char *why) {
    r->err = CRYPT_E_LUKS_DAMAGED;
    r->why = why;
    return false;
}

static bool foreign(struct reader *r, const char *why) {
    r->err = CRYPT_E_LUKS_FOREIGN;
    r->why = why;
    return false;
}

static bool unusable(struct crypt_luks_slot *s, const char *why) {
    s->state = CRYPT_LUKS_SLOT_UNUSABLE;
    s->why = why;
    return true;
}

static bool member_is(struct json object, const char *name, const char *string) {
    struct json value;
    return crypt_json_member(object, name, &value) && crypt_json_is(value, string);
}

static bool member_base64(struct json object, const char *name, uint8_t *out, size_t n_max, uint32_t *out_n) {
    struct json value;
    size_t n;
    if (!crypt_json_member(object, name, &value) || !crypt_json_base64(value, out, n_max, &n)) return false;
    *out_n = (uint32_t)n;
    return true;
}

static bool member_hash(struct json object, enum crypt_hash *out) {
    struct json v;
    return crypt_json_member(object, "hash", &v) && v.n > 2 && crypt_hash_find(v.p + 1, v.n - 2, out) == 0;
}

static bool is_key_length(uint32_t n_bytes) { return n_bytes == CRYPT_XTS_KEY_128 || n_bytes == CRYPT_XTS_KEY_256; }

/* LUKS2, 3.5 "Config Object"; 2.5 "Mandatory Requirements": whoever does not know one must leave the volume alone. */
static bool read_config(struct reader *r, struct json root) {
    struct json config, requirements, mandatory, value;
    uint64_t json_bytes, areas_bytes;
    if (!crypt_json_object(root, "config", &config) || !crypt_json_member_u64_text(config, "json_size", &json_bytes) ||
        !crypt_json_member_u64_text(config, "keyslots_size", &areas_bytes) || json_bytes != r->l->copy_bytes - 4096 ||
        areas_bytes > LUKS2_AREAS_MAX || areas_bytes % LUKS_AREA_ALIGN != 0)
        return damaged(r, "the configuration in the LUKS2 header is malformed");
    r->l->areas_end = 2 * r->l->copy_bytes + areas_bytes;
    if (!crypt_json_member(config, "requirements", &requirements)) return true;
    if (!crypt_json_is_object(requirements)) return foreign(r, "the LUKS2 header has unknown requirements");
    if (!crypt_json_member(requirements, "mandatory", &mandatory)) return true;
    if (!crypt_json_is_array(mandatory) || crypt_json_next(&mandatory, NULL, &value))
        return foreign(r, "the LUKS2 header requires a feature that is not supported, such as to go on re-encrypting");
    return true;
}

/* LUKS2, 3.3 "Segments Object". */
static bool read_segment(struct reader *r, struct json root) {
    struct json segments, name, segment, more, size;
    uint32_t sector_bytes;
    if (!crypt_json_object(root, "segments", &segments) || !crypt_json_next(&segments, &name, &segment) ||
        !crypt_json_is(name, "0") || !crypt_json_is_object(segment) || !crypt_json_member(segment, "size", &size) ||
        !crypt_json_member_u64_text(segment, "offset", &r->l->payload_offset))
        return damaged(r, "the data segment in the LUKS2 header is malformed");
    if (crypt_json_next(&segments, &name, &more)) return foreign(r, "the volume has more than one data segment");
    if (!member_is(segment, "type", "crypt") || crypt_json_member(segment, "integrity", &more))
        return foreign(r, "the volume is not simply encrypted");
    if (!member_is(segment, "encryption", LUKS_CIPHER)) return foreign(r, LUKS_NO_SUCH_CIPHER);
    if (!crypt_json_member_u32(segment, "sector_size", &sector_bytes) || sector_bytes != CRYPT_LUKS_SECTOR_BYTES)
        return foreign(r, "the volume's sectors are not of 512 bytes");
    if (!member_is(segment, "iv_tweak", "0")) return foreign(r, "the volume's first sector does not have the number 0");
    if (r->l->payload_offset % CRYPT_LUKS_SECTOR_BYTES != 0)
        return damaged(r, "the data segment in the LUKS2 header is malformed");
    if (crypt_json_is(size, "dynamic")) return true;
    if (!crypt_json_number_text(size, UINT64_MAX - r->l->payload_offset, &r->l->payload_bytes) ||
        r->l->payload_bytes == 0 || r->l->payload_bytes % CRYPT_LUKS_SECTOR_BYTES != 0)
        return damaged(r, "the data segment in the LUKS2 header is malformed");
    return true;
}

/* LUKS2, 3.4 "Digests Object". */
static bool read_digest(struct reader *r, struct json digest) {
    struct crypt_luks *l = r->l;
    struct json slots, slot;
    uint64_t number;
    if (!member_is(digest, "type", "pbkdf2")) return foreign(r, "the volume key's digest is not one of PBKDF2");
    if (!member_hash(digest, &l->digest_hash)) return foreign(r, LUKS_NO_SUCH_HASH);
    if (!crypt_json_member_u32(digest, "iterations", &l->digest_iterations) || l->digest_iterations == 0 ||
        !member_base64(digest, "salt", l->digest_salt, sizeof l->digest_salt, &l->digest_salt_bytes) ||
        !member_base64(digest, "digest", l->digest, sizeof l->digest, &l->digest_bytes) ||
        l->digest_bytes < crypt_hash_bytes(CRYPT_SHA1) || !crypt_json_array(digest, "keyslots", &slots))
        return damaged(r, "the volume key's digest in the LUKS2 header is malformed");
    while (crypt_json_next(&slots, NULL, &slot)) {
        if (!crypt_json_number_text(slot, CRYPT_LUKS_SLOTS_MAX - 1, &number))
            return damaged(r, "the volume key's digest in the LUKS2 header is malformed");
        r->bound |= UINT32_C(1) << number;
    }
    return true;
}

/* Other digests belong to keys that open nothing here. */
static bool read_digests(struct reader *r, struct json root) {
    struct json digests, name, digest, segments, ours;
    unsigned n = 0;
    if (!crypt_json_object(root, "digests", &digests)) return damaged(r, "the LUKS2 header has no digests");
    while (crypt_json_next(&digests, &name, &digest)) {
        if (!crypt_json_array(digest, "segments", &segments))
            return damaged(r, "the volume key's digest in the LUKS2 header is malformed");
        if (!crypt_json_element(segments, "0", &ours)) continue;
        if (n++ > 0) return foreign(r, "the volume key has more than one digest");
        if (!read_digest(r, digest)) return false;
    }
    return n > 0 || damaged(r, "the LUKS2 header has no digest of the volume key");
}

/* False: not one of ours. */
static bool read_kdf(struct json kdf, struct crypt_luks_slot *s) {
    struct crypt_luks_kdf *k = &s->kdf;
    if (!member_base64(kdf, "salt", s->salt, sizeof s->salt, &s->salt_bytes)) return false;
    if (member_is(kdf, "type", "pbkdf2"))
        return member_hash(kdf, &k->hash) && crypt_json_member_u32(kdf, "iterations", &k->iterations) &&
               k->iterations > 0;
    if (member_is(kdf, "type", "argon2i"))
        k->type = CRYPT_LUKS_ARGON2I;
    else if (member_is(kdf, "type", "argon2id"))
        k->type = CRYPT_LUKS_ARGON2ID;
    else
        return false;
    return crypt_json_member_u32(kdf, "time", &k->iterations) && crypt_json_member_u32(kdf, "memory", &k->kib) &&
           crypt_json_member_u32(kdf, "cpus", &k->lanes) && k->iterations > 0 &&
           s->salt_bytes >= CRYPT_ARGON2_SALT_MIN && crypt_argon2_memory_bytes(k->kib, k->lanes) > 0;
}

/* LUKS2, 3.2 "Keyslots Object". Its area is everybody's business, since no new one may lie there. */
static bool read_area(struct reader *r, struct json slot, struct crypt_luks_slot *s, struct json *out_area) {
    uint64_t offset, n_bytes;
    if (!crypt_json_object(slot, "area", out_area) || !crypt_json_member_u64_text(*out_area, "offset", &offset) ||
        !crypt_json_member_u64_text(*out_area, "size", &n_bytes) || offset < 2 * r->l->copy_bytes ||
        offset > r->l->areas_end || n_bytes > r->l->areas_end - offset || n_bytes == 0 ||
        (offset | n_bytes) % CRYPT_LUKS_SECTOR_BYTES != 0)
        return damaged(r, "a keyslot's area in the LUKS2 header is malformed");
    if (!crypt_luks_area_is_free(r->l, offset, n_bytes, CRYPT_LUKS_SLOTS_MAX))
        return damaged(r, "two keyslots in the LUKS2 header share an area");
    s->area_offset = offset;
    s->area_bytes = n_bytes;
    return true;
}

static bool read_slot(struct reader *r, struct json slot, struct crypt_luks_slot *s) {
    struct json area, af, kdf;
    uint32_t priority = CRYPT_LUKS_NORMAL, n_key = 0, n_area_key = 0;
    s->state = CRYPT_LUKS_SLOT_USED;
    if (!read_area(r, slot, s, &area)) return false;
    if (crypt_json_member(slot, "priority", &kdf) &&
        (!crypt_json_member_u32(slot, "priority", &priority) || priority > CRYPT_LUKS_PREFER))
        return damaged(r, "a keyslot's priority in the LUKS2 header is malformed");
    s->priority = (enum crypt_luks_priority)priority;

    if (!member_is(slot, "type", "luks2")) return unusable(s, "the keyslot is not one for passphrases");
    if (!member_is(area, "type", "raw") || !member_is(area, "encryption", LUKS_CIPHER) ||
        !crypt_json_member_u32(area, "key_size", &n_area_key) || !is_key_length(n_area_key))
        return unusable(s, "the keyslot's area is not encrypted with " LUKS_CIPHER);
    if (!crypt_json_object(slot, "af", &af) || !member_is(af, "type", "luks1") || !member_hash(af, &s->af.hash) ||
        !crypt_json_member_u32(af, "stripes", &s->af.n_stripes) || s->af.n_stripes != CRYPT_LUKS_STRIPES)
        return unusable(s, "the keyslot's anti-forensic splitter is not known");
    if (!crypt_json_object(slot, "kdf", &kdf) || !read_kdf(kdf, s))
        return unusable(s, "the keyslot's key derivation is not known, or its costs are out of bounds");
    if (!crypt_json_member_u32(slot, "key_size", &n_key) || !is_key_length(n_key)) return unusable(s, LUKS_NO_SUCH_KEY);
    s->af.key_bytes = n_key;
    s->area_key_bytes = n_area_key;
    if (crypt_af_bytes(&s->af) > s->area_bytes) return damaged(r, "a keyslot's area in the LUKS2 header is too small");
    if (s->area_offset > r->n_image || s->area_bytes > r->n_image - s->area_offset)
        return unusable(s, "the keyslot's area is cut off");
    return true;
}

static bool read_slots(struct reader *r, struct json root) {
    struct json slots, name, slot;
    uint64_t number;
    if (!crypt_json_object(root, "keyslots", &slots)) return damaged(r, "the LUKS2 header has no keyslots");
    while (crypt_json_next(&slots, &name, &slot)) {
        if (!crypt_json_number_text(name, CRYPT_LUKS_SLOTS_MAX - 1, &number))
            return damaged(r, "a keyslot's number in the LUKS2 header is malformed");
        if (!read_slot(r, slot, &r->l->slot[number])) return false;
    }
    return true;
}

/* Of the slots that could be opened, those that hold the volume's key. */
static void bind_slots(struct reader *r) {
    struct crypt_luks *l = r->l;
    for (unsigned i = 0; i < l->n_slots; i++) {
        struct crypt_luks_slot *s = &l->slot[i];
        if (s->state != CRYPT_LUKS_SLOT_USED) continue;
        if (!(r->bound >> i & 1)) {
            (void)unusable(s, "the keyslot does not hold the volume key");
            continue;
        }
        if (l->key_bytes == 0) l->key_bytes = s->af.key_bytes;
        if (s->af.key_bytes != l->key_bytes) (void)unusable(s, "the keyslot's key is longer or shorter than others");
    }
}

int crypt_luks2_read(struct json text, size_t n_image, struct crypt_luks *l, const char **out_why) {
    struct reader r = {.l = l, .n_image = n_image};
    struct json root, tokens;
    if (!crypt_json_check(text, &root, out_why)) return CRYPT_E_LUKS_DAMAGED;
    bool ok = read_config(&r, root) && read_segment(&r, root) && read_digests(&r, root) && read_slots(&r, root);
    if (ok && !crypt_json_object(root, "tokens", &tokens)) ok = damaged(&r, "the LUKS2 header has no object of tokens");
    if (!ok) return luks_refuse(r.err, r.why, out_why);
    bind_slots(&r);
    return 0;
}
