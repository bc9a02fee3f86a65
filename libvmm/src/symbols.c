/* see symbols.h */
#include "symbols.h"

/* Replaced by the generated table when the image is linked. */
__attribute__((weak)) const struct vmm_symbol vmm_symbols[1] = {{0, 0}};
__attribute__((weak)) const uint32_t vmm_n_symbols = 0;
__attribute__((weak)) const char vmm_symbol_names[1] = "";

const char *vmm_symbol_find(uint32_t offset, uint32_t *out_offset) {
    uint32_t low = 0, high = vmm_n_symbols;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vmm_symbols[middle].offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    *out_offset = low ? offset - vmm_symbols[low - 1].offset : offset;
    return low ? vmm_symbol_names + vmm_symbols[low - 1].name : "?";
}
