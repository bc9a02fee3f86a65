/* AHCI: registers of the host bus adapter and the structures it reads from memory, in the manual's order. Constants
 * only.
 *
 * Source: Serial ATA AHCI 1.3.1 (2011), chapter 3 "HBA Memory Registers" and chapter 4 "System Memory Structures". */
#ifndef DVI_AHCI_REGS_H
#define DVI_AHCI_REGS_H

#include <vmm/bits.h>

/* --- 2.1 "PCI Header" --- */
#define AHCI_ABAR 5u /* the BAR with the memory registers */

/* --- 2.4 "Serial ATA Capability", offsets within the capability --- */
#define AHCI_SATACAP_ID            0x12u
#define AHCI_SATACR1               0x04u
#define AHCI_SATACR1_BARLOC        ((uint32_t)BITS(3, 0))
#define AHCI_SATACR1_BARLOC_CONFIG 0xfu /* the index/data pair follows at once, instead of in a BAR */
#define AHCI_SATACAP_IDP           0x08u
#define AHCI_SATACAP_IDP_BYTES     8u

/* --- 3.1 "Generic Host Control" --- */
#define AHCI_CAP      0x00u                   /* 3.1.1, RO after firmware */
#define AHCI_CAP_S64A ((uint32_t)BIT(31))     /* 64-bit addresses */
#define AHCI_CAP_SPM  ((uint32_t)BIT(17))     /* port multipliers */
#define AHCI_CAP_FBSS ((uint32_t)BIT(16))     /* FIS-based switching */
#define AHCI_CAP_NCS  ((uint32_t)BITS(12, 8)) /* command slots, less one */
#define AHCI_CAP_EMS  ((uint32_t)BIT(6))      /* enclosure management */
#define AHCI_CAP_CCCS ((uint32_t)BIT(7))      /* command completion coalescing */

#define AHCI_GHC    0x04u               /* 3.1.2 */
#define AHCI_GHC_AE ((uint32_t)BIT(31)) /* RW: AHCI enable; RO 1 on an HBA that knows nothing else */
#define AHCI_GHC_HR ((uint32_t)BIT(0))  /* RW1: HBA reset; reads 1 until it is done */

#define AHCI_IS        0x08u /* 3.1.3, RW1C: bit per port */
#define AHCI_PI        0x0cu /* 3.1.4, RO after firmware: bit per port */
#define AHCI_CCC_CTL   0x14u /* 3.1.6 */
#define AHCI_CCC_PORTS 0x18u /* 3.1.7 */
#define AHCI_BOHC      0x28u /* 3.1.11: firmware's and the OS's ownership */

/* --- 3.3 "Port Registers (one set per port)" --- */
#define AHCI_MAX_PORTS  32u
#define AHCI_PORT0      0x100u
#define AHCI_PORT_BYTES 0x80u
#define AHCI_PORT(p)    (AHCI_PORT0 + AHCI_PORT_BYTES * (p))

#define AHCI_PxCLB       0x00u /* 3.3.1: command list, 1 KiB aligned */
#define AHCI_PxCLB_ALIGN ((uint32_t)BITS(31, 10))
#define AHCI_PxCLBU      0x04u /* 3.3.2 */
#define AHCI_PxFB        0x08u /* 3.3.3: received FISes, 256-byte aligned */
#define AHCI_PxFB_ALIGN  ((uint32_t)BITS(31, 8))
#define AHCI_PxFBU       0x0cu /* 3.3.4 */

#define AHCI_PxIS      0x10u               /* 3.3.5, RW1C; PCS and PRCS are RO, cleared through PxSERR */
#define AHCI_PxIS_TFES ((uint32_t)BIT(30)) /* task file error */
#define AHCI_PxIS_HBFS ((uint32_t)BIT(29)) /* host bus fatal error */
#define AHCI_PxIS_HBDS ((uint32_t)BIT(28)) /* host bus data error */
#define AHCI_PxIS_IFS  ((uint32_t)BIT(27)) /* interface fatal error */
#define AHCI_PxIS_PRCS ((uint32_t)BIT(22)) /* PhyRdy changed */
#define AHCI_PxIS_PCS  ((uint32_t)BIT(6))  /* device came or went: PxSERR.DIAG.X */
#define AHCI_PxIS_DPS  ((uint32_t)BIT(5))  /* a PRD with I set was processed */
#define AHCI_PxIS_SDBS ((uint32_t)BIT(3))  /* Set Device Bits FIS */
#define AHCI_PxIS_DSS  ((uint32_t)BIT(2))  /* DMA Setup FIS */
#define AHCI_PxIS_PSS  ((uint32_t)BIT(1))  /* PIO Setup FIS and its data */
#define AHCI_PxIS_DHRS ((uint32_t)BIT(0))  /* Device to Host Register FIS */
/* What a command that went well may leave behind. */
#define AHCI_PxIS_DONE (AHCI_PxIS_DPS | AHCI_PxIS_SDBS | AHCI_PxIS_DSS | AHCI_PxIS_PSS | AHCI_PxIS_DHRS)

