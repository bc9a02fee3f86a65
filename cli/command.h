/* The commands, one function each. Exit codes: enum cli_exit; every other code is a mistake of ours. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <conf/conf.h>
#include "file.h"
#include "options.h"

struct command {
    const char *group, *name; /* sekisho GROUP NAME; name "": sekisho GROUP */
    const char *operand;      /* there is exactly one; "": none */
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
#define CONF_BYTES_MAX (64u << 10) /* what the boot reads: SEKISHO_CONF_MAX_BYTES */

/* The text of a sekisho.conf to *out, memory for secrets, by the boot's own parser. path is for the message, after
 * which it is false. */
bool conf_take(const char *path, const struct file_data *text, struct conf *out);

int disk_encrypt(const char *disk, const struct options *o);
int disk_decrypt(const char *disk, const struct options *o);
int disk_verify(const char *disk, const struct options *o);
int install(const char *folder, const struct options *o);
int uninstall(const char *none, const struct options *o);
int status(const char *none, const struct options *o);

/* What status says if registers read so: a model-specific register to *out, 0, or a negative errno, of which -EIO means
 * that the processor has none. */
typedef int status_read_fn(void *ctx, uint32_t msr, uint64_t *out);
int status_show(status_read_fn *read, void *ctx);

#endif
