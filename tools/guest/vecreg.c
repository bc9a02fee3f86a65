/* gt vecreg: one thread per processor holds known values in the x87, SSE and AVX registers, and in MXCSR, across disk
 * reads and across stretches of computing, and checks that they are still there. The reads are issued by the very
 * thread that holds the values, so that a hypervisor's use of vector registers while it handles the command shows. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "gt.h"

#ifdef __x86_64__
enum { MAX_THREADS = 64, READ_BYTES = 64 * 1024, N_SPINS = 20000 };

struct registers {
    uint8_t ymm[16][32];
    uint8_t st[8][16]; /* ten bytes used */
    uint32_t mxcsr;
};

struct worker {
    pthread_t thread;
    int fd, cpu;
    time_t end;
    unsigned long n_rounds, n_wrong;
};

#define LOAD(n)  "vmovdqu " #n "*32(%[in]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%[out])\n\t"
#define ALL(op)  op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define FLD(n)   "fldt 512+" #n "*16(%[in])\n\t"
#define FSTP(n)  "fstpt 512+" #n "*16(%[out])\n\t"

/* Load everything, compute for a while, read from the device, compute again, store everything. Returns what the system
 * call returned. */
static long round_run(const struct registers *in, struct registers *out, int fd, void *buffer, long offset) {
    long result;
    uint32_t old_mxcsr = __builtin_ia32_stmxcsr();
    register long r10 __asm__("r10") = offset;
    __asm__ volatile(
        "fninit\n\t" FLD(7) FLD(6) FLD(5) FLD(4) FLD(3) FLD(2) FLD(1) FLD(0) "ldmxcsr 640(%[in])\n\t" ALL(
            LOAD) "movl %[spins], %%ecx\n1:\tdecl %%ecx\n\tjnz 1b\n\t"
                  "syscall\n\t"
                  "movl %[spins], %%ecx\n2:\tdecl %%ecx\n\tjnz 2b\n\t" ALL(STORE) "stmxcsr 640(%[out])\n\t" FSTP(0)
                      FSTP(1) FSTP(2) FSTP(3) FSTP(4) FSTP(5) FSTP(6) FSTP(7) "ldmxcsr %[old]\n\tvzeroupper"
        : "=a"(result), "+r"(r10)
        : "0"((long)SYS_pread64), "D"((long)fd), "S"(buffer),
          "d"((long)READ_BYTES), [in] "r"(in), [out] "r"(out), [old] "m"(old_mxcsr), [spins] "i"(N_SPINS)
        : "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
          "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
          "st(6)", "st(7)");
    return result;
}

static void registers_fill(struct registers *r, uint64_t *random) {
    memset(r, 0, sizeof *r);
    for (unsigned i = 0; i < 16 * 32; i++) r->ymm[i / 32][i % 32] = (uint8_t)gt_random(random);
    for (unsigned i = 0; i < 8; i++) {
        for (unsigned b = 0; b < 8; b++) r->st[i][b] = (uint8_t)gt_random(random);
        r->st[i][7] |= 0x80; /* the explicit integer bit: a normal number, which fld and fstp keep as it is */
        r->st[i][8] = (uint8_t)gt_random(random);
        r->st[i][9] = 0x3f;
    }
    r->mxcsr = 0x1f80 | (uint32_t)(gt_random(random) & 3) << 13 | 1u << 15; /* a rounding mode, flush to zero */
}

static void *worker_run(void *arg) {
    struct worker *w = arg;
    uint64_t random = (uint64_t)w->cpu * 77 + 1;
    uint8_t *buffer = gt_buffer(READ_BYTES);
    static _Thread_local struct registers in, out;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)w->cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) gt_die("affinity");
    while (time(NULL) < w->end && w->n_wrong == 0) {
        registers_fill(&in, &random);
        memset(&out, 0, sizeof out);
        long offset = (long)(gt_random(&random) % 512) * READ_BYTES;
        if (round_run(&in, &out, w->fd, buffer, offset) != READ_BYTES) gt_die("vecreg: read");
        if (memcmp(&in, &out, sizeof in) != 0) {
            w->n_wrong++;
            for (unsigned i = 0; i < 16; i++)
                if (memcmp(in.ymm[i], out.ymm[i], 32) != 0) printf("vecreg: cpu %d: ymm%u changed\n", w->cpu, i);
            for (unsigned i = 0; i < 8; i++)
                if (memcmp(in.st[i], out.st[i], 10) != 0) printf("vecreg: cpu %d: st(%u) changed\n", w->cpu, i);
            if (in.mxcsr != out.mxcsr) printf("vecreg: cpu %d: mxcsr %x became %x\n", w->cpu, in.mxcsr, out.mxcsr);
        }
        w->n_rounds++;
    }
    return NULL;
}

int gt_vecreg(int argc, char **argv) {
    (void)argc;
    static struct worker worker[MAX_THREADS];
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n_failed = 0;
    time_t end = time(NULL) + strtol(argv[1], NULL, 0);
    if (!__builtin_cpu_supports("avx")) {
        printf("vecreg: this processor has no AVX\n");
        return 1;
    }
    for (int i = 0; i < n_cpus && i < MAX_THREADS; i++) {
        struct worker *w = &worker[i];
        w->cpu = i;
        w->end = end;
        w->fd = open(argv[0], O_RDONLY | O_DIRECT);
        if (w->fd < 0) gt_die(argv[0]);
        if (pthread_create(&w->thread, NULL, worker_run, w)) gt_die("thread");
    }
    for (int i = 0; i < n_cpus && i < MAX_THREADS; i++) {
        pthread_join(worker[i].thread, NULL);
        printf("VECREG cpu=%d rounds=%lu wrong=%lu\n", i, worker[i].n_rounds, worker[i].n_wrong);
        n_failed += worker[i].n_wrong != 0 || worker[i].n_rounds == 0;
    }
    return n_failed != 0;
}
#else
int gt_vecreg(int argc, char **argv) {
    (void)argc;
    printf("gt: vecreg %s: a 64-bit program only\n", argv[0]);
    return 1;
}
#endif
