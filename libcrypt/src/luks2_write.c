/* Version 2, written: see crypt/luks_write.h and luks_write_part.h */
#include "luks_write_part.h"
#include "luks2_text.h"
#include "luks_disk.h"

#include <string.h>

int crypt_luks2_place(const struct crypt_luks_edit *e, struct crypt_luks_slot *s) {
    const struct crypt_luks *l = e->luks;
    uint64_t end = l->areas_end < e->image_bytes ? l->areas_end : e->image_bytes;
    s->area_bytes = luks_area_bytes(l->key_bytes);
    for (uint64_t at = 2 * l->copy_bytes; at <= end && s->area_bytes <= end - at; at += LUKS_AREA_ALIGN) {
        if (!crypt_luks_area_is_free(l, at, s->area_bytes, CRYPT_LUKS_SLOTS_MAX)) continue;
        s->area_offset = at;
        return 0;
    }
    return CRYPT_E_LUKS_FULL;
}

/* One copy in the image, of the binary header in force and a new text. LUKS2, 2.1 "Binary Header": its salt is its own.
 */
static int make_copy(const struct crypt_luks_edit *e, uint64_t offset, uint64_t sequence, const struct luks2_text *t) {
    const struct crypt_luks *l = e->luks;
    struct luks2_header *h = (struct luks2_header *)(e->image + offset);
    char *text = (char *)(h + 1);
    memmove(h, e->image + l->copy_offset, sizeof *h);
    memcpy(h->magic, offset == 0 ? LUKS_MAGIC : LUKS_MAGIC_SECONDARY, sizeof h->magic);
    LUKS_PUT(h->copy_offset, offset);
    LUKS_PUT(h->sequence, sequence);
    memcpy(text, t->p, t->n);
    memset(text + t->n, 0, l->copy_bytes - sizeof *h - t->n);
    int err = crypt_rng_generate(e->rng, h->salt, sizeof h->salt);
    memset(h->checksum, 0, sizeof h->checksum);
    crypt_luks2_checksum(e->image + offset, l->copy_bytes, h->checksum);
    return err;
}

/* Both copies get the text, that in force last: at any time one of them is sound. What we could not read ourselves is
 * not written. */
static int put_copies(struct crypt_luks_edit *e, const struct luks2_text *t) {
    struct crypt_luks *l = e->luks;
    uint64_t in_force = l->copy_offset, other = in_force == 0 ? l->copy_bytes : 0, sequence = l->sequence + 1;
    if (t->full) return CRYPT_E_LUKS_FULL;
    int err = make_copy(e, other, sequence, t);
    if (!err) err = crypt_luks_parse_again(e);
    if (!err) err = crypt_luks_put(e, other, l->copy_bytes);
    if (!err) err = make_copy(e, in_force, sequence, t);
    return err ? err : crypt_luks_put(e, in_force, l->copy_bytes);
}

/* The workspace as room for a text: as much as fits a copy and its NUL, and can be read again. */
static struct luks2_text room(const struct crypt_luks_edit *e) {
    size_t n_max = e->luks->copy_bytes - sizeof(struct luks2_header) - 1;
    return (struct luks2_text){.p = e->work, .n_max = n_max < CRYPT_JSON_TEXT_MAX ? n_max : CRYPT_JSON_TEXT_MAX};
}

int crypt_luks2_update(struct crypt_luks_edit *e, int slot, const struct crypt_luks_slot *s) {
    struct luks2_text t = room(e);
    struct json text;
    if (!crypt_luks2_text(e->image, e->luks, &text) || text.n > t.n_max) return CRYPT_E_LUKS_DAMAGED;
    memcpy(t.p, text.p, text.n);
    t.n = text.n;
    if (s)
        crypt_luks2_text_set(&t, (unsigned)slot, s);
    else if (slot >= 0)
        crypt_luks2_text_clear(&t, (unsigned)slot);
    return put_copies(e, &t);
}

int crypt_luks2_format(struct crypt_luks_edit *e) {
    struct crypt_luks *l = e->luks;
    struct luks2_header *h = (struct luks2_header *)e->image;
    l->copy_bytes = LUKS2_COPY_MIN;
    if (e->image_bytes < 2 * l->copy_bytes + luks_area_bytes(l->key_bytes)) return CRYPT_E_LUKS_FULL;
    l->areas_end = 2 * l->copy_bytes + LUKS2_AREAS_MAX;
    if (l->areas_end > e->image_bytes) l->areas_end = e->image_bytes / LUKS_AREA_ALIGN * LUKS_AREA_ALIGN;
    LUKS_PUT(h->version, 2);
    LUKS_PUT(h->copy_bytes, l->copy_bytes);
    memcpy(h->checksum_alg, "sha256", sizeof "sha256");
    memcpy(h->uuid, l->uuid, sizeof h->uuid);
    struct luks2_text t = room(e);
    crypt_luks2_text_new(&t, l);
    return put_copies(e, &t);
}
