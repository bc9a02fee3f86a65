/* What a guest asks for, from the bytes of its command header and command FIS. Pure: copies in, structs out; any
 * context. Everything not known to be harmless comes back as ACS_REFUSE.
 *
 * Sources: AHCI 1.3.1, 4.2 "HBA Memory Space Usage"; Serial ATA 3.2, 13.6 "Native Command Queuing"; ACS-3, chapter 7
 * "Command descriptions". */
#ifndef DVI_AHCI_PARSE_H
#define DVI_AHCI_PARSE_H

#include <dvi/ahci.h>

#include "../acs/acs_cmd.h"
#include "ahci_regs.h"

struct ahci_header {
    uint32_t n_prds;
    uint32_t flags; /* AHCI_CMDHDR_A, _W, _R and _C, as the guest set them */
    gpa_t table;
};

/* False if we know of no good use: a FIS of another length than ours, a port multiplier, a BIST FIS.
 * Source: AHCI 1.3.1, 4.2.2 "Command List Structure". */
bool ahci_header_parse(const uint8_t raw[AHCI_CMDHDR_FETCH], struct ahci_header *out);

/* The command of a FIS that was found in the slot with this header. out_flags: for our own header. */
struct acs_cmd ahci_cmd_parse(const struct ahci_header *header, const uint8_t fis[FIS_H2D_BYTES], unsigned slot,
                              uint32_t *out_flags);

#endif
