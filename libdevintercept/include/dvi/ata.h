/* A para-pass-through mediator for ATA controllers, "IDE": two channels of two devices, programmed by ports, with a bus
 * master or without. Same policy, same promises as dvi/ahci.h: the guest's driver drives, control passes, user data is
 * clear, encrypted, read-only or denied by range of sectors, and what is not known to be harmless is replaced by ATA's
 * NOP, which the device aborts.
 *
 * It traps the function's configuration space, the command block and the control register of both channels, and the bus
 * master's registers. A command goes to the device with the register values that were judged, whatever the guest and
 * the device have written since. The bus master reads descriptor tables of ours only.
 *
 * What the guest sees differently from the bare controller:
 *   - a DMA command begins when the bus master is started, and reads as waiting for data (DRQ) until then;
 *   - the data of an encrypted sector is taken from, or given to, the device when its first word is read, or its last
 *     one written; meanwhile status reads show the sector in progress;
 *   - while a command is in progress (BSY or DRQ), writes to the command block have no effect (DEVICE RESET has);
 *   - commands with cylinder, head and sector numbers reach the device as LBA commands where a policy holds;
 *   - a DMA command that needs several transfers ends with the last; interrupts of the earlier ones are spurious;
 *   - IDENTIFY DEVICE data does not offer what would be refused;
 *   - memory space of the function stays off (a second way to the registers on some controllers), the operating mode
 *     (legacy, native) stays as firmware left it.
 *
 * Threading: trap handlers may run on any processor at once, under one lock per controller. No allocation after init.
 * Sources: ATA/ATAPI-7 volume 2 (T13/1532D revision 4b), 5 "Register delivered ...", 9 "protocols"; Programming
 * Interface for Bus Master IDE Controller, revision 1.0; PCI IDE Controller Specification, revision 1.0; ACS-3. */
#ifndef DVI_ATA_H
#define DVI_ATA_H

#include <dvi/disk.h>

struct dvi_ata_config {
    void *cookie;
    dvi_policy_fn *policy_for;
};

#define DVI_ATA_N_CHANNELS 2u
#define DVI_ATA_N_DEVICES  2u /* of a channel */

/* --- everything below, up to dvi_ata_init, is private to the mediator; here because the caller owns the storage --- */

/* All fields [L]. */
struct dvi_ata_device {
    bool known; /* it has said who it is: */
    struct dvi_disk_id id;
    const struct dvi_policy *policy;
    bool lba;                             /* it takes LBA commands */
    uint8_t n_heads, n_track;             /* the current translation: heads, and sectors of a track; 0: unknown */
    uint8_t default_heads, default_track; /* ... and the one it starts with */
};

/* All fields [L] unless said. */
struct dvi_ata_channel {
    struct dvi_ata *ata;    /* [I] */
    unsigned number;        /* [I] */
    bool native;            /* [I] its ports are where BARs say */
    uint16_t cmd, ctl, bm;  /* first port of the command block, the control register, the bus master's registers or 0 */
    int cmd_trap, ctl_trap; /* [I] handles */
    uint8_t fis[20];        /* the guest's command block registers, as a register FIS */
    uint32_t prdt;          /* the guest's descriptor table */
    uint8_t bm_command;     /* the guest's bus master command */
    uint8_t phase;          /* enum ata_phase */
    uint8_t kind;           /* enum acs_kind: of the command in progress, as are the rest: */
    bool dma;               /* the guest may start the bus master for it */
    struct dvi_ata_device *on; /* whose it is */
    uint8_t out[20];           /* as the device got it, or will get its next part */
    uint64_t lba;              /* of the next sector */
    uint32_t n_sectors;        /* from there on */
    struct dvi_run run;        /* the DMA part in flight */
    uint32_t n_bounced;        /* pages of the pool it holds */
    struct dvi_prds prds;
    uint8_t sector[DVI_UNIT_BYTES]; /* one on its way through the data register */
    uint32_t n_used;                /* bytes of it the guest has read or written */
    bool loaded;                    /* it is there to be read, and the device has long gone on; as it was then: */
    uint8_t status;
    uint8_t *table;    /* [I] see data.h; the device does not read it */
    uint8_t *bm_table; /* [I] but this: as many descriptors, in the bus master's layout */
    hpa_t bm_bus;      /* [I] */
    struct dvi_pool pool;
    struct dvi_ata_device device[DVI_ATA_N_DEVICES];
};

#define DVI_ATA_N_BARS 5u

struct dvi_ata {
    const struct dvi_host *host;  /* [I] */
    struct dvi_ata_config config; /* [I] */
    struct dvi_bdf bdf;           /* [I] */
    struct vmm_lock lock;
    uint32_t was_command;               /* [I] COMMAND, as firmware left it */
    bool taken;                         /* [L] dvi_ata_release has to give it back */
    bool decoding;                      /* [L] I/O decoding is on, and all ports are trapped */
    uint8_t bar_mask;                   /* [I] bit per BAR that says where ports are */
    uint8_t sizing;                     /* [L] bit per BAR: the guest wrote all ones, and will read its size */
    uint32_t bar_bytes[DVI_ATA_N_BARS]; /* [I] */
    int bm_trap;                        /* [I] handle; negative: there is no bus master */
    struct dvi_disk_stats stats;        /* [L] */
    struct dvi_ata_channel channel[DVI_ATA_N_CHANNELS];
};

/* Take over the controller at bdf: a function whose class code is PCI_CLASS_IDE but for the lowest 8 bits. Start only,
 * while the guest does not run. Every device is asked IDENTIFY DEVICE, polled; bounded by a few seconds a channel. Then
 * the traps are set.
 *   - ata: the caller's, for as long as the traps live; its contents before do not matter
 *   - config: copied
 * 0, or
 *   - DVI_E_CONFIG: host->slice_sectors, or no registers where they should be;
 *   - DVI_E_NOMEM: dma_alloc gave nothing that the controller, which knows 32 bits, can reach;
 *   - DVI_E_DEVICE: a command is in progress and does not end;
 *   - or what host->pio_trap and host->pci_trap say.
 * After an error the controller is as firmware left it. */
int dvi_ata_init(struct dvi_ata *ata, const struct dvi_host *host, struct dvi_bdf bdf,
                 const struct dvi_ata_config *config) VMM_MUST_CHECK;

/* Give the controller back as firmware had it, because the launch will be undone: COMMAND is restored, of more nothing
 * was taken. Start only, after dvi_ata_init, and MUST: the guest has not run since; the traps, which stay, go with the
 * launch. The second time, and on zeroed storage, nothing happens. */
void dvi_ata_release(struct dvi_ata *ata);

/* A copy of the counters. Any processor. */
struct dvi_disk_stats dvi_ata_stats(struct dvi_ata *ata);

#endif
