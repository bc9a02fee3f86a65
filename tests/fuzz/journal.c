/* Any bytes in a journal, also with the right sum and about the right disk, are refused or give a state that is one;
 * what is read of the disk lies on it, and nothing is written. */
#include "convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK_BYTES  (5 * 512u)
#define CHUNK_BYTES 1024u
#define SLOT_BYTES  (JOURNAL_BLOCK_BYTES + CHUNK_BYTES)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct medium {
    uint8_t bytes[JOURNAL_SLOTS * SLOT_BYTES];
    size_t n_bytes;
};

static void require(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static int medium_read(void *ctx, uint64_t offset, void *dst, size_t n_bytes) {
    const struct medium *m = ctx;
    require(offset <= m->n_bytes && n_bytes <= m->n_bytes - offset, "reads what is there");
    memcpy(dst, m->bytes + offset, n_bytes);
    return 0;
}

static int no_write(void *ctx, uint64_t offset, const void *src, size_t n_bytes) {
    (void)ctx;
    (void)offset;
    (void)src;
    (void)n_bytes;
    require(false, "looks, and does not write");
    return -1;
}

static int no_flush(void *ctx) { return no_write(ctx, 0, NULL, 0); }

static void check_record(const uint8_t *slot) {
    struct journal_record r;
    if (!journal_sound(slot, SLOT_BYTES, &r)) return;
    require(journal_data_bytes(&r) <= CHUNK_BYTES && journal_data_bytes(&r) <= r.chunk_bytes, "data within the slot");
    require((journal_data_bytes(&r) == 0) == (r.sequence == journal_chunks(r.disk_bytes, r.chunk_bytes)),
            "last record");
    require(r.direction == JOURNAL_ENCRYPT || r.direction == JOURNAL_DECRYPT, "direction");
}

/* data: which slots get a right sum, which a right key; then the two records, then what follows them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct medium disk = {.n_bytes = DISK_BYTES}, journal = {.n_bytes = JOURNAL_SLOTS * SLOT_BYTES};
    static uint8_t buffer[SLOT_BYTES + 2 * 65536];
    const struct convert_io disk_io = {medium_read, no_write, no_flush, &disk};
    const struct convert_io journal_io = {medium_read, no_write, no_flush, &journal};
    struct crypt_xts xts;
    enum convert_state state;
    uint64_t done;
    if (size < 1 || crypt_xts_init(&xts, "0123456789abcdef0123456789abcdeX", 32, &crypt_xts_kernel_portable)) return 0;
    struct convert c = {&disk_io, &journal_io, JOURNAL_ENCRYPT, DISK_BYTES, CHUNK_BYTES, &xts, buffer, NULL, NULL};
    memset(journal.bytes, 0, sizeof journal.bytes);
    for (unsigned i = 0; i < JOURNAL_SLOTS; i++) {
        struct journal_record r = {.disk_bytes = DISK_BYTES, .chunk_bytes = CHUNK_BYTES, .direction = JOURNAL_ENCRYPT};
        size_t at = 1 + i * sizeof r, n = size > at ? size - at : 0;
        uint8_t zeros[512] = {0};
        memcpy(&r, data + (n ? at : 0), n < sizeof r ? n : sizeof r);
        if (data[0] & 4u << i) {
            crypt_xts_encrypt(&xts, 1ull << 62, zeros, zeros, 1);
            memcpy(r.key_check, zeros, sizeof r.key_check);
        }
        memcpy(journal.bytes + i * SLOT_BYTES, &r, sizeof r);
        if (data[0] & 1u << i && r.chunk_bytes != 0 && r.sequence <= 3 && journal_data_bytes(&r) <= CHUNK_BYTES)
            (void)journal_seal(journal.bytes + i * SLOT_BYTES, &r);
        check_record(journal.bytes + i * SLOT_BYTES);
    }
    if (convert_look(&c, &state, &done) == 0)
        require(done <= DISK_BYTES && (state == CONVERT_DONE) == (done == DISK_BYTES), "done");
    else
        require(done == 0, "nothing is known of what was refused");
    return 0;
}
