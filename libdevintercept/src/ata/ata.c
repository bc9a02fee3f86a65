/* see dvi/ata.h: set-up */
#include <dvi/pci.h>
#include <string.h>

#include "ata_channel.h"

/* One that answers IDENTIFY DEVICE at all does so at once, but may have to end a command of firmware's. */
#define READY_US (2000u * 1000u)

/* --- who is there --- */

static bool wait_ready(const struct dvi_ata_channel *c) {
    const struct dvi_host *h = c->ata->host;
    uint64_t start = h->now_us(h->ctx);
    while (ata_alt_status(c) & ATA_STATUS_BSY)
        if (h->now_us(h->ctx) - start > READY_US) return false;
    return true;
}

static bool is_nobody(uint8_t status) { return status == 0 || ata_is_floating(status); }

/* Poll a command that gives 512 bytes. MUST: no command is in progress. */
static bool poll(struct dvi_ata_channel *c, const uint8_t *fis, uint8_t *out) {
    ata_issue(c, fis);
    if (is_nobody(ata_alt_status(c)) || !wait_ready(c)) return false;
    bool good = (ata_alt_status(c) & (ATA_STATUS_DRQ | ATA_STATUS_ERR)) == ATA_STATUS_DRQ;
    if (good) ata_take_sector(c, out);
    (void)ata_in(c, c->cmd + ATA_COMMAND); /* the interrupt is ours */
    return good;
}

struct polled {
    struct dvi_ata_channel *c;
    const struct dvi_ata_device *device;
    uint8_t select;
};

static bool read_sector(void *ctx, uint64_t lba, void *dst) {
    const struct polled *x = ctx;
    uint8_t fis[FIS_H2D_BYTES] = {[FIS_H2D_COMMAND] = lba >> 28 ? ATA_READ_SECTORS_EXT : ATA_READ_SECTORS};
    fis[FIS_H2D_DEVICE] = x->select | ATA_DEVICE_LBA;
    acs_set_range(fis, lba, 1);
    return lba < x->device->id.n_sectors && poll(x->c, fis, dst);
}

static void identify(struct dvi_ata_channel *c, unsigned n) {
    uint8_t select = (uint8_t)(0xa0 | (n ? ATA_DEVICE_DEV : 0)), data[ATA_ID_BYTES];
    const uint8_t fis[FIS_H2D_BYTES] = {[FIS_H2D_COMMAND] = ATA_IDENTIFY_DEVICE, [FIS_H2D_DEVICE] = select};
    struct polled polled = {c, &c->device[n], select};
    const struct dvi_disk_reader reader = {&polled, read_sector};
    ata_out(c, c->cmd + ATA_DEVICE, select);
    for (unsigned i = 0; i < ATA_SETTLE_LOOKS; i++) (void)ata_alt_status(c);
    if (is_nobody(ata_alt_status(c)) || !wait_ready(c)) return;
    if (poll(c, fis, data)) ata_learn(c, &c->device[n], data, &reader);
}

static int take_channel(struct dvi_ata_channel *c) {
    const struct dvi_host *h = c->ata->host;
    if (c->bm) {
        c->bm_command = ata_in(c, c->bm + BM_COMMAND) & (BM_COMMAND_START | BM_COMMAND_TO_MEM);
        c->prdt = h->port_read(h->ctx, (uint16_t)(c->bm + BM_PRDT), 4);
    }
    uint8_t device = ata_in(c, c->cmd + ATA_DEVICE);
    c->fis[FIS_H2D_DEVICE] = device;
    bool absent = ata_is_floating(ata_alt_status(c)); /* the other device of the cable may be there */
    if (!absent && (!wait_ready(c) || (ata_alt_status(c) & ATA_STATUS_DRQ))) return DVI_E_DEVICE;
    for (unsigned n = 0; n < DVI_ATA_N_DEVICES; n++) identify(c, n);
    ata_out(c, c->cmd + ATA_DEVICE, device);
    return 0;
}

static void log_disks(const struct dvi_ata_channel *c) {
    const struct dvi_host *h = c->ata->host;
    struct dvi_bdf bdf = c->ata->bdf;
    for (unsigned n = 0; n < DVI_ATA_N_DEVICES; n++) {
        const struct dvi_ata_device *d = &c->device[n];
        if (!d->known) continue;
        h->log(h->ctx, "ata: %x:%x.%x port %u: %s, serial %s, %lu sectors, %s", bdf.bus, bdf.dev, bdf.fn, d->id.port,
               d->id.model, d->id.serial, (unsigned long)d->id.n_sectors, d->policy ? "mediated" : "no policy");
    }
}

/* --- where the ports are --- */

/* The base of an I/O BAR with at least n ports; 0 if it is none. */
static uint16_t io_bar(struct dvi_ata *a, unsigned index, uint32_t n) {
    struct dvi_pci_bar bar;
    if (dvi_pci_bar_probe(a->host, a->bdf, index, &bar) || bar.kind != DVI_PCI_BAR_IO) return 0;
    if (bar.n_bytes < n || bar.base > UINT16_MAX) return 0;
    a->bar_bytes[index] = (uint32_t)bar.n_bytes;
    a->bar_mask |= (uint8_t)BIT(index);
    return (uint16_t)bar.base;
}

