/* The BIOS's memory map: taken down entry by entry, however odd, and kept sorted and without overlaps. Pure.
 * Source: ACPI 6.4, 15.1 "INT 15H, E820H - Query System Address Map", 15.2 "E820 Assumptions and Limitations". */
#ifndef MULTIBOOT_MEMMAP_H
#define MULTIBOOT_MEMMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmm/vmm.h>

/* Table 15.4 "Address Range Descriptor Structure": types; all others count as reserved, and keep their number. */
enum memmap_type { MEMMAP_USABLE = 1, MEMMAP_RESERVED = 2, MEMMAP_ACPI = 3, MEMMAP_NVS = 4, MEMMAP_UNUSABLE = 5 };
#define MEMMAP_NOT_IGNORED 1u /* table 15.5 "Extended Attributes": without it, the entry is none */

struct memmap_entry {
    uint64_t base, n_bytes;
    uint32_t type, attributes;
};
_Static_assert(sizeof(struct memmap_entry) == 24, "as the BIOS has it");

#define MEMMAP_MAX 256u
struct memmap {
    uint32_t n;
    struct memmap_entry entry[MEMMAP_MAX]; /* sorted, disjoint; touching ones differ in type or attributes */
};

/* Add an entry as the BIOS gave it. Where it overlaps another, the more restrictive type holds: usable, ACPI, NVS,
 * reserved and unknown, unusable. Empty and ignored ones are passed over; what lies beyond 2^52 does not count. 0, or
 * negative with *m unchanged if it would have more than MEMMAP_MAX entries. */
int memmap_add(struct memmap *m, struct memmap_entry entry) VMM_MUST_CHECK;
/* The same with a reserved range. */
int memmap_reserve(struct memmap *m, uint64_t base, uint64_t n_bytes) VMM_MUST_CHECK;

/* The topmost multiple of align (a power of two) where n_bytes of usable memory lie in [first, limit), clear of every
 * range to be avoided. False, and *out as it was, if there is none. */
bool memmap_place(const struct memmap *m, uint64_t n_bytes, uint64_t align, uint64_t first, uint64_t limit,
                  const struct vmm_range *avoid, uint32_t n_avoid, uint64_t *out);

/* What is ordinary RAM, for struct vmm_launch: besides what is called so, all below 1 MiB but the display's window, and
 * the reserved ranges that begin where RAM below 4 GiB ends, because there the BIOS keeps its own buffers, to which its
 * disk drivers' commands point. Never the holes, where there are registers. In whole pages. The number of ranges in
 * out[max], or VMM_E_FULL. */
int memmap_ram(const struct memmap *m, const struct vmm_range *holes, uint32_t n_holes, struct vmm_range *out,
               uint32_t max) VMM_MUST_CHECK;

/* Usable memory from 1 MiB on without a hole, below 4 GiB, as the BIOS's older questions have it. E801h: KiB up to
 * 16 MiB, and blocks of 64 KiB from there, if the first part is full. 88h: KiB, at most 63 MiB. */
void memmap_e801(const struct memmap *m, uint16_t *out_kib, uint16_t *out_blocks);
uint16_t memmap_88(const struct memmap *m);

#endif
