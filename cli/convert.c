/* see convert.h */
#include "convert.h"

#include <string.h>

#define AREA_BYTES 65536u       /* at most, of the disk's beginning and end, to know it again */
#define CHECK_UNIT (1ull << 62) /* beyond every disk */

uint64_t convert_journal_bytes(uint32_t chunk_bytes) {
    return (uint64_t)JOURNAL_SLOTS * (JOURNAL_BLOCK_BYTES + chunk_bytes);
}

size_t convert_buffer_bytes(uint32_t chunk_bytes) { return JOURNAL_BLOCK_BYTES + (size_t)chunk_bytes + 2 * AREA_BYTES; }

static uint8_t *chunk_of(const struct convert *c) { return c->buffer + JOURNAL_BLOCK_BYTES; }

static void encrypt(const struct convert *c, uint64_t offset, uint8_t *data, size_t n_bytes) {
    crypt_xts_encrypt(c->xts, offset / CRYPT_XTS_UNIT_BYTES, data, data, n_bytes / CRYPT_XTS_UNIT_BYTES);
}

static void check_key(const struct convert *c, struct journal_record *r) {
    uint8_t sector[CRYPT_XTS_UNIT_BYTES] = {0};
    crypt_xts_encrypt(c->xts, CHECK_UNIT, sector, sector, 1);
    memcpy(r->key_check, sector, sizeof r->key_check);
}

static uint8_t *area_of(const struct convert *c) { return chunk_of(c) + c->chunk_bytes; }

/* Of the disk's beginning, by which it is known again: it lies in the first chunk. */
static size_t area_bytes(const struct convert *c) {
    size_t n = c->disk_bytes < AREA_BYTES ? (size_t)c->disk_bytes : AREA_BYTES;
    return n < c->chunk_bytes ? n : c->chunk_bytes;
}

/* Its sum as ciphertext; is it converted already? */
static int first_sum(const struct convert *c, bool converted, struct journal_sum *out) {
    size_t n = area_bytes(c);
    if (c->disk->read(c->disk->ctx, 0, area_of(c), n) != 0) return CONVERT_E_DISK_READ;
    if (converted != (c->direction == JOURNAL_ENCRYPT)) encrypt(c, 0, area_of(c), n);
    *out = journal_sum(area_of(c), n);
    return 0;
}

/* The buffer holds the record of the first chunk, which may be half converted. Is each byte of the disk's beginning
 * that of the plaintext or that of the ciphertext? A disk that cannot be read there lost its power while it wrote. */
static bool is_half_converted(const struct convert *c) {
    const uint8_t *encrypted = chunk_of(c);
    uint8_t *found = area_of(c), *plain = found + AREA_BYTES;
    size_t n = area_bytes(c);
    if (c->disk->read(c->disk->ctx, 0, found, n) != 0) return true;
    crypt_xts_decrypt(c->xts, 0, encrypted, plain, n / CRYPT_XTS_UNIT_BYTES);
    for (size_t i = 0; i < n; i++)
        if (found[i] != encrypted[i] && found[i] != plain[i]) return false;
    return true;
}

static int check_disk(const struct convert *c, const struct journal_record *r) {
    struct journal_sum s;
    if (r->sequence == 0) return is_half_converted(c) ? 0 : CONVERT_E_OTHER_DISK;
    int err = first_sum(c, true, &s);
    return err ? err : s.a == r->first.a && s.b == r->first.b ? 0 : CONVERT_E_OTHER_DISK;
}

static int check_record(const struct convert *c, const struct journal_record *r) {
    struct journal_record ours;
    check_key(c, &ours);
    if (r->disk_bytes != c->disk_bytes || r->chunk_bytes != c->chunk_bytes) return CONVERT_E_OTHER_SIZE;
    if (r->direction != (uint32_t)c->direction) return CONVERT_E_OTHER_DIRECTION;
    if (memcmp(ours.key_check, r->key_check, sizeof ours.key_check) != 0) return CONVERT_E_OTHER_KEY;
    return check_disk(c, r);
}

static int read_slot(const struct convert *c, unsigned slot) {
    size_t n = JOURNAL_BLOCK_BYTES + (size_t)c->chunk_bytes;
    return c->journal->read(c->journal->ctx, slot * n, c->buffer, n) != 0 ? CONVERT_E_JOURNAL_READ : 0;
}

static bool never_written(const uint8_t *block) {
    for (size_t i = 0; i < JOURNAL_BLOCK_BYTES; i++)
        if (block[i] != 0) return false;
    return true;
}

/* The newest record to *r and the buffer; *out_found: is there one? A power cut spoils at most the slot that was being
 * written, and that is the first one only until the second was ever written. */
static int find_record(const struct convert *c, struct journal_record *r, bool *out_found) {
    size_t n = JOURNAL_BLOCK_BYTES + (size_t)c->chunk_bytes;
    struct journal_record other;
    int err = read_slot(c, 1);
    if (err) return err;
    bool second_new = never_written(c->buffer), second = journal_sound(c->buffer, n, &other);
    err = read_slot(c, 0);
    if (err) return err;
    bool first = journal_sound(c->buffer, n, r);
    *out_found = first || second;
    if (!first && !second) return second_new ? 0 : CONVERT_E_JOURNAL_DAMAGED;
    if (first && (!second || r->sequence > other.sequence)) return 0;
    *r = other;
    return read_slot(c, 1);
}

