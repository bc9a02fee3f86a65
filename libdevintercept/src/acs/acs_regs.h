/* ATA as it travels over SATA: frames, commands and the identification data a mediator looks at. Constants only.
 *
 * Sources: Serial ATA 3.2, 10.5 "FIS Types"; ATA/ATAPI Command Set - 3 (ACS-3, T13/2161-D revision 5), chapter 7
 * "Command descriptions"; ATA8-ACS (T13/1699-D revision 6a) for what ACS-3 made obsolete. */
#ifndef DVI_ACS_REGS_H
#define DVI_ACS_REGS_H

#include <vmm/bits.h>

/* --- SATA 3.2, 10.5.5 "Register Host to Device FIS": 20 bytes --- */
#define FIS_H2D_BYTES      20u
#define FIS_H2D_DWORDS     5u
#define FIS_TYPE           0u
#define FIS_TYPE_H2D       0x27u
#define FIS_H2D_FLAGS      1u
#define FIS_H2D_C          0x80u /* a command; clear: the control register changes */
#define FIS_H2D_PMP        0x0fu
#define FIS_H2D_COMMAND    2u
#define FIS_H2D_FEATURES   3u
#define FIS_H2D_LBA0       4u /* LBA bits 23:0 in 4..6 */
#define FIS_H2D_DEVICE     7u
#define FIS_H2D_LBA3       8u /* LBA bits 47:24 in 8..10 */
#define FIS_H2D_FEATURES_E 11u
#define FIS_H2D_COUNT      12u
#define FIS_H2D_COUNT_E    13u
#define FIS_H2D_AUX        16u

#define ATA_DEVICE_LBA    0x40u /* clear: cylinder, head, sector */
#define ATA_DEVICE_DEV    0x10u /* parallel ATA's second device */
#define ATA_DEVICE_LBA28  0x0fu /* LBA bits 27:24 of 28-bit commands */
#define ATA_PACKET_DMA    0x01u /* PACKET: of the features field */
#define ATA_NCQ_TAG_SHIFT 3u    /* queued commands: tag in count(7:3) */

#define ATA_STATUS_BSY  0x80u
#define ATA_STATUS_DRDY 0x40u
#define ATA_STATUS_DF   0x20u /* device fault */
#define ATA_STATUS_DRQ  0x08u
#define ATA_STATUS_ERR  0x01u

/* --- ACS-3, annex B "Command set summary", by opcode --- */
#define ATA_NOP                    0x00u
#define ATA_DATA_SET_MANAGEMENT    0x06u
#define ATA_DEVICE_RESET           0x08u /* ATAPI devices */
#define ATA_READ_SECTORS           0x20u
#define ATA_READ_SECTORS_NORETRY   0x21u /* obsolete; ATA-4 */
#define ATA_READ_SECTORS_EXT       0x24u
#define ATA_READ_DMA_EXT           0x25u
#define ATA_READ_NATIVE_MAX_EXT    0x27u
#define ATA_READ_MULTIPLE_EXT      0x29u
#define ATA_READ_LOG_EXT           0x2fu
#define ATA_WRITE_SECTORS          0x30u
#define ATA_WRITE_SECTORS_NORETRY  0x31u /* obsolete; ATA-4 */
#define ATA_WRITE_SECTORS_EXT      0x34u
#define ATA_WRITE_DMA_EXT          0x35u
#define ATA_WRITE_MULTIPLE_EXT     0x39u
#define ATA_WRITE_DMA_FUA_EXT      0x3du
#define ATA_READ_VERIFY            0x40u
#define ATA_READ_VERIFY_NORETRY    0x41u /* obsolete; ATA-4 */
#define ATA_READ_VERIFY_EXT        0x42u
#define ATA_READ_LOG_DMA_EXT       0x47u
#define ATA_READ_FPDMA_QUEUED      0x60u
#define ATA_WRITE_FPDMA_QUEUED     0x61u
#define ATA_PACKET                 0xa0u
#define ATA_IDENTIFY_PACKET_DEVICE 0xa1u
#define ATA_SMART                  0xb0u
#define ATA_READ_MULTIPLE          0xc4u
#define ATA_WRITE_MULTIPLE         0xc5u
#define ATA_SET_MULTIPLE           0xc6u
#define ATA_READ_DMA               0xc8u
#define ATA_READ_DMA_NORETRY       0xc9u /* obsolete; ATA-4 */
#define ATA_WRITE_DMA              0xcau
#define ATA_WRITE_DMA_NORETRY      0xcbu /* obsolete; ATA-4 */
#define ATA_WRITE_MULTIPLE_FUA_EXT 0xceu
#define ATA_STANDBY_IMMEDIATE      0xe0u
#define ATA_IDLE_IMMEDIATE         0xe1u
#define ATA_STANDBY                0xe2u
#define ATA_IDLE                   0xe3u
#define ATA_CHECK_POWER_MODE       0xe5u
#define ATA_SLEEP                  0xe6u
#define ATA_FLUSH_CACHE            0xe7u
#define ATA_FLUSH_CACHE_EXT        0xeau
#define ATA_IDENTIFY_DEVICE        0xecu
#define ATA_SET_FEATURES           0xefu
#define ATA_READ_NATIVE_MAX        0xf8u

