/* XTS with VAES on 256-bit registers: eight registers, sixteen blocks in flight. The twin of xts_aesni.c; what differs
 * is that a register holds two neighbouring blocks, and that a group's tweaks are computed side by side (each times a
 * power of x) instead of one from the other. see xts_kernel.h
 *
 * Beside the AES instructions themselves, the speed depends on how many others there are. So four registers, a quad,
 * are multiplied at a time: what falls out of their eight blocks at the top is gathered in one register, times the
 * polynomial's tail, and spread again.
 *
 * Sources: Intel SDM volume 2 (revision 083), VAESENC and companions; IEEE Std 1619-2018, 5.2
 * "Multiplication by a primitive element", 5.3, 5.4. */
#include <stdbool.h>
#include <immintrin.h>

#include "aes_rounds.h"
#include "xts_kernel.h"

#define IN_FLIGHT   8u
#define BLOCK_BYTES 16u
#define PAIR_BYTES  (2 * BLOCK_BYTES)
#define GROUP_BYTES (IN_FLIGHT * PAIR_BYTES)
#define QUAD        (IN_FLIGHT / 2)

_Static_assert(2 * GROUP_BYTES == CRYPT_XTS_UNIT_BYTES, "a data unit is two groups");

#define INLINE  static inline __attribute__((always_inline))
#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

typedef const uint8_t round_key[BLOCK_BYTES];

INLINE __m256i load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i_u *)p); }
INLINE void store(uint8_t *p, __m256i v) { _mm256_storeu_si256((__m256i_u *)p, v); }
INLINE __m256i xor (__m256i a, __m256i b) { return _mm256_xor_si256(a, b); } INLINE __m256i load_key(const uint8_t *p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)p));
}

/* Keep the compiler from holding, or spilling to its own stack, what was stored before or will be loaded after. */
INLINE void forget(void) { __asm__ volatile("" : : : "memory"); }

/* c(x^7 + x^2 + x), for 32-bit elements below 2^25. */
INLINE __m256i times_0x86(__m256i c) {
    __m256i c2 = _mm256_add_epi32(c, c);
    return xor(xor(c2, _mm256_add_epi32(c2, c2)), _mm256_slli_epi32(c, 7));
}

/* Element i of each half alone, at the bottom. */
INLINE __m256i spread(__m256i c, int i) {
#define ONLY(i)                                                                                                        \
    4 * (i), 4 * (i) + 1, 4 * (i) + 2, 4 * (i) + 3, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128
    static const uint8_t only[QUAD][BLOCK_BYTES] = {{ONLY(0)}, {ONLY(1)}, {ONLY(2)}, {ONLY(3)}};
    return _mm256_shuffle_epi8(c, load_key(only[i]));
}

INLINE __m256i shift_bytes(__m256i t, int n) { return n == 1 ? _mm256_slli_si256(t, 1) : _mm256_slli_si256(t, 2); }

/* A quad's tweaks times x^(8n) in GF(2^128), polynomial x^128 + x^7 + x^2 + x + 1: the n bytes that fall out at the
 * top, times the polynomial's tail, are added at the bottom. n is 1 or 2. In four steps; *c holds those bytes. */
INLINE void quad_step(uint8_t to[QUAD][PAIR_BYTES], uint8_t from[QUAD][PAIR_BYTES], const int n, __m256i *c, int step) {
    __m256i low, high;
#define SHIFT(i) store(to[i], xor(shift_bytes(load(from[i]), n), spread(*c, i)));
    switch (step) {
    case 0:
        low = _mm256_unpackhi_epi32(load(from[0]), load(from[1]));
        high = _mm256_unpackhi_epi32(load(from[2]), load(from[3]));
        *c = _mm256_srli_epi32(_mm256_unpackhi_epi64(low, high), 32 - 8 * n);
        break;
    case 1: *c = xor(*c, times_0x86(*c)); break;
    case 2: SHIFT(0) SHIFT(1) break;
    case 3: SHIFT(2) SHIFT(3) break;
    }
}

/* The two tweaks of pair i < 4 of a unit but for the reduction: its bits are returned, at the bottom of each half. */
INLINE __m256i shift_unit(uint8_t to[PAIR_BYTES], const uint8_t *unit_tweak, int i) {
    __m256i t = load_key(unit_tweak), n = _mm256_set_epi64x(2 * i + 1, 2 * i + 1, 2 * i, 2 * i);
    __m256i over = _mm256_sub_epi64(_mm256_set1_epi64x(64), n);
    __m256i out = _mm256_srlv_epi64(_mm256_shuffle_epi32(t, _MM_SHUFFLE(1, 0, 3, 2)), over);
    store(to, xor(_mm256_sllv_epi64(t, n), out));
    return out;
}

/* A unit's first quad, in four steps. */
INLINE void first_quad_step(uint8_t to[QUAD][PAIR_BYTES], const uint8_t *unit_tweak, __m256i *c, int step) {
    __m256i high;
#define REDUCE(i) store(to[i], xor(load(to[i]), spread(*c, i)));
    switch (step) {
    case 0: *c = _mm256_unpacklo_epi32(shift_unit(to[0], unit_tweak, 0), shift_unit(to[1], unit_tweak, 1)); break;
    case 1:
        high = _mm256_unpacklo_epi32(shift_unit(to[2], unit_tweak, 2), shift_unit(to[3], unit_tweak, 3));
        *c = times_0x86(_mm256_unpacklo_epi64(*c, high)); /* the one times 1 is there already */
        break;
    case 2: REDUCE(0) REDUCE(1) break;
    case 3: REDUCE(2) REDUCE(3) break;
    }
}

