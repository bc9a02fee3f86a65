/* Any bytes as the entries of a BIOS's memory map: 18 for each, so that they meet often. */
#include <memmap.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

#define INPUT_BYTES 18u

static bool is_usable(const struct memmap *m, uint64_t base, uint64_t n_bytes) {
    for (uint32_t i = 0; i < m->n; i++)
        if (m->entry[i].type == MEMMAP_USABLE && m->entry[i].base <= base &&
            base + n_bytes <= m->entry[i].base + m->entry[i].n_bytes)
            return true;
    return false;
}

static void check_sorted(const struct memmap *m) {
    CHECK(m->n <= MEMMAP_MAX);
    for (uint32_t i = 0; i < m->n; i++) {
        CHECK(m->entry[i].n_bytes && m->entry[i].base + m->entry[i].n_bytes <= UINT64_C(1) << 52);
        if (i) CHECK(m->entry[i - 1].base + m->entry[i - 1].n_bytes <= m->entry[i].base);
    }
}

static void check_places(const struct memmap *m, struct vmm_range avoid) {
    static const struct {
        uint64_t n_bytes, align, first, limit;
    } rows[] = {
        {16 << 20, 2 << 20, 2 << 20, UINT64_C(1) << 32}, {0x3000, 0x1000, 0x10000, 0x9fc00}, {1, 1, 0, UINT64_MAX}};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at;
        if (!memmap_place(m, rows[i].n_bytes, rows[i].align, rows[i].first, rows[i].limit, &avoid, 1, &at)) continue;
        CHECK(is_usable(m, at, rows[i].n_bytes) && !(at & (rows[i].align - 1)));
        CHECK(at >= rows[i].first && at + rows[i].n_bytes <= rows[i].limit);
        CHECK(!avoid.n_bytes || at + rows[i].n_bytes <= avoid.base || avoid.base + avoid.n_bytes <= at);
    }
}

static void check_ram(const struct memmap *m, struct vmm_range hole) {
    static struct vmm_range ram[VMM_MAX_RAM];
    int n = memmap_ram(m, &hole, 1, ram, VMM_MAX_RAM);
    for (int i = 0; i < n; i++) {
        CHECK(ram[i].n_bytes && !((ram[i].base | ram[i].n_bytes) & VMM_PAGE_MASK));
        if (i) CHECK(ram[i - 1].base + ram[i - 1].n_bytes < ram[i].base);
        CHECK(!hole.n_bytes || ram[i].base + ram[i].n_bytes <= hole.base || hole.base + hole.n_bytes <= ram[i].base);
        CHECK(ram[i].base + ram[i].n_bytes <= 0xa0000 || ram[i].base >= 0xc0000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static struct memmap m;
    struct vmm_range hole = {0x100000, 0};
    uint16_t kib, blocks;
    m.n = 0;
    for (; n_bytes >= INPUT_BYTES; data += INPUT_BYTES, n_bytes -= INPUT_BYTES) {
        struct memmap_entry e = {.type = data[16] % 8, .attributes = data[17] & 3};
        memcpy(&e.base, data, 8);
        memcpy(&e.n_bytes, data + 8, 8);
        if (data[17] & 0x80) e.base &= 0x3fffffff, e.n_bytes &= 0x3fffffff; /* where they matter */
        if (data[17] & 0x40) hole = (struct vmm_range){e.base & 0xffffffff, e.n_bytes & 0xfffffff};
        if (!memmap_add(&m, e) && e.type > 1 && (e.attributes & 1) && e.n_bytes && e.base < UINT64_C(1) << 52)
            CHECK(!is_usable(&m, e.base, 1));
    }
    check_sorted(&m);
    check_places(&m, hole);
    check_ram(&m, hole);
    memmap_e801(&m, &kib, &blocks);
    CHECK(kib <= 0x3c00 && (kib == 0x3c00 || blocks == 0) && memmap_88(&m) <= 0xfc00);
    return 0;
}
