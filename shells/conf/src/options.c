/* Load options: see conf/conf.h. */
#include <conf/conf.h>

#include "text.h"

#define SHA256_PREFIX "sha256:"

/* The next word, split at its first "="; words without one are passed over. false at the end. */
static bool next_option(struct span *rest, struct span *out_name, struct span *out_value) {
    while (rest->n > 0) {
        *out_value = conf_span_word(rest);
        if (conf_span_split(out_value, "=", out_name)) return true;
    }
    return false;
}

const char *conf_option(const char *options, const char *name, size_t *out_n) {
    struct span rest = conf_span_trim(conf_span(options)), found, value;
    while (next_option(&rest, &found, &value)) {
        if (!conf_span_is(found, name)) continue;
        *out_n = value.n;
        return value.p;
    }
    return NULL;
}

int conf_option_sha256(const char *options, const char *file, uint8_t out[CONF_SHA256_BYTES], const char **out_why) {
    struct span value = {NULL, 0};
    value.p = conf_option(options, file, &value.n);
    if (!value.p) return 0;
    *out_why = "has a checksum among the load options that is not sha256: and 64 hexadecimal digits";
    if (!conf_span_skip(&value, SHA256_PREFIX) || value.n != 2 * CONF_SHA256_BYTES) return CONF_E_INVALID;
    for (unsigned i = 0; i < CONF_SHA256_BYTES; i++) {
        int high = conf_hex_digit(value.p[2 * i]), low = conf_hex_digit(value.p[2 * i + 1]);
        if (high < 0 || low < 0) return CONF_E_INVALID;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 1;
}

static bool reads_file(const struct conf_key *key, struct span name) {
    for (unsigned i = 0; i < key->n_unlocks; i++)
        if (key->unlock[i].file[0] && conf_span_is(name, key->unlock[i].file)) return true;
    return key->file[0] && conf_span_is(name, key->file);
}

bool conf_option_any_sha256(const char *options) {
    struct span rest = conf_span_trim(conf_span(options)), name, value;
    while (next_option(&rest, &name, &value))
        if (conf_span_skip(&value, SHA256_PREFIX)) return true;
    return false;
}

bool conf_option_stray(const char *options, const char *conf_name, const struct conf *conf) {
    struct span rest = conf_span_trim(conf_span(options)), name, value;
    while (next_option(&rest, &name, &value)) {
        bool known = !conf_span_skip(&value, SHA256_PREFIX) || conf_span_is(name, conf_name);
        for (unsigned i = 0; i < conf->n_keys && !known; i++) known = reads_file(&conf->key[i], name);
        if (!known) return true;
    }
    return false;
}
