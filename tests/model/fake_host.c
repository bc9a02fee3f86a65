#include "fake_host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dvi/pci_regs.h>

_Noreturn void fake_fail(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("model: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}

/* --- memory --- */

static bool inside(uint64_t addr, uint64_t n, uint64_t base, uint64_t size) {
    return addr >= base && n <= size && addr - base <= size - n;
}

bool fake_is_guest_ram(uint64_t addr, uint64_t n_bytes) {
    return inside(addr, n_bytes, 0, FAKE_LOW_BYTES) || inside(addr, n_bytes, FAKE_HIGH_BASE, FAKE_HIGH_BYTES);
}

void *fake_mem(struct fake_host *f, uint64_t addr, uint64_t n_bytes) {
    if (inside(addr, n_bytes, 0, FAKE_LOW_BYTES)) return f->low + addr;
    if (inside(addr, n_bytes, FAKE_HIGH_BASE, FAKE_HIGH_BYTES)) return f->high + (addr - FAKE_HIGH_BASE);
    if (inside(addr, n_bytes, FAKE_PEER_BASE, FAKE_PEER_BYTES)) return f->peer + (addr - FAKE_PEER_BASE);
    if (inside(addr, n_bytes, FAKE_REGION_BASE, f->region_used)) return f->region + (addr - FAKE_REGION_BASE);
    return NULL;
}

void *fake_dma(void *ctx, uint64_t addr, uint64_t n_bytes) {
    void *p = fake_mem(ctx, addr, n_bytes);
    if (!p) fake_fail("the device was told to access %#lx, %lu bytes", addr, n_bytes);
    return p;
}

static int gmem_read(void *ctx, gpa_t src, void *dst, size_t n_bytes) {
    struct fake_host *f = ctx;
    if (n_bytes == 0 || !fake_is_guest_ram(src.v, n_bytes)) return DVI_E_RANGE;
    uint8_t *p = fake_mem(f, src.v, n_bytes);
    memcpy(dst, p, n_bytes);
    if (f->mutate)
        for (size_t i = 0; i < n_bytes; i++) p[i] = (uint8_t)(p[i] * 5 + 0x5b); /* never the same byte again */
    return 0;
}

static int gmem_write(void *ctx, gpa_t dst, const void *src, size_t n_bytes) {
    if (n_bytes == 0 || !fake_is_guest_ram(dst.v, n_bytes)) return DVI_E_RANGE;
    memcpy(fake_mem(ctx, dst.v, n_bytes), src, n_bytes);
    return 0;
}

static void *gmem_borrow(void *ctx, gpa_t addr, size_t n_bytes) {
    return n_bytes != 0 && fake_is_guest_ram(addr.v, n_bytes) ? fake_mem(ctx, addr.v, n_bytes) : NULL;
}

static bool dma_ok(void *ctx, gpa_t addr, uint64_t n_bytes) {
    (void)ctx;
    return n_bytes != 0 &&
           (fake_is_guest_ram(addr.v, n_bytes) || inside(addr.v, n_bytes, FAKE_PEER_BASE, FAKE_PEER_BYTES));
}

static void *dma_alloc(void *ctx, size_t n_bytes, hpa_t *out_bus) {
    struct fake_host *f = ctx;
    uint64_t size = (n_bytes + VMM_PAGE_MASK) & ~VMM_PAGE_MASK;
    if (size > FAKE_REGION_BYTES - f->region_used) return NULL;
    *out_bus = hpa(FAKE_REGION_BASE + f->region_used);
    void *p = f->region + f->region_used;
    memset(p, 0, size);
    f->region_used += size;
    return p;
}

/* --- devices --- */

static uint32_t config_dword(const struct fake_fn *fn, unsigned offset) {
    uint32_t v;
    memcpy(&v, fn->config + offset, 4);
    return v;
}

/* The function behind an address of device memory, where its BAR is now. */
static struct fake_fn *decode(struct fake_host *f, uint64_t addr, unsigned n_bytes, uint64_t *offset) {
    for (unsigned i = 0; i < f->n_fns; i++) {
        struct fake_fn *fn = &f->fn[i];
        uint64_t base = config_dword(fn, PCI_BAR(fn->bar)) & PCI_BAR_MEM_ADDR;
        if (fn->bar_bytes == 0 || !(config_dword(fn, PCI_COMMAND) & PCI_COMMAND_MEM)) continue;
        if (!inside(addr, n_bytes, base, fn->bar_bytes)) continue;
        *offset = addr - base;
        return fn;
    }
    return NULL;
}

static void check_width(uint64_t addr, unsigned n_bytes) {
    if (n_bytes != 1 && n_bytes != 2 && n_bytes != 4 && n_bytes != 8) fake_fail("width %u at %#lx", n_bytes, addr);
    if (addr % n_bytes != 0) fake_fail("%#lx is not aligned for %u bytes", addr, n_bytes);
}

static uint64_t mmio_read(void *ctx, hpa_t addr, unsigned n_bytes) {
    struct fake_host *f = ctx;
    uint64_t offset;
    check_width(addr.v, n_bytes);
    struct fake_fn *fn = decode(f, addr.v, n_bytes, &offset);
    f->n_device_reads++;
    return fn ? fn->read(fn->model, offset, n_bytes) : UINT64_MAX >> (64 - 8 * n_bytes);
}

static void mmio_write(void *ctx, hpa_t addr, unsigned n_bytes, uint64_t value) {
    struct fake_host *f = ctx;
    uint64_t offset;
    check_width(addr.v, n_bytes);
    struct fake_fn *fn = decode(f, addr.v, n_bytes, &offset);
    f->n_device_writes++;
    if (fn) fn->write(fn->model, offset, n_bytes, value);
}

static struct fake_fn *find_fn(struct fake_host *f, struct dvi_bdf bdf) {
    for (unsigned i = 0; i < f->n_fns; i++) {
        struct dvi_bdf b = f->fn[i].bdf;
        if (b.bus == bdf.bus && b.dev == bdf.dev && b.fn == bdf.fn) return &f->fn[i];
    }
    return NULL;
}

static void check_config(unsigned offset, unsigned n_bytes) {
    if (n_bytes != 1 && n_bytes != 2 && n_bytes != 4) fake_fail("configuration access of %u bytes", n_bytes);
    if (offset % n_bytes != 0 || offset >= 4096) fake_fail("configuration offset %#x", offset);
}

static uint32_t pci_read(void *ctx, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes) {
    struct fake_host *f = ctx;
    check_config(offset, n_bytes);
    f->n_pci_reads++;
    const struct fake_fn *fn = find_fn(f, bdf);
    uint32_t value = UINT32_MAX;
    if (!fn || offset >= sizeof fn->config) return value >> (32 - 8 * n_bytes);
    value = 0;
    memcpy(&value, fn->config + offset, n_bytes);
    return value;
}

static void pci_write(void *ctx, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes, uint32_t value) {
    struct fake_fn *fn = find_fn(ctx, bdf);
    check_config(offset, n_bytes);
    if (!fn || offset >= sizeof fn->config) return;
    for (unsigned i = 0; i < n_bytes; i++) {
        uint8_t *reg = &fn->config[offset + i], bits = fn->writable[offset + i];
        *reg = (uint8_t)((*reg & ~bits) | ((value >> (8 * i)) & bits));
    }
}

/* --- traps --- */

static bool place_is_free(const struct fake_host *f, int self, uint64_t base, uint64_t n) {
    if (base % VMM_PAGE_BYTES != 0 || n % VMM_PAGE_BYTES != 0 || n == 0) fake_fail("trap at %#lx, %lu bytes", base, n);
    if (f->untrappable_base != 0 && vmm_ranges_overlap(base, n, f->untrappable_base, 1)) return false;
    if (base >= FAKE_ADDR_END || n > FAKE_ADDR_END - base) return false;
    if (vmm_ranges_overlap(base, n, 0, FAKE_LOW_BYTES) ||
        vmm_ranges_overlap(base, n, FAKE_HIGH_BASE, FAKE_HIGH_BYTES) ||
        vmm_ranges_overlap(base, n, FAKE_REGION_BASE, FAKE_REGION_BYTES))
        return false;
    for (int i = 0; i < (int)FAKE_MAX_TRAPS; i++)
        if (i != self && f->trap[i].used && vmm_ranges_overlap(base, n, f->trap[i].base, f->trap[i].n_bytes))
            return false;
    return true;
}

static int mmio_trap(void *ctx, gpa_t base, uint64_t n_bytes, dvi_trap_fn *handler, void *cookie) {
    struct fake_host *f = ctx;
    int i = 0;
    while (i < (int)FAKE_MAX_TRAPS && f->trap[i].handler) i++;
    if (i == (int)FAKE_MAX_TRAPS) return DVI_E_NOMEM;
    if (!place_is_free(f, i, base.v, n_bytes)) return DVI_E_RANGE;
    f->trap[i] = (struct fake_trap){true, base.v, n_bytes, handler, cookie};
    return i;
}

static int mmio_move(void *ctx, int handle, gpa_t base) {
    struct fake_host *f = ctx;
    if (handle < 0 || handle >= (int)FAKE_MAX_TRAPS || !f->trap[handle].handler) fake_fail("trap handle %d", handle);
    f->trap[handle].used = place_is_free(f, handle, base.v, f->trap[handle].n_bytes);
    f->trap[handle].base = base.v;
    return f->trap[handle].used ? 0 : DVI_E_RANGE;
}

static int pci_trap(void *ctx, struct dvi_bdf bdf, dvi_trap_fn *handler, void *cookie) {
    struct fake_fn *fn = find_fn(ctx, bdf);
    if (!fn || fn->trap) return DVI_E_RANGE;
    fn->trap = handler;
    fn->trap_cookie = cookie;
    return 0;
}

/* --- the guest's side --- */

static uint64_t guest_mmio(struct fake_host *f, struct vmm_access *a) {
    uint64_t offset, ones = UINT64_MAX >> (64 - 8 * a->n_bytes);
    check_width(a->addr, a->n_bytes);
    enum vmm_verdict verdict = VMM_PASS;
    const struct fake_trap *t = NULL;
    for (unsigned i = 0; i < FAKE_MAX_TRAPS; i++)
        if (f->trap[i].used && inside(a->addr, a->n_bytes, f->trap[i].base, f->trap[i].n_bytes)) t = &f->trap[i];
    const struct fake_fn *fn = decode(f, a->addr, a->n_bytes, &offset);
    if (!t && fn && fn->must_trap) fake_fail("the guest reaches the device at %#lx untrapped", a->addr);
    if (t) verdict = t->handler(t->cookie, a);
    if (verdict == VMM_HANDLED) return a->value & ones;
    if (verdict == VMM_SKIP) return ones;
    if (verdict != VMM_PASS) fake_fail("verdict %d", verdict);
    if (a->write) mmio_write(f, hpa(a->addr), a->n_bytes, a->value);
    return a->write ? 0 : mmio_read(f, hpa(a->addr), a->n_bytes);
}

uint64_t fake_guest_read(struct fake_host *f, uint64_t addr, unsigned n_bytes) {
    return guest_mmio(f, &(struct vmm_access){.addr = addr, .n_bytes = (uint8_t)n_bytes});
}

void fake_guest_write(struct fake_host *f, uint64_t addr, unsigned n_bytes, uint64_t value) {
    guest_mmio(f, &(struct vmm_access){.addr = addr, .value = value, .n_bytes = (uint8_t)n_bytes, .write = true});
}

static uint32_t guest_pci(struct fake_host *f, struct dvi_bdf bdf, struct vmm_access *a) {
    const struct fake_fn *fn = find_fn(f, bdf);
    uint32_t ones = UINT32_MAX >> (32 - 8 * a->n_bytes);
    enum vmm_verdict verdict = fn && fn->trap ? fn->trap(fn->trap_cookie, a) : VMM_PASS;
    if (verdict == VMM_HANDLED) return (uint32_t)a->value & ones;
    if (verdict == VMM_SKIP) return ones;
    if (verdict != VMM_PASS) fake_fail("verdict %d", verdict);
    if (a->write) pci_write(f, bdf, (unsigned)a->addr, a->n_bytes, (uint32_t)a->value);
    return a->write ? 0 : pci_read(f, bdf, (unsigned)a->addr, a->n_bytes);
}

uint32_t fake_guest_pci_read(struct fake_host *f, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes) {
    return guest_pci(f, bdf, &(struct vmm_access){.addr = offset, .n_bytes = (uint8_t)n_bytes});
}

void fake_guest_pci_write(struct fake_host *f, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes, uint32_t value) {
    guest_pci(f, bdf, &(struct vmm_access){.addr = offset, .value = value, .n_bytes = (uint8_t)n_bytes, .write = true});
}

/* --- set-up --- */

static bool interrupt_pending(void *ctx) {
    struct fake_host *f = ctx;
    f->pending_rng = f->pending_rng * 1664525 + 1013904223;
    return (f->pending_rng >> 16) % 100 < f->pending;
}

static uint64_t now_us(void *ctx) {
    struct fake_host *f = ctx;
    return f->now_us += f->us_per_look;
}

__attribute__((format(printf, 2, 3))) static void log_line(void *ctx, const char *fmt, ...) {
    struct fake_host *f = ctx;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->last_log, sizeof f->last_log, fmt, ap);
    va_end(ap);
    f->n_logs++;
    if (!f->quiet) fprintf(stderr, "log: %s\n", f->last_log);
}

static uint8_t *zeroed(size_t n) {
    uint8_t *p = calloc(1, n);
    if (!p) fake_fail("out of memory");
    return p;
}

void fake_host_init(struct fake_host *f) {
    memset(f, 0, sizeof *f);
    f->low = zeroed(FAKE_LOW_BYTES);
    f->high = zeroed(FAKE_HIGH_BYTES);
    f->region = zeroed(FAKE_REGION_BYTES);
    f->peer = zeroed(FAKE_PEER_BYTES);
    fake_host_reset(f);
}

void fake_host_reset(struct fake_host *f) {
    uint8_t *low = f->low, *high = f->high, *region = f->region, *peer = f->peer;
    memset(f, 0, sizeof *f);
    f->low = low;
    f->high = high;
    f->region = region;
    f->peer = peer;
    f->us_per_look = 10;
    f->quiet = true;
    f->host = (struct dvi_host){.ctx = f,
                                .slice_sectors = UINT16_MAX,
                                .gmem_read = gmem_read,
                                .gmem_write = gmem_write,
                                .gmem_borrow = gmem_borrow,
                                .dma_ok = dma_ok,
                                .dma_alloc = dma_alloc,
                                .mmio_read = mmio_read,
                                .mmio_write = mmio_write,
                                .pci_read = pci_read,
                                .pci_write = pci_write,
                                .mmio_trap = mmio_trap,
                                .mmio_move = mmio_move,
                                .pci_trap = pci_trap,
                                .interrupt_pending = interrupt_pending,
                                .now_us = now_us,
                                .log = log_line};
    fake_ports_install(&f->host);
}

void fake_host_free(struct fake_host *f) {
    free(f->low);
    free(f->high);
    free(f->region);
    free(f->peer);
}

struct fake_fn *fake_host_add(struct fake_host *f, struct dvi_bdf bdf, uint32_t vendor_device, uint32_t class_code) {
    if (f->n_fns == FAKE_MAX_FNS) fake_fail("too many functions");
    struct fake_fn *fn = &f->fn[f->n_fns++];
    memset(fn, 0, sizeof *fn);
    fn->bdf = bdf;
    uint32_t class_revision = class_code << 8;
    memcpy(fn->config + PCI_VENDOR_ID, &vendor_device, 4);
    memcpy(fn->config + PCI_REVISION_ID, &class_revision, 4);
    fn->writable[PCI_COMMAND] = (uint8_t)(PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BM);
    return fn;
}

void fake_fn_set_bar(struct fake_fn *fn, unsigned bar, uint32_t bar_bytes, uint32_t bar_base) {
    uint32_t bits = ~(bar_bytes - 1);
    fn->bar = bar;
    fn->bar_bytes = bar_bytes;
    memcpy(fn->config + PCI_BAR(bar), &bar_base, 4);
    memcpy(fn->writable + PCI_BAR(bar), &bits, 4);
    fn->config[PCI_COMMAND] |= (uint8_t)(PCI_COMMAND_MEM | PCI_COMMAND_BM);
}

void fake_fn_set_io_bar(struct fake_fn *fn, unsigned bar, uint32_t n_ports, uint32_t base) {
    uint32_t bits = ~(n_ports - 1), value = base | PCI_BAR_IO;
    memcpy(fn->config + PCI_BAR(bar), &value, 4);
    memcpy(fn->writable + PCI_BAR(bar), &bits, 4);
    fn->config[PCI_COMMAND] |= (uint8_t)(PCI_COMMAND_IO | PCI_COMMAND_BM);
}
