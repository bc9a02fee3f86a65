/* see argon2_block.h */
#include "argon2_block.h"

#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t rotate_right(uint64_t w, unsigned n) { return w >> n | w << (64 - n); }

/* BLAKE2b's addition, made slower on hardware other than processors by a multiplication. */
INLINE uint64_t add(uint64_t a, uint64_t b) { return a + b + 2 * (a & UINT32_MAX) * (b & UINT32_MAX); }

/* 3.6 "Permutation P": GB */
INLINE void mix(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d) {
    *a = add(*a, *b);
    *d = rotate_right(*d ^ *a, 32);
    *c = add(*c, *d);
    *b = rotate_right(*b ^ *c, 24);
    *a = add(*a, *b);
    *d = rotate_right(*d ^ *a, 16);
    *c = add(*c, *d);
    *b = rotate_right(*b ^ *c, 63);
}

/* 3.6 "Permutation P", on eight pairs of words, each pair stride words after the one before. */
INLINE void permute(uint64_t *p, unsigned stride) {
    uint64_t v[16];
    for (unsigned i = 0; i < 8; i++) {
        v[2 * i] = p[i * stride];
        v[2 * i + 1] = p[i * stride + 1];
    }
    for (unsigned i = 0; i < 4; i++) mix(&v[i], &v[4 + i], &v[8 + i], &v[12 + i]);
    for (unsigned i = 0; i < 4; i++) mix(&v[i], &v[4 + (i + 1) % 4], &v[8 + (i + 2) % 4], &v[12 + (i + 3) % 4]);
    for (unsigned i = 0; i < 8; i++) {
        p[i * stride] = v[2 * i];
        p[i * stride + 1] = v[2 * i + 1];
    }
}

void crypt_argon2_compress(struct crypt_argon2_block *out, const struct crypt_argon2_block *x,
                           const struct crypt_argon2_block *y, struct crypt_argon2_block *tmp, bool add_to_out) {
    for (unsigned i = 0; i < 128; i++) {
        uint64_t r = x->v[i] ^ y->v[i];
        tmp->v[i] = r;
        out->v[i] = add_to_out ? out->v[i] ^ r : r;
    }
    for (unsigned row = 0; row < 8; row++) permute(tmp->v + 16 * row, 2);
    for (unsigned column = 0; column < 8; column++) permute(tmp->v + 2 * column, 16);
    for (unsigned i = 0; i < 128; i++) out->v[i] ^= tmp->v[i];
}
