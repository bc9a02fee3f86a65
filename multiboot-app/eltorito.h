/* Which part of a CD a BIOS starts. Pure, over the CD's sectors.
 * Source: "El Torito" Bootable CD-ROM Format Specification 1.0, 2.0 "Boot Record Volume Descriptor", 2.1 "Validation
 * Entry", 2.2 "Initial/Default Entry". */
#ifndef MULTIBOOT_ELTORITO_H
#define MULTIBOOT_ELTORITO_H

#include <stdbool.h>
#include <stdint.h>

#define ELTORITO_SECTOR_BYTES 2048u
#define ELTORITO_RECORD_LBA   17u

/* The boot catalog's sector, from the boot record [ELTORITO_SECTOR_BYTES]; 0 if it is none. */
uint32_t eltorito_catalog(const void *record);

struct eltorito_image {
    uint32_t lba;       /* in sectors of the CD */
    uint16_t n_sectors; /* likewise; at least 1 */
    uint16_t segment;   /* where it is loaded, and entered at offset 0 */
};

/* The catalog's first entry; false if it is unsound, or not for a PC, or the image of a diskette or hard disk. */
bool eltorito_parse(const void *catalog, struct eltorito_image *out);

#endif
