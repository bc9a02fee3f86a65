/* gt kexec-load, kexec-go, peek: what needs a system call that busybox does not make. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "gt.h"

#ifndef SYS_kexec_file_load
#define SYS_kexec_file_load -1L /* 32-bit kernels have none: the error will be ENOSYS */
#endif

int gt_kexec_load(int argc, char **argv) {
    (void)argc;
    int kernel = open(argv[0], O_RDONLY), initrd = open(argv[1], O_RDONLY);
    if (kernel < 0 || initrd < 0) gt_die("kexec: open");
    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[2]) + 1, argv[2], 0L)) gt_die("kexec_file_load");
    return 0;
}

int gt_kexec_go(int argc, char **argv) {
    (void)argc;
    (void)argv;
    sync();
    syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
    gt_die("reboot into the loaded kernel");
}

/* Reads one word in each page of physical memory; prints how many were all ones, and how many pages there are. Then
 * writes a word to the middle of the last page where ones were read, and prints whether it is still ones. */
int gt_peek(int argc, char **argv) {
    (void)argc;
    uint64_t base = strtoull(argv[0], NULL, 0), n_ones = 0;
    size_t n_bytes = (size_t)strtoull(argv[1], NULL, 0);
    int fd = open("/dev/mem", O_RDWR | O_SYNC);
    if (fd < 0) gt_die("/dev/mem");
    volatile uint64_t *p = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)base);
    if (p == MAP_FAILED) gt_die("mmap /dev/mem");
    volatile uint64_t *last = NULL;
    for (size_t at = 0; at < n_bytes; at += 4096)
        if (p[at / 8] == UINT64_MAX) {
            n_ones++;
            last = &p[at / 8 + 256];
        }
    printf("pages=%llu ones=%llu", (unsigned long long)(n_bytes / 4096), (unsigned long long)n_ones);
    if (last && *last == UINT64_MAX) {
        *last = 0x5345;
        printf(" write=%s", *last == UINT64_MAX ? "vanished" : "kept");
    }
    printf("\n");
    return 0;
}
