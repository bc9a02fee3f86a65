/* Configuration space by ports CF8h/CFCh and by ECAM: the guest's accesses to trapped functions reach their handlers,
 * all others the machine. CF8h is kept as a value, because the machine's own register is needed for our accesses too.
 */
#include <string.h>
#include <vmm/bits.h>
#include "machine.h"

#define PCI_ADDRESS    0xcf8u
#define PCI_DATA       0xcfcu
#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_HIGH   BITS(30, 24) /* reserved; some chipsets take register bits 11:8 from here */
#define ADDRESS_BUS    BITS(23, 16)
#define ADDRESS_DEV    BITS(15, 11)
#define ADDRESS_FN     BITS(10, 8)
#define ADDRESS_REG    BITS(7, 2)

#define FUNCTION_BYTES 4096u

static uint64_t ones(unsigned n_bytes) { return UINT64_MAX >> (64 - 8 * n_bytes); }

static uint64_t ecam_of(const struct machine *m, struct dvi_bdf f) {
    if (!m->ecam || f.bus < m->ecam_first_bus || f.bus > m->ecam_last_bus) return 0;
    return m->ecam + ((uint64_t)f.bus << 20 | (uint64_t)f.dev << 15 | (uint64_t)f.fn << 12);
}

/* ---- our own accesses ---- */

static uint32_t port_access(struct machine *m, uint32_t address, unsigned n_bytes, bool write, uint32_t value) {
    uint16_t data = (uint16_t)(PCI_DATA + (address & 3));
    vmm_lock(&m->pci_lock);
    vmm_port_write(PCI_ADDRESS, 4, address & ~3u);
    if (write)
        vmm_port_write(data, n_bytes, value);
    else
        value = vmm_port_read(data, n_bytes);
    vmm_unlock(&m->pci_lock);
    return value;
}

static uint32_t address_of(struct dvi_bdf f, unsigned offset) {
    return (uint32_t)(ADDRESS_ENABLE | FIELD_PUT(ADDRESS_BUS, f.bus) | FIELD_PUT(ADDRESS_DEV, f.dev) |
                      FIELD_PUT(ADDRESS_FN, f.fn) | (offset & 0xff));
}

uint32_t machine_pci_read(void *ctx, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes) {
    struct machine *m = ctx;
    uint64_t ecam = ecam_of(m, bdf);
    if (ecam) return (uint32_t)vmm_device_read(hpa(ecam + offset), n_bytes);
    return offset < 256 ? port_access(m, address_of(bdf, offset), n_bytes, false, 0) : (uint32_t)ones(n_bytes);
}

void machine_pci_write(void *ctx, struct dvi_bdf bdf, unsigned offset, unsigned n_bytes, uint32_t value) {
    struct machine *m = ctx;
    uint64_t ecam = ecam_of(m, bdf);
    if (ecam)
        vmm_device_write(hpa(ecam + offset), n_bytes, value);
    else if (offset < 256)
        (void)port_access(m, address_of(bdf, offset), n_bytes, true, value);
}

/* ---- the guest's ---- */

static const struct machine_trap *find(const struct machine *m, struct dvi_bdf f) {
    for (uint32_t i = 0; i < m->n_pci; i++) {
        const struct dvi_bdf *t = &m->pci[i].bdf;
        if (t->bus == f.bus && t->dev == f.dev && t->fn == f.fn) return &m->pci[i];
    }
    return NULL;
}

/* Ask the handler; a passed access happens here. a->addr is the offset in configuration space. */
static enum vmm_verdict to_handler(struct machine *m, const struct machine_trap *t, struct vmm_access *a) {
    enum vmm_verdict verdict = t->fn(t->cookie, a);
    if (verdict != VMM_PASS) return verdict;
    if (a->write)
        machine_pci_write(m, t->bdf, (unsigned)a->addr, a->n_bytes, (uint32_t)a->value);
    else
        a->value = machine_pci_read(m, t->bdf, (unsigned)a->addr, a->n_bytes);
    return VMM_HANDLED;
}