/* The tweaks of the group after now in the same unit or, if unit_tweak is given, of another unit's first group. In
 * eight steps. */
INLINE void next_step(uint8_t now[IN_FLIGHT][PAIR_BYTES], uint8_t next[IN_FLIGHT][PAIR_BYTES],
                      const uint8_t *unit_tweak, __m256i *c, int step) {
    if (unit_tweak && step < 4)
        first_quad_step(next, unit_tweak, c, step);
    else if (unit_tweak)
        quad_step(next + QUAD, next, 1, c, step - 4);
    else if (step < 4)
        quad_step(next, now, 2, c, step);
    else
        quad_step(next + QUAD, now + QUAD, 2, c, step - 4);
}

INLINE void middle_round(__m256i b[IN_FLIGHT], __m256i k, bool encrypt) {
#define ROUND(i) b[i] = encrypt ? _mm256_aesenc_epi128(b[i], k) : _mm256_aesdec_epi128(b[i], k);
    EACH(ROUND)
}

INLINE __m256i last(__m256i b, __m256i k, bool encrypt) {
    return encrypt ? _mm256_aesenclast_epi128(b, k) : _mm256_aesdeclast_epi128(b, k);
}

INLINE void encrypt_tweaks(const struct crypt_xts *x, struct crypt_xts_batch *batch) {
    __m256i b[IN_FLIGHT], k = load_key(x->rounds.tweak[0]), number = load_key((const uint8_t *)batch->number);
#define NUMBERS(i) b[i] = xor(_mm256_add_epi64(number, _mm256_set_epi64x(0, 2 * (i) + 1, 0, 2 * (i))), k);
    EACH(NUMBERS)
    for (uint32_t r = 1; r < x->n_rounds; r++) middle_round(b, load_key(x->rounds.tweak[r]), true);
    k = load_key(x->rounds.tweak[x->n_rounds]);
#define STORE_TWEAKS(i) store(batch->tweak[2 * (i)], last(b[i], k, true));
    EACH(STORE_TWEAKS)
}

/* One group, whose tweaks are in now. On the way, between the first rounds, make those of the next group: those
 * instructions would otherwise stand between one group's rounds and the next one's, and leave the AES units idle. */
INLINE void group(const struct crypt_xts *x, uint8_t now[IN_FLIGHT][PAIR_BYTES], uint8_t next[IN_FLIGHT][PAIR_BYTES],
                  const uint8_t *unit_tweak, const uint8_t *src, uint8_t *dst, bool encrypt) {
    round_key *key = encrypt ? x->rounds.encrypt : x->rounds.decrypt;
    __m256i b[IN_FLIGHT], k = load_key(key[0]), c;
    forget();
#define LOAD_PAIR(i) b[i] = xor(xor(load(src + (i)*PAIR_BYTES), load(now[i])), k);
    EACH(LOAD_PAIR)
#define ROUND_AND_TWEAKS(i)                                                                                            \
    middle_round(b, load_key(key[1 + (i)]), encrypt);                                                                  \
    next_step(now, next, unit_tweak, &c, i);                                                                           \
    forget();
    EACH(ROUND_AND_TWEAKS)
    uint32_t r = 1 + IN_FLIGHT;
    do middle_round(b, load_key(key[r]), encrypt);
    while (++r < x->n_rounds); /* which is at least 10 */
    k = load_key(key[x->n_rounds]);
#define STORE_PAIR(i) store(dst + (i)*PAIR_BYTES, last(b[i], xor(load(now[i]), k), encrypt));
    EACH(STORE_PAIR)
}

INLINE void units(const struct crypt_xts *x, struct crypt_xts_batch *batch, const uint8_t *src, uint8_t *dst,
                  size_t n_units, bool encrypt) {
    uint8_t(*even)[PAIR_BYTES] = (uint8_t(*)[PAIR_BYTES])batch->block, (*odd)[PAIR_BYTES] = even + IN_FLIGHT;
    __m256i c;
    encrypt_tweaks(x, batch);
#define FIRST_TWEAKS(i)                                                                                                \
    next_step(odd, even, batch->tweak[0], &c, i);                                                                      \
    forget();
    EACH(FIRST_TWEAKS)
    for (size_t u = 0; u < n_units; u++) {
        const uint8_t *following = batch->tweak[(u + 1) % CRYPT_XTS_BATCH_UNITS]; /* not used after the last unit */
        group(x, even, odd, NULL, src, dst, encrypt);
        group(x, odd, even, following, src + GROUP_BYTES, dst + GROUP_BYTES, encrypt);
        src += CRYPT_XTS_UNIT_BYTES;
        dst += CRYPT_XTS_UNIT_BYTES;
    }
    _mm256_zeroall();
}

static void encrypt(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    units(x, b, src, dst, n, true);
}

static void decrypt(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    units(x, b, src, dst, n, false);
}

const struct crypt_xts_kernel crypt_xts_kernel_vaes_avx2 = {
    .name = "vaes-avx2",
    .needs = CRYPT_CPU_AESNI | CRYPT_CPU_AVX2 | CRYPT_CPU_VAES,
    .clobbers = CRYPT_YMM,
    .expand = crypt_aes_rounds_expand,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
