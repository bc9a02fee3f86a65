/* A small formatter: %s %c %d %u %x, l for 64 bits, width and zero padding, %%, all as in printf; %c takes no width.
 * Anything else is copied as it stands.
 * Pure, no allocation. Returns the length written, at most size - 1; out is always terminated. MUST: size >= 1. */
#ifndef VMM_FMT_H
#define VMM_FMT_H

#include <stdarg.h>
#include <stddef.h>

size_t vmm_vformat(char *out, size_t size, const char *fmt, va_list ap);

#endif
