/* see disk.h */
#include "disk.h"
#include <criterion/criterion.h>
#include <string.h>

static uint8_t edge[2][DISK_EDGE_SECTORS][PART_SECTOR_BYTES];
struct part_table table;
uint64_t disk_bad_lba;
unsigned disk_n_read;

static bool read_disk(void *ctx, uint64_t lba, uint32_t n_sectors, void *dst) {
    cr_assert_eq(ctx, edge);
    cr_assert(n_sectors >= 1 && n_sectors <= 8 && n_sectors <= disk.n_sectors && lba <= disk.n_sectors - n_sectors);
    disk_n_read += n_sectors;
    for (uint8_t *out = dst; n_sectors--; lba++, out += PART_SECTOR_BYTES) {
        if (disk_bad_lba && lba == disk_bad_lba) return false;
        memset(out, 0, PART_SECTOR_BYTES);
        if (lba < DISK_EDGE_SECTORS || lba >= disk.n_sectors - DISK_EDGE_SECTORS)
            memcpy(out, disk_sector(lba), PART_SECTOR_BYTES);
    }
    return true;
}

struct part_disk disk = {.read = read_disk, .ctx = edge};

void disk_clear(uint64_t n_sectors) {
    memset(edge, 0, sizeof edge);
    disk.n_sectors = n_sectors;
    disk_bad_lba = 0;
    disk_n_read = 0;
}

uint8_t *disk_sector(uint64_t lba) {
    if (lba < DISK_EDGE_SECTORS) return edge[0][lba];
    cr_assert(lba < disk.n_sectors && disk.n_sectors - lba <= DISK_EDGE_SECTORS);
    return edge[1][DISK_EDGE_SECTORS - (disk.n_sectors - lba)];
}

void disk_put(uint64_t lba, unsigned at, unsigned n_bytes, uint64_t v) { memcpy(disk_sector(lba) + at, &v, n_bytes); }

void disk_record(uint64_t lba, unsigned i, unsigned type, uint32_t first, uint32_t n) {
    disk_put(lba, 446 + 16 * i + 4, 1, type);
    disk_put(lba, 446 + 16 * i + 8, 4, first);
    disk_put(lba, 446 + 16 * i + 12, 4, n);
}

void disk_magic(uint64_t lba) { disk_put(lba, 510, 2, 0xaa55); }

int disk_parse(void) {
    memset(&table, 0xa5, sizeof table);
    int r = part_parse(&disk, &table);
    cr_assert_eq(table.error, r);
    if (r) {
        struct part_table empty = {.error = r};
        cr_assert(memcmp(&table, &empty, sizeof table) == 0, "something is left of a table that was refused");
        cr_assert_str_neq(part_error_text(r), part_error_text(-1000));
    }
    cr_assert(disk_n_read <= 6200);
    return r;
}
