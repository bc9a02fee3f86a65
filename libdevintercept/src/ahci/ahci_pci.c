/* see ahci_shadow.h: configuration space. The ABAR may move, and the trap follows; I/O space stays off. */
#include <dvi/pci.h>

#include "ahci_shadow.h"

static uint32_t cfg_rd(const struct dvi_ahci *a, unsigned offset, unsigned n_bytes) {
    return a->host->pci_read(a->host->ctx, a->bdf, offset, n_bytes);
}

static void cfg_wr(const struct dvi_ahci *a, unsigned offset, unsigned n_bytes, uint32_t value) {
    a->host->pci_write(a->host->ctx, a->bdf, offset, n_bytes, value);
}

/* Put the trap where the BAR is, before memory decoding is switched on. False: that cannot be trapped. */
static bool follow(struct dvi_ahci *a) {
    uint64_t base = dvi_pci_bar_decode(cfg_rd(a, PCI_BAR(AHCI_ABAR), 4), 0).base;
    if (a->trapped && base == a->abar) return true;
    a->trapped = !a->host->mmio_move(a->host->ctx, a->trap, gpa(base & ~VMM_PAGE_MASK));
    a->abar = base;
    if (!a->trapped)
        a->host->log(a->host->ctx, "ahci: cannot trap registers at %lx, switched off", (unsigned long)base);
    return a->trapped;
}

/* The low byte of COMMAND, as far as the guest may choose. */
static void write_command(struct dvi_ahci *a, uint32_t value) {
    value &= ~(uint32_t)PCI_COMMAND_IO; /* there are registers in I/O space too */
    a->decoding = (value & PCI_COMMAND_MEM) && follow(a);
    if (!a->decoding) value &= ~(uint32_t)PCI_COMMAND_MEM;
    cfg_wr(a, PCI_COMMAND, 1, value);
}

static void write_bar(struct dvi_ahci *a, unsigned offset, unsigned n_bytes, uint32_t value) {
    uint32_t bar = dvi_pci_merge(cfg_rd(a, PCI_BAR(AHCI_ABAR), 4), offset, n_bytes, value);
    a->sizing = dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM32, false, bar);
    if (a->sizing) return;
    uint32_t command = cfg_rd(a, PCI_COMMAND, 1);
    cfg_wr(a, PCI_COMMAND, 1, command & ~(uint32_t)PCI_COMMAND_MEM);
    cfg_wr(a, PCI_BAR(AHCI_ABAR), 4, bar);
    write_command(a, command);
}

static bool touches(const struct vmm_access *access, unsigned offset, unsigned n_bytes) {
    return vmm_ranges_overlap(access->addr, access->n_bytes, offset, n_bytes);
}

static void write(struct dvi_ahci *a, unsigned offset, unsigned n_bytes, uint32_t value) {
    const struct vmm_access access = {.addr = offset, .n_bytes = (uint8_t)n_bytes};
    if (touches(&access, PCI_BAR(AHCI_ABAR), 4)) {
        write_bar(a, offset, n_bytes, value);
    } else if (offset == PCI_COMMAND) {
        if (n_bytes > 1) cfg_wr(a, PCI_COMMAND + 1, 1, value >> 8 & 0xff);
        if (n_bytes > 2) cfg_wr(a, PCI_STATUS, 2, value >> 16);
        write_command(a, value & 0xff);
    } else {
        cfg_wr(a, offset, n_bytes, value);
    }
}

static uint32_t read(const struct dvi_ahci *a, unsigned offset, unsigned n_bytes) {
    const struct vmm_access access = {.addr = offset, .n_bytes = (uint8_t)n_bytes};
    if (!a->sizing || !touches(&access, PCI_BAR(AHCI_ABAR), 4)) return cfg_rd(a, offset, n_bytes);
    return ~(a->abar_bytes - 1) >> 8 * (offset % 4);
}

enum vmm_verdict ahci_on_pci(void *cookie, struct vmm_access *access) {
    struct dvi_ahci *a = cookie;
    unsigned offset = (unsigned)access->addr, n = access->n_bytes;
    if (n > 4 || offset % n) return VMM_SKIP;

    vmm_lock(&a->lock);
    enum vmm_verdict verdict = VMM_HANDLED;
    if (a->idp && touches(access, a->idp, AHCI_SATACAP_IDP_BYTES))
        verdict = VMM_SKIP;
    else if (access->write)
        write(a, offset, n, (uint32_t)access->value);
    else
        access->value = read(a, offset, n);
    vmm_unlock(&a->lock);
    return verdict;
}
