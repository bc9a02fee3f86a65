/* Where a multiboot loader puts the image and jumps into it, for head.S and the linker scripts. */
#ifndef MULTIBOOT_HEAD_H
#define MULTIBOOT_HEAD_H

#define MULTIBOOT_BASE  0x100000
#define MULTIBOOT_ENTRY 0x80 /* from the beginning of the image */

#endif
