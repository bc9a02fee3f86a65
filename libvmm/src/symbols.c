/* see symbols.h */
#include "symbols.h"

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
