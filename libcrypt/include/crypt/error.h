/* What goes wrong in libcrypt: everything that takes input from outside returns 0 or one of these. Primitives on
 * prepared contexts cannot fail. */
#ifndef CRYPT_ERROR_H
#define CRYPT_ERROR_H

enum crypt_error {
    CRYPT_E_KEY_BYTES = -1,  /* no such key length */
    CRYPT_E_KEY_WEAK = -2,   /* a key this mode must not be used with */
    CRYPT_E_HASH = -3,       /* no such hash function here */
    CRYPT_E_KDF_LIMITS = -4, /* a cost or a length that this KDF does not take */
    CRYPT_E_MEMORY = -5,     /* the caller gave too little memory */
    CRYPT_E_CANCELLED = -6,  /* the caller's own function said so */
    CRYPT_E_ENTROPY = -7,    /* not enough of it to make keys */

    CRYPT_E_LUKS_NONE = -16,    /* no LUKS header there */
    CRYPT_E_LUKS_DAMAGED = -17, /* a LUKS header, but not sound */
    CRYPT_E_LUKS_FOREIGN = -18, /* sound, but asks for what is not supported */
    CRYPT_E_LUKS_FULL = -19,    /* no room for one more keyslot */
    CRYPT_E_LUKS_SLOT = -20,    /* no such keyslot, or not one to do this with */
    CRYPT_E_LUKS_LAST = -21,    /* the last passphrase stays */
    CRYPT_E_LUKS_KEY = -22,     /* not the volume key of this header */
    CRYPT_E_LUKS_WRITE = -23,   /* the caller's own write or flush failed */
};

/* A result the caller must look at. */
#define CRYPT_MUST_CHECK __attribute__((warn_unused_result))

#endif
