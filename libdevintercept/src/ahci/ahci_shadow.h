/* The mediator's parts and what they share: access to the device's registers, the memory the device really reads, and
 * the data of commands. All of it under the controller's lock.
 *
 * Shadow memory of a port, in the hypervisor's memory:
 *   0x0000  command list, 32 headers            0x0600  data of IDENTIFY DEVICE
 *   0x0400  received FISes (at start only)      0x1000  command tables, one per slot
 * A table holds AHCI_TABLE_PRDS descriptors. A transfer that is not bounced uses them from the first on, all in guest
 * memory. One that is bounced uses the first AHCI_BOUNCE_PRDS for our memory, and keeps the guest's, which the device
 * is not told of, behind them. */
#ifndef DVI_AHCI_SHADOW_H
#define DVI_AHCI_SHADOW_H

#include "ahci_parse.h"

#define AHCI_SHADOW_RFIS     0x400u
#define AHCI_SHADOW_IDENTIFY 0x600u
#define AHCI_SHADOW_TABLES   0x1000u
#define AHCI_TABLE_BYTES     0x2000u
#define AHCI_TABLE_PRDS      ((AHCI_TABLE_BYTES - AHCI_CMDTBL_PRDT) / AHCI_PRD_BYTES)
/* With more in use than this, a sector in the smallest possible pieces no longer fits. */
#define AHCI_TABLE_FULL (AHCI_TABLE_PRDS - DVI_UNIT_BYTES / 2)

/* The largest part of a command on an encrypted range: bounds the time that one exit takes. */
#define AHCI_PART_SECTORS 512u
#define AHCI_PAGE_SECTORS (VMM_PAGE_BYTES / DVI_UNIT_BYTES)
#define AHCI_BOUNCE_PRDS  (AHCI_PART_SECTORS / AHCI_PAGE_SECTORS)

_Static_assert(AHCI_TABLE_PRDS == 504, "a table fills two pages");
_Static_assert(AHCI_TABLE_FULL >= AHCI_BOUNCE_PRDS, "a sector always fits behind the bounce descriptors");

/* --- masks --- */

/* Nests only across functions. */
#define FOR_EACH_BIT(i, mask)                                                                                          \
    for (uint32_t rest_ = (mask), i = 0; rest_ && (i = (uint32_t)__builtin_ctz(rest_), true); rest_ &= rest_ - 1)

static inline uint32_t bit(unsigned n) { return UINT32_C(1) << n; }

static inline void set_bit(uint32_t *mask, unsigned n, bool value) { *mask = value ? *mask | bit(n) : *mask & ~bit(n); }

/* --- registers --- */

static inline uint32_t ahci_rd(const struct dvi_ahci *a, uint64_t reg) {
    return (uint32_t)a->host->mmio_read(a->host->ctx, hpa(a->abar + reg), 4);
}

static inline void ahci_wr(const struct dvi_ahci *a, uint64_t reg, uint32_t value) {
    a->host->mmio_write(a->host->ctx, hpa(a->abar + reg), 4, value);
}

/* --- ahci_data.c: what the device is given, and the guest's data --- */

/* Point the device at our command list. MUST: the port is stopped. */
void ahci_cmdlist_install(const struct dvi_ahci *a, const struct dvi_ahci_port *p);

/* Make the slot's header and FIS say: this command, these flags, n_prds descriptors, nothing transferred yet. */
void ahci_table_set(struct dvi_ahci_port *p, unsigned slot, const uint8_t *fis, uint32_t flags, uint32_t n_prds);

uint8_t *ahci_table(const struct dvi_ahci_port *p, unsigned slot);

/* PRDBC of the slot: bytes transferred. */
uint32_t ahci_table_prdbc(const struct dvi_ahci_port *p, unsigned slot);

/* Continue to copy the guest's descriptors, checked, into the slot's table from descriptor first on, for at most
 * max_bytes, a multiple of the sector size; fewer if the table becomes full, whole sectors then too. Adjacent ones are
 * joined. max_bytes AHCI_ALL: to the end of the guest's table. False if one may not be given to a device, or if the
 * guest's table ends too early. */
struct ahci_filled {
    uint32_t n_prds;
    uint64_t n_bytes;
};
#define AHCI_ALL UINT64_MAX
bool ahci_table_fill(const struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, uint32_t first,
                     uint64_t max_bytes, struct ahci_filled *out) VMM_MUST_CHECK;

/* Descriptor i of the table is n_bytes of our own memory. */
void ahci_table_own(struct dvi_ahci_port *p, unsigned slot, uint32_t i, hpa_t addr, uint32_t n_bytes);

/* Copy between a buffer and the guest memory that descriptors from first on name. False if some of it is not RAM. */
bool ahci_table_copy(const struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, uint32_t first, void *buf,
                     size_t n_bytes, bool to_guest);

/* True if all that the first n_prds descriptors name is guest RAM. */
bool ahci_table_is_ram(const struct dvi_ahci *a, const struct dvi_ahci_port *p, unsigned slot, uint32_t n_prds);

/* Give the slot pages for n_sectors and encrypt into them what the guest's descriptors behind the bounce ones name.
 * False, and the slot holds no pages: something is not RAM. MUST: that many pages are free. */
bool ahci_data_encrypt(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot);

/* Decrypt the part in flight, where it lies. */
void ahci_data_decrypt(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot);

/* Give the slot n_pages of the pool and enter them as its first descriptors, n_bytes in all. */
void ahci_bounce_take(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot, uint32_t n_bytes);

/* The slot's bounce page number i. */
uint8_t *ahci_bounce_page(const struct dvi_ahci *a, const struct dvi_ahci_port *p, unsigned slot, uint32_t i);

/* Take the slot's pages back. MUST: the device cannot read them any more. */
void ahci_bounce_free(struct dvi_ahci *a, struct dvi_ahci_port *p, unsigned slot);

/* --- ahci_cmd.c: commands, from PxCI to completion --- */

/* The guest set these bits in PxCI. */
void ahci_issue(struct dvi_ahci *a, struct dvi_ahci_port *p, uint32_t slots);

/* Notice what the device has completed; finish it for the guest. go_on: start what comes after. True if the port's only
 * command has a further part, and the interrupt status that the part before it caused was cleared. */
bool ahci_poll(struct dvi_ahci *a, struct dvi_ahci_port *p, bool go_on);

/* ST was cleared: what was issued is lost, but its memory is in use until the device has stopped. */
void ahci_stop(struct dvi_ahci *a, struct dvi_ahci_port *p);

/* Forget the commands of ports that have stopped by now, and start what waited for their memory. */
void ahci_settle(struct dvi_ahci *a);

/* Forget all commands of a port. MUST: the device cannot reach their memory any more. */
void ahci_forget(struct dvi_ahci *a, struct dvi_ahci_port *p);

/* A disk has answered IDENTIFY DEVICE: find out what holds for it. */
void ahci_learn(struct dvi_ahci *a, struct dvi_ahci_port *p, const uint8_t data[ATA_ID_BYTES]);

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
