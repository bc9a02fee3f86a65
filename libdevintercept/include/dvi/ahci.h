/* A para-pass-through mediator for AHCI controllers: rides on the guest's own driver (firmware's, Linux's, Windows's),
 * lets control through, and applies a policy to data: clear, encrypted, read-only or denied, per range of sectors.
 *
 * It traps the function's configuration space and its registers, keeps the command lists and tables that the device
 * really reads in memory of the hypervisor, and issues a checked copy of each command. What is refused is replaced by
 * ATA's NOP, which the device itself aborts. It is not a driver: it never starts a transfer of its own after set-up,
 * takes no interrupts and changes no status register the guest sees, except as below.
 *
 * What the guest sees differently from the bare controller:
 *   - port multipliers, FIS-based switching, command completion coalescing and enclosure management are absent;
 *   - the I bit of PRDs has no effect (PxIS.DPS);
 *   - the index/data pair in I/O space does not answer (COMMAND's I/O enable stays off), legacy mode cannot be chosen;
 *   - CAP, PI, VS and CAP2 cannot be written, nor reserved and vendor registers; writes narrower than 4 bytes have an
 *     effect on IS, PxIS, PxIE and PxSNTF only; writes of 8 bytes are two;
 *   - PxFB reaches the device when FRE goes from 0 to 1, and FRE stays 0 if the address is refused;
 *   - a command that needs several transfers keeps its bit in PxCI or PxSACT until the last; interrupts of the earlier
 *     ones are spurious;
 *   - while data that has arrived is being decrypted, its command keeps its bit, PxIS does not show that commands have
 *     ended, and acknowledging it has no effect: the interrupt stays, or comes again, until all is decrypted;
 *   - IDENTIFY DEVICE data does not offer what would be refused (security, trusted computing, microcode, HPA, SCT);
 *   - after a link reset or a change of device, commands with user data fail until IDENTIFY DEVICE was read.
 *
 * Threading: trap handlers may run on any processor at once, under one lock per controller. No allocation after init.
 * Sources: Serial ATA AHCI 1.3.1; Serial ATA 3.2; ACS-3 and ATA8-ACS; PCI 3.0. */
#ifndef DVI_AHCI_H
#define DVI_AHCI_H

#include <dvi/disk.h>

#define DVI_AHCI_N_PORTS 32u
#define DVI_AHCI_N_SLOTS 32u

struct dvi_ahci_config {
    void *cookie;
    dvi_policy_fn *policy_for;
    size_t pool_bytes; /* bounce memory for encrypted writes: at least DVI_AHCI_MIN_POOL, whole pages, up to _MAX_ */
};

#define DVI_AHCI_MIN_POOL VMM_PAGE_BYTES
#define DVI_AHCI_MAX_POOL DVI_POOL_MAX_BYTES

/* --- everything below is private to the mediator; here because the caller owns the storage --- */

/* One command slot. All fields [L]. */
struct dvi_ahci_slot {
    gpa_t header;         /* the guest's command header */
    struct dvi_prds prds; /* its descriptors */
    uint64_t lba;         /* of the first sector not issued yet */
    uint32_t n_sectors;   /* not issued yet */
    uint32_t flags;       /* of our command header: A W R C */
    uint32_t prdbc;       /* bytes transferred by the parts that are done */
    struct dvi_run run;   /* the part in flight */
    uint16_t n_bounced;   /* pages of the pool it holds */
    uint16_t n_filled;    /* the guest's descriptors behind those of the pool */
    uint8_t kind;         /* enum acs_kind */
    uint8_t fis[20];
};

