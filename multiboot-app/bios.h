/* The BIOS's services, called from 64-bit mode through a block of conventional memory; and the ways out of this
 * program. Interrupts are on while the BIOS runs, off otherwise. One processor; not reentrant. */
#ifndef MULTIBOOT_BIOS_H
#define MULTIBOOT_BIOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "low.h"
#include "memmap.h"

#define BIOS_CF     0x1u
#define BIOS_ZF     0x40u
#define BOOT_SECTOR 0x7c00u

/* First. block: LOW_BLOCK_BYTES of conventional memory, on a page, that are ours from now on. */
void bios_init(uint32_t block);

/* Call interrupt vector with the registers in *regs (ss, sp and what lies beyond edi in struct low: ignored), and put
 * there what comes back. */
struct bios_regs {
    uint32_t eax, ebx, ecx, edx, esi, edi, ebp;
    uint16_t ds, es;
    uint32_t eflags;
};
void bios_call(uint8_t vector, struct bios_regs *regs);

/* The block's LOW_BUFFER, of LOW_BLOCK_BYTES - LOW_BUFFER bytes: any use, until the next bios_ call that says so. */
void *bios_buffer(void);
uint32_t bios_buffer_address(void);

void bios_put(char c); /* on the screen; \n starts a line */
int bios_key(void);    /* the next character typed; -1 at once if there is none */
/* Forget the last keys typed: what they were stands in the BIOS's buffer long after they were read. */
void bios_wipe_keys(void);

/* KiB of conventional memory, counted from 0: what lies above belongs to the BIOS. */
uint32_t bios_conventional_kib(void);
void bios_set_conventional_kib(uint32_t kib);

/* The memory map, into *out. 0, or negative with *out_why one sentence. Uses the buffer.
 * Source: ACPI 6.4, 15.1 "INT 15H, E820H - Query System Address Map". */
int bios_memory(struct memmap *out, const char **out_why);

/* Sectors of drive (512 bytes of a disk, 2048 of a CD) to conventional memory at to, which does not cross a 64 KiB
 * border. Source: BIOS Enhanced Disk Drive Specification 3.0, "Extended Read". */
bool bios_read(uint8_t drive, uint64_t lba, uint16_t n, uint32_t to);

/* Leave, having wiped [wipe, wipe + wipe_bytes), which may be where the caller stands. */
struct bios_wipe {
    uint32_t base, n_bytes;
};
_Noreturn void bios_leave_to_sector(struct bios_wipe wipe, uint8_t drive, uint16_t segment, uint16_t offset);

/* The code is copied to its entry after the wiping, so it may be meant for where the caller stands. MUST: where it lies
 * is neither wiped nor overlaps where it goes. */
struct bios_code {
    uint32_t from, n_bytes, entry;
};
_Noreturn void bios_leave_to_linux(struct bios_wipe wipe, struct bios_code code, uint32_t boot_params);

_Noreturn void bios_reset(void);

#endif
