/* see dvi/pci.h: the pure part */
#include <dvi/pci.h>

static enum dvi_pci_bar_kind kind_of(uint32_t low) {
    if (low & PCI_BAR_IO) return DVI_PCI_BAR_IO;
    return FIELD_GET(PCI_BAR_MEM_TYPE, low) == PCI_BAR_MEM_TYPE64 ? DVI_PCI_BAR_MEM64 : DVI_PCI_BAR_MEM32;
}

/* The bits of a pair of registers that hold an address. */
static uint64_t addr_bits(enum dvi_pci_bar_kind kind) {
    switch (kind) {
    case DVI_PCI_BAR_IO: return PCI_BAR_IO_ADDR;
    case DVI_PCI_BAR_MEM64: return UINT64_C(0xffffffff) << 32 | PCI_BAR_MEM_ADDR;
    case DVI_PCI_BAR_MEM32: break;
    }
    return PCI_BAR_MEM_ADDR;
}

struct dvi_pci_bar dvi_pci_bar_decode(uint32_t low, uint32_t high) {
    enum dvi_pci_bar_kind kind = kind_of(low);
    return (struct dvi_pci_bar){.kind = kind, .base = ((uint64_t)high << 32 | low) & addr_bits(kind)};
}

struct dvi_pci_bar dvi_pci_bar_decode_sized(uint32_t low, uint32_t high, uint32_t ones_low, uint32_t ones_high) {
    struct dvi_pci_bar bar = dvi_pci_bar_decode(low, high);
    uint64_t writable = ((uint64_t)ones_high << 32 | ones_low) & addr_bits(bar.kind);
    if (writable != 0) bar.n_bytes = FIELD_LSB(writable); /* the lowest address bit that can be set */
    return bar;
}

bool dvi_pci_bar_is_sizing(enum dvi_pci_bar_kind kind, bool upper, uint32_t value) {
    uint32_t bits = upper ? UINT32_MAX : (uint32_t)addr_bits(kind);
    return (value & bits) == bits;
}

uint32_t dvi_pci_merge(uint32_t old, unsigned offset, unsigned n_bytes, uint32_t value) {
    unsigned shift = 8 * (offset & 3);
    uint32_t mask = (n_bytes >= 4 ? UINT32_MAX : (UINT32_C(1) << (8 * n_bytes)) - 1) << shift;
    return (old & ~mask) | (value << shift & mask);
}
