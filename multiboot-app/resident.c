/* see resident.h */
#include "resident.h"
#include <string.h>
#include <vmm/vmm.h>

extern const uint8_t resident_start[], resident_end[];

#define IVT_15 (4u * 0x15u) /* offset, segment */

static void *low(uint32_t at) { return (void *)(uintptr_t)at; } /* conventional memory is mapped 1:1 */

void resident_install(uint32_t at, const struct memmap *map) {
    struct resident r = {.n_bytes = (uint16_t)(map->n * sizeof map->entry[0]), .kib_88 = memmap_88(map)};
    uint32_t old = (uint32_t)vmm_device_read(hpa(IVT_15), 4);
    memmap_e801(map, &r.kib_1_to_16, &r.blocks_above_16);
    r.old_offset = (uint16_t)old;
    r.old_segment = (uint16_t)(old >> 16);
    memcpy(low(at), resident_start, (size_t)(resident_end - resident_start));
    memcpy(low(at), &r, sizeof r);
    memcpy(low(at + RESIDENT_TABLE), map->entry, r.n_bytes);
    vmm_device_write(hpa(IVT_15), 4, RESIDENT_ENTRY | at >> 4 << 16);
}
