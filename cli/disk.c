/* see disk.h */
#include "disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "contents.h"
#include "file.h"
#include "header.h"

static int use_key(struct disk *d, const void *key, size_t n_bytes) {
    int err = crypt_xts_init(d->xts, key, n_bytes, header_kernel());
    return err ? cli_fail("the volume key: %s", crypt_luks_why(err)) : CLI_GOOD;
}

static int key_of_header(struct disk *d, const struct options *o) {
    struct header h;
    const struct header_unlock how = {.source = {o->value[OPTION_KEY_FILE], "Passphrase", false},
                                      .slot = CRYPT_LUKS_ANY_SLOT,
                                      .except = CRYPT_LUKS_ANY_SLOT};
    struct crypt_luks_opened *opened = secret_alloc(sizeof *opened);
    int code = CLI_FAILED;
    if (!header_open(&h, o->value[OPTION_HEADER], false))
        ;
    else if (h.luks.payload_offset != 0 || (h.luks.payload_bytes != 0 && h.luks.payload_bytes != d->device.n_bytes))
        (void)cli_fail("%s: its volume is not the whole of %s", h.path, d->device.path);
    else if (header_unlock(&h, &how, opened))
        code = use_key(d, opened->key, opened->key_bytes);
    header_close(&h);
    secret_free(opened, sizeof *opened);
    return code;
}

static int key_of_file(struct disk *d, const struct options *o) {
    struct secret key = {NULL, 0};
    const struct secret_source source = {.file = o->value[OPTION_VOLUME_KEY_FILE]};
    int code = secret_get(&key, &source) ? use_key(d, key.p, key.n_bytes) : CLI_FAILED;
    secret_drop(&key);
    return code;
}

/* Beside what has the key, unless it is said. */
static char *journal_path(const struct options *o) {
    static const char suffix[] = ".journal";
    const char *base = o->value[OPTION_HEADER] ? o->value[OPTION_HEADER] : o->value[OPTION_VOLUME_KEY_FILE];
    if (o->value[OPTION_JOURNAL]) return strdup(o->value[OPTION_JOURNAL]);
    size_t n = strlen(base) + sizeof suffix;
    char *path = malloc(n);
    if (path) snprintf(path, n, "%s%s", base, suffix);
    return path;
}

int disk_open(struct disk *d, const char *path, const struct options *o, bool writable) {
    const char *header = o->value[OPTION_HEADER];
    *d = (struct disk){.device.fd = -1, .xts = secret_alloc(sizeof *d->xts)};
    if (!header == !o->value[OPTION_VOLUME_KEY_FILE])
        return cli_usage("the key is that of --header FILE, or that in --volume-key-file FILE");
    if (!header && o->value[OPTION_KEY_FILE]) return cli_usage("--key-file is a passphrase for --header");
    d->journal = journal_path(o);
    if (!d->journal || !device_open(&d->device, path, writable)) return CLI_FAILED;
    return header ? key_of_header(d, o) : key_of_file(d, o);
}

void disk_close(struct disk *d) {
    secret_free(d->xts, sizeof *d->xts);
    device_close(&d->device);
    free(d->journal);
}

bool disk_holds(const struct disk *d, const char **out_raw, const char **out_decrypted) {
    uint8_t *data = secret_alloc(CONTENTS_BYTES);
    size_t n = d->device.n_bytes < CONTENTS_BYTES ? (size_t)d->device.n_bytes : CONTENTS_BYTES;
    bool good = file_read(d->device.fd, 0, data, n);
    if (!good) (void)cli_fail("%s: %s", d->device.path, strerror(errno));
    *out_raw = contents_name(data, n);
    crypt_xts_decrypt(d->xts, 0, data, data, n / CRYPT_XTS_UNIT_BYTES);
    *out_decrypted = contents_name(data, n);
    secret_free(data, CONTENTS_BYTES);
    return good;
}
