/* LUKS headers unlocked at a scripted console: every outcome, the sentence for it, and what comes next. */
#include <criterion/criterion.h>
#include <crypt/hash.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unlock.h>
#include "luks_bench.h"

#define FILES_MAX   4u
#define LINES_MAX   8u
#define MEMORY      (450u << 10) /* for all but what asks for more on purpose */
#define ESCAPE_LINE "\x1b"

struct file {
    const char *name;
    const void *data;
    size_t n_bytes;
};

/* The machine: what is typed, one line for each prompt, and what is on the screen. */
static struct {
    struct file file[FILES_MAX];
    const char *line[LINES_MAX];
    const char *typing; /* what is left of the line */
    unsigned n_prompts;
    bool cancel; /* Escape while a passphrase is checked */
    size_t memory;
    char screen[16384];
    size_t n_screen;
    unsigned waited_ms, longest_ms;
    unsigned n_taken, n_read;
    bool in_crypto;
    char options[256];
} m;

static struct unlock u;
static struct conf conf;

static void host_print(void *ctx, const char *text) {
    cr_assert(ctx == &m && !m.in_crypto);
    for (const char *t = text; *t; t++) {
        if (*t == '\b') {
            cr_assert(m.n_screen > 0 && m.screen[m.n_screen - 1] != '\n', "the cursor leaves the line");
            m.n_screen--;
            continue;
        }
        cr_assert(m.n_screen + 1 < sizeof m.screen);
        m.screen[m.n_screen++] = *t;
        m.screen[m.n_screen] = '\0';
    }
    static const char end[] = "give up): ";
    if (strcmp(text, " ") || m.n_screen < sizeof end || strcmp(m.screen + m.n_screen + 1 - sizeof end, end)) return;
    cr_assert(m.line[m.n_prompts], "one prompt too many:\n%s", m.screen);
    m.typing = m.line[m.n_prompts++];
}

static int host_key(void *ctx) {
    cr_assert(ctx == &m && !m.in_crypto);
    bool checking = m.n_screen > 0 && m.screen[m.n_screen - 1] == '%';
    if (checking && m.cancel) {
        m.cancel = false;
        return ESCAPE_LINE[0];
    }
    return m.typing && *m.typing && !checking ? (uint8_t)*m.typing++ : UNLOCK_NO_KEY;
}

static void host_wait(void *ctx, unsigned ms) {
    cr_assert(ctx == &m && !m.in_crypto);
    m.waited_ms += ms;
    if (ms > m.longest_ms) m.longest_ms = ms;
    cr_assert(m.waited_ms < 60000, "it waits for ever:\n%s", m.screen);
}

static bool host_read(void *ctx, const char *name, size_t max_bytes, const void **out, size_t *out_bytes,
                      const char **out_why) {
    cr_assert(ctx == &m && !m.in_crypto);
    *out_why = "cannot be read";
    for (unsigned i = 0; i < FILES_MAX; i++) {
        if (!m.file[i].name || strcmp(m.file[i].name, name)) continue;
        *out_why = "is too long";
        if (m.file[i].n_bytes > max_bytes) return false;
        *out = m.file[i].data;
        *out_bytes = m.file[i].n_bytes;
        m.n_read++;
        return true;
    }
    return false;
}

static void host_release(void *ctx, const void *data, size_t n_bytes) {
    cr_assert(ctx == &m && data && n_bytes < UNLOCK_HEADER_MAX);
    m.n_read--;
}

static void *host_take(void *ctx, size_t n_bytes) {
    cr_assert_eq(ctx, &m);
    if (n_bytes > m.memory) return NULL;
    m.n_taken++;
    return aligned_alloc(CRYPT_LUKS_WORK_ALIGN, (n_bytes + 15) & ~(size_t)15);
}

static void host_give_back(void *ctx, void *p, size_t n_bytes) {
    cr_assert(ctx == &m && n_bytes >= CRYPT_LUKS_WORK_MIN);
    m.n_taken--;
    free(p);
}

static void host_crypto(bool on) {
    cr_assert_neq(m.in_crypto, on);
    m.in_crypto = on;
}
static void host_crypto_begin(void *ctx) { host_crypto(ctx == &m); }
static void host_crypto_end(void *ctx) { host_crypto(ctx != &m); }

static const struct unlock_host host = {
    &m,           m.options, host_print,     host_key,          host_wait,      host_read,
    host_release, host_take, host_give_back, host_crypto_begin, host_crypto_end};

static void add_file(const char *name, const void *data, size_t n_bytes) {
    unsigned i = 0;
    while (m.file[i].name) i++;
    m.file[i] = (struct file){name, data, n_bytes};
}

