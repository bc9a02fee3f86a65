/* Version 2, read: the two copies. See crypt/luks.h */
#include "luks_part.h"
#include "luks_disk.h"

#include <string.h>
#include <bearssl/bearssl_hash.h>

void crypt_luks2_checksum(const uint8_t *copy, size_t n_bytes, uint8_t *out) {
    static const uint8_t zero[sizeof((struct luks2_header *)0)->checksum];
    const size_t at = offsetof(struct luks2_header, checksum), end = at + sizeof zero;
    br_sha256_context c;
    br_sha256_init(&c);
    br_sha256_update(&c, copy, at);
    br_sha256_update(&c, zero, sizeof zero);
    br_sha256_update(&c, copy + end, n_bytes - end);
    br_sha256_out(&c, out);
}

/* The copy at an offset, or NULL if it is not sound. LUKS2, 2.1 "Binary Header": one that is not where it says it is
 * was moved, and must not be used. */
static const struct luks2_header *sound_copy(const uint8_t *image, size_t n_image, size_t offset) {
    const struct luks2_header *h = (const struct luks2_header *)(image + offset);
    uint8_t checksum[LUKS2_CHECKSUM_BYTES];
    if (offset > n_image || n_image - offset < sizeof *h) return NULL;
    if (memcmp(h->magic, offset == 0 ? LUKS_MAGIC : LUKS_MAGIC_SECONDARY, sizeof h->magic) != 0) return NULL;
    uint64_t n_bytes = LUKS_GET(h->copy_bytes);
    if (LUKS_GET(h->version) != 2 || LUKS_GET(h->copy_offset) != offset || n_bytes > n_image - offset) return NULL;
    if (n_bytes < LUKS2_COPY_MIN || n_bytes > LUKS2_COPY_MAX || (n_bytes & (n_bytes - 1)) != 0) return NULL;
    if (offset != 0 && n_bytes != offset) return NULL;
    if (memcmp(h->checksum_alg, "sha256", sizeof "sha256") != 0) return NULL;
    crypt_luks2_checksum(image + offset, n_bytes, checksum);
    return memcmp(checksum, h->checksum, sizeof checksum) == 0 ? h : NULL;
}

/* LUKS2, 2.4 "Metadata Recovery": where the first copy is lost, the second is at one of a few places. */
static const struct luks2_header *second_copy(const uint8_t *image, size_t n_image, const struct luks2_header *first) {
    if (first) return sound_copy(image, n_image, LUKS_GET(first->copy_bytes));
    for (size_t offset = LUKS2_COPY_MIN; offset <= LUKS2_COPY_MAX; offset *= 2) {
        const struct luks2_header *h = sound_copy(image, n_image, offset);
        if (h) return h;
    }
    return NULL;
}

static int no_copy(const uint8_t *image, const char **out_why) {
    if (memcmp(image, LUKS_MAGIC, LUKS_MAGIC_BYTES) != 0)
        return luks_refuse(CRYPT_E_LUKS_NONE, "it is not a LUKS header", out_why);
    if (luks_get(image + LUKS_VERSION_AT, 2) != 2)
        return luks_refuse(CRYPT_E_LUKS_FOREIGN, "the LUKS header is neither of version 1 nor of version 2", out_why);
    return luks_refuse(CRYPT_E_LUKS_DAMAGED, "neither copy of the LUKS2 header is sound", out_why);
}

bool crypt_luks2_text(const uint8_t *image, const struct crypt_luks *l, struct json *out) {
    const uint8_t *area = image + l->copy_offset + sizeof(struct luks2_header);
    size_t n_max = l->copy_bytes - sizeof(struct luks2_header);
    *out = (struct json){(const char *)area, 0};
    while (out->n < n_max && area[out->n] != '\0') out->n++;
    return out->n < n_max;
}

int crypt_luks2_parse(const uint8_t *image, size_t n_bytes, struct crypt_luks *l, const char **out_why) {
    const struct luks2_header *first = sound_copy(image, n_bytes, 0), *second = second_copy(image, n_bytes, first);
    if (!first && !second) return no_copy(image, out_why);

    const struct luks2_header *h = first ? first : second;
    if (first && second && LUKS_GET(second->sequence) > LUKS_GET(first->sequence)) h = second;
    struct json text;
    l->version = 2;
    l->n_slots = CRYPT_LUKS_SLOTS_MAX;
    l->copy_bytes = LUKS_GET(h->copy_bytes);
    l->copy_offset = LUKS_GET(h->copy_offset);
    l->sequence = LUKS_GET(h->sequence);
    l->copy_lost = !first || !second || LUKS_GET(first->sequence) != LUKS_GET(second->sequence);
    l->hash = CRYPT_SHA256;
    if (n_bytes < 2 * l->copy_bytes || !crypt_luks2_text(image, l, &text))
        return luks_refuse(CRYPT_E_LUKS_DAMAGED, "the LUKS2 header is cut short", out_why);
    int err = crypt_luks_take_uuid(h->uuid, l, out_why);
    return err ? err : crypt_luks2_read(text, n_bytes, l, out_why);
}