#define AHCI_PxIE 0x14u /* 3.3.6, bits as PxIS */

#define AHCI_PxCMD     0x18u               /* 3.3.7 */
#define AHCI_PxCMD_PMA ((uint32_t)BIT(17)) /* RW: port multiplier attached */
#define AHCI_PxCMD_CR  ((uint32_t)BIT(15)) /* RO: command list running */
#define AHCI_PxCMD_FR  ((uint32_t)BIT(14)) /* RO: FIS receive running */
#define AHCI_PxCMD_FRE ((uint32_t)BIT(4))  /* RW: FIS receive enable */
#define AHCI_PxCMD_ST  ((uint32_t)BIT(0))  /* RW: start processing the command list */

#define AHCI_PxTFD 0x20u /* 3.3.8, RO: the device's status and error registers */

#define AHCI_PxSIG       0x24u /* 3.3.9, RO: signature of the device */
#define AHCI_PxSIG_ATA   0x00000101u
#define AHCI_PxSIG_ATAPI 0xeb140101u

#define AHCI_PxSSTS             0x28u /* 3.3.10, RO */
#define AHCI_PxSSTS_DET         ((uint32_t)BITS(3, 0))
#define AHCI_PxSSTS_DET_PRESENT 3u
#define AHCI_PxSCTL             0x2cu /* 3.3.11 */
#define AHCI_PxSCTL_DET         ((uint32_t)BITS(3, 0))

#define AHCI_PxSERR        0x30u               /* 3.3.12, RW1C */
#define AHCI_PxSERR_DIAG_X ((uint32_t)BIT(26)) /* exchanged: COMINIT received */
#define AHCI_PxSERR_DIAG_N ((uint32_t)BIT(16)) /* PhyRdy changed */

#define AHCI_PxSACT   0x34u /* 3.3.13, RW1S: queued commands outstanding; cleared by the device, or with ST */
#define AHCI_PxCI     0x38u /* 3.3.14, RW1S: commands issued; cleared by the HBA, or with ST */
#define AHCI_PxSNTF   0x3cu /* 3.3.15, RW1C */
#define AHCI_PxFBS    0x40u /* 3.3.16 */
#define AHCI_PxDEVSLP 0x44u /* 3.3.17 */

/* --- 4.2.1 "Received FIS Structure" --- */
#define AHCI_RFIS_BYTES 256u

/* --- 4.2.2 "Command List Structure": command header, 32 bytes --- */
#define AHCI_CMDHDR_BYTES 32u
#define AHCI_CMDHDR_DW0   0x00u
#define AHCI_CMDHDR_PRDTL ((uint32_t)BITS(31, 16)) /* PRDs in the table */
#define AHCI_CMDHDR_PMP   ((uint32_t)BITS(15, 12)) /* port of a port multiplier */
#define AHCI_CMDHDR_C     ((uint32_t)BIT(10))      /* clear BSY on R_OK */
#define AHCI_CMDHDR_B     ((uint32_t)BIT(9))       /* BIST FIS */
#define AHCI_CMDHDR_R     ((uint32_t)BIT(8))       /* part of a software reset */
#define AHCI_CMDHDR_W     ((uint32_t)BIT(6))       /* host to device */
#define AHCI_CMDHDR_A     ((uint32_t)BIT(5))       /* ATAPI */
#define AHCI_CMDHDR_CFL   ((uint32_t)BITS(4, 0))   /* length of the FIS in dwords, 2..16 */
#define AHCI_CMDHDR_PRDBC 0x04u                    /* bytes transferred, written by the HBA */
#define AHCI_CMDHDR_CTBA  0x08u                    /* command table, 128-byte aligned */
#define AHCI_CMDHDR_FETCH 16u                      /* bytes with a meaning: the rest is reserved */

/* --- 4.2.3 "Command Table" --- */
#define AHCI_CMDTBL_ALIGN 128u
#define AHCI_CMDTBL_CFIS  0x00u /* command FIS, up to 64 bytes */
#define AHCI_CMDTBL_ACMD  0x40u /* ATAPI command, 12 or 16 bytes */
#define AHCI_ACMD_BYTES   16u
#define AHCI_CMDTBL_PRDT  0x80u

/* 4.2.3.3 "Physical Region Descriptor Table": see ../data/data.h */
#define AHCI_PRD_MAX_BYTES (4u << 20)

#endif
