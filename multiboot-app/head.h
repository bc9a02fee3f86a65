/* Where a multiboot loader puts the image and jumps into it, and the mode in which C runs there. For assembly and
 * linker scripts as well. */
#ifndef MULTIBOOT_HEAD_H
#define MULTIBOOT_HEAD_H

#define MULTIBOOT_BASE  0x100000
#define MULTIBOOT_ENTRY 0x80 /* from the beginning of the image */

#define MULTIBOOT_CR4 0x620 /* PAE, OSFXSR, OSXMMEXCPT: BearSSL uses vector registers */

#endif
