/* The registers of parallel ATA and its bus master as the model and the test's guest driver see them: a second
 * transcription from the manuals, on purpose not shared with the product. Commands and status bits are in ahci_wire.h.
 *
 * Sources: ATA/ATAPI-7 volume 2 (T13/1532D revision 4b), 5 "Register delivered ..."; Programming Interface for Bus
 * Master IDE Controller, revision 1.0; PCI IDE Controller Specification, revision 1.0. */
#ifndef ATA_WIRE_H
#define ATA_WIRE_H

#include "ahci_wire.h"

/* Command block, from its first port on. */
enum { P_DATA = 0, P_ERROR = 1, P_FEATURES = 1, P_COUNT = 2, P_LBA0 = 3, P_LBA1 = 4, P_LBA2 = 5, P_DEVICE = 6 };
enum { P_STATUS = 7, P_COMMAND = 7 };
/* Control block: only one of its ports matters. */
enum { P_ALT_STATUS = 2, P_CONTROL = 2 };

#define W_ST_DF    0x20u
#define W_DEV_DEV  0x10u
#define W_CTL_NIEN 0x02u
#define W_CTL_SRST 0x04u
#define W_CTL_HOB  0x80u

/* Interrupt reason, in the count register of PACKET. */
#define W_REASON_CD 0x01u /* a command packet, not data */
#define W_REASON_IO 0x02u /* to the host */

enum { W_RECALIBRATE = 0x10, W_SEEK = 0x70, W_DIAGNOSTIC = 0x90, W_INIT_PARAMS = 0x91 };

/* Bus master, one half per channel. */
enum { P_BM_CMD = 0, P_BM_STATUS = 2, P_BM_PRDT = 4, P_BM_CHANNEL = 8 };
#define W_BM_START   0x01u
#define W_BM_TO_MEM  0x08u
#define W_BM_ACTIVE  0x01u
#define W_BM_ERROR   0x02u
#define W_BM_IRQ     0x04u
#define W_BM_CAPABLE 0x60u
#define W_BM_EOT     0x80000000u

/* Where the ports are: fixed in legacy mode. */
enum { W_LEGACY_CMD0 = 0x1f0, W_LEGACY_CTL0 = 0x3f6, W_LEGACY_CMD1 = 0x170, W_LEGACY_CTL1 = 0x376 };

#endif
