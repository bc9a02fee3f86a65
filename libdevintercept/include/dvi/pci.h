/* PCI: find functions, understand their base address registers, and keep the guest from moving configuration space away
 * from under the traps. Not a driver: nothing is assigned, and only sizing a BAR ever writes.
 *
 * Threading: the pure functions any context; the others at start only, unless said. No allocation.
 * Source: PCI Local Bus Specification 3.0, chapter 6 "Configuration Space". */
#ifndef DVI_PCI_H
#define DVI_PCI_H

#include <dvi/host.h>
#include <dvi/pci_regs.h>

/* --- pure --- */

enum dvi_pci_bar_kind { DVI_PCI_BAR_MEM32, DVI_PCI_BAR_MEM64, DVI_PCI_BAR_IO };

/* A base address register, or a pair of them. An unimplemented one is a MEM32 at 0 of 0 bytes. */
struct dvi_pci_bar {
    enum dvi_pci_bar_kind kind;
    uint64_t base;    /* in its address space; meaningful while COMMAND enables that space */
    uint64_t n_bytes; /* 0: unimplemented, or not sized */
};

/* What the registers say. low: the register; high: the next one (ignored unless the kind is MEM64). n_bytes is 0.
 * Source: PCI 3.0, 6.2.5.1 "Address Maps". */
struct dvi_pci_bar dvi_pci_bar_decode(uint32_t low, uint32_t high);

/* The same, and how large it is. ones_low, ones_high: what the registers read after all ones were written to them.
 * Source: PCI 3.0, 6.2.5.1 "Address Maps", implementation note "Sizing a 32-bit Base Address Register Example". */
struct dvi_pci_bar dvi_pci_bar_decode_sized(uint32_t low, uint32_t high, uint32_t ones_low, uint32_t ones_high);

/* True if a write of value to a BAR's register of this kind asks for its size and gives no address: every address bit
 * is set (bits that are read-only do not matter). The upper half of a MEM64: as a kind of MEM64 with upper true. */
bool dvi_pci_bar_is_sizing(enum dvi_pci_bar_kind kind, bool upper, uint32_t value);

/* What a 32-bit register holds after a write of n_bytes (1, 2, 4) at a configuration offset within it, if all of its
 * bits were writable. MUST: the access does not cross the register. */
uint32_t dvi_pci_merge(uint32_t old, unsigned offset, unsigned n_bytes, uint32_t value);

/* --- with the machine --- */

/* Every function whose class code (24 bits, as PCI_CLASS_CODE reads) is class_code in the bits of mask, in the order of
 * bus, device, function.
 * out: [max_out], filled as far as it goes. Returns how many there are, which may be more than max_out.
 * All 256 buses are looked at, because a machine may have several roots. Bounded: at most three reads per possible
 * function; on a real machine little more than one per possible device (8192). Source: PCI 3.0, 6.2.1 "Device
 * Identification", 3.2.2.3 "Configuration Space Decoding" (devices that are not multifunction may answer at every
 * function number, hence the header type). */
size_t dvi_pci_find(const struct dvi_host *host, uint32_t class_code, uint32_t mask, struct dvi_bdf *out,
                    size_t max_out);

/* Read BAR number index and find out its size. Turns the function's address decoding off for a moment, so MUST be
 * called while nobody else uses the function. 0, or DVI_E_RANGE: no such register in a header of this layout, or the
 * upper half of a MEM64 would be past the last. */
int dvi_pci_bar_probe(const struct dvi_host *host, struct dvi_bdf bdf, unsigned index,
                      struct dvi_pci_bar *out) VMM_MUST_CHECK;

/* A register of a host bridge that says where the memory-mapped configuration window (ECAM) lies. */
struct dvi_pci_host_bridge {
    uint16_t vendor_id, device_id;
    uint8_t offset, n_bytes;
};

#define DVI_PCI_MAX_GUARDED 8u

/* The mediators' traps of configuration space lie in the ECAM window as the firmware placed it: were the guest to move
 * it, it would reach the real registers. The guard ignores every write that touches the register which moves it, and
 * lets all else pass. Its trap handler may run on any processor. */
struct dvi_pci_guard {
    const struct dvi_host *host;                /* [I] */
    const struct dvi_pci_host_bridge *kind;     /* [I] NULL: a bridge we do not know, nothing is guarded */
    struct dvi_bdf bridge[DVI_PCI_MAX_GUARDED]; /* [I] those whose bus numbers are guarded */
    unsigned n_bridges;                         /* [I] */
    uint64_t n_ignored;                         /* [A] writes that were dropped */
};

/* Start only. guard: the caller's, for as long as the traps live. 0 (also for an unknown bridge: logged, kind is NULL),
 * or what host->pci_trap says. */
int dvi_pci_guard_init(struct dvi_pci_guard *guard, const struct dvi_host *host) VMM_MUST_CHECK;

/* A function behind PCI-to-PCI bridges is where their bus numbers say: were the guest to change them, it would answer
 * at an address without a trap. From now on writes to the bus numbers of every bridge on the way to bdf are ignored.
 * Start only, after dvi_pci_guard_init. 0; DVI_E_NOMEM: more than DVI_PCI_MAX_GUARDED bridges; or what host->pci_trap
 * says. Source: PCI-to-PCI Bridge Architecture Specification 1.2, 3.2.5 "Bridge Configuration Registers". */
int dvi_pci_guard_path(struct dvi_pci_guard *guard, struct dvi_bdf bdf) VMM_MUST_CHECK;

#endif
