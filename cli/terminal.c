/* see terminal.h */
#include "terminal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int ending[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};
#define N_ENDING (sizeof ending / sizeof ending[0])

static struct termios shown;
static struct sigaction before[N_ENDING];

static void show_and_end(int signal_number) {
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

void terminal_hide(void) {
    struct sigaction action = {.sa_handler = show_and_end};
    struct termios hidden;
    (void)tcgetattr(STDIN_FILENO, &shown);
    for (size_t i = 0; i < N_ENDING; i++) (void)sigaction(ending[i], &action, &before[i]);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    hidden.c_cc[VSUSP] = _POSIX_VDISABLE; /* a stopped program would leave the terminal so */
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
}

void terminal_show(void) {
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    for (size_t i = 0; i < N_ENDING; i++) (void)sigaction(ending[i], &before[i], NULL);
}

bool terminal_confirm(const char *question) {
    char answer[8] = "";
    if (!isatty(STDIN_FILENO)) return true;
    fprintf(stderr, "%s Type yes: ", question);
    return fgets(answer, sizeof answer, stdin) && strcmp(answer, "yes\n") == 0;
}
