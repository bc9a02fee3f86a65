/* AES round keys in the form the AES instructions take. Private to libcrypt. */
#ifndef CRYPT_AES_ROUNDS_H
#define CRYPT_AES_ROUNDS_H

#include <crypt/xts.h>

/* Fill x->rounds as x->n_rounds says. The processor MUST have CRYPT_CPU_AESNI. Keys are [half_bytes], 16 or 32.
 * Clobbers CRYPT_XMM. */
void crypt_aes_rounds_expand(struct crypt_xts *x, const uint8_t *data_key, const uint8_t *tweak_key, size_t half_bytes);

#endif
