/* see dvi/ahci.h: set-up */
#include <dvi/pci.h>
#include <string.h>

#include "ahci_shadow.h"

/* AHCI 1.3.1, 2.4.2 "SATACR1": the registers' second way in may be in configuration space itself. */
static unsigned find_idp(const struct dvi_host *h, struct dvi_bdf bdf) {
    if (!(h->pci_read(h->ctx, bdf, PCI_STATUS, 2) & PCI_STATUS_CAPS)) return 0;
    unsigned cap = h->pci_read(h->ctx, bdf, PCI_CAP_PTR, 1) & PCI_CAP_PTR_ADDR;
    for (unsigned i = 0; cap && i < PCI_N_CAPS; i++) {
        if (h->pci_read(h->ctx, bdf, cap + PCI_CAP_ID, 1) == AHCI_SATACAP_ID) {
            uint32_t cr1 = h->pci_read(h->ctx, bdf, cap + AHCI_SATACR1, 4);
            return FIELD_GET(AHCI_SATACR1_BARLOC, cr1) == AHCI_SATACR1_BARLOC_CONFIG ? cap + AHCI_SATACAP_IDP : 0;
        }
        cap = h->pci_read(h->ctx, bdf, cap + PCI_CAP_NEXT, 1) & PCI_CAP_PTR_ADDR;
    }
    return 0;
}

static int find_registers(struct dvi_ahci *a) {
    struct dvi_pci_bar bar;
    if (dvi_pci_bar_probe(a->host, a->bdf, AHCI_ABAR, &bar)) return DVI_E_CONFIG;
    if (bar.kind != DVI_PCI_BAR_MEM32 || bar.base == 0 || bar.n_bytes < AHCI_PORT(1)) return DVI_E_CONFIG;
    a->abar = bar.base;
    a->abar_bytes = (uint32_t)bar.n_bytes;
    a->idp = find_idp(a->host, a->bdf);
    return 0;
}

/* True if the device can reach n_bytes at addr. */
static bool reachable(const struct dvi_ahci *a, hpa_t addr, size_t n_bytes) {
    return (a->cap & AHCI_CAP_S64A) || addr.v + n_bytes <= UINT32_MAX;
}

static int add_port(struct dvi_ahci *a, unsigned n) {
    struct dvi_ahci_port *p = &a->port[n];
    uint32_t n_slots = (uint32_t)FIELD_GET(AHCI_CAP_NCS, a->cap) + 1;
    size_t n_bytes = AHCI_SHADOW_TABLES + n_slots * AHCI_TABLE_BYTES;
    p->number = n;
    p->regs = AHCI_PORT(n);
    p->mem = a->host->dma_alloc(a->host->ctx, n_bytes, &p->bus);
    return p->mem && reachable(a, p->bus, n_bytes) ? 0 : DVI_E_NOMEM;
}

/* All ports of the controller, with memory decoding and bus mastering on. */
static int take_ports(struct dvi_ahci *a) {
    a->was_ghc = ahci_rd(a, AHCI_GHC);
    ahci_wr(a, AHCI_GHC, a->was_ghc | AHCI_GHC_AE);
    a->cap = ahci_rd(a, AHCI_CAP);
    a->pi = ahci_rd(a, AHCI_PI);
    a->slots = (uint32_t)(BIT(FIELD_GET(AHCI_CAP_NCS, a->cap) + 1) - 1);
    if (a->cap & AHCI_CAP_CCCS) {
        a->was_ccc = ahci_rd(a, AHCI_CCC_CTL);
        ahci_wr(a, AHCI_CCC_CTL, 0);
    }
    int error = data_pool_init(&a->pool, a->host, a->config.pool_bytes);
    if (!error && !reachable(a, a->pool.bus, a->config.pool_bytes)) error = DVI_E_NOMEM;
    FOR_EACH_BIT(n, a->pi) {
        if (AHCI_PORT(n + 1) > a->abar_bytes) return DVI_E_CONFIG;
        if (!error) error = add_port(a, n);
        if (!error) error = ahci_takeover(a, &a->port[n]);
    }
    return error;
}

