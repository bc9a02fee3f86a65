/* see ahci_shadow.h: what the guest's accesses to the registers mean */
#include "ahci_shadow.h"

/* --- reads --- */

/* A command that is queued counts as accepted while the device says so; later parts of it are not shown again. */
static uint32_t read_ci(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    (void)ahci_poll(a, p, true);
    if (!p->st) return 0;
    uint32_t queued = p->issued & p->queued;
    uint32_t ci = queued ? ahci_rd(a, p->regs + AHCI_PxCI) | p->waiting | p->late : 0;
    return (p->issued & ~queued) | (queued & ci);
}

static uint32_t read_port_is(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    /* Before the poll: what it shows complete, the poll finds complete. */
    uint32_t is = ahci_rd(a, p->regs + AHCI_PxIS);
    if ((is || p->arrived) && ahci_poll(a, p, true)) {
        is &= ~AHCI_PxIS_DONE;
        ahci_remind(a, p); /* it need not acknowledge what it does not see */
    }
    if (is & (AHCI_PxIS_PCS | AHCI_PxIS_PRCS)) p->known = false;
    return is;
}

static uint32_t read_tfd(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    uint32_t tfd = ahci_rd(a, p->regs + AHCI_PxTFD);
    if (!p->issued || (tfd & (ATA_STATUS_BSY | ATA_STATUS_DRQ))) return tfd;
    (void)ahci_poll(a, p, true);
    tfd = ahci_rd(a, p->regs + AHCI_PxTFD); /* the next part may have made it busy */
    return p->arrived & ~p->queued ? tfd | ATA_STATUS_BSY : tfd;
}

static uint32_t read_port(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t reg) {
    switch (reg) {
    case AHCI_PxCLB: return (uint32_t)p->clb;
    case AHCI_PxCLBU: return (uint32_t)(p->clb >> 32);
    case AHCI_PxFB: return (uint32_t)p->fb;
    case AHCI_PxFBU: return (uint32_t)(p->fb >> 32);
    case AHCI_PxIS: return read_port_is(a, p);
    case AHCI_PxCI: return read_ci(a, p);
    case AHCI_PxSACT: (void)ahci_poll(a, p, true); return p->st ? p->sact : 0;
    case AHCI_PxTFD: return read_tfd(a, p);
    case AHCI_PxFBS: return 0;
    default: break;
    }
    return ahci_rd(a, p->regs + reg);
}

static uint32_t read_is(struct dvi_ahci *a) {
    uint32_t is = ahci_rd(a, AHCI_IS);
    FOR_EACH_BIT(n, is & a->pi)(void) ahci_poll(a, &a->port[n], true);
    return is;
}

static struct dvi_ahci_port *port_at(struct dvi_ahci *a, uint32_t reg) {
    uint32_t n = (reg - AHCI_PORT0) / AHCI_PORT_BYTES;
    return reg >= AHCI_PORT0 && n < AHCI_MAX_PORTS && a->port[n].mem ? &a->port[n] : NULL;
}

/* reg: multiple of 4 */
static uint32_t read_reg(struct dvi_ahci *a, uint32_t reg) {
    struct dvi_ahci_port *p = port_at(a, reg);
    if (p) return a->resetting ? 0 : read_port(a, p, (uint32_t)(reg - p->regs));
    switch (reg) {
    case AHCI_CAP: return ahci_rd(a, reg) & ~(AHCI_CAP_SPM | AHCI_CAP_FBSS | AHCI_CAP_CCCS | AHCI_CAP_EMS);
    case AHCI_CCC_CTL:
    case AHCI_CCC_PORTS: return 0;
    case AHCI_IS: return a->resetting ? 0 : read_is(a);
    default: return ahci_rd(a, reg);
    }
}

/* --- writes --- */

static void set_half(uint64_t *pair, bool upper, uint32_t value) {
    *pair = upper ? (*pair & UINT32_MAX) | (uint64_t)value << 32 : (*pair & ~(uint64_t)UINT32_MAX) | value;
}

/* The port was without our command list if it was reset behind our back (function reset, D3): install it at every
 * start. */
