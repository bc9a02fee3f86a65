/* What stays in conventional memory below the guest's own code: the answer to "how much memory is there?". */
#ifndef MULTIBOOT_RESIDENT_H
#define MULTIBOOT_RESIDENT_H

#include <stddef.h>
#include <stdint.h>
#include "memmap.h"
#include "resident_layout.h"

struct resident {
    uint16_t old_offset, old_segment;
    uint16_t n_bytes;
    uint16_t kib_1_to_16, blocks_above_16; /* E801h: KiB, and 64 KiB blocks */
    uint16_t kib_88;
};
_Static_assert(offsetof(struct resident, kib_88) == RESIDENT_KIB_88 && sizeof(struct resident) <= RESIDENT_ENTRY,
               "resident.S");
#define RESIDENT_BYTES ((RESIDENT_TABLE + MEMMAP_MAX * RESIDENT_ENTRY_MAX + 0xfff) & ~0xfffu) /* whole pages */

/* Put it to at (a page below 640 KiB, RESIDENT_BYTES are free there and reserved in *map) and make it the handler of
 * interrupt 15h, so that E820h, E801h and 88h tell the guest *map. Everything else goes to the handler it finds.
 * Context: interrupts off. Source: ACPI 6.4, 15.1 "INT 15H, E820H - Query System Address Map". */
void resident_install(uint32_t at, const struct memmap *map);

#endif
