/* What a conversion refuses, and how it stops. */
#include "convert_bench.h"

#include <criterion/criterion.h>
#include <string.h>

/* One that was cut while its second chunk was written. */
static struct bench *half_done(enum journal_direction direction) {
    struct bench *b = bench_new(direction);
    b->fail_at = 7;
    cr_assert_eq(convert_run(&b->convert), CONVERT_E_DISK_WRITE);
    bench_cut(b, BENCH_FIRST);
    return b;
}

static void expect_refusal(struct bench *b, int err) {
    struct bench before = *b;
    enum convert_state state;
    uint64_t done;
    cr_assert_eq(convert_look(&b->convert, &state, &done), err, "%s", convert_why(err));
    cr_assert_eq(done, 0);
    cr_assert_eq(convert_run(&b->convert), err);
    cr_assert_eq(memcmp(before.disk.seen, b->disk.seen, sizeof b->disk.seen), 0);
    cr_assert_eq(memcmp(before.journal.seen, b->journal.seen, sizeof b->journal.seen), 0);
}

Test(convert_edges, look_tells_how_far_it_is) {
    enum convert_state state;
    uint64_t done;
    struct bench *b = bench_new(JOURNAL_ENCRYPT);
    cr_assert_eq(convert_look(&b->convert, &state, &done), 0);
    cr_assert(state == CONVERT_NEW && done == 0);
    b = half_done(JOURNAL_ENCRYPT);
    cr_assert_eq(convert_look(&b->convert, &state, &done), 0);
    cr_assert(state == CONVERT_BEGUN && done == BENCH_CHUNK_BYTES);
    cr_assert_eq(b->n_ops, 0);
}

Test(convert_edges, other_key) {
    struct bench *b = half_done(JOURNAL_ENCRYPT);
    uint8_t key[64] = {1};
    cr_assert_eq(crypt_xts_init(&b->xts, key, sizeof key, &crypt_xts_kernel_portable), 0);
    expect_refusal(b, CONVERT_E_OTHER_KEY);
}

Test(convert_edges, other_direction) {
    struct bench *b = half_done(JOURNAL_ENCRYPT);
    b->convert.direction = JOURNAL_DECRYPT;
    expect_refusal(b, CONVERT_E_OTHER_DIRECTION);
}

Test(convert_edges, other_size) {
    struct bench *b = half_done(JOURNAL_ENCRYPT);
    b->convert.disk_bytes -= 512;
    expect_refusal(b, CONVERT_E_OTHER_SIZE);
}

Test(convert_edges, other_disk) {
    for (enum journal_direction d = JOURNAL_ENCRYPT; d <= JOURNAL_DECRYPT; d++) {
        struct bench *b = half_done(d);
        b->disk.seen[100] ^= 1;
        expect_refusal(b, CONVERT_E_OTHER_DISK);
        b = bench_new(d);
        b->fail_at = 3; /* in the first chunk */
        cr_assert_eq(convert_run(&b->convert), CONVERT_E_DISK_WRITE);
        bench_cut(b, BENCH_EVEN);
        b->disk.seen[1000] ^= 1; /* is there, */
        b->disk.seen[10] ^= 1;   /* and is not */
        expect_refusal(b, CONVERT_E_OTHER_DISK);
        b->disk.seen[10] ^= 1;
        expect_refusal(b, CONVERT_E_OTHER_DISK);
        b->disk.seen[1000] ^= 1;
        cr_assert_eq(convert_run(&b->convert), 0);
        cr_assert(bench_is_converted(b));
    }
}

/* Where the power failed, the disk may be unreadable until it is written again. */
Test(convert_edges, first_chunk_cannot_be_read) {
    struct bench *b = bench_new(JOURNAL_ENCRYPT);
    enum convert_state state;
    uint64_t done;
    b->fail_at = 3;
    cr_assert_eq(convert_run(&b->convert), CONVERT_E_DISK_WRITE);
    bench_cut(b, BENCH_FIRST);
    b->disk.fail_read = true;
    cr_assert_eq(convert_look(&b->convert, &state, &done), 0);
    cr_assert(state == CONVERT_BEGUN && done == 0);
    cr_assert_eq(convert_run(&b->convert), CONVERT_E_DISK_READ, "of the next chunk");
    b->disk.fail_read = false;
    cr_assert_eq(convert_run(&b->convert), 0);
    cr_assert(bench_is_converted(b));
}

Test(convert_edges, damaged_journal) {
    struct bench *b = half_done(JOURNAL_ENCRYPT);
    b->journal.seen[JOURNAL_BLOCK_BYTES] ^= 1;
    b->journal.seen[BENCH_JOURNAL_BYTES - 1] ^= 1;
    expect_refusal(b, CONVERT_E_JOURNAL_DAMAGED);
}

Test(convert_edges, reads_that_fail) {
    struct bench *b = half_done(JOURNAL_ENCRYPT);
    b->disk.fail_read = true;
    expect_refusal(b, CONVERT_E_DISK_READ);
    b->disk.fail_read = false;
    b->journal.fail_read = true;
    expect_refusal(b, CONVERT_E_JOURNAL_READ);
}

Test(convert_edges, one_chunk) {
    for (unsigned fail_at = 0; fail_at <= 6; fail_at++) {
        struct bench *b = bench_new(JOURNAL_ENCRYPT);
        b->convert.disk_bytes = 512;
        b->fail_at = fail_at;
        cr_assert_eq(convert_run(&b->convert) == 0, fail_at == 0);
        bench_cut(b, BENCH_EVEN);
        cr_assert_eq(convert_run(&b->convert), 0);
        cr_assert_eq(memcmp(b->disk.kept, b->cipher, 512), 0);
        cr_assert_eq(memcmp(b->disk.kept + 512, b->plain + 512, BENCH_DISK_BYTES - 512), 0);
    }
}

static bool count_steps(void *ctx, uint64_t done, uint64_t total) {
    unsigned *n = ctx;
    cr_assert_eq(done, (*n < 3 ? *n * BENCH_CHUNK_BYTES : BENCH_DISK_BYTES));
    cr_assert_eq(total, BENCH_DISK_BYTES);
    return ++*n != 2;
}

Test(convert_edges, stops_between_chunks) {
    struct bench *b = bench_new(JOURNAL_DECRYPT);
    unsigned n = 0;
    b->convert.step = count_steps;
    b->convert.step_ctx = &n;
    cr_assert_eq(convert_run(&b->convert), CONVERT_E_STOPPED);
    cr_assert_eq(memcmp(b->disk.kept, b->plain, BENCH_CHUNK_BYTES), 0);
    cr_assert_eq(memcmp(b->disk.kept + BENCH_CHUNK_BYTES, b->cipher + BENCH_CHUNK_BYTES, BENCH_CHUNK_BYTES), 0);
    n = 3;
    b->convert.step = NULL;
    cr_assert_eq(convert_run(&b->convert), 0);
    cr_assert(bench_is_converted(b));
}

Test(convert_edges, sentences) {
    for (int err = 1; err >= -12; err--) cr_assert(strlen(convert_why(err)) > 5);
}