static void log_disks(const struct dvi_ahci *a) {
    const struct dvi_host *h = a->host;
    FOR_EACH_BIT(n, a->pi) {
        const struct dvi_ahci_port *p = &a->port[n];
        if (!p->known) continue;
        h->log(h->ctx, "ahci: %x:%x.%x port %u: %s, serial %s, %lu sectors, %s", a->bdf.bus, a->bdf.dev, a->bdf.fn, n,
               p->id.model, p->id.serial, (unsigned long)p->id.n_sectors, p->policy ? "mediated" : "no policy");
    }
}

static int take_controller(struct dvi_ahci *a) {
    const struct dvi_host *host = a->host;
    a->was_command = host->pci_read(host->ctx, a->bdf, PCI_COMMAND, 2);
    a->taken = true;
    uint32_t command = a->was_command & ~(uint32_t)PCI_COMMAND_IO;
    host->pci_write(host->ctx, a->bdf, PCI_COMMAND, 2, command | PCI_COMMAND_MEM | PCI_COMMAND_BM);
    int error = take_ports(a);
    host->pci_write(host->ctx, a->bdf, PCI_COMMAND, 2, command);
    if (error) return error;

    uint64_t first = a->abar & ~VMM_PAGE_MASK;
    uint64_t end = (a->abar + a->abar_bytes + VMM_PAGE_MASK) & ~VMM_PAGE_MASK;
    a->trap = host->mmio_trap(host->ctx, gpa(first), end - first, ahci_on_mmio, a);
    if (a->trap < 0) return a->trap;
    a->trapped = true;
    a->decoding = command & PCI_COMMAND_MEM;
    return host->pci_trap(host->ctx, a->bdf, ahci_on_pci, a);
}

int dvi_ahci_init(struct dvi_ahci *a, const struct dvi_host *host, struct dvi_bdf bdf,
                  const struct dvi_ahci_config *config) {
    memset(a, 0, sizeof *a);
    a->host = host;
    a->slice.lock = &a->lock;
    a->config = *config;
    a->bdf = bdf;
    if (config->pool_bytes < DVI_AHCI_MIN_POOL || config->pool_bytes > DVI_AHCI_MAX_POOL) return DVI_E_CONFIG;
    if (config->pool_bytes % VMM_PAGE_BYTES || host->slice_sectors < DVI_SLICE_MIN) return DVI_E_CONFIG;
    int error = find_registers(a);
    if (!error) error = take_controller(a);
    if (!error)
        log_disks(a);
    else if (dvi_ahci_release(a))
        error = DVI_E_DEVICE;
    return error;
}

int dvi_ahci_release(struct dvi_ahci *a) {
    if (!a->taken) return 0;
    a->taken = false;
    const struct dvi_host *host = a->host;
    uint32_t command = a->was_command;
    host->pci_write(host->ctx, a->bdf, PCI_COMMAND, 2, command | PCI_COMMAND_MEM | PCI_COMMAND_BM);
    int error = 0;
    for (unsigned n = 0; n < DVI_AHCI_N_PORTS; n++)
        if (ahci_give_back(a, &a->port[n])) error = DVI_E_DEVICE;
    if (a->cap & AHCI_CAP_CCCS) ahci_wr(a, AHCI_CCC_CTL, a->was_ccc);
    if (!(a->was_ghc & AHCI_GHC_AE)) ahci_wr(a, AHCI_GHC, a->was_ghc);
    if (error) command &= ~(uint32_t)PCI_COMMAND_BM;
    host->pci_write(host->ctx, a->bdf, PCI_COMMAND, 2, command);
    return error;
}

struct dvi_disk_stats dvi_ahci_stats(struct dvi_ahci *a) {
    vmm_lock(&a->lock);
    struct dvi_disk_stats stats = a->stats;
    vmm_unlock(&a->lock);
    return stats;
}
