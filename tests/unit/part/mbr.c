/* MBR and logical partitions: tables made by hand. */
#include "disk.h"
#include <criterion/criterion.h>
#include <string.h>

#define N         UINT64_C(1000)
#define SIGNATURE 0x1234abcd

static void build(void) {
    disk_clear(N);
    disk_magic(0);
    disk_put(0, 440, 4, SIGNATURE);
    disk_record(0, 0, 0x83, 10, 90);
    disk_record(0, 2, 0x0f, 200, 800); /* logical ones at 210 and 310, records at 200 and 300 */
    disk_record(200, 0, 0x83, 10, 50);
    disk_record(200, 1, 0x05, 100, 60);
    disk_magic(200);
    disk_record(300, 0, 0x8e, 10, 690);
    disk_magic(300);
}

static void expect(unsigned i, uint32_t number, uint64_t first, uint64_t n, const char *type, const char *id) {
    const struct part *p = &table.part[i];
    cr_assert(p->number == number && p->first_lba == first && p->n_sectors == n, "%u: %u", i, p->number);
    cr_assert_str_eq(p->type, type);
    cr_assert_str_eq(p->id, id);
    cr_assert_str_eq(p->name, "");
}

static void expect_all(void) {
    cr_assert(table.scheme == PART_MBR && table.n_parts == 4 && !table.primary_error);
    expect(0, 1, 10, 90, "0x83", "1234abcd-01");
    expect(1, 3, 200, 800, "0x0f", "1234abcd-03");
    expect(2, 5, 210, 50, "0x83", "1234abcd-05");
    expect(3, 6, 310, 690, "0x8e", "1234abcd-06");
    for (unsigned i = 0; i < 4; i++) cr_assert_eq(table.part[i].extended, i == 1);
}

Test(part_mbr, by_hand) {
    build();
    cr_assert_eq(disk_parse(), 0);
    expect_all();
    cr_assert_eq(disk_n_read, 3);
}

Test(part_mbr, is_none) {
    disk_clear(N);
    cr_assert_eq(disk_parse(), PART_E_NONE);
    build();
    disk_put(0, 511, 1, 0x55);
    cr_assert_eq(disk_parse(), PART_E_NONE);
    for (unsigned i = 0; i < 4; i++) { /* the program of a boot sector */
        build();
        disk_put(0, 446 + 16 * i, 1, 0x74);
        cr_assert_eq(disk_parse(), PART_E_NONE);
    }
    build();
    disk_put(0, 446 + 32, 1, 0x80);
    cr_assert_eq(disk_parse(), 0);
    disk.n_sectors = 0;
    cr_assert_eq(disk_parse(), PART_E_READ);
}

Test(part_mbr, unreadable_sectors) {
    static const uint64_t lbas[] = {200, 300};
    for (unsigned i = 0; i < 2; i++) {
        build();
        disk_bad_lba = lbas[i];
        cr_assert_eq(disk_parse(), PART_E_READ);
    }
}

Test(part_mbr, primary_records) {
    static const struct {
        unsigned type;
        uint32_t first, n;
        int error;
    } rows[] = {
        {0x83, 1, 9, 0},
        {0x83, 100, 100, 0},
        {0x83, 500, 0, 0}, /* no sectors: not in use, whatever its type */
        {0, 0, 0, 0},
        {0, 100, 50, PART_E_RECORD},
        {0x83, 0, 10, PART_E_RANGE},
        {0x83, 1, 10, PART_E_OVERLAP},
        {0x83, 99, 1, PART_E_OVERLAP},
        {0x83, 100, 101, PART_E_OVERLAP}, /* with the extended one */
        {0x83, 700, 10, PART_E_OVERLAP},
        {0x83, 1000, 1, PART_E_RANGE},
        {0x83, 100, 901, PART_E_RANGE},
        {0x83, UINT32_MAX, 1, PART_E_RANGE},
        {0x83, UINT32_MAX, UINT32_MAX, PART_E_RANGE},
        {0x83, 100, UINT32_MAX, PART_E_RANGE},
        {0x05, 100, 50, PART_E_EXTENDED},
        {0xee, 100, 50, PART_E_HYBRID},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        disk_record(0, 3, rows[i].type, rows[i].first, rows[i].n);
        cr_assert_eq(disk_parse(), rows[i].error, "row %u: %d", i, table.error);
    }
}

Test(part_mbr, extended_records) {
    static const struct {
        uint32_t first, n;
        int error;
    } rows[] = {{200, 800, 0},
                {199, 801, 0}, /* no boot record there: it holds none */
                {200, 801, PART_E_RANGE},
                {0, 800, PART_E_RANGE},
                {1000, 1, PART_E_RANGE},
                {UINT32_MAX, UINT32_MAX, PART_E_RANGE},
                {99, 100, PART_E_OVERLAP},
                {200, 100, PART_E_CHAIN}, /* the second record is outside */
                {200, 101, PART_E_RANGE}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        disk_record(0, 2, 0x85, rows[i].first, rows[i].n);
        cr_assert_eq(disk_parse(), rows[i].error, "row %u: %d", i, table.error);
    }
}

