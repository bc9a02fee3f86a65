/* The block of conventional memory of low.h, for low.S as well. */
#ifndef MULTIBOOT_LOW_LAYOUT_H
#define MULTIBOOT_LOW_LAYOUT_H

#define LOW_EAX         0x00
#define LOW_EBX         0x04
#define LOW_ECX         0x08
#define LOW_EDX         0x0c
#define LOW_ESI         0x10
#define LOW_EDI         0x14
#define LOW_EBP         0x18
#define LOW_DS          0x1c
#define LOW_ES          0x1e
#define LOW_EFLAGS      0x20
#define LOW_VECTOR      0x24
#define LOW_WAY         0x25
#define LOW_ENTRY       0x28
#define LOW_WIPE_BASE   0x2c
#define LOW_WIPE_BYTES  0x30
#define LOW_RSP         0x38
#define LOW_CR3         0x40
#define LOW_FS_BASE     0x48
#define LOW_FAR_REAL    0x50
#define LOW_FAR32       0x54
#define LOW_FAR64       0x5c
#define LOW_GDTR        0x66
#define LOW_GDT         0x70
#define LOW_PACKET      0xa0
#define LOW_COPY_FROM   0xb0
#define LOW_COPY_TO     0xb4
#define LOW_COPY_BYTES  0xb8
#define LOW_CALL        0x100
#define LOW_STACK_TOP   0x2000 /* down to the end of the code */
#define LOW_BUFFER      0x2000 /* for what the BIOS reads and writes, and what the next system is given */
#define LOW_BLOCK_BYTES 0x7000

#define LOW_WAY_CALL   0 /* to an interrupt of the BIOS, and back */
#define LOW_WAY_SECTOR 1 /* to real-mode code at LOW_ENTRY (offset, segment), drive in DL */
#define LOW_WAY_LINUX  2 /* to 32-bit code at LOW_ENTRY, its parameters in ESI */

#endif
