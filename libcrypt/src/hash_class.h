/* BearSSL's implementation of each hash function. Private to libcrypt. */
#ifndef CRYPT_HASH_CLASS_H
#define CRYPT_HASH_CLASS_H

#include <bearssl/bearssl_hash.h>
#include <crypt/hash.h>

const br_hash_class *crypt_hash_class(enum crypt_hash hash);

#endif