static uint32_t start_port(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t value) {
    if (a->stopping & bit(p->number)) { /* not before CR is clear: AHCI 1.3.1, 10.3.1 "Start (PxCMD.ST)" */
        a->stats.bad_registers++;
        return value & ~AHCI_PxCMD_ST;
    }
    ahci_cmdlist_install(a, p);
    if (ahci_rd(a, p->regs + AHCI_PxSERR) & (AHCI_PxSERR_DIAG_X | AHCI_PxSERR_DIAG_N)) p->known = false;
    p->st = true;
    return value;
}

static void write_cmd(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t value) {
    uint32_t now = ahci_rd(a, p->regs + AHCI_PxCMD);
    value &= ~AHCI_PxCMD_PMA;
    if (p->st && !(now & AHCI_PxCMD_ST)) ahci_stop(a, p); /* reset behind our back */
    ahci_settle(a);

    if ((value & AHCI_PxCMD_FRE) && !(now & AHCI_PxCMD_FRE) && !ahci_fis_install(a, p)) {
        a->stats.bad_registers++;
        value &= ~AHCI_PxCMD_FRE;
    }
    if (p->st && !(value & AHCI_PxCMD_ST)) {
        (void)ahci_poll(a, p, false);
        ahci_stop(a, p);
    }
    if (!p->st && (value & AHCI_PxCMD_ST)) value = start_port(a, p, value);
    ahci_wr(a, p->regs + AHCI_PxCMD, value);
    ahci_settle(a);
}

static void write_sctl(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t value) {
    (void)ahci_poll(a, p, true);
    if (value & AHCI_PxSCTL_DET) p->known = false; /* whoever answers next may be another */
    ahci_wr(a, p->regs + AHCI_PxSCTL, value);
}

static void write_serr(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t value) {
    uint32_t changed = AHCI_PxSERR_DIAG_X | AHCI_PxSERR_DIAG_N;
    if ((value & changed) && (ahci_rd(a, p->regs + AHCI_PxSERR) & changed)) p->known = false;
    ahci_wr(a, p->regs + AHCI_PxSERR, value);
}

/* Who has looked by itself so far may rely on interrupts from now on. */
static void write_ie(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t value) {
    ahci_wr(a, p->regs + AHCI_PxIE, value);
    if (p->arrived) (void)ahci_poll(a, p, true);
}

static void write_port(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t reg, uint32_t value) {
    switch (reg) {
    case AHCI_PxCLB: set_half(&p->clb, false, value & AHCI_PxCLB_ALIGN); return;
    case AHCI_PxFB: set_half(&p->fb, false, value & AHCI_PxFB_ALIGN); return;
    case AHCI_PxCLBU: set_half(&p->clb, true, a->cap & AHCI_CAP_S64A ? value : 0); return;
    case AHCI_PxFBU: set_half(&p->fb, true, a->cap & AHCI_CAP_S64A ? value : 0); return;
    case AHCI_PxCMD: write_cmd(a, p, value); return;
    case AHCI_PxSCTL: write_sctl(a, p, value); return;
    case AHCI_PxSERR: write_serr(a, p, value); return;
    case AHCI_PxSACT:
        if (p->st) p->sact |= value & a->slots;
        return;
    case AHCI_PxCI:
        if (p->st) ahci_issue(a, p, value);
        return;
    case AHCI_PxIS: ahci_wr(a, p->regs + reg, ahci_acknowledge(a, p, value)); return;
    case AHCI_PxIE: write_ie(a, p, value); return;
    case AHCI_PxSNTF:
    case AHCI_PxDEVSLP: ahci_wr(a, p->regs + reg, value); return;
    default: a->stats.bad_registers++; return;
    }
}

/* AHCI 1.3.1, 10.4.3 "HBA Reset": all ports stop. Nothing is theirs any more once HR reads 0. */
static void write_ghc(struct dvi_ahci *a, uint32_t value) {
    if (value & AHCI_GHC_HR) {
        FOR_EACH_BIT(n, a->pi) {
            (void)ahci_poll(a, &a->port[n], false);
            a->port[n].known = false;
        }
        a->resetting = true;
    }
    ahci_wr(a, AHCI_GHC, value | AHCI_GHC_AE);
}

static void reset_done(struct dvi_ahci *a) {
    a->resetting = false;
    ahci_wr(a, AHCI_GHC, AHCI_GHC_AE);
    /* An HBA may lose what firmware wrote there once; as software does that saves and restores them. */
    ahci_wr(a, AHCI_CAP, a->cap);
    ahci_wr(a, AHCI_PI, a->pi);
    FOR_EACH_BIT(n, a->pi) {
        ahci_forget(a, &a->port[n]);
        ahci_cmdlist_install(a, &a->port[n]);
    }
}

