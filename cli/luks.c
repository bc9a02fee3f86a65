/* sekisho luks: headers made, changed and shown. See command.h */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "command.h"
#include "cost.h"
#include "file.h"
#include "header.h"

#define ITER_TIME_MAX 600000u

static const char *const versions[] = {"luks1", "luks2", NULL};
static const char *const kdfs[] = {"pbkdf2", "argon2id", NULL};

/* The costs that are wished for. CLI_GOOD, or an exit code after a message. */
static int wish(const struct options *o, unsigned version, uint32_t key_bytes, struct cost_wish *out) {
    unsigned kdf = version == 1 ? 0 : 1;
    *out = (struct cost_wish){.hash = CRYPT_SHA256, .key_bytes = key_bytes, .ms = COST_MS, .kib = COST_KIB};
    if (!options_word(o, OPTION_PBKDF, kdfs, &kdf) ||
        !options_number(o, OPTION_ITER_TIME, 1, ITER_TIME_MAX, &out->ms) ||
        !options_number(o, OPTION_PBKDF_MEMORY, COST_KIB_MIN, CRYPT_ARGON2_KIB_MAX, &out->kib))
        return CLI_USAGE;
    if (version == 1 && kdf == 1) return cli_usage("version 1 has pbkdf2 only");
    out->type = kdf == 0 ? CRYPT_LUKS_PBKDF2 : CRYPT_LUKS_ARGON2ID;
    return CLI_GOOD;
}

/* A passphrase that is new. s MUST be dropped. */
static int new_secret(const struct secret_source *source, const struct cost_wish *w, struct secret *s,
                      struct crypt_luks_new *out) {
    *out = (struct crypt_luks_new){.priority = CRYPT_LUKS_NORMAL, .slot = CRYPT_LUKS_ANY_SLOT};
    if (!secret_get(s, source)) return CLI_FAILED;
    out->secret = s->p;
    out->secret_bytes = s->n_bytes;
    int err = cost_measure(w, &out->kdf);
    return err ? cli_fail("%s", crypt_luks_why(err)) : CLI_GOOD;
}

static size_t work_bytes(const struct crypt_luks_kdf *k) {
    size_t n = k->type == CRYPT_LUKS_PBKDF2 ? 0 : crypt_argon2_memory_bytes(k->kib, k->lanes);
    return n > CRYPT_LUKS_WORK_MIN ? n : CRYPT_LUKS_WORK_MIN;
}

static int done(const struct header *h, int err) {
    return err ? cli_fail("%s: %s", h->path, crypt_luks_why(err)) : CLI_GOOD;
}

static void print_kdf(const struct crypt_luks_kdf *k) {
    if (k->type == CRYPT_LUKS_PBKDF2)
        printf("pbkdf2-%s, %" PRIu32 " iterations", crypt_hash_name(k->hash), k->iterations);
    else
        printf("%s, %" PRIu32 " passes over %" PRIu32 " KiB, lanes: %" PRIu32,
               k->type == CRYPT_LUKS_ARGON2I ? "argon2i" : "argon2id", k->iterations, k->kib, k->lanes);
}

static void print_slot(const struct header *h, unsigned slot) {
    const struct crypt_luks_slot *s = &h->luks.slot[slot];
    printf("slot %u: ", slot);
    if (s->state == CRYPT_LUKS_SLOT_UNUSABLE) {
        printf("cannot be opened here: %s\n", s->why);
        return;
    }
    print_kdf(&s->kdf);
    printf("%s\n", s->priority == CRYPT_LUKS_PREFER   ? ", tried first"
                   : s->priority == CRYPT_LUKS_IGNORE ? ", tried only if asked for"
                                                      : "");
}

int luks_info(const char *file, const struct options *o) {
    struct header h;
    (void)o;
    bool good = header_open(&h, file, false);
    const struct crypt_luks *l = &h.luks;
    if (good) {
        printf("LUKS%u, aes-xts-plain64, %u bits\nuuid %s\n", l->version, l->key_bytes * 8, l->uuid);
        if (l->payload_offset) printf("the volume begins %" PRIu64 " bytes into its device\n", l->payload_offset);
        if (l->copy_lost) printf("one of the two copies is damaged; the next change mends it\n");
        for (unsigned i = 0; i < l->n_slots; i++)
            if (l->slot[i].state != CRYPT_LUKS_SLOT_FREE) print_slot(&h, i);
        printf("passphrases: %u\n", crypt_luks_used(l));
    }
    header_close(&h);
    return good ? CLI_GOOD : CLI_FAILED;
}

/* ---- format ---- */

/* The volume key, from a file or new, to s. */
static int volume_key(const struct options *o, struct crypt_rng *rng, struct secret *s) {
    const struct secret_source source = {.file = o->value[OPTION_VOLUME_KEY_FILE]};
    uint32_t bits = 512;
    if (!options_number(o, OPTION_KEY_SIZE, 256, 512, &bits)) return CLI_USAGE;
    if (bits % 256) return cli_usage("--key-size is 256 or 512");
    if (source.file && o->value[OPTION_KEY_SIZE]) return cli_usage("--volume-key-file says what --key-size says");
    if (source.file) return secret_get(s, &source) ? CLI_GOOD : CLI_FAILED;
    s->p = secret_alloc(SECRET_BYTES_MAX);
    s->n_bytes = bits / 8;
    int err = crypt_rng_generate(rng, s->p, s->n_bytes);
    return err ? cli_fail("%s", crypt_luks_why(err)) : CLI_GOOD;
}

static int make(struct header *h, unsigned version, const struct secret *key, const struct crypt_luks_new *first,
                struct header_change *c) {
    const struct crypt_luks_volume v = {version, key->p, key->n_bytes};
    int err = crypt_luks_format(&c->edit, &v, first);
    if (err) return done(h, err);
    return file_create(h->path, h->image, h->n_bytes) ? CLI_GOOD : CLI_FAILED;
}

