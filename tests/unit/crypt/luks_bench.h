/* Headers in memory, and what a test does with them: made, opened, changed, on a disk that remembers its writes. */
#ifndef LUKS_BENCH_H
#define LUKS_BENCH_H

#include <crypt/luks_write.h>

#define BENCH_IMAGE_BYTES (1280u * 1024) /* eight areas of a 256-bit key */
#define BENCH_WRITES_MAX  16u
#define BENCH_WORK_BYTES  (512u * 1024)

struct bench_write {
    uint64_t offset;
    size_t n_bytes;
    uint8_t *data;
};

struct bench {
    struct crypt_luks luks;
    uint8_t image[BENCH_IMAGE_BYTES];
    uint8_t key[CRYPT_XTS_KEY_128];
    struct crypt_rng rng;
    struct crypt_luks_edit edit;
    struct crypt_luks_store store;

    struct bench_write write[BENCH_WRITES_MAX]; /* since bench_forget */
    unsigned n_writes, n_flushes;
    unsigned fail_at; /* the nth write or flush fails; 0: none */
};

/* The cheapest costs there are. */
extern const struct crypt_luks_kdf bench_pbkdf2, bench_argon2id;

/* A new header of this version, with the passphrase "first" in slot 0. The bench is one, static. */
struct bench *bench_new(unsigned version);
void bench_forget(struct bench *b);

struct crypt_luks_new bench_secret(const char *secret);

/* What comes of a passphrase on an image: OPENED only if the volume key is the bench's. */
enum crypt_luks_outcome bench_open(const struct bench *b, const uint8_t *image, const char *secret);

#endif
