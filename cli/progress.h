/* How far it is: a bar with percentage, rate and remaining time on a terminal, else a line from time to time. On the
 * standard error. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what;
    bool terminal;
    double began, told;   /* seconds of the clock; told < 0: not yet */
    uint64_t done_before; /* by an earlier run */
    uint64_t done, total;
};

void progress_begin(struct progress *p, const char *what, uint64_t done, uint64_t total);
void progress_tell(struct progress *p, uint64_t done);
/* The last line: how much in how long. */
void progress_end(struct progress *p);

/* A line without its end, to out [n_out], for seconds after the start. Pure. */
void progress_line(const struct progress *p, double seconds, char *out, size_t n_out);

#endif
