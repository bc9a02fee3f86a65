/* see unlock.h */
#include "unlock.h"
#include <crypt/wipe.h>
#include <stdarg.h>
#include <string.h>
#include "inputs.h"

/* ---- the console ---- */

static void print_number(const struct unlock_host *h, uint64_t n) {
    char digits[21];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    h->print(h->ctx, digits + at);
}

/* % stands for a string, # for a uint64_t. */
static void print(const struct unlock *u, const char *template, ...) {
    va_list args;
    va_start(args, template);
    for (const char *t = template; *t; t++) {
        const char c[2] = {*t, '\0'};
        if (*t == '#')
            print_number(u->host, va_arg(args, uint64_t));
        else
            u->host->print(u->host->ctx, *t == '%' ? va_arg(args, const char *) : c);
    }
    va_end(args);
}

static void print_times(const struct unlock *u, const char *text, int n) {
    while (n-- > 0) u->host->print(u->host->ctx, text);
}

static void print_percent(struct unlock *u, unsigned percent) {
    if (percent == u->percent) return;
    u->percent = percent;
    print(u, percent < 10 ? "\b\b\b\b  #%" : percent < 100 ? "\b\b\b\b #%" : "\b\b\b\b#%", (uint64_t)percent, "%");
}

/* false: given up */
static bool ask(struct unlock *u, const char *key_name) {
    const struct unlock_host *h = u->host;
    unsigned n_idle = 0;
    struct prompt_echo e = {.state = PROMPT_TYPING};
    crypt_wipe(&u->prompt, sizeof u->prompt);
    int key;
    do key = h->key(h->ctx);
    while (key != UNLOCK_NO_KEY); /* typed before anybody asked */
    print(u, "sekisho: passphrase for key % (Esc: give up): ", key_name);
    while (e.state == PROMPT_TYPING) {
        key = h->key(h->ctx);
        e = (struct prompt_echo){.state = PROMPT_TYPING};
        if (key != UNLOCK_NO_KEY) {
            n_idle = 0;
            e = prompt_byte(&u->prompt, (uint8_t)key);
        } else if (++n_idle % PROMPT_IDLE_MS == 0) {
            e = prompt_idle(&u->prompt);
        }
        print_times(u, "*", e.stars);
        print_times(u, "\b \b", -e.stars);
        print_times(u, "\a", e.bell);
        if (key == UNLOCK_NO_KEY) h->wait(h->ctx, 1);
    }
    print(u, "\n");
    return e.state == PROMPT_ENTERED;
}

/* ---- the header ---- */

static size_t mib(size_t n_bytes) { return (n_bytes + (1u << 20) - 1) >> 20; }

/* The most that a keyslot needs of those that are tried and need less than limit; 0 if there is none. */
static size_t need_below(const struct crypt_luks *l, size_t limit) {
    size_t most = 0;
    for (unsigned i = 0; i < l->n_slots; i++) {
        if (l->slot[i].state != CRYPT_LUKS_SLOT_USED || l->slot[i].priority == CRYPT_LUKS_IGNORE) continue;
        size_t n = crypt_luks_work_bytes(l, (int)i);
        if (n < limit && n > most) most = n;
    }
    return most;
}

static const char *why_unusable(const struct crypt_luks *l) {
    for (unsigned i = 0; i < l->n_slots; i++)
        if (l->slot[i].state == CRYPT_LUKS_SLOT_UNUSABLE) return l->slot[i].why;
    return "none is in use";
}

/* For all keyslots, or for as many as the machine's memory lets open. */
static bool take_work(struct unlock *u) {
    const struct unlock_host *h = u->host;
    size_t n = SIZE_MAX, least = 0;
    while ((n = need_below(&u->luks, n)) > 0) {
        least = n;
        u->work = h->take(h->ctx, n);
        u->work_bytes = n;
        if (u->work) return true;
    }
    if (least == 0)
        print(u, "sekisho: % has no keyslot that can be opened here: %\n", u->header, why_unusable(&u->luks));
    else
        print(u, "sekisho: each keyslot of % needs # MiB of memory at once or more, and so much is not free\n",
              u->header, (uint64_t)mib(least));
    return false;
}

static bool read_file(struct unlock *u, const char *name, size_t max_bytes, const void **out, size_t *out_bytes) {
    const struct unlock_host *h = u->host;
    const char *why;
    bool good = h->read(h->ctx, name, max_bytes, out, out_bytes, &why);
    if (good) {
        h->crypto_begin(h->ctx);
        good = inputs_file(h->options, name, *out, *out_bytes, &why);
        h->crypto_end(h->ctx);
        if (!good) h->release(h->ctx, *out, *out_bytes);
    }
    if (!good) print(u, "sekisho: % %\n", name, why);
    return good;
}

static bool parse(struct unlock *u) {
    const struct unlock_host *h = u->host;
    const char *why;
    h->crypto_begin(h->ctx);
    int r = crypt_luks_parse(u->image, u->image_bytes, &u->luks, &why);
    h->crypto_end(h->ctx);
    if (r) {
        print(u, "sekisho: % cannot be used: %\n", u->header, why);
        return false;
    }
    if (u->luks.copy_lost)
        print(u, "sekisho: one of the two copies in % is damaged: cryptsetup repair mends it\n", u->header);
    if (u->luks.payload_offset)
        print(u, "sekisho: the volume of % begins at sector # of its device, and so must the range\n", u->header,
              u->luks.payload_offset / CRYPT_LUKS_SECTOR_BYTES);
    return true;
}

/* ---- passphrases and key files ---- */

