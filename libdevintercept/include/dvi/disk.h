/* What the mediators of disk controllers have in common: who a disk is, whose policy holds, what is counted, and the
 * bookkeeping of a transfer's data. */
#ifndef DVI_DISK_H
#define DVI_DISK_H

#include <dvi/host.h>
#include <dvi/policy.h>
#include <vmm/lock.h>

/* Reads one sector of 512 bytes, by polling: false if the disk does not give it. */
struct dvi_disk_reader {
    void *ctx;
    bool (*read)(void *ctx, uint64_t lba, void *dst);
};

/* A disk, as it says of itself. */
struct dvi_disk_id {
    struct dvi_bdf bdf; /* of its controller */
    unsigned port;      /* AHCI: the port; ATA: 0 and 1 are device 0 and 1 of the primary channel, 2 and 3 of the
                         * secondary one */
    char model[41], serial[21]; /* without leading and trailing blanks; unprintable characters are '?' */
    uint64_t n_sectors;         /* of sector_bytes each */
    uint32_t sector_bytes;      /* a policy needs 512: with another size and a policy all user data is refused */
    const struct dvi_disk_reader *reader; /* what the disk holds, while the mediator is being set up; NULL later, when
                                           * the disk is the guest's, and for other sizes of sectors */
};

/* What holds for a disk. NULL: all is clear, only DMA addresses are checked. Called at init and whenever IDENTIFY
 * DEVICE data passes by, on any processor, under the controller's lock. The policy MUST outlive the mediator. */
typedef const struct dvi_policy *dvi_policy_fn(void *cookie, const struct dvi_disk_id *id);

/* Counted since init. Commands: as the guest issued them. */
struct dvi_disk_stats {
    uint64_t reads, writes; /* commands with user data that were accepted, of these: */
    uint64_t queued;        /* ... by NCQ */
    uint64_t passed;        /* other commands that were accepted */
    uint64_t refused;       /* commands replaced by NOP */
    uint64_t parts;         /* further transfers of commands that needed more than one */
    uint64_t waited;        /* times a transfer waited for bounce memory */
    uint64_t sectors_encrypted, sectors_decrypted;
    uint64_t bytes_bounced; /* through memory of ours, either way */
    uint64_t bad_registers; /* writes that had no effect because they are refused */
};

/* --- private to the mediators; here because the caller owns the storage --- */

/* Where the guest's list of descriptors was read to. */
struct dvi_prds {
    gpa_t next;    /* the descriptor to be read next */
    uint32_t n;    /* how many were not read yet */
    uint32_t left; /* bytes of the one read last that were not used yet */
    uint64_t addr; /* ... from here on */
};

/* A run of sectors, and how far it was encrypted or decrypted. */
struct dvi_run {
    const struct dvi_blk_transform *transform; /* NULL: they stay as they are */
    uint64_t unit;                             /* number of the first within its range */
    uint32_t n_sectors, n_done;
    uint32_t prd, offset; /* where the data of the next one is: descriptor, bytes into it */
};

/* What the processor that holds a controller's lock may encrypt or decrypt in this exit. */
struct dvi_slice {
    const struct vmm_lock *lock; /* NULL: left is enough for all there is */
    uint32_t left;               /* sectors */
    bool last;                   /* and no more after them */
    bool stopped;                /* somebody waited when last asked: exits begin with few */
};

/* Bounce memory in pages. */
#define DVI_POOL_MAX_BYTES (16u << 20)
struct dvi_pool {
    uint8_t *mem;                                            /* [I] */
    hpa_t bus;                                               /* [I] */
    uint32_t n_pages, n_free;                                /* [I], [L] */
    uint64_t used[DVI_POOL_MAX_BYTES / VMM_PAGE_BYTES / 64]; /* [L] bit per page */
};

#endif
