/* Reads the response files of NIST's Cryptographic Algorithm Validation Program, as far as XTS needs. */
#ifndef TEST_CRYPT_RSP_H
#define TEST_CRYPT_RSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSP_MAX_BYTES 512u

struct rsp_vector {
    const char *file;
    unsigned count;
    bool encrypt, has_number; /* has_number: the tweak is a 64-bit data unit number */
    size_t data_unit_bits;
    uint8_t key[64], pt[RSP_MAX_BYTES], ct[RSP_MAX_BYTES];
    size_t key_bytes, pt_bytes, ct_bytes;
    uint8_t tweak[16];
    uint64_t number;
};

/* Calls fn for every vector of the file, in order; returns how many. A missing or malformed file fails the test. */
size_t rsp_for_each(const char *path, void (*fn)(const struct rsp_vector *v));

#endif
