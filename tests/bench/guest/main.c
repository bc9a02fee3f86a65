/* see bench.h */
#define _GNU_SOURCE
#include "bench.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DISK       "/dev/sda"
#define WAIT_TRIES 200 /* of 50 ms */

static const char *prefix = "";

static _Noreturn void finish(const char *result) {
    printf("RESULT %s\n", result);
    fflush(stdout);
    reboot(RB_POWER_OFF);
    for (;;) pause();
}

_Noreturn void bench_die(const char *what) {
    printf("bench: %s: %s\n", what, strerror(errno));
    finish("FAIL");
}

void bench_measure(const char *name, void (*fn)(void)) {
    fn();
    MARK_BEGIN();
    fn();
    MARK_END();
    printf("BENCH %s%s\n", prefix, name);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The folder's order is the order in which they need each other. */
static void load_modules(void) {
    char *name[256];
    size_t n = 0;
    DIR *d = opendir("/modules");
    if (!d) bench_die("/modules");
    for (struct dirent *e; (e = readdir(d)) && n < 256;)
        if (e->d_name[0] != '.') name[n++] = strdup(e->d_name);
    closedir(d);
    qsort(name, n, sizeof *name, compare);
    for (size_t i = 0; i < n; i++) {
        char path[300];
        snprintf(path, sizeof path, "/modules/%s", name[i]);
        int fd = open(path, O_RDONLY);
        if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST) bench_die(path);
        close(fd);
    }
}

static void wait_for(const char *path) {
    struct stat st;
    for (int i = 0; stat(path, &st); i++) {
        if (i == WAIT_TRIES) bench_die(path);
        usleep(50000);
    }
}

static void encrypted(unsigned bits) {
    static char text[32];
    snprintf(text, sizeof text, "dm-crypt %u ", bits);
    prefix = text;
    disk_all(crypt_open(DISK, bits * 2 / 8));
    crypt_close();
}

static void run(const char *job, unsigned n) {
    prefix = "";
    if (strcmp(job, "cpu") == 0)
        work_all();
    else if (strcmp(job, "integer") == 0)
        bench_measure("integer loop", work_integer);
    else if (strcmp(job, "disk") == 0)
        disk_all(DISK);
    else if (strcmp(job, "dmcrypt") == 0)
        encrypted(n);
    else if (strcmp(job, "depth") == 0)
        disk_depth(DISK, n);
    else if (strcmp(job, "smp") == 0)
        disk_smp(DISK, n);
    else if (strcmp(job, "disks") == 0)
        disk_several(n);
    else
        bench_die(job);
}

/* The value of `job=`; the command line stays in memory. */
static char *jobs(void) {
    static char line[4096];
    int fd = open("/proc/cmdline", O_RDONLY);
    if (fd < 0 || read(fd, line, sizeof line - 1) < 0) bench_die("/proc/cmdline");
    close(fd);
    for (char *word = strtok(line, " \n"); word; word = strtok(NULL, " \n"))
        if (strncmp(word, "job=", 4) == 0) return word + 4;
    return NULL;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "nothing") == 0) return 0;
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sys", "/sys", "sysfs", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    for (int fd = 0; fd < 3; fd++) dup2(open("/dev/console", O_RDWR), fd);
    setvbuf(stdout, NULL, _IOLBF, 0);
    load_modules();
    wait_for(DISK);
    printf("\nGUEST UP cpus=%ld\n", sysconf(_SC_NPROCESSORS_ONLN));
    char *rest = jobs();
    for (char *job; (job = strsep(&rest, ",")) && *job;) {
        char *number = strchr(job, ':');
        if (number) *number++ = 0;
        run(job, number ? (unsigned)atoi(number) : 0);
        printf("JOB %s OK\n", job);
    }
    finish("OK");
}
