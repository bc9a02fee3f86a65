/* see devpath.h */
#include "devpath.h"

#include <stdint.h>

#define NODE_BYTES    4u /* type, subtype, length of 16 bits */
#define MESSAGING     3u
#define UART          14u
#define END           0x7fu
#define END_OF_ENTIRE 0xffu

bool devpath_has_uart(const void *path, size_t n_bytes) {
    const uint8_t *node = path;
    while (n_bytes >= NODE_BYTES) {
        size_t length = node[2] | (size_t)node[3] << 8;
        if (length < NODE_BYTES || length > n_bytes) return false;
        if (node[0] == MESSAGING && node[1] == UART) return true;
        if (node[0] == END && node[1] == END_OF_ENTIRE) return false;
        node += length;
        n_bytes -= length;
    }
    return false;
}
