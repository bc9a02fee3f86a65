/* see app.h */
#include <string.h>
#include "app.h"
#include "linux.h"

/* In the buffer, one after the other. */
#define PARAMS_AT  0u
#define CMDLINE_AT LINUX_PARAMS_BYTES
#define MORE_AT    (CMDLINE_AT + MBI_LINE_MAX)
_Static_assert(MORE_AT + LINUX_MORE_BYTES <= LOW_BLOCK_BYTES - LOW_BUFFER, "the block has room for it");

#define FIRST_MIB UINT64_C(0x100000)

static void *at_address(uint64_t at) { return (void *)(uintptr_t)at; }

/* Somewhere between the first MiB and limit, clear of the modules. */
static bool find_place(const struct memmap *map, const struct mbi *mbi, const struct vmm_range *also, uint64_t n_bytes,
                       uint64_t align, uint64_t limit, uint64_t *out) {
    struct vmm_range avoid[MBI_MAX_MODULES + 1];
    uint32_t n = 0;
    for (uint32_t i = 0; i < mbi->n_modules; i++)
        avoid[n++] = (struct vmm_range){mbi->module[i].base, mbi->module[i].n_bytes};
    if (also) avoid[n++] = *also;
    return memmap_place(map, n_bytes, align, FIRST_MIB, limit, avoid, n, out);
}

static bool place_kernel(const struct memmap *map, const struct mbi *mbi, const struct linux_image *k, uint64_t *out) {
    /* Where it wants to be, if that is free; else, if it can, anywhere higher. */
    if (find_place(map, mbi, NULL, k->init_bytes, 1, k->preferred + k->init_bytes, out) && *out == k->preferred)
        return true;
    return k->align && find_place(map, mbi, NULL, k->init_bytes, k->align, UINT64_C(1) << 32, out) &&
           *out >= k->preferred;
}

static void read_screen(struct linux_start *start) {
    struct bios_regs r = {.eax = 0x0f00}; /* INT 10h AH=0Fh "Get current video mode" */
    bios_call(0x10, &r);
    start->video_mode = (uint8_t)r.eax;
    start->columns = (uint8_t)(r.eax >> 8);
    r = (struct bios_regs){.eax = 0x0300, .ebx = r.ebx & 0xff00}; /* AH=03h "Get cursor position and size" */
    bios_call(0x10, &r);
    start->cursor_x = (uint8_t)r.edx;
    start->cursor_y = (uint8_t)(r.edx >> 8);
}

void direct_start(const struct mbi *mbi, const struct memmap *map, struct bios_wipe wipe, const char **out_why) {
    const char *cmdline;
    const struct mbi_module *kernel = mbi_find(mbi, "kernel", &cmdline), *initrd = mbi_find(mbi, "initrd", NULL);
    const void *file = at_address(kernel->base);
    struct linux_image image;
    struct linux_start start = {.cmdline = bios_buffer_address() + CMDLINE_AT, .more = bios_buffer_address() + MORE_AT};
    uint64_t at, initrd_at = initrd ? initrd->base : 0;
    if (linux_parse(file, kernel->n_bytes, &image, out_why)) return;
    *out_why = "the kernel's command line is longer than it takes";
    size_t n_cmdline = strlen(cmdline);
    if (n_cmdline > image.cmdline_max) return;
    *out_why = "no memory is free where the kernel can run";
    if (!place_kernel(map, mbi, &image, &at)) return;
    if (initrd && initrd->base + initrd->n_bytes > image.initrd_limit) {
        struct vmm_range taken = {at, image.init_bytes};
        *out_why = "no memory is free where the kernel takes its initrd";
        if (!find_place(map, mbi, &taken, initrd->n_bytes, 4096, image.initrd_limit, &initrd_at)) return;
        memcpy(at_address(initrd_at), at_address(initrd->base), initrd->n_bytes);
    }
    read_screen(&start);
    start.at = (uint32_t)at;
    start.initrd = (uint32_t)initrd_at;
    start.initrd_bytes = initrd ? (uint32_t)initrd->n_bytes : 0;
    uint8_t *buffer = bios_buffer();
    memcpy(buffer + CMDLINE_AT, cmdline, n_cmdline + 1);
    linux_params(file, &start, map, buffer + PARAMS_AT, buffer + MORE_AT);
    memcpy(at_address(at), (const uint8_t *)file + image.code, image.code_bytes);
    bios_leave_to_linux(wipe, start.at, bios_buffer_address());
}
