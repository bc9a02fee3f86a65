/* What the AHCI tests share: a controller model below the mediator, a guest's driver above it, and an oracle that knows
 * what every sector must hold, as the guest sees it and on the medium.
 *
 * Checks that fail print a line and abort (fake_fail). */
#ifndef AHCI_BENCH_H
#define AHCI_BENCH_H

#include <dvi/ahci.h>
#include "ahci_model.h"
#include "ahci_wire.h"
#include "disk_bench.h"
#include "fake_host.h"

#define BENCH_PORTS   2u    /* with disks; the model has more */
#define BENCH_SECTORS 8192u /* of a disk */
#define BENCH_ABAR    0xfebd5000u

/* Each slot of each port has a command table and a stretch of guest RAM for its data. */
#define BENCH_TABLE_BYTES 0x8000u  /* up to 2040 PRDs */
#define BENCH_ARENA_BYTES 0x20000u /* 256 sectors, less what gaps take */

/* One PRD as the guest wrote it. */
struct bench_piece {
    uint64_t addr;
    uint32_t n_bytes;
};
#define BENCH_MAX_PRDS 2000u

/* A command the guest has issued. */
struct bench_cmd {
    bool data;       /* of sectors */
    bool write;      /* to the disk */
    bool want_error; /* policy or parser must refuse it */
    uint8_t opcode;
    uint64_t lba;
    uint32_t n_bytes;           /* of data, through the PRDT */
    struct bench_piece *pieces; /* [n_prds] */
    uint32_t n_prds;
    uint8_t *want;  /* [n_bytes] what a write brings */
    uint8_t *arena; /* [BENCH_ARENA_BYTES] what guest RAM held when it was issued */
    unsigned age;   /* looks since */
};

struct bench_port {
    uint32_t busy;                   /* slots in use */
    bool identified;                 /* since the last link reset */
    bool maybe_error;                /* a fault was ordered: commands may fail, or never end */
    bool maybe_short;                /* or transfer less */
    bool recovering;                 /* reading the error log */
    const struct dvi_policy *policy; /* what must hold for the disk in it */
    uint8_t *plain;                  /* [BENCH_SECTORS * 512] */
    struct ata_disk disk;
    struct bench_cmd cmd[32];
};

struct bench {
    struct fake_host f;
    struct ahci_model m;
    struct fake_fn *fn;
    struct dvi_ahci a;
    uint64_t abar;
    bool bare;
    uint32_t rng;
    struct bench_port port[BENCH_PORTS];
    unsigned n_policy_calls, n_readers; /* of these, how many could read the disk */
    bool irq_driven;                    /* the driver looks at registers only when the interrupt line is up */
    uint64_t n_ok, n_refused, n_failed; /* commands seen to end so */
};

struct bench_options {
    uint32_t seed;
    size_t pool_bytes;
    const struct dvi_policy *policy; /* of disk 0; disk 1 has none */
    bool bare;                       /* no mediator */
    bool firmware_running;           /* a driver has started the ports before the mediator comes */
    unsigned auto_step;
    uint32_t slice_sectors; /* 0: as many as there are */
    unsigned pending;       /* how often an interrupt waits: percentage */
    uint32_t n_sectors;     /* of disk 0; 0: BENCH_SECTORS */
};

void bench_set_up(struct bench *b, const struct bench_options *o); /* fails if the mediator's init does */
void bench_tear_down(struct bench *b);
/* The same without dvi_ahci_init, and that alone: its result. */
void bench_set_up_machine(struct bench *b, const struct bench_options *o);
int bench_init_mediator(struct bench *b, size_t pool_bytes);

uint32_t bench_random(struct bench *b, uint32_t below);
void bench_fill(struct bench *b, uint8_t *out, size_t n_bytes); /* with random bytes */
/* Registers as the guest reads and writes them. */
uint32_t bench_get(struct bench *b, unsigned offset);
void bench_put(struct bench *b, unsigned offset, uint32_t value);
uint32_t bench_pget(struct bench *b, unsigned port, unsigned offset);
void bench_pput(struct bench *b, unsigned port, unsigned offset, uint32_t value);

uint64_t bench_list(unsigned port);
uint64_t bench_fis(unsigned port);
uint64_t bench_table(unsigned port, unsigned slot);
uint64_t bench_arena(unsigned port, unsigned slot);

/* Write a command header and CFIS for slot; PRDs are the caller's. FIS fields as their width says. */
struct bench_fis {
    uint8_t opcode, device;
    uint16_t features, count;
    uint64_t lba;
};
void bench_write_header(struct bench *b, unsigned port, unsigned slot, uint32_t flags, uint32_t n_prds);
void bench_write_fis(struct bench *b, unsigned port, unsigned slot, const struct bench_fis *fis);
void bench_write_prd(struct bench *b, unsigned port, unsigned slot, uint32_t i, uint64_t addr, uint32_t n_bytes);
/* PRDs for n_bytes of the slot's arena, cut at random into pieces of at least min_piece (even) with gaps, in any order.
 * Fills in cmd's pieces and n_prds. */
void bench_write_prdt(struct bench *b, unsigned port, unsigned slot, uint32_t n_bytes, uint32_t min_piece);

/* --- the driver --- */

void bench_start_ports(struct bench *b, unsigned port); /* PxCLB, PxFB, FRE, ST */
/* A read or write of sectors by opcode; data of writes is random. Decides by policy what must come of it. Does not
 * wait. MUST: slot free, and its sectors not in another command. */
void bench_issue(struct bench *b, unsigned port, unsigned slot, uint8_t opcode, uint64_t lba, uint32_t n_sectors,
                 uint32_t min_piece);
/* Look at PxCI and PxSACT and check what has ended; recover the port after an error. True if nothing is outstanding. */
bool bench_poll(struct bench *b, unsigned port);
void bench_wait(struct bench *b);      /* until nothing is outstanding on any port; the device is stepped */
void bench_interrupt(struct bench *b); /* what the driver does when the line is up */
void bench_recover(struct bench *b, unsigned port, bool comreset);
/* IDENTIFY DEVICE by PIO, alone. True if it ended well; data: [512]. */
bool bench_identify(struct bench *b, unsigned port, uint8_t *data);
/* One command without a PRDT, or with one of n_bytes of the arena, alone; true if it ended well. */
bool bench_simple(struct bench *b, unsigned port, const struct bench_fis *fis, uint32_t flags, uint32_t n_bytes);
/* A free slot; 32: none. */
unsigned bench_free_slot(struct bench *b, unsigned port);
/* bench_issue and bench_wait in a free slot. */
void bench_do(struct bench *b, unsigned port, uint8_t opcode, uint64_t lba, uint32_t n_sectors, uint32_t min_piece);

/* Everything that must hold at any moment, and (idle) when nothing is outstanding. */
void bench_check(struct bench *b);
void bench_check_idle(struct bench *b);

#endif
