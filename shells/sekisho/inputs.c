/* see inputs.h */
#include "inputs.h"
#include <crypt/hash.h>
#include <string.h>

bool inputs_file(const char *options, const char *file, const void *data, size_t n_bytes, const char **out_why) {
    uint8_t asked[CONF_SHA256_BYTES], found[CRYPT_SHA256_BYTES];
    int r = conf_option_sha256(options, file, asked, out_why);
    if (r <= 0) return r == 0;
    crypt_hash_digest(CRYPT_SHA256, data, n_bytes, found);
    *out_why = "does not have the checksum that the load options tell";
    return !memcmp(asked, found, sizeof found);
}

static void sentence(char message[SEKISHO_MESSAGE_MAX], const char *rest) {
    size_t n = sizeof SEKISHO_CONF_NAME, n_rest = strlen(rest);
    memcpy(message, SEKISHO_CONF_NAME " ", n);
    if (n_rest >= SEKISHO_MESSAGE_MAX - n) n_rest = SEKISHO_MESSAGE_MAX - n - 1;
    memcpy(message + n, rest, n_rest);
    message[n + n_rest] = '\0';
}

bool inputs_conf(struct conf *out, const char *options, const char *text, size_t n_bytes,
                 enum conf_on_error *out_on_error, char message[SEKISHO_MESSAGE_MAX]) {
    struct conf_error error;
    const char *why;
    *out_on_error = CONF_STOP;
    if (!inputs_file(options, SEKISHO_CONF_NAME, text, n_bytes, &why)) {
        sentence(message, why);
        return false;
    }
    /* Who asks for checks does not want to go on without what is checked. */
    if (!conf_option_any_sha256(options)) *out_on_error = conf_on_error(text, n_bytes);
    if (conf_parse(text, n_bytes, out, &error)) {
        conf_rescue_next(text, n_bytes, out);
        conf_error_format(&error, SEKISHO_CONF_NAME, message, SEKISHO_MESSAGE_MAX);
        return false;
    }
    if (!conf_option_stray(options, SEKISHO_CONF_NAME, out)) return true;
    sentence(message, "names no key file that has the name of one of the checksums among the load options");
    return false;
}

bool inputs_key(struct conf_key *key, const char *options, const void *data, size_t n_bytes, const char **out_why) {
    return inputs_file(options, key->file, data, n_bytes, out_why) && !conf_key_set(key, data, n_bytes, out_why);
}

bool inputs_key_in_text(const struct conf *conf) {
    for (unsigned i = 0; i < conf->n_keys; i++)
        if (conf->key[i].kind == CONF_KEY_HEX) return true;
    return false;
}

void inputs_acpi(struct sekisho_settings *settings, uint64_t rsdp, acpi_read_fn *read) {
    struct acpi_ecam ecam;
    struct acpi_sleep sleep;
    if (!settings->ecam && acpi_find_ecam(rsdp, read, &ecam)) {
        settings->ecam = ecam.base;
        settings->ecam_first_bus = ecam.first_bus;
        settings->ecam_last_bus = ecam.last_bus;
    }
    if (!settings->pm1a && acpi_find_sleep(rsdp, read, &sleep)) {
        settings->pm1a = sleep.pm1a;
        settings->pm1b = sleep.pm1b;
        settings->s5_pm1a = sleep.s5_pm1a;
        settings->s5_pm1b = sleep.s5_pm1b;
    }
}
