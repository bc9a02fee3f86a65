/* see hex.h */
#include "hex.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

size_t from_hex(const char *hex, uint8_t *out, size_t max_bytes) {
    size_t n = 0;
    for (const char *c = hex; *c; c++) {
        if (*c == ' ') continue;
        cr_assert_lt(n, max_bytes, "hex string of %zu digits", strlen(hex));
        cr_assert_eq(sscanf(c, "%2hhx", &out[n++]), 1, "not hex: %s", hex);
        cr_assert_neq(*++c, '\0', "half a byte: %s", hex);
    }
    return n;
}
