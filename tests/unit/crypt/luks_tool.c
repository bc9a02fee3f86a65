/* LUKS headers in files, from the command line: what the tests against cryptsetup drive. Exit code 0, or 1 with a
 * sentence on the standard error; 2: not called as below. KDF is pbkdf2:HASH:ITERATIONS or TYPE:PASSES:KIB:LANES.
 *
 *   luks_tool info   IMAGE
 *   luks_tool open   IMAGE SECRET [SLOT [KIB]]           with that much memory; prints outcome, slot, volume key
 *   luks_tool format IMAGE SECRET KDF VERSION KEY-FILE [BYTES]
 *   luks_tool add    IMAGE SECRET NEW-SECRET KDF [SLOT [PRIORITY]]
 *   luks_tool change IMAGE SECRET NEW-SECRET KDF
 *   luks_tool remove IMAGE SLOT
 *   luks_tool repair IMAGE */
#include <crypt/luks_write.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct bytes {
    uint8_t *p;
    size_t n;
};

static struct crypt_luks luks;
static struct bytes image;
static const char *path;
static struct crypt_rng rng;
static uint8_t *work;
static size_t work_bytes = 16u << 20;

static void fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static struct bytes load(const char *name) {
    struct bytes b = {NULL, 0};
    FILE *f = fopen(name, "rb");
    if (!f || fseek(f, 0, SEEK_END)) fail("cannot read the file");
    b.n = (size_t)ftell(f);
    b.p = malloc(b.n + 1);
    rewind(f);
    if (fread(b.p, 1, b.n, f) != b.n) fail("cannot read the file");
    fclose(f);
    return b;
}

static int store_write(void *ctx, uint64_t offset, const void *src, size_t n_bytes) {
    return fseek(ctx, (long)offset, SEEK_SET) || fwrite(src, 1, n_bytes, ctx) != n_bytes;
}

static int store_flush(void *ctx) { return fflush(ctx); }

static void open_image(void) {
    const char *why;
    image = load(path);
    if (crypt_luks_parse(image.p, image.n, &luks, &why)) fail(why);
}

static struct crypt_luks_edit edit(const struct crypt_luks_store *store) {
    return (struct crypt_luks_edit){.luks = &luks,
                                    .image = image.p,
                                    .image_bytes = image.n,
                                    .store = store,
                                    .rng = &rng,
                                    .kernel = crypt_xts_kernel_best(crypt_cpu_features()),
                                    .work = work,
                                    .work_bytes = work_bytes};
}

static void done(int err) {
    if (err) fail(crypt_luks_why(err));
}

static struct crypt_luks_kdf parse_kdf(const char *text) {
    struct crypt_luks_kdf k = {.type = CRYPT_LUKS_PBKDF2};
    char type[16];
    if (sscanf(text, "pbkdf2:%15[^:]:%u", type, &k.iterations) == 2) {
        if (crypt_hash_find(type, strlen(type), &k.hash)) fail("no such hash");
        return k;
    }
    if (sscanf(text, "%15[^:]:%u:%u:%u", type, &k.iterations, &k.kib, &k.lanes) != 4) exit(2);
    k.type = strcmp(type, "argon2i") == 0 ? CRYPT_LUKS_ARGON2I : CRYPT_LUKS_ARGON2ID;
    return k;
}

static void info(void) {
    static const char *const states[] = {"free", "used", "unusable"}, *const types[] = {"pbkdf2", "argon2i",
                                                                                        "argon2id"};
    open_image();
    printf("version %u\nuuid %s\nkey %u\npayload %llu %llu\ncopy_lost %d\nused %u\n", luks.version, luks.uuid,
           luks.key_bytes, (unsigned long long)luks.payload_offset, (unsigned long long)luks.payload_bytes,
           luks.copy_lost, crypt_luks_used(&luks));
    for (unsigned i = 0; i < luks.n_slots; i++) {
        const struct crypt_luks_slot *s = &luks.slot[i];
        if (s->state == CRYPT_LUKS_SLOT_FREE) continue;
        printf("slot %u %s priority %d %s %u %u %u%s%s\n", i, states[s->state], (int)s->priority, types[s->kdf.type],
               s->kdf.iterations, s->kdf.kib, s->kdf.lanes, s->why ? ": " : "", s->why ? s->why : "");
    }
}

