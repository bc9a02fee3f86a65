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
};

/* A result the caller must look at. */
#define CRYPT_MUST_CHECK __attribute__((warn_unused_result))

#endif
