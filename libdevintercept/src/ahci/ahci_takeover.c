/* see ahci_shadow.h: take ports over from firmware, which may have left them running, and ask who is there */
#include <string.h>

#include "ahci_shadow.h"

/* AHCI 1.3.1, 10.1.2 "System Software Specific Initialization": CR and FR clear within 500 ms. */
#define STOP_US (500u * 1000u)
/* Ours: a disk that sleeps answers without spinning up, one that has a queue ends it first. */
#define DRAIN_US    (1000u * 1000u)
#define IDENTIFY_US (2000u * 1000u)

/* Until the bits of mask read as value. */
static bool wait_reg(const struct dvi_ahci *a, uint64_t reg, uint32_t mask, uint32_t value, uint64_t limit_us) {
    const struct dvi_host *h = a->host;
    uint64_t start = h->now_us(h->ctx);
    while ((ahci_rd(a, reg) & mask) != value)
        if (h->now_us(h->ctx) - start > limit_us) return false;
    return true;
}

/* Switch bits of PxCMD, ST before FRE when they go and after it when they come, and wait until they took effect. */
static bool stop(const struct dvi_ahci *a, const struct dvi_ahci_port *p) {
    uint64_t reg = p->regs + AHCI_PxCMD;
    ahci_wr(a, reg, ahci_rd(a, reg) & ~AHCI_PxCMD_ST);
    if (!wait_reg(a, reg, AHCI_PxCMD_CR, 0, STOP_US)) return false;
    ahci_wr(a, reg, ahci_rd(a, reg) & ~(AHCI_PxCMD_FRE | AHCI_PxCMD_PMA));
    return wait_reg(a, reg, AHCI_PxCMD_FR, 0, STOP_US);
}

/* MUST: the port is stopped. */
static void restart(const struct dvi_ahci *a, const struct dvi_ahci_port *p, uint32_t run) {
    uint64_t reg = p->regs + AHCI_PxCMD;
    uint32_t now = ahci_rd(a, reg);
    if (run & AHCI_PxCMD_FRE) ahci_wr(a, reg, now | AHCI_PxCMD_FRE);
    if (run & AHCI_PxCMD_ST) ahci_wr(a, reg, now | run);
}

static uint64_t cmdlist(const struct dvi_ahci *a, const struct dvi_ahci_port *p) {
    return ahci_rd(a, p->regs + AHCI_PxCLB) | (uint64_t)ahci_rd(a, p->regs + AHCI_PxCLBU) << 32;
}

static void install_clb(const struct dvi_ahci *a, const struct dvi_ahci_port *p, uint64_t addr) {
    ahci_wr(a, p->regs + AHCI_PxCLB, (uint32_t)addr);
    ahci_wr(a, p->regs + AHCI_PxCLBU, (uint32_t)(addr >> 32));
}

static void install_fb(const struct dvi_ahci *a, const struct dvi_ahci_port *p, uint64_t addr) {
    ahci_wr(a, p->regs + AHCI_PxFB, (uint32_t)addr);
    ahci_wr(a, p->regs + AHCI_PxFBU, (uint32_t)(addr >> 32));
}

bool ahci_fis_install(const struct dvi_ahci *a, const struct dvi_ahci_port *p) {
    if (!a->host->dma_ok(a->host->ctx, gpa(p->fb), AHCI_RFIS_BYTES)) return false;
    install_fb(a, p, p->fb);
    return true;
}

/* Ready for a command, and not an ATAPI device nor a port multiplier. */
static bool disk_ready(const struct dvi_ahci *a, const struct dvi_ahci_port *p) {
    return FIELD_GET(AHCI_PxSSTS_DET, ahci_rd(a, p->regs + AHCI_PxSSTS)) == AHCI_PxSSTS_DET_PRESENT &&
           ahci_rd(a, p->regs + AHCI_PxSIG) == AHCI_PxSIG_ATA &&
           !(ahci_rd(a, p->regs + AHCI_PxTFD) & (ATA_STATUS_BSY | ATA_STATUS_DRQ));
}

struct polled {
    struct dvi_ahci *a;
    struct dvi_ahci_port *p;
};

/* Poll a command in slot 0 that gives 512 bytes, which are in our memory then. */
static bool poll(const struct polled *x, uint8_t opcode, uint64_t lba) {
    uint8_t fis[FIS_H2D_BYTES] = {[FIS_TYPE] = FIS_TYPE_H2D, [FIS_H2D_FLAGS] = FIS_H2D_C, [FIS_H2D_COMMAND] = opcode};
    fis[FIS_H2D_DEVICE] = ATA_DEVICE_LBA;
    acs_set_range(fis, lba, 1);
    ahci_table_sector(x->p, 0, fis);
    ahci_wr(x->a, x->p->regs + AHCI_PxCI, 1);
    return wait_reg(x->a, x->p->regs + AHCI_PxCI, 1, 0, IDENTIFY_US) && ahci_table_prdbc(x->p, 0) == ATA_ID_BYTES;
}

