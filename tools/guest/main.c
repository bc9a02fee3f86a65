/* gt: see gt.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gt.h"

_Noreturn void gt_die(const char *what) {
    printf("gt: %s: %s\n", what, strerror(errno));
    exit(1);
}

void *gt_buffer(size_t n_bytes) {
    void *p = aligned_alloc(4096, (n_bytes + 4095) & ~(size_t)4095);
    if (!p) gt_die("memory");
    return p;
}

uint64_t gt_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

void gt_sector_fill(uint8_t *sector, uint64_t number, uint32_t generation) {
    char head[80];
    int n = snprintf(head, sizeof head, GT_MARKER " sector=%016llx generation=%08x ", (unsigned long long)number,
                     generation);
    uint64_t state = (number + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ generation;
    memcpy(sector, head, (size_t)n);
    for (unsigned i = (unsigned)n; i < GT_SECTOR; i++) sector[i] = (uint8_t)('a' + gt_random(&state) % 26);
    sector[GT_SECTOR - 1] = '\n';
}

bool gt_sector_ok(const uint8_t *sector, uint64_t number, uint32_t generation) {
    uint8_t want[GT_SECTOR];
    gt_sector_fill(want, number, generation);
    return memcmp(sector, want, GT_SECTOR) == 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    int n_args;
    const char *args;
} command[] = {
    {"fill", gt_fill, 3, "FOLDER N_FILES KIB_EACH"},
    {"raw-write", gt_raw_write, 3, "DEVICE LBA N_SECTORS"},
    {"raw-check", gt_raw_check, 3, "DEVICE LBA N_SECTORS"},
    {"stress", gt_stress, 3, "DEVICE N_THREADS SECONDS"},
    {"vecreg", gt_vecreg, 2, "DEVICE SECONDS"},
    {"mwrite", gt_mwrite, 2, "FILE N_RECORDS"},
    {"kexec-load", gt_kexec_load, 3, "KERNEL INITRD COMMANDLINE"},
    {"kexec-go", gt_kexec_go, 0, ""},
    {"ticks", gt_ticks, 2, "DEVICE N_TIMES"},
    {"peek", gt_peek, 2, "PHYSICAL_ADDRESS N_BYTES"},
    {"user", gt_user, 1, "SHELL_COMMAND"},
    {"rdmsr", gt_rdmsr, 1, "NUMBER"},
};

int main(int argc, char **argv) {
    const size_t n = sizeof command / sizeof command[0];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; argc > 1 && i < n; i++)
        if (strcmp(argv[1], command[i].name) == 0 && argc - 2 == command[i].n_args)
            return command[i].run(argc - 2, argv + 2);
    for (size_t i = 0; i < n; i++) printf("gt %s %s\n", command[i].name, command[i].args);
    return 2;
}
