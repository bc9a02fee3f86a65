/* The table before there is one: replaced when the image is linked. Apart from symbols.c, whose compiler would
 * otherwise take these values for the final ones. */
#include "symbols.h"

__attribute__((weak)) const struct vmm_symbol vmm_symbols[1] = {{0, 0}};
__attribute__((weak)) const uint32_t vmm_n_symbols = 0;
__attribute__((weak)) const char vmm_symbol_names[1] = "";
