/* A kernel's header read, and its parameters written; offsets typed a second time, from x86/zero-page. */
#include <criterion/criterion.h>
#include <linux.h>
#include <stdlib.h>
#include <string.h>

static uint8_t file[8192];
static struct linux_image image;
static const char *why;

static void put(void *at, unsigned n_bytes, uint64_t v) { memcpy(at, &v, n_bytes); }
static uint64_t get(const void *at, unsigned n_bytes) {
    uint64_t v = 0;
    memcpy(&v, at, n_bytes);
    return v;
}

static void build(void) {
    memset(file, 0, sizeof file);
    file[0x1f1] = 3;
    file[0x200] = 0xeb;
    file[0x201] = 0x6a;
    memcpy(file + 0x202, "HdrS", 4);
    put(file + 0x206, 2, 0x20f);
    file[0x211] = 1;
    put(file + 0x22c, 4, 0x7fffffff);
    put(file + 0x230, 4, 0x200000);
    file[0x234] = 1;
    put(file + 0x238, 4, 2047);
    put(file + 0x258, 8, 0x1000000);
    put(file + 0x260, 4, 0x3000000);
}

static int parse(size_t n_bytes) {
    uint8_t *copy = malloc(n_bytes ? n_bytes : 1);
    memcpy(copy, file, n_bytes);
    int r = linux_parse(copy, n_bytes, &image, &why);
    free(copy);
    return r;
}

Test(multiboot_linux, a_kernel) {
    build();
    cr_assert_eq(parse(sizeof file), 0);
    cr_assert(image.code == 2048 && image.code_bytes == sizeof file - 2048);
    cr_assert(image.preferred == 0x1000000 && image.align == 0x200000 && image.init_bytes == 0x3000000);
    cr_assert(image.initrd_limit == 0x80000000 && image.cmdline_max == 2047);
    file[0x234] = 0;
    file[0x1f1] = 0; /* means 4 */
    put(file + 0x260, 4, 1);
    cr_assert_eq(parse(sizeof file), 0);
    cr_assert(image.align == 0 && image.code == 2560 && image.init_bytes == sizeof file - 2560);
}

Test(multiboot_linux, what_is_none) {
    build();
    for (size_t n = 0; n <= 2048; n += n < 0x270 ? 1 : 64) cr_assert_neq(parse(n), 0, "%zu bytes", n);
    cr_assert_eq(parse(2049), 0);
    static const struct {
        unsigned at, n_bytes;
        uint64_t v;
    } rows[] = {
        {0x202, 1, 'h'},        {0x206, 2, 0x209},      {0x206, 2, 0},          {0x211, 1, 0},   {0x230, 4, 0x200001},
        {0x258, 8, UINT64_MAX}, {0x258, 8, 0xfe000000}, {0x258, 8, 1ull << 32}, {0x1f1, 1, 255}, {0x260, 4, UINT32_MAX},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build();
        put(file + rows[i].at, rows[i].n_bytes, rows[i].v);
        cr_assert_neq(parse(sizeof file), 0, "row %u", i);
    }
}

Test(multiboot_linux, where_it_runs) {
    static struct memmap map;
    const uint64_t mib = 0x100000;
    struct linux_image movable = {.preferred = 16 * mib, .align = 2 * mib, .init_bytes = 10 * mib};
    struct linux_image fixed = {.preferred = mib, .init_bytes = 3 * mib}, low = {.init_bytes = mib};
    struct vmm_range loaded[] = {{2 * mib, 4096}, {90 * mib, mib}};
    uint64_t at;
    map.n = 2;
    map.entry[0] = (struct memmap_entry){0, 0x9fc00, 1, 1};
    map.entry[1] = (struct memmap_entry){mib, 99 * mib, 1, 1};
    cr_assert(linux_place(&movable, &map, loaded, 2, &at) && at == 16 * mib);
    loaded[0].base = 26 * mib; /* the byte behind it */
    cr_assert(linux_place(&movable, &map, loaded, 2, &at) && at == 16 * mib);
    loaded[0].base--;
    cr_assert(linux_place(&movable, &map, loaded, 2, &at) && at == 80 * mib);
    movable.init_bytes = 60 * mib;
    cr_assert(linux_place(&movable, &map, loaded, 2, &at) && at == 30 * mib);
    movable.init_bytes = 70 * mib; /* nowhere clear */
    cr_assert(linux_place(&movable, &map, loaded, 2, &at) && at == 16 * mib);
    movable.init_bytes = 85 * mib;
    cr_assert(!linux_place(&movable, &map, loaded, 2, &at));
    loaded[0].base = 2 * mib;
    cr_assert(linux_place(&fixed, &map, loaded, 2, &at) && at == mib);
    map.entry[1].base = 2 * mib;
    cr_assert(!linux_place(&fixed, &map, loaded, 2, &at));
    cr_assert(!linux_place(&low, &map, loaded, 0, &at)); /* below 1 MiB it would be in the way */
}

