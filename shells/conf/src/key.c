/* What a [key] section says, and the keys themselves. Messages tell where and how many, never what. */
#include "parser.h"

#include <string.h>

/* XTS loses its proof then. Source: FIPS 140-2 Implementation Guidance, A.9 "XTS-AES Key Generation Requirements". */
static bool halves_equal(const struct conf_key *key) {
    return memcmp(key->bytes, key->bytes + key->n_bytes / 2, key->n_bytes / 2) == 0;
}

int conf_key_set(struct conf_key *key, const void *data, size_t n_bytes, const char **out_why) {
    *out_why = "holds neither 32 bytes (AES-128-XTS) nor 64 (AES-256-XTS)";
    if (n_bytes != CONF_KEY_MAX && n_bytes != CONF_KEY_MAX / 2) return CONF_E_INVALID;
    key->n_bytes = (uint8_t)n_bytes;
    memcpy(key->bytes, data, n_bytes);
    *out_why = "holds a key with two equal halves, expected random bytes";
    return halves_equal(key) ? CONF_E_INVALID : 0;
}

/* A name, not a path: the file is looked for where this one was found. */
static int parse_file(struct parser *p, const char *prefix, struct span name, char out[CONF_FILE_MAX + 1]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    bool ok = name.n > 0 && name.n <= CONF_FILE_MAX;
    for (size_t i = 0; i < name.n && ok; i++) ok = memchr(letters, name.p[i], sizeof letters - 1) != NULL;
    if (!ok) return conf_fail(p, "no name of a file after $, expected 1 to 64 of A-Z a-z 0-9 . _ -", prefix);
    conf_span_copy(name, out);
    return 0;
}

static int parse_hex(struct parser *p, struct span value, struct conf_key *key) {
    for (unsigned i = 0; i < value.n; i++)
        if (conf_hex_digit(value.p[i]) < 0)
            return conf_fail(p, "character # after hex: is not a hexadecimal digit, expected 0-9 a-f A-F", i + 1);
    if (value.n != 64 && value.n != 128)
        return conf_fail(p, "key of # hexadecimal digits, expected 64 (AES-128-XTS) or 128 (AES-256-XTS)",
                         (unsigned)value.n);

    key->n_bytes = (uint8_t)(value.n / 2);
    for (size_t i = 0; i < key->n_bytes; i++)
        key->bytes[i] = (uint8_t)(conf_hex_digit(value.p[2 * i]) << 4 | conf_hex_digit(value.p[2 * i + 1]));
    if (halves_equal(key)) return conf_fail(p, "both halves of the key are equal, expected random digits");
    return 0;
}

int conf_value_source(struct parser *p, struct span value) {
    static const char *const kinds[] = {[CONF_KEY_HEX] = "hex:", [CONF_KEY_FILE] = "file:", [CONF_KEY_LUKS] = "luks:"};
    unsigned kind = 0;
    while (kind <= CONF_KEY_LUKS && !conf_span_skip(&value, kinds[kind])) kind++;
    if (kind > CONF_KEY_LUKS) return conf_fail(p, "unknown kind of source, expected $", p->setting->expected);
    p->key->kind = (enum conf_key_kind)kind;
    if (kind == CONF_KEY_HEX) return parse_hex(p, value, p->key);
    return parse_file(p, kinds[kind], value, p->key->file);
}

static int parse_way(struct parser *p, struct span item, struct conf_unlock *out) {
    out->kind = CONF_UNLOCK_PASSPHRASE;
    if (conf_span_is(item, "passphrase")) return 0;
    out->kind = CONF_UNLOCK_KEYFILE;
    if (conf_span_skip(&item, "keyfile:")) return parse_file(p, "keyfile:", item, out->file);
    return conf_fail(p, "unknown way to unlock, expected $", p->setting->expected);
}

int conf_value_unlock(struct parser *p, struct span value) {
    struct conf_key *key = p->key;
    bool more;
    do {
        struct span item = value;
        struct conf_unlock way = {0};
        more = conf_span_split(&value, ",", &item);
        int err = parse_way(p, conf_span_trim(item), &way);
        if (err) return err;
        for (unsigned i = 0; i < key->n_unlocks; i++)
            if (way.kind == key->unlock[i].kind && strcmp(way.file, key->unlock[i].file) == 0)
                return conf_fail(p, "way # to unlock is the same as way #, expected each once", key->n_unlocks + 1u,
                                 i + 1);
        if (key->n_unlocks == CONF_UNLOCKS_MAX)
            return conf_fail(p, "way # to unlock is one too many, expected at most 4", CONF_UNLOCKS_MAX + 1);
        key->unlock[key->n_unlocks++] = way;
    } while (more);
    return 0;
}
