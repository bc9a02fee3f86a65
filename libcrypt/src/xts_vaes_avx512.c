/* XTS with VAES on 512-bit registers: eight registers, a whole data unit in flight. Its tweaks are in eight more, and
 * those of the next unit in another eight, all computed from the unit's tweak and not one from the other. see
 * xts_kernel.h
 *
 * Sources: Intel SDM volume 2 (revision 083), VAESENC and companions, VPTERNLOGD; IEEE Std 1619-2018, 5.2
 * "Multiplication by a primitive element", 5.3, 5.4. */
#include <stdbool.h>
#include <immintrin.h>

#include "aes_rounds.h"
#include "xts_kernel.h"

#define IN_FLIGHT   8u
#define BLOCK_BYTES 16u
#define FOUR_BYTES  (4 * BLOCK_BYTES)

_Static_assert(IN_FLIGHT *FOUR_BYTES == CRYPT_XTS_UNIT_BYTES, "a data unit is in flight");

#define INLINE       static inline __attribute__((always_inline))
#define EACH(f)      f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)
#define EACH_HIGH(f) f(16) f(17) f(18) f(19) f(20) f(21) f(22) f(23) f(24) f(25) f(26) f(27) f(28) f(29) f(30) f(31)

typedef const uint8_t round_key[BLOCK_BYTES];

INLINE __m512i load(const uint8_t *p) { return _mm512_loadu_si512(p); }
INLINE void store(uint8_t *p, __m512i v) { _mm512_storeu_si512(p, v); }
INLINE __m512i load_key(const uint8_t *p) { return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i_u *)p)); }
INLINE __m512i xor3(__m512i a, __m512i b, __m512i c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }

/* Tweaks times x^n in GF(2^128), polynomial x^128 + x^7 + x^2 + x + 1, from their halves shifted left by n, and from
 * what fell out of each: that of a low half belongs to the high one, that of a high half, times the polynomial's tail,
 * to the low one. n < 57. */
INLINE __m512i reduced(__m512i shifted, __m512i out) {
    const __mmask8 low = 0x55;
    __m512i out2 = _mm512_maskz_add_epi64(low, out, out), out7 = _mm512_maskz_slli_epi64(low, out, 7);
    return xor3(xor3(shifted, out, out2), _mm512_add_epi64(out2, out2), out7);
}
INLINE __m512i swap_halves(__m512i t) { return _mm512_shuffle_epi32(t, _MM_SHUFFLE(1, 0, 3, 2)); }

/* The tweaks of a unit's first four blocks. */
INLINE __m512i first_tweaks(const uint8_t *unit_tweak) {
    const __m512i n = _mm512_set_epi64(3, 3, 2, 2, 1, 1, 0, 0), over = _mm512_set_epi64(61, 61, 62, 62, 63, 63, 64, 64);
    __m512i t = load_key(unit_tweak);
    return reduced(_mm512_sllv_epi64(t, n), _mm512_srlv_epi64(swap_halves(t), over));
}

/* Those 4i blocks on. */
#define TWEAKS(first, i)                                                                                               \
    ((i) == 0 ? (first)                                                                                                \
              : reduced(_mm512_slli_epi64(first, 4 * (i)), _mm512_srli_epi64(swap_halves(first), 64 - 4 * (i))))

INLINE __m512i middle(__m512i b, __m512i k, bool encrypt) {
    return encrypt ? _mm512_aesenc_epi128(b, k) : _mm512_aesdec_epi128(b, k);
}
INLINE __m512i last(__m512i b, __m512i k, bool encrypt) {
    return encrypt ? _mm512_aesenclast_epi128(b, k) : _mm512_aesdeclast_epi128(b, k);
}
INLINE void middle_round(__m512i b[IN_FLIGHT], __m512i k, bool encrypt) {
#define ROUND(i) b[i] = middle(b[i], k, encrypt);
    EACH(ROUND)
}

