/* The BIOS's memory map: sorted out of anything, and what is found in it. */
#include <criterion/criterion.h>
#include <memmap.h>
#include <stdlib.h>
#include <string.h>

#define MIB UINT64_C(0x100000)
#define GIB (UINT64_C(1) << 30)

static struct memmap map;

static void add(uint64_t base, uint64_t n_bytes, uint32_t type) {
    cr_assert_eq(memmap_add(&map, (struct memmap_entry){base, n_bytes, type, 1}), 0);
}

static void expect(uint32_t n, const struct memmap_entry *rows) {
    cr_assert_eq(map.n, n, "%u entries", map.n);
    for (uint32_t i = 0; i < n; i++)
        cr_assert(map.entry[i].base == rows[i].base && map.entry[i].n_bytes == rows[i].n_bytes &&
                      map.entry[i].type == rows[i].type,
                  "entry %u: %lx %lx %u", i, map.entry[i].base, map.entry[i].n_bytes, map.entry[i].type);
}
#define EXPECT(...)                                                                                                    \
    do {                                                                                                               \
        const struct memmap_entry rows_[] = {__VA_ARGS__};                                                             \
        expect(sizeof rows_ / sizeof rows_[0], rows_);                                                                 \
    } while (0)
#define ROW(base, n_bytes, type)                                                                                       \
    { (base), (n_bytes), (type), 1 }

static void clear(void) { map.n = 0; }

/* SeaBIOS on a machine of 1 GiB with memory-mapped configuration space. */
static void build(void) {
    clear();
    add(0, 0x9fc00, 1);
    add(0x9fc00, 0x400, 2);
    add(0xf0000, 0x10000, 2);
    add(MIB, 0x3fedf000, 1);
    add(0x3ffdf000, 0x21000, 2);
    add(0xb0000000, 0x10000000, 2);
}

Test(multiboot_memmap, keeps_what_is_in_order) {
    build();
    EXPECT(ROW(0, 0x9fc00, 1), ROW(0x9fc00, 0x400, 2), ROW(0xf0000, 0x10000, 2), ROW(MIB, 0x3fedf000, 1),
           ROW(0x3ffdf000, 0x21000, 2), ROW(0xb0000000, 0x10000000, 2));
}

Test(multiboot_memmap, sorts_and_joins) {
    clear();
    add(0x3000, 0x1000, 1);
    add(0x1000, 0x1000, 1);
    add(5 * GIB, GIB, 1);
    add(0x2000, 0x1000, 1);
    EXPECT(ROW(0x1000, 0x3000, 1), ROW(5 * GIB, GIB, 1));
    add(0x1000, 0x3000, 1); /* once more */
    add(0x2800, 0x100, 1);
    EXPECT(ROW(0x1000, 0x3000, 1), ROW(5 * GIB, GIB, 1));
}

Test(multiboot_memmap, the_stricter_type_holds) {
    clear();
    add(0, 0x10000, 1);
    add(0x2000, 0x1000, 3);
    add(0x2800, 0x1000, 4);
    add(0x1000, 0x8000, 1);
    add(0x3000, 0x2000, 2);
    add(0x4800, 0x100, 5);
    add(0x4000, 0x800, 77); /* a type nobody knows: as strict as reserved, and there already */
    EXPECT(ROW(0, 0x2000, 1), ROW(0x2000, 0x800, 3), ROW(0x2800, 0x800, 4), ROW(0x3000, 0x1800, 2),
           ROW(0x4800, 0x100, 5), ROW(0x4900, 0x700, 2), ROW(0x5000, 0xb000, 1));
}

Test(multiboot_memmap, one_entry_over_many) {
    clear();
    add(0x1000, 0x1000, 2);
    add(0x3000, 0x1000, 1);
    add(0x5000, 0x1000, 2);
    add(0, 0x7000, 1);
    EXPECT(ROW(0, 0x1000, 1), ROW(0x1000, 0x1000, 2), ROW(0x2000, 0x3000, 1), ROW(0x5000, 0x1000, 2),
           ROW(0x6000, 0x1000, 1));
    add(0, 0x7000, 5);
    EXPECT(ROW(0, 0x7000, 5));
}

