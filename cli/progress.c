/* see progress.h */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR              30
#define TERMINAL_SECONDS 0.2
#define LINE_SECONDS     10.0

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_begin(struct progress *p, const char *what, uint64_t done, uint64_t total) {
    *p = (struct progress){.what = what, .terminal = isatty(STDERR_FILENO), .began = now(), .told = -1};
    p->done = p->done_before = done;
    p->total = total;
}

void progress_line(const struct progress *p, double seconds, char *out, size_t n_out) {
    char bar[BAR + 1] = "", left[32] = "";
    double part = p->total ? (double)p->done / (double)p->total : 1;
    double rate = seconds > 0 ? (double)(p->done - p->done_before) / seconds : 0;
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)(part * BAR));
    if (rate > 0) {
        uint64_t s = (uint64_t)((double)(p->total - p->done) / rate);
        snprintf(left, sizeof left, ", %u:%02u:%02u left", (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
                 (unsigned)(s % 60));
    }
    snprintf(out, n_out, "%s %s%s%s%5.1f %%, %.0f MB/s%s", p->what, p->terminal ? "[" : "", p->terminal ? bar : "",
             p->terminal ? "] " : "", part * 100, rate / 1e6, left);
}

void progress_tell(struct progress *p, uint64_t done) {
    char line[160];
    double seconds = now() - p->began;
    p->done = done;
    if (p->told >= 0 && seconds - p->told < (p->terminal ? TERMINAL_SECONDS : LINE_SECONDS)) return;
    p->told = seconds;
    progress_line(p, seconds, line, sizeof line);
    fprintf(stderr, p->terminal ? "\r%s\033[K" : "%s\n", line);
}

void progress_end(struct progress *p) {
    double seconds = now() - p->began, n = (double)(p->done - p->done_before);
    fprintf(stderr, "%s%s: %.0f MB in %.1f s, %.0f MB/s\n", p->terminal ? "\r\033[K" : "", p->what, n / 1e6, seconds,
            seconds > 0 ? n / 1e6 / seconds : 0);
}
