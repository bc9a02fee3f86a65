/* Options of all commands, and their values as they were typed. One table, so that an option means the same everywhere,
 * and help is made of it. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum option {
    OPTION_TYPE,
    OPTION_PBKDF,
    OPTION_PBKDF_MEMORY,
    OPTION_ITER_TIME,
    OPTION_KEY_SIZE,
    OPTION_SLOT,
    OPTION_KEY_FILE,
    OPTION_NEW_KEY_FILE,
    OPTION_VOLUME_KEY_FILE,
    OPTION_HEADER,
    OPTION_JOURNAL,
    OPTION_AGAINST,
    OPTION_ESP,
    OPTION_PARTITION,
    OPTION_DRY_RUN,
    OPTION_FORCE,
    OPTION_YES,
    OPTION_HELP,
    OPTIONS
};

struct options {
    const char *value[OPTIONS]; /* NULL: absent; of options without a value, "" */
};

/* Read argv[1 .. argc), options anywhere among the operands: --name value, --name=value.
 *   allowed  bit by enum option; OPTION_HELP always is
 * How many operands there are, now at argv[1] and on; or -CLI_USAGE after a message. */
int options_parse(struct options *o, uint32_t allowed, int argc, char **argv);

/* The value as a number of [min, max] to *out, which stays as it is if the option is absent. false after a message. */
bool options_number(const struct options *o, enum option option, uint32_t min, uint32_t max, uint32_t *out);

/* The value as one of words, NULL at its end: its index to *out, likewise. */
bool options_word(const struct options *o, enum option option, const char *const *words, unsigned *out);

/* Lines of help for these options, on the standard output. */
void options_help(uint32_t allowed);

#endif
