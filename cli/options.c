/* see options.h */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"

static const struct {
    const char *name, *argument, *help;
} table[OPTIONS] = {
    [OPTION_TYPE] = {"type", "luks1|luks2", "version of the header; luks2 if absent"},
    [OPTION_PBKDF] = {"pbkdf", "pbkdf2|argon2id", "how a passphrase becomes a key; argon2id if the version has it"},
    [OPTION_PBKDF_MEMORY] = {"pbkdf-memory", "KIB", "memory that Argon2id may need; 131072 if absent"},
    [OPTION_ITER_TIME] = {"iter-time", "MS", "how long it may take on one processor of this machine; 2000 if absent"},
    [OPTION_KEY_SIZE] = {"key-size", "256|512", "bits of the volume key; 512 if absent"},
    [OPTION_SLOT] = {"slot", "N", "this keyslot"},
    [OPTION_KEY_FILE] = {"key-file", "FILE", "its contents are the passphrase; - is the standard input"},
    [OPTION_NEW_KEY_FILE] = {"new-key-file", "FILE", "its contents are the new passphrase"},
    [OPTION_VOLUME_KEY_FILE] = {"volume-key-file", "FILE", "its 32 or 64 bytes are the volume key"},
    [OPTION_HEADER] = {"header", "FILE", "the LUKS header that has the volume key"},
    [OPTION_JOURNAL] = {"journal", "FILE", "the journal; FILE.journal beside the header or the volume key if absent"},
    [OPTION_AGAINST] = {"against", "IMAGE", "compare all that the disk holds, decrypted, with this file"},
    [OPTION_ESP] = {"esp", "FOLDER", "where the EFI system partition is mounted; /boot/efi if absent"},
    [OPTION_PARTITION] = {"partition", "DEVICE", "that partition, if it cannot be found out"},
    [OPTION_DRY_RUN] = {"dry-run", NULL, "check all, say what would be done, and do nothing"},
    [OPTION_FORCE] = {"force", NULL, "even where the contents look wrong"},
    [OPTION_YES] = {"yes", NULL, "do not ask"},
    [OPTION_HELP] = {"help", NULL, "this text"},
};

/* The option that text [n] names, among those allowed; OPTIONS if there is none. */
static enum option find(const char *text, size_t n, uint32_t allowed) {
    enum option i = 0;
    while (i < OPTIONS && !(allowed & 1u << i && strlen(table[i].name) == n && memcmp(table[i].name, text, n) == 0))
        i++;
    return i;
}

int options_parse(struct options *o, uint32_t allowed, int argc, char **argv) {
    int n_operands = 0;
    memset(o, 0, sizeof *o);
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + 2, *equals = strchr(argv[i], '=');
        if (strcmp(argv[i], "-h") == 0) name = table[OPTION_HELP].name;
        if (strncmp(argv[i], "--", 2) != 0 && strcmp(argv[i], "-h") != 0) {
            argv[++n_operands] = argv[i];
            continue;
        }
        enum option found = find(name, equals ? (size_t)(equals - name) : strlen(name), allowed | 1u << OPTION_HELP);
        if (found == OPTIONS) return -cli_usage("there is no option %s here; see --help", argv[i]);
        if (o->value[found]) return -cli_usage("--%s is there twice", table[found].name);
        if (!table[found].argument != !equals) {
            if (equals) return -cli_usage("--%s takes no value", table[found].name);
            if (++i == argc) return -cli_usage("--%s needs a value", table[found].name);
            o->value[found] = argv[i];
        } else {
            o->value[found] = equals ? equals + 1 : "";
        }
    }
    return n_operands;
}

bool options_number(const struct options *o, enum option option, uint32_t min, uint32_t max, uint32_t *out) {
    const char *text = o->value[option];
    if (!text) return true;
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || strlen(text) > 10 || n < min || n > max) {
        (void)cli_usage("--%s is a number of %u to %u", table[option].name, min, max);
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

bool options_word(const struct options *o, enum option option, const char *const *words, unsigned *out) {
    if (!o->value[option]) return true;
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(o->value[option], words[i]) != 0) continue;
        *out = i;
        return true;
    }
    (void)cli_usage("--%s is one of %s", table[option].name, table[option].argument);
    return false;
}

void options_help(uint32_t allowed) {
    for (enum option i = 0; i < OPTIONS; i++) {
        char left[40];
        if (!((allowed | 1u << OPTION_HELP) & 1u << i)) continue;
        snprintf(left, sizeof left, "--%s %s", table[i].name, table[i].argument ? table[i].argument : "");
        printf("  %-30s %s\n", left, table[i].help);
    }
}
