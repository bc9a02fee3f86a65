/* GPT: tables made by hand, in all ways in which they can be wrong. */
#include "disk.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <table.h>

#define N    UINT64_C(100000)
#define LAST (N - 1)

/* What a header says; a test changes it before seal(). */
static struct {
    uint64_t my_lba, alternate_lba, first_usable, last_usable, entries_lba;
    uint32_t n_entries, entry_bytes, header_bytes, revision;
} primary, backup;

/* Checksum by another way: as a division of polynomials, most significant bit first. */
static uint32_t reverse(uint32_t v) {
    uint32_t r = 0;
    for (unsigned i = 0; i < 32; i++) r |= (v >> i & 1) << (31 - i);
    return r;
}

static uint32_t crc(const uint8_t *p, size_t n) {
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < 8 * n; i++) {
        uint32_t bit = p[i / 8] >> i % 8 & 1;
        c = c << 1 ^ ((c >> 31 ^ bit) ? 0x04c11db7 : 0);
    }
    return reverse(~c);
}

static void seal(uint64_t lba) {
    typeof(primary) *h = lba == 1 ? &primary : &backup;
    uint8_t *sector = disk_sector(lba);
    memset(sector, 0, 512);
    memcpy(sector, "EFI PART", 8);
    disk_put(lba, 8, 4, h->revision);
    disk_put(lba, 12, 4, h->header_bytes);
    disk_put(lba, 24, 8, h->my_lba);
    disk_put(lba, 32, 8, h->alternate_lba);
    disk_put(lba, 40, 8, h->first_usable);
    disk_put(lba, 48, 8, h->last_usable);
    disk_put(lba, 72, 8, h->entries_lba);
    disk_put(lba, 80, 4, h->n_entries);
    disk_put(lba, 84, 4, h->entry_bytes);
    uint64_t n = (uint64_t)h->n_entries * h->entry_bytes;
    uint64_t at = h->entries_lba, room = at < 512 ? 512 : at < disk.n_sectors ? disk.n_sectors - at : 0;
    if (n <= room * 512) disk_put(lba, 88, 4, crc(disk_sector(at), n));
    if (h->header_bytes <= 512) disk_put(lba, 16, 4, crc(sector, h->header_bytes));
}

static void seal_both(void) {
    seal(1);
    seal(LAST);
}

static void entry_at(uint64_t lba, uint32_t bytes, unsigned i, uint64_t first, uint64_t last) {
    uint8_t *e = disk_sector(lba) + (size_t)bytes * i;
    for (unsigned k = 0; k < 16; k++) e[k] = (uint8_t)(0x10 + k);
    for (unsigned k = 0; k < 16; k++) e[16 + k] = (uint8_t)(0xa0 + k + i);
    memcpy(e + 32, &first, 8);
    memcpy(e + 40, &last, 8);
}

static void entry(unsigned i, uint64_t first, uint64_t last) {
    entry_at(primary.entries_lba, primary.entry_bytes, i, first, last);
    entry_at(backup.entries_lba, backup.entry_bytes, i, first, last);
}

static void name(unsigned i, const uint16_t *units, unsigned n) {
    memcpy(disk_sector(primary.entries_lba) + 128 * i + 56, units, 2 * n);
}

static void build(void) {
    disk_clear(N);
    disk_magic(0);
    disk_record(0, 0, 0xee, 1, (uint32_t)LAST);
    primary = (typeof(primary)){1, LAST, 34, N - 34, 2, 128, 128, 92, 0x10000};
    backup = primary;
    backup.my_lba = LAST;
    backup.alternate_lba = 1;
    backup.entries_lba = N - 33;
    entry(0, 2048, 4095);
    entry(4, 4096, 4096);
    seal_both();
}

