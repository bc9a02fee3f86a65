/* An IDE controller with ATA and ATAPI devices, seen from the software's side: two channels of two devices, programmed
 * by ports, and a bus master.
 *
 * It does nothing by itself: each ata_model_step lets one chosen device or bus master do one small thing (understand a
 * command, prepare a block of data, move some of it, finish), chosen by a seeded generator, so that software sees the
 * states in between. With auto_step, reads of status registers step it too, for polled software. Every address it is
 * given, also by a descriptor it never comes to use, goes through fake_dma, which aborts on what is neither guest RAM
 * nor memory handed out by the hypervisor. What software must not do is counted in n_bad_registers.
 *
 * Sources: ATA/ATAPI-7 volume 2 (T13/1532D revision 4b), 5 "Register delivered ...", 9 "protocols";
 * Programming Interface for Bus Master IDE Controller, revision 1.0; PCI IDE Controller Specification, revision 1.0. */
#ifndef ATA_MODEL_H
#define ATA_MODEL_H

#include "ata_disk.h"
#include "fake_host.h"

#define ATA_MODEL_CHANNELS    2u
#define ATA_MODEL_DEVICES     2u /* of a channel */
#define ATA_MODEL_BLOCK_BYTES (16u * 512)

enum ata_model_fault {
    ATA_FAULT_NONE,
    ATA_FAULT_ABORT,   /* the device aborts the command */
    ATA_FAULT_HALFWAY, /* the device reports an error after half of the data */
    ATA_FAULT_STOPS,   /* half of the data, then nothing more ever */
    ATA_FAULT_BUS,     /* the bus master meets an error; other commands: as above */
    ATA_FAULT_BUSY,    /* nothing ever, the device stays busy */
};

enum ata_model_phase {
    ATA_IDLE,
    ATA_STARTING,  /* BSY: the command was written */
    ATA_CDB,       /* DRQ: waits for the command packet */
    ATA_PREPARING, /* BSY: between two blocks of data */
    ATA_BLOCK,     /* DRQ: the host reads or writes a block */
    ATA_DMA,       /* DRQ: waits for the bus master */
    ATA_FINISHING, /* BSY: all data is moved */
    ATA_RESETTING, /* BSY: after SRST, EXECUTE DEVICE DIAGNOSTIC or DEVICE RESET */
};

struct ata_model_device {
    struct ata_disk *disk; /* NULL: absent */
    /* Registers, [1] being what was there before. */
    uint8_t features[2], count[2], lba[3][2];
    uint8_t status, error;
    bool intrq;
    enum ata_model_phase phase;
    enum ata_model_fault fault;
    struct ata_task task;
    bool packet; /* PACKET, and cdb is there */
    uint8_t cdb[16];
    uint64_t moved;    /* bytes of the task's data, up to the block in use */
    uint32_t limit;    /* PACKET: the most bytes of a block */
    uint32_t n_block;  /* bytes of the block in use */
    uint32_t at_block; /* and how many of them the host has moved */
    uint8_t block[ATA_MODEL_BLOCK_BYTES];
    enum ata_model_fault next_fault;
    unsigned fault_in; /* happens at the fault_in-th command from now on; 0: never */
};

struct ata_model_channel {
    struct ata_model_device dev[ATA_MODEL_DEVICES];
    uint8_t device;  /* the device register, which both latch */
    uint8_t control; /* the device control register */
    bool line;       /* the interrupt line */
    unsigned n_irqs; /* how often it rose */
    /* Bus master. */
    uint8_t bm_cmd, bm_status;
    uint32_t bm_prdt;
    uint32_t prd_at;                /* address of the next descriptor */
    uint32_t prd_addr, prd_left;    /* of the one in use */
    bool prd_last;                  /* it has the EOT bit */
    uint64_t n_started, n_bm_bytes; /* what happened */
};

struct ata_model {
    struct fake_host *fake;
    struct ata_model_channel ch[ATA_MODEL_CHANNELS];
    bool native;
    unsigned auto_step; /* percentage of status reads after which the device gets on */
    uint32_t rng;
    bool tables_of_region; /* descriptor tables must not be in guest RAM */
    /* What happened. */
    uint64_t n_commands, n_completed, n_errors, n_resets, n_bad_registers;
    const char *bad;     /* the last of these */
    uint64_t n_odd_data; /* as n_bad_registers, but only the data of the command at hand is in danger */
    uint64_t n_guest_bytes, n_region_bytes; /* moved by DMA, from or to guest RAM, or the region */
    uint64_t n_data_accesses;               /* of the data registers */
    /* May the device be given this address? And: data was moved, [offset, offset + n) of the task's. NULL: do not ask.
     */
    bool (*prd_ok)(void *ctx, unsigned channel, uint64_t addr, uint64_t n_bytes);
    void (*moved)(void *ctx, unsigned device, const struct ata_task *task, uint64_t offset, const uint8_t *data,
                  uint64_t n);
    void *watch_ctx;
};

/* No devices. native: both channels where BAR0..3 say, else at the ports of old. */
void ata_model_init(struct ata_model *m, struct fake_host *fake, bool native, uint32_t seed);
/* Puts it at 0:1.1 and chooses the BARs. */
#define ATA_MODEL_BM_BASE 0xc040u
#define ATA_MODEL_BDF     ((struct dvi_bdf){0, 1, 1})
struct fake_fn *ata_model_attach(struct ata_model *m);

/* device: 2 * channel + 0 or 1. As after power-on. */
void ata_model_plug(struct ata_model *m, unsigned device, struct ata_disk *disk);
/* The fault strikes the n-th command the device starts from now on, n >= 1; 0: none does. */
void ata_model_fail(struct ata_model *m, unsigned device, enum ata_model_fault fault, unsigned n);

/* One small thing. False: nothing to do. */
bool ata_model_step(struct ata_model *m);
void ata_model_settle(struct ata_model *m); /* until there is nothing to do */

/* --- between ata_model.c, ata_model_cmd.c and ata_model_bm.c --- */

uint32_t ata_model_random(struct ata_model *m, uint32_t below);
void ata_model_bad(struct ata_model *m, const char *what);
struct ata_model_channel *ata_model_channel_of(struct ata_model *m, const struct ata_model_device *d);
void ata_model_update_line(struct ata_model_channel *c);

void ata_model_command(struct ata_model *m, struct ata_model_channel *c, uint8_t opcode);
void ata_model_reset(struct ata_model *m, struct ata_model_device *d);
bool ata_model_step_device(struct ata_model *m, struct ata_model_device *d);
/* The host has moved all of a block. */
void ata_model_block_done(struct ata_model *m, struct ata_model_device *d);
void ata_model_fail_now(struct ata_model *m, struct ata_model_device *d);
void ata_model_tell(struct ata_model *m, struct ata_model_device *d, uint64_t offset, const uint8_t *data, uint64_t n);

uint32_t ata_model_bm_read(struct ata_model *m, unsigned offset, unsigned n_bytes);
void ata_model_bm_write(struct ata_model *m, unsigned offset, unsigned n_bytes, uint32_t value);
bool ata_model_step_bm(struct ata_model *m, struct ata_model_channel *c);

#endif