int luks_format(const char *file, const struct options *o) {
    struct header h = {.path = file, .fd = -1, .n_bytes = CRYPT_LUKS_FORMAT_BYTES};
    struct secret key = {NULL, 0}, secret = {NULL, 0};
    struct header_change c;
    struct crypt_luks_new first;
    struct cost_wish w;
    const struct secret_source source = {o->value[OPTION_KEY_FILE], "New passphrase", true};
    unsigned version = 1;
    if (!options_word(o, OPTION_TYPE, versions, &version)) return CLI_USAGE;
    version++;
    int code = wish(o, version, CRYPT_LUKS_KEY_MAX, &w);
    if (code) return code;

    h.image = malloc(h.n_bytes);
    bool ready = header_change_begin(&c, &h, CRYPT_LUKS_WORK_MIN);
    code = h.image && ready ? volume_key(o, &c.rng, &key) : CLI_FAILED;
    w.key_bytes = (uint32_t)key.n_bytes;
    if (!code && key.n_bytes != CRYPT_XTS_KEY_128 && key.n_bytes != CRYPT_XTS_KEY_256)
        code = done(&h, CRYPT_E_KEY_BYTES);
    if (!code) code = new_secret(&source, &w, &secret, &first);
    header_change_end(&c);
    if (!code) {
        code = header_change_begin(&c, &h, work_bytes(&first.kdf)) ? make(&h, version, &key, &first, &c) : CLI_FAILED;
        header_change_end(&c);
    }
    secret_drop(&secret);
    secret_drop(&key);
    if (!code) print_slot(&h, 0);
    header_close(&h);
    return code;
}

/* ---- changes ---- */

static int asked_slot(const struct options *o, int *out) {
    uint32_t slot = 0;
    if (!options_number(o, OPTION_SLOT, 0, CRYPT_LUKS_SLOTS_MAX - 1, &slot)) return CLI_USAGE;
    *out = o->value[OPTION_SLOT] ? (int)slot : CRYPT_LUKS_ANY_SLOT;
    return CLI_GOOD;
}

/* Take in a new passphrase, beside the others or in the place of the one that opened. */
static int take_in(struct header *h, const struct options *o, bool beside, int slot) {
    struct secret secret = {NULL, 0};
    struct header_change c;
    struct crypt_luks_new n;
    struct cost_wish w;
    unsigned where;
    const struct secret_source source = {o->value[OPTION_NEW_KEY_FILE], "New passphrase", true};
    const struct header_unlock unlock = {.source = {o->value[OPTION_KEY_FILE], "Passphrase", false},
                                         .slot = beside ? CRYPT_LUKS_ANY_SLOT : slot,
                                         .except = CRYPT_LUKS_ANY_SLOT};
    int code = wish(o, h->luks.version, h->luks.key_bytes, &w);
    if (code) return code;
    if (h->luks.version == 1) w.hash = h->luks.hash;
    struct crypt_luks_opened *opened = secret_alloc(sizeof *opened);
    code = header_unlock(h, &unlock, opened) ? new_secret(&source, &w, &secret, &n) : CLI_FAILED;
    if (!code) {
        if (beside) n.slot = slot;
        int err = CRYPT_E_ENTROPY;
        if (header_change_begin(&c, h, work_bytes(&n.kdf)))
            err = beside ? crypt_luks_add(&c.edit, opened->key, &n, &where)
                         : crypt_luks_change(&c.edit, (unsigned)opened->slot, opened->key, &n, &where);
        header_change_end(&c);
        code = done(h, err);
    }
    secret_free(opened, sizeof *opened);
    secret_drop(&secret);
    if (!code) print_slot(h, where);
    return code;
}

static int remove_slot(struct header *h, const struct options *o, bool beside, int slot) {
    struct header_change c;
    const struct header_unlock unlock = {
        .source = {o->value[OPTION_KEY_FILE], slot < 0 ? "Passphrase to be removed" : "A passphrase that stays", false},
        .slot = CRYPT_LUKS_ANY_SLOT,
        .except = slot};
    (void)beside;
    if (slot < 0 || slot >= (int)h->luks.n_slots || h->luks.slot[slot].state == CRYPT_LUKS_SLOT_USED)
        if (crypt_luks_used(&h->luks) == 1) return done(h, CRYPT_E_LUKS_LAST);
    struct crypt_luks_opened *opened = secret_alloc(sizeof *opened);
    bool good = header_unlock(h, &unlock, opened);
    if (slot < 0) slot = opened->slot;
    secret_free(opened, sizeof *opened);
    if (!good) return CLI_FAILED;
    int err = CRYPT_E_ENTROPY;
    if (header_change_begin(&c, h, CRYPT_LUKS_WORK_MIN)) err = crypt_luks_remove(&c.edit, (unsigned)slot);
    header_change_end(&c);
    if (!err) printf("slot %d: free\n", slot);
    return done(h, err);
}

static int change(const char *file, const struct options *o, bool beside,
                  int (*how)(struct header *h, const struct options *o, bool beside, int slot)) {
    struct header h;
    int slot, code = asked_slot(o, &slot);
    if (code) return code;
    code = header_open(&h, file, true) ? how(&h, o, beside, slot) : CLI_FAILED;
    header_close(&h);
    return code;
}

int luks_add(const char *file, const struct options *o) { return change(file, o, true, take_in); }
int luks_change(const char *file, const struct options *o) { return change(file, o, false, take_in); }
int luks_remove(const char *file, const struct options *o) { return change(file, o, false, remove_slot); }
