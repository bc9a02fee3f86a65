/* Any memory map gives sorted, disjoint, non-touching ranges of whole pages, or an error. */
#include <stdlib.h>
#include <string.h>
#include "vmm_uefi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    if (n_bytes < 2) return 0;
    size_t desc_bytes = data[0] % 4 ? 40 + data[0] % 32 : data[0];
    uint32_t max = data[1] % 20;
    data += 2, n_bytes -= 2;
    uint8_t *map = malloc(n_bytes + 1); /* aligned to nothing, exact at its end */
    struct vmm_range *out = malloc((max + 1) * sizeof *out);
    memcpy(map + 1, data, n_bytes);
    /* Keep descriptors in a small space half of the time, so that they meet. */
    for (size_t off = 0; n_bytes - off >= 40 && off < n_bytes && desc_bytes >= 40 && data[off] % 2; off += desc_bytes) {
        memset(map + 1 + off + 8, 0, 1); /* PhysicalStart: a page, low */
        map[1 + off + 9] &= 0xf0;
        memset(map + 1 + off + 10, 0, 6);
        memset(map + 1 + off + 25, 0, 7); /* NumberOfPages */
    }
    int n = vmm_uefi_ranges(map + 1, n_bytes, desc_bytes, VMM_UEFI_RAM, out, max);
    CHECK(n <= (int)max && (n >= 0 || n == VMM_E_FULL || n == VMM_E_INVAL));
    CHECK((n == VMM_E_INVAL) == (desc_bytes < 40));
    for (int i = 0; i < n; i++) {
        CHECK(out[i].base % VMM_PAGE_BYTES == 0 && out[i].n_bytes > 0 && out[i].n_bytes % VMM_PAGE_BYTES == 0);
        CHECK(out[i].base < UINT64_C(1) << 52 && out[i].n_bytes <= (UINT64_C(1) << 52) - out[i].base);
        if (i) CHECK(out[i - 1].base + out[i - 1].n_bytes < out[i].base);
    }
    free(map);
    free(out);
    return 0;
}
