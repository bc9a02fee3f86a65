/* see machine.h */
#include "machine.h"
#include <stdarg.h>
#include <string.h>

static struct vmm *vmm_at(void *ctx) { return ((struct machine *)ctx)->vmm; }

static int gmem_read(void *ctx, gpa_t src, void *dst, size_t n_bytes) {
    return vmm_gmem_read(vmm_at(ctx), src, dst, n_bytes) ? DVI_E_RANGE : 0;
}

static int gmem_write(void *ctx, gpa_t dst, const void *src, size_t n_bytes) {
    return vmm_gmem_write(vmm_at(ctx), dst, src, n_bytes) ? DVI_E_RANGE : 0;
}

static void *gmem_borrow(void *ctx, gpa_t at, size_t n_bytes) { return vmm_gmem_borrow(vmm_at(ctx), at, n_bytes); }
static bool dma_ok(void *ctx, gpa_t at, uint64_t n_bytes) { return vmm_dma_ok(vmm_at(ctx), at, n_bytes); }

static void *dma_alloc(void *ctx, size_t n_bytes, hpa_t *out_bus) {
    void *p = vmm_alloc(vmm_at(ctx), n_bytes);
    *out_bus = hpa((uint64_t)(uintptr_t)p);
    return p;
}

static uint64_t mmio_read(void *ctx, hpa_t addr, unsigned n_bytes) {
    (void)ctx;
    return vmm_device_read(addr, n_bytes);
}

static void mmio_write(void *ctx, hpa_t addr, unsigned n_bytes, uint64_t value) {
    (void)ctx;
    vmm_device_write(addr, n_bytes, value);
}

static enum vmm_verdict to_mediator(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access) {
    const struct machine_trap *t = cookie;
    (void)vcpu;
    return t->fn(t->cookie, access);
}

static int mmio_trap(void *ctx, gpa_t base, uint64_t n_bytes, dvi_trap_fn *fn, void *cookie) {
    struct machine *m = ctx;
    if (m->n_mmio == MACHINE_MAX_TRAPS) return DVI_E_NOMEM;
    struct machine_trap *t = &m->mmio[m->n_mmio];
    *t = (struct machine_trap){.machine = m, .fn = fn, .cookie = cookie};
    int r = vmm_mmio_trap(m->vmm, base, n_bytes, to_mediator, t);
    if (r < 0) return r == VMM_E_BUSY ? DVI_E_RANGE : DVI_E_NOMEM;
    m->n_mmio++;
    return r;
}

static int mmio_move(void *ctx, int handle, gpa_t base) {
    int r = vmm_mmio_move(vmm_at(ctx), handle, base);
    return r == 0 ? 0 : r == VMM_E_BUSY ? DVI_E_RANGE : DVI_E_NOMEM;
}

static uint32_t port_read(void *ctx, uint16_t port, unsigned n_bytes) {
    (void)ctx;
    return vmm_port_read(port, n_bytes);
}

static void port_write(void *ctx, uint16_t port, unsigned n_bytes, uint32_t value) {
    (void)ctx;
    vmm_port_write(port, n_bytes, value);
}

static int pio_trap(void *ctx, uint16_t first, uint16_t n, dvi_trap_fn *fn, void *cookie) {
    struct machine *m = ctx;
    if (m->n_pio == MACHINE_MAX_TRAPS) return DVI_E_NOMEM;
    struct machine_trap *t = &m->pio[m->n_pio];
    *t = (struct machine_trap){.machine = m, .first_port = first, .fn = fn, .cookie = cookie};
    int r = vmm_pio_trap(m->vmm, first, n, to_mediator, t);
    if (r) return r == VMM_E_BUSY ? DVI_E_RANGE : DVI_E_NOMEM;
    return (int)m->n_pio++;
}

static int pio_move(void *ctx, int handle, uint16_t first) {
    struct machine *m = ctx;
    struct machine_trap *t = &m->pio[handle];
    int r = vmm_pio_move(m->vmm, t->first_port, first);
    if (!r) t->first_port = first;
    return r ? DVI_E_RANGE : 0;
}

static bool interrupt_pending(void *ctx) { return vmm_interrupt_pending(vmm_at(ctx)); }

static uint64_t now_us(void *ctx) { return vmm_now_us(vmm_at(ctx)); }

static void log_line(void *ctx, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vmm_vlog(vmm_at(ctx), fmt, ap);
    va_end(ap);
}

int machine_init(struct machine *m, struct vmm *vmm, uint64_t ecam, uint32_t first_bus, uint32_t last_bus) {
    memset(m, 0, sizeof *m);
    m->vmm = vmm;
    m->ecam = ecam;
    m->ecam_first_bus = first_bus;
    m->ecam_last_bus = last_bus;
    m->host = (struct dvi_host){.ctx = m,
                                .slice_sectors = UINT16_MAX, /* until the shell knows better */
                                .gmem_read = gmem_read,
                                .gmem_write = gmem_write,
                                .gmem_borrow = gmem_borrow,
                                .dma_ok = dma_ok,
                                .dma_alloc = dma_alloc,
                                .mmio_read = mmio_read,
                                .mmio_write = mmio_write,
                                .port_read = port_read,
                                .port_write = port_write,
                                .pci_read = machine_pci_read,
                                .pci_write = machine_pci_write,
                                .mmio_trap = mmio_trap,
                                .mmio_move = mmio_move,
                                .pio_trap = pio_trap,
                                .pio_move = pio_move,
                                .pci_trap = machine_pci_trap,
                                .interrupt_pending = interrupt_pending,
                                .now_us = now_us,
                                .log = log_line};
    return machine_pci_init(m);
}
