/* see journal.h */
#include "journal.h"

#include <string.h>

static const char magic[16] = "sekisho-journal1"; /* fills it: no NUL */

static void add(struct journal_sum *s, const void *data, size_t n_bytes) {
    for (size_t at = 0; at < n_bytes; at += 4) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)data + at, sizeof word);
        s->a += word;
        s->b += s->a;
    }
}

struct journal_sum journal_sum(const void *data, size_t n_bytes) {
    struct journal_sum s = {1, 0};
    add(&s, data, n_bytes);
    return s;
}

uint64_t journal_chunks(uint64_t disk_bytes, uint32_t chunk_bytes) {
    return disk_bytes / chunk_bytes + (disk_bytes % chunk_bytes != 0);
}

size_t journal_data_bytes(const struct journal_record *r) {
    uint64_t offset = r->sequence * r->chunk_bytes;
    if (offset >= r->disk_bytes) return 0;
    return r->disk_bytes - offset < r->chunk_bytes ? (size_t)(r->disk_bytes - offset) : r->chunk_bytes;
}

/* Of a block and what follows it, with the record's own sum taken for zero. */
static struct journal_sum slot_sum(const void *slot, size_t n_bytes) {
    struct journal_record r;
    struct journal_sum s = {1, 0};
    memcpy(&r, slot, sizeof r);
    r.sum = (struct journal_sum){0, 0};
    add(&s, &r, sizeof r);
    add(&s, (const uint8_t *)slot + sizeof r, n_bytes - sizeof r);
    return s;
}

size_t journal_seal(void *slot, const struct journal_record *r) {
    struct journal_record sealed = *r;
    size_t n_bytes = JOURNAL_BLOCK_BYTES + journal_data_bytes(r);
    memcpy(sealed.magic, magic, sizeof magic);
    memset(slot, 0, JOURNAL_BLOCK_BYTES);
    memcpy(slot, &sealed, sizeof sealed);
    sealed.sum = slot_sum(slot, n_bytes);
    memcpy(slot, &sealed, sizeof sealed);
    return n_bytes;
}

static bool within_limits(const struct journal_record *r) {
    if (memcmp(r->magic, magic, sizeof magic) != 0) return false;
    if (r->direction != JOURNAL_ENCRYPT && r->direction != JOURNAL_DECRYPT) return false;
    if (r->chunk_bytes == 0 || r->chunk_bytes > JOURNAL_CHUNK_MAX || r->chunk_bytes % JOURNAL_SECTOR_BYTES)
        return false;
    if (r->disk_bytes == 0 || r->disk_bytes > INT64_MAX || r->disk_bytes % JOURNAL_SECTOR_BYTES) return false;
    return r->sequence <= journal_chunks(r->disk_bytes, r->chunk_bytes);
}

bool journal_sound(const void *slot, size_t n_bytes, struct journal_record *out) {
    struct journal_record r;
    if (n_bytes < JOURNAL_BLOCK_BYTES) return false;
    memcpy(&r, slot, sizeof r);
    if (!within_limits(&r) || journal_data_bytes(&r) > n_bytes - JOURNAL_BLOCK_BYTES) return false;
    struct journal_sum s = slot_sum(slot, JOURNAL_BLOCK_BYTES + journal_data_bytes(&r));
    if (s.a != r.sum.a || s.b != r.sum.b) return false;
    *out = r;
    return true;
}
