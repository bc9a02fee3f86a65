/* What all of the command has in common: exit codes, and how it talks. What is asked for goes to the standard output;
 * errors, questions and progress to the standard error. One thread. */
#ifndef CLI_H
#define CLI_H

#include <stdarg.h>

enum cli_exit {
    CLI_GOOD = 0,
    CLI_FAILED = 1, /* refused, or failed */
    CLI_USAGE = 2,  /* not called as --help says */
};

/* "sekisho: ..." and a new line, on the standard error. They return CLI_FAILED and CLI_USAGE, to be returned further.
 */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Likewise, for what is no error. */
void cli_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
