/* Headers of either version: see crypt/luks.h */
#include "luks_part.h"
#include "luks_disk.h"

#include <string.h>
#include <crypt/wipe.h>

int crypt_luks_take_uuid(const char field[CRYPT_LUKS_UUID_MAX], struct crypt_luks *l, const char **out_why) {
    for (unsigned i = 0; i < CRYPT_LUKS_UUID_MAX; i++) {
        l->uuid[i] = field[i];
        if (field[i] == '\0') return 0;
        if (field[i] <= ' ' || field[i] > '~') break;
    }
    return luks_refuse(CRYPT_E_LUKS_DAMAGED, "the UUID in the LUKS header is not text", out_why);
}

bool crypt_luks_area_is_free(const struct crypt_luks *l, uint64_t offset, uint64_t n_bytes, unsigned except_slot) {
    for (unsigned i = 0; i < l->n_slots; i++) {
        const struct crypt_luks_slot *s = &l->slot[i];
        if (i != except_slot && offset < s->area_offset + s->area_bytes && s->area_offset < offset + n_bytes)
            return false;
    }
    return true;
}

int crypt_luks_parse(const void *image, size_t n_bytes, struct crypt_luks *out, const char **out_why) {
    const uint8_t *p = image;
    int err;
    crypt_wipe(out, sizeof *out);
    if (n_bytes < LUKS_VERSION_AT + 2)
        return luks_refuse(CRYPT_E_LUKS_NONE, "it is too short for a LUKS header", out_why);

    if (memcmp(p, LUKS_MAGIC, LUKS_MAGIC_BYTES) == 0 && luks_get(p + LUKS_VERSION_AT, 2) == 1)
        err = crypt_luks1_parse(p, n_bytes, out, out_why);
    else
        err = crypt_luks2_parse(p, n_bytes, out, out_why);
    if (err) crypt_wipe(out, sizeof *out);
    return err;
}

unsigned crypt_luks_used(const struct crypt_luks *l) {
    unsigned n = 0;
    for (unsigned i = 0; i < l->n_slots; i++) n += l->slot[i].state == CRYPT_LUKS_SLOT_USED;
    return n;
}

static size_t slot_work_bytes(const struct crypt_luks_slot *s) {
    size_t n = s->kdf.type == CRYPT_LUKS_PBKDF2 ? 0 : crypt_argon2_memory_bytes(s->kdf.kib, s->kdf.lanes);
    return n > CRYPT_LUKS_WORK_MIN ? n : CRYPT_LUKS_WORK_MIN;
}

size_t crypt_luks_work_bytes(const struct crypt_luks *l, int slot) {
    if (slot >= 0) return slot_work_bytes(&l->slot[slot]);
    size_t most = CRYPT_LUKS_WORK_MIN;
    for (unsigned i = 0; i < l->n_slots; i++) {
        const struct crypt_luks_slot *s = &l->slot[i];
        if (s->state != CRYPT_LUKS_SLOT_USED || s->priority == CRYPT_LUKS_IGNORE) continue;
        if (slot_work_bytes(s) > most) most = slot_work_bytes(s);
    }
    return most;
}
