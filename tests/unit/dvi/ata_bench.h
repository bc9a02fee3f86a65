/* What the ATA tests share: a controller model below the mediator, a guest's driver above it, and an oracle that knows
 * what every sector must hold, as the guest sees it and on the medium.
 *
 * Devices are numbered 2 * channel + 0 or 1. Checks that fail print a line and abort (fake_fail). */
#ifndef ATA_BENCH_H
#define ATA_BENCH_H

#include <dvi/ata.h>
#include "ata_model.h"
#include "ata_wire.h"
#include "disk_bench.h"
#include "fake_host.h"

#define BENCH_CHANNELS 2u
#define BENCH_DEVICES  4u
#define BENCH_SECTORS  8192u /* of a disk */

/* Each channel has a descriptor table and a stretch of guest RAM for its data. */
#define BENCH_TABLE(channel) (0x80000u + 0x10000u * (channel))
#define BENCH_ARENA(channel) (0x200000u + 0x200000u * (channel))
#define BENCH_ARENA_BYTES    0x200000u
#define BENCH_MAX_BYTES      0x180000u /* of a command's data: the rest is for gaps */
#define BENCH_MAX_PRDS       8000u

/* Where a driver looks for the end of a command, or of a block of it. */
enum bench_look {
    LOOK_IRQ,    /* nowhere, before an interrupt came; then as the next */
    LOOK_BM,     /* DMA: bus master status; else as the next */
    LOOK_STATUS, /* status */
    LOOK_ALT,    /* alternate status, with nIEN set */
    N_LOOKS
};

/* How a driver goes about a command. All zero: interrupts, 16 bits, LBA, large descriptors. */
struct bench_manner {
    enum bench_look look;
    bool start_first;   /* the bus master, then the command */
    bool wide;          /* 32 bits of the data register at a time */
    bool chs;           /* 28-bit commands only */
    uint32_t max_bytes; /* of data by the data register between two looks at status; 0: a whole block */
    uint32_t min_piece; /* bytes of a descriptor, even; 0: 64 KiB */
};

/* Registers of a command. lba: its lower 28 bits where not ext; chs: see there. */
struct bench_regs {
    uint8_t opcode, device; /* device: LBA and the lower 4 bits */
    uint16_t features, count;
    uint64_t lba;
    bool ext;
};

enum bench_proto { BENCH_NO_DATA, BENCH_PIO_IN, BENCH_PIO_OUT, BENCH_DMA_IN, BENCH_DMA_OUT };

/* One descriptor as the guest wrote it. */
struct bench_piece {
    uint32_t addr, n_bytes;
};

/* A command the guest has issued. */
struct bench_cmd {
    bool busy;
    unsigned device;
    struct bench_regs regs;
    struct bench_manner manner;
    enum bench_proto proto;
    bool sectors;    /* the data is that of sectors */
    bool write;      /* to the disk */
    bool want_error; /* policy must refuse it, or the disk: */
    bool past_end;   /* because not all of its sectors exist */
    uint64_t lba;
    uint32_t n_bytes, moved;
    uint32_t block, block_left; /* by the data register: bytes between two requests, and left until the next */
    uint8_t *data;              /* [BENCH_MAX_BYTES] what a write brings, what a read got */
    struct bench_piece *pieces; /* [BENCH_MAX_PRDS] */
    uint32_t n_prds, n_arena;   /* n_arena: bytes of the arena that are looked at */
    uint8_t *arena;             /* what they held when it was issued */
    unsigned age;               /* looks since anything happened */
    unsigned irqs_seen;
    uint64_t seen;         /* bytes of DMA */
    uint8_t status, error; /* at its end */
};

struct bench_device {
    struct ata_disk disk;
    const struct dvi_policy *policy;     /* what must hold */
    uint8_t *plain;                      /* [BENCH_SECTORS * 512] */
    bool maybe_error;                    /* a fault was ordered: commands may fail, or never end */
    unsigned multiple;                   /* as the driver set it, */
    unsigned n_heads, sectors_per_track; /* ... and these, unless 0 */
};

struct bench {
    struct fake_host f;
    struct ata_model m;
    struct fake_fn *fn;
    struct dvi_ata a;
    bool bare;
    uint32_t rng;
    uint16_t cmd_port[BENCH_CHANNELS], ctl_port[BENCH_CHANNELS], bm_port[BENCH_CHANNELS];
    struct bench_device dev[BENCH_DEVICES];
    struct bench_cmd cmd[BENCH_CHANNELS];
    unsigned n_policy_calls, n_readers; /* of these, how many could read the disk */
    uint64_t n_ok, n_refused, n_failed; /* commands seen to end so */
    uint64_t n_transformed;             /* sectors, when last looked at */
};

