/* What all of the command has in common: exit codes, and how it talks. What is asked for goes to the standard output;
 * errors, questions and progress to the standard error. One thread. */
#ifndef CLI_H
#define CLI_H

enum cli_exit {
    CLI_GOOD = 0,
    CLI_FAILED = 1, /* refused, or failed */
    CLI_USAGE = 2,  /* not called as --help says */
    CLI_ABSENT = 3, /* status: Sekisho does not run below */
};

/* "sekisho: ..." and a new line, on the standard error. Returns code, to be returned further. */
int cli_say(enum cli_exit code, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define cli_fail(...)  cli_say(CLI_FAILED, __VA_ARGS__)
#define cli_usage(...) cli_say(CLI_USAGE, __VA_ARGS__)
#define cli_note(...)  ((void)cli_say(CLI_GOOD, __VA_ARGS__)) /* no error */

#endif