/* Subcommands of SET FEATURES (7.45, "SET FEATURES"; obsolete ones: ATA8-ACS 7.48), in the features field. */
#define ATA_SETF_WCACHE_ON     0x02u
#define ATA_SETF_XFER_MODE     0x03u
#define ATA_SETF_APM_ON        0x05u
#define ATA_SETF_PUIS_ON       0x06u
#define ATA_SETF_PUIS_SPINUP   0x07u
#define ATA_SETF_SATA_ON       0x10u
#define ATA_SETF_AAM_ON        0x42u
#define ATA_SETF_EPC           0x4au
#define ATA_SETF_LOOKAHEAD_OFF 0x55u
#define ATA_SETF_NO_REVERT     0x66u
#define ATA_SETF_WCACHE_OFF    0x82u
#define ATA_SETF_APM_OFF       0x85u
#define ATA_SETF_PUIS_OFF      0x86u
#define ATA_SETF_SATA_OFF      0x90u
#define ATA_SETF_LOOKAHEAD_ON  0xaau
#define ATA_SETF_AAM_OFF       0xc2u
#define ATA_SETF_REVERT        0xccu

/* Subcommands of SMART (7.48 "SMART"), in the features field. */
#define ATA_SMART_READ_DATA       0xd0u
#define ATA_SMART_READ_THRESHOLDS 0xd1u /* obsolete; ATA-4 */
#define ATA_SMART_READ_LOG        0xd5u
#define ATA_SMART_ENABLE          0xd8u
#define ATA_SMART_RETURN_STATUS   0xdau

/* DATA SET MANAGEMENT (7.5): blocks of 64 entries of 8 bytes, each a range. */
#define ATA_DSM_TRIM         0x01u /* bit 0 of the features field */
#define ATA_DSM_RANGE_LBA    BITS(47, 0)
#define ATA_DSM_RANGE_LENGTH BITS(63, 48) /* 0: an unused entry */

/* --- ACS-3, 7.12.7 "IDENTIFY DEVICE data": 256 little-endian words, strings with their bytes swapped --- */
#define ATA_ID_BYTES          512u
#define ATA_ID_HEADS          3u  /* of the default translation; obsolete, ATA-5 */
#define ATA_ID_TRACK          6u  /* sectors of a track, likewise */
#define ATA_ID_VALID          53u /* bit 0: the next two are */
#define ATA_ID_NOW_HEADS      55u /* the current translation */
#define ATA_ID_NOW_TRACK      56u
#define ATA_ID_SERIAL         10u /* 20 characters */
#define ATA_ID_SERIAL_CHARS   20u
#define ATA_ID_MODEL          27u /* 40 characters */
#define ATA_ID_MODEL_CHARS    40u
#define ATA_ID_TRUSTED        48u /* trusted computing */
#define ATA_ID_CAPS           49u
#define ATA_ID_CAPS_LBA       ((uint16_t)BIT(9))
#define ATA_ID_SECTORS28      60u /* two words */
#define ATA_ID_SATA_CAPS2     77u
#define ATA_ID_SATA_NCQ_SEND  ((uint16_t)BIT(6))  /* RECEIVE and SEND FPDMA QUEUED */
#define ATA_ID_COMMANDS1      82u                 /* supported; enabled in 85 */
#define ATA_ID_COMMANDS2      83u                 /* supported; enabled in 86 */
#define ATA_ID_LBA48          ((uint16_t)BIT(10)) /* of word 83 */
#define ATA_ID_ENABLED1       85u
#define ATA_ID_ENABLED2       86u
#define ATA_ID_SECTORS48      100u /* four words */
#define ATA_ID_SECTOR_SIZE    106u
#define ATA_ID_SECTOR_VALID   ((uint16_t)BITS(15, 14)) /* 1: the word counts */
#define ATA_ID_SECTOR_LARGE   ((uint16_t)BIT(12))      /* more than 256 words, see word 117 */
#define ATA_ID_LOGICAL_WORDS  117u                     /* two words: words per logical sector */
#define ATA_ID_SECURITY       128u                     /* status of SECURITY */
#define ATA_ID_DSM            169u                     /* DATA SET MANAGEMENT */
#define ATA_ID_SCT            206u                     /* SCT command transport: works through log writes */
#define ATA_ID_INTEGRITY      255u
#define ATA_ID_INTEGRITY_SIGN 0xa5u /* low byte; the high one is a checksum */

#endif
