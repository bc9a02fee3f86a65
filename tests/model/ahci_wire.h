/* The registers, FISes and commands of AHCI and ATA as the models and the test's guest driver see them: a second
 * transcription from the manuals, on purpose not shared with the product.
 *
 * Sources: Serial ATA AHCI 1.3.1, 3 "HBA Memory Registers", 4 "System Memory Structures"; ATA8-ACS (T13/1699-D r4a), 7
 * "Command descriptions"; Serial ATA 3.0, 10.3 "FIS types". */
#ifndef AHCI_WIRE_H
#define AHCI_WIRE_H

enum { W_CAP = 0x00, W_GHC = 0x04, W_IS = 0x08, W_PI = 0x0c, W_VS = 0x10, W_CCC_CTL = 0x14, W_CCC_PORTS = 0x18 };
enum { W_EM_LOC = 0x1c, W_EM_CTL = 0x20, W_CAP2 = 0x24, W_BOHC = 0x28 };
#define W_CAP_SPM  (1u << 17)
#define W_CAP_FBSS (1u << 16)
#define W_CAP_CCCS (1u << 7)
#define W_CAP_SNCQ (1u << 30)
#define W_CAP_S64A (1u << 31)
#define W_CAP_NCS  (31u << 8)
#define W_GHC_HR   (1u << 0)
#define W_GHC_IE   (1u << 1)
#define W_GHC_AE   (1u << 31)

#define W_PORT(n) (0x100u + 0x80u * (n))
enum { W_CLB = 0x00, W_CLBU = 0x04, W_FB = 0x08, W_FBU = 0x0c, W_PxIS = 0x10, W_PxIE = 0x14, W_CMD = 0x18 };
enum { W_TFD = 0x20, W_SIG = 0x24, W_SSTS = 0x28, W_SCTL = 0x2c, W_SERR = 0x30, W_SACT = 0x34, W_CI = 0x38 };
enum { W_SNTF = 0x3c, W_FBS = 0x40, W_DEVSLP = 0x44 };
#define W_IS_DHRS   (1u << 0)
#define W_IS_PSS    (1u << 1)
#define W_IS_DSS    (1u << 2)
#define W_IS_SDBS   (1u << 3)
#define W_IS_DPS    (1u << 5)
#define W_IS_PCS    (1u << 6)
#define W_IS_PRCS   (1u << 22)
#define W_IS_OFS    (1u << 24)
#define W_IS_IFS    (1u << 27)
#define W_IS_HBFS   (1u << 29)
#define W_IS_TFES   (1u << 30)
#define W_CMD_ST    (1u << 0)
#define W_CMD_CLO   (1u << 3)
#define W_CMD_FRE   (1u << 4)
#define W_CMD_FR    (1u << 14)
#define W_CMD_CR    (1u << 15)
#define W_SERR_N    (1u << 16)
#define W_SERR_X    (1u << 26)
#define W_SIG_ATA   0x00000101u
#define W_SIG_ATAPI 0xeb140101u
#define W_SSTS_UP   0x113u /* DET 3, SPD 1, IPM 1 */

/* Received FIS structure, AHCI 4.2.1. */
enum { W_RFIS_DSFIS = 0x00, W_RFIS_PSFIS = 0x20, W_RFIS_D2H = 0x40, W_RFIS_SDB = 0x58, W_RFIS_BYTES = 0x100 };
/* Command list and table, AHCI 4.2.2 and 4.2.3. */
enum { W_HEADER_BYTES = 32, W_LIST_BYTES = 1024, W_TABLE_ACMD = 0x40, W_TABLE_PRDT = 0x80, W_PRD_BYTES = 16 };
#define W_HDR_CFL   0x1fu
#define W_HDR_ATAPI (1u << 5)
#define W_HDR_WRITE (1u << 6)
#define W_HDR_PREF  (1u << 7)
#define W_HDR_RESET (1u << 8)
#define W_HDR_BIST  (1u << 9)
#define W_HDR_CLEAR (1u << 10)
#define W_PRD_I     (1u << 31)

enum { W_FIS_H2D = 0x27, W_FIS_D2H = 0x34, W_FIS_DMA_SETUP = 0x41, W_FIS_PIO_SETUP = 0x5f, W_FIS_SDB = 0xa1 };
#define W_H2D_C 0x80u /* byte 1: the command register was written */

#define W_ST_ERR  0x01u
#define W_ST_DRQ  0x08u
#define W_ST_DRDY 0x50u /* DRDY, DSC */
#define W_ST_BSY  0x80u
#define W_ER_ABRT 0x04u
#define W_DEV_LBA 0x40u

/* clang-format off */
enum {
    W_NOP = 0x00, W_DSM = 0x06, W_DEVICE_RESET = 0x08, W_READ = 0x20, W_READ_OLD = 0x21, W_READ_EXT = 0x24,
    W_READ_DMA_EXT = 0x25, W_NATIVE_MAX_EXT = 0x27, W_READ_MULTI_EXT = 0x29, W_READ_LOG_EXT = 0x2f,
    W_WRITE = 0x30, W_WRITE_OLD = 0x31, W_WRITE_EXT = 0x34, W_WRITE_DMA_EXT = 0x35, W_WRITE_MULTI_EXT = 0x39,
    W_WRITE_DMA_FUA_EXT = 0x3d, W_WRITE_LOG_EXT = 0x3f, W_VERIFY = 0x40, W_VERIFY_OLD = 0x41, W_VERIFY_EXT = 0x42,
    W_READ_LOG_DMA_EXT = 0x47, W_READ_FPDMA = 0x60, W_WRITE_FPDMA = 0x61, W_SEND_FPDMA = 0x64,
    W_DOWNLOAD_MICROCODE = 0x92, W_PACKET = 0xa0, W_IDENTIFY_PACKET = 0xa1, W_SMART = 0xb0, W_READ_MULTI = 0xc4,
    W_WRITE_MULTI = 0xc5, W_SET_MULTI = 0xc6, W_READ_DMA = 0xc8, W_READ_DMA_OLD = 0xc9, W_WRITE_DMA = 0xca,
    W_WRITE_DMA_OLD = 0xcb, W_WRITE_MULTI_FUA_EXT = 0xce, W_STANDBY_NOW = 0xe0, W_IDLE_NOW = 0xe1, W_STANDBY = 0xe2,
    W_IDLE = 0xe3, W_CHECK_POWER = 0xe5, W_SLEEP = 0xe6, W_FLUSH = 0xe7, W_FLUSH_EXT = 0xea, W_IDENTIFY = 0xec,
    W_SET_FEATURES = 0xef, W_SECURITY_SET_PASSWORD = 0xf1, W_SECURITY_ERASE = 0xf4, W_NATIVE_MAX = 0xf8,
    W_SET_MAX = 0xf9
};
/* clang-format on */

#endif
