/* The commands, one function each. Exit codes: enum cli_exit; every other code is a mistake of ours. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "options.h"

#define OPTION_BIT(option) (1u << (option))

struct command {
    const char *group, *name; /* sekisho GROUP NAME */
    const char *operand;      /* there is exactly one */
    uint32_t options;         /* bits of enum option */
    int (*run)(const char *operand, const struct options *o);
    const char *help;    /* one line */
    const char *details; /* more lines, or NULL */
};

int luks_format(const char *file, const struct options *o);
int luks_add(const char *file, const struct options *o);
int luks_remove(const char *file, const struct options *o);
int luks_change(const char *file, const struct options *o);
int luks_info(const char *file, const struct options *o);
int conf_check(const char *file, const struct options *o);
int disk_encrypt(const char *disk, const struct options *o);
int disk_decrypt(const char *disk, const struct options *o);
int disk_verify(const char *disk, const struct options *o);

#endif