INLINE void encrypt_tweaks(const struct crypt_xts *x, struct crypt_xts_batch *batch) {
    __m512i b[4], k = load_key(x->rounds.tweak[0]), number = load_key((const uint8_t *)batch->number);
#define FOUR(f) f(0) f(1) f(2) f(3)
#define NUMBERS(i)                                                                                                     \
    b[i] = _mm512_add_epi64(number, _mm512_set_epi64(0, 4 * (i) + 3, 0, 4 * (i) + 2, 0, 4 * (i) + 1, 0, 4 * (i)));     \
    b[i] = _mm512_xor_si512(b[i], k);
    FOUR(NUMBERS)
#define TWEAK_ROUND(i) b[i] = middle(b[i], k, true);
    for (uint32_t r = 1; r < x->n_rounds; r++) {
        k = load_key(x->rounds.tweak[r]);
        FOUR(TWEAK_ROUND)
    }
    k = load_key(x->rounds.tweak[x->n_rounds]);
#define STORE_TWEAKS(i) store(batch->tweak[4 * (i)], last(b[i], k, true));
    FOUR(STORE_TWEAKS)
}

/* One unit, whose tweaks are in t. On the way, between the first rounds, make those of the next unit. */
INLINE void unit(round_key *key, uint32_t n_rounds, __m512i t[IN_FLIGHT], const uint8_t *next_unit_tweak,
                 const uint8_t *src, uint8_t *dst, bool encrypt) {
    __m512i b[IN_FLIGHT], next[IN_FLIGHT], k = load_key(key[0]), k_last = load_key(key[n_rounds]);
#define LOAD_FOUR(i)                                                                                                   \
    b[i] = xor3(load(src + (i)*FOUR_BYTES), t[i], k);                                                                  \
    t[i] = _mm512_xor_si512(t[i], k_last);
    EACH(LOAD_FOUR)
    next[0] = first_tweaks(next_unit_tweak);
#define ROUND_AND_TWEAKS(i)                                                                                            \
    middle_round(b, load_key(key[1 + (i)]), encrypt);                                                                  \
    next[i] = TWEAKS(next[0], i);
    EACH(ROUND_AND_TWEAKS)
    for (uint32_t r = 1 + IN_FLIGHT; r < n_rounds; r++) middle_round(b, load_key(key[r]), encrypt);
#define STORE_FOUR(i)                                                                                                  \
    store(dst + (i)*FOUR_BYTES, last(b[i], t[i], encrypt));                                                            \
    t[i] = next[i];
    EACH(STORE_FOUR)
}

/* n_rounds is a constant here, so that the rounds are unrolled. */
INLINE void units(const struct crypt_xts *x, uint32_t n_rounds, struct crypt_xts_batch *batch, const uint8_t *src,
                  uint8_t *dst, size_t n_units, bool encrypt) {
    __m512i t[IN_FLIGHT];
    encrypt_tweaks(x, batch);
    t[0] = first_tweaks(batch->tweak[0]);
#define FIRST_TWEAKS(i) t[i] = TWEAKS(t[0], i);
    EACH(FIRST_TWEAKS)
    for (size_t u = 0; u < n_units; u++) {
        const uint8_t *following = batch->tweak[(u + 1) % CRYPT_XTS_BATCH_UNITS]; /* not used after the last unit */
        unit(encrypt ? x->rounds.encrypt : x->rounds.decrypt, n_rounds, t, following, src, dst, encrypt);
        src += CRYPT_XTS_UNIT_BYTES;
        dst += CRYPT_XTS_UNIT_BYTES;
    }
    _mm256_zeroall(); /* clears ZMM0 to ZMM15, whole */
#define CLEAR(i) __asm__ volatile("vpxord %%zmm" #i ", %%zmm" #i ", %%zmm" #i : : : "xmm" #i);
    EACH_HIGH(CLEAR)
}

static void encrypt(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    if (x->n_rounds == 10)
        units(x, 10, b, src, dst, n, true);
    else
        units(x, 14, b, src, dst, n, true);
}

static void decrypt(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    if (x->n_rounds == 10)
        units(x, 10, b, src, dst, n, false);
    else
        units(x, 14, b, src, dst, n, false);
}

const struct crypt_xts_kernel crypt_xts_kernel_vaes_avx512 = {
    .name = "vaes-avx512",
    .needs = CRYPT_CPU_AESNI | CRYPT_CPU_VAES | CRYPT_CPU_AVX512,
    .clobbers = CRYPT_ZMM,
    .expand = crypt_aes_rounds_expand,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
