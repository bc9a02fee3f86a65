/* see convert_bench.h */
#include "convert_bench.h"

#include <criterion/criterion.h>
#include <string.h>

#define PIECE 128u

static int bench_read(void *ctx, uint64_t offset, void *dst, size_t n_bytes) {
    const struct bench_medium *m = ctx;
    cr_assert(offset <= m->n_bytes && n_bytes <= m->n_bytes - offset);
    if (m->fail_read) return -1;
    memcpy(dst, m->seen + offset, n_bytes);
    return 0;
}

static bool off(struct bench *b) { return ++b->n_ops >= b->fail_at && b->fail_at > 0; }

static int bench_write(void *ctx, uint64_t offset, const void *src, size_t n_bytes) {
    struct bench_medium *m = ctx;
    cr_assert(offset <= m->n_bytes && n_bytes <= m->n_bytes - offset && n_bytes > 0);
    bool last = off(m->bench);
    if (last && m->bench->n_ops > m->bench->fail_at) return -1;
    memcpy(m->seen + offset, src, n_bytes);
    return last ? -1 : 0;
}

static int bench_flush(void *ctx) {
    struct bench_medium *m = ctx;
    if (off(m->bench)) return -1;
    memcpy(m->kept, m->seen, m->n_bytes);
    return 0;
}

static void medium(struct bench *b, struct bench_medium *m, size_t n_bytes, struct convert_io *io) {
    memset(m, 0, sizeof *m);
    m->bench = b;
    m->n_bytes = n_bytes;
    *io = (struct convert_io){bench_read, bench_write, bench_flush, m};
}

struct bench *bench_new(enum journal_direction direction) {
    static struct bench bench;
    struct bench *b = &bench;
    uint8_t key[64];
    for (unsigned i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 7 + 1);
    cr_assert_eq(crypt_xts_init(&b->xts, key, sizeof key, &crypt_xts_kernel_portable), 0);
    for (unsigned i = 0; i < BENCH_DISK_BYTES; i++) b->plain[i] = (uint8_t)(i * 13 + i / 512 * 5 + 3);
    crypt_xts_encrypt(&b->xts, 0, b->plain, b->cipher, BENCH_DISK_BYTES / 512);
    medium(b, &b->disk, BENCH_DISK_BYTES, &b->disk_io);
    medium(b, &b->journal, BENCH_JOURNAL_BYTES, &b->journal_io);
    memcpy(b->disk.seen, direction == JOURNAL_ENCRYPT ? b->plain : b->cipher, BENCH_DISK_BYTES);
    memcpy(b->disk.kept, b->disk.seen, BENCH_DISK_BYTES);
    b->convert = (struct convert){.disk = &b->disk_io,
                                  .journal = &b->journal_io,
                                  .direction = direction,
                                  .disk_bytes = BENCH_DISK_BYTES,
                                  .chunk_bytes = BENCH_CHUNK_BYTES,
                                  .xts = &b->xts,
                                  .buffer = b->buffer};
    b->n_ops = b->fail_at = 0;
    b->random = 1;
    return b;
}

static bool stays(struct bench *b, enum bench_cut how, size_t piece, size_t n_pieces) {
    b->random = b->random * 1664525 + 1013904223;
    switch (how) {
    case BENCH_ALL: return true;
    case BENCH_FIRST: return piece < n_pieces / 2;
    case BENCH_LAST: return piece >= n_pieces / 2;
    case BENCH_EVEN: return piece % 2 == 0;
    case BENCH_ANY: return b->random >> 31;
    default: return false;
    }
}

static void cut(struct bench *b, struct bench_medium *m, enum bench_cut how) {
    size_t first = 0, end = m->n_bytes; /* of what may be lost */
    while (first < end && m->seen[first] == m->kept[first]) first++;
    while (end > first && m->seen[end - 1] == m->kept[end - 1]) end--;
    first -= first % PIECE;
    for (size_t at = first; at < end; at += PIECE) {
        size_t n = end - at < PIECE ? end - at : PIECE;
        if (stays(b, how, (at - first) / PIECE, (end - first) / PIECE)) memcpy(m->kept + at, m->seen + at, n);
    }
    memcpy(m->seen, m->kept, m->n_bytes);
}

void bench_cut(struct bench *b, enum bench_cut how) {
    memset(b->buffer, 0xa5, sizeof b->buffer); /* nothing of the program is left */
    b->n_ops = b->fail_at = 0;
    if (how == BENCH_KILL) return;
    cut(b, &b->disk, how);
    cut(b, &b->journal, how);
}

static bool disk_is(const struct bench *b, bool encrypted) {
    return memcmp(b->disk.seen, encrypted ? b->cipher : b->plain, BENCH_DISK_BYTES) == 0;
}

bool bench_is_converted(const struct bench *b) {
    return disk_is(b, b->convert.direction == JOURNAL_ENCRYPT) &&
           memcmp(b->disk.seen, b->disk.kept, BENCH_DISK_BYTES) == 0;
}

bool bench_is_as_before(const struct bench *b) { return disk_is(b, b->convert.direction == JOURNAL_DECRYPT); }

bool bench_tells_plaintext(const struct bench *b) {
    for (size_t at = 0; at < BENCH_DISK_BYTES; at += 512)
        if (memmem(b->journal.seen, BENCH_JOURNAL_BYTES, b->plain + at, 32) ||
            memmem(b->journal.kept, BENCH_JOURNAL_BYTES, b->plain + at, 32))
            return true;
    return false;
}
