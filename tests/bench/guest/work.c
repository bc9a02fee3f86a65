/* see bench.h: what a processor and its memory do without a disk. Each piece is about as large as in the tables of
 * docs/performance.md. */
#define _GNU_SOURCE
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AREA_BYTES (32ul << 20)

static volatile uint64_t integer_result;
static volatile double float_result;

void work_integer(void) {
    uint64_t x = 1;
    for (unsigned i = 0; i < 20000000; i++) {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
    }
    integer_result = x;
}

static void floating_point(void) {
    double x = 0.5, sum = 0;
    for (unsigned i = 1; i <= 4000000; i++) {
        x = 3.7 * x * (1 - x);
        sum += x / i;
    }
    float_result = sum;
}

static char *area(size_t n_bytes, int flags) {
    char *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (p == MAP_FAILED) bench_die("mmap");
    return p;
}

static void memory_copy(void) {
    char *p = area(2 * AREA_BYTES, MAP_POPULATE);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(p + AREA_BYTES, p, AREA_BYTES);
        __asm__ volatile("" ::: "memory");
    }
    munmap(p, 2 * AREA_BYTES);
}

static void page_faults(void) {
    for (unsigned round = 0; round < 4; round++) {
        char *p = area(AREA_BYTES, 0);
        for (size_t i = 0; i < AREA_BYTES; i += 4096) ((volatile char *)p)[i] = 1;
        munmap(p, AREA_BYTES);
    }
}

static void system_calls(void) {
    for (unsigned i = 0; i < 200000; i++) syscall(SYS_getppid);
}

static void fork_exec(void) {
    for (unsigned i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            execl("/init", "/init", "nothing", (char *)NULL);
            _exit(1);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status) bench_die("fork and exec");
    }
}

/* One byte there and back, 10,000 times. */
static void echo(int from, int to, char first) {
    char c = first;
    if (first && write(to, &c, 1) != 1) bench_die("pipe");
    for (unsigned i = 0; i < 10000; i++) {
        if (read(from, &c, 1) != 1) bench_die("pipe");
        if ((!first || i < 9999) && write(to, &c, 1) != 1) bench_die("pipe");
    }
}

static void context_switches(void) {
    int there[2], back[2];
    if (pipe(there) || pipe(back)) bench_die("pipe");
    pid_t child = fork();
    if (child == 0) {
        echo(there[0], back[1], 0);
        _exit(0);
    }
    echo(back[0], there[1], 'x');
    waitpid(child, NULL, 0);
    for (int i = 0; i < 2; i++) close(there[i]), close(back[i]);
}

static void timer_sleeps(void) {
    const struct timespec ms = {.tv_nsec = 1000000};
    for (unsigned i = 0; i < 200; i++) nanosleep(&ms, NULL);
}

static void cpuid(void) {
    for (unsigned i = 0; i < 10000; i++) {
        uint32_t a = 0, b, c = 0, d;
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    }
}

static void idle_second(void) { sleep(1); }

void work_all(void) {
    bench_measure("integer loop", work_integer);
    bench_measure("floating point", floating_point);
    bench_measure("memory copy", memory_copy);
    bench_measure("page faults", page_faults);
    bench_measure("system calls", system_calls);
    bench_measure("fork and exec", fork_exec);
    bench_measure("context switches", context_switches);
    bench_measure("timer sleeps", timer_sleeps);
    bench_measure("CPUID", cpuid);
    bench_measure("an idle second", idle_second);
}