/* A machine with a header that "first" opens, and key file k. unlock: as in the configuration. */
static struct bench *start(unsigned version, const char *unlock) {
    static char text[512];
    struct conf_error error;
    struct bench *b = bench_new(version);
    memset(&m, 0, sizeof m);
    m.memory = MEMORY;
    add_file("s.luks", b->image, sizeof b->image);
    add_file("good.key", "first", 5);
    add_file("bad.key", "First", 5);
    snprintf(text, sizeof text,
             "[disk \"a\"]\nmatch=any\nrange=0..9 encrypt:sys\n[key \"sys\"]\nsource=luks:s.luks\n%s%s\n",
             unlock ? "unlock = " : "", unlock ? unlock : "");
    cr_assert_eq(conf_parse(text, strlen(text), &conf, &error), 0, "%s", error.message);
    return b;
}

static bool run(void) {
    static const struct unlock zero;
    bool good = unlock_keys(&u, &host, &conf);
    cr_assert(m.n_taken == 0 && m.n_read == 0 && !m.in_crypto);
    cr_assert_eq(memcmp(&u, &zero, sizeof u), 0, "something is left");
    for (unsigned i = 0; i < m.n_prompts; i++)
        cr_assert(strlen(m.line[i]) < 4 || !strstr(m.screen, m.line[i]), "a passphrase on the screen");
    return good;
}

static void unlocked(const struct bench *b) {
    cr_assert(run(), "%s", m.screen);
    cr_assert_eq(conf.key[0].n_bytes, sizeof b->key);
    cr_assert_arr_eq(conf.key[0].bytes, b->key, sizeof b->key);
}

static void locked(void) {
    static const uint8_t zero[CONF_KEY_MAX];
    cr_assert_not(run(), "%s", m.screen);
    cr_assert_eq(conf.key[0].n_bytes, 0);
    cr_assert_arr_eq(conf.key[0].bytes, zero, sizeof zero);
}

static void said(const char *text) { cr_assert(strstr(m.screen, text), "not said: %s\n%s", text, m.screen); }

Test(sekisho_unlock, passphrase) {
    for (unsigned version = 1; version <= 2; version++) {
        const struct bench *b = start(version, NULL);
        m.line[0] = "first\r";
        unlocked(b);
        cr_assert_str_eq(m.screen, "sekisho: passphrase for key sys (Esc: give up): *****\n"
                                   "sekisho: checking 100%\nsekisho: key sys unlocked by keyslot 0\n");
    }
}

Test(sekisho_unlock, wrong_then_right) {
    const struct bench *b = start(2, "passphrase");
    m.line[0] = "frist\r";
    m.line[1] = "f\tirst\x15"
                "firts\b\bst\r";
    unlocked(b);
    said("wrong passphrase; tries left: 4\n");
    cr_assert_eq(m.longest_ms, 1000);
}

Test(sekisho_unlock, tries_are_limited_and_slow) {
    (void)start(2, NULL);
    for (unsigned i = 0; i < PROMPT_TRIES; i++) m.line[i] = "wrong\r";
    locked();
    said("wrong passphrase; tries left: 0\nsekisho: key sys stays locked\n");
    cr_assert(m.longest_ms == 8000 && m.waited_ms >= 15000);
}

Test(sekisho_unlock, key_file) {
    const struct bench *b = start(2, "keyfile:good.key");
    unlocked(b);
    cr_assert_eq(m.n_prompts, 0);
    (void)start(2, "keyfile:bad.key");
    locked();
    said("sekisho: bad.key is not the key file of s.luks\nsekisho: key sys stays locked\n");
}

Test(sekisho_unlock, one_way_after_the_other) {
    const struct bench *b = start(2, "passphrase, keyfile:none.key, keyfile:bad.key, keyfile:good.key");
    m.line[0] = "firs" ESCAPE_LINE;
    unlocked(b);
    said("sekisho: no passphrase given\nsekisho: none.key cannot be read\n");
    said("bad.key is not the key file");
    b = start(2, "keyfile:none.key, passphrase");
    m.line[0] = "first\r";
    unlocked(b);
    said("none.key cannot be read\nsekisho: passphrase for key sys");
}

Test(sekisho_unlock, escape_at_the_last_way) {
    (void)start(2, NULL);
    m.line[0] = ESCAPE_LINE;
    locked();
    said("no passphrase given\nsekisho: key sys stays locked\n");
}

Test(sekisho_unlock, cancelled_while_checking) {
    const struct bench *b = start(2, "passphrase, keyfile:good.key");
    m.line[0] = "first\r";
    m.cancel = true;
    unlocked(b);
    said("sekisho: cancelled\nsekisho: checking");
}

Test(sekisho_unlock, no_header) {
    (void)start(2, "passphrase, keyfile:good.key");
    m.file[0].name = "other.luks";
    locked();
    cr_assert_str_eq(m.screen, "sekisho: s.luks cannot be read\n");
    (void)start(2, NULL);
    m.file[0] = (struct file){"s.luks", "not a header, though with some text in it", 41};
    locked();
    cr_assert_str_eq(m.screen, "sekisho: s.luks cannot be used: it is not a LUKS header\n");
    (void)start(2, NULL);
    m.file[0].n_bytes = 65536;
    locked();
    said("s.luks has no keyslot that can be opened here: the keyslot's area is cut off\n");
}

