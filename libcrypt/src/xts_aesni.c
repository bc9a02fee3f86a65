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

/* Of blocks, in the batch: what is known to be aligned, instructions take from memory themselves. */
INLINE __m128i load_tweak(const uint8_t *p) { return _mm_load_si128((const __m128i *)p); }
INLINE void store_tweak(uint8_t *p, __m128i v) { _mm_store_si128((__m128i *)p, v); }

/* Keep the compiler from holding, or spilling to its own stack, what was stored before or will be loaded after. */
INLINE void forget(void) { __asm__ volatile("" : : : "memory"); }

/* A block's tweak, and the bits that fall out when it and the up to 31 after it are doubled: bit 127 of each in the
 * sign of carry's lowest 32 bits, bit 63 in that of the third. They are bits of the unit's tweak, because what a
 * reduction adds at the bottom does not come as far in a unit. So no doubling waits for the carry of the one before. */
struct tweak {
    __m128i value, carry;
};
INLINE struct tweak unit_tweak(const uint8_t *p) {
    return (struct tweak){load(p), _mm_shuffle_epi32(load(p), _MM_SHUFFLE(0, 1, 0, 3))};
}

/* Times the primitive element x of GF(2^128), polynomial x^128 + x^7 + x^2 + x + 1. */
INLINE struct tweak times_x(struct tweak t) {
    const __m128i reduction = _mm_set_epi32(0, 1, 0, 0x87);
    __m128i out = _mm_and_si128(_mm_srai_epi32(t.carry, 31), reduction);
    return (struct tweak){_mm_xor_si128(_mm_add_epi64(t.value, t.value), out), _mm_add_epi32(t.carry, t.carry)};
}

INLINE void middle_round(__m128i b[IN_FLIGHT], __m128i k, bool encrypt) {
#define ROUND(i) b[i] = encrypt ? _mm_aesenc_si128(b[i], k) : _mm_aesdec_si128(b[i], k);
    EACH(ROUND)
}

INLINE __m128i last(__m128i b, __m128i k, bool encrypt) {
    return encrypt ? _mm_aesenclast_si128(b, k) : _mm_aesdeclast_si128(b, k);
}

/* Of eight units, the first of which has this number. */
INLINE void encrypt_tweaks(const struct crypt_xts *x, __m128i number, uint8_t tweak[IN_FLIGHT][BLOCK_BYTES]) {
    __m128i b[IN_FLIGHT], k = load(x->rounds.tweak[0]);
#define NUMBER(i) b[i] = _mm_xor_si128(_mm_add_epi64(number, _mm_set_epi64x(0, i)), k);
    EACH(NUMBER)
    for (uint32_t r = 1; r < x->n_rounds; r++) middle_round(b, load(x->rounds.tweak[r]), true);
    k = load(x->rounds.tweak[x->n_rounds]);
#define STORE_TWEAK(i) store(tweak[i], last(b[i], k, true));
    EACH(STORE_TWEAK)
}

/* Store a group's tweaks, the first of which is t; return the one after them. */
INLINE struct tweak fill(uint8_t tweak[IN_FLIGHT][BLOCK_BYTES], struct tweak t) {
#define FILL(i)                                                                                                        \
    store_tweak(tweak[i], t.value);                                                                                    \
    t = times_x(t);
    EACH(FILL)
    return t;
}

/* One group, whose tweaks are in now. On the way, between the first rounds, fill next as fill() does: those few
 * instructions would otherwise stand between one group's rounds and the next one's, and leave the AES units idle. */
INLINE struct tweak group(const struct crypt_xts *x, uint8_t now[IN_FLIGHT][BLOCK_BYTES],
                          uint8_t next[IN_FLIGHT][BLOCK_BYTES], struct tweak t, const uint8_t *src, uint8_t *dst,
                          bool encrypt) {
    round_key *key = encrypt ? x->rounds.encrypt : x->rounds.decrypt;
    __m128i b[IN_FLIGHT], k = load(key[0]);
    forget();
#define LOAD_BLOCK(i) b[i] = _mm_xor_si128(_mm_xor_si128(load(src + (i)*BLOCK_BYTES), load_tweak(now[i])), k);
    EACH(LOAD_BLOCK)
#define ROUND_AND_TWEAK(i)                                                                                             \
    middle_round(b, load(key[1 + (i)]), encrypt);                                                                      \
    store_tweak(next[i], t.value);                                                                                     \
    t = times_x(t);
    EACH(ROUND_AND_TWEAK)
    uint32_t r = 1 + IN_FLIGHT;
    do middle_round(b, load(key[r]), encrypt);
    while (++r < x->n_rounds); /* which is at least 10 */
    k = load(key[x->n_rounds]);
#define STORE_BLOCK(i) store(dst + (i)*BLOCK_BYTES, last(b[i], _mm_xor_si128(load_tweak(now[i]), k), encrypt));
    EACH(STORE_BLOCK)
    return t;
}

INLINE void units(const struct crypt_xts *x, struct crypt_xts_batch *batch, const uint8_t *src, uint8_t *dst,
                  size_t n_units, bool encrypt) {
    __m128i number = load((const uint8_t *)batch->number);
    encrypt_tweaks(x, number, batch->tweak);
    if (n_units > IN_FLIGHT)
        encrypt_tweaks(x, _mm_add_epi64(number, _mm_set_epi64x(0, IN_FLIGHT)), batch->tweak + IN_FLIGHT);

    uint8_t(*even)[BLOCK_BYTES] = batch->block, (*odd)[BLOCK_BYTES] = batch->block + IN_FLIGHT;
    struct tweak t = fill(even, unit_tweak(batch->tweak[0]));
    for (size_t u = 0; u < n_units; u++) {
        t = group(x, even, odd, t, src, dst, encrypt);
        t = group(x, odd, even, t, src + GROUP_BYTES, dst + GROUP_BYTES, encrypt);
        t = group(x, even, odd, t, src + 2 * GROUP_BYTES, dst + 2 * GROUP_BYTES, encrypt);
        t = unit_tweak(batch->tweak[(u + 1) % CRYPT_XTS_BATCH_UNITS]); /* after the last unit: not used */
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