/* One port. All fields [L] unless said. */
struct dvi_ahci_port {
    uint8_t *mem;      /* [I] shadow memory: see ahci_shadow.h; NULL: the port is not implemented */
    hpa_t bus;         /* [I] */
    uint64_t regs;     /* [I] offset of its registers */
    unsigned number;   /* [I] */
    uint64_t clb, fb;  /* the guest's PxCLB and PxFB */
    uint32_t issued;   /* slots whose bit the guest set in PxCI and that are not complete */
    uint32_t waiting;  /* of these: not given to the device, for want of bounce memory */
    uint32_t late;     /* ... or of time, in the exit that would have encrypted them */
    uint32_t queued;   /* of these: NCQ */
    uint32_t halted;   /* of these: between two parts when an error stopped the port, or the guest did */
    uint32_t refused;  /* of these: replaced by NOP */
    uint32_t arrived;  /* of these: the device has done the part, and its data is being decrypted */
    unsigned turn;     /* the slot among them that comes first */
    uint32_t sact;     /* PxSACT as the guest sees it */
    bool st;           /* the guest set ST, and the device has it */
    bool acknowledged; /* ends of commands, in PxIS, while some were with the device */
    bool taken;        /* dvi_ahci_release has to give it back, with what firmware had in it: */
    uint32_t was_cmd, was_ie, was_fbs; /* [I] PxCMD, PxIE and PxFBS */
    bool known;                        /* what follows is true of the device that is attached now */
    struct dvi_disk_id id;
    const struct dvi_policy *policy;
    struct dvi_ahci_slot slot[DVI_AHCI_N_SLOTS];
};

struct dvi_ahci {
    const struct dvi_host *host;   /* [I] */
    struct dvi_ahci_config config; /* [I] */
    struct dvi_bdf bdf;            /* [I] */
    struct vmm_lock lock;
    uint64_t abar;       /* [L] address of the registers */
    uint32_t abar_bytes; /* [I] */
    int trap;            /* [I] handle of the register trap */
    unsigned idp;        /* [I] index/data pair in configuration space; 0: none */
    bool taken;          /* [L] dvi_ahci_release has to give it back, with what firmware had in it: */
    uint32_t was_command, was_ghc, was_ccc; /* [I] COMMAND, GHC and CCC_CTL */
    bool trapped;                           /* [L] the trap lies on abar; if not, memory decoding is off */
    bool decoding;                          /* [L] memory decoding is on */
    bool sizing;                            /* [L] the guest wrote all ones to the BAR and will read its size */
    bool resetting;                         /* [L] GHC.HR was set and not yet seen clear */
    uint32_t cap, pi;                       /* [I] as firmware left them */
    uint32_t slots;                         /* [I] bit per slot that exists */
    struct dvi_pool pool;
    struct dvi_slice slice; /* [L] */
    uint32_t waiting;       /* [L] bit per port with slots that wait */
    uint32_t stopping; /* [L] bit per port that is stopping: ST was cleared, but memory of its commands may be in use */
    struct dvi_disk_stats stats; /* [L] */
    struct dvi_ahci_port port[DVI_AHCI_N_PORTS];
};

/* Take over the controller at bdf: a function of class PCI_CLASS_SATA_AHCI. Start only, while the guest does not run
 * and no command is in progress that nobody waits for. Ports that run are stopped, given our command lists, asked
 * IDENTIFY DEVICE if a disk is attached, and restarted; bounded by a few seconds a port. Then the traps are set.
 *   - ahci: the caller's, for as long as the traps live; its contents before do not matter
 *   - config: copied
 * 0, or
 *   - DVI_E_CONFIG: pool_bytes, host->slice_sectors, or the function has no ABAR;
 *   - DVI_E_NOMEM: dma_alloc gave nothing;
 *   - DVI_E_DEVICE: a port did not stop, and the guest MUST NOT be started with this controller;
 *   - or what host->mmio_trap and host->pci_trap say.
 * After an error the controller was given back as by dvi_ahci_release. */
int dvi_ahci_init(struct dvi_ahci *ahci, const struct dvi_host *host, struct dvi_bdf bdf,
                  const struct dvi_ahci_config *config) VMM_MUST_CHECK;

/* Give the controller back as firmware had it, because the launch will be undone: ports stop, and run again from the
 * guest's own PxCLB and PxFB if they ran; interrupt enables and COMMAND are restored. What IDENTIFY DEVICE at init did
 * to PxTFD stays; PxSERR.DIAG.X and .N, which init may clear, are lost. Start only, after dvi_ahci_init; about a second
 * a port at most. MUST: the guest has not run since init; the traps, which stay, go with the launch. The second time,
 * and on zeroed storage, nothing happens.
 * 0, or DVI_E_DEVICE: a port did not stop while it uses our memory: bus mastering is off, and MUST stay off until the
 * controller was reset. Source: AHCI 1.3.1, 10.1.2 "System Software Specific Initialization". */
int dvi_ahci_release(struct dvi_ahci *ahci) VMM_MUST_CHECK;

/* A copy of the counters. Any processor. */
struct dvi_disk_stats dvi_ahci_stats(struct dvi_ahci *ahci);

#endif