Test(multiboot_memmap, what_does_not_count) {
    build();
    struct memmap before = map;
    add(0x5000, 0, 2);
    add(UINT64_C(1) << 52, 0x1000, 1);
    add(UINT64_MAX, UINT64_MAX, 1);
    add(0x5000, 0x1000, 0);
    cr_assert_eq(memmap_add(&map, (struct memmap_entry){0x5000, 0x1000, 2, 0}), 0); /* to be ignored, it says */
    cr_assert_eq(memcmp(&before, &map, sizeof map.n + map.n * sizeof map.entry[0]), 0);
    clear();
    add(UINT64_C(0xfffffffff0000), UINT64_MAX, 2); /* wraps around: cut off where no address is */
    EXPECT(ROW(UINT64_C(0xfffffffff0000), 0x10000, 2));
}

Test(multiboot_memmap, full) {
    clear();
    for (uint32_t i = 0; i < MEMMAP_MAX; i++) add(i * 0x2000ull, 0x1000, 1);
    cr_assert_eq(map.n, MEMMAP_MAX);
    struct memmap before = map;
    cr_assert_lt(memmap_add(&map, (struct memmap_entry){MEMMAP_MAX * 0x2000ull, 0x1000, 1, 1}), 0);
    cr_assert_lt(memmap_reserve(&map, 0x400, 0x100), 0);
    cr_assert_eq(memcmp(&before, &map, sizeof map), 0);
    add(0x1000, 0x1000, 1); /* makes one of two */
    cr_assert_eq(map.n, MEMMAP_MAX - 1);
}

/* ---- finding room ---- */

static uint64_t place(uint64_t n_bytes, uint64_t align, uint64_t first, uint64_t limit, const struct vmm_range *avoid,
                      uint32_t n) {
    uint64_t at = 0;
    return memmap_place(&map, n_bytes, align, first, limit, avoid, n, &at) ? at : UINT64_MAX;
}

Test(multiboot_memmap, the_topmost_place) {
    build();
    cr_assert_eq(place(16 * MIB, 2 * MIB, 2 * MIB, 4 * GIB, NULL, 0), 0x3ee00000);
    cr_assert_eq(place(0x1000, 0x1000, 0x10000, 0xa0000, NULL, 0), 0x9e000);
    cr_assert_eq(place(0x1000, 0x1000, 0x10000, 0x9c000, NULL, 0), 0x9b000);
    cr_assert_eq(place(2 * GIB, 0x1000, 0, 4 * GIB, NULL, 0), UINT64_MAX);
    cr_assert_eq(place(0x9fc00, 1, 0, MIB, NULL, 0), 0);
    cr_assert_eq(place(0x9fc00, 1, 1, MIB, NULL, 0), UINT64_MAX);
    cr_assert_eq(place(0x400, 0x400, 0x9f800, 0x9fc00, NULL, 0), 0x9f800);
    add(4 * GIB, 8 * GIB, 1);
    cr_assert_eq(place(16 * MIB, 2 * MIB, 2 * MIB, 4 * GIB, NULL, 0), 0x3ee00000); /* not above the limit */
    cr_assert_eq(place(GIB, GIB, 0, UINT64_MAX, NULL, 0), 11 * GIB);
}

Test(multiboot_memmap, places_to_be_avoided) {
    build();
    struct vmm_range avoid[] = {{0x3fd00000, 1}, {0x3ec00000, 0x1000}, {0x3f000000, 0}, {0x10000000, MIB}};
    cr_assert_eq(place(2 * MIB, 2 * MIB, MIB, 4 * GIB, avoid, 4), 0x3fa00000);
    cr_assert_eq(place(16 * MIB, 2 * MIB, MIB, 4 * GIB, avoid, 4), 0x3ec00000 - 16 * MIB);
    avoid[1].n_bytes = 0;
    cr_assert_eq(place(16 * MIB, 2 * MIB, MIB, 4 * GIB, avoid, 4), 0x3ec00000);
    avoid[0] = (struct vmm_range){0, UINT32_MAX};
    cr_assert_eq(place(0x1000, 0x1000, 0, 4 * GIB, avoid, 4), UINT64_MAX);
}

/* ---- RAM ---- */

static struct vmm_range ram[VMM_MAX_RAM];

static void expect_ram(int n, const struct vmm_range *rows) {
    for (int i = 0; i < n; i++)
        cr_assert(ram[i].base == rows[i].base && ram[i].n_bytes == rows[i].n_bytes, "range %d: %lx %lx", i, ram[i].base,
                  ram[i].n_bytes);
}

