/* The registers. */
#include "ahci_model.h"

#include <string.h>
#include "ahci_wire.h"

#define RO_CAP                                                                                                         \
    (W_CAP_S64A | W_CAP_SNCQ | W_CAP_SPM | W_CAP_FBSS | W_CAP_CCCS | W_CAP_NCS | (1u << 24) | (1u << 27) | (1u << 20))

uint32_t ahci_model_random(struct ahci_model *m, uint32_t below) {
    m->rng ^= m->rng << 13;
    m->rng ^= m->rng >> 17;
    m->rng ^= m->rng << 5;
    return m->rng % below;
}

static uint32_t pxis(const struct ahci_model_port *p) {
    return p->is | (p->serr & W_SERR_X ? W_IS_PCS : 0) | (p->serr & W_SERR_N ? W_IS_PRCS : 0);
}

void ahci_model_update_irq(struct ahci_model *m) {
    uint32_t before = m->is;
    for (unsigned i = 0; i < AHCI_MODEL_PORTS; i++) {
        struct ahci_model_port *p = &m->port[i];
        bool interrupts = (pxis(p) & p->ie) != 0;
        if (interrupts && !(m->edges && p->interrupted)) m->is |= 1u << i;
        p->interrupted = interrupts;
    }
    bool irq = (m->ghc & W_GHC_IE) && (m->messages ? m->irq || (m->is & ~before) : m->is != 0);
    m->n_irqs += irq && !m->irq;
    m->irq = irq;
}

/* --- ports --- */

static void clear_port(struct ahci_model_port *p) {
    ahci_model_drop(p);
    p->is = p->ie = p->sctl = p->serr = p->sact = p->ci = 0;
    p->cmd = 0x6; /* spun up, powered */
    p->tfd = 0x7f;
    p->halted = false;
    p->cr_reads = 0;
}

/* After COMRESET, or when a disk is plugged in. */
static void link_up(struct ahci_model *m, struct ahci_model_port *p) {
    p->ssts = W_SSTS_UP;
    p->serr |= W_SERR_X | W_SERR_N;
    p->sig = p->disk->atapi ? W_SIG_ATAPI : W_SIG_ATA;
    p->disk->ncq_error = false;
    ahci_model_d2h(m, p, p->disk->atapi ? 0x00 : W_ST_DRDY, 0x01, 0);
}

static void write_sctl(struct ahci_model *m, struct ahci_model_port *p, uint32_t v) {
    bool was_reset = (p->sctl & 0xf) == 1;
    p->sctl = v & 0xfff;
    if ((v & 0xf) == 1) {
        ahci_model_drop(p);
        p->ssts = 0;
        p->tfd = 0x7f;
        if (p->disk) p->serr |= W_SERR_N;
    } else if (was_reset && (v & 0xf) == 0 && p->disk) {
        link_up(m, p);
    }
}

static void stop(struct ahci_model *m, struct ahci_model_port *p) {
    p->ci = p->sact = 0;
    p->halted = false;
    p->cr_reads = m->cr_lingers ? ahci_model_random(m, 6) : 0;
    if (p->cr_reads == 0 && !p->stuck_cr) {
        p->cmd &= ~W_CMD_CR;
        ahci_model_drop(p);
    }
}

static void write_cmd(struct ahci_model *m, struct ahci_model_port *p, uint32_t v) {
    const uint32_t rw = 0xff000017 | (1u << 24); /* ICC and below, FRE, POD, SUD, ST */
    uint32_t old = p->cmd;
    p->cmd = (old & ~rw) | (v & rw);
    if (v & W_CMD_CLO) p->tfd &= ~(uint32_t)(W_ST_BSY | W_ST_DRQ);
    if ((v & W_CMD_FRE) && !(old & W_CMD_FRE)) fake_dma(m->fake, (uint64_t)p->fbu << 32 | p->fb, W_RFIS_BYTES);
    p->cmd = v & W_CMD_FRE ? p->cmd | W_CMD_FR : p->cmd & ~W_CMD_FR;
    if ((v & W_CMD_ST) && !(old & W_CMD_ST)) {
        if (old & W_CMD_CR) m->n_bad_registers++; /* 10.3.1: CR must be clear before ST is set */
        fake_dma(m->fake, (uint64_t)p->clbu << 32 | p->clb, W_LIST_BYTES);
        p->cmd |= W_CMD_CR;
    }
    if (!(v & W_CMD_ST) && (old & W_CMD_ST)) stop(m, p);
}

