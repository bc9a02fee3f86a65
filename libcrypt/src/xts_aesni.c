/* XTS with AES-NI: eight blocks in flight, so that the latency of AESENC (3 to 8 cycles) hides behind its throughput.
 * Eight blocks, a round key and the arithmetic of the tweaks fill the 16 registers; the eight tweaks wait in memory, in
 * the batch, where the caller wipes them. see xts_kernel.h
 *
 * Sources: Intel SDM volume 2 (revision 083), AESENC and companions; IEEE Std 1619-2018, 5.2 "Multiplication by a
 * primitive element", 5.3, 5.4. */
#include <stdbool.h>
#include <wmmintrin.h>

#include "aes_rounds.h"
#include "xts_kernel.h"

#define IN_FLIGHT   8u
#define BLOCK_BYTES 16u
#define GROUP_BYTES (IN_FLIGHT * BLOCK_BYTES)

_Static_assert(4 * GROUP_BYTES == CRYPT_XTS_UNIT_BYTES, "a data unit is four groups");

#define INLINE static inline __attribute__((always_inline))
/* f(0); ... f(7); with constants, so that arrays of blocks live in registers. */
#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)

typedef const uint8_t round_key[BLOCK_BYTES];

INLINE __m128i load(const uint8_t *p) { return _mm_loadu_si128((const __m128i_u *)p); }
INLINE void store(uint8_t *p, __m128i v) { _mm_storeu_si128((__m128i_u *)p, v); }

/* Keep the compiler from holding, or spilling to its own stack, what was stored before or will be loaded after. */
INLINE void forget(void) { __asm__ volatile("" : : : "memory"); }

/* A tweak times the primitive element x of GF(2^128), polynomial x^128 + x^7 + x^2 + x + 1. */
INLINE __m128i times_x(__m128i t) {
    const __m128i reduction = _mm_set_epi32(0, 1, 0, 0x87);
    __m128i carry = _mm_shuffle_epi32(_mm_srai_epi32(t, 31), _MM_SHUFFLE(0, 1, 0, 3));
    return _mm_xor_si128(_mm_add_epi64(t, t), _mm_and_si128(carry, reduction));
}

INLINE void middle_round(__m128i b[IN_FLIGHT], __m128i k, bool encrypt) {
#define ROUND(i) b[i] = encrypt ? _mm_aesenc_si128(b[i], k) : _mm_aesdec_si128(b[i], k);
    EACH(ROUND)
}

INLINE void last_round(__m128i b[IN_FLIGHT], __m128i k, bool encrypt) {
#define LAST_ROUND(i) b[i] = encrypt ? _mm_aesenclast_si128(b[i], k) : _mm_aesdeclast_si128(b[i], k);
    EACH(LAST_ROUND)
}

INLINE void encrypt_tweaks(const struct crypt_xts *x, uint8_t tweak[IN_FLIGHT][BLOCK_BYTES]) {
    __m128i b[IN_FLIGHT], k = load(x->rounds.tweak[0]);
#define LOAD_TWEAK(i) b[i] = _mm_xor_si128(load(tweak[i]), k);
    EACH(LOAD_TWEAK)
    for (uint32_t r = 1; r < x->n_rounds; r++) middle_round(b, load(x->rounds.tweak[r]), true);
    last_round(b, load(x->rounds.tweak[x->n_rounds]), true);
#define STORE_TWEAK(i) store(tweak[i], b[i]);
    EACH(STORE_TWEAK)
}

/* Store a group's tweaks, the first of which is t; return the one after them. */
INLINE __m128i fill(uint8_t tweak[IN_FLIGHT][BLOCK_BYTES], __m128i t) {
#define FILL(i)                                                                                                        \
    store(tweak[i], t);                                                                                                \
    t = times_x(t);
    EACH(FILL)
    return t;
}

/* One group, whose tweaks are in now. On the way, between the first rounds, fill next as fill() does: those few
 * instructions would otherwise stand between one group's rounds and the next one's, and leave the AES units idle. */
INLINE __m128i group(const struct crypt_xts *x, uint8_t now[IN_FLIGHT][BLOCK_BYTES],
                     uint8_t next[IN_FLIGHT][BLOCK_BYTES], __m128i t, const uint8_t *src, uint8_t *dst, bool encrypt) {
    round_key *key = encrypt ? x->rounds.encrypt : x->rounds.decrypt;
    __m128i b[IN_FLIGHT], k = load(key[0]);
    forget();
#define LOAD_BLOCK(i) b[i] = _mm_xor_si128(_mm_xor_si128(load(src + (i)*BLOCK_BYTES), load(now[i])), k);
    EACH(LOAD_BLOCK)
#define ROUND_AND_TWEAK(i)                                                                                             \
    middle_round(b, load(key[1 + (i)]), encrypt);                                                                      \
    store(next[i], t);                                                                                                 \
    t = times_x(t);
    EACH(ROUND_AND_TWEAK)
    uint32_t r = 1 + IN_FLIGHT;
    do middle_round(b, load(key[r]), encrypt);
    while (++r < x->n_rounds); /* which is at least 10 */
    last_round(b, load(key[x->n_rounds]), encrypt);
    forget();
#define STORE_BLOCK(i) store(dst + (i)*BLOCK_BYTES, _mm_xor_si128(b[i], load(now[i])));
    EACH(STORE_BLOCK)
    return t;
}

INLINE void units(const struct crypt_xts *x, struct crypt_xts_batch *batch, const uint8_t *src, uint8_t *dst,
                  size_t n_units, bool encrypt) {
    encrypt_tweaks(x, batch->tweak);
    if (n_units > IN_FLIGHT) encrypt_tweaks(x, batch->tweak + IN_FLIGHT);

    uint8_t(*even)[BLOCK_BYTES] = batch->even.block, (*odd)[BLOCK_BYTES] = batch->odd.block;
    __m128i t = fill(even, load(batch->tweak[0]));
    for (size_t u = 0; u < n_units; u++) {
        t = group(x, even, odd, t, src, dst, encrypt);
        t = group(x, odd, even, t, src + GROUP_BYTES, dst + GROUP_BYTES, encrypt);
        t = group(x, even, odd, t, src + 2 * GROUP_BYTES, dst + 2 * GROUP_BYTES, encrypt);
        t = load(batch->tweak[(u + 1) % CRYPT_XTS_BATCH_UNITS]); /* after the last unit: of no use, and not used */
        t = group(x, odd, even, t, src + 3 * GROUP_BYTES, dst + 3 * GROUP_BYTES, encrypt);
        src += CRYPT_XTS_UNIT_BYTES;
        dst += CRYPT_XTS_UNIT_BYTES;
    }
#define CLEAR(i) __asm__ volatile("pxor %%xmm" #i ", %%xmm" #i : : : "xmm" #i);
    EACH(CLEAR)
    CLEAR(8) CLEAR(9) CLEAR(10) CLEAR(11) CLEAR(12) CLEAR(13) CLEAR(14) CLEAR(15)
}

static void encrypt(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    units(x, b, src, dst, n, true);
}

static void decrypt(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    units(x, b, src, dst, n, false);
}

const struct crypt_xts_kernel crypt_xts_kernel_aesni = {
    .name = "aesni",
    .needs = CRYPT_CPU_AESNI,
    .clobbers = CRYPT_XMM,
    .expand = crypt_aes_rounds_expand,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