static struct crypt_luks_opened try(const char *secret, int slot, size_t n_work) {
    static const char *const outcomes[] = {"opened", "no_slot", "wrong", "damaged", "no_memory", "cancelled"};
    struct bytes b = load(secret);
    struct crypt_luks_opened opened;
    const struct crypt_luks_try t = {.secret = b.p,
                                     .secret_bytes = b.n,
                                     .slot = slot,
                                     .work = work,
                                     .work_bytes = n_work,
                                     .kernel = crypt_xts_kernel_best(crypt_cpu_features())};
    enum crypt_luks_outcome o = crypt_luks_open(&luks, image.p, &t, &opened);
    printf("%s %d %zu\n", outcomes[o], opened.slot, opened.work_bytes);
    for (uint32_t i = 0; o == CRYPT_LUKS_OPENED && i < opened.key_bytes; i++) printf("%02x", opened.key[i]);
    printf("\n");
    free(b.p);
    return opened;
}

static void format(char **arg, int n) {
    struct bytes secret = load(arg[0]), key = load(arg[3]);
    image.n = n > 4 ? strtoul(arg[4], NULL, 0) : CRYPT_LUKS_FORMAT_BYTES;
    image.p = malloc(image.n);
    struct crypt_luks_edit e = edit(NULL);
    const struct crypt_luks_volume v = {(unsigned)atoi(arg[2]), key.p, key.n};
    const struct crypt_luks_new first = {.secret = secret.p,
                                         .secret_bytes = secret.n,
                                         .kdf = parse_kdf(arg[1]),
                                         .priority = CRYPT_LUKS_NORMAL,
                                         .slot = CRYPT_LUKS_ANY_SLOT};
    done(crypt_luks_format(&e, &v, &first));
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(image.p, 1, image.n, f) != image.n || fclose(f)) fail("cannot write the file");
    free(secret.p);
    free(key.p);
}

static void change(char **arg, int n, bool add) {
    open_image();
    struct crypt_luks_opened opened = try(arg[0], CRYPT_LUKS_ANY_SLOT, work_bytes);
    struct bytes secret = load(arg[1]);
    FILE *f = fopen(path, "r+b");
    if (!f || opened.slot < 0) fail("not opened");
    const struct crypt_luks_store store = {store_write, store_flush, f};
    struct crypt_luks_edit e = edit(&store);
    const struct crypt_luks_new new = {.secret = secret.p,
                                       .secret_bytes = secret.n,
                                       .kdf = parse_kdf(arg[2]),
                                       .priority = n > 4 ? (enum crypt_luks_priority)atoi(arg[4]) : CRYPT_LUKS_NORMAL,
                                       .slot = n > 3 ? atoi(arg[3]) : CRYPT_LUKS_ANY_SLOT};
    unsigned slot;
    int err = add ? crypt_luks_add(&e, opened.key, &new, &slot)
                  : crypt_luks_change(&e, (unsigned)opened.slot, opened.key, &new, &slot);
    fclose(f);
    free(secret.p);
    done(err);
    printf("slot %u\n", slot);
}

static void rewrite(const char *slot) {
    open_image();
    FILE *f = fopen(path, "r+b");
    if (!f) fail("cannot write the file");
    const struct crypt_luks_store store = {store_write, store_flush, f};
    struct crypt_luks_edit e = edit(&store);
    int err = slot ? crypt_luks_remove(&e, (unsigned)atoi(slot)) : crypt_luks_repair(&e);
    fclose(f);
    done(err);
}

int main(int argc, char **argv) {
    uint8_t seed[64];
    char **arg = argv + 3;
    int n = argc - 3;
    if (argc < 3) return 2;
    path = argv[2];
    work = aligned_alloc(CRYPT_LUKS_WORK_ALIGN, work_bytes);
    crypt_rng_init(&rng);
    if (getrandom(seed, sizeof seed, 0) != sizeof seed) return 1;
    crypt_rng_add(&rng, seed, sizeof seed, 256);
    if (strcmp(argv[1], "info") == 0) {
        info();
    } else if (strcmp(argv[1], "open") == 0 && n >= 1) {
        open_image();
        (void)try(arg[0], n > 1 ? atoi(arg[1]) : CRYPT_LUKS_ANY_SLOT, n > 2 ? (size_t)atoi(arg[2]) * 1024 : work_bytes);
    } else if (strcmp(argv[1], "format") == 0 && n >= 4) {
        format(arg, n);
    } else if ((strcmp(argv[1], "add") == 0 || strcmp(argv[1], "change") == 0) && n >= 3) {
        change(arg, n, argv[1][0] == 'a');
    } else if (strcmp(argv[1], "remove") == 0 && n == 1) {
        rewrite(arg[0]);
    } else if (strcmp(argv[1], "repair") == 0) {
        rewrite(NULL);
    } else {
        return 2;
    }
    free(image.p);
    free(work);
    return 0;
}
