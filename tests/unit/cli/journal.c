/* Records of a journal. */
#include "journal.h"

#include <criterion/criterion.h>
#include <string.h>

static uint8_t slot[JOURNAL_BLOCK_BYTES + 1024];

static struct journal_record record(uint64_t sequence) {
    struct journal_record r = {.sequence = sequence, .disk_bytes = 2560, .chunk_bytes = 1024, .direction = 1};
    memset(r.key_check, 9, sizeof r.key_check);
    return r;
}

static size_t seal(const struct journal_record *r) {
    for (unsigned i = 0; i < sizeof slot; i++) slot[i] = (uint8_t)(i * 3);
    return journal_seal(slot, r);
}

Test(journal, sums) {
    static const uint32_t words[] = {5, 0, 0xffffffff};
    struct journal_sum s = journal_sum(words, sizeof words);
    cr_assert_eq(s.a, 1 + 5 + 0xffffffffull);
    cr_assert_eq(s.b, 6 + 6 + 6 + 0xffffffffull);
    cr_assert_neq(journal_sum(words + 1, 4).b, journal_sum(words + 1, 0).b, "zeros count");
}

Test(journal, chunks) {
    cr_assert_eq(journal_chunks(2560, 1024), 3);
    cr_assert_eq(journal_chunks(2048, 1024), 2);
    for (uint64_t i = 0; i < 4; i++) {
        struct journal_record r = record(i);
        cr_assert_eq(journal_data_bytes(&r), i < 2 ? 1024 : i == 2 ? 512 : 0);
    }
}

Test(journal, every_flipped_bit_is_found) {
    for (uint64_t sequence = 0; sequence < 4; sequence++) {
        struct journal_record r = record(sequence), out;
        size_t n = seal(&r);
        cr_assert_eq(n, JOURNAL_BLOCK_BYTES + journal_data_bytes(&r));
        cr_assert(journal_sound(slot, sizeof slot, &out));
        cr_assert_eq(out.sequence, sequence);
        cr_assert_eq(memcmp(out.key_check, r.key_check, sizeof r.key_check), 0);
        for (size_t bit = 0; bit < n * 8; bit++) {
            slot[bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert_not(journal_sound(slot, sizeof slot, &out), "bit %zu", bit);
            slot[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

/* The right sum does not make nonsense a record. */
Test(journal, limits) {
    struct journal_record out,
        r[] = {record(0), record(0), record(0), record(0), record(0), record(0), record(0), record(4), record(0)};
    r[0].direction = 0;
    r[1].direction = 3;
    r[2].chunk_bytes = 100;
    r[3].disk_bytes = 0;
    r[4].disk_bytes = 2561;
    r[5].disk_bytes = 1ull << 63;
    r[6].chunk_bytes = 2048; /* more than the slot has */
    for (unsigned i = 0; i < 8; i++) {
        static uint8_t large[JOURNAL_BLOCK_BYTES + 4096];
        (void)journal_seal(large, &r[i]);
        cr_assert_not(journal_sound(large, sizeof slot, &out), "%u", i);
    }
    (void)journal_seal(slot, &r[8]);
    cr_assert(journal_sound(slot, sizeof slot, &out));
    cr_assert_not(journal_sound(slot, JOURNAL_BLOCK_BYTES - 1, &out));
    memset(slot, 0, sizeof slot);
    cr_assert_not(journal_sound(slot, sizeof slot, &out));
}
