/* A firmware memory map becomes a sorted, merged list of RAM. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "vmm_uefi.h"

#define DESC_BYTES 48u /* firmware's descriptors are larger than the structure */
#define MAX        8u

struct row {
    uint32_t type;
    uint64_t at, n_pages;
};

static struct vmm_range out[MAX + 1];

static int convert(const struct row *rows, unsigned n, size_t desc_bytes, uint32_t max) {
    uint8_t *map = calloc(n ? n : 1, desc_bytes); /* of exactly this size: the sanitizer looks */
    for (unsigned i = 0; i < n; i++) {
        EFI_MEMORY_DESCRIPTOR d = {.Type = rows[i].type, .PhysicalStart = rows[i].at, .NumberOfPages = rows[i].n_pages};
        memcpy(map + i * desc_bytes, &d, sizeof d);
    }
    memset(out, 0x5a, sizeof out);
    int r = vmm_uefi_ranges(map, n * desc_bytes, desc_bytes, VMM_UEFI_RAM, out, max);
    free(map);
    return r;
}

static void expect(const struct row *rows, unsigned n, const struct vmm_range *want, int n_want) {
    int found = convert(rows, n, DESC_BYTES, MAX);
    cr_assert_eq(found, n_want, "%d", found);
    for (int i = 0; i < n_want; i++)
        cr_assert(out[i].base == want[i].base && out[i].n_bytes == want[i].n_bytes, "%d: %lx %lx", i, out[i].base,
                  out[i].n_bytes);
}

/* UEFI Specification 2.10, 7.2.1, table 7.6 "Memory Type Usage after ExitBootServices()", by number. */
Test(vmm_uefi_ram, which_types_are_ram) {
    static const bool ram[] = {[1] = true, [2] = true, [3] = true, [4] = true,  [5] = true,
                               [6] = true, [7] = true, [9] = true, [10] = true, [15] = false};
    for (uint32_t type = 0; type < 16; type++) {
        struct row r = {type, 0x1000, 1};
        cr_assert_eq(convert(&r, 1, DESC_BYTES, MAX), ram[type], "type %u", type);
    }
    struct row r = {0x80000001, 0x1000, 1};
    cr_assert_eq(convert(&r, 1, DESC_BYTES, MAX), 0);
}

Test(vmm_uefi_ram, sorted_and_merged) {
    static const struct row rows[] = {{7, 0x100000, 0x10}, {7, 0x0, 0x80},         {0, 0x80000, 0x20},
                                      {4, 0x110000, 0x10}, {7, 0x90000, 0x1},      {2, 0x105000, 0x2},
                                      {7, 0x80000, 0x10},  {7, 0x100000000, 0x100}};
    static const struct vmm_range want[] = {{0, 0x91000}, {0x100000, 0x20000}, {0x100000000, 0x100000}};
    expect(rows, 8, want, 3);
    static const struct row bridge[] = {{7, 0x1000, 1}, {7, 0x3000, 1}, {7, 0x5000, 1}, {7, 0x0, 8}};
    static const struct vmm_range one[] = {{0, 0x8000}};
    expect(bridge, 4, one, 1);
}

Test(vmm_uefi_ram, malformed_descriptors_are_passed_over) {
    static const struct row rows[] = {{7, 0x1000, 0},           {7, UINT64_C(1) << 52, 1},
                                      {7, 0x5800, 1},           {7, (UINT64_C(1) << 52) - 0x1000, 2},
                                      {7, 0x1000, UINT64_MAX},  {7, 0x1000, UINT64_C(1) << 52},
                                      {7, ~UINT64_C(0xfff), 1}, {7, (UINT64_C(1) << 52) - 0x2000, 2}};
    static const struct vmm_range want[] = {{(UINT64_C(1) << 52) - 0x2000, 0x2000}};
    expect(rows, 8, want, 1);
}

Test(vmm_uefi_ram, sizes) {
    struct row rows[MAX + 2];
    for (unsigned i = 0; i < MAX + 2; i++) rows[i] = (struct row){7, 0x10000 * (MAX + 2 - i), 1};
    cr_assert_eq(convert(rows, MAX, DESC_BYTES, MAX), (int)MAX);
    cr_assert_eq(out[MAX].base, 0x5a5a5a5a5a5a5a5a);
    cr_assert_eq(convert(rows, MAX + 1, DESC_BYTES, MAX), VMM_E_FULL);
    cr_assert_eq(out[MAX].base, 0x5a5a5a5a5a5a5a5a); /* nothing behind the end */
    rows[MAX] = (struct row){7, 0x10000, 0x1000};    /* one that swallows all fits again */
    cr_assert_eq(convert(rows, MAX + 1, DESC_BYTES, MAX), 1);
    cr_assert_eq(convert(rows, 1, DESC_BYTES, 0), VMM_E_FULL);
    cr_assert_eq(convert(rows, 0, DESC_BYTES, MAX), 0);
    cr_assert_eq(convert(rows, 2, sizeof(EFI_MEMORY_DESCRIPTOR), MAX), 2);
    uint8_t map[100] = {0};
    cr_assert_eq(vmm_uefi_ranges(map, sizeof map, sizeof(EFI_MEMORY_DESCRIPTOR) - 1, VMM_UEFI_RAM, out, MAX),
                 VMM_E_INVAL);
    cr_assert_eq(vmm_uefi_ranges(map, sizeof map, 0, VMM_UEFI_RAM, out, MAX), VMM_E_INVAL);
    cr_assert_eq(vmm_uefi_ranges(map, sizeof map, SIZE_MAX, VMM_UEFI_RAM, out, MAX), 0);
    cr_assert_eq(vmm_uefi_ranges(map, 39, sizeof(EFI_MEMORY_DESCRIPTOR), VMM_UEFI_RAM, out, MAX),
                 0); /* a piece of one */
}

/* ---- against an oracle: one bit a page ---- */

#define PAGES 96u

Test(vmm_uefi_ram, random_maps) {
    srand(6);
    for (unsigned round = 0; round < 20000; round++) {
        struct row rows[12];
        bool page[PAGES + 1] = {false};
        unsigned n = 1 + (unsigned)rand() % 12;
        for (unsigned i = 0; i < n; i++) {
            unsigned at = (unsigned)rand() % PAGES, pages = (unsigned)rand() % 8;
            if (at + pages > PAGES) pages = PAGES - at;
            rows[i] = (struct row){rand() % 3 ? 7 : 0, at * UINT64_C(4096), pages};
            for (unsigned k = 0; k < pages && rows[i].type == 7; k++) page[at + k] = true;
        }
        struct vmm_range want[PAGES];
        int n_want = 0;
        for (unsigned k = 0; k < PAGES; k++)
            if (page[k] && (k == 0 || !page[k - 1])) {
                unsigned end = k;
                while (page[end]) end++;
                want[n_want++] = (struct vmm_range){k * UINT64_C(4096), (end - k) * UINT64_C(4096)};
            }
        int found = convert(rows, n, DESC_BYTES, MAX);
        if (found == VMM_E_FULL) continue; /* too many on the way */
        cr_assert_eq(found, n_want);
        cr_assert_eq(memcmp(out, want, (size_t)found * sizeof *want), 0);
    }
}