/* Every time: a firmware's clock stands still meanwhile, and its keyboard needs that. */
static bool step(void *ctx, uint32_t done, uint32_t total) {
    struct unlock *u = ctx;
    const struct unlock_host *h = u->host;
    h->crypto_end(h->ctx);
    print_percent(u, (unsigned)((uint64_t)done * 100 / total));
    int key = h->key(h->ctx);
    struct prompt_echo e = key == UNLOCK_NO_KEY ? prompt_idle(&u->aside) : prompt_byte(&u->aside, (uint8_t)key);
    h->crypto_begin(h->ctx);
    return e.state != PROMPT_GIVEN_UP;
}

static enum crypt_luks_outcome try(struct unlock *u, const void *secret, size_t n_bytes) {
    const struct unlock_host *h = u->host;
    const struct crypt_luks_try t = {.secret = secret,
                                     .secret_bytes = n_bytes,
                                     .slot = CRYPT_LUKS_ANY_SLOT,
                                     .work = u->work,
                                     .work_bytes = u->work_bytes,
                                     .kernel = &crypt_xts_kernel_portable,
                                     .step = step,
                                     .step_ctx = u};
    u->percent = 100;
    memset(&u->aside, 0, sizeof u->aside);
    print(u, "sekisho: checking     ");
    print_percent(u, 0);
    h->crypto_begin(h->ctx);
    enum crypt_luks_outcome o = crypt_luks_open(&u->luks, u->image, &t, &u->opened);
    h->crypto_end(h->ctx);
    print(u, "\n");
    if (o == CRYPT_LUKS_CANCELLED) print(u, "sekisho: cancelled\n");
    return o;
}

/* Of WRONG, DAMAGED and NO_MEMORY, the part of a sentence behind what was not accepted. */
static void print_refusal(const struct unlock *u, enum crypt_luks_outcome o) {
    uint64_t slot = (uint64_t)u->opened.slot;
    if (o == CRYPT_LUKS_DAMAGED) print(u, ", or that of keyslot #, which is damaged", slot);
    if (o == CRYPT_LUKS_NO_MEMORY)
        print(u, ", or that of keyslot #, which needs # MiB of memory at once, more than is free", slot,
              (uint64_t)mib(u->opened.work_bytes));
}

static bool by_passphrase(struct unlock *u, const struct conf_key *key) {
    const struct unlock_host *h = u->host;
    for (unsigned n_wrong = 1; n_wrong <= PROMPT_TRIES; n_wrong++) {
        if (!ask(u, key->name)) {
            print(u, "sekisho: no passphrase given\n");
            return false;
        }
        enum crypt_luks_outcome o = try(u, u->prompt.text, u->prompt.n_bytes);
        crypt_wipe(&u->prompt, sizeof u->prompt);
        if (o == CRYPT_LUKS_OPENED || o == CRYPT_LUKS_CANCELLED) return o == CRYPT_LUKS_OPENED;
        print(u, "sekisho: wrong passphrase");
        print_refusal(u, o);
        print(u, "; tries left: #\n", (uint64_t)(PROMPT_TRIES - n_wrong));
        if (n_wrong < PROMPT_TRIES) h->wait(h->ctx, 1000 * prompt_delay_seconds(n_wrong));
    }
    return false;
}

static bool by_keyfile(struct unlock *u, const char *name) {
    const void *data;
    size_t n_bytes;
    if (!read_file(u, name, UNLOCK_KEYFILE_MAX, &data, &n_bytes)) return false;
    enum crypt_luks_outcome o = try(u, data, n_bytes);
    u->host->release(u->host->ctx, data, n_bytes);
    if (o == CRYPT_LUKS_OPENED || o == CRYPT_LUKS_CANCELLED) return o == CRYPT_LUKS_OPENED;
    print(u, "sekisho: % is not the key file of %", name, u->header);
    print_refusal(u, o);
    print(u, "\n");
    return false;
}

static bool by_any_way(struct unlock *u, struct conf_key *key) {
    const char *why;
    bool opened = false;
    for (unsigned i = 0; i < key->n_unlocks && !opened; i++) {
        const struct conf_unlock *way = &key->unlock[i];
        opened = way->kind == CONF_UNLOCK_PASSPHRASE ? by_passphrase(u, key) : by_keyfile(u, way->file);
    }
    if (!opened) {
        print(u, "sekisho: key % stays locked\n", key->name);
        return false;
    }
    print(u, "sekisho: key % unlocked by keyslot #\n", key->name, (uint64_t)u->opened.slot);
    bool good = !conf_key_set(key, u->opened.key, u->opened.key_bytes, &why);
    crypt_wipe(&u->opened, sizeof u->opened);
    if (!good) print(u, "sekisho: % %\n", u->header, why);
    return good;
}

static bool unlock_key(struct unlock *u, struct conf_key *key) {
    const struct unlock_host *h = u->host;
    u->header = key->file;
    if (!read_file(u, key->file, UNLOCK_HEADER_MAX, &u->image, &u->image_bytes)) return false;
    bool good = parse(u) && take_work(u);
    if (good) {
        good = by_any_way(u, key);
        h->give_back(h->ctx, u->work, u->work_bytes);
    }
    h->release(h->ctx, u->image, u->image_bytes);
    return good;
}

bool unlock_keys(struct unlock *u, const struct unlock_host *host, struct conf *conf) {
    bool good = true;
    u->host = host;
    for (unsigned i = 0; i < conf->n_keys && good; i++)
        if (conf->key[i].kind == CONF_KEY_LUKS) good = unlock_key(u, &conf->key[i]);
    crypt_wipe(u, sizeof *u);
    return good;
}
