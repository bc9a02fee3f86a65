/* see vmm_uefi.h: pure */
#include <string.h>
#include <vmm/range.h>
#include "vmm_uefi.h"

int vmm_uefi_ranges(const void *map, size_t map_bytes, size_t desc_bytes, uint32_t types, struct vmm_range *out,
                    uint32_t max) {
    int n = 0;
    if (desc_bytes < sizeof(EFI_MEMORY_DESCRIPTOR)) return VMM_E_INVAL;
    for (size_t off = 0; map_bytes - off >= desc_bytes && off < map_bytes; off += desc_bytes) {
        EFI_MEMORY_DESCRIPTOR d;
        memcpy(&d, (const uint8_t *)map + off, sizeof d);
        uint64_t limit = UINT64_C(1) << 52;
        if (d.Type >= EfiMaxMemoryType || !(types & BIT(d.Type)) || d.NumberOfPages == 0 ||
            (d.PhysicalStart & VMM_PAGE_MASK) || d.PhysicalStart >= limit ||
            d.NumberOfPages > (limit - d.PhysicalStart) / VMM_PAGE_BYTES)
            continue;
        n = vmm_range_add(out, (uint32_t)n, max, (struct vmm_range){d.PhysicalStart, d.NumberOfPages * VMM_PAGE_BYTES});
        if (n < 0) return n;
    }
    return n;
}
