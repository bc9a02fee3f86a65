/* see ata_channel.h: configuration space. The ports may move, and the traps follow; memory space stays off, and the
 * operating mode as it is. */
#include <dvi/pci.h>

#include "ata_channel.h"

static uint32_t cfg_rd(const struct dvi_ata *a, unsigned offset, unsigned n_bytes) {
    return a->host->pci_read(a->host->ctx, a->bdf, offset, n_bytes);
}

static void cfg_wr(const struct dvi_ata *a, unsigned offset, unsigned n_bytes, uint32_t value) {
    a->host->pci_write(a->host->ctx, a->bdf, offset, n_bytes, value);
}

static uint64_t base(const struct dvi_ata *a, unsigned bar) {
    return dvi_pci_bar_decode(cfg_rd(a, PCI_BAR(bar), 4), 0).base;
}

/* False: no port, or one that cannot be trapped. */
static bool follow_one(const struct dvi_ata *a, int trap, uint64_t to, uint16_t *port) {
    if (to == *port) return true;
    if (to == 0 || to > UINT16_MAX - BM_PORTS * DVI_ATA_N_CHANNELS) return false;
    if (a->host->pio_move(a->host->ctx, trap, (uint16_t)to)) return false;
    *port = (uint16_t)to;
    return true;
}

/* Put the traps where the BARs are, before I/O decoding is switched on. False: that cannot be trapped. */
static bool follow(struct dvi_ata *a) {
    bool ok = true;
    for (unsigned n = 0; n < DVI_ATA_N_CHANNELS; n++) {
        struct dvi_ata_channel *c = &a->channel[n];
        if (!c->native) continue;
        ok = ok && follow_one(a, c->cmd_trap, base(a, ATA_BAR_CMD(n)), &c->cmd);
        ok = ok && follow_one(a, c->ctl_trap, base(a, ATA_BAR_CTL(n)) + ATA_BAR_CTL_OFFSET, &c->ctl);
    }
    if (a->bm_trap >= 0 && ok) {
        ok = follow_one(a, a->bm_trap, base(a, ATA_BAR_BM), &a->channel[0].bm);
        a->channel[1].bm = (uint16_t)(a->channel[0].bm + BM_PORTS);
    }
    if (!ok) a->host->log(a->host->ctx, "ata: cannot trap the registers where they were moved to, switched off");
    return ok;
}

/* The low byte of COMMAND, as far as the guest may choose. */
static void write_command(struct dvi_ata *a, uint32_t value) {
    value &= ~(uint32_t)PCI_COMMAND_MEM;
    a->decoding = (value & PCI_COMMAND_IO) && follow(a);
    if (!a->decoding) value &= ~(uint32_t)PCI_COMMAND_IO;
    cfg_wr(a, PCI_COMMAND, 1, value);
}

static void write_bar(struct dvi_ata *a, unsigned bar, unsigned offset, unsigned n_bytes, uint32_t value) {
    uint32_t now = dvi_pci_merge(cfg_rd(a, PCI_BAR(bar), 4), offset, n_bytes, value);
    a->sizing = (uint8_t)(a->sizing & ~BIT(bar));
    if (dvi_pci_bar_is_sizing(DVI_PCI_BAR_IO, false, now)) {
        a->sizing = (uint8_t)(a->sizing | BIT(bar));
        return;
    }
    uint32_t command = cfg_rd(a, PCI_COMMAND, 1);
    cfg_wr(a, PCI_COMMAND, 1, command & ~(uint32_t)PCI_COMMAND_IO);
    cfg_wr(a, PCI_BAR(bar), 4, now);
    write_command(a, command);
}

/* The BAR we follow that the offset is in; DVI_ATA_N_BARS: none. */
static unsigned bar_at(const struct dvi_ata *a, unsigned offset) {
    unsigned bar = (offset - PCI_BAR(0)) / 4;
    return offset >= PCI_BAR(0) && bar < DVI_ATA_N_BARS && (a->bar_mask & BIT(bar)) ? bar : DVI_ATA_N_BARS;
}

static void write(struct dvi_ata *a, unsigned offset, unsigned n_bytes, uint32_t value) {
    unsigned bar = bar_at(a, offset);
    if (bar < DVI_ATA_N_BARS) {
        write_bar(a, bar, offset, n_bytes, value);
    } else if (offset == PCI_COMMAND) {
        if (n_bytes > 1) cfg_wr(a, PCI_COMMAND + 1, 1, value >> 8 & 0xff);
        if (n_bytes > 2) cfg_wr(a, PCI_STATUS, 2, value >> 16);
        write_command(a, value & 0xff);
    } else if (!vmm_ranges_overlap(offset, n_bytes, PCI_CLASS_CODE, 1)) {
        cfg_wr(a, offset, n_bytes, value);
    }
}

static uint32_t read(const struct dvi_ata *a, unsigned offset, unsigned n_bytes) {
    unsigned bar = bar_at(a, offset);
    if (bar == DVI_ATA_N_BARS || !(a->sizing & BIT(bar))) return cfg_rd(a, offset, n_bytes);
    return (~(a->bar_bytes[bar] - 1) | PCI_BAR_IO) >> 8 * (offset % 4);
}

enum vmm_verdict ata_on_pci(void *cookie, struct vmm_access *access) {
    struct dvi_ata *a = cookie;
    unsigned offset = (unsigned)access->addr, n = access->n_bytes;
    if (n > 4 || offset % n) return VMM_SKIP;
    vmm_lock(&a->lock);
    if (access->write)
        write(a, offset, n, (uint32_t)access->value);
    else
        access->value = read(a, offset, n);
    vmm_unlock(&a->lock);
    return VMM_HANDLED;
}