/* An address register may change only while the engine that uses it is off. */
static void write_base(struct ahci_model *m, uint32_t *reg, uint32_t v, uint32_t running) {
    if (running && *reg != v) m->n_bad_registers++;
    *reg = v;
}

static void write_port(struct ahci_model *m, struct ahci_model_port *p, uint64_t offset, uint32_t v) {
    switch (offset) {
    case W_CLB: write_base(m, &p->clb, v & ~0x3ffu, p->cmd & W_CMD_CR); break;
    case W_CLBU: write_base(m, &p->clbu, v, p->cmd & W_CMD_CR); break;
    case W_FB: write_base(m, &p->fb, v & ~0xffu, p->cmd & W_CMD_FR); break;
    case W_FBU: write_base(m, &p->fbu, v, p->cmd & W_CMD_FR); break;
    case W_PxIS: p->is &= ~v; break;
    case W_PxIE: p->ie = v & 0xfdc000ff; break;
    case W_CMD: write_cmd(m, p, v); break;
    case W_SCTL: write_sctl(m, p, v); break;
    case W_SERR: p->serr &= ~v; break;
    case W_SACT:
        if (p->cmd & W_CMD_ST) p->sact |= v;
        break;
    case W_CI:
        if (p->cmd & W_CMD_ST) p->ci |= v;
        break;
    case W_FBS: m->n_bad_registers += v & 1; break; /* we claim support, and the mediator must hide it */
    default: break;
    }
}

static uint32_t read_cmd(struct ahci_model_port *p) {
    if (!(p->cmd & W_CMD_ST) && (p->cmd & W_CMD_CR) && !p->stuck_cr) {
        if (p->cr_reads > 0) {
            p->cr_reads--;
        } else {
            p->cmd &= ~W_CMD_CR;
            ahci_model_drop(p);
        }
    }
    return p->cmd;
}

static uint32_t read_port(struct ahci_model_port *p, uint64_t offset) {
    switch (offset) {
    case W_CLB: return p->clb;
    case W_CLBU: return p->clbu;
    case W_FB: return p->fb;
    case W_FBU: return p->fbu;
    case W_PxIS: return pxis(p);
    case W_PxIE: return p->ie;
    case W_CMD: return read_cmd(p);
    case W_TFD: return p->tfd;
    case W_SIG: return p->sig;
    case W_SSTS: return p->ssts;
    case W_SCTL: return p->sctl;
    case W_SERR: return p->serr;
    case W_SACT: return p->sact;
    case W_CI: return p->ci;
    default: return 0;
    }
}

/* --- the whole --- */

/* 10.4.3 "HBA Reset": everything but the addresses. Ports come back as after COMRESET. */
static void hba_reset(struct ahci_model *m) {
    m->ghc = W_GHC_HR;
    m->is = 0;
    m->hr_reads = m->cr_lingers ? ahci_model_random(m, 4) : 0;
    for (unsigned i = 0; i < AHCI_MODEL_PORTS; i++) {
        clear_port(&m->port[i]);
        if (m->port[i].disk) link_up(m, &m->port[i]);
    }
}

static uint32_t read_ghc(struct ahci_model *m) {
    if ((m->ghc & W_GHC_HR) && !m->stuck_hr) {
        if (m->hr_reads > 0)
            m->hr_reads--;
        else
            m->ghc &= ~W_GHC_HR;
    }
    return m->ghc;
}

static uint32_t read_register(struct ahci_model *m, uint64_t offset) {
    if (offset >= W_PORT(0) && offset < W_PORT(AHCI_MODEL_PORTS))
        return read_port(&m->port[(offset - W_PORT(0)) / 0x80], offset % 0x80);
    switch (offset) {
    case W_CAP: return m->cap;
    case W_GHC: return read_ghc(m);
    case W_IS: return m->is;
    case W_PI: return m->pi;
    case W_VS: return 0x00010301;
    default: return 0;
    }
}

static void write_register(struct ahci_model *m, uint64_t offset, uint32_t v) {
    if (offset >= W_PORT(0) && offset < W_PORT(AHCI_MODEL_PORTS)) {
        unsigned port = (unsigned)(offset - W_PORT(0)) / 0x80;
        if (m->pi >> port & 1) write_port(m, &m->port[port], offset % 0x80, v);
        return;
    }
    switch (offset) {
    case W_GHC:
        if (v & W_GHC_HR)
            hba_reset(m);
        else
            m->ghc = (m->ghc & W_GHC_HR) | (v & (W_GHC_IE | W_GHC_AE));
        break;
    case W_IS: m->is &= ~v; break;
    case W_CCC_CTL: m->n_bad_registers += v & 1; break;
    default: break;
    }
}

