/* XTS for processors without AES instructions, on BearSSL's bitsliced AES (aes_ct64): four blocks side by side, spread
 * over eight 64-bit words, computed with logic operations only. see xts_kernel.h */
#include <crypt/wipe.h>
#include <string.h>

#include "xts_kernel.h"

/* BearSSL's public AES interfaces are CBC and CTR, in which three of the four places are idle when unrelated blocks are
 * to be encrypted. These are the steps beneath them. libbearssl.a exports them; no installed header declares them.
 * Source: BearSSL 0.6, src/inner.h. A version that differed would fail to link, or fail the tests. */
unsigned br_aes_ct64_keysched(uint64_t *comp_skey, const void *key, size_t key_len);
void br_aes_ct64_skey_expand(uint64_t *skey, unsigned num_rounds, const uint64_t *comp_skey);
void br_aes_ct64_interleave_in(uint64_t *q0, uint64_t *q1, const uint32_t *w);
void br_aes_ct64_interleave_out(uint32_t *w, uint64_t q0, uint64_t q1);
void br_aes_ct64_ortho(uint64_t *q);
void br_aes_ct64_bitslice_encrypt(unsigned num_rounds, const uint64_t *skey, uint64_t *q);
void br_aes_ct64_bitslice_decrypt(unsigned num_rounds, const uint64_t *skey, uint64_t *q);

#define BLOCK_BYTES     16u
#define GROUP_BLOCKS    4u
#define GROUP_BYTES     (GROUP_BLOCKS * BLOCK_BYTES)
#define GROUPS_PER_UNIT (CRYPT_XTS_UNIT_BYTES / GROUP_BYTES)

typedef void bitslice_fn(unsigned n_rounds, const uint64_t *key, uint64_t *q);

/* A block as the two halves of a polynomial over GF(2), low coefficients first. */
struct block {
    uint64_t low, high;
};

static void expand(struct crypt_xts *x, const uint8_t *data_key, const uint8_t *tweak_key, size_t half_bytes) {
    uint64_t compressed[2 * 15];
    br_aes_ct64_keysched(compressed, data_key, half_bytes);
    br_aes_ct64_skey_expand(x->slices.data, x->n_rounds, compressed);
    br_aes_ct64_keysched(compressed, tweak_key, half_bytes);
    br_aes_ct64_skey_expand(x->slices.tweak, x->n_rounds, compressed);
    crypt_wipe(compressed, sizeof compressed);
}

/* Four blocks through AES, in place. */
static void cipher(bitslice_fn *bitslice, uint32_t n_rounds, const uint64_t *key, struct block b[GROUP_BLOCKS]) {
    uint32_t w[4 * GROUP_BLOCKS];
    uint64_t q[8];
    memcpy(w, b, sizeof w);
    for (size_t i = 0; i < GROUP_BLOCKS; i++) br_aes_ct64_interleave_in(&q[i], &q[i + 4], w + 4 * i);
    br_aes_ct64_ortho(q);
    bitslice(n_rounds, key, q);
    br_aes_ct64_ortho(q);
    for (size_t i = 0; i < GROUP_BLOCKS; i++) br_aes_ct64_interleave_out(w + 4 * i, q[i], q[i + 4]);
    memcpy(b, w, sizeof w);
}

/* A tweak times the primitive element x of GF(2^128), polynomial x^128 + x^7 + x^2 + x + 1.
 * Source: IEEE Std 1619-2018, 5.2 "Multiplication by a primitive element". */
static struct block times_x(struct block t) {
    uint64_t reduction = 0x87 & (0 - (t.high >> 63));
    return (struct block){t.low << 1 ^ reduction, t.high << 1 | t.low >> 63};
}

static void group(bitslice_fn *bitslice, const struct crypt_xts *x, struct block t[GROUP_BLOCKS], const uint8_t *src,
                  uint8_t *dst) {
    struct block b[GROUP_BLOCKS];
    memcpy(b, src, sizeof b);
    for (size_t i = 0; i < GROUP_BLOCKS; i++) b[i] = (struct block){b[i].low ^ t[i].low, b[i].high ^ t[i].high};
    cipher(bitslice, x->n_rounds, x->slices.data, b);
    for (size_t i = 0; i < GROUP_BLOCKS; i++) b[i] = (struct block){b[i].low ^ t[i].low, b[i].high ^ t[i].high};
    memcpy(dst, b, sizeof b);
}

/* Not inlined, so that what it leaves on the stack lies below its callers' frames, where they wipe it. */
__attribute__((noinline)) static void units(bitslice_fn *bitslice, const struct crypt_xts *x, const uint64_t number[2],
                                            const uint8_t *src, uint8_t *dst, size_t n_units) {
    struct block first[GROUP_BLOCKS], t[GROUP_BLOCKS];
    for (size_t u = 0; u < n_units; u++) {
        if (u % GROUP_BLOCKS == 0) {
            for (size_t i = 0; i < GROUP_BLOCKS; i++) first[i] = (struct block){number[0] + u + i, number[1]};
            cipher(br_aes_ct64_bitslice_encrypt, x->n_rounds, x->slices.tweak, first);
        }
        struct block next = first[u % GROUP_BLOCKS];
        for (size_t g = 0; g < GROUPS_PER_UNIT; g++) {
            for (size_t i = 0; i < GROUP_BLOCKS; i++) {
                t[i] = next;
                next = times_x(next);
            }
            group(bitslice, x, t, src, dst);
            src += GROUP_BYTES;
            dst += GROUP_BYTES;
        }
    }
}

/* The functions above, and BearSSL's, leave tweaks and cipher states on the stack. Against the time four blocks take,
 * clearing it once per batch costs nothing. */
static void encrypt(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    units(br_aes_ct64_bitslice_encrypt, x, b->number, src, dst, n);
    crypt_wipe_stack();
}

static void decrypt(const struct crypt_xts *x, struct crypt_xts_batch *b, const uint8_t *src, uint8_t *dst, size_t n) {
    units(br_aes_ct64_bitslice_decrypt, x, b->number, src, dst, n);
    crypt_wipe_stack();
}

const struct crypt_xts_kernel crypt_xts_kernel_portable = {
    .name = "portable",
    .needs = 0,
    .clobbers = CRYPT_XMM,
    .expand = expand,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
