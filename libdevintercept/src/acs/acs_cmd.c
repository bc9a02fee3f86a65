/* see acs_cmd.h: commands and what a policy says of them */
#include "acs_cmd.h"

#include "../bytes.h"

enum addressing { NONE, LBA28, LBA48, NCQ };

/* Commands by opcode, and two of them by the features field, too; those not here are refused. 0, which is NOP and no
 * feature, ends a list. */
static const struct class {
    uint8_t kind, addressing;
    bool dma;
    uint8_t opcodes[16];
} classes[] = {
    {ACS_READ, LBA28, false, {ATA_READ_SECTORS, ATA_READ_SECTORS_NORETRY, ATA_READ_MULTIPLE}},
    {ACS_READ, LBA28, true, {ATA_READ_DMA, ATA_READ_DMA_NORETRY}},
    {ACS_READ, LBA48, false, {ATA_READ_SECTORS_EXT, ATA_READ_MULTIPLE_EXT}},
    {ACS_READ, LBA48, true, {ATA_READ_DMA_EXT}},
    {ACS_READ, NCQ, true, {ATA_READ_FPDMA_QUEUED}},
    {ACS_WRITE, LBA28, false, {ATA_WRITE_SECTORS, ATA_WRITE_SECTORS_NORETRY, ATA_WRITE_MULTIPLE}},
    {ACS_WRITE, LBA28, true, {ATA_WRITE_DMA, ATA_WRITE_DMA_NORETRY}},
    {ACS_WRITE, LBA48, false, {ATA_WRITE_SECTORS_EXT, ATA_WRITE_MULTIPLE_EXT, ATA_WRITE_MULTIPLE_FUA_EXT}},
    {ACS_WRITE, LBA48, true, {ATA_WRITE_DMA_EXT, ATA_WRITE_DMA_FUA_EXT}},
    {ACS_WRITE, NCQ, true, {ATA_WRITE_FPDMA_QUEUED}},
    {ACS_VERIFY, LBA28, false, {ATA_READ_VERIFY, ATA_READ_VERIFY_NORETRY}},
    {ACS_VERIFY, LBA48, false, {ATA_READ_VERIFY_EXT}},
    {ACS_NO_DATA,
     NONE,
     false,
     {ATA_DEVICE_RESET, ATA_READ_NATIVE_MAX, ATA_READ_NATIVE_MAX_EXT, ATA_SET_MULTIPLE, ATA_STANDBY,
      ATA_STANDBY_IMMEDIATE, ATA_IDLE, ATA_IDLE_IMMEDIATE, ATA_CHECK_POWER_MODE, ATA_SLEEP, ATA_FLUSH_CACHE,
      ATA_FLUSH_CACHE_EXT}},
    {ACS_IN, NONE, false, {ATA_READ_LOG_EXT, ATA_IDENTIFY_PACKET_DEVICE}},
    {ACS_IN, NONE, true, {ATA_READ_LOG_DMA_EXT}},
    {ACS_IDENTIFY, NONE, false, {ATA_IDENTIFY_DEVICE}},
    {ACS_TRIM, NONE, true, {ATA_DATA_SET_MANAGEMENT}},
    {ACS_PACKET, NONE, false, {ATA_PACKET}},
};
static const struct {
    uint8_t opcode, kind;
    uint8_t features[20];
} by_feature[] = {
    {ATA_SMART, ACS_IN, {ATA_SMART_READ_DATA, ATA_SMART_READ_THRESHOLDS, ATA_SMART_READ_LOG}},
    {ATA_SMART, ACS_NO_DATA, {ATA_SMART_ENABLE, ATA_SMART_RETURN_STATUS}},
    {ATA_SET_FEATURES,
     ACS_NO_DATA,
     {ATA_SETF_WCACHE_ON, ATA_SETF_WCACHE_OFF, ATA_SETF_XFER_MODE, ATA_SETF_APM_ON, ATA_SETF_APM_OFF, ATA_SETF_PUIS_ON,
      ATA_SETF_PUIS_OFF, ATA_SETF_PUIS_SPINUP, ATA_SETF_SATA_ON, ATA_SETF_SATA_OFF, ATA_SETF_AAM_ON, ATA_SETF_AAM_OFF,
      ATA_SETF_EPC, ATA_SETF_LOOKAHEAD_ON, ATA_SETF_LOOKAHEAD_OFF, ATA_SETF_NO_REVERT, ATA_SETF_REVERT}},
};

static bool listed(const uint8_t *list, uint8_t value) {
    while (*list && *list != value) list++;
    return *list != 0;
}