static bool is_status(uint64_t offset) {
    uint64_t r = offset % 0x80;
    return offset == W_IS || (offset >= W_PORT(0) && (r == W_CI || r == W_SACT || r == W_PxIS || r == W_TFD));
}

uint64_t ahci_model_read(void *model, uint64_t offset, unsigned n_bytes) {
    struct ahci_model *m = model;
    if (n_bytes > 4) fake_fail("a read of %u bytes: AHCI 3 promises no more than 4", n_bytes);
    if (m->auto_step && is_status(offset) && ahci_model_random(m, 100) < m->auto_step) ahci_model_step(m);
    uint32_t v = read_register(m, offset & ~UINT64_C(3)) >> (8 * (offset & 3));
    ahci_model_update_irq(m);
    return v & (UINT32_MAX >> (32 - 8 * n_bytes));
}

void ahci_model_write(void *model, uint64_t offset, unsigned n_bytes, uint64_t value) {
    struct ahci_model *m = model;
    if (n_bytes > 4) fake_fail("a write of %u bytes: AHCI 3 promises no more than 4", n_bytes);
    uint64_t reg = offset & ~UINT64_C(3), r = reg % 0x80;
    bool acknowledges = reg >= W_PORT(0) && r == W_PxIS; /* what has ended just before is acknowledged with the rest */
    if (m->racing && acknowledges && ahci_model_random(m, 100) < m->auto_step) ahci_model_step(m);
    uint32_t shift = 8 * (uint32_t)(offset & 3), mask = (UINT32_MAX >> (32 - 8 * n_bytes)) << shift;
    bool sets_or_clears = is_status(reg) || (reg >= W_PORT(0) && r == W_SERR);
    uint32_t rest = sets_or_clears || n_bytes == 4 ? 0 : read_register(m, reg) & ~mask;
    write_register(m, reg, rest | ((uint32_t)value << shift & mask));
    ahci_model_update_irq(m);
}

void ahci_model_init(struct ahci_model *m, struct fake_host *fake, unsigned n_ports, uint32_t seed) {
    memset(m, 0, sizeof *m);
    m->fake = fake;
    m->cap = RO_CAP | (n_ports - 1);
    m->pi = (1u << n_ports) - 1;
    m->rng = seed * 2654435761u | 1;
    for (unsigned i = 0; i < AHCI_MODEL_PORTS; i++) clear_port(&m->port[i]);
}

struct fake_fn *ahci_model_attach(struct ahci_model *m, uint32_t abar) {
    struct fake_fn *fn = fake_host_add(m->fake, (struct dvi_bdf){0, 31, 2}, 0x29228086, 0x010601);
    fake_fn_set_bar(fn, 5, AHCI_MODEL_BYTES, abar);
    memcpy(fn->config + 0x20, "\x61\xc0\0\0", 4); /* BAR 4: the index and data ports */
    memcpy(fn->writable + 0x20, "\xe0\xff\0\0", 4);
    fn->model = m;
    fn->read = ahci_model_read;
    fn->write = ahci_model_write;
    return fn;
}

void ahci_model_plug(struct ahci_model *m, unsigned port, struct ata_disk *disk) {
    m->port[port].disk = disk;
    link_up(m, &m->port[port]);
    ahci_model_update_irq(m);
}

void ahci_model_unplug(struct ahci_model *m, unsigned port) {
    struct ahci_model_port *p = &m->port[port];
    ahci_model_drop(p);
    p->disk = NULL;
    p->ssts = 0;
    p->tfd = 0x7f;
    p->sig = 0xffffffff;
    p->serr |= W_SERR_N | W_SERR_X;
    ahci_model_update_irq(m);
}

void ahci_model_fail(struct ahci_model *m, unsigned port, enum ahci_model_fault fault, unsigned n) {
    m->port[port].next_fault = fault;
    m->port[port].fault_in = n;
}

bool ahci_model_step(struct ahci_model *m) {
    unsigned first = ahci_model_random(m, AHCI_MODEL_PORTS);
    bool did = false;
    for (unsigned i = 0; i < AHCI_MODEL_PORTS && !did; i++)
        did = ahci_model_step_port(m, &m->port[(first + i) % AHCI_MODEL_PORTS]);
    ahci_model_update_irq(m);
    return did;
}

void ahci_model_settle(struct ahci_model *m) {
    while (ahci_model_step(m)) continue;
}
