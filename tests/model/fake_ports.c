/* see fake_host.h: ports, their traps, and the guest's IN and OUT */
#include "fake_host.h"

#include <string.h>
#include <dvi/pci_regs.h>

static void check_port_width(uint16_t port, unsigned n_bytes) {
    if (n_bytes != 1 && n_bytes != 2 && n_bytes != 4) fake_fail("width %u at port %#x", n_bytes, port);
}

static uint32_t ones(unsigned n_bytes) { return UINT32_MAX >> (32 - 8 * n_bytes); }

static uint32_t config_dword(const struct fake_fn *fn, unsigned offset) {
    uint32_t v;
    memcpy(&v, fn->config + offset, 4);
    return v;
}

/* --- devices --- */

struct place {
    struct fake_fn *fn;
    unsigned window, offset, left; /* left: ports of the window from this one on */
};

/* Who decodes a port now. */
static bool decode(struct fake_host *f, uint16_t port, struct place *out) {
    for (unsigned i = 0; i < f->n_fns; i++) {
        struct fake_fn *fn = &f->fn[i];
        if (!(config_dword(fn, PCI_COMMAND) & PCI_COMMAND_IO)) continue;
        for (unsigned w = 0; w < FAKE_MAX_WINDOWS; w++) {
            const struct fake_window *win = &fn->window[w];
            uint32_t base = win->fixed ? win->fixed : config_dword(fn, PCI_BAR(win->bar)) & PCI_BAR_IO_ADDR;
            if (win->n == 0 || base == 0 || port < base || port - base >= win->n) continue;
            *out = (struct place){fn, w, win->first + (port - base), win->n - (port - base)};
            return true;
        }
    }
    return false;
}

/* An access that one window holds goes to the device as it is; another is taken apart, as buses do. */
static uint32_t port_read(void *ctx, uint16_t port, unsigned n_bytes) {
    struct fake_host *f = ctx;
    struct place at;
    check_port_width(port, n_bytes);
    f->n_device_reads++;
    bool found = decode(f, port, &at);
    if (found && at.left >= n_bytes) return at.fn->port_read(at.fn->model, at.window, at.offset, n_bytes);
    if (n_bytes == 1) return 0xff;
    uint32_t value = 0;
    for (unsigned i = 0; i < n_bytes; i++) value |= port_read(f, (uint16_t)(port + i), 1) << (8 * i);
    return value;
}

static void port_write(void *ctx, uint16_t port, unsigned n_bytes, uint32_t value) {
    struct fake_host *f = ctx;
    struct place at;
    check_port_width(port, n_bytes);
    f->n_device_writes++;
    bool found = decode(f, port, &at);
    if (found && at.left >= n_bytes)
        at.fn->port_write(at.fn->model, at.window, at.offset, n_bytes, value & ones(n_bytes));
    else if (n_bytes > 1)
        for (unsigned i = 0; i < n_bytes; i++) port_write(f, (uint16_t)(port + i), 1, value >> (8 * i));
}

/* --- traps --- */

static bool is_free(const struct fake_host *f, int self, uint16_t first, uint64_t n) {
    if (n == 0 || first + n > 0x10000) return false;
    if (f->untrappable_port != 0 && vmm_ranges_overlap(first, n, f->untrappable_port, 1)) return false;
    for (int i = 0; i < (int)FAKE_MAX_TRAPS; i++)
        if (i != self && f->pio[i].used && vmm_ranges_overlap(first, n, f->pio[i].base, f->pio[i].n_bytes))
            return false;
    return true;
}

static int pio_trap(void *ctx, uint16_t first, uint16_t n, dvi_trap_fn *handler, void *cookie) {
    struct fake_host *f = ctx;
    int i = 0;
    while (i < (int)FAKE_MAX_TRAPS && f->pio[i].handler) i++;
    if (i == (int)FAKE_MAX_TRAPS) return DVI_E_NOMEM;
    if (!is_free(f, i, first, n)) return DVI_E_RANGE;
    f->pio[i] = (struct fake_trap){true, first, n, handler, cookie};
    return i;
}

static int pio_move(void *ctx, int handle, uint16_t first) {
    struct fake_host *f = ctx;
    if (handle < 0 || handle >= (int)FAKE_MAX_TRAPS || !f->pio[handle].handler) fake_fail("port trap %d", handle);
    f->pio[handle].used = is_free(f, handle, first, f->pio[handle].n_bytes);
    f->pio[handle].base = first;
    return f->pio[handle].used ? 0 : DVI_E_RANGE;
}

/* --- the guest's side --- */

static const struct fake_trap *trap_at(const struct fake_host *f, uint16_t port) {
    for (unsigned i = 0; i < FAKE_MAX_TRAPS; i++) {
        const struct fake_trap *t = &f->pio[i];
        if (t->used && port >= t->base && port - t->base < t->n_bytes) return t;
    }
    return NULL;
}

static uint32_t guest_pio(struct fake_host *f, struct vmm_access *a) {
    const struct fake_trap *t = NULL;
    struct place at;
    uint16_t port = (uint16_t)a->addr;
    check_port_width(port, a->n_bytes);
    for (unsigned i = 0; i < a->n_bytes && !t; i++) t = trap_at(f, (uint16_t)(port + i));
    for (unsigned i = 0; i < a->n_bytes && !t; i++)
        if (decode(f, (uint16_t)(port + i), &at) && at.fn->must_trap)
            fake_fail("the guest reaches port %#x untrapped", port + i);
    enum vmm_verdict verdict = t ? t->handler(t->cookie, a) : VMM_PASS;
    if (verdict == VMM_HANDLED) return (uint32_t)a->value & ones(a->n_bytes);
    if (verdict == VMM_SKIP) return ones(a->n_bytes);
    if (verdict != VMM_PASS) fake_fail("verdict %d", verdict);
    if (a->write) port_write(f, port, a->n_bytes, (uint32_t)a->value);
    return a->write ? 0 : port_read(f, port, a->n_bytes);
}

uint32_t fake_guest_in(struct fake_host *f, uint16_t port, unsigned n_bytes) {
    return guest_pio(f, &(struct vmm_access){.addr = port, .n_bytes = (uint8_t)n_bytes});
}

void fake_guest_out(struct fake_host *f, uint16_t port, unsigned n_bytes, uint32_t value) {
    guest_pio(f, &(struct vmm_access){.addr = port, .value = value, .n_bytes = (uint8_t)n_bytes, .write = true});
}

void fake_ports_install(struct dvi_host *host) {
    host->port_read = port_read;
    host->port_write = port_write;
    host->pio_trap = pio_trap;
    host->pio_move = pio_move;
}
