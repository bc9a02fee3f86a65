/* What a mediator asks of the program around it: guest memory, device registers, traps, time and a log.
 *
 * Mediators call outward through this table only, so the same code runs beneath a guest (the shell fills the table with
 * libvmm's functions), and in tests (a device model and an array stand behind it).
 *
 * Calling context: every function may be called from a trap handler on any processor, and while mediators are being set
 * up. None allocates, none blocks. Errors: 0 or a negative enum dvi_error. */
#ifndef DVI_HOST_H
#define DVI_HOST_H

#include <vmm/access.h>
#include <vmm/types.h>

enum dvi_error {
    DVI_E_RANGE = -1,  /* address outside RAM, inside the hypervisor's region, or wrapping */
    DVI_E_NOMEM = -2,  /* a pool sized at start is exhausted */
    DVI_E_DEVICE = -3, /* the device did not answer in time, or not as its specification says */
    DVI_E_CONFIG = -4, /* the configuration asks for something this device cannot have */
};

/* The address of a PCI function on the only segment we mediate (0). */
struct dvi_bdf {
    uint8_t bus, dev, fn;
};

/* Called for each trapped access. cookie: as registered. The handler answers as enum vmm_verdict says. */
typedef enum vmm_verdict dvi_trap_fn(void *cookie, struct vmm_access *access);

#define DVI_SLICE_MIN 32u

struct dvi_host {
    void *ctx; /* first argument of every function below */

    /* Sectors of 512 bytes that a processor may encrypt or decrypt before it looks at what else there is to do: at
     * least DVI_SLICE_MIN. */
    uint32_t slice_sectors;

    /* Guest memory. A copy is taken, so that what was checked is what is used: read each field once, check the copy,
     * use the copy. Both fail as a whole with DVI_E_RANGE when any byte is not ordinary guest RAM. */
    int (*gmem_read)(void *ctx, gpa_t src, void *dst, size_t n_bytes);
    int (*gmem_write)(void *ctx, gpa_t dst, const void *src, size_t n_bytes);
    /* Borrow [gpa, gpa + n_bytes) of guest RAM for a bulk transform: never for parsing, because the guest and its
     * devices may change it meanwhile. NULL where gmem_read would fail. Valid until the handler returns. */
    void *(*gmem_borrow)(void *ctx, gpa_t gpa, size_t n_bytes);
    /* True if a device may be given [gpa, gpa + n_bytes) for DMA: not empty, no wrap, no byte in the hypervisor's
     * region nor above what the machine's address bus carries. Device memory is allowed (peer to peer is the guest's
     * business). */
    bool (*dma_ok)(void *ctx, gpa_t gpa, uint64_t n_bytes);

    /* Contiguous, zeroed, page-aligned memory of the hypervisor that devices can reach. Only while mediators are being
     * set up; never freed. out_bus: its address as the device sees it. NULL when the region is used up. */
    void *(*dma_alloc)(void *ctx, size_t n_bytes, hpa_t *out_bus);

    /* Device registers, untrapped. width in bytes: 1, 2, 4 or 8, naturally aligned. */
    uint64_t (*mmio_read)(void *ctx, hpa_t addr, unsigned n_bytes);
    void (*mmio_write)(void *ctx, hpa_t addr, unsigned n_bytes, uint64_t value);
    /* Device ports, untrapped. n_bytes: 1, 2 or 4. */
    uint32_t (*port_read)(void *ctx, uint16_t port, unsigned n_bytes);
    void (*port_write)(void *ctx, uint16_t port, unsigned n_bytes, uint32_t value);
    /* PCI configuration space, untrapped. offset 0..4095, naturally aligned; offsets above 255 read as ones when the
     * machine has no ECAM. */
    uint32_t (*pci_read)(void *ctx, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes);
    void (*pci_write)(void *ctx, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes, uint32_t value);

    /* Traps. access->addr is a guest-physical address for MMIO, a port number for ports, an offset in configuration
     * space for PCI. An access that is wider than the device's natural width or crosses a page arrives as several
     * calls. mmio_trap: whole pages. It returns a handle >= 0, or an error: DVI_E_RANGE when the pages hold RAM, the
     * region or another trap. mmio_move: the same trap at another place (the guest moved a BAR); the old place is freed
     * even when it fails. handler may be running on other processors when mmio_move returns. */
    int (*mmio_trap)(void *ctx, gpa_t base, uint64_t n_bytes, dvi_trap_fn *handler, void *cookie);
    int (*mmio_move)(void *ctx, int handle, gpa_t base);
    /* Ports [first, first + n): access->addr is the port, string instructions arrive an element at a time, and an
     * access that only overlaps the range arrives whole. pio_trap returns a handle >= 0, or an error: DVI_E_RANGE when
     * one of the ports is trapped already. pio_move: as mmio_move. */
    int (*pio_trap)(void *ctx, uint16_t first, uint16_t n, dvi_trap_fn *handler, void *cookie);
    int (*pio_move)(void *ctx, int handle, uint16_t first);
    /* Every configuration access to this function, by port CF8/CFC and by ECAM alike. */
    int (*pci_trap)(void *ctx, struct dvi_bdf bdf, dvi_trap_fn *handler, void *cookie);

    /* True if this processor has an interrupt to deliver to the guest, or if that cannot be told. */
    bool (*interrupt_pending)(void *ctx);
    /* Microseconds since some fixed moment; monotonic. */
    uint64_t (*now_us)(void *ctx);
    /* One line, printf-like with %s %d %u %x %lx %lu %c only; no newline at the end. Never a secret. */
    void (*log)(void *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
};

#endif
