/* Function names for the panic report. The table is made from the linked image by cmake/symbols.py and linked in on a
 * second pass; the first pass has an empty one. */
#ifndef VMM_SYMBOLS_H
#define VMM_SYMBOLS_H

#include <stdint.h>

struct vmm_symbol {
    uint32_t offset; /* from the image's start, ascending */
    uint32_t name;   /* offset in vmm_symbol_names */
};
extern const struct vmm_symbol vmm_symbols[];
extern const uint32_t vmm_n_symbols;
extern const char vmm_symbol_names[];

/* The function that holds an image offset; "?" if none does. */
const char *vmm_symbol_find(uint32_t offset, uint32_t *out_offset);

#endif
