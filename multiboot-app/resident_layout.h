/* The memory of resident.h, for resident.S as well. */
#ifndef MULTIBOOT_RESIDENT_LAYOUT_H
#define MULTIBOOT_RESIDENT_LAYOUT_H

#define RESIDENT_OLD       0x00 /* the interrupt's former handler: offset, segment */
#define RESIDENT_N_BYTES   0x04 /* of the table */
#define RESIDENT_KIB_16    0x06
#define RESIDENT_BLOCKS    0x08
#define RESIDENT_KIB_88    0x0a
#define RESIDENT_ENTRY     0x10
#define RESIDENT_TABLE     0x100
#define RESIDENT_ENTRY_MAX 24 /* bytes of an entry, and what E820h gives to those who know the attributes */
#define RESIDENT_ENTRY_MIN 20
#define SMAP               0x534d4150

#endif
