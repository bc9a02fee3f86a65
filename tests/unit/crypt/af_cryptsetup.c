/* PBKDF2, XTS and the anti-forensic splitter together, against cryptsetup: the key slot of a LUKS1 header it made is
 * opened here, and one made here is opened there. Detached headers in ordinary files; needs no rights. */
#include <criterion/criterion.h>
#include <crypt/af.h>
#include <crypt/kdf.h>
#include <crypt/xts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels.h"

#define HEADER_BYTES (4u * 1024 * 1024)
#define PASSPHRASE   "correct horse battery staple"

/* LUKS1 On-Disk Format Specification 1.2.3, figures 1 and 2 */
#define HASH_SPEC       72u
#define HASH_SPEC_BYTES 32u
#define KEY_BYTES       108u
#define MK_DIGEST       112u
#define MK_DIGEST_BYTES 20u
#define MK_DIGEST_SALT  132u
#define MK_DIGEST_ITER  164u
#define SLOT_0          208u
#define SLOT_ITERATIONS (SLOT_0 + 4)
#define SLOT_SALT       (SLOT_0 + 8)
#define SLOT_MATERIAL   (SLOT_0 + 40)
#define SLOT_STRIPES    (SLOT_0 + 44)
#define SALT_BYTES      32u

static uint8_t header[HEADER_BYTES];
static char folder[] = "/tmp/sekisho-af-XXXXXX";

static uint32_t be32(size_t at) {
    const uint8_t *p = header + at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void file(const char *name, const char *mode, void *data, size_t n) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, mode);
    cr_assert_not_null(f);
    cr_assert_eq(mode[0] == 'r' ? fread(data, 1, n, f) : fwrite(data, 1, n, f), n);
    fclose(f);
}

static int cryptsetup(const char *arguments) {
    char command[1024];
    snprintf(command, sizeof command, "cd %s && " CRYPTSETUP " --batch-mode --key-file pass %s >out 2>&1", folder,
             arguments);
    return system(command);
}

static void make_folder(void) {
    static uint8_t disk[HEADER_BYTES];
    cr_assert_not_null(mkdtemp(folder));
    file("pass", "w", (char[]){PASSPHRASE}, sizeof PASSPHRASE - 1);
    file("disk", "w", disk, sizeof disk);
    file("header", "w", disk, sizeof disk);
}

static void remove_folder(void) {
    char command[256];
    snprintf(command, sizeof command, "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

static void derive(size_t salt, uint32_t iterations, const uint8_t *password, size_t password_bytes, uint8_t *out,
                   size_t out_bytes) {
    struct crypt_kdf k = {password, password_bytes, header + salt, SALT_BYTES, out, out_bytes, NULL, NULL};
    enum crypt_hash hash;
    cr_assert_eq(crypt_hash_find((char *)header + HASH_SPEC, HASH_SPEC_BYTES, &hash), 0);
    cr_assert_eq(crypt_pbkdf2(&k, hash, iterations), 0);
}

static struct crypt_af splitter(void) {
    struct crypt_af af = {.key_bytes = be32(KEY_BYTES), .n_stripes = be32(SLOT_STRIPES)};
    cr_assert_eq(crypt_hash_find((char *)header + HASH_SPEC, HASH_SPEC_BYTES, &af.hash), 0);
    cr_assert_leq(crypt_af_bytes(&af), sizeof header / 4);
    return af;
}

static struct crypt_xts slot_cipher(void) {
    struct crypt_xts x;
    uint8_t key[64];
    derive(SLOT_SALT, be32(SLOT_ITERATIONS), (const uint8_t *)PASSPHRASE, sizeof PASSPHRASE - 1, key, be32(KEY_BYTES));
    cr_assert_eq(crypt_xts_init(&x, key, be32(KEY_BYTES), &crypt_xts_kernel_portable), 0);
    return x;
}

static bool is_volume_key(const uint8_t *key) {
    uint8_t digest[MK_DIGEST_BYTES];
    derive(MK_DIGEST_SALT, be32(MK_DIGEST_ITER), key, be32(KEY_BYTES), digest, sizeof digest);
    return memcmp(digest, header + MK_DIGEST, sizeof digest) == 0;
}

static void open_and_remake(const char *hash, unsigned key_bits) {
    static uint8_t area[64 * 4000];
    uint8_t key[64];
    char arguments[512];
    snprintf(
        arguments, sizeof arguments,
        "luksFormat --type luks1 --header header --pbkdf pbkdf2 --pbkdf-force-iterations 1234 --cipher aes-xts-plain64 "
        "--hash %s --key-size %u disk",
        hash, key_bits);
    cr_assert_eq(cryptsetup(arguments), 0, "cryptsetup makes no header: %s", arguments);
    file("header", "r", header, sizeof header);
    struct crypt_af af = splitter();
    cr_assert_eq(af.key_bytes, key_bits / 8);
    struct crypt_xts x = slot_cipher();
    size_t at = (size_t)be32(SLOT_MATERIAL) * 512;
    cr_assert_leq(at, sizeof header / 4);
    uint8_t *material = header + at;
    crypt_xts_decrypt(&x, 0, material, area, crypt_af_bytes(&af) / 512);
    crypt_af_merge(&af, area, key);
    cr_assert(is_volume_key(key), "%s, %u bits: not the key", hash, key_bits);

    struct crypt_rng rng;
    struct crypt_rng_hw hw = crypt_rng_hw(crypt_cpu_features());
    crypt_rng_init(&rng);
    crypt_rng_gather(&rng, &hw);
    crypt_rng_add(&rng, area, sizeof area, 256);
    cr_assert_eq(crypt_af_split(&af, &rng, key, area), 0);
    crypt_xts_encrypt(&x, 0, area, material, crypt_af_bytes(&af) / 512);
    file("header", "w", header, sizeof header);
    cr_assert_eq(cryptsetup("open --test-passphrase --header header disk"), 0, "%s: cryptsetup does not open ours",
                 hash);
    material[12345] ^= 1;
    file("header", "w", header, sizeof header);
    cr_assert_neq(cryptsetup("open --test-passphrase --header header disk"), 0, "%s, %u bits: it opens anything", hash,
                  key_bits);
}

Test(af_cryptsetup, key_slots_are_exchanged, .init = make_folder, .fini = remove_folder) {
    static const char *const hashes[] = {"sha1", "sha256", "sha512"};
    for (unsigned h = 0; h < 3; h++) {
        open_and_remake(hashes[h], 256);
        open_and_remake(hashes[h], 512);
    }
}
