/* Published vectors are printed in hexadecimal. */
#ifndef TEST_CRYPT_HEX_H
#define TEST_CRYPT_HEX_H

#include <stddef.h>
#include <stdint.h>

/* The bytes that pairs of digits stand for, spaces between pairs aside; returns how many. Anything else fails the test.
 */
size_t from_hex(const char *hex, uint8_t *out, size_t max_bytes);

#endif
