/* What the files of the partition parser offer each other. */
#ifndef PART_TABLE_H
#define PART_TABLE_H

#include <part/part.h>
#include <stddef.h>

static inline uint64_t part_le(const uint8_t *p, unsigned n_bytes) {
    uint64_t v = 0;
    while (n_bytes--) v = v << 8 | p[n_bytes];
    return v;
}

/* Into t->buffer. MUST: n_sectors <= PART_BUFFER_BYTES / PART_SECTOR_BYTES. */
int part_read(const struct part_disk *disk, struct part_table *t, uint64_t lba, uint32_t n_sectors);

/* v as n_digits hexadecimal digits in lower case; returns what follows them. */
char *part_put_hex(char *out, uint64_t v, unsigned n_digits);

/* A record of an MBR, or of the boot record of an extended partition.
 * Source: UEFI 2.10, table 5.2 "Legacy MBR Partition Record". */
struct part_record {
    uint8_t boot, type;
    uint32_t first_lba, n_sectors; /* n_sectors 0: not in use */
};
bool part_mbr_signature(const uint8_t *sector);
struct part_record part_mbr_record(const uint8_t *sector, unsigned i);

/* MUST: t->buffer holds sector 0. */
int part_mbr_parse(const struct part_disk *disk, struct part_table *t);
int part_gpt_parse(const struct part_disk *disk, struct part_table *t);

/* Of data in pieces: crc is 0 before the first, and what the last call returned after that.
 * Source: UEFI 2.10, 4.2 "EFI Table Header": the CRC of ITU-T V.42, 8.1.1.6.2 "32-bit frame check sequence". */
uint32_t part_crc32(uint32_t crc, const uint8_t *p, size_t n);

#endif