static int find_ports(struct dvi_ata *a) {
    uint32_t mode = a->host->pci_read(a->host->ctx, a->bdf, PCI_CLASS_CODE, 1);
    uint16_t bm = mode & ATA_PROGIF_BUS_MASTER ? io_bar(a, ATA_BAR_BM, DVI_ATA_N_CHANNELS * BM_PORTS) : 0;
    for (unsigned n = 0; n < DVI_ATA_N_CHANNELS; n++) {
        struct dvi_ata_channel *c = &a->channel[n];
        c->ata = a;
        c->number = n;
        c->native = mode & ATA_PROGIF_NATIVE(n);
        c->cmd = c->native ? io_bar(a, ATA_BAR_CMD(n), ATA_CMD_PORTS) : ATA_LEGACY_CMD(n);
        uint16_t ctl = c->native ? io_bar(a, ATA_BAR_CTL(n), ATA_BAR_CTL_OFFSET + 1) : 0;
        c->ctl = c->native ? (uint16_t)(ctl + ATA_BAR_CTL_OFFSET) : ATA_LEGACY_CTL(n);
        c->bm = bm ? (uint16_t)(bm + n * BM_PORTS) : 0;
        if (c->cmd == 0 || (c->native && ctl == 0)) return DVI_E_CONFIG;
    }
    return 0;
}

/* --- init --- */

/* Memory for what the bus master moves; it knows 32 bits. */
static int add_memory(struct dvi_ata_channel *c) {
    const struct dvi_host *h = c->ata->host;
    hpa_t bus;
    c->table = h->dma_alloc(h->ctx, DATA_TABLE_BYTES, &bus);
    c->bm_table = h->dma_alloc(h->ctx, DATA_TABLE_PRDS * BM_PRD_BYTES, &c->bm_bus); /* one page */
    if (!c->table || !c->bm_table) return DVI_E_NOMEM;
    int error = data_pool_init(&c->pool, h, DATA_PART_SECTORS * DVI_UNIT_BYTES);
    if (!error && (c->bm_bus.v > UINT32_MAX || c->pool.bus.v > UINT32_MAX - DATA_PART_SECTORS * DVI_UNIT_BYTES))
        error = DVI_E_NOMEM;
    return error;
}
_Static_assert(DATA_TABLE_PRDS *BM_PRD_BYTES <= VMM_PAGE_BYTES, "a table does not cross 64 KiB");

static int trap_channel(struct dvi_ata_channel *c) {
    const struct dvi_host *h = c->ata->host;
    c->cmd_trap = h->pio_trap(h->ctx, c->cmd, ATA_CMD_PORTS, ata_on_cmd, c);
    if (c->cmd_trap < 0) return c->cmd_trap;
    c->ctl_trap = h->pio_trap(h->ctx, c->ctl, 1, ata_on_ctl, c);
    return c->ctl_trap < 0 ? c->ctl_trap : 0;
}

static int take(struct dvi_ata *a) {
    const struct dvi_host *h = a->host;
    a->was_command = h->pci_read(h->ctx, a->bdf, PCI_COMMAND, 2);
    a->taken = true;
    /* Some have a second way to their registers in memory space. */
    uint32_t command = a->was_command & ~(uint32_t)PCI_COMMAND_MEM;
    h->pci_write(h->ctx, a->bdf, PCI_COMMAND, 2, command | PCI_COMMAND_IO);
    int error = 0;
    for (unsigned n = 0; n < DVI_ATA_N_CHANNELS && !error; n++) {
        error = add_memory(&a->channel[n]);
        if (!error) error = take_channel(&a->channel[n]);
        if (!error) error = trap_channel(&a->channel[n]);
    }
    h->pci_write(h->ctx, a->bdf, PCI_COMMAND, 2, command);
    if (error) return error;
    uint16_t bm = a->channel[0].bm;
    if (bm) a->bm_trap = h->pio_trap(h->ctx, bm, DVI_ATA_N_CHANNELS * BM_PORTS, ata_on_bm, a);
    if (bm && a->bm_trap < 0) return a->bm_trap;
    a->decoding = command & PCI_COMMAND_IO;
    return h->pci_trap(h->ctx, a->bdf, ata_on_pci, a);
}

int dvi_ata_init(struct dvi_ata *a, const struct dvi_host *host, struct dvi_bdf bdf,
                 const struct dvi_ata_config *config) {
    memset(a, 0, sizeof *a);
    a->host = host;
    a->config = *config;
    a->bdf = bdf;
    a->bm_trap = -1;
    int error = host->slice_sectors < DVI_SLICE_MIN ? DVI_E_CONFIG : find_ports(a);
    if (!error) error = take(a);
    if (error) {
        dvi_ata_release(a);
        return error;
    }
    for (unsigned n = 0; n < DVI_ATA_N_CHANNELS; n++) log_disks(&a->channel[n]);
    return 0;
}

void dvi_ata_release(struct dvi_ata *a) {
    if (!a->taken) return;
    a->taken = false;
    a->host->pci_write(a->host->ctx, a->bdf, PCI_COMMAND, 2, a->was_command);
}

struct dvi_disk_stats dvi_ata_stats(struct dvi_ata *a) {
    vmm_lock(&a->lock);
    struct dvi_disk_stats stats = a->stats;
    vmm_unlock(&a->lock);
    return stats;
}
