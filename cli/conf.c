/* sekisho conf check: what the boot says of a sekisho.conf. See command.h */
#include <stdio.h>
#include "cli.h"
#include "command.h"
#include "secret.h"

bool conf_take(const char *path, const struct file_data *text, struct conf *out) {
    struct conf_error error;
    char message[CONF_MESSAGE_MAX + 256];
    if (!conf_parse((const char *)text->p, text->n_bytes, out, &error)) return true;
    conf_error_format(&error, path, message, sizeof message);
    return cli_fail("%s", message) == CLI_GOOD;
}

int conf_check(const char *file, const struct options *o) {
    struct file_data text = {NULL, 0};
    struct conf *conf = secret_alloc(sizeof *conf);
    (void)o;
    int code = file_load(file, CONF_BYTES_MAX, &text) && conf_take(file, &text, conf) ? CLI_GOOD : CLI_FAILED;
    secret_free(conf, sizeof *conf);
    file_drop(&text);
    if (!code) printf("%s: good\n", file);
    return code;
}