static int look(const struct convert *c, struct journal_record *r, enum convert_state *out) {
    bool found;
    int err = find_record(c, r, &found);
    *out = CONVERT_NEW;
    if (err || !found) return err;
    *out = journal_data_bytes(r) ? CONVERT_BEGUN : CONVERT_DONE;
    return check_record(c, r);
}

int convert_look(struct convert *c, enum convert_state *out, uint64_t *out_done) {
    struct journal_record r;
    int err = look(c, &r, out);
    *out_done = err || *out == CONVERT_NEW ? 0 : *out == CONVERT_DONE ? c->disk_bytes : r.sequence * c->chunk_bytes;
    return err;
}

static int begin(const struct convert *c, struct journal_record *r) {
    *r = (struct journal_record){
        .disk_bytes = c->disk_bytes, .chunk_bytes = c->chunk_bytes, .direction = (uint32_t)c->direction};
    check_key(c, r);
    return first_sum(c, false, &r->first);
}

/* The buffer holds the record of a chunk, which is safe: now the disk. */
static int write_chunk(const struct convert *c, const struct journal_record *r) {
    uint64_t offset = r->sequence * c->chunk_bytes;
    size_t n = journal_data_bytes(r);
    uint8_t *data = chunk_of(c);
    if (c->direction == JOURNAL_DECRYPT)
        crypt_xts_decrypt(c->xts, offset / CRYPT_XTS_UNIT_BYTES, data, data, n / CRYPT_XTS_UNIT_BYTES);
    if (c->disk->write(c->disk->ctx, offset, data, n) != 0) return CONVERT_E_DISK_WRITE;
    return c->disk->flush(c->disk->ctx) != 0 ? CONVERT_E_DISK_WRITE : 0;
}

static int write_record(const struct convert *c, const struct journal_record *r) {
    uint64_t at = r->sequence % JOURNAL_SLOTS * (JOURNAL_BLOCK_BYTES + (uint64_t)c->chunk_bytes);
    size_t n = journal_seal(c->buffer, r);
    if (c->journal->write(c->journal->ctx, at, c->buffer, n) != 0) return CONVERT_E_JOURNAL_WRITE;
    return c->journal->flush(c->journal->ctx) != 0 ? CONVERT_E_JOURNAL_WRITE : 0;
}

static int convert_chunk(const struct convert *c, const struct journal_record *r) {
    uint64_t offset = r->sequence * c->chunk_bytes;
    size_t n = journal_data_bytes(r);
    if (c->disk->read(c->disk->ctx, offset, chunk_of(c), n) != 0) return CONVERT_E_DISK_READ;
    if (c->direction == JOURNAL_ENCRYPT) encrypt(c, offset, chunk_of(c), n);
    int err = write_record(c, r);
    return err ? err : write_chunk(c, r);
}

/* What was begun, again. The record was read, but that does not mean that it is safe: who wrote it may have been killed
 * before the flush. */
static int finish_chunk(const struct convert *c, struct journal_record *r) {
    int err = write_record(c, r);
    if (!err) err = write_chunk(c, r);
    r->sequence++;
    return err;
}

int convert_run(struct convert *c) {
    struct journal_record r;
    enum convert_state state;
    int err = look(c, &r, &state);
    if (err || state == CONVERT_DONE) return err;
    err = state == CONVERT_BEGUN ? finish_chunk(c, &r) : begin(c, &r);
    for (; !err && journal_data_bytes(&r); r.sequence++) {
        uint64_t done = r.sequence * c->chunk_bytes;
        if (c->step && !c->step(c->step_ctx, done, c->disk_bytes)) return CONVERT_E_STOPPED;
        err = convert_chunk(c, &r);
    }
    if (!err) err = write_record(c, &r); /* without a chunk: all is done */
    if (!err && c->step) (void)c->step(c->step_ctx, c->disk_bytes, c->disk_bytes);
    return err;
}

const char *convert_why(int error) {
    switch (error) {
    case CONVERT_E_DISK_READ: return "the disk could not be read";
    case CONVERT_E_DISK_WRITE: return "the disk could not be written";
    case CONVERT_E_JOURNAL_READ: return "the journal could not be read";
    case CONVERT_E_JOURNAL_WRITE: return "the journal could not be written";
    case CONVERT_E_JOURNAL_DAMAGED: return "the journal is damaged, or no journal";
    case CONVERT_E_OTHER_SIZE: return "the journal is of a disk of another size, or of another version of this program";
    case CONVERT_E_OTHER_DIRECTION: return "the journal is of the opposite conversion: go on with that first";
    case CONVERT_E_OTHER_KEY: return "the journal is of another volume key";
    case CONVERT_E_OTHER_DISK: return "the journal is of another disk, or this one was changed since";
    case CONVERT_E_STOPPED: return "stopped; the same command goes on";
    default: return "it failed for an unknown reason";
    }
}
