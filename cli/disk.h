/* What the commands on disks have in common: the disk, its key, and what it holds. */
#ifndef CLI_DISK_H
#define CLI_DISK_H

#include "device.h"
#include "options.h"
#include <crypt/xts.h>

#define DISK_CHUNK_BYTES (8u << 20)

struct disk {
    struct device device;
    struct crypt_xts *xts; /* in memory for secrets */
    char *journal;         /* its path */
};

/* Open the disk, then its key, as the options say. MUST be closed, whatever comes of it. CLI_GOOD, or an exit code
 * after a message. */
int disk_open(struct disk *d, const char *path, const struct options *o, bool writable);
void disk_close(struct disk *d);

/* What the disk's beginning holds (see contents_name): as it lies there, and decrypted. false after a message. */
bool disk_holds(const struct disk *d, const char **out_raw, const char **out_decrypted);

#endif
