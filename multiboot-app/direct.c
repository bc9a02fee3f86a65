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
#define BELOW_4G  (UINT64_C(1) << 32)

static void *at_address(uint64_t at) { return (void *)(uintptr_t)at; }

static struct vmm_range range_of(const struct mbi_module *m) { return (struct vmm_range){m->base, m->n_bytes}; }

/* What was loaded, this program included; with room for the kernel's place, and for two things that were moved. */
struct loaded {
    struct vmm_range range[MBI_MAX_MODULES + 4];
    uint32_t n;
};

static bool overlap(struct vmm_range a, struct vmm_range b) {
    return a.base < b.base + b.n_bytes && b.base < a.base + a.n_bytes;
}

/* Move what lies at *r out of the kernel's way and below limit, if it is not so already. */
static bool move_away(struct vmm_range *r, struct vmm_range kernel, uint64_t limit, const struct memmap *map,
                      struct loaded *l) {
    uint64_t to;
    if (!overlap(*r, kernel) && r->base + r->n_bytes <= limit) return true;
    l->range[l->n] = kernel;
    if (!memmap_place(map, r->n_bytes, 4096, FIRST_MIB, limit, l->range, l->n + 1, &to)) return false;
    memcpy(at_address(to), at_address(r->base), r->n_bytes);
    r->base = to;
    l->range[l->n++] = *r;
    return true;
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
    const struct mbi_module *kernel = mbi_find(mbi, "kernel", &cmdline), *second = mbi_find(mbi, "initrd", NULL);
    struct vmm_range file = range_of(kernel), initrd = second ? range_of(second) : (struct vmm_range){0, 0}, run;
    struct loaded loaded = {.n = 0};
    struct linux_image image;
    struct linux_start start = {.cmdline = bios_buffer_address() + CMDLINE_AT, .more = bios_buffer_address() + MORE_AT};
    if (linux_parse(at_address(file.base), file.n_bytes, &image, out_why)) return;
    *out_why = "the kernel's command line is longer than it takes";
    size_t n_cmdline = strlen(cmdline);
    if (n_cmdline > image.cmdline_max) return;
    for (uint32_t i = 0; i < mbi->n_modules; i++) loaded.range[loaded.n++] = range_of(&mbi->module[i]);
    *out_why = "no memory is free where the kernel can run";
    if (!linux_place(&image, map, loaded.range, loaded.n, &run.base)) return;
    run.n_bytes = image.init_bytes;
    loaded.range[loaded.n++] = (struct vmm_range){wipe.base, wipe.n_bytes}; /* gone when the kernel is put in place */
    if (!move_away(&file, run, BELOW_4G, map, &loaded)) return;
    *out_why = "no memory is free where the kernel takes its initrd";
    if (!move_away(&initrd, run, image.initrd_limit, map, &loaded)) return;
    read_screen(&start);
    start.at = (uint32_t)run.base;
    start.initrd = (uint32_t)initrd.base;
    start.initrd_bytes = (uint32_t)initrd.n_bytes;
    uint8_t *buffer = bios_buffer();
    memcpy(buffer + CMDLINE_AT, cmdline, n_cmdline + 1);
    linux_params(at_address(file.base), &start, map, buffer + PARAMS_AT, buffer + MORE_AT);
    bios_leave_to_linux(wipe,
                        (struct bios_code){.from = (uint32_t)(file.base + image.code),
                                           .n_bytes = (uint32_t)image.code_bytes,
                                           .entry = start.at},
                        bios_buffer_address());
}
