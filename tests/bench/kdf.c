/* How long the KDFs of the product's own archive take, against OpenSSL's PBKDF2 and Debian's libargon2 (one thread) in
 * the same run. Both in turn, several rounds, the best of each; every result is compared. */
#include <argon2.h>
#include <crypt/kdf.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_ROUNDS   7
#define ITERATIONS 200000u
#define PASSES     3u
#define KIB        65536u

static const char password[] = "a passphrase of common length", salt[] = "32 bytes of salt, as LUKS has it";
static uint8_t ours[64], theirs[64];

static void die(const char *what) {
    fprintf(stderr, "bench_kdf: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct crypt_kdf kdf(size_t out_bytes) {
    return (struct crypt_kdf){password, sizeof password - 1, salt, sizeof salt - 1, ours, out_bytes, NULL, NULL};
}

static double pbkdf2_ours(enum crypt_hash hash) {
    struct crypt_kdf k = kdf(crypt_hash_bytes(hash));
    double start = now();
    if (crypt_pbkdf2(&k, hash, ITERATIONS)) die("crypt_pbkdf2");
    return now() - start;
}

static double pbkdf2_theirs(enum crypt_hash hash) {
    double start = now();
    if (PKCS5_PBKDF2_HMAC(password, sizeof password - 1, (const uint8_t *)salt, sizeof salt - 1, ITERATIONS,
                          EVP_get_digestbyname(crypt_hash_name(hash)), (int)crypt_hash_bytes(hash), theirs) != 1)
        die("PKCS5_PBKDF2_HMAC");
    return now() - start;
}

static double argon2_ours(enum crypt_argon2_type type) {
    static void *memory;
    struct crypt_kdf k = kdf(sizeof ours);
    struct crypt_argon2 cost = {.type = type, .passes = PASSES, .kib = KIB, .lanes = 1};
    size_t n = crypt_argon2_memory_bytes(KIB, 1);
    if (!memory && posix_memalign(&memory, 4096, n)) die("no memory");
    double start = now();
    if (crypt_argon2(&k, &cost, memory, n)) die("crypt_argon2");
    return now() - start;
}

static double argon2_theirs(enum crypt_argon2_type type) {
    double start = now();
    if (argon2_hash(PASSES, KIB, 1, password, sizeof password - 1, salt, sizeof salt - 1, theirs, sizeof theirs, NULL,
                    0, type == CRYPT_ARGON2I ? Argon2_i : Argon2_id, ARGON2_VERSION_13))
        die("argon2_hash");
    return now() - start;
}

static void compare(const char *name, double (*our)(unsigned), double (*their)(unsigned), unsigned which) {
    double a = 1e9, b = 1e9;
    for (int i = 0; i < N_ROUNDS; i++) {
        double s = our(which), t = their(which);
        if (s < a) a = s;
        if (t < b) b = t;
        if (memcmp(ours, theirs, sizeof ours)) die("the results differ");
    }
    printf("%-22s %8.1f ms, theirs %8.1f ms, ratio %.2f\n", name, a * 1e3, b * 1e3, a / b);
}

int main(void) {
    printf("PBKDF2: %u iterations; Argon2: %u passes over %u KiB, 1 lane\n", ITERATIONS, PASSES, KIB);
    compare("PBKDF2-SHA-1", pbkdf2_ours, pbkdf2_theirs, CRYPT_SHA1);
    compare("PBKDF2-SHA-256", pbkdf2_ours, pbkdf2_theirs, CRYPT_SHA256);
    compare("PBKDF2-SHA-512", pbkdf2_ours, pbkdf2_theirs, CRYPT_SHA512);
    compare("Argon2i", argon2_ours, argon2_theirs, CRYPT_ARGON2I);
    compare("Argon2id", argon2_ours, argon2_theirs, CRYPT_ARGON2ID);
    return 0;
}
