/* What goes wrong in libcrypt: everything that takes input from outside returns 0 or one of these. Primitives on
 * prepared contexts cannot fail. */
#ifndef CRYPT_ERROR_H
#define CRYPT_ERROR_H

enum crypt_error {
    CRYPT_E_KEY_BYTES = -1, /* no such key length */
    CRYPT_E_KEY_WEAK = -2,  /* a key this mode must not be used with */
};

/* A result the caller must look at. */
#define CRYPT_MUST_CHECK __attribute__((warn_unused_result))

#endif
