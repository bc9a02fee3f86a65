/* What a passphrase is to cost: measured with the program that has to pay, on one processor, since that is what the
 * boot has. */
#ifndef CLI_COST_H
#define CLI_COST_H

#include <crypt/luks.h>

#define COST_KIB_MIN 32u
#define COST_KIB     131072u /* if nobody says otherwise: a machine that boots has that much to spare */
#define COST_MS      2000u

struct cost_wish {
    enum crypt_luks_kdf_type type;
    enum crypt_hash hash; /* PBKDF2 */
    uint32_t key_bytes;   /* of the key that is derived */
    uint32_t ms, kib;     /* Argon2: at most so much memory */
};

/* The costs that take about so long here, but no less than cryptsetup takes: 1000 iterations, 4 passes. Argon2 gets all
 * of its memory unless 4 passes take too long; then half of it, and so on down to 32 MiB. 0, or a negative crypt_error.
 */
CRYPT_MUST_CHECK int cost_measure(const struct cost_wish *wish, struct crypt_luks_kdf *out);

#endif
