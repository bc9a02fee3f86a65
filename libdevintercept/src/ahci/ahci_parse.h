/* What a guest asks for, from the bytes of its command header, command FIS, PRDs and data. Pure: copies in, structs
 * out; any context. Everything not known to be harmless comes back as AHCI_REFUSE.
 *
 * Sources: AHCI 1.3.1, 4.2 "HBA Memory Space Usage"; Serial ATA 3.2, 13.6 "Native Command Queuing"; ACS-3, chapter 7
 * "Command descriptions". */
#ifndef DVI_AHCI_PARSE_H
#define DVI_AHCI_PARSE_H

#include <dvi/ahci.h>

#include "ahci_regs.h"
#include "ata_regs.h"

enum ahci_kind {
    AHCI_REFUSE,
    AHCI_READ,     /* user data, to the guest */
    AHCI_WRITE,    /* user data, from the guest */
    AHCI_VERIFY,   /* reads user data and tells only whether that went well */
    AHCI_NO_DATA,  /* harmless, without data */
    AHCI_IN,       /* harmless, with data that is not the user's */
    AHCI_IDENTIFY, /* IDENTIFY DEVICE: 512 bytes in */
    AHCI_TRIM,     /* DATA SET MANAGEMENT: n_sectors blocks of ranges out */
    AHCI_PACKET,   /* a command for an ATAPI device */
    AHCI_CONTROL,  /* no command: the control register changes, as for a software reset */
};

/* True for commands whose sectors a policy judges. */
static inline bool ahci_kind_has_lba(enum ahci_kind kind) {
    return kind == AHCI_READ || kind == AHCI_WRITE || kind == AHCI_VERIFY;
}

struct ahci_header {
    uint32_t n_prds;
    uint32_t flags; /* AHCI_CMDHDR_A, _W, _R and _C, as the guest set them */
    gpa_t table;
};

/* False if we know of no good use: a FIS of another length than ours, a port multiplier, a BIST FIS.
 * Source: AHCI 1.3.1, 4.2.2 "Command List Structure". */
bool ahci_header_parse(const uint8_t raw[AHCI_CMDHDR_FETCH], struct ahci_header *out);

struct ahci_cmd {
    enum ahci_kind kind;
    bool queued;        /* NCQ */
    uint64_t lba;       /* of AHCI_READ, AHCI_WRITE, AHCI_VERIFY: the first sector */
    uint32_t n_sectors; /* ... and how many, 1..65536; AHCI_TRIM: blocks, 1..AHCI_TRIM_MAX_BLOCKS */
    uint32_t flags;     /* for our own header */
};

#define AHCI_TRIM_MAX_BLOCKS 8u /* one page */

/* The command of a FIS that was found in the slot with this header. */
struct ahci_cmd ahci_cmd_parse(const struct ahci_header *header, const uint8_t fis[FIS_H2D_BYTES], unsigned slot);

/* Make fis, a command as ahci_cmd_parse takes it, one for these sectors only.
 * MUST: it was AHCI_READ, AHCI_WRITE or AHCI_VERIFY, and the sectors are part of those it had. */
void ahci_fis_set_range(uint8_t fis[FIS_H2D_BYTES], uint64_t lba, uint32_t n_sectors);

struct ahci_prd {
    uint64_t addr;
    uint32_t n_bytes; /* 2 .. 4 MiB, even */
};

/* Source: AHCI 1.3.1, 4.2.3.3 "Physical Region Descriptor Table". The two bits that must be so are taken as so. */
struct ahci_prd ahci_prd_parse(const uint8_t raw[AHCI_PRD_BYTES]);

/* Model, serial number, size and sector size; bdf and port are left as they are.
 * Source: ACS-3, 7.12.7 "IDENTIFY DEVICE data". */
void ahci_identify_parse(const uint8_t data[ATA_ID_BYTES], struct dvi_disk_id *out);

/* Withdraw the offer of what ahci_cmd_parse refuses, so that drivers do not try; corrects the checksum, if it has one.
 */
void ahci_identify_hide(uint8_t data[ATA_ID_BYTES]);

/* True if every range of a TRIM may be trimmed: clear or encrypted, and without wrap. policy NULL: all is clear. */
bool ahci_trim_ok(const uint8_t *blocks, uint32_t n_bytes, const struct dvi_policy *policy);

/* True if the policy allows the command on all of its sectors. policy NULL: all is clear. MUST: n_sectors >= 1. */
bool ahci_range_ok(const struct dvi_policy *policy, enum ahci_kind kind, uint64_t lba, uint64_t n_sectors);

#endif
