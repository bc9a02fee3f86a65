/* sekisho disk encrypt, decrypt: the conversion's disk, journal and person. See command.h, convert.h */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "cli.h"
#include "command.h"
#include "disk.h"
#include "file.h"
#include "progress.h"
#include "secret.h"
#include "stream.h"
#include "terminal.h"

static volatile sig_atomic_t stopping;

static void stop(int signal_number) {
    (void)signal_number;
    stopping = 1;
}

static bool step(void *ctx, uint64_t done, uint64_t total) {
    (void)total;
    progress_tell(ctx, done);
    return !stopping;
}

static bool all_zero(const uint8_t *data, uint64_t n_bytes) {
    for (uint64_t i = 0; i < n_bytes; i++)
        if (data[i] != 0) return false;
    return true;
}

/* Make the journal as long as it must be, of zeros. What is shorter is one whose making was interrupted, or some other
 * file that must not be overwritten. */
static bool fill_journal(const struct disk *d, int fd) {
    struct statfs fs;
    uint64_t n = convert_journal_bytes(DISK_CHUNK_BYTES);
    off_t now = lseek(fd, 0, SEEK_END);
    uint8_t *data = calloc(1, n);
    bool good = data && now >= 0 && (uint64_t)now <= n && file_read(fd, 0, data, (size_t)now);
    if (good && (uint64_t)now < n) good = all_zero(data, (uint64_t)now);
    if (!good) (void)cli_fail("%s: it is not a journal; it stays as it is", d->journal);
    if (good && (uint64_t)now < n) {
        memset(data, 0, n);
        good = file_write(fd, 0, data, n) && fsync(fd) == 0 && file_sync_folder(d->journal);
        if (!good) (void)cli_fail("%s: %s", d->journal, strerror(errno));
    }
    free(data);
    if (good && fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC))
        cli_note("%s lies in memory: if the power fails, data are lost", d->journal);
    return good;
}

static int open_journal(const struct disk *d) {
    int fd = open(d->journal, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (fd < 0)
        (void)cli_fail("%s: %s", d->journal, strerror(errno));
    else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        (void)cli_fail("%s: another command is using it", d->journal);
    else if (fill_journal(d, fd))
        return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static bool remove_journal(const struct disk *d) {
    if (unlink(d->journal) == 0 && file_sync_folder(d->journal)) return true;
    return cli_fail("%s: %s; all is done, remove it", d->journal, strerror(errno)) == CLI_GOOD;
}

static bool refuse(const struct disk *d, const char *why, const char *what) {
    return cli_fail("%s: %s%s", d->device.path, why, what) == CLI_GOOD;
}

/* May a conversion of this disk begin? */
static bool may_begin(const struct disk *d, bool encrypt, const struct options *o) {
    char question[256];
    const char *raw, *decrypted;
    if (!disk_holds(d, &raw, &decrypted)) return false;
    bool force = o->value[OPTION_FORCE];
    if (encrypt && decrypted && !force)
        return refuse(d, "it is encrypted with this key already: decrypted, it holds ", decrypted);
    if (!encrypt && !decrypted && raw && !force) return refuse(d, "it is decrypted already: it holds ", raw);
    if (!encrypt && !decrypted && !force)
        return refuse(d, "decrypted with this key, it holds nothing that is known; --force if it must be", "");
    const char *held = encrypt ? raw : decrypted;
    snprintf(question, sizeof question, "%s, %.1f GB, holds %s. %s all of it in place?", d->device.path,
             (double)d->device.n_bytes / 1e9, held ? held : "nothing that is known", encrypt ? "Encrypt" : "Decrypt");
    return o->value[OPTION_YES] || terminal_confirm(question) || cli_fail("nothing was done") == CLI_GOOD;
}

static int run(struct convert *c, const struct disk *d, uint64_t done) {
    const struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct progress p;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) (void)sigaction(signals[i], &action, NULL);
    progress_begin(&p, c->direction == JOURNAL_ENCRYPT ? "encrypt" : "decrypt", done, d->device.n_bytes);
    c->step = step;
    c->step_ctx = &p;
    errno = 0;
    int err = convert_run(c), because = errno;
    progress_end(&p);
    if (!err) return CLI_GOOD;
    return cli_fail("%s: %s%s%s", d->device.path, convert_why(err), err != CONVERT_E_STOPPED && because ? ": " : "",
                    err != CONVERT_E_STOPPED && because ? strerror(because) : "");
}

static int convert(struct disk *d, enum journal_direction direction, const struct options *o) {
    struct stream disk = {.fd = d->device.fd}, journal = {.fd = open_journal(d)};
    const struct convert_io disk_io = stream_io(&disk), journal_io = stream_io(&journal);
    struct convert c = {&disk_io, &journal_io, direction, d->device.n_bytes, DISK_CHUNK_BYTES, d->xts,
                        NULL,     NULL,        NULL};
    enum convert_state state;
    uint64_t done;
    if (journal.fd < 0) return CLI_FAILED;
    c.buffer = secret_alloc(convert_buffer_bytes(DISK_CHUNK_BYTES));
    int err = convert_look(&c, &state, &done), code = CLI_FAILED;
    if (err)
        (void)cli_fail("%s: %s", d->journal, convert_why(err));
    else if (state == CONVERT_NEW && !may_begin(d, direction == JOURNAL_ENCRYPT, o))
        (void)remove_journal(d);
    else {
        if (state != CONVERT_NEW) cli_note("going on at %.1f %%", (double)done * 100 / (double)d->device.n_bytes);
        code = run(&c, d, done);
    }
    if (!code && !remove_journal(d)) code = CLI_FAILED;
    secret_free(c.buffer, convert_buffer_bytes(DISK_CHUNK_BYTES));
    close(journal.fd);
    return code;
}

static int command(const char *path, const struct options *o, enum journal_direction direction) {
    struct disk d;
    int code = disk_open(&d, path, o, true);
    if (!code) code = convert(&d, direction, o);
    disk_close(&d);
    return code;
}

int disk_encrypt(const char *path, const struct options *o) { return command(path, o, JOURNAL_ENCRYPT); }
int disk_decrypt(const char *path, const struct options *o) { return command(path, o, JOURNAL_DECRYPT); }
