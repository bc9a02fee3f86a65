/* sekisho status. See command.h */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <status_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <vmm/vmm.h>
#include "cli.h"
#include "command.h"

#define MSR_DEVICE "/dev/cpu/0/msr"

static void show(const uint64_t *reg) {
    char version[sizeof reg[0] + 1] = "";
    memcpy(version, &reg[STATUS_VERSION], sizeof reg[0]);
    printf("Sekisho %s runs below\nseconds %" PRIu64 "\nprocessors %" PRIu64 "\ndisks %" PRIu64 "\n", version,
           reg[STATUS_UPTIME_US] / 1000000, reg[STATUS_PROCESSORS], reg[STATUS_DISKS]);
    for (unsigned k = 0; k < VMM_N_EXITS; k++)
        printf("exits-%s %" PRIu64 "\n", vmm_exit_name((enum vmm_exit_kind)k), reg[STATUS_EXITS + k]);
}

int status_show(status_read_fn *read, void *ctx) {
    uint64_t reg[STATUS_MSRS];
    int first = read(ctx, STATUS_MSR_FIRST, &reg[0]);
    if (first && first != -EIO) return cli_fail("%s: %s", MSR_DEVICE, strerror(-first));
    if (!first && reg[STATUS_SIGNATURE] != STATUS_IS_SEKISHO && (reg[STATUS_SIGNATURE] ^ STATUS_IS_SEKISHO) << 8 == 0)
        return cli_fail("Sekisho runs below, but of a version that needs its own command");
    if (first || reg[STATUS_SIGNATURE] != STATUS_IS_SEKISHO) {
        puts("Sekisho does not run below");
        return CLI_ABSENT;
    }
    for (uint32_t i = 1; i < STATUS_MSRS; i++)
        if (read(ctx, STATUS_MSR_FIRST + i, &reg[i])) reg[i] = 0;
    show(reg);
    return CLI_GOOD;
}

static int read_msr(void *ctx, uint32_t msr, uint64_t *out) {
    return pread(*(const int *)ctx, out, sizeof *out, (off_t)msr) == sizeof *out ? 0 : -errno;
}

int status(const char *none, const struct options *o) {
    int fd = open(MSR_DEVICE, O_RDONLY | O_CLOEXEC);
    (void)none, (void)o;
    if (fd < 0 && errno == ENOENT)
        return cli_fail("there is no " MSR_DEVICE ": load the kernel's module msr, modprobe msr; only an x86 has it");
    if (fd < 0) return cli_fail(MSR_DEVICE ": %s; only root may ask", strerror(errno));
    int code = status_show(read_msr, &fd);
    close(fd);
    return code;
}
