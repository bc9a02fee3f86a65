/* Parallel ATA: registers of a channel and of the bus master, in the manuals' order. Constants only.
 *
 * Sources: ATA/ATAPI-7 volume 2 (T13/1532D revision 4b), 5 "Register addressing"; PCI IDE Controller Specification,
 * revision 1.0; Programming Interface for Bus Master IDE Controller, revision 1.0. */
#ifndef DVI_ATA_REGS_H
#define DVI_ATA_REGS_H

#include <vmm/bits.h>

/* --- PCI IDE 1.0, 2 "Controller modes": programming interface, the lowest byte of the class code --- */
#define ATA_PROGIF_NATIVE(channel) BIT(2 * (channel)) /* else legacy: fixed ports */
#define ATA_PROGIF_BUS_MASTER      BIT(7)
#define ATA_LEGACY_CMD(channel)    ((channel) ? 0x170u : 0x1f0u)
#define ATA_LEGACY_CTL(channel)    ((channel) ? 0x376u : 0x3f6u)
#define ATA_BAR_CMD(channel)       (2u * (channel))
#define ATA_BAR_CTL(channel)       (2u * (channel) + 1u)
#define ATA_BAR_CTL_OFFSET         2u /* 4 ports, the third is the register */
#define ATA_BAR_BM                 4u

/* --- command block: 8 ports --- */
#define ATA_CMD_PORTS    8u
#define ATA_DATA         0u /* 16 or 32 bits */
#define ATA_FEATURES     1u /* W; R: error */
#define ATA_COUNT        2u
#define ATA_LBA0         3u
#define ATA_LBA1         4u
#define ATA_LBA2         5u
#define ATA_DEVICE       6u
#define ATA_COMMAND      7u    /* W; R: status, which also takes the interrupt back */
#define ATA_CTL_SRST     0x04u /* control register: software reset; R: status, without effect */
#define ATA_SETTLE_LOOKS 4u    /* looks at the status that take the 400 ns after which BSY is true */

/* --- Bus Master IDE 1.0, 2.0 "Registers": 8 ports a channel --- */
#define BM_PORTS            8u
#define BM_COMMAND          0u
#define BM_COMMAND_START    0x01u
#define BM_COMMAND_TO_MEM   0x08u
#define BM_STATUS           2u
#define BM_STATUS_ACTIVE    0x01u
#define BM_STATUS_ERROR     0x02u /* RW1C */
#define BM_STATUS_INTERRUPT 0x04u /* RW1C */
#define BM_PRDT             4u    /* 32 bits, a multiple of 4; the table may not cross 64 KiB */
#define BM_PRDT_ADDR        ((uint32_t)BITS(31, 2))

/* 1.2 "Physical Region Descriptor": 8 bytes; the region may not cross 64 KiB */
#define BM_PRD_BYTES    8u
#define BM_PRD_ADDR     ((uint32_t)BITS(31, 1))
#define BM_PRD_COUNT    ((uint32_t)BITS(15, 1)) /* bytes; 0: 64 KiB */
#define BM_PRD_LAST     ((uint32_t)BIT(31))
#define BM_PRD_BOUNDARY 0x10000u

/* --- commands that only parallel ATA has: ATA-5 (T13/1321D revision 3), 8 "Command descriptions"; ATA-3 for the
 * first two --- */
#define ATA_RECALIBRATE        0x10u
#define ATA_SEEK               0x70u
#define ATA_EXECUTE_DIAGNOSTIC 0x90u
#define ATA_INITIALIZE_PARAMS  0x91u
#define ATA_DEVICE_HEADS       0x0fu /* of the device register: heads, less one */

#endif
