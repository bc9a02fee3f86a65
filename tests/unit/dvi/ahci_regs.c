/* Registers and layouts of AHCI and ATA, typed a second time from the manuals, as raw numbers.
 * Sources: see ahci_regs.h and acs_regs.h. */
#include <criterion/criterion.h>
#include "../../../libdevintercept/src/ahci/ahci_regs.h"
#include "../../../libdevintercept/src/acs/acs_regs.h"

struct pair {
    const char *name;
    uint64_t have, want;
};
#define P(name, want)                                                                                                  \
    { #name, name, want }

static void compare(const struct pair *pairs, size_t n) {
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(pairs[i].have, pairs[i].want, "%s is %#lx, not %#lx", pairs[i].name, pairs[i].have, pairs[i].want);
}

Test(ahci_regs, generic_host_control) {
    static const struct pair pairs[] = {
        P(AHCI_ABAR, 5), /* 24h */
        P(AHCI_CAP, 0x00),
        P(AHCI_CAP_S64A, 0x80000000),
        P(AHCI_CAP_SPM, 0x00020000),
        P(AHCI_CAP_FBSS, 0x00010000),
        P(AHCI_CAP_NCS, 0x00001f00),
        P(AHCI_CAP_CCCS, 0x00000080),
        P(AHCI_CAP_EMS, 0x00000040),
        P(AHCI_GHC, 0x04),
        P(AHCI_GHC_AE, 0x80000000),
        P(AHCI_GHC_HR, 0x00000001),
        P(AHCI_IS, 0x08),
        P(AHCI_PI, 0x0c),
        P(AHCI_CCC_CTL, 0x14),
        P(AHCI_CCC_PORTS, 0x18),
        P(AHCI_BOHC, 0x28),
        P(AHCI_PORT(0), 0x100),
        P(AHCI_PORT(1), 0x180),
        P(AHCI_PORT(31), 0x1080),
        P(AHCI_SATACAP_ID, 0x12),
        P(AHCI_SATACR1, 4),
        P(AHCI_SATACR1_BARLOC, 0xf),
        P(AHCI_SATACR1_BARLOC_CONFIG, 0xf),
        P(AHCI_SATACAP_IDP, 8),
    };
    compare(pairs, sizeof pairs / sizeof pairs[0]);
}

Test(ahci_regs, ports) {
    static const struct pair pairs[] = {
        P(AHCI_PxCLB, 0x00),
        P(AHCI_PxCLB_ALIGN, 0xfffffc00),
        P(AHCI_PxCLBU, 0x04),
        P(AHCI_PxFB, 0x08),
        P(AHCI_PxFB_ALIGN, 0xffffff00),
        P(AHCI_PxFBU, 0x0c),
        P(AHCI_PxIS, 0x10),
        P(AHCI_PxIS_TFES, 0x40000000),
        P(AHCI_PxIS_HBFS, 0x20000000),
        P(AHCI_PxIS_HBDS, 0x10000000),
        P(AHCI_PxIS_IFS, 0x08000000),
        P(AHCI_PxIS_PRCS, 0x00400000),
        P(AHCI_PxIS_PCS, 0x00000040),
        P(AHCI_PxIS_DPS, 0x00000020),
        P(AHCI_PxIS_SDBS, 0x00000008),
        P(AHCI_PxIS_DSS, 0x00000004),
        P(AHCI_PxIS_PSS, 0x00000002),
        P(AHCI_PxIS_DHRS, 0x00000001),
        P(AHCI_PxIS_DONE, 0x0000002f),
        P(AHCI_PxIE, 0x14),
        P(AHCI_PxCMD, 0x18),
        P(AHCI_PxCMD_PMA, 0x00020000),
        P(AHCI_PxCMD_CR, 0x00008000),
        P(AHCI_PxCMD_FR, 0x00004000),
        P(AHCI_PxCMD_FRE, 0x00000010),
        P(AHCI_PxCMD_ST, 0x00000001),
        P(AHCI_PxTFD, 0x20),
        P(AHCI_PxSIG, 0x24),
        P(AHCI_PxSIG_ATA, 0x00000101),
        P(AHCI_PxSIG_ATAPI, 0xeb140101),
        P(AHCI_PxSSTS, 0x28),
        P(AHCI_PxSSTS_DET, 0xf),
        P(AHCI_PxSSTS_DET_PRESENT, 3),
        P(AHCI_PxSCTL, 0x2c),
        P(AHCI_PxSCTL_DET, 0xf),
        P(AHCI_PxSERR, 0x30),
        P(AHCI_PxSERR_DIAG_X, 0x04000000),
        P(AHCI_PxSERR_DIAG_N, 0x00010000),
        P(AHCI_PxSACT, 0x34),
        P(AHCI_PxCI, 0x38),
        P(AHCI_PxSNTF, 0x3c),
        P(AHCI_PxFBS, 0x40),
        P(AHCI_PxDEVSLP, 0x44),
    };
    compare(pairs, sizeof pairs / sizeof pairs[0]);
}

Test(ahci_regs, memory_structures) {
    static const struct pair pairs[] = {
        P(AHCI_RFIS_BYTES, 256),        P(AHCI_CMDHDR_BYTES, 32),       P(AHCI_CMDHDR_PRDTL, 0xffff0000),
        P(AHCI_CMDHDR_PMP, 0x0000f000), P(AHCI_CMDHDR_C, 0x00000400),   P(AHCI_CMDHDR_B, 0x00000200),
        P(AHCI_CMDHDR_R, 0x00000100),   P(AHCI_CMDHDR_W, 0x00000040),   P(AHCI_CMDHDR_A, 0x00000020),
        P(AHCI_CMDHDR_CFL, 0x0000001f), P(AHCI_CMDHDR_PRDBC, 4),        P(AHCI_CMDHDR_CTBA, 8),
        P(AHCI_CMDTBL_ALIGN, 128),      P(AHCI_CMDTBL_CFIS, 0),         P(AHCI_CMDTBL_ACMD, 64),
        P(AHCI_CMDTBL_PRDT, 128),       P(AHCI_PRD_MAX_BYTES, 4194304),
    };
    compare(pairs, sizeof pairs / sizeof pairs[0]);
}

Test(ata_regs, frames_and_commands) {
    static const struct pair pairs[] = {
        P(FIS_TYPE_H2D, 0x27),
        P(FIS_H2D_C, 0x80),
        P(FIS_H2D_COMMAND, 2),
        P(FIS_H2D_FEATURES, 3),
        P(FIS_H2D_LBA0, 4),
        P(FIS_H2D_DEVICE, 7),
        P(FIS_H2D_LBA3, 8),
        P(FIS_H2D_FEATURES_E, 11),
        P(FIS_H2D_COUNT, 12),
        P(FIS_H2D_COUNT_E, 13),
        P(FIS_H2D_AUX, 16),
        P(ATA_NOP, 0x00),
        P(ATA_DATA_SET_MANAGEMENT, 0x06),
        P(ATA_DEVICE_RESET, 0x08),
        P(ATA_READ_SECTORS, 0x20),
        P(ATA_READ_SECTORS_EXT, 0x24),
        P(ATA_READ_DMA_EXT, 0x25),
        P(ATA_READ_NATIVE_MAX_EXT, 0x27),
        P(ATA_READ_MULTIPLE_EXT, 0x29),
        P(ATA_READ_LOG_EXT, 0x2f),
        P(ATA_WRITE_SECTORS, 0x30),
        P(ATA_WRITE_SECTORS_EXT, 0x34),
        P(ATA_WRITE_DMA_EXT, 0x35),
        P(ATA_WRITE_MULTIPLE_EXT, 0x39),
        P(ATA_WRITE_DMA_FUA_EXT, 0x3d),
        P(ATA_READ_VERIFY, 0x40),
        P(ATA_READ_VERIFY_EXT, 0x42),
        P(ATA_READ_LOG_DMA_EXT, 0x47),
        P(ATA_READ_FPDMA_QUEUED, 0x60),
        P(ATA_WRITE_FPDMA_QUEUED, 0x61),
        P(ATA_PACKET, 0xa0),
        P(ATA_IDENTIFY_PACKET_DEVICE, 0xa1),
        P(ATA_SMART, 0xb0),
        P(ATA_READ_MULTIPLE, 0xc4),
        P(ATA_WRITE_MULTIPLE, 0xc5),
        P(ATA_SET_MULTIPLE, 0xc6),
        P(ATA_READ_DMA, 0xc8),
        P(ATA_WRITE_DMA, 0xca),
        P(ATA_WRITE_MULTIPLE_FUA_EXT, 0xce),
        P(ATA_STANDBY_IMMEDIATE, 0xe0),
        P(ATA_IDLE_IMMEDIATE, 0xe1),
        P(ATA_STANDBY, 0xe2),
        P(ATA_IDLE, 0xe3),
        P(ATA_CHECK_POWER_MODE, 0xe5),
        P(ATA_SLEEP, 0xe6),
        P(ATA_FLUSH_CACHE, 0xe7),
        P(ATA_FLUSH_CACHE_EXT, 0xea),
        P(ATA_IDENTIFY_DEVICE, 0xec),
        P(ATA_SET_FEATURES, 0xef),
        P(ATA_READ_NATIVE_MAX, 0xf8),
        P(ATA_DSM_RANGE_LBA, 0x0000ffffffffffff),
        P(ATA_DSM_RANGE_LENGTH, 0xffff000000000000),
    };
    compare(pairs, sizeof pairs / sizeof pairs[0]);
}