static bool read_sector(void *ctx, uint64_t lba, void *dst) {
    const struct polled *x = ctx;
    if (lba >= x->p->id.n_sectors || !poll(x, ATA_READ_DMA_EXT, lba)) return false;
    memcpy(dst, x->p->mem + AHCI_SHADOW_IDENTIFY, DVI_UNIT_BYTES);
    return true;
}

/* MUST: the port is stopped, our command list installed, its interrupts are masked. */
static void identify(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    struct polled polled = {a, p};
    const struct dvi_disk_reader reader = {&polled, read_sector};
    uint64_t reg = p->regs + AHCI_PxCMD;
    uint32_t cmd = ahci_rd(a, reg);

    install_fb(a, p, p->bus.v + AHCI_SHADOW_RFIS);
    ahci_wr(a, reg, cmd | AHCI_PxCMD_FRE);
    if (!wait_reg(a, reg, AHCI_PxCMD_FR, AHCI_PxCMD_FR, STOP_US)) return;
    ahci_wr(a, reg, cmd | AHCI_PxCMD_FRE | AHCI_PxCMD_ST);
    if (poll(&polled, ATA_IDENTIFY_DEVICE, 0)) ahci_learn(a, p, p->mem + AHCI_SHADOW_IDENTIFY, &reader);
}

static int take(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    uint32_t had = ahci_rd(a, p->regs + AHCI_PxIS);
    if (!stop(a, p)) return DVI_E_DEVICE;
    if (a->cap & AHCI_CAP_FBSS) ahci_wr(a, p->regs + AHCI_PxFBS, 0);
    ahci_cmdlist_install(a, p);
    if (!disk_ready(a, p)) return 0;

    identify(a, p);
    if (!stop(a, p)) return DVI_E_DEVICE;
    ahci_wr(a, p->regs + AHCI_PxIS, ahci_rd(a, p->regs + AHCI_PxIS) & ~had);
    /* What has changed before is known now; a driver that clears this later must not make us forget it. */
    if (p->known) ahci_wr(a, p->regs + AHCI_PxSERR, AHCI_PxSERR_DIAG_X | AHCI_PxSERR_DIAG_N);
    return 0;
}

int ahci_takeover(struct dvi_ahci *a, struct dvi_ahci_port *p) {
    uint32_t cmd = p->was_cmd = ahci_rd(a, p->regs + AHCI_PxCMD);
    p->was_ie = ahci_rd(a, p->regs + AHCI_PxIE);
    if (a->cap & AHCI_CAP_FBSS) p->was_fbs = ahci_rd(a, p->regs + AHCI_PxFBS);
    p->clb = cmdlist(a, p);
    p->fb = ahci_rd(a, p->regs + AHCI_PxFB) | (uint64_t)ahci_rd(a, p->regs + AHCI_PxFBU) << 32;
    p->taken = true;

    ahci_wr(a, p->regs + AHCI_PxIE, 0);
    if (cmd & AHCI_PxCMD_ST) { /* a command that hangs is lost, as its driver will find out */
        (void)wait_reg(a, p->regs + AHCI_PxCI, UINT32_MAX, 0, DRAIN_US);
        (void)wait_reg(a, p->regs + AHCI_PxSACT, UINT32_MAX, 0, DRAIN_US);
    }
    int error = take(a, p);
    if (error) return error;

    uint32_t run = cmd & (AHCI_PxCMD_FRE | AHCI_PxCMD_ST);
    if (!ahci_fis_install(a, p)) run = 0;
    restart(a, p, run);
    p->st = run & AHCI_PxCMD_ST;
    ahci_wr(a, p->regs + AHCI_PxIE, p->was_ie);
    return 0;
}

int ahci_give_back(const struct dvi_ahci *a, struct dvi_ahci_port *p) {
    if (!p->taken) return 0;
    p->taken = false;
    ahci_wr(a, p->regs + AHCI_PxIE, 0);
    bool stopped = stop(a, p);
    if (stopped) {
        install_clb(a, p, p->clb);
        install_fb(a, p, p->fb);
        if (a->cap & AHCI_CAP_FBSS) ahci_wr(a, p->regs + AHCI_PxFBS, p->was_fbs);
        uint32_t pma = p->was_cmd & AHCI_PxCMD_PMA;
        if (pma) ahci_wr(a, p->regs + AHCI_PxCMD, ahci_rd(a, p->regs + AHCI_PxCMD) | pma);
        restart(a, p, p->was_cmd & (AHCI_PxCMD_FRE | AHCI_PxCMD_ST));
    }
    ahci_wr(a, p->regs + AHCI_PxIE, p->was_ie);
    /* One that never stopped was not given our memory. */
    return stopped || cmdlist(a, p) == p->clb ? 0 : DVI_E_DEVICE;
}
