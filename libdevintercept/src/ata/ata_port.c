/* see ata_channel.h: what the guest's accesses to the ports mean */
#include "ata_channel.h"

/* --- command block and control register --- */

/* Firmware's and drivers' presence tests read back what they wrote, so it goes to the device at once; what a command
 * will read is kept here. */
static void write_register(struct dvi_ata_channel *c, unsigned reg, uint8_t value) {
    if (reg == ATA_COMMAND) {
        ata_command(c, value);
        return;
    }
    if (ata_busy(c)) {
        c->ata->stats.bad_registers++;
        return;
    }
    uint8_t *f = c->fis;
    switch (reg) {
    case ATA_FEATURES:
        f[FIS_H2D_FEATURES_E] = f[FIS_H2D_FEATURES];
        f[FIS_H2D_FEATURES] = value;
        break;
    case ATA_COUNT:
        f[FIS_H2D_COUNT_E] = f[FIS_H2D_COUNT];
        f[FIS_H2D_COUNT] = value;
        break;
    case ATA_DEVICE: f[FIS_H2D_DEVICE] = value; break;
    default:
        f[FIS_H2D_LBA3 + reg - ATA_LBA0] = f[FIS_H2D_LBA0 + reg - ATA_LBA0];
        f[FIS_H2D_LBA0 + reg - ATA_LBA0] = value;
    }
    ata_out(c, c->cmd + reg, value);
}

/* port: of the status or of the alternate status. */
static uint8_t read_status(struct dvi_ata_channel *c, unsigned port) {
    ata_dma_poll(c, true);
    /* A part may have ended since, but only the end of the last one, once noticed, is the guest's business. */
    if (c->phase == PHASE_DMA) return ATA_STATUS_BSY;
    if (c->phase == PHASE_HELD) return ATA_STATUS_DRDY | ATA_STATUS_DRQ;
    if (c->loaded) return c->status;
    uint8_t status = ata_in(c, port);
    ata_settle_translation(c, status);
    return status;
}

static void write_control(struct dvi_ata_channel *c, uint8_t value) {
    if (value & ATA_CTL_SRST) {
        ata_dma_stop(c);
        ata_forget(c);
        ata_reset_translations(c);
    }
    ata_out(c, c->ctl, value);
}

static enum vmm_verdict cmd_access(struct dvi_ata_channel *c, struct vmm_access *access) {
    unsigned reg = (unsigned)access->addr - c->cmd;
    if (reg == ATA_DATA) return ata_data(c, access) ? VMM_HANDLED : VMM_SKIP;
    if (reg >= ATA_CMD_PORTS || access->n_bytes != 1) return VMM_SKIP;
    if (access->write)
        write_register(c, reg, (uint8_t)access->value);
    else
        access->value = reg == ATA_COMMAND ? read_status(c, c->cmd + reg) : ata_in(c, c->cmd + reg);
    return VMM_HANDLED;
}

static enum vmm_verdict ctl_access(struct dvi_ata_channel *c, struct vmm_access *access) {
    if (access->addr != c->ctl || access->n_bytes != 1) return VMM_SKIP;
    if (access->write)
        write_control(c, (uint8_t)access->value);
    else
        access->value = read_status(c, c->ctl);
    return VMM_HANDLED;
}

/* --- bus master --- */

static void write_bm_command(struct dvi_ata_channel *c, uint8_t value) {
    bool was = c->bm_command & BM_COMMAND_START;
    c->bm_command = value & (BM_COMMAND_START | BM_COMMAND_TO_MEM);
    if (!(value & BM_COMMAND_START))
        ata_dma_stop(c);
    else if (!was)
        ata_dma_start(c);
}

static void write_bm(struct dvi_ata_channel *c, unsigned reg, uint8_t value) {
    switch (reg) {
    case BM_COMMAND: write_bm_command(c, value); break;
    case BM_STATUS:
        ata_dma_poll(c, true);
        ata_out(c, c->bm + reg, value);
        break;
    case BM_COMMAND + 1:
    case BM_STATUS + 1: break; /* reserved, or the maker's */
    default: {
        unsigned shift = 8 * (reg - BM_PRDT);
        c->prdt = ((c->prdt & ~(UINT32_C(0xff) << shift)) | (uint32_t)value << shift) & BM_PRDT_ADDR;
    }
    }
}

static uint8_t read_bm(struct dvi_ata_channel *c, unsigned reg) {
    if (reg == BM_COMMAND) return c->bm_command;
    if (reg >= BM_PRDT) return (uint8_t)(c->prdt >> 8 * (reg - BM_PRDT));
    if (reg == BM_STATUS) ata_dma_poll(c, true);
    uint8_t value = ata_in(c, c->bm + reg);
    if (reg != BM_STATUS || c->phase != PHASE_DMA) return value;
    value &= (uint8_t) ~(BM_STATUS_INTERRUPT | BM_STATUS_ERROR); /* as in read_status */
    return value | BM_STATUS_ACTIVE;
}

/* Byte by byte, the highest first: a start comes after what else is in the same write. */
static enum vmm_verdict bm_access(struct dvi_ata *a, struct vmm_access *access) {
    unsigned first = (unsigned)access->addr - a->channel[0].bm, n = access->n_bytes;
    if (first % n || first >= DVI_ATA_N_CHANNELS * BM_PORTS) return VMM_SKIP;
    struct dvi_ata_channel *c = &a->channel[first / BM_PORTS];
    uint64_t value = access->value;
    access->value = 0;
    for (unsigned i = n; i-- > 0;) {
        unsigned reg = (first + i) % BM_PORTS;
        if (access->write)
            write_bm(c, reg, (uint8_t)(value >> 8 * i));
        else
            access->value |= (uint64_t)read_bm(c, reg) << 8 * i;
    }
    return VMM_HANDLED;
}

/* --- the traps --- */

enum vmm_verdict ata_on_cmd(void *cookie, struct vmm_access *access) {
    struct dvi_ata_channel *c = cookie;
    vmm_lock(&c->ata->lock);
    enum vmm_verdict verdict = c->ata->decoding ? cmd_access(c, access) : VMM_SKIP;
    vmm_unlock(&c->ata->lock);
    return verdict;
}

enum vmm_verdict ata_on_ctl(void *cookie, struct vmm_access *access) {
    struct dvi_ata_channel *c = cookie;
    vmm_lock(&c->ata->lock);
    enum vmm_verdict verdict = c->ata->decoding ? ctl_access(c, access) : VMM_SKIP;
    vmm_unlock(&c->ata->lock);
    return verdict;
}

enum vmm_verdict ata_on_bm(void *cookie, struct vmm_access *access) {
    struct dvi_ata *a = cookie;
    vmm_lock(&a->lock);
    enum vmm_verdict verdict = a->decoding ? bm_access(a, access) : VMM_SKIP;
    vmm_unlock(&a->lock);
    return verdict;
}
