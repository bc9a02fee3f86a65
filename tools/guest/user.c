/* gt user, rdmsr: what somebody without privileges can do. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "gt.h"

#define NOBODY 65534u

int gt_user(int argc, char **argv) {
    (void)argc;
    if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)) gt_die("setresuid");
    execl("/bin/sh", "sh", "-c", argv[0], NULL);
    gt_die("/bin/sh");
}

static void refused(int signal_number) {
    (void)signal_number;
    static const char text[] = "rdmsr: refused\n"; /* #GP */
    _exit(write(STDOUT_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

/* The instruction itself, at privilege level 3. Exit code 0 and the value if it gave one, 1 if it was refused. */
int gt_rdmsr(int argc, char **argv) {
    (void)argc;
    uint32_t low, high;
    if (signal(SIGSEGV, refused) == SIG_ERR) gt_die("signal");
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"((uint32_t)strtoul(argv[0], NULL, 0)));
    printf("rdmsr: %08x%08x\n", high, low);
    return 0;
}
