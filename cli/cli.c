/* see cli.h */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>

int cli_say(enum cli_exit code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("sekisho: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return (int)code;
}
