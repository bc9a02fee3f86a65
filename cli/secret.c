/* see secret.h */
#include "secret.h"

#include <crypt/wipe.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cli.h"
#include "terminal.h"

void *secret_alloc(size_t n_bytes) {
    static bool told;
    void *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) exit(cli_fail("there is no memory for %zu bytes", n_bytes));
    (void)madvise(p, n_bytes, MADV_DONTDUMP);
    if (mlock(p, n_bytes) != 0 && !told) {
        told = true;
        cli_note("memory could not be locked (see ulimit -l): a secret may reach the swap space, if there is one");
    }
    return p;
}

void secret_free(void *p, size_t n_bytes) {
    if (!p) return;
    crypt_wipe(p, n_bytes);
    (void)munmap(p, n_bytes);
}

void secret_drop(struct secret *s) {
    secret_free(s->p, SECRET_BYTES_MAX);
    *s = (struct secret){NULL, 0};
}

bool secret_is_typed(const struct secret_source *source) { return !source->file && isatty(STDIN_FILENO); }

/* Up to the end of a line, which is taken away, or of the file. One byte at a time from a line: what follows it is for
 * the next one to read. */
static bool take(struct secret *s, int fd, bool line) {
    while (s->n_bytes < SECRET_BYTES_MAX) {
        ssize_t n = read(fd, s->p + s->n_bytes, line ? 1 : SECRET_BYTES_MAX - s->n_bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        if (n == 0 || (line && s->p[s->n_bytes] == '\n')) return true;
        s->n_bytes += (size_t)n;
    }
    uint8_t more;
    errno = EFBIG;
    return read(fd, &more, 1) == 0;
}

static bool from_file(struct secret *s, const char *path) {
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && take(s, fd, false);
    if (!good) (void)cli_fail("%s: %s", path, strerror(errno));
    if (fd > STDIN_FILENO) close(fd);
    if (good && s->n_bytes == 0) return cli_fail("%s: it is empty", path) == CLI_GOOD;
    return good;
}

static bool ask(struct secret *s, const char *prompt) {
    s->n_bytes = 0;
    if (!isatty(STDIN_FILENO)) return take(s, STDIN_FILENO, true);
    fprintf(stderr, "%s: ", prompt);
    terminal_hide();
    bool good = take(s, STDIN_FILENO, true);
    terminal_show();
    fputc('\n', stderr);
    return good;
}

static bool ask_again(const struct secret *s) {
    struct secret again = {secret_alloc(SECRET_BYTES_MAX), 0};
    bool same = ask(&again, "The same again") && again.n_bytes == s->n_bytes && memcmp(again.p, s->p, s->n_bytes) == 0;
    secret_drop(&again);
    if (!same) (void)cli_fail("the two are not the same");
    return same;
}

bool secret_get(struct secret *s, const struct secret_source *source) {
    if (!s->p) s->p = secret_alloc(SECRET_BYTES_MAX);
    s->n_bytes = 0;
    if (source->file) return from_file(s, source->file);
    if (!ask(s, source->prompt)) return cli_fail("the passphrase could not be read: %s", strerror(errno)) == CLI_GOOD;
    if (s->n_bytes == 0) return cli_fail("the passphrase is empty") == CLI_GOOD;
    return !source->twice || !isatty(STDIN_FILENO) || ask_again(s);
}
