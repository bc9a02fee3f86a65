/* The mediator's parts and what they share. All of it under the controller's lock. */
#ifndef DVI_ATA_CHANNEL_H
#define DVI_ATA_CHANNEL_H

#include <dvi/ata.h>

#include "../acs/acs_cmd.h"
#include "../data/data.h"
#include "ata_regs.h"

enum ata_phase {
    PHASE_IDLE,    /* no command, or none whose data may pass */
    PHASE_RUN,     /* the device has a command whose data, if it has any, is none of our business */
    PHASE_SECTORS, /* ... whose data we take from and give to its data register, sector by sector */
    PHASE_HELD,    /* a DMA command was accepted: it waits for the bus master to be started */
    PHASE_DMA,     /* the device has a part of it */
};

/* --- registers --- */

static inline uint8_t ata_in(const struct dvi_ata_channel *c, unsigned port) {
    const struct dvi_host *h = c->ata->host;
    return (uint8_t)h->port_read(h->ctx, (uint16_t)port, 1);
}

static inline void ata_out(const struct dvi_ata_channel *c, unsigned port, uint8_t value) {
    const struct dvi_host *h = c->ata->host;
    h->port_write(h->ctx, (uint16_t)port, 1, value);
}

/* Status, without taking the interrupt back. */
static inline uint8_t ata_alt_status(const struct dvi_ata_channel *c) { return ata_in(c, c->ctl); }

/* What a cable without devices reads as, by what its lines are pulled to. */
static inline bool ata_is_floating(uint8_t status) { return status == 0xff || status == 0x7f; }

/* --- ata_parse.c: pure --- */

/* The command in fis by LBA, if it is by cylinder, head and sector. False if the device's translation is unknown or has
 * no such place. Source: ATA-5, 6.2 "Sector addressing". */
bool ata_to_lba(uint8_t fis[FIS_H2D_BYTES], const struct dvi_ata_device *device);

/* What the device says of its translation, and whether it takes LBA. */
void ata_learn_translation(struct dvi_ata_device *device, const uint8_t identify[ATA_ID_BYTES]);

/* Both devices were reset: one with another translation than it starts with may have kept it or not. */
void ata_reset_translations(struct dvi_ata_channel *c);

/* --- ata_cmd.c: commands --- */

/* The guest wrote the command register. */
void ata_command(struct dvi_ata_channel *c, uint8_t opcode);

/* True while a command is in progress. */
bool ata_busy(struct dvi_ata_channel *c);

/* Whether INITIALIZE DEVICE PARAMETERS, if that was the last command, has changed the translation: not if it failed.
 * Nobody knows if the guest has selected the other device before it looked. status: of the selected device. */
void ata_settle_translation(struct dvi_ata_channel *c, uint8_t status);

/* Give the device a command with exactly these registers. */
void ata_issue(const struct dvi_ata_channel *c, const uint8_t fis[FIS_H2D_BYTES]);

/* Forget the command in progress. MUST: the bus master does not run, or was stopped. */
void ata_forget(struct dvi_ata_channel *c);

/* A device has answered IDENTIFY DEVICE: find out what holds for it. reader: what it can be read by, or NULL. */
void ata_learn(struct dvi_ata_channel *c, struct dvi_ata_device *device, const uint8_t data[ATA_ID_BYTES],
               const struct dvi_disk_reader *reader);

/* Let the device refuse the command. */
void ata_refuse(struct dvi_ata_channel *c);

/* An access to the data register. False: it had no effect. */
bool ata_data(struct dvi_ata_channel *c, struct vmm_access *access);

/* Take a sector, 256 words, from the device. */
void ata_take_sector(const struct dvi_ata_channel *c, uint8_t sector[DVI_UNIT_BYTES]);

/* --- ata_dma.c: the bus master --- */

/* The guest has given a command (phase PHASE_HELD, or dma) and started the bus master, in whatever order. */
void ata_dma_start(struct dvi_ata_channel *c);

/* Notice whether the part in flight is done. go_on: start the next. */
void ata_dma_poll(struct dvi_ata_channel *c, bool go_on);

/* Stop the bus master. What it had not moved is lost. */
void ata_dma_stop(struct dvi_ata_channel *c);

/* --- ata_port.c, ata_pci.c: trap handlers --- */

enum vmm_verdict ata_on_cmd(void *cookie, struct vmm_access *access);
enum vmm_verdict ata_on_ctl(void *cookie, struct vmm_access *access);
enum vmm_verdict ata_on_bm(void *cookie, struct vmm_access *access);
enum vmm_verdict ata_on_pci(void *cookie, struct vmm_access *access);

#endif
