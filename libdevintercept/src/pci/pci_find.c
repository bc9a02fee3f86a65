/* see dvi/pci.h: the part that reads configuration space */
#include <dvi/pci.h>

static uint32_t rd(const struct dvi_host *host, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes) {
    return host->pci_read(host->ctx, bdf, offset, n_bytes);
}

static void wr(const struct dvi_host *host, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes, uint32_t value) {
    host->pci_write(host->ctx, bdf, offset, n_bytes, value);
}

static bool present(const struct dvi_host *host, struct dvi_bdf bdf) {
    return rd(host, bdf, PCI_VENDOR_ID, 2) != PCI_VENDOR_ID_NONE;
}

/* The class code shares its register with the revision, whose byte it follows; three bytes cannot be read at once. */
static uint32_t class_of(const struct dvi_host *host, struct dvi_bdf bdf) {
    return rd(host, bdf, PCI_REVISION_ID, 4) >> (8 * (PCI_CLASS_CODE - PCI_REVISION_ID));
}

static unsigned n_functions(const struct dvi_host *host, struct dvi_bdf fn0) {
    if (!present(host, fn0)) return 0; /* function 0 must exist if any does */
    return rd(host, fn0, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MULTIFUNCTION ? PCI_N_FNS : 1;
}

size_t dvi_pci_find(const struct dvi_host *host, uint32_t class_code, uint32_t mask, struct dvi_bdf *out,
                    size_t max_out) {
    size_t n = 0;
    for (unsigned device = 0; device < PCI_N_BUSES * PCI_N_DEVS; device++) {
        struct dvi_bdf bdf = {.bus = (uint8_t)(device / PCI_N_DEVS), .dev = (uint8_t)(device % PCI_N_DEVS)};
        unsigned n_fns = n_functions(host, bdf);
        for (; bdf.fn < n_fns; bdf.fn++) {
            if (!present(host, bdf) || (class_of(host, bdf) & mask) != class_code) continue;
            if (n < max_out) out[n] = bdf;
            n++;
        }
    }
    return n;
}

static unsigned n_bars(const struct dvi_host *host, struct dvi_bdf bdf) {
    switch (rd(host, bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_LAYOUT) {
    case PCI_HEADER_TYPE_DEVICE: return PCI_N_BARS;
    case PCI_HEADER_TYPE_BRIDGE: return PCI_N_BARS_BRIDGE;
    default: return 0;
    }
}

int dvi_pci_bar_probe(const struct dvi_host *host, struct dvi_bdf bdf, unsigned index, struct dvi_pci_bar *out) {
    unsigned n = n_bars(host, bdf);
    if (index >= n) return DVI_E_RANGE;
    uint32_t low = rd(host, bdf, PCI_BAR(index), 4);
    bool pair = dvi_pci_bar_decode(low, 0).kind == DVI_PCI_BAR_MEM64;
    if (pair && index + 1 >= n) return DVI_E_RANGE;
    uint32_t high = pair ? rd(host, bdf, PCI_BAR(index + 1), 4) : 0, ones_high = 0;

    uint32_t command = rd(host, bdf, PCI_COMMAND, 2);
    wr(host, bdf, PCI_COMMAND, 2, command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEM));
    wr(host, bdf, PCI_BAR(index), 4, UINT32_MAX);
    uint32_t ones_low = rd(host, bdf, PCI_BAR(index), 4);
    wr(host, bdf, PCI_BAR(index), 4, low);
    if (pair) {
        wr(host, bdf, PCI_BAR(index + 1), 4, UINT32_MAX);
        ones_high = rd(host, bdf, PCI_BAR(index + 1), 4);
        wr(host, bdf, PCI_BAR(index + 1), 4, high);
    }
    wr(host, bdf, PCI_COMMAND, 2, command);

    *out = dvi_pci_bar_decode_sized(low, high, ones_low, ones_high);
    return 0;
}
