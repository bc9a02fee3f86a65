/* see blake2b.h */
#include "blake2b.h"

#include <crypt/wipe.h>
#include <string.h>

#define N_ROUNDS 12u

/* 2.6 "Initialization Vector" */
static const uint64_t iv[8] = {UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b),
                               UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
                               UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179)};

/* 2.7 "Message Schedule SIGMA"; rounds 10 and 11 are 0 and 1 again */
static const uint8_t sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint64_t rotate_right(uint64_t w, unsigned n) { return w >> n | w << (64 - n); }

/* 3.1 "Mixing Function G" */
static void mix(uint64_t v[16], const unsigned at[4], uint64_t x, uint64_t y) {
    unsigned a = at[0], b = at[1], c = at[2], d = at[3];
    v[a] += v[b] + x;
    v[d] = rotate_right(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotate_right(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 63);
}

/* 3.2 "Compression Function F", of b->block. b->n_bytes already counts it. */
static void compress(struct crypt_blake2b *b, uint64_t final) {
    static const unsigned at[8][4] = {{0, 4, 8, 12},  {1, 5, 9, 13},  {2, 6, 10, 14}, {3, 7, 11, 15},
                                      {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13},  {3, 4, 9, 14}};
    uint64_t m[16], v[16];
    memcpy(m, b->block, sizeof m); /* little-endian, as the machine is */
    memcpy(v, b->h, sizeof b->h);
    memcpy(v + 8, iv, sizeof iv);
    v[12] ^= b->n_bytes;
    v[14] ^= final;
    for (unsigned r = 0; r < N_ROUNDS; r++) {
        const uint8_t *s = sigma[r % 10];
        for (unsigned i = 0; i < 8; i++) mix(v, at[i], m[s[2 * i]], m[s[2 * i + 1]]);
    }
    for (unsigned i = 0; i < 8; i++) b->h[i] ^= v[i] ^ v[i + 8];
    crypt_wipe(m, sizeof m);
    crypt_wipe(v, sizeof v);
}

void crypt_blake2b_init(struct crypt_blake2b *b, size_t out_bytes) {
    memset(b, 0, sizeof *b);
    memcpy(b->h, iv, sizeof iv);
    b->h[0] ^= UINT64_C(0x01010000) ^ out_bytes; /* 2.5 "Parameter Block": no tree, no key */
    b->out_bytes = out_bytes;
}

/* The last block is marked, so that a full one waits until it is known not to be the last. */
void crypt_blake2b_update(struct crypt_blake2b *b, const void *data, size_t n_bytes) {
    const uint8_t *p = data;
    while (n_bytes > 0) {
        if (b->n_block == sizeof b->block) {
            b->n_bytes += sizeof b->block;
            compress(b, 0);
            b->n_block = 0;
        }
        size_t room = sizeof b->block - b->n_block, n = n_bytes < room ? n_bytes : room;
        memcpy(b->block + b->n_block, p, n);
        b->n_block += n;
        p += n;
        n_bytes -= n;
    }
}

void crypt_blake2b_out(struct crypt_blake2b *b, void *out) {
    memset(b->block + b->n_block, 0, sizeof b->block - b->n_block);
    b->n_bytes += b->n_block;
    compress(b, UINT64_MAX);
    memcpy(out, b->h, b->out_bytes);
    crypt_wipe(b, sizeof *b);
}
