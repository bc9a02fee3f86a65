/* A Linux kernel image, and what it wants to find when it starts in 32-bit mode. Pure.
 * Source: Linux kernel documentation, x86/boot, "The Linux/x86 Boot Protocol", 2.10 and later: "The Real-Mode Kernel
 * Header", "32-bit Boot Protocol"; x86/zero-page. */
#ifndef MULTIBOOT_LINUX_H
#define MULTIBOOT_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "memmap.h"

#define LINUX_PARAMS_BYTES 4096u
#define LINUX_E820_IN_PAGE 128u /* more go to a list of their own */
#define LINUX_E820_BYTES   20u
#define LINUX_MORE_HEAD    16u /* of that list */
#define LINUX_MORE_BYTES   (LINUX_MORE_HEAD + (MEMMAP_MAX - LINUX_E820_IN_PAGE) * LINUX_E820_BYTES)

struct linux_image {
    uint64_t code, code_bytes; /* where in the file the 32-bit code lies */
    uint64_t preferred;        /* where it wants to run */
    uint64_t align;            /* if it can run elsewhere: at multiples of this; else 0 */
    uint64_t init_bytes;       /* room it needs from there */
    uint64_t initrd_limit;     /* end of where its initrd may lie */
    uint32_t cmdline_max;      /* characters */
};

/* 0, or negative with *out_why one sentence. */
int linux_parse(const void *file, size_t n_bytes, struct linux_image *out, const char **out_why);

/* Where the kernel is to run, above 1 MiB: where it wants to be, if nothing lies there that was loaded; else higher, if
 * it can; else where it wants to be all the same: then what was loaded must be moved away. False if memory lacks. */
bool linux_place(const struct linux_image *image, const struct memmap *map, const struct vmm_range *loaded, uint32_t n,
                 uint64_t *out);

/* What the kernel is told. The text screen is told as is_vga's 80 x 25, cursor where it stands. */
struct linux_start {
    uint32_t at;                   /* where its code was put */
    uint32_t cmdline;              /* address of a C string */
    uint32_t initrd, initrd_bytes; /* 0: none */
    uint32_t more;                 /* address of more, below */
    uint8_t cursor_x, cursor_y, video_mode, columns;
};

/* Fill params[LINUX_PARAMS_BYTES] and, for what of the map does not fit there, more[LINUX_MORE_BYTES].
 * MUST: file was parsed. */
void linux_params(const void *file, const struct linux_start *start, const struct memmap *map, void *params,
                  void *more);

#endif