static struct class class_of(const uint8_t *fis) {
    uint8_t opcode = fis[FIS_H2D_COMMAND];
    for (unsigned i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (listed(classes[i].opcodes, opcode)) return classes[i];
    for (unsigned i = 0; i < sizeof by_feature / sizeof by_feature[0]; i++)
        if (by_feature[i].opcode == opcode && listed(by_feature[i].features, fis[FIS_H2D_FEATURES]))
            return (struct class){.kind = by_feature[i].kind};
    return (struct class){.kind = ACS_REFUSE};
}

static uint32_t count16(const uint8_t *fis) { return fis[FIS_H2D_COUNT] | (uint32_t)fis[FIS_H2D_COUNT_E] << 8; }

static uint32_t lba24(const uint8_t *at) { return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16; }

/* Where the sectors are, and false if that is not said in a way we follow. */
static bool parse_range(const uint8_t *fis, unsigned addressing, unsigned tag, struct acs_cmd *cmd) {
    uint8_t device = fis[FIS_H2D_DEVICE];
    if (!(device & ATA_DEVICE_LBA)) return false;
    cmd->lba = lba24(fis + FIS_H2D_LBA0);
    switch (addressing) {
    case LBA28:
        cmd->lba |= (uint64_t)(device & ATA_DEVICE_LBA28) << 24;
        cmd->n_sectors = fis[FIS_H2D_COUNT] ? fis[FIS_H2D_COUNT] : 256;
        return true;
    case LBA48: cmd->n_sectors = count16(fis); break;
    default: /* NCQ */
        cmd->n_sectors = fis[FIS_H2D_FEATURES] | (uint32_t)fis[FIS_H2D_FEATURES_E] << 8;
        cmd->queued = true;
        if (fis[FIS_H2D_COUNT] >> ATA_NCQ_TAG_SHIFT != tag) return false;
    }
    cmd->lba |= (uint64_t)lba24(fis + FIS_H2D_LBA3) << 24;
    if (cmd->n_sectors == 0) cmd->n_sectors = 65536;
    return true;
}

struct acs_cmd acs_cmd_parse(const uint8_t fis[FIS_H2D_BYTES], unsigned tag) {
    const struct class class = class_of(fis);
    const struct acs_cmd refuse = {
        .kind = ACS_REFUSE, .queued = class.addressing == NCQ, .lba28 = class.addressing == LBA28};
    struct acs_cmd cmd = {.kind = class.kind, .dma = class.dma, .lba28 = refuse.lba28};
    if (acs_kind_has_lba(cmd.kind) && !parse_range(fis, class.addressing, tag, &cmd)) return refuse;
    if (cmd.kind == ACS_TRIM) {
        cmd.n_sectors = count16(fis);
        if (fis[FIS_H2D_FEATURES] != ATA_DSM_TRIM || cmd.n_sectors == 0 || cmd.n_sectors > ACS_TRIM_MAX_BLOCKS)
            return refuse;
    }
    if (cmd.kind == ACS_PACKET) cmd.dma = fis[FIS_H2D_FEATURES] & ATA_PACKET_DMA;
    return cmd;
}

static void put_lba24(uint8_t *at, uint64_t lba) {
    at[0] = (uint8_t)lba;
    at[1] = (uint8_t)(lba >> 8);
    at[2] = (uint8_t)(lba >> 16);
}

void acs_set_range(uint8_t fis[FIS_H2D_BYTES], uint64_t lba, uint32_t n_sectors) {
    uint8_t *count = fis + FIS_H2D_COUNT, *count_e = fis + FIS_H2D_COUNT_E;
    put_lba24(fis + FIS_H2D_LBA0, lba);
    switch (class_of(fis).addressing) {
    case LBA28:
        fis[FIS_H2D_DEVICE] = (uint8_t)((fis[FIS_H2D_DEVICE] & ~ATA_DEVICE_LBA28) | (lba >> 24 & ATA_DEVICE_LBA28));
        *count = (uint8_t)n_sectors;
        return;
    case NCQ:
        count = fis + FIS_H2D_FEATURES;
        count_e = fis + FIS_H2D_FEATURES_E;
        break;
    default: break;
    }
    put_lba24(fis + FIS_H2D_LBA3, lba >> 24);
    *count = (uint8_t)n_sectors;
    *count_e = (uint8_t)(n_sectors >> 8);
}

bool acs_range_ok(const struct dvi_policy *policy, enum acs_kind kind, uint64_t lba, uint64_t n_sectors) {
    if (n_sectors > UINT64_MAX - lba) return false;
    while (policy && n_sectors > 0) {
        struct dvi_span span = dvi_policy_lookup(policy, lba, n_sectors);
        if (span.action == DVI_DENY) return false;
        if (span.action == DVI_READ_ONLY && (kind == ACS_WRITE || kind == ACS_TRIM)) return false;
        lba += span.n_sectors;
        n_sectors -= span.n_sectors;
    }
    return true;
}

bool acs_trim_ok(const uint8_t *blocks, uint32_t n_bytes, const struct dvi_policy *policy) {
    for (uint32_t i = 0; i < n_bytes; i += 8) {
        uint64_t entry = get64(blocks + i);
        uint64_t n_sectors = FIELD_GET(ATA_DSM_RANGE_LENGTH, entry);
        if (n_sectors && !acs_range_ok(policy, ACS_TRIM, FIELD_GET(ATA_DSM_RANGE_LBA, entry), n_sectors)) return false;
    }
    return true;
}

void acs_count(struct dvi_disk_stats *stats, enum acs_kind kind) {
    if (kind == ACS_READ)
        stats->reads++;
    else if (kind == ACS_WRITE)
        stats->writes++;
    else
        stats->passed++;
}

bool acs_allowed(const struct dvi_disk_id *id, const struct dvi_policy *policy, const struct acs_cmd *cmd) {
    if (id->sector_bytes < DVI_UNIT_BYTES || (policy && id->sector_bytes != DVI_UNIT_BYTES)) return false;
    return cmd->kind == ACS_TRIM || acs_range_ok(policy, cmd->kind, cmd->lba, cmd->n_sectors);
}
