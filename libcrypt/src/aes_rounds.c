/* see aes_rounds.h. The schedule is computed by BearSSL with AESKEYGENASSIST and AESIMC, which is what its AES-NI
 * cipher contexts hold. */
#include <bearssl/bearssl_block.h>
#include <crypt/wipe.h>
#include <string.h>

#include "aes_rounds.h"

_Static_assert(sizeof((br_aes_x86ni_cbcenc_keys *)0)->skey.skni == sizeof((struct crypt_xts *)0)->rounds.encrypt,
               "both hold the 15 round keys of AES-256");

void crypt_aes_rounds_expand(struct crypt_xts *x, const uint8_t *data_key, const uint8_t *tweak_key,
                             size_t half_bytes) {
    union {
        br_aes_x86ni_cbcenc_keys enc;
        br_aes_x86ni_cbcdec_keys dec;
    } u;
    size_t n_bytes = (x->n_rounds + 1) * (size_t)16;
    br_aes_x86ni_cbcenc_init(&u.enc, data_key, half_bytes);
    memcpy(x->rounds.encrypt, u.enc.skey.skni, n_bytes);
    br_aes_x86ni_cbcdec_init(&u.dec, data_key, half_bytes);
    memcpy(x->rounds.decrypt, u.dec.skey.skni, n_bytes);
    br_aes_x86ni_cbcenc_init(&u.enc, tweak_key, half_bytes);
    memcpy(x->rounds.tweak, u.enc.skey.skni, n_bytes);
    crypt_wipe(&u, sizeof u);
}
