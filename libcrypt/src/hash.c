/* see crypt/hash.h */
#include <crypt/wipe.h>
#include <string.h>

#include "hash_class.h"

static const struct {
    const br_hash_class *class;
    const char *name;
    size_t n_bytes;
} functions[] = {
    [CRYPT_SHA1] = {&br_sha1_vtable, "sha1", CRYPT_SHA1_BYTES},
    [CRYPT_SHA256] = {&br_sha256_vtable, "sha256", CRYPT_SHA256_BYTES},
    [CRYPT_SHA512] = {&br_sha512_vtable, "sha512", CRYPT_SHA512_BYTES},
};
#define N_FUNCTIONS (sizeof functions / sizeof functions[0])

int crypt_hash_find(const char *name, size_t n_bytes, enum crypt_hash *out) {
    const char *nul = memchr(name, '\0', n_bytes);
    size_t n = nul ? (size_t)(nul - name) : n_bytes;
    for (unsigned i = 0; i < N_FUNCTIONS; i++) {
        if (strlen(functions[i].name) != n || memcmp(functions[i].name, name, n)) continue;
        *out = (enum crypt_hash)i;
        return 0;
    }
    return CRYPT_E_HASH;
}

const char *crypt_hash_name(enum crypt_hash hash) { return functions[hash].name; }
size_t crypt_hash_bytes(enum crypt_hash hash) { return functions[hash].n_bytes; }
const br_hash_class *crypt_hash_class(enum crypt_hash hash) { return functions[hash].class; }

void crypt_hash_digest(enum crypt_hash hash, const void *data, size_t n_bytes, void *out) {
    br_hash_compat_context c;
    crypt_hash_class(hash)->init(&c.vtable);
    c.vtable->update(&c.vtable, data, n_bytes);
    c.vtable->out(&c.vtable, out);
    crypt_wipe(&c, sizeof c);
    crypt_wipe_stack();
}