Test(multiboot_memmap, ram) {
    build();
    const struct vmm_range ecam = {0xb0000000, 0x10000000};
    const struct vmm_range rows[] = {{0, 0xa0000}, {0xc0000, 0x40000000 - 0xc0000}};
    cr_assert_eq(memmap_ram(&map, &ecam, 1, ram, VMM_MAX_RAM), 2);
    expect_ram(2, rows);
    cr_assert_eq(memmap_reserve(&map, 0x3ee00000, 16 * MIB), 0); /* in the middle of it: not RAM's upper end */
    const struct vmm_range with_hole[] = {{0, 0xa0000}, {0xc0000, 0x40000000 - 0xc0000}};
    cr_assert_eq(memmap_ram(&map, &ecam, 1, ram, VMM_MAX_RAM), 2);
    expect_ram(2, with_hole);
}

Test(multiboot_memmap, ram_and_registers) {
    clear();
    add(MIB, 0x7ff00000, 1);
    add(0x80000000, 0x40000000, 2); /* goes on where RAM ends */
    add(4 * GIB, GIB, 1);
    add(5 * GIB, GIB, 2); /* above 4 GiB nothing of a BIOS lies */
    const struct vmm_range holes[] = {{0xb0000000, 0x10000000}, {0x90000800, 0x800}, {0xfee00000, 0}};
    const struct vmm_range rows[] = {
        {0, 0xa0000}, {0xc0000, 0x90000000 - 0xc0000}, {0x90001000, 0xb0000000 - 0x90001000}, {4 * GIB, GIB}};
    cr_assert_eq(memmap_ram(&map, holes, 3, ram, VMM_MAX_RAM), 4);
    expect_ram(4, rows);
    cr_assert_lt(memmap_ram(&map, holes, 3, ram, 3), 0);
}

Test(multiboot_memmap, ram_in_whole_pages) {
    clear();
    add(2 * MIB + 0x800, 0x2000, 1);
    add(2 * MIB + 0x2800, 0x1000, 3); /* goes on in the middle of a page: they share it */
    add(4 * MIB + 0x800, 0x400, 1);
    const struct vmm_range rows[] = {{0, 0xa0000}, {0xc0000, 0x40000}, {2 * MIB + 0x1000, 0x2000}};
    cr_assert_eq(memmap_ram(&map, NULL, 0, ram, VMM_MAX_RAM), 3);
    expect_ram(3, rows);
}

/* ---- the older questions ---- */

Test(multiboot_memmap, sizes) {
    static const struct {
        uint64_t end;
        uint16_t kib, blocks, kib_88;
    } rows[] = {
        {MIB, 0, 0, 0},
        {MIB + 0x3000, 12, 0, 12},
        {16 * MIB, 0x3c00, 0, 0x3c00},
        {17 * MIB, 0x3c00, 16, 0x4000},
        {64 * MIB, 0x3c00, 768, 0xfc00},
        {GIB, 0x3c00, 0x3f00, 0xfc00},
        {6 * GIB, 0x3c00, 0xff00, 0xfc00},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t kib, blocks;
        clear();
        add(0, 0xa0000, 1);
        if (rows[i].end > MIB) add(MIB, rows[i].end - MIB, 1);
        add(rows[i].end + MIB, 0x1000, 1); /* behind a hole */
        memmap_e801(&map, &kib, &blocks);
        cr_assert(kib == rows[i].kib && blocks == rows[i].blocks, "row %u: %x %x", i, kib, blocks);
        cr_assert_eq(memmap_88(&map), rows[i].kib_88, "row %u", i);
    }
}

/* ---- a naive map: one byte for each of 256 places ---- */

static unsigned strict(uint32_t type) {
    return type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 3 : type == 5 ? 5 : type ? 4 : 0;
}

Test(multiboot_memmap, as_a_naive_map_has_it) {
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        uint8_t model[256] = {0};
        clear();
        for (unsigned k = 0; k < 12; k++) {
            unsigned base = (unsigned)rand() % 256, n = (unsigned)rand() % (256 - base + 1),
                     type = (unsigned)rand() % 7;
            add(base * 0x1000ull, n * 0x1000ull, type);
            for (unsigned i = base; i < base + n; i++)
                if (strict(type) > strict(model[i])) model[i] = (uint8_t)type;
        }
        uint32_t entry = 0;
        for (unsigned i = 0; i < 256; i++) {
            while (entry < map.n && map.entry[entry].base + map.entry[entry].n_bytes <= i * 0x1000ull) entry++;
            bool in = entry < map.n && map.entry[entry].base <= i * 0x1000ull;
            cr_assert_eq(strict(in ? map.entry[entry].type : 0), strict(model[i]), "round %u, place %u", round, i);
        }
        for (uint32_t i = 1; i < map.n; i++)
            cr_assert_leq(map.entry[i - 1].base + map.entry[i - 1].n_bytes, map.entry[i].base);
    }
}