/* Changes of one record of the first or the second boot record. */
Test(part_mbr, logical_records) {
    static const struct {
        uint64_t lba;
        unsigned i, type;
        uint32_t first, n;
        int error;
    } rows[] = {
        {200, 0, 0x83, 1, 99, 0},
        {200, 0, 0x83, 0, 50, PART_E_RANGE},
        {200, 0, 0x83, 10, 791, PART_E_RANGE},
        {200, 0, 0x83, 800, 1, PART_E_RANGE},
        {200, 0, 0x83, UINT32_MAX, 1, PART_E_RANGE},
        {200, 0, 0x83, 10, UINT32_MAX, PART_E_RANGE},
        {200, 0, 0x83, 10, 101, PART_E_OVERLAP},
        {200, 0, 0, 10, 50, PART_E_RECORD},
        {200, 0, 0x05, 10, 50, PART_E_CHAIN},
        {200, 1, 0x83, 100, 60, PART_E_CHAIN},
        {200, 1, 0x05, 0, 60, PART_E_CHAIN}, /* itself */
        {200, 1, 0x05, 800, 60, PART_E_CHAIN},
        {200, 1, 0x05, UINT32_MAX, 60, PART_E_CHAIN},
        {200, 1, 0x05, 101, 60, PART_E_CHAIN}, /* no boot record */
        {200, 1, 0x0f, 100, UINT32_MAX, 0},    /* this size means nothing to anybody */
        {200, 2, 0x83, 70, 10, PART_E_CHAIN},
        {200, 3, 0x83, 70, 10, PART_E_CHAIN},
        {200, 3, 0x83, 70, 0, 0},
        {300, 0, 0x83, 10, 691, PART_E_RANGE},
        {300, 1, 0x05, 100, 10, PART_E_CHAIN}, /* back to itself */
        {300, 1, 0x05, 0, 10, PART_E_CHAIN},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        disk_record(rows[i].lba, rows[i].i, rows[i].type, rows[i].first, rows[i].n);
        cr_assert_eq(disk_parse(), rows[i].error, "row %u: %d", i, table.error);
    }
}

Test(part_mbr, odd_chains) {
    build();
    disk_record(200, 0, 0, 0, 0); /* the first logical one was deleted */
    cr_assert_eq(disk_parse(), 0);
    cr_assert_eq(table.n_parts, 3);
    expect(2, 5, 310, 690, "0x8e", "1234abcd-05");
    disk_record(300, 0, 0, 0, 0); /* both */
    cr_assert_eq(disk_parse(), 0);
    cr_assert_eq(table.n_parts, 2);
    disk_record(300, 1, 0x05, 100, 10); /* a circle without partitions */
    cr_assert_eq(disk_parse(), PART_E_CHAIN);
    build(); /* backwards: numbers as the chain has them */
    disk_record(0, 2, 0x05, 200, 800);
    disk_record(200, 0, 0x83, 600, 50);
    disk_record(300, 0, 0x83, 10, 50);
    cr_assert_eq(disk_parse(), 0);
    expect(2, 5, 800, 50, "0x83", "1234abcd-05");
    expect(3, 6, 310, 50, "0x83", "1234abcd-06");
}

Test(part_mbr, length_of_the_chain) {
    for (unsigned n = PART_LOGICAL_MAX; n <= PART_LOGICAL_MAX + 1; n++) {
        disk_clear(N);
        disk_magic(0);
        disk_record(0, 0, 0x05, 100, 900);
        for (unsigned i = 0; i < n; i++) {
            disk_magic(100 + 4 * i);
            disk_record(100 + 4 * i, 0, 0x83, 1, 3);
            if (i + 1 < n) disk_record(100 + 4 * i, 1, 0x05, 4 * (i + 1), 4);
        }
        cr_assert_eq(disk_parse(), n == PART_LOGICAL_MAX ? 0 : PART_E_CHAIN);
        if (n > PART_LOGICAL_MAX) continue;
        cr_assert_eq(table.n_parts, 1 + n);
        expect(128, 132, 100 + 4 * 127 + 1, 3, "0x83", "00000000-84");
    }
}

/* The last sectors that 32 bits can name. */
Test(part_mbr, large_disks) {
    disk_clear(UINT64_C(1) << 40);
    disk_magic(0);
    disk_record(0, 0, 0x83, UINT32_MAX, UINT32_MAX);
    cr_assert_eq(disk_parse(), 0);
    expect(0, 1, UINT32_MAX, UINT32_MAX, "0x83", "00000000-01");
}
