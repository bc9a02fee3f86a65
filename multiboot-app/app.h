/* The parts of the multiboot application: first on the bare machine, then as the guest. */
#ifndef MULTIBOOT_APP_H
#define MULTIBOOT_APP_H

#include <conf/conf.h>
#include <stdbool.h>
#include <stdint.h>
#include "bios.h"
#include "mbi.h"
#include "memmap.h"

/* console.c: the BIOS's screen, and a serial port from con_add_serial() on */
void con_add_serial(uint16_t port);
void con_serial_only(uint16_t port); /* where there is no BIOS */
void con_print(const char *text);
void con_line(const char *a, const char *b, const char *c); /* the three in one line; NULL for none */
int con_key(void); /* the next byte typed on the keyboard or sent over the serial port; -1 at once if there is none */

/* keys.c: unlock the keys that are in LUKS headers, with memory of *map that is clear of every range to be avoided.
 * False after sentences on the console. */
struct keys_memory {
    const struct memmap *map;
    const struct vmm_range *avoid;
    uint32_t n_avoid;
};
bool keys_unlock(struct conf *conf, const struct mbi *mbi, const struct keys_memory *memory, uint64_t tsc_hz);

/* direct.c: start the Linux kernel of module kernel, with module initrd if there is one, told *map. Returns only if it
 * cannot: *out_why is one sentence. */
void direct_start(const struct mbi *mbi, const struct memmap *map, struct bios_wipe wipe, const char **out_why);

/* disk.c: start the boot sector of drive, or what a CD wants to have started, as the BIOS would have. Returns as
 * direct_start() does. */
void disk_start(uint8_t drive, struct bios_wipe wipe, const char **out_why);

#endif
