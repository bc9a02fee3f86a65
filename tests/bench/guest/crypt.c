/* see bench.h. Source: Linux kernel documentation, device-mapper, "dm-crypt"; the calls are those of
 * <linux/dm-ioctl.h>. */
#include "bench.h"
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "bench"

struct request {
    struct dm_ioctl head;
    struct dm_target_spec target;
    char params[512];
};

static void control(unsigned long what, struct request *r, const char *name) {
    int fd = open("/dev/mapper/control", O_RDWR);
    r->head.version[0] = DM_VERSION_MAJOR;
    r->head.data_size = sizeof *r;
    r->head.data_start = offsetof(struct request, target);
    strcpy(r->head.name, NAME);
    if (fd < 0 || ioctl(fd, what, r)) bench_die(name);
    close(fd);
}

static uint64_t n_sectors(const char *device) {
    uint64_t n_bytes = 0;
    int fd = open(device, O_RDONLY);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &n_bytes)) bench_die(device);
    close(fd);
    return n_bytes / 512;
}

/* One whole device with any key. */
static void set_target(struct request *r, const char *device, unsigned key_bytes) {
    char key[2 * 64 + 1];
    for (unsigned i = 0; i < key_bytes; i++) snprintf(key + 2 * i, 3, "%02x", (i * 37 + 1) & 0xff);
    r->head.target_count = 1;
    r->target.length = n_sectors(device);
    strcpy(r->target.target_type, "crypt");
    snprintf(r->params, sizeof r->params, "aes-xts-plain64 %s 0 %s 0", key, device);
}

const char *crypt_open(const char *device, unsigned key_bytes) {
    struct request create = {0}, load = {0}, resume = {0};
    struct stat st;
    control(DM_DEV_CREATE, &create, "DM_DEV_CREATE");
    set_target(&load, device, key_bytes);
    control(DM_TABLE_LOAD, &load, "DM_TABLE_LOAD");
    control(DM_DEV_SUSPEND, &resume, "DM_DEV_SUSPEND");
    for (int i = 0; stat("/dev/dm-0", &st); i++) {
        if (i == 100) bench_die("/dev/dm-0");
        usleep(50000);
    }
    return "/dev/dm-0";
}

void crypt_close(void) {
    struct request r = {0};
    control(DM_DEV_REMOVE, &r, "DM_DEV_REMOVE");
}
