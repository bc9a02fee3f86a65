/* The mediator's parts and what they share: access to the device's registers, the memory the device really reads, and
 * the data of commands. All of it under the controller's lock.
 *
 * Shadow memory of a port, in the hypervisor's memory:
 *   0x0000  command list, 32 headers            0x0600  data of IDENTIFY DEVICE
 *   0x0400  received FISes (at start only)      0x1000  command tables, one per slot */
#ifndef DVI_AHCI_SHADOW_H
#define DVI_AHCI_SHADOW_H

#include "../data/data.h"
#include "../masks.h"
#include "ahci_parse.h"

#define AHCI_SHADOW_RFIS     0x400u
#define AHCI_SHADOW_IDENTIFY 0x600u
#define AHCI_SHADOW_TABLES   0x1000u
#define AHCI_TABLE_BYTES     0x2000u

_Static_assert(AHCI_CMDTBL_PRDT + DATA_TABLE_BYTES == AHCI_TABLE_BYTES, "a table fills two pages");

/* --- registers --- */

static inline uint32_t ahci_rd(const struct dvi_ahci *a, uint64_t reg) {
    return (uint32_t)a->host->mmio_read(a->host->ctx, hpa(a->abar + reg), 4);
}

static inline void ahci_wr(const struct dvi_ahci *a, uint64_t reg, uint32_t value) {
    a->host->mmio_write(a->host->ctx, hpa(a->abar + reg), 4, value);
}

/* --- ahci_cmd.c: what the device is given --- */

/* Point the device at our command list. MUST: the port is stopped. */
void ahci_cmdlist_install(const struct dvi_ahci *a, const struct dvi_ahci_port *p);

/* Make the slot's header and FIS say: this command, these flags, n_prds descriptors, nothing transferred yet. */
void ahci_table_set(struct dvi_ahci_port *p, unsigned slot, const uint8_t *fis, uint32_t flags, uint32_t n_prds);

/* The same for a command that gives 512 bytes, into our memory. */
void ahci_table_sector(struct dvi_ahci_port *p, unsigned slot, const uint8_t *fis);

uint8_t *ahci_table(const struct dvi_ahci_port *p, unsigned slot);

/* The slot's descriptors. */
static inline uint8_t *ahci_prdt(const struct dvi_ahci_port *p, unsigned slot) {
    return ahci_table(p, slot) + AHCI_CMDTBL_PRDT;
}

/* PRDBC of the slot: bytes transferred. */
uint32_t ahci_table_prdbc(const struct dvi_ahci_port *p, unsigned slot);

/* --- ... and commands, from PxCI to completion --- */

/* The guest set these bits in PxCI. */
void ahci_issue(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t slots);

/* Notice what the device has completed; decrypt it, as far as this exit may; finish it for the guest. go_on: start what
 * comes after. True if PxIS must not show the end of commands: not all of it is decrypted, or the port's only command
 * has a further part. */
bool ahci_poll(struct dvi_ahci *a, struct dvi_ahci_port *p, bool go_on);

/* The guest acknowledges these bits of PxIS. Returns those that it may: what has ended but is not decrypted is the
 * device's to interrupt for, again and again. */
uint32_t ahci_acknowledge(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t bits) VMM_MUST_CHECK;

/* The guest may be through with an interrupt, and not all of its data is decrypted: let the device give it again. By
 * the level of PxIS & PxIE it does so anyway; one that looks at edges only, or sends messages, sees an edge here. */
void ahci_remind(const struct dvi_ahci *a, const struct dvi_ahci_port *p);

/* ST was cleared: what was issued is lost, but its memory is in use until the device has stopped. */
void ahci_stop(struct dvi_ahci *a, struct dvi_ahci_port *p);

/* Forget the commands of ports that have stopped by now, and start what waited for their memory. */
void ahci_settle(struct dvi_ahci *a);

/* Forget all commands of a port. MUST: the device cannot reach their memory any more. */
void ahci_forget(struct dvi_ahci *a, struct dvi_ahci_port *p);

/* A disk has answered IDENTIFY DEVICE: find out what holds for it. reader: what the disk can be read by; or NULL. */
void ahci_learn(struct dvi_ahci *a, struct dvi_ahci_port *p, const uint8_t data[ATA_ID_BYTES],
                const struct dvi_disk_reader *reader);

/* --- ahci_takeover.c --- */

/* Give the device the FIS receive area that the guest named. False: it may not have it. */
bool ahci_fis_install(const struct dvi_ahci *a, const struct dvi_ahci_port *p) VMM_MUST_CHECK;

/* Take over one port from firmware. 0, or DVI_E_DEVICE. */
int ahci_takeover(struct dvi_ahci *a, struct dvi_ahci_port *p) VMM_MUST_CHECK;

/* Undo that, however far it came. 0, or DVI_E_DEVICE: it did not stop, and still uses our memory. */
int ahci_give_back(const struct dvi_ahci *a, struct dvi_ahci_port *p) VMM_MUST_CHECK;

/* --- ahci_mmio.c, ahci_pci.c: trap handlers --- */

enum vmm_verdict ahci_on_mmio(void *cookie, struct vmm_access *access);
enum vmm_verdict ahci_on_pci(void *cookie, struct vmm_access *access);

#endif
