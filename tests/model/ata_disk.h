/* An ATA disk, or an ATAPI drive, as a command set over plain memory. No controller, no DMA: see ahci_model.h.
 *
 * It obeys every command it is given, the destructive and unknown ones too, and counts those a mediator must never let
 * through (n_forbidden). Source: ATA8-ACS, 7 "Command descriptions". */
#ifndef ATA_DISK_H
#define ATA_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ata_disk {
    uint8_t *data; /* [n_units * 512] */
    uint64_t n_units;
    unsigned logical_bytes; /* 512, or more */
    char serial[21], model[41];
    bool atapi, ncq;
    bool chs_ok;                         /* else commands with cylinder, head and sector are forbidden */
    unsigned n_heads, sectors_per_track; /* as INITIALIZE DEVICE PARAMETERS left them */
    unsigned multiple;                   /* sectors of a block of READ MULTIPLE; 0: disabled */
    bool ncq_error;                      /* every command but READ LOG EXT of page 10h is aborted */
    uint8_t error_tag;
    uint64_t n_commands, n_aborted, n_forbidden;
    uint8_t last_opcode, last_forbidden;
};

enum ata_move { ATA_NO_DATA, ATA_TO_HOST, ATA_TO_DEVICE };

/* A command being carried out. */
struct ata_task {
    uint8_t opcode, tag;
    enum ata_move move;
    bool multi;           /* in blocks of the disk's multiple */
    bool ncq, pio, media; /* media: data of the sectors from lba on; else of small */
    uint64_t lba;         /* in 512-byte units */
    uint64_t n_bytes;
    uint8_t small[4096];
};

#define ATA_DISK_MAX_MULTIPLE 16u
#define ATA_DISK_HEADS        16u /* what a disk begins with */
#define ATA_DISK_SECTORS      63u

void ata_disk_init(struct ata_disk *d, uint64_t n_units, const char *serial);
void ata_disk_free(struct ata_disk *d);

/* Understand a command FIS ([20] bytes; acmd: [16]). False: the device aborts it. */
bool ata_disk_begin(struct ata_disk *d, const uint8_t *fis, const uint8_t *acmd, struct ata_task *out);
/* Data of [offset, offset + n) of the task's transfer. */
void ata_disk_send(const struct ata_disk *d, const struct ata_task *t, uint64_t offset, uint8_t *dst, size_t n);
void ata_disk_take(struct ata_disk *d, struct ata_task *t, uint64_t offset, const uint8_t *src, size_t n);
/* After the last data: what the command does at its end. */
void ata_disk_end(struct ata_disk *d, const struct ata_task *t);

#endif
