/* see table.h. Bit by bit: a megabyte at most is read once. */
#include "table.h"

#define POLYNOMIAL_REVERSED UINT32_C(0xedb88320)

uint32_t part_crc32(uint32_t crc, const uint8_t *p, size_t n) {
    crc = ~crc;
    while (n--) {
        crc ^= *p++;
        for (unsigned bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL_REVERSED : 0);
    }
    return ~crc;
}
