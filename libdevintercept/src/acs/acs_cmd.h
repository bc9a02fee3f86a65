/* What a guest asks a disk for: ATA commands, as the 20 bytes of a register FIS, which is also the form in which the
 * registers of parallel ATA are kept. Pure: copies in, structs out; any context. Everything not known to be harmless
 * comes back as ACS_REFUSE.
 *
 * Sources: ACS-3, chapter 7 "Command descriptions"; Serial ATA 3.2, 10.5.5 "Register Host to Device FIS" and 13.6
 * "Native Command Queuing". */
#ifndef DVI_ACS_CMD_H
#define DVI_ACS_CMD_H

#include <dvi/disk.h>

#include "acs_regs.h"

enum acs_kind {
    ACS_REFUSE,
    ACS_READ,     /* user data, to the guest */
    ACS_WRITE,    /* user data, from the guest */
    ACS_VERIFY,   /* reads user data and tells only whether that went well */
    ACS_NO_DATA,  /* harmless, without data */
    ACS_IN,       /* harmless, with data that is not the user's */
    ACS_IDENTIFY, /* IDENTIFY DEVICE: 512 bytes in */
    ACS_TRIM,     /* DATA SET MANAGEMENT: n_sectors blocks of ranges out */
    ACS_PACKET,   /* a command for an ATAPI device */
    ACS_CONTROL,  /* serial ATA: no command, the control register changes, as for a software reset */
};

/* True for commands whose sectors a policy judges. */
static inline bool acs_kind_has_lba(enum acs_kind kind) {
    return kind == ACS_READ || kind == ACS_WRITE || kind == ACS_VERIFY;
}

struct acs_cmd {
    enum acs_kind kind;
    bool queued;        /* NCQ */
    bool lba28;         /* a command of 28-bit addresses, which may also be given by cylinder, head and sector */
    bool dma;           /* parallel ATA: data moves by DMA, not by the data register */
    uint64_t lba;       /* of ACS_READ, ACS_WRITE, ACS_VERIFY: the first sector */
    uint32_t n_sectors; /* ... and how many, 1..65536; ACS_TRIM: blocks, 1..ACS_TRIM_MAX_BLOCKS */
};

#define ACS_TRIM_MAX_BLOCKS 8u /* one page */

/* fis: its bytes from FIS_H2D_COMMAND on count. tag: what a queued command must have in its count field. */
struct acs_cmd acs_cmd_parse(const uint8_t fis[FIS_H2D_BYTES], unsigned tag);

/* Make fis, a command as acs_cmd_parse takes it, one for these sectors only.
 * MUST: it was ACS_READ, ACS_WRITE or ACS_VERIFY, and the sectors are part of those it had. */
void acs_set_range(uint8_t fis[FIS_H2D_BYTES], uint64_t lba, uint32_t n_sectors);

/* Model, serial number, size and sector size; bdf and port are left as they are.
 * Source: ACS-3, 7.12.7 "IDENTIFY DEVICE data". */
void acs_identify_parse(const uint8_t data[ATA_ID_BYTES], struct dvi_disk_id *out);

/* Ask what holds for a disk that acs_identify_parse has filled in; reader goes with the question only. */
const struct dvi_policy *acs_policy(struct dvi_disk_id *id, const struct dvi_disk_reader *reader,
                                    dvi_policy_fn *policy_for, void *cookie);

/* Withdraw the offer of what acs_cmd_parse refuses, so that drivers do not try; corrects the checksum, if it has one.
 * trim: of DATA SET MANAGEMENT too. */
void acs_identify_hide(uint8_t data[ATA_ID_BYTES], bool trim);

/* True if every range of a TRIM may be trimmed: clear or encrypted, and without wrap. policy NULL: all is clear. */
bool acs_trim_ok(const uint8_t *blocks, uint32_t n_bytes, const struct dvi_policy *policy);

/* True if the policy allows the command on all of its sectors. policy NULL: all is clear. MUST: n_sectors >= 1. */
bool acs_range_ok(const struct dvi_policy *policy, enum acs_kind kind, uint64_t lba, uint64_t n_sectors);

/* Count a command that was accepted. */
void acs_count(struct dvi_disk_stats *stats, enum acs_kind kind);

/* May user data of the disk be touched so? For commands with an LBA, and ACS_TRIM, whose ranges are asked apart. */
bool acs_allowed(const struct dvi_disk_id *id, const struct dvi_policy *policy, const struct acs_cmd *cmd);

#endif
