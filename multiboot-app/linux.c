/* see linux.h */
#include "linux.h"
#include <string.h>

/* x86/boot, "Details of Header Fields": offset from the beginning of the file, and of the parameters */
#define SETUP_SECTS      0x1f1u
#define JUMP             0x200u
#define HEADER           0x202u /* "HdrS" */
#define VERSION          0x206u
#define TYPE_OF_LOADER   0x210u
#define LOADFLAGS        0x211u
#define LOADED_HIGH      0x01u
#define CODE32_START     0x214u
#define RAMDISK_IMAGE    0x218u
#define RAMDISK_SIZE     0x21cu
#define CMD_LINE_PTR     0x228u
#define INITRD_ADDR_MAX  0x22cu
#define KERNEL_ALIGNMENT 0x230u
#define RELOCATABLE      0x234u
#define CMDLINE_SIZE     0x238u
#define SETUP_DATA       0x250u
#define PREF_ADDRESS     0x258u
#define INIT_SIZE        0x260u
#define HEADER_END       0x264u /* of what is read here */
#define HEADER_MAX_END   0x290u /* of what is copied at most */

#define VERSION_NEEDED   0x20au
#define LOADER_UNDEFINED 0xffu
#define SECTOR           512u
#define FIRST_MIB        UINT64_C(0x100000)

/* x86/zero-page */
#define SCREEN_X       0x00u
#define SCREEN_Y       0x01u
#define SCREEN_MODE    0x06u
#define SCREEN_COLUMNS 0x07u
#define SCREEN_LINES   0x0eu
#define SCREEN_IS_VGA  0x0fu
#define SCREEN_POINTS  0x10u
#define E820_ENTRIES   0x1e8u
#define E820_TABLE     0x2d0u
#define SETUP_E820_EXT 1u

static uint64_t get(const void *file, size_t at, unsigned n_bytes) {
    uint64_t v = 0;
    memcpy(&v, (const uint8_t *)file + at, n_bytes);
    return v;
}

static void put(void *page, size_t at, unsigned n_bytes, uint64_t v) { memcpy((uint8_t *)page + at, &v, n_bytes); }

int linux_parse(const void *file, size_t n_bytes, struct linux_image *out, const char **out_why) {
    *out_why = "the kernel is not a Linux kernel image (bzImage)";
    if (n_bytes < HEADER_END || memcmp((const uint8_t *)file + HEADER, "HdrS", 4)) return -1;
    *out_why = "the kernel is too old: boot protocol 2.10 is needed";
    if (get(file, VERSION, 2) < VERSION_NEEDED || !(get(file, LOADFLAGS, 1) & LOADED_HIGH)) return -1;
    uint64_t sectors = get(file, SETUP_SECTS, 1), code = ((sectors ? sectors : 4) + 1) * SECTOR;
    *out_why = "the kernel's file is cut short";
    if (code >= n_bytes) return -1;
    *out = (struct linux_image){.code = code,
                                .code_bytes = n_bytes - code,
                                .preferred = get(file, PREF_ADDRESS, 8),
                                .align = get(file, RELOCATABLE, 1) ? get(file, KERNEL_ALIGNMENT, 4) : 0,
                                .init_bytes = get(file, INIT_SIZE, 4),
                                .initrd_limit = get(file, INITRD_ADDR_MAX, 4) + 1,
                                .cmdline_max = (uint32_t)get(file, CMDLINE_SIZE, 4)};
    if (out->init_bytes < out->code_bytes) out->init_bytes = out->code_bytes;
    *out_why = "the kernel's header makes no sense";
    uint64_t limit = UINT64_C(1) << 32;
    if ((out->align & (out->align - 1)) || out->preferred > limit || out->init_bytes > limit - out->preferred)
        return -1;
    return 0;
}

static bool where_it_wants(const struct linux_image *k, const struct memmap *map, const struct vmm_range *loaded,
                           uint32_t n, uint64_t *out) {
    uint64_t first = k->preferred > FIRST_MIB ? k->preferred : FIRST_MIB;
    return memmap_place(map, k->init_bytes, 1, first, k->preferred + k->init_bytes, loaded, n, out);
}

bool linux_place(const struct linux_image *k, const struct memmap *map, const struct vmm_range *loaded, uint32_t n,
                 uint64_t *out) {
    uint64_t first = k->preferred > FIRST_MIB ? k->preferred : FIRST_MIB;
    if (where_it_wants(k, map, loaded, n, out)) return true;
    if (k->align && memmap_place(map, k->init_bytes, k->align, first, UINT64_C(1) << 32, loaded, n, out)) return true;
    return where_it_wants(k, map, NULL, 0, out);
}

static void put_e820(void *to, const struct memmap_entry *e) {
    put(to, 0, 8, e->base);
    put(to, 8, 8, e->n_bytes);
    put(to, 16, 4, e->type);
}

void linux_params(const void *file, const struct linux_start *start, const struct memmap *map, void *params,
                  void *more) {
    memset(params, 0, LINUX_PARAMS_BYTES);
    size_t end = HEADER + get(file, JUMP + 1, 1); /* the jump over the header tells its length */
    if (end < HEADER_END) end = HEADER_END;
    if (end > HEADER_MAX_END) end = HEADER_MAX_END;
    memcpy((uint8_t *)params + SETUP_SECTS, (const uint8_t *)file + SETUP_SECTS, end - SETUP_SECTS);
    put(params, TYPE_OF_LOADER, 1, LOADER_UNDEFINED);
    put(params, CODE32_START, 4, start->at);
    put(params, CMD_LINE_PTR, 4, start->cmdline);
    put(params, RAMDISK_IMAGE, 4, start->initrd);
    put(params, RAMDISK_SIZE, 4, start->initrd_bytes);
    put(params, SCREEN_X, 1, start->cursor_x);
    put(params, SCREEN_Y, 1, start->cursor_y);
    put(params, SCREEN_MODE, 1, start->video_mode);
    put(params, SCREEN_COLUMNS, 1, start->columns);
    put(params, SCREEN_LINES, 1, 25);
    put(params, SCREEN_POINTS, 2, 16);
    put(params, SCREEN_IS_VGA, 1, 1);
    uint32_t n = map->n < LINUX_E820_IN_PAGE ? map->n : LINUX_E820_IN_PAGE;
    put(params, E820_ENTRIES, 1, n);
    for (uint32_t i = 0; i < n; i++) put_e820((uint8_t *)params + E820_TABLE + i * LINUX_E820_BYTES, &map->entry[i]);
    put(params, SETUP_DATA, 8, 0);
    if (map->n == n) return;
    put(params, SETUP_DATA, 8, start->more);
    put(more, 0, 8, 0); /* the last of its kind */
    put(more, 8, 4, SETUP_E820_EXT);
    put(more, 12, 4, (map->n - n) * LINUX_E820_BYTES);
    for (uint32_t i = n; i < map->n; i++)
        put_e820((uint8_t *)more + LINUX_MORE_HEAD + (i - n) * LINUX_E820_BYTES, &map->entry[i]);
}
