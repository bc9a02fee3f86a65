/* see eltorito.h */
#include "eltorito.h"
#include <string.h>

/* figure 7 "Boot Record Volume Descriptor": type 0, "CD001", version 1, the system's name, the catalog */
#define RECORD_CATALOG 0x47u

/* figures 2 and 3 "Validation Entry", "Initial/Default Entry" */
#define VALIDATION_BYTES    32u
#define VALIDATION_PLATFORM 1u /* 0: 80x86 */
#define VALIDATION_KEY      30u
#define ENTRY_BOOTABLE      32u
#define ENTRY_MEDIA         33u
#define ENTRY_SEGMENT       34u
#define ENTRY_COUNT         38u /* in sectors of 512 bytes */
#define ENTRY_LBA           40u
#define BOOTABLE            0x88u
#define MEDIA_MASK          0x0fu /* 0: no emulation */
#define DEFAULT_SEGMENT     0x7c0u
#define SMALL_PER_SECTOR    (ELTORITO_SECTOR_BYTES / 512u)

static uint32_t le(const uint8_t *p, unsigned n_bytes) {
    uint32_t v = 0;
    while (n_bytes--) v = v << 8 | p[n_bytes];
    return v;
}

uint32_t eltorito_catalog(const void *record) {
    static const char id[] = "\0CD001\1EL TORITO SPECIFICATION";
    return memcmp(record, id, sizeof id - 1) ? 0 : le((const uint8_t *)record + RECORD_CATALOG, 4);
}

bool eltorito_parse(const void *catalog, struct eltorito_image *out) {
    const uint8_t *c = catalog;
    uint16_t sum = 0;
    for (unsigned i = 0; i < VALIDATION_BYTES; i += 2) sum = (uint16_t)(sum + le(c + i, 2));
    if (c[0] != 1 || c[VALIDATION_PLATFORM] != 0 || c[VALIDATION_KEY] != 0x55 || c[VALIDATION_KEY + 1] != 0xaa || sum)
        return false;
    if (c[ENTRY_BOOTABLE] != BOOTABLE || (c[ENTRY_MEDIA] & MEDIA_MASK)) return false;
    uint32_t segment = le(c + ENTRY_SEGMENT, 2), count = le(c + ENTRY_COUNT, 2);
    *out = (struct eltorito_image){.lba = le(c + ENTRY_LBA, 4),
                                   .n_sectors = (uint16_t)((count + SMALL_PER_SECTOR - 1) / SMALL_PER_SECTOR),
                                   .segment = (uint16_t)(segment ? segment : DEFAULT_SEGMENT)};
    return out->n_sectors && out->lba;
}
