/* sekisho conf check: what the boot says of a sekisho.conf. See command.h */
#include <conf/conf.h>
#include <crypt/wipe.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"
#include "command.h"
#include "file.h"
#include "secret.h"

#define BYTES_MAX (64u << 10) /* what the boot reads: SEKISHO_CONF_MAX_BYTES */

static int check(const char *file, const char *text, size_t n_bytes) {
    struct conf *conf = secret_alloc(sizeof *conf);
    struct conf_error error;
    char message[CONF_MESSAGE_MAX + 256];
    int err = conf_parse(text, n_bytes, conf, &error);
    secret_free(conf, sizeof *conf);
    if (!err) return CLI_GOOD;
    conf_error_format(&error, file, message, sizeof message);
    return cli_fail("%s", message);
}

int conf_check(const char *file, const struct options *o) {
    (void)o;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    off_t n_bytes = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    int code = CLI_FAILED;
    char *text = secret_alloc(BYTES_MAX);
    if (n_bytes > (off_t)BYTES_MAX)
        (void)cli_fail("%s: it is longer than %u bytes", file, BYTES_MAX);
    else if (n_bytes < 0 || !file_read(fd, 0, text, (size_t)n_bytes))
        (void)cli_fail("%s: %s", file, strerror(errno));
    else
        code = check(file, text, (size_t)n_bytes);
    secret_free(text, BYTES_MAX);
    if (fd >= 0) close(fd);
    if (!code) printf("%s: good\n", file);
    return code;
}
