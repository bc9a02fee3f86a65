/* What the tests of sekisho.conf share: keys to write into files, and a parse of a string. */
#ifndef CONF_TEST_H
#define CONF_TEST_H

#include <conf/conf.h>
#include <string.h>

#define HEX_16   "00112233445566778899aabbccddeeff"
#define HEX_16_B "0123456789abcdefFEDCBA9876543210"
#define HEX_32   HEX_16 HEX_16_B
#define HEX_64   HEX_16 HEX_16 HEX_16 HEX_16_B

/* A complete [disk] and a complete [key], to which a test adds. */
#define DISK_A "[disk \"a\"]\nmatch = any\nrange = 0..end clear\n"
#define DISK_E "[disk \"a\"]\nmatch = any\nrange = 0..end encrypt:k\n"
#define KEY_K  "[key \"k\"]\nsource = hex:" HEX_32 "\n"

static inline int parse_text(const char *text, struct conf *conf, struct conf_error *error) {
    return conf_parse(text, strlen(text), conf, error);
}

#endif