static enum vmm_verdict address_port(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    struct machine *m = cookie;
    (void)vcpu;
    if (a->addr + a->n_bytes > PCI_DATA) return VMM_SKIP; /* would reach the data port behind its trap */
    /* Only a dword at CF8h itself is the address register; CF9h, for one, resets the machine. */
    if (a->addr != PCI_ADDRESS || a->n_bytes != 4) return VMM_PASS;
    vmm_lock(&m->pci_lock);
    if (a->write)
        m->guest_address = (uint32_t)a->value;
    else
        a->value = m->guest_address;
    vmm_unlock(&m->pci_lock);
    return VMM_HANDLED;
}

static enum vmm_verdict data_port(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    struct machine *m = cookie;
    (void)vcpu;
    unsigned byte = (unsigned)a->addr & 3;
    if (a->addr < PCI_DATA || byte + a->n_bytes > 4) return VMM_SKIP; /* a port range that only overlaps this one */
    uint32_t address = __atomic_load_n(&m->guest_address, __ATOMIC_RELAXED);
    struct dvi_bdf f = {.bus = (uint8_t)FIELD_GET(ADDRESS_BUS, address),
                        .dev = (uint8_t)FIELD_GET(ADDRESS_DEV, address),
                        .fn = (uint8_t)FIELD_GET(ADDRESS_FN, address)};
    const struct machine_trap *t = address & ADDRESS_ENABLE ? find(m, f) : NULL;
    if (!t) {
        a->value = port_access(m, (address & ~3u) | byte, a->n_bytes, a->write, (uint32_t)a->value);
        return VMM_HANDLED;
    }
    if (address & ADDRESS_HIGH) return VMM_SKIP; /* which register that means depends on the chipset */
    struct vmm_access reg = {
        .addr = (address & ADDRESS_REG) | byte, .n_bytes = a->n_bytes, .write = a->write, .value = a->value};
    enum vmm_verdict verdict = to_handler(m, t, &reg);
    a->value = reg.value;
    return verdict;
}

static enum vmm_verdict ecam_access(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *a) {
    const struct machine_trap *t = cookie;
    (void)vcpu;
    uint64_t at = a->addr, whole = a->value, answer = 0;
    enum vmm_verdict verdict = VMM_HANDLED;
    for (unsigned done = 0; done < a->n_bytes; done += 4) { /* a quadword is two registers */
        unsigned n = a->n_bytes < 4 ? a->n_bytes : 4;
        struct vmm_access reg = {.addr = (at + done) & (FUNCTION_BYTES - 1),
                                 .n_bytes = (uint8_t)n,
                                 .write = a->write,
                                 .value = (whole >> 8 * done) & ones(n)};
        verdict = to_handler(t->machine, t, &reg);
        answer |= (verdict == VMM_SKIP ? ones(n) : reg.value & ones(n)) << 8 * done;
    }
    a->value = answer;
    return verdict == VMM_INJECT ? VMM_INJECT : VMM_HANDLED;
}

int machine_pci_trap(void *ctx, struct dvi_bdf bdf, dvi_trap_fn *fn, void *cookie) {
    struct machine *m = ctx;
    if (m->n_pci == MACHINE_MAX_TRAPS || find(m, bdf)) return DVI_E_NOMEM;
    struct machine_trap *t = &m->pci[m->n_pci];
    *t = (struct machine_trap){.machine = m, .bdf = bdf, .fn = fn, .cookie = cookie};
    uint64_t ecam = ecam_of(m, bdf);
    if (ecam && vmm_mmio_trap(m->vmm, gpa(ecam), FUNCTION_BYTES, ecam_access, t) < 0) return DVI_E_RANGE;
    m->n_pci++;
    return 0;
}

int machine_pci_init(struct machine *m) {
    m->guest_address = vmm_port_read(PCI_ADDRESS, 4);
    int r = vmm_pio_trap(m->vmm, PCI_ADDRESS, 4, address_port, m);
    return r ? r : vmm_pio_trap(m->vmm, PCI_DATA, 4, data_port, m);
}
