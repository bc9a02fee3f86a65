/* see app.h */
#include <string.h>
#include "app.h"

#define SIGNATURE_AT 510u

void disk_start(uint8_t drive, struct bios_wipe wipe, const char **out_why) {
    const uint8_t *sector = bios_buffer();
    *out_why = "the BIOS cannot read the drive";
    if (!bios_read(drive, 0, 1, bios_buffer_address())) return;
    *out_why = "the drive has no boot sector";
    if (sector[SIGNATURE_AT] != 0x55 || sector[SIGNATURE_AT + 1] != 0xaa) return;
    memcpy((void *)(uintptr_t)BOOT_SECTOR, sector, 512);
    bios_leave_to_sector(wipe, drive, 0, BOOT_SECTOR);
}
