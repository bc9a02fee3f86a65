/* A stand-in for the program around a mediator: a struct dvi_host over plain memory, and the guest's side of the traps.
 *
 * The address map is fixed: guest RAM at 0 and at 4 GiB, the hypervisor's region in between, configuration space of a
 * few functions, each with at most one memory BAR and some ranges of ports behind which a device model answers.
 * Whatever must never happen (a bad width, an access to nowhere) prints a line and aborts, so that it fails under
 * Criterion and under libFuzzer. Ports are in fake_ports.c, the rest in fake_host.c. */
#ifndef FAKE_HOST_H
#define FAKE_HOST_H

#include <dvi/host.h>

#define FAKE_LOW_BYTES    (8u << 20)          /* guest RAM [0, FAKE_LOW_BYTES) */
#define FAKE_HIGH_BASE    (UINT64_C(4) << 30) /* guest RAM [FAKE_HIGH_BASE, + FAKE_HIGH_BYTES) */
#define FAKE_HIGH_BYTES   (4u << 20)
#define FAKE_REGION_BASE  (UINT64_C(0x10) << 20) /* the hypervisor's region; handed out by dma_alloc from its start */
#define FAKE_REGION_BYTES (16u << 20)
#define FAKE_PEER_BASE    UINT64_C(0xd8000000) /* memory of another device: good for DMA, not guest RAM */
#define FAKE_PEER_BYTES   (64u << 10)
#define FAKE_ADDR_END     (UINT64_C(1) << 40) /* what the address bus carries */
#define FAKE_MAX_FNS      16u
#define FAKE_MAX_TRAPS    8u /* of memory, and as many of ports */
#define FAKE_MAX_WINDOWS  5u

/* Ports a function decodes while COMMAND's I/O bit is set. */
struct fake_window {
    uint16_t n;     /* ports; 0: none */
    uint16_t fixed; /* the first one; 0: an I/O BAR says where */
    uint8_t bar;
    uint8_t first; /* offset that the model sees for the first port */
};

/* One PCI function. */
struct fake_fn {
    struct dvi_bdf bdf;
    uint8_t config[256], writable[256]; /* bits set in writable change by writes */
    unsigned bar;                       /* number of the memory BAR, if it has a model */
    uint32_t bar_bytes;                 /* 0: none */
    bool must_trap;                     /* an untrapped guest access to the BAR or a port aborts */
    void *model;
    uint64_t (*read)(void *model, uint64_t offset, unsigned n_bytes);
    void (*write)(void *model, uint64_t offset, unsigned n_bytes, uint64_t value);
    struct fake_window window[FAKE_MAX_WINDOWS];
    uint32_t (*port_read)(void *model, unsigned window, unsigned offset, unsigned n_bytes);
    void (*port_write)(void *model, unsigned window, unsigned offset, unsigned n_bytes, uint32_t value);
    dvi_trap_fn *trap; /* of configuration space */
    void *trap_cookie;
};

struct fake_trap {
    bool used;
    uint64_t base, n_bytes;
    dvi_trap_fn *handler;
    void *cookie;
};

struct fake_host {
    struct dvi_host host; /* give this to the mediator */
    uint8_t *low, *high, *region, *peer;
    uint64_t region_used;
    struct fake_fn fn[FAKE_MAX_FNS];
    unsigned n_fns;
    struct fake_trap trap[FAKE_MAX_TRAPS], pio[FAKE_MAX_TRAPS];
    uint64_t now_us, us_per_look; /* every look at the clock moves it */
    unsigned pending;             /* percentage of times that an interrupt waits when the mediator asks */
    uint32_t pending_rng;
    bool mutate;               /* gmem_read changes each byte after reading it: a second read gets rubbish */
    bool quiet;                /* do not print log lines */
    uint64_t untrappable_base; /* mmio_move and mmio_trap refuse this place; 0: none */
    uint16_t untrappable_port; /* the same for ports */
    unsigned n_device_reads, n_device_writes, n_pci_reads, n_logs;
    char last_log[256];
};

void fake_host_init(struct fake_host *f);  /* zeroed RAM, no functions */
void fake_host_reset(struct fake_host *f); /* the same, but guest RAM stays as it is */
void fake_host_free(struct fake_host *f);

/* Adds an empty function whose BAR, if bar_bytes is not 0, is at bar_base. The caller fills in the model. */
struct fake_fn *fake_host_add(struct fake_host *f, struct dvi_bdf bdf, uint32_t vendor_device, uint32_t class_code);
void fake_fn_set_bar(struct fake_fn *fn, unsigned bar, uint32_t bar_bytes, uint32_t bar_base);
/* A BAR of I/O space, which windows may name. */
void fake_fn_set_io_bar(struct fake_fn *fn, unsigned bar, uint32_t n_ports, uint32_t base);

/* Memory at addr, for the test's own looks: guest RAM, the peer's, or the part of the region that dma_alloc has handed
 * out; NULL if any byte of [addr, addr + n) is neither. */
void *fake_mem(struct fake_host *f, uint64_t addr, uint64_t n_bytes);
bool fake_is_guest_ram(uint64_t addr, uint64_t n_bytes);

/* What a device does by DMA: as fake_mem, and aborts where that gives NULL. For a device model's bus. */
void *fake_dma(void *f, uint64_t addr, uint64_t n_bytes);

/* What the guest's instructions do: through the trap if there is one, else to the device. */
uint64_t fake_guest_read(struct fake_host *f, uint64_t addr, unsigned n_bytes);
void fake_guest_write(struct fake_host *f, uint64_t addr, unsigned n_bytes, uint64_t value);
/* IN and OUT: any port, 1, 2 or 4 bytes. An access of which some port is trapped goes to that trap as a whole, the
 * lowest such port deciding which. */
uint32_t fake_guest_in(struct fake_host *f, uint16_t port, unsigned n_bytes);
void fake_guest_out(struct fake_host *f, uint16_t port, unsigned n_bytes, uint32_t value);
uint32_t fake_guest_pci_read(struct fake_host *f, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes);
void fake_guest_pci_write(struct fake_host *f, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes, uint32_t value);

/* Between fake_host.c and fake_ports.c. */
void fake_ports_install(struct dvi_host *host);

/* Say what is wrong, and abort. */
_Noreturn void fake_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