static void expect_two(void) {
    cr_assert_eq(table.scheme, PART_GPT);
    cr_assert_eq(table.n_parts, 2);
    const struct part *a = &table.part[0], *b = &table.part[1];
    cr_assert(a->number == 1 && a->first_lba == 2048 && a->n_sectors == 2048 && !a->extended);
    cr_assert(b->number == 5 && b->first_lba == 4096 && b->n_sectors == 1 && !b->extended);
    cr_assert_str_eq(a->type, "13121110-1514-1716-1819-1a1b1c1d1e1f");
    cr_assert_str_eq(a->id, "a3a2a1a0-a5a4-a7a6-a8a9-aaabacadaeaf");
    cr_assert_str_eq(b->id, "a7a6a5a4-a9a8-abaa-acad-aeafb0b1b2b3");
    cr_assert_str_eq(a->name, "");
}

Test(part_gpt, by_hand) {
    build();
    cr_assert_eq(disk_parse(), 0);
    cr_assert_eq(table.primary_error, 0);
    cr_assert_eq(disk_n_read, 1 + 1 + 32);
    expect_two();
}

Test(part_gpt, checksum) {
    uint8_t data[1000];
    cr_assert_eq(part_crc32(0, (const uint8_t *)"123456789", 9), 0xcbf43926);
    cr_assert_eq(part_crc32(0, data, 0), 0);
    srand(1);
    for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)rand();
    for (unsigned n = 0; n <= sizeof data; n += 7)
        cr_assert_eq(part_crc32(part_crc32(0, data, n / 3), data + n / 3, n - n / 3), crc(data, n), "%u bytes", n);
}

Test(part_gpt, names) {
    static const uint16_t units[] = {'G', 'r', 0xf6, 0x20ac, 0xd83d, 0xdd12, 0xd800, 'x', 0xdc00, '\n', 0, 'y'};
    uint16_t longest[36];
    for (unsigned i = 0; i < 36; i++) longest[i] = 0xffee;
    build();
    name(0, units, sizeof units / 2);
    name(4, longest, 36);
    seal(1);
    cr_assert_eq(disk_parse(), 0);
    cr_assert_str_eq(table.part[0].name, "Gr\xc3\xb6\xe2\x82\xac\xf0\x9f\x94\x92?x?\n");
    cr_assert_eq(strlen(table.part[1].name), 108);
}

/* Any bit of the header and of the entries: the backup is used, and it is said. */
Test(part_gpt, damage_anywhere) {
    for (unsigned i = 0; i < 92 + 128 * 128; i++) {
        build();
        uint8_t *p = i < 92 ? disk_sector(1) + i : disk_sector(2) + i - 92;
        *p ^= (uint8_t)(1u << i % 8);
        cr_assert_eq(disk_parse(), 0, "byte %u", i);
        expect_two();
        cr_assert_eq(table.primary_error, i < 92 ? PART_E_HEADER : PART_E_ARRAY, "byte %u", i);
        if (i > 600) i += 200;
    }
    build();
    disk_sector(1)[92] ^= 1; /* behind the header: means nothing */
    cr_assert_eq(disk_parse(), 0);
    cr_assert_eq(table.primary_error, 0);
}

Test(part_gpt, both_copies_damaged) {
    static const unsigned bytes[] = {0, 16, 24, 88};
    for (unsigned i = 0; i < 4; i++) {
        build();
        disk_sector(LAST)[bytes[i]] ^= 1;
        cr_assert_eq(disk_parse(), 0); /* nobody asks the backup while the primary is sound */
        disk_sector(1)[20] ^= 1;
        cr_assert_eq(disk_parse(), PART_E_HEADER);
        build();
        disk_sector(LAST)[bytes[i]] ^= 1;
        disk_sector(2)[20] ^= 1;
        cr_assert_eq(disk_parse(), PART_E_ARRAY);
    }
    build();
    disk_sector(N - 33)[20] ^= 1;
    disk_sector(1)[20] ^= 1;
    cr_assert_eq(disk_parse(), PART_E_HEADER);
}

