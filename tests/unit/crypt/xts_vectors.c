/* The published vectors, through every kernel. */
#include <criterion/criterion.h>
#include <string.h>

#include "kernels.h"
#include "rsp.h"
#include "xts_kernel.h"

static size_t n_checked, n_partial;

/* A block's result depends on its place in the unit, not on what follows, so a shorter unit is the start of a whole
 * one. */
static void one_unit(const struct crypt_xts *x, const struct rsp_vector *v, bool encrypt, const uint8_t *src,
                     uint8_t *dst) {
    if (v->has_number) {
        (encrypt ? crypt_xts_encrypt : crypt_xts_decrypt)(x, v->number, src, dst, 1);
        return;
    }
    struct crypt_xts_batch b = {0}; /* tweaks of more than 64 bits exist for kernels only */
    memcpy(b.number, v->tweak, 16);
    (encrypt ? x->kernel->encrypt : x->kernel->decrypt)(x, &b, src, dst, 1);
}

static void check(const struct rsp_vector *v) {
    if (v->data_unit_bits % 128 != 0) { /* ciphertext stealing, which sectors never need */
        n_partial++;
        return;
    }
    cr_assert_eq(v->pt_bytes * 8, v->data_unit_bits);
    n_checked++;
    for (size_t k = 0; k < n_runnable; k++) {
        struct crypt_xts x;
        cr_assert_eq(crypt_xts_init(&x, v->key, v->key_bytes, runnable[k]), 0);
        /* Both directions, whichever the file asks for. */
        for (int encrypt = 0; encrypt < 2; encrypt++) {
            uint8_t in[CRYPT_XTS_UNIT_BYTES] = {0}, out[CRYPT_XTS_UNIT_BYTES];
            memcpy(in, encrypt ? v->pt : v->ct, v->pt_bytes);
            one_unit(&x, v, encrypt, in, out);
            cr_assert_arr_eq(out, encrypt ? v->ct : v->pt, v->pt_bytes, "%s vector %u, kernel %s, %s", v->file,
                             v->count, runnable[k]->name, encrypt ? "encrypt" : "decrypt");
        }
    }
}

static void file(const char *path, size_t n_expected, size_t n_expected_partial) {
    n_checked = n_partial = 0;
    rsp_for_each(path, check);
    cr_assert_eq(n_checked, n_expected, "%s: %zu vectors", path, n_checked);
    cr_assert_eq(n_partial, n_expected_partial, "%s: %zu vectors of part blocks", path, n_partial);
}

TestSuite(xts_vectors, .init = find_runnable);

Test(xts_vectors, ieee1619_annex_b) { file(IEEE1619_RSP, 5, 0); }
Test(xts_vectors, cavp_aes128_tweak_128) { file(CAVP_XTS "/tweak-128hexstr/XTSGenAES128.rsp", 600, 400); }
Test(xts_vectors, cavp_aes256_tweak_128) { file(CAVP_XTS "/tweak-128hexstr/XTSGenAES256.rsp", 600, 400); }
Test(xts_vectors, cavp_aes128_unit_number) { file(CAVP_XTS "/tweak-dataunitseqno/XTSGenAES128.rsp", 600, 400); }
Test(xts_vectors, cavp_aes256_unit_number) { file(CAVP_XTS "/tweak-dataunitseqno/XTSGenAES256.rsp", 600, 400); }