Test(multiboot_linux, parameters) {
    static struct memmap map;
    static uint8_t params[LINUX_PARAMS_BYTES], more[LINUX_MORE_BYTES];
    build();
    file[0x1f0] = 0x77; /* before the header, and behind it: not copied */
    file[0x26c] = 0x77;
    file[0x263 + 8] = 0x66;
    map.n = 3;
    for (uint32_t i = 0; i < 3; i++) map.entry[i] = (struct memmap_entry){0x100000000ull * i, 0x1000 + i, i + 1, 1};
    struct linux_start start = {.at = 0x2000000,
                                .cmdline = 0x83000,
                                .initrd = 0x7000000,
                                .initrd_bytes = 12345,
                                .more = 0x84000,
                                .cursor_x = 5,
                                .cursor_y = 6,
                                .video_mode = 3,
                                .columns = 80};
    memset(params, 0xee, sizeof params);
    memset(more, 0xee, sizeof more);
    linux_params(file, &start, &map, params, more);
    cr_assert(params[0x1ef] == 0 && params[0x1f0] == 0 && params[0x26c] == 0 && params[0x26b] == 0x66);
    cr_assert(params[0x1f1] == 3 && get(params + 0x202, 4) == 0x53726448);
    cr_assert(params[0x210] == 0xff && get(params + 0x214, 4) == 0x2000000);
    cr_assert(get(params + 0x218, 4) == 0x7000000 && get(params + 0x21c, 4) == 12345);
    cr_assert_eq(get(params + 0x228, 4), 0x83000);
    cr_assert(params[0] == 5 && params[1] == 6 && params[6] == 3 && params[7] == 80 && params[0xe] == 25 &&
              params[0xf] == 1 && params[0x10] == 16);
    cr_assert_eq(params[0x1e8], 3);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *e = params + 0x2d0 + 20 * i;
        cr_assert(get(e, 8) == 0x100000000ull * i && get(e + 8, 8) == 0x1000 + i && get(e + 16, 4) == i + 1);
    }
    cr_assert(get(params + 0x250, 8) == 0 && more[0] == 0xee);
}

Test(multiboot_linux, a_map_too_long_for_the_page) {
    static struct memmap map;
    static uint8_t params[LINUX_PARAMS_BYTES], more[LINUX_MORE_BYTES];
    struct linux_start start = {.more = 0x84000};
    build();
    for (map.n = 0; map.n < MEMMAP_MAX; map.n++)
        map.entry[map.n] = (struct memmap_entry){map.n * 0x2000ull, 0x1000, 1, 1};
    linux_params(file, &start, &map, params, more);
    cr_assert(params[0x1e8] == 128 && get(params + 0x250, 8) == 0x84000);
    cr_assert(get(more, 8) == 0 && get(more + 8, 4) == 1 && get(more + 12, 4) == 128 * 20);
    cr_assert_eq(get(params + 0x2d0 + 127 * 20, 8), 127 * 0x2000ull);
    cr_assert_eq(get(more + 16, 8), 128 * 0x2000ull);
    cr_assert_eq(get(more + 16 + 127 * 20, 8), 255 * 0x2000ull);
    map.n = 128;
    linux_params(file, &start, &map, params, more);
    cr_assert_eq(get(params + 0x250, 8), 0);
}