Test(part_gpt, unreadable_sectors) {
    for (uint64_t lba = 1; lba < 34; lba++) {
        build();
        disk_bad_lba = lba;
        cr_assert_eq(disk_parse(), 0);
        cr_assert_eq(table.primary_error, PART_E_READ);
        expect_two();
        disk_sector(LAST)[0] ^= 1;
        cr_assert_eq(disk_parse(), PART_E_READ);
    }
}

/* A disk that grew: the backup is where the primary's header says, and only that tells, for as long as it is sound. */
Test(part_gpt, backup_elsewhere) {
    build();
    memcpy(disk_sector(N - 100), disk_sector(LAST), 512);
    memset(disk_sector(LAST), 0, 512);
    primary.alternate_lba = backup.my_lba = N - 100;
    primary.last_usable = backup.last_usable = N - 200;
    seal(1);
    seal(LAST);
    memcpy(disk_sector(N - 100), disk_sector(LAST), 512);
    memset(disk_sector(LAST), 0, 512);
    cr_assert_eq(disk_parse(), 0);
    cr_assert_eq(table.primary_error, 0);
    disk_sector(2)[0] ^= 1;
    cr_assert_eq(disk_parse(), 0);
    cr_assert_eq(table.primary_error, PART_E_ARRAY);
    disk_sector(1)[16] ^= 1;
    cr_assert_eq(disk_parse(), PART_E_HEADER);
    build(); /* and one that is not there, while there is one in the last sector */
    primary.alternate_lba = N + 5;
    seal(1);
    disk_sector(2)[0] ^= 1;
    cr_assert_eq(disk_parse(), 0);
    expect_two();
    for (unsigned i = 0; i < 2; i++) { /* the primary itself is no backup */
        build();
        primary.alternate_lba = i;
        seal(1);
        disk_sector(2)[0] ^= 1;
        disk_sector(LAST)[0] ^= 1;
        cr_assert_eq(disk_parse(), PART_E_ARRAY);
    }
}

/* A sound header that says impossible things. Both copies say them. */
Test(part_gpt, hostile_headers) {
    static const struct {
        uint64_t first_usable, last_usable, entries_lba;
        uint32_t n_entries, entry_bytes;
        int error;
    } rows[] = {
        {34, N - 34, 2, 128, 128, 0},
        {34, N - 34, 2, 0, 128, PART_E_ENTRIES},
        {34, N - 34, 2, 257, 128, PART_E_ENTRIES},
        {34, N - 34, 2, UINT32_MAX, 128, PART_E_ENTRIES},
        {34, N - 34, 2, UINT32_MAX, UINT32_MAX, PART_E_ENTRIES},
        {34, N - 34, 2, 0x80000000, 2, PART_E_ENTRIES},
        {34, N - 34, 2, 128, 0, PART_E_ENTRIES},
        {34, N - 34, 2, 128, 1, PART_E_ENTRIES},
        {34, N - 34, 2, 128, 64, PART_E_ENTRIES},
        {34, N - 34, 2, 128, 127, PART_E_ENTRIES},
        {34, N - 34, 2, 128, 192, PART_E_ENTRIES},
        {34, N - 34, 2, 128, 384, PART_E_ENTRIES},
        {34, N - 34, 2, 128, 8192, PART_E_ENTRIES},
        {34, N - 34, 2, 128, 0x80000000, PART_E_ENTRIES},
        {34, N - 34, 2, 256, 128, PART_E_LAYOUT}, /* reaches into the usable sectors */
        {34, N - 34, 2, 129, 128, PART_E_LAYOUT},
        {66, N - 34, 2, 256, 128, 0},
        {34, N - 34, 2, 4, 128, 0},
        {34, N - 34, 1, 4, 128, PART_E_LAYOUT},
        {34, N - 34, 0, 4, 128, PART_E_LAYOUT},
        {34, N - 34, 3, 128, 128, PART_E_LAYOUT},
        {34, N - 34, 40, 4, 128, PART_E_LAYOUT},
        {34, N - 34, N - 34, 4, 128, PART_E_LAYOUT},
        {34, N - 34, N, 4, 128, PART_E_LAYOUT},
        {34, N - 34, N - 1, 128, 128, PART_E_LAYOUT},
        {34, N - 34, UINT64_MAX, 128, 128, PART_E_LAYOUT},
        {34, N - 34, UINT64_MAX - 31, 128, 128, PART_E_LAYOUT},
        {N - 34, 34, 2, 128, 128, PART_E_LAYOUT},
        {34, N, 2, 128, 128, PART_E_LAYOUT},
        {34, UINT64_MAX, 2, 128, 128, PART_E_LAYOUT},
        {1, N - 34, N - 33, 128, 128, PART_E_LAYOUT},
        {0, N - 34, N - 33, 128, 128, PART_E_LAYOUT},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        primary.first_usable = backup.first_usable = rows[i].first_usable;
        primary.last_usable = backup.last_usable = rows[i].last_usable;
        primary.entries_lba = backup.entries_lba = rows[i].entries_lba;
        primary.n_entries = backup.n_entries = rows[i].n_entries;
        primary.entry_bytes = backup.entry_bytes = rows[i].entry_bytes;
        seal_both();
        cr_assert_eq(disk_parse(), rows[i].error, "row %u: %d", i, table.error);
    }
}

