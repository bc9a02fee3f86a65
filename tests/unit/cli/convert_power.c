/* The power fails at every write and every flush of a conversion, with any part of what was not flushed lost; and again
 * while it is resumed. */
#include "convert_bench.h"

#include <criterion/criterion.h>

static const enum journal_direction directions[] = {JOURNAL_ENCRYPT, JOURNAL_DECRYPT};

/* Writes and flushes of a conversion without failure. */
static unsigned count_ops(enum journal_direction direction) {
    struct bench *b = bench_new(direction);
    cr_assert_eq(convert_run(&b->convert), 0);
    cr_assert(bench_is_converted(b));
    return b->n_ops;
}

static struct bench *cut_once(enum journal_direction direction, unsigned at, enum bench_cut how) {
    struct bench *b = bench_new(direction);
    b->fail_at = at;
    int err = convert_run(&b->convert);
    cr_assert(err == CONVERT_E_DISK_WRITE || err == CONVERT_E_JOURNAL_WRITE);
    bench_cut(b, how);
    return b;
}

static void expect_end(struct bench *b, const char *what, unsigned first, unsigned second) {
    enum convert_state state;
    uint64_t done;
    int err = convert_run(&b->convert);
    cr_assert_eq(err, 0, "%s %u, %u: %s", what, first, second, convert_why(err));
    cr_assert(bench_is_converted(b), "%s %u, %u", what, first, second);
    cr_assert_eq(convert_look(&b->convert, &state, &done), 0);
    cr_assert(state == CONVERT_DONE && done == BENCH_DISK_BYTES);
    cr_assert_not(bench_tells_plaintext(b));
}

Test(convert_power, once) {
    for (unsigned d = 0; d < 2; d++) {
        unsigned n_ops = count_ops(directions[d]);
        cr_assert_eq(n_ops, 3 * 4 + 2);
        for (unsigned at = 1; at <= n_ops; at++)
            for (enum bench_cut how = 0; how < BENCH_CUTS; how++) {
                struct bench *b = cut_once(directions[d], at, how);
                if (at <= 2) cr_assert(bench_is_as_before(b));
                expect_end(b, "cut at", at, 0);
            }
    }
}

Test(convert_power, twice) {
    for (unsigned d = 0; d < 2; d++) {
        unsigned n_ops = count_ops(directions[d]);
        for (unsigned i = 0; i < n_ops * BENCH_CUTS; i++) {
            for (unsigned at = 1;; at++) {
                struct bench *b = cut_once(directions[d], i / BENCH_CUTS + 1, (enum bench_cut)(i % BENCH_CUTS));
                b->fail_at = at;
                b->random = i * 977 + at;
                if (convert_run(&b->convert) == 0) break; /* it needs fewer by now */
                bench_cut(b, (enum bench_cut)((i + at) % BENCH_CUTS));
                expect_end(b, "cut at", i / BENCH_CUTS + 1, at);
            }
        }
    }
}

/* By chance, until it is done. */
Test(convert_power, many_times) {
    uint32_t random = 7;
    for (unsigned i = 0; i < 3000; i++) {
        struct bench *b = bench_new(directions[i % 2]);
        do {
            random = random * 1664525 + 1013904223;
            bench_cut(b, (enum bench_cut)((random >> 20) % BENCH_CUTS));
            b->random = random;
            b->fail_at = 1 + (random >> 8) % 6;
        } while (convert_run(&b->convert) != 0);
        b->fail_at = 0;
        expect_end(b, "round", i, 0);
    }
}
