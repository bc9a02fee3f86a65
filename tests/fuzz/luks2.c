/* Any JSON in a header of version 2 is refused with a sentence, or keeps every promise of crypt/luks.h; and what was
 * not refused is still sound after a slot was set or removed in it. */
#include <crypt/luks_write.h>
#include <stdlib.h>
#include <string.h>

#include "../../libcrypt/src/luks2_text.h"
#include "../../libcrypt/src/luks_disk.h"
#include "../../libcrypt/src/luks_part.h"
#include "luks_promises.h"

#define COPY        LUKS2_COPY_MIN
#define IMAGE_BYTES (2 * COPY + 300u * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(uint8_t *image, size_t offset, uint64_t sequence) {
    struct luks2_header *h = (struct luks2_header *)(image + offset);
    memcpy(h->magic, offset ? LUKS_MAGIC_SECONDARY : LUKS_MAGIC, sizeof h->magic);
    LUKS_PUT(h->version, 2);
    LUKS_PUT(h->copy_bytes, COPY);
    LUKS_PUT(h->copy_offset, offset);
    LUKS_PUT(h->sequence, sequence);
    memcpy(h->checksum_alg, "sha256", sizeof "sha256");
    strcpy(h->uuid, "00112233-4455-4677-8899-aabbccddeeff");
    crypt_luks2_checksum(image + offset, COPY, h->checksum);
}

/* As if the image had all areas. */
static int read_again(const struct crypt_luks *l, struct json text, struct crypt_luks *out, const char **why) {
    memset(out, 0, sizeof *out);
    out->copy_bytes = l->copy_bytes;
    out->n_slots = l->n_slots;
    return crypt_luks2_read(text, SIZE_MAX, out, why);
}

/* Setting and removing a slot that is not there changes nothing else that is understood. */
static void change(const struct crypt_luks *l, struct json text, unsigned slot) {
    static struct crypt_luks changed;
    static char room[COPY];
    const char *why = NULL;
    struct luks2_text t = {room, text.n, sizeof room, false};
    struct crypt_luks_slot s = {.state = CRYPT_LUKS_SLOT_USED,
                                .priority = CRYPT_LUKS_PREFER,
                                .kdf = {.hash = CRYPT_SHA512, .iterations = 7},
                                .salt_bytes = 32,
                                .af = {CRYPT_SHA1, l->key_bytes ? l->key_bytes : 64, CRYPT_LUKS_STRIPES},
                                .area_key_bytes = 32,
                                .area_bytes = 258048};
    s.area_offset = l->areas_end - s.area_bytes;
    if (l->slot[slot].state != CRYPT_LUKS_SLOT_FREE || s.area_offset < 2 * COPY || l->areas_end < s.area_bytes) return;
    if (!crypt_luks_area_is_free(l, s.area_offset, s.area_bytes, CRYPT_LUKS_SLOTS_MAX)) return;
    memcpy(room, text.p, text.n);
    crypt_luks2_text_set(&t, slot, &s);
    if (t.full) return;
    for (unsigned round = 0; round < 2; round++) {
        int err = read_again(l, (struct json){t.p, t.n}, &changed, &why);
        if (err && strstr(why, "too many members")) return;
        REQUIRE(err == 0);
        struct crypt_luks_slot *got = &changed.slot[slot];
        if (round == 0) {
            REQUIRE(got->state == CRYPT_LUKS_SLOT_USED && got->priority == s.priority && got->kdf.iterations == 7);
            REQUIRE(got->area_offset == s.area_offset && got->area_bytes == s.area_bytes && got->salt_bytes == 32);
        } else {
            REQUIRE(got->state == CRYPT_LUKS_SLOT_FREE);
        }
        REQUIRE(memcmp(changed.digest, l->digest, sizeof l->digest) == 0 && changed.payload_bytes == l->payload_bytes);
        crypt_luks2_text_clear(&t, slot);
    }
}

/* The first byte says which copies there are; the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct crypt_luks luks, whole;
    if (size < 1 || size - 1 > COPY - 4096) return 0;
    uint8_t *image = calloc(1, IMAGE_BYTES);
    memcpy(image + 4096, data + 1, size - 1);
    memcpy(image + COPY + 4096, data + 1, size - 1);
    if (data[0] & 1) seal(image, 0, 5);
    if (data[0] & 2) seal(image, COPY, data[0] >> 2);
    if (promise_parse(image, IMAGE_BYTES, &luks)) {
        struct json text;
        const char *why;
        REQUIRE(luks.version == 2 && luks.n_slots == 32 && luks.copy_bytes == COPY);
        REQUIRE(luks.copy_lost == ((data[0] & 3) != 3 || data[0] >> 2 != 5));
        REQUIRE(crypt_luks2_text(image, &luks, &text));
        REQUIRE(read_again(&luks, text, &whole, &why) == 0);
        change(&whole, text, data[0] % 32);
        promise_open(image, &luks);
        promise_remove(image, IMAGE_BYTES, &luks);
    }
    free(image);
    return 0;
}