struct bench_options {
    uint32_t seed;
    const struct dvi_policy *policy; /* of devices 0 and 3; the others have none */
    bool bare;                       /* no mediator */
    bool native;
    unsigned atapi;  /* bit per device */
    unsigned absent; /* bit per device */
    unsigned auto_step;
    uint32_t slice_sectors; /* 0: as many as there are */
};

void bench_set_up(struct bench *b, const struct bench_options *o); /* fails if the mediator's init does */
void bench_tear_down(struct bench *b);
/* The same without dvi_ata_init, and that alone: its result. */
void bench_set_up_machine(struct bench *b, const struct bench_options *o);
int bench_init_mediator(struct bench *b);

uint32_t bench_random(struct bench *b, uint32_t below);
void bench_fill(struct bench *b, uint8_t *out, size_t n_bytes); /* with random bytes */

/* Registers as the guest reads and writes them; reg: P_ERROR .. P_COMMAND; P_BM_CMD, P_BM_STATUS. */
uint8_t bench_in(struct bench *b, unsigned channel, unsigned reg);
void bench_out(struct bench *b, unsigned channel, unsigned reg, uint8_t value);
uint8_t bench_alt_status(struct bench *b, unsigned channel);
void bench_control(struct bench *b, unsigned channel, uint8_t value);
uint8_t bench_bm_in(struct bench *b, unsigned channel, unsigned reg);
void bench_bm_out(struct bench *b, unsigned channel, unsigned reg, uint8_t value);
void bench_bm_prdt(struct bench *b, unsigned channel, uint32_t addr);
uint32_t bench_data_in(struct bench *b, unsigned channel, unsigned n_bytes);
void bench_data_out(struct bench *b, unsigned channel, unsigned n_bytes, uint32_t value);
/* Step the device until alternate status is as wanted: (status & mask) == value. */
void bench_until(struct bench *b, unsigned channel, uint8_t mask, uint8_t value);

/* --- the driver --- */

/* Select the device, write all registers but the command; wait until it is ready before. */
void bench_write_regs(struct bench *b, unsigned device, const struct bench_regs *r);
struct bench_regs bench_sector_regs(struct bench *b, unsigned device, uint8_t opcode, uint64_t lba, uint32_t n,
                                    bool chs);
/* Descriptors for n_bytes of the channel's arena, cut at random into pieces of at least min_piece with gaps, in any
 * order. Fills in the command's pieces. Returns the table's address. */
uint32_t bench_write_prdt(struct bench *b, unsigned channel, uint32_t n_bytes, uint32_t min_piece);
void bench_write_prd(struct bench *b, uint32_t at, uint32_t addr, uint32_t n_bytes, bool last);

enum bench_proto bench_proto_of(uint8_t opcode); /* of commands with sectors */
bool bench_is_ext(uint8_t opcode);

/* A read or write of sectors by opcode; data of writes is random. Decides by policy what must come of it. Does not
 * wait. MUST: the channel is idle, n_sectors >= 1 and not more than the opcode can say. */
void bench_issue(struct bench *b, unsigned device, uint8_t opcode, uint64_t lba, uint32_t n_sectors,
                 const struct bench_manner *manner);
/* Do what a driver does next, and check what has ended; recover the channel after an error that needs it. True if
 * nothing is outstanding. */
bool bench_poll(struct bench *b, unsigned channel);
void bench_wait(struct bench *b); /* until nothing is outstanding on any channel; the device is stepped */
/* bench_issue and bench_wait. */
void bench_do(struct bench *b, unsigned device, uint8_t opcode, uint64_t lba, uint32_t n_sectors,
              const struct bench_manner *manner);
/* Any other command, alone; true if it ended well. data: [n_bytes], which the command moves as proto says. */
bool bench_simple(struct bench *b, unsigned device, const struct bench_regs *regs, enum bench_proto proto, void *data,
                  uint32_t n_bytes, const struct bench_manner *manner);
bool bench_identify(struct bench *b, unsigned device, uint8_t *data);
bool bench_set_multiple(struct bench *b, unsigned device, unsigned n);
/* INITIALIZE DEVICE PARAMETERS. */
bool bench_set_geometry(struct bench *b, unsigned device, unsigned n_heads, unsigned sectors_per_track);
/* Software reset; what was outstanding is given up, as are faults to come. */
void bench_recover(struct bench *b, unsigned channel);
/* The command is over, otherwise than by bench_poll; ok: status says so. */
void bench_ended(struct bench *b, unsigned channel, bool ok);

/* Everything that must hold at any moment, and (idle) when nothing is outstanding. */
void bench_check(struct bench *b);
void bench_check_idle(struct bench *b);

#endif
