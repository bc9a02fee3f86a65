/* see dvi/pci.h: keep the configuration window where the traps are */
#include <dvi/pci.h>

static const struct dvi_bdf host_bridge = {0, 0, 0};

/* Sources: Intel 3 Series Express Chipset Family datasheet, "PCIEXBAR - PCI Express Register Range Base Address"
 * (device 0, function 0); the register of that name in volume 2 of the datasheets of the later parts named below. */
#define INTEL          0x8086u
#define PCIEXBAR       0x60u
#define PCIEXBAR_BYTES 8u
#define INTEL_BRIDGE(d)                                                                                                \
    { INTEL, d, PCIEXBAR, PCIEXBAR_BYTES }
static const struct dvi_pci_host_bridge bridges[] = {
    {INTEL, 0x1237, 0, 0}, /* 440FX: no window */
    INTEL_BRIDGE(0x29c0),  /* Q35, P35, G33 */
    INTEL_BRIDGE(0x2e20),  /* 4 series */
    INTEL_BRIDGE(0x0100),  /* 2nd generation Core, desktop */
    INTEL_BRIDGE(0x0104),  /* 2nd generation Core, mobile */
    INTEL_BRIDGE(0x0150),  /* 3rd generation Core, desktop */
    INTEL_BRIDGE(0x0154),  /* 3rd generation Core, mobile */
    INTEL_BRIDGE(0x0c00),  /* 4th generation Core, desktop */
    INTEL_BRIDGE(0x0c04),  /* 4th generation Core, mobile */
    INTEL_BRIDGE(0x0a04),  /* 4th generation Core, U series */
    INTEL_BRIDGE(0x1604),  /* 5th generation Core, U series */
    INTEL_BRIDGE(0x1904),  /* 6th generation Core, U series */
    INTEL_BRIDGE(0x191f),  /* 6th generation Core, desktop */
    INTEL_BRIDGE(0x5904),  /* 7th generation Core, U series */
    INTEL_BRIDGE(0x591f),  /* 7th generation Core, desktop */
};

static enum vmm_verdict on_access(void *cookie, struct vmm_access *access) {
    struct dvi_pci_guard *guard = cookie;
    if (!access->write || !vmm_ranges_overlap(access->addr, access->n_bytes, guard->kind->offset, guard->kind->n_bytes))
        return VMM_PASS;
    __atomic_fetch_add(&guard->n_ignored, 1, __ATOMIC_RELAXED);
    return VMM_SKIP;
}

int dvi_pci_guard_init(struct dvi_pci_guard *guard, const struct dvi_host *host) {
    *guard = (struct dvi_pci_guard){.host = host};
    uint32_t vendor = host->pci_read(host->ctx, host_bridge, PCI_VENDOR_ID, 2);
    uint32_t device = host->pci_read(host->ctx, host_bridge, PCI_DEVICE_ID, 2);
    for (size_t i = 0; i < sizeof bridges / sizeof bridges[0]; i++)
        if (bridges[i].vendor_id == vendor && bridges[i].device_id == device) guard->kind = &bridges[i];
    if (!guard->kind) {
        host->log(host->ctx, "pci: unknown host bridge %x:%x, its configuration window is not guarded", vendor, device);
        return 0;
    }
    return guard->kind->n_bytes ? host->pci_trap(host->ctx, host_bridge, on_access, guard) : 0;
}

/* --- bridges on the way --- */

static enum vmm_verdict on_bridge(void *cookie, struct vmm_access *access) {
    struct dvi_pci_guard *guard = cookie;
    if (!access->write || !vmm_ranges_overlap(access->addr, access->n_bytes, PCI_BUS_PRIMARY, PCI_BUS_BYTES))
        return VMM_PASS;
    __atomic_fetch_add(&guard->n_ignored, 1, __ATOMIC_RELAXED);
    return VMM_SKIP;
}

static bool is_guarded(const struct dvi_pci_guard *guard, struct dvi_bdf bdf) {
    for (unsigned i = 0; i < guard->n_bridges; i++) {
        struct dvi_bdf b = guard->bridge[i];
        if (b.bus == bdf.bus && b.dev == bdf.dev && b.fn == bdf.fn) return true;
    }
    return false;
}

/* True for a bridge that forwards configuration cycles of this bus. */
static bool leads_to(const struct dvi_host *host, struct dvi_bdf at, uint8_t bus) {
    if (host->pci_read(host->ctx, at, PCI_VENDOR_ID, 2) == PCI_VENDOR_ID_NONE) return false;
    uint32_t header = host->pci_read(host->ctx, at, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_LAYOUT;
    return header == PCI_HEADER_TYPE_BRIDGE && host->pci_read(host->ctx, at, PCI_BUS_SECONDARY, 1) <= bus &&
           host->pci_read(host->ctx, at, PCI_BUS_SUBORDINATE, 1) >= bus;
}

static int guard_bridge(struct dvi_pci_guard *guard, struct dvi_bdf at) {
    if (is_guarded(guard, at)) return 0;
    if (guard->n_bridges == DVI_PCI_MAX_GUARDED) return DVI_E_NOMEM;
    guard->bridge[guard->n_bridges++] = at;
    return guard->host->pci_trap(guard->host->ctx, at, on_bridge, guard);
}

int dvi_pci_guard_path(struct dvi_pci_guard *guard, struct dvi_bdf bdf) {
    /* Bridges lie on buses with lower numbers than those behind them. */
    for (unsigned bus = 0; bus < bdf.bus; bus++)
        for (unsigned n = 0; n < PCI_N_DEVS * PCI_N_FNS; n++) {
            struct dvi_bdf at = {(uint8_t)bus, (uint8_t)(n / PCI_N_FNS), (uint8_t)(n % PCI_N_FNS)};
            int error = leads_to(guard->host, at, bdf.bus) ? guard_bridge(guard, at) : 0;
            if (error) return error;
        }
    return 0;
}
