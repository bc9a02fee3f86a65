/* What a multiboot loader says it has loaded, of either version. Everything is copied: of the loader's memory, only the
 * modules' contents are needed afterwards. Pure; hostile information gets one sentence.
 * Source: Multiboot Specification 0.6.96, 3.3 "Boot information format"; Multiboot2 Specification 2.0, 3.6 "Boot
 * information format". */
#ifndef MULTIBOOT_MBI_H
#define MULTIBOOT_MBI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmm/vmm.h>

#define MBI_MAX_MODULES 16u
#define MBI_LINE_MAX    2048u /* bytes of a line, with its NUL */

struct mbi_module {
    uint64_t base, n_bytes; /* disjoint from all others and below 4 GiB, if not empty */
    char line[MBI_LINE_MAX];
};

struct mbi {
    bool has_efi;               /* the machine's firmware is UEFI: it has no BIOS */
    char options[MBI_LINE_MAX]; /* this program's own line; iPXE begins it with the program's address */
    uint32_t n_modules;
    struct mbi_module module[MBI_MAX_MODULES];
};

/* Copies n_bytes at a physical address; false where it must not. */
typedef bool mbi_read_fn(uint64_t at, void *dst, size_t n_bytes);

/* magic, info: EAX and EBX as the loader left them. own: where this program lies. 0, or negative with *out_why one
 * sentence; *out then holds the modules before the one that is wrong. */
int mbi_parse(uint32_t magic, uint32_t info, struct vmm_range own, mbi_read_fn *read, struct mbi *out,
              const char **out_why) VMM_MUST_CHECK;

/* Whether a module has that name: the first word of its line without the path before it, or the second word. GRUB gives
 * what stands behind the file's name, iPXE puts the file's address before that. *out_args, if not NULL and it has: what
 * stands behind the name, a C string. */
bool mbi_named(const struct mbi_module *module, const char *name, const char **out_args);

/* The first module of that name, NULL if there is none. */
const struct mbi_module *mbi_find(const struct mbi *m, const char *name, const char **out_args);

#endif
