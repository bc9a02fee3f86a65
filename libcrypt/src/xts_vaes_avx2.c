/* XTS with VAES on 256-bit registers: eight registers, sixteen blocks in flight. The twin of xts_aesni.c; what differs
 * is that a register holds two neighbouring blocks, and that the tweaks of a group are computed side by side (each
 * times a power of x) instead of one from the other. AVX-512 is not needed. see xts_kernel.h
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

_Static_assert(2 * GROUP_BYTES == CRYPT_XTS_UNIT_BYTES, "a data unit is two groups");

#define INLINE  static inline __attribute__((always_inline))
#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

typedef const uint8_t round_key[BLOCK_BYTES];

INLINE __m256i load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i_u *)p); }
INLINE void store(uint8_t *p, __m256i v) { _mm256_storeu_si256((__m256i_u *)p, v); }
INLINE __m256i load_key(const uint8_t *p) { return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i_u *)p)); }

/* Keep the compiler from holding, or spilling to its own stack, what was stored before or will be loaded after. */
INLINE void forget(void) { __asm__ volatile("" : : : "memory"); }

/* Tweaks times x^n in GF(2^128), polynomial x^128 + x^7 + x^2 + x + 1: the n bits shifted out at the top, times the
 * polynomial's tail, are added at the bottom. */
INLINE __m256i times_tail(__m256i out) { /* out: fewer than 57 bits in each 128 */
    __m256i v = _mm256_xor_si256(out, _mm256_slli_epi64(out, 1));
    return _mm256_xor_si256(_mm256_xor_si256(v, _mm256_slli_epi64(out, 2)), _mm256_slli_epi64(out, 7));
}
INLINE __m256i times_x_bits(__m256i t, int n) {
    __m256i out = _mm256_srli_epi64(t, 64 - n);
    __m256i sum = _mm256_xor_si256(_mm256_slli_epi64(t, n), _mm256_slli_si256(out, 8));
    return _mm256_xor_si256(sum, times_tail(_mm256_srli_si256(out, 8)));
}
#define TIMES_X_BYTES(t, n) _mm256_xor_si256(_mm256_slli_si256(t, n), times_tail(_mm256_srli_si256(t, 16 - (n))))

INLINE void middle_round(__m256i b[IN_FLIGHT], __m256i k, bool encrypt) {
#define ROUND(i) b[i] = encrypt ? _mm256_aesenc_epi128(b[i], k) : _mm256_aesdec_epi128(b[i], k);
    EACH(ROUND)
}

INLINE void last_round(__m256i b[IN_FLIGHT], __m256i k, bool encrypt) {
#define LAST_ROUND(i) b[i] = encrypt ? _mm256_aesenclast_epi128(b[i], k) : _mm256_aesdeclast_epi128(b[i], k);
    EACH(LAST_ROUND)
}

INLINE void encrypt_tweaks(const struct crypt_xts *x, uint8_t tweak[CRYPT_XTS_BATCH_UNITS][BLOCK_BYTES]) {
    __m256i b[IN_FLIGHT], k = load_key(x->rounds.tweak[0]);
#define LOAD_TWEAKS(i) b[i] = _mm256_xor_si256(load(tweak[2 * (i)]), k);
    EACH(LOAD_TWEAKS)
    for (uint32_t r = 1; r < x->n_rounds; r++) middle_round(b, load_key(x->rounds.tweak[r]), true);
    last_round(b, load_key(x->rounds.tweak[x->n_rounds]), true);
#define STORE_TWEAKS(i) store(tweak[2 * (i)], b[i]);
    EACH(STORE_TWEAKS)
}

/* The tweaks of pair i of a unit's first group. first: the unit's tweak; pair: the group's tweaks before i, done. */
INLINE __m256i first_tweaks(const uint8_t *first, uint8_t pair[IN_FLIGHT][PAIR_BYTES], int i) {
    if (i == 0) return _mm256_blend_epi32(load_key(first), times_x_bits(load_key(first), 1), 0xf0);
    if (i == 1) return times_x_bits(load(pair[0]), 2);
    if (i < 4) return times_x_bits(load(pair[i - 2]), 4);
    return TIMES_X_BYTES(load(pair[i - 4]), 1);
}

/* One group, whose tweaks are in now. On the way, between the first rounds, make those of the next group: 16 blocks on
 * in the same unit, or, if unit_tweak is given, the start of another unit. Those few instructions would otherwise stand
 * between one group's rounds and the next one's, and leave the AES units idle. */
INLINE void group(const struct crypt_xts *x, uint8_t now[IN_FLIGHT][PAIR_BYTES], uint8_t next[IN_FLIGHT][PAIR_BYTES],
                  const uint8_t *unit_tweak, const uint8_t *src, uint8_t *dst, bool encrypt) {
    round_key *key = encrypt ? x->rounds.encrypt : x->rounds.decrypt;
    __m256i b[IN_FLIGHT], k = load_key(key[0]);
    forget();
#define LOAD_PAIR(i) b[i] = _mm256_xor_si256(_mm256_xor_si256(load(src + (i)*PAIR_BYTES), load(now[i])), k);
    EACH(LOAD_PAIR)
#define ROUND_AND_TWEAKS(i)                                                                                            \
    middle_round(b, load_key(key[1 + (i)]), encrypt);                                                                  \
    store(next[i], unit_tweak ? first_tweaks(unit_tweak, next, i) : TIMES_X_BYTES(load(now[i]), 2));                   \
    forget();
    EACH(ROUND_AND_TWEAKS)
    uint32_t r = 1 + IN_FLIGHT;
    do middle_round(b, load_key(key[r]), encrypt);
    while (++r < x->n_rounds); /* which is at least 10 */
    last_round(b, load_key(key[x->n_rounds]), encrypt);
    forget();
#define STORE_PAIR(i) store(dst + (i)*PAIR_BYTES, _mm256_xor_si256(b[i], load(now[i])));
    EACH(STORE_PAIR)
}

INLINE void units(const struct crypt_xts *x, struct crypt_xts_batch *batch, const uint8_t *src, uint8_t *dst,
                  size_t n_units, bool encrypt) {
    uint8_t(*even)[PAIR_BYTES] = batch->even.pair, (*odd)[PAIR_BYTES] = batch->odd.pair;
    encrypt_tweaks(x, batch->tweak);
#define FIRST_TWEAKS(i)                                                                                                \
    store(even[i], first_tweaks(batch->tweak[0], even, i));                                                            \
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