static void write_is(const struct dvi_ahci *a, uint32_t value) {
    ahci_wr(a, AHCI_IS, value);
    FOR_EACH_BIT(n, value & a->pi) ahci_remind(a, &a->port[n]);
}

static void write_reg(struct dvi_ahci *a, uint32_t reg, uint32_t value) {
    struct dvi_ahci_port *p = port_at(a, reg);
    if (a->resetting) return;
    if (p) {
        write_port(a, p, (uint32_t)(reg - p->regs), value);
        return;
    }
    switch (reg) {
    case AHCI_GHC: write_ghc(a, value); break;
    case AHCI_IS: write_is(a, value); break;
    case AHCI_BOHC: ahci_wr(a, reg, value); break;
    default: a->stats.bad_registers++; break;
    }
}

/* Narrower than the register: only those where any half of a write makes sense by itself. */
static void write_narrow(struct dvi_ahci *a, uint32_t reg, unsigned n_bytes, uint64_t value) {
    struct dvi_ahci_port *p = port_at(a, reg);
    uint64_t r = (p ? reg - p->regs : reg) & ~UINT64_C(3);
    bool harmless = p ? r == AHCI_PxIS || r == AHCI_PxIE || r == AHCI_PxSNTF : r == AHCI_IS;
    uint32_t low = 8 * (reg & 3), mask = (uint32_t)(BIT(8 * n_bytes) - 1) << low;
    if (!harmless || a->resetting) {
        a->stats.bad_registers++;
        return;
    }
    /* Zeros do nothing to the others, where ones clear. */
    uint32_t rest = p && r == AHCI_PxIE ? ahci_rd(a, p->regs + AHCI_PxIE) & ~mask : 0;
    write_reg(a, reg & ~3u, rest | ((uint32_t)value << low & mask));
}

/* --- the trap --- */

static void access_words(struct dvi_ahci *a, uint32_t reg, struct vmm_access *access) {
    uint64_t value = access->value;
    access->value = 0;
    for (unsigned i = 0; i < access->n_bytes; i += 4) {
        if (access->write)
            write_reg(a, reg + i, (uint32_t)(value >> 8 * i));
        else
            access->value |= (uint64_t)read_reg(a, reg + i) << 8 * i;
    }
}

static void pass(const struct dvi_ahci *a, struct vmm_access *access) {
    const struct dvi_host *h = a->host;
    if (access->write)
        h->mmio_write(h->ctx, hpa(access->addr), access->n_bytes, access->value);
    else
        access->value = h->mmio_read(h->ctx, hpa(access->addr), access->n_bytes);
}

enum vmm_verdict ahci_on_mmio(void *cookie, struct vmm_access *access) {
    struct dvi_ahci *a = cookie;
    enum vmm_verdict verdict = VMM_HANDLED;

    bool waited = vmm_lock_is_held(&a->lock);
    vmm_lock(&a->lock);
    data_slice_begin(a->host, &a->slice, waited);
    uint64_t reg64 = access->addr - a->abar;
    uint32_t reg = (uint32_t)reg64;
    if (!a->decoding || reg64 >= a->abar_bytes || access->n_bytes > a->abar_bytes - reg64) {
        /* Another device's part of the page, or the BAR was moved meanwhile. Here and not by VMM_PASS, because the BAR
         * must not come back before the access has happened. */
        pass(a, access);
        goto out;
    }
    if (reg % access->n_bytes && (reg % 4 || access->n_bytes != 8)) {
        verdict = VMM_SKIP; /* AHCI 1.3.1, 3 "HBA Memory Registers": natural alignment only */
        goto out;
    }
    if (a->resetting && !(ahci_rd(a, AHCI_GHC) & AHCI_GHC_HR)) reset_done(a);
    if (a->stopping) ahci_settle(a);

    if (access->n_bytes >= 4)
        access_words(a, reg, access);
    else if (access->write)
        write_narrow(a, reg, access->n_bytes, access->value);
    else
        access->value = read_reg(a, reg & ~3u) >> 8 * (reg & 3u);
out:
    vmm_unlock(&a->lock);
    return verdict;
}