Test(part_gpt, headers_that_are_none) {
    static const struct {
        uint32_t header_bytes, revision;
        uint64_t my_lba;
        bool good;
    } rows[] = {
        {92, 0x10000, 1, true},  {512, 0x10000, 1, true}, {91, 0x10000, 1, false},         {513, 0x10000, 1, false},
        {0, 0x10000, 1, false},  {92, 0x10001, 1, false}, {UINT32_MAX, 0x10000, 1, false}, {92, 0x20000, 1, false},
        {92, 0x10000, 2, false}, {92, 0x10000, 0, false}, {92, 0x10000, LAST, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        disk_sector(LAST)[0] = 0;
        primary.header_bytes = rows[i].header_bytes;
        primary.revision = rows[i].revision;
        primary.my_lba = rows[i].my_lba;
        seal(1);
        cr_assert_eq(disk_parse(), rows[i].good ? 0 : PART_E_HEADER, "row %u", i);
    }
}

/* Right checksums and wrong entries: an error, though the backup may be right. */
Test(part_gpt, hostile_entries) {
    static const struct {
        uint64_t first, last;
        int error;
    } rows[] = {
        {34, 2047, 0},
        {4097, N - 34, 0},
        {4097, 4097, 0},
        {33, 2047, PART_E_RANGE},
        {0, 2047, PART_E_RANGE},
        {0, UINT64_MAX, PART_E_RANGE},
        {5000, N - 33, PART_E_RANGE},
        {5000, 4999, PART_E_RANGE},
        {5000, 4998, PART_E_RANGE},
        {5000, 0, PART_E_RANGE},
        {5000, UINT64_MAX, PART_E_RANGE},
        {N, N + 5, PART_E_RANGE},
        {UINT64_MAX, UINT64_MAX, PART_E_RANGE},
        {UINT64_MAX, 0, PART_E_RANGE},
        {34, 2048, PART_E_OVERLAP},
        {4095, 4095, PART_E_OVERLAP},
        {4096, 4096, PART_E_OVERLAP},
        {2048, 4095, PART_E_OVERLAP},
        {3000, 3001, PART_E_OVERLAP},
        {34, N - 34, PART_E_OVERLAP},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        entry_at(2, 128, 127, rows[i].first, rows[i].last);
        seal(1);
        cr_assert_eq(disk_parse(), rows[i].error, "row %u: %d", i, table.error);
        if (!rows[i].error) cr_assert(table.n_parts == 3 && table.part[2].number == 128);
    }
}

Test(part_gpt, every_size_of_entries) {
    for (uint32_t bytes = 128; bytes <= 4096; bytes *= 2) {
        uint32_t n = 65536 / bytes < 256 ? 65536 / bytes : 256, n_sectors = n * bytes / 512;
        build();
        primary.entry_bytes = backup.entry_bytes = bytes;
        primary.n_entries = backup.n_entries = n;
        memset(disk_sector(2), 0, 32 * 512);
        memset(disk_sector(N - 33), 0, 32 * 512);
        primary.first_usable = backup.first_usable = 2 + n_sectors;
        primary.last_usable = backup.last_usable = N - 2 - n_sectors;
        backup.entries_lba = N - 1 - n_sectors;
        for (unsigned i = 0; i < n; i++) entry(i, 1000 + 2 * i, 1001 + 2 * i);
        seal_both();
        for (int damaged = 0; damaged < 2; damaged++) {
            cr_assert_eq(disk_parse(), 0, "%u bytes: %d", bytes, table.error);
            cr_assert_eq(table.n_parts, n);
            for (unsigned i = 0; i < n; i++)
                cr_assert(table.part[i].number == i + 1 && table.part[i].first_lba == 1000 + 2 * i);
            disk_sector(1)[0] = 0;
        }
    }
}

/* Up to the largest number of sectors there can be. */
Test(part_gpt, large_disks) {
    static const uint64_t sizes[] = {UINT64_C(1) << 32, (UINT64_C(1) << 55), UINT64_MAX};
    for (unsigned i = 0; i < 3; i++) {
        build();
        uint64_t n = disk.n_sectors = sizes[i];
        disk_record(0, 0, 0xee, 1, UINT32_MAX);
        primary.alternate_lba = n - 1;
        primary.last_usable = n - 34;
        entry_at(2, 128, 0, 2048, 4095);
        entry_at(2, 128, 1, 5000, n - 34);
        seal(1);
        cr_assert_eq(disk_parse(), 0);
        cr_assert(table.part[1].first_lba == 5000 && table.part[1].n_sectors == n - 34 - 5000 + 1);
        primary.last_usable = n - 1;
        entry_at(2, 128, 1, 5000, n - 1);
        seal(1);
        cr_assert_eq(disk_parse(), 0);
    }
}

Test(part_gpt, small_disks) {
    for (uint64_t n = 0; n < 40; n++) {
        build();
        disk.n_sectors = n;
        cr_assert_eq(disk_parse(), n == 0 ? PART_E_READ : n == 1 ? PART_E_READ : PART_E_LAYOUT, "%d", table.error);
    }
}

Test(part_gpt, protective_mbr) {
    build();
    disk_record(0, 0, 0, 0, 0);
    disk_record(0, 3, 0xee, 1, 5); /* any place, any size */
    cr_assert_eq(disk_parse(), 0);
    disk_put(0, 446 + 48, 1, 0x80); /* "bootable", as some firmware wants it */
    cr_assert_eq(disk_parse(), 0);
    disk_record(0, 0, 0x83, 2048, 2048);
    cr_assert_eq(disk_parse(), PART_E_HYBRID);
    disk_record(0, 0, 0, 2048, 2048);
    cr_assert_eq(disk_parse(), PART_E_HYBRID);
    disk_record(0, 0, 0xee, 1, 5);
    cr_assert_eq(disk_parse(), PART_E_HYBRID);
    build();
    disk_record(0, 0, 0xee, 0, (uint32_t)N);
    cr_assert_eq(disk_parse(), PART_E_PROTECTIVE);
    disk_record(0, 0, 0, 0, 0); /* no sign of a GPT: Linux does not look for one then */
    cr_assert_eq(disk_parse(), 0);
    cr_assert(table.scheme == PART_MBR && table.n_parts == 0);
    disk_put(0, 510, 2, 0);
    cr_assert_eq(disk_parse(), PART_E_NONE);
}
