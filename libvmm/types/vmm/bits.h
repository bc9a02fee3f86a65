/* Register fields as manuals print them: BIT(0), BITS(3, 2), FIELD_GET(BITS(3, 2), v). Constant expressions; any
 * context. */
#ifndef VMM_BITS_H
#define VMM_BITS_H

#include <stdint.h>

#define BIT(n)       (UINT64_C(1) << (n))
#define BITS(hi, lo) ((UINT64_MAX >> (63 - (hi))) & (UINT64_MAX << (lo)))

/* The lowest set bit of a mask, which is what a field's value is scaled by. */
#define FIELD_LSB(mask)        ((mask) & (~(mask) + 1))
#define FIELD_GET(mask, reg)   (((uint64_t)(reg) & (mask)) / FIELD_LSB(mask))
#define FIELD_PUT(mask, value) (((uint64_t)(value)*FIELD_LSB(mask)) & (mask))
#define FIELD_MAX(mask)        ((mask) / FIELD_LSB(mask))

#endif
