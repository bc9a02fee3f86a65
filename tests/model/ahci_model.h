/* An AHCI controller with ATA disks, seen from the software's side: registers, command lists, FISes and DMA.
 *
 * It does nothing by itself: each ahci_model_step lets one chosen port do one small thing (fetch a command, move some
 * data, finish a command), chosen by a seeded generator, so that commands overlap and finish out of order. With
 * auto_step, reads of status registers step it too, for polled software. Every DMA address it is given, of a PRD it
 * never comes to use too, goes through fake_dma, which aborts on what is neither guest RAM nor shadow memory.
 *
 * Source: Serial ATA AHCI 1.3.1, 3 "HBA Memory Registers", 4 "System Memory Structures", 5 "Data Transfer Operation",
 * 6 "Error Reporting and Recovery", 10.4 "Reset". */
#ifndef AHCI_MODEL_H
#define AHCI_MODEL_H

#include "ata_disk.h"
#include "fake_host.h"

#define AHCI_MODEL_PORTS 4u
#define AHCI_MODEL_SLOTS 32u
#define AHCI_MODEL_BYTES 0x1000u /* of the register space */

enum ahci_model_fault {
    FAULT_NONE,
    FAULT_TASK_FILE, /* the device aborts the command */
    FAULT_HALFWAY,   /* the device reports an error after half of the data */
    FAULT_INTERFACE, /* IFS: the link breaks during the transfer */
    FAULT_HOST_BUS,  /* HBFS */
    FAULT_SHORT,     /* success, but half of the data only; PRDBC says so (commands that are not queued) */
    FAULT_SILENT,    /* the command never ends */
};

/* One command the device works on. */
struct ahci_model_slot {
    bool busy;
    struct ata_task task;
    enum ahci_model_fault fault;
    uint64_t moved;
    uint32_t prd;        /* the entry in use */
    uint64_t prd_offset; /* and how much of it is used */
};

struct ahci_model_port {
    uint32_t clb, clbu, fb, fbu, is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    struct ata_disk *disk; /* NULL: nothing connected */
    struct ahci_model_slot slot[AHCI_MODEL_SLOTS];
    bool interrupted;  /* PxIS & PxIE was not 0 when last looked at */
    bool halted;       /* an error stopped the port until ST is cleared */
    unsigned cr_reads; /* PxCMD still reads CR set this many times after ST was cleared */
    bool stuck_cr;     /* it does so for ever */
    enum ahci_model_fault next_fault;
    unsigned fault_in; /* happens at the fault_in-th command from now on; 0: never */
};

struct ahci_model {
    struct fake_host *fake;
    struct ahci_model_port port[AHCI_MODEL_PORTS];
    uint32_t cap, ghc, is, pi;
    unsigned hr_reads;  /* GHC still reads HR set this many times */
    bool stuck_hr;      /* it does so for ever */
    bool cr_lingers;    /* CR and HR take a random while to clear */
    unsigned auto_step; /* percentage of status reads after which the device gets on */
    bool edges;         /* IS takes note of changes only */
    bool messages;      /* interrupts are messages, one for each bit of IS that is set: the driver clears irq */
    bool racing;        /* ... and writes that acknowledge interrupts */
    uint32_t rng;
    /* What happened. */
    uint64_t n_fetched, n_completed, n_errors, n_bad_registers;
    uint64_t n_guest_bytes, n_region_bytes; /* of data, moved from or to guest RAM, or the region */
    uint32_t max_prds;
    unsigned n_irqs; /* how often the interrupt line rose */
    bool irq;
    /* May the device be given this PRD? And: data was moved, [offset, offset + n) of the task's. NULL: do not ask. */
    bool (*prd_ok)(void *ctx, unsigned port, uint64_t addr, uint64_t n_bytes);
    void (*moved)(void *ctx, unsigned port, const struct ata_task *task, uint64_t offset, const uint8_t *data,
                  uint64_t n);
    void *watch_ctx;
};

/* n_ports <= AHCI_MODEL_PORTS; nothing is connected. */
void ahci_model_init(struct ahci_model *m, struct fake_host *fake, unsigned n_ports, uint32_t seed);
/* Puts it at 0:31.2 with the ABAR at abar. */
struct fake_fn *ahci_model_attach(struct ahci_model *m, uint32_t abar);

void ahci_model_plug(struct ahci_model *m, unsigned port, struct ata_disk *disk);
void ahci_model_unplug(struct ahci_model *m, unsigned port);
/* The fault strikes the n-th command the port fetches from now on, n >= 1. */
void ahci_model_fail(struct ahci_model *m, unsigned port, enum ahci_model_fault fault, unsigned n);

/* One small thing. False: nothing to do. */
bool ahci_model_step(struct ahci_model *m);
void ahci_model_settle(struct ahci_model *m); /* until there is nothing to do */

uint64_t ahci_model_read(void *model, uint64_t offset, unsigned n_bytes);
void ahci_model_write(void *model, uint64_t offset, unsigned n_bytes, uint64_t value);

/* --- between ahci_model.c and ahci_model_cmd.c --- */

uint32_t ahci_model_random(struct ahci_model *m, uint32_t below);
bool ahci_model_step_port(struct ahci_model *m, struct ahci_model_port *p);
void ahci_model_drop(struct ahci_model_port *p); /* the device forgets its commands */
/* Let the device post a register FIS with this status and error; is: the bit of PxIS. */
void ahci_model_d2h(struct ahci_model *m, struct ahci_model_port *p, uint8_t status, uint8_t error, uint32_t is);
void ahci_model_update_irq(struct ahci_model *m);

#endif
