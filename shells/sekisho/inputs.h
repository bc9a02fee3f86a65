/* What both applications do with what they are given, whoever read it for them. Pure; any context; no allocation. */
#ifndef SEKISHO_INPUTS_H
#define SEKISHO_INPUTS_H

#include <acpi/acpi.h>
#include <stddef.h>
#include "sekisho.h"

#define SEKISHO_CONF_NAME      "sekisho.conf"
#define SEKISHO_CONF_MAX_BYTES (64u << 10)
#define SEKISHO_MESSAGE_MAX    (CONF_MESSAGE_MAX + 64u)
#define SEKISHO_KEY_IN_TEXT    "keys stand in " SEKISHO_CONF_NAME " itself: good for development only"

/* Take the contents of sekisho.conf. options: load options, a C string; they may tell its checksum. false: message is
 * one sentence, and what to start without protection is in *out all the same, if *out_on_error asks for that: never
 * where the options tell any checksum. Borrows text, which is the caller's to wipe. Clobbers CRYPT_XMM. */
bool inputs_conf(struct conf *out, const char *options, const char *text, size_t n_bytes,
                 enum conf_on_error *out_on_error, char message[SEKISHO_MESSAGE_MAX]);

/* Whether the contents of a file have the checksum that the load options may tell. false: *out_why is the rest of a
 * sentence about the file. Clobbers CRYPT_XMM. */
bool inputs_file(const char *options, const char *file, const void *data, size_t n_bytes, const char **out_why);

/* Take the contents of a key's file. MUST: key->kind is CONF_KEY_FILE. As inputs_file. */
bool inputs_key(struct conf_key *key, const char *options, const void *data, size_t n_bytes, const char **out_why);

/* Whether a key stands in the configuration itself. */
bool inputs_key_in_text(const struct conf *conf);

/* What the ACPI tables behind an RSDP tell; what they do not tell stays 0. */
void inputs_acpi(struct sekisho_settings *settings, uint64_t rsdp, acpi_read_fn *read);

#endif