Test(sekisho_unlock, damaged_headers) {
    struct bench *b = start(2, NULL);
    b->image[4096] ^= 1;
    m.line[0] = "first\r";
    unlocked(b);
    said("sekisho: one of the two copies in s.luks is damaged");
    b = start(2, NULL);
    b->image[4096] ^= 1;
    b->image[16384 + 4096] ^= 1;
    locked();
    said("s.luks cannot be used: neither copy of the LUKS2 header is sound\n");
    b = start(2, "passphrase, keyfile:good.key");
    memset(b->image + b->luks.slot[0].area_offset + 4096, 0xff, 512);
    m.line[0] = "first\r";
    m.line[1] = ESCAPE_LINE;
    locked();
    said("wrong passphrase, or that of keyslot 0, which is damaged; tries left: 4\n");
    said("good.key is not the key file of s.luks, or that of keyslot 0, which is damaged\n");
}

static void add_argon2(struct bench *b, const char *secret, uint32_t kib) {
    unsigned slot;
    struct crypt_luks_new n = bench_secret(secret);
    n.kdf = bench_argon2id;
    n.kdf.kib = kib;
    cr_assert_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), 0);
    bench_forget(b);
}

Test(sekisho_unlock, too_little_memory_for_a_keyslot) {
    struct bench *b = start(2, NULL);
    add_argon2(b, "second", 440);
    m.line[0] = "second\r";
    unlocked(b);
    m.memory = 300u << 10;
    m.n_prompts = 0;
    conf.key[0].n_bytes = 0;
    m.line[1] = "first\r"; /* the other keyslot is tried nevertheless */
    unlocked(b);
    said("wrong passphrase, or that of keyslot 1, which needs 1 MiB of memory at once, more than is free; tries left: "
         "4\n");
}

Test(sekisho_unlock, too_little_memory_for_any) {
    struct bench *b = start(2, "passphrase, keyfile:good.key");
    add_argon2(b, "second", 440);
    m.memory = 100u << 10;
    locked();
    cr_assert_str_eq(m.screen,
                     "sekisho: each keyslot of s.luks needs 1 MiB of memory at once or more, and so much is not "
                     "free\n");
    (void)start(1, NULL);
    m.memory = 300u << 10; /* the least there is suffices */
    m.line[0] = "first\r";
    cr_assert(run());
}

Test(sekisho_unlock, no_keyslot_to_try) {
    struct bench *b = start(1, NULL);
    memset(b->image + 208, 0, 4);
    locked();
    said("sekisho: s.luks has no keyslot that can be opened here: the keyslot is neither enabled nor disabled\n");
    b = start(1, NULL);
    memcpy(b->image + 208, "\x00\x00\xde\xad", 4);
    locked();
    said("opened here: none is in use\n");
}

/* SHA-256 in digits, as a load option. */
static void add_checksum(const char *name, const void *data, size_t n_bytes) {
    uint8_t digest[CRYPT_SHA256_BYTES];
    crypt_hash_digest(CRYPT_SHA256, data, n_bytes, digest);
    size_t n = strlen(m.options);
    n += (size_t)snprintf(m.options + n, sizeof m.options - n, " %s=sha256:", name);
    for (unsigned i = 0; i < sizeof digest; i++)
        n += (size_t)snprintf(m.options + n, sizeof m.options - n, "%02x", digest[i]);
}

Test(sekisho_unlock, checksums) {
    const struct bench *b = start(2, "keyfile:good.key");
    add_checksum("s.luks", b->image, sizeof b->image);
    add_checksum("good.key", "first", 5);
    unlocked(b);
    (void)start(2, "keyfile:good.key, passphrase");
    add_checksum("good.key", "other", 5);
    m.line[0] = "first\r";
    unlocked(b);
    said("sekisho: good.key does not have the checksum that the load options tell\nsekisho: passphrase");
    (void)start(2, "keyfile:good.key");
    add_checksum("s.luks", "other", 5);
    locked();
    cr_assert_str_eq(m.screen, "sekisho: s.luks does not have the checksum that the load options tell\n");
}

Test(sekisho_unlock, attached_volume) {
    struct bench *b = start(1, NULL);
    memcpy(b->image + 104, "\x00\x00\x10\x00", 4);
    m.line[0] = "first\r";
    unlocked(b);
    said("sekisho: the volume of s.luks begins at sector 4096 of its device, and so must the range\n");
}

Test(sekisho_unlock, only_keys_that_need_it) {
    (void)start(2, NULL);
    conf.key[0].kind = CONF_KEY_FILE;
    cr_assert(unlock_keys(&u, &host, &conf));
    cr_assert_eq(m.n_screen, 0);
    cr_assert_eq(m.n_prompts, 0);
}
