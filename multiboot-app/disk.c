/* see app.h */
#include <conf/conf.h>
#include <string.h>
#include "app.h"
#include "eltorito.h"

#define SIGNATURE_AT 510u
#define LOAD_END     0x10000u /* of what a CD may have loaded: the block may lie from there on */

static void *at_address(uint32_t at) { return (void *)(uintptr_t)at; }

static void start_disk(uint8_t drive, struct bios_wipe wipe, const char **out_why) {
    const uint8_t *sector = bios_buffer();
    *out_why = "the BIOS cannot read the drive";
    if (!bios_read(drive, 0, 1, bios_buffer_address())) return;
    *out_why = "the drive has no boot sector";
    if (sector[SIGNATURE_AT] != 0x55 || sector[SIGNATURE_AT + 1] != 0xaa) return;
    memcpy(at_address(BOOT_SECTOR), sector, 512);
    bios_leave_to_sector(wipe, drive, 0, BOOT_SECTOR);
}

static void start_cd(uint8_t drive, struct bios_wipe wipe, const char **out_why) {
    struct eltorito_image image;
    uint32_t buffer = bios_buffer_address();
    *out_why = "the BIOS cannot read the CD";
    if (!bios_read(drive, ELTORITO_RECORD_LBA, 1, buffer)) return;
    uint32_t catalog = eltorito_catalog(bios_buffer());
    *out_why = "the CD has nothing to start";
    if (!catalog || !bios_read(drive, catalog, 1, buffer) || !eltorito_parse(bios_buffer(), &image)) return;
    uint32_t to = (uint32_t)image.segment << 4;
    *out_why = "what the CD wants to have loaded is too large";
    if (to < BOOT_SECTOR || to + image.n_sectors * ELTORITO_SECTOR_BYTES > LOAD_END) return;
    *out_why = "the BIOS cannot read the CD";
    for (uint32_t i = 0; i < image.n_sectors; i++) {
        if (!bios_read(drive, image.lba + i, 1, buffer)) return;
        memcpy(at_address(to + i * ELTORITO_SECTOR_BYTES), bios_buffer(), ELTORITO_SECTOR_BYTES);
    }
    bios_leave_to_sector(wipe, drive, image.segment, 0);
}

void disk_start(uint8_t drive, struct bios_wipe wipe, const char **out_why) {
    if (drive >= CONF_DRIVE_CD)
        start_cd(drive, wipe, out_why);
    else
        start_disk(drive, wipe, out_why);
}
