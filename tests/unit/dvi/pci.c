/* PCI: the registers typed a second time, BARs by table, the scan over a made-up machine, and the ECAM guard. */
#include <criterion/criterion.h>
#include <string.h>
#include <dvi/pci.h>
#include "fake_host.h"

/* PCI 3.0, figures 6-1 "Type 00h Configuration Space Header", 6-2 "Command Register Layout", 6-5, 6-6 (BARs). */
_Static_assert(PCI_VENDOR_ID == 0 && PCI_DEVICE_ID == 2 && PCI_COMMAND == 4 && PCI_REVISION_ID == 8, "");
_Static_assert(PCI_CLASS_CODE == 9 && PCI_HEADER_TYPE == 14, "");
_Static_assert(PCI_BAR(0) == 0x10 && PCI_BAR(5) == 0x24, "");
_Static_assert(PCI_COMMAND_IO == 1 && PCI_COMMAND_MEM == 2 && PCI_COMMAND_BM == 4, "");
_Static_assert(PCI_HEADER_TYPE_MULTIFUNCTION == 0x80 && PCI_HEADER_TYPE_LAYOUT == 0x7f, "");
_Static_assert(PCI_BAR_IO == 1 && PCI_BAR_IO_ADDR == 0xfffffffc, "");
_Static_assert(PCI_BAR_MEM_TYPE == 6 && PCI_BAR_MEM_ADDR == 0xfffffff0, "");

/* --- BARs --- */

static const struct {
    uint32_t low, high, ones_low, ones_high;
    struct dvi_pci_bar want;
} bars[] = {
    {0xfebd5000, 0x77, 0xfffff000, 0, {DVI_PCI_BAR_MEM32, 0xfebd5000, 0x1000}}, /* an ABAR; high is not ours */
    {0xfebd5008, 0, 0xfffff808, 0, {DVI_PCI_BAR_MEM32, 0xfebd5000, 0x800}},     /* prefetchable */
    {0xfebd5002, 0, 0xfff00002, 0, {DVI_PCI_BAR_MEM32, 0xfebd5000, 0x100000}},  /* below 1 MiB, of old */
    {0xf000000c, 0x12, 0xfff0000c, 0xffffffff, {DVI_PCI_BAR_MEM64, 0x12f0000000, 0x100000}},
    {0x0000000c, 0x40, 0x0000000c, 0xfffffff0, {DVI_PCI_BAR_MEM64, 0x4000000000, UINT64_C(1) << 36}},
    {0x0000c061, 0x99, 0xffffffe1, 0, {DVI_PCI_BAR_IO, 0xc060, 32}},
    {0x0000c061, 0, 0x0000ffe1, 0, {DVI_PCI_BAR_IO, 0xc060, 32}}, /* 16 address bits only */
    {0, 0, 0, 0, {DVI_PCI_BAR_MEM32, 0, 0}},
};

Test(pci, bar_table) {
    for (size_t i = 0; i < sizeof bars / sizeof bars[0]; i++) {
        struct dvi_pci_bar got, want = bars[i].want;
        uint32_t high = want.kind == DVI_PCI_BAR_MEM64 ? bars[i].high : 0;
        got = dvi_pci_bar_decode_sized(bars[i].low, high, bars[i].ones_low, bars[i].ones_high);
        cr_expect(got.kind == want.kind && got.base == want.base && got.n_bytes == want.n_bytes,
                  "case %zu: kind %d, base %#lx, %#lx bytes", i, got.kind, got.base, got.n_bytes);
        got = dvi_pci_bar_decode(bars[i].low, bars[i].high);
        cr_expect(got.kind == want.kind && got.base == want.base && got.n_bytes == 0, "case %zu, not sized", i);
    }
}

Test(pci, sizing_writes) {
    cr_expect(dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM32, false, 0xffffffff));
    cr_expect(dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM32, false, 0xfffffff0));  /* as Linux and EDK II, either way */
    cr_expect(!dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM32, false, 0xfffff000)); /* an address, however unlikely */
    cr_expect(!dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM32, false, 0xfebd5000));
    cr_expect(!dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM32, false, 0));
    cr_expect(dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM64, false, 0xfffffff0));
    cr_expect(dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM64, true, 0xffffffff));
    cr_expect(!dvi_pci_bar_is_sizing(DVI_PCI_BAR_MEM64, true, 0xfffffff0));
    cr_expect(dvi_pci_bar_is_sizing(DVI_PCI_BAR_IO, false, 0xfffffffc));
    cr_expect(!dvi_pci_bar_is_sizing(DVI_PCI_BAR_IO, false, 0xfffffff0));
}

Test(pci, merge) {
    cr_expect_eq(dvi_pci_merge(0x11223344, 0x24, 4, 0xaabbccdd), 0xaabbccdd);
    cr_expect_eq(dvi_pci_merge(0x11223344, 0x24, 1, 0xaabbccdd), 0x112233dd);
    cr_expect_eq(dvi_pci_merge(0x11223344, 0x27, 1, 0xaabbccdd), 0xdd223344);
    cr_expect_eq(dvi_pci_merge(0x11223344, 0x24, 2, 0xaabbccdd), 0x1122ccdd);
    cr_expect_eq(dvi_pci_merge(0x11223344, 0x26, 2, 0xaabbccdd), 0xccdd3344);
}

/* --- the scan --- */

static struct fake_host f;
static void set_up(void) { fake_host_init(&f); }
static void tear_down(void) { fake_host_free(&f); }
TestSuite(pci, .init = set_up, .fini = tear_down);

static struct fake_fn *add(uint8_t bus, uint8_t dev, uint8_t fn, uint32_t class_code, uint8_t header_type) {
    struct fake_fn *x = fake_host_add(&f, (struct dvi_bdf){bus, dev, fn}, 0x29228086, class_code);
    x->config[PCI_HEADER_TYPE] = header_type;
    return x;
}

static bool is(struct dvi_bdf b, unsigned bus, unsigned dev, unsigned fn) {
    return b.bus == bus && b.dev == dev && b.fn == fn;
}

Test(pci, find) {
    add(255, 31, 7, PCI_CLASS_SATA_AHCI, 0); /* the very last; found through its function 0 */
    add(255, 31, 0, 0x060100, 0x80);
    add(0, 31, 2, PCI_CLASS_SATA_AHCI, 0);
    add(0, 31, 0, 0x060100, 0x80);
    add(0, 31, 3, 0x0c0500, 0);
    add(5, 0, 0, PCI_CLASS_SATA_AHCI, 0);
    add(5, 0, 1, PCI_CLASS_SATA_AHCI, 0); /* an echo: function 0 says that there is one function only */
    add(6, 3, 1, PCI_CLASS_SATA_AHCI, 0); /* no function 0 */
    add(7, 0, 0, 0x010602, 0);            /* another programming interface */
    struct dvi_bdf out[4];
    cr_assert_eq(dvi_pci_find(&f.host, PCI_CLASS_SATA_AHCI, PCI_CLASS_ALL, out, 4), 3);
    cr_expect(is(out[0], 0, 31, 2) && is(out[1], 5, 0, 0) && is(out[2], 255, 31, 7));
    cr_expect_leq(f.n_pci_reads, 8192 + 60, "%u reads", f.n_pci_reads);

    memset(out, 0xee, sizeof out);
    cr_expect_eq(dvi_pci_find(&f.host, PCI_CLASS_SATA_AHCI, PCI_CLASS_ALL, out, 2), 3,
                 "the number is told even when there is no room");
    cr_expect(is(out[1], 5, 0, 0) && is(out[2], 0xee, 0xee, 0xee));
    cr_expect_eq(dvi_pci_find(&f.host, PCI_CLASS_NVME, PCI_CLASS_ALL, out, 4), 0);
}

Test(pci, probe) {
    struct fake_fn *fn = add(0, 31, 2, PCI_CLASS_SATA_AHCI, 0);
    fake_fn_set_bar(fn, 5, 0x1000, 0xfebd5000);
    struct dvi_pci_bar bar;
    cr_assert_eq(dvi_pci_bar_probe(&f.host, fn->bdf, 5, &bar), 0);
    cr_expect(bar.kind == DVI_PCI_BAR_MEM32 && bar.base == 0xfebd5000 && bar.n_bytes == 0x1000);
    cr_expect_eq(fake_guest_pci_read(&f, fn->bdf, 0x24, 4), 0xfebd5000, "put back");
    cr_expect_eq(fake_guest_pci_read(&f, fn->bdf, 4, 2), 6, "put back");

    cr_assert_eq(dvi_pci_bar_probe(&f.host, fn->bdf, 4, &bar), 0);
    cr_expect_eq(bar.n_bytes, 0);
    cr_expect_eq(dvi_pci_bar_probe(&f.host, fn->bdf, 6, &bar), DVI_E_RANGE);

    memcpy(fn->config + 0x18, "\x0c\0\0\xf0\x12\0\0\0", 8); /* BARs 2 and 3: 64 bits wide, 1 MiB */
    memcpy(fn->writable + 0x18, "\0\0\xf0\xff\xff\xff\xff\xff", 8);
    cr_assert_eq(dvi_pci_bar_probe(&f.host, fn->bdf, 2, &bar), 0);
    cr_expect(bar.kind == DVI_PCI_BAR_MEM64 && bar.base == 0x12f0000000 && bar.n_bytes == 0x100000);
    cr_expect_eq(fake_guest_pci_read(&f, fn->bdf, 0x1c, 4), 0x12, "put back");

    fn->config[0x24] = 0x04; /* a 64-bit BAR without a second half */
    cr_expect_eq(dvi_pci_bar_probe(&f.host, fn->bdf, 5, &bar), DVI_E_RANGE);
    fn->config[PCI_HEADER_TYPE] = 0x81;
    cr_expect_eq(dvi_pci_bar_probe(&f.host, fn->bdf, 1, &bar), 0);
    cr_expect_eq(dvi_pci_bar_probe(&f.host, fn->bdf, 2, &bar), DVI_E_RANGE, "a bridge has two");
    fn->config[PCI_HEADER_TYPE] = 0x02;
    cr_expect_eq(dvi_pci_bar_probe(&f.host, fn->bdf, 0, &bar), DVI_E_RANGE, "an unknown header has none");
}

/* --- the guard --- */

static const struct dvi_bdf bridge = {0, 0, 0};

Test(pci, guard_keeps_pciexbar) {
    struct fake_fn *fn = fake_host_add(&f, bridge, 0x29c08086, 0x060000);
    memset(fn->writable + 0x40, 0xff, 0x60);
    memcpy(fn->config + 0x60, "\x01\0\0\xb0\0\0\0\0", 8);
    struct dvi_pci_guard guard;
    cr_assert_eq(dvi_pci_guard_init(&guard, &f.host), 0);
    cr_assert(guard.kind && guard.kind->offset == 0x60 && guard.kind->n_bytes == 8);

    uint64_t n = 0;
    for (unsigned width = 1; width <= 4; width *= 2)
        for (unsigned offset = 0x58; offset < 0x70; offset += width) {
            uint32_t before = fake_guest_pci_read(&f, bridge, offset, width);
            fake_guest_pci_write(&f, bridge, offset, width, ~before);
            bool kept = fake_guest_pci_read(&f, bridge, offset, width) == before;
            cr_expect_eq(kept, offset >= 0x60 && offset < 0x68, "%u bytes at %#x", width, offset);
            n += kept;
        }
    cr_expect_eq(guard.n_ignored, n);
    cr_expect_eq(fake_guest_pci_read(&f, bridge, 0x60, 4), 0xb0000001);
}

Test(pci, guard_leaves_unknown_bridges_alone) {
    struct fake_fn *fn = fake_host_add(&f, bridge, 0x12361106, 0x060000);
    memset(fn->writable + 0x40, 0xff, 0x60);
    struct dvi_pci_guard guard;
    cr_assert_eq(dvi_pci_guard_init(&guard, &f.host), 0);
    cr_expect_null(guard.kind);
    cr_expect_eq(f.n_logs, 1);
    fake_guest_pci_write(&f, bridge, 0x60, 4, 0x1234);
    cr_expect_eq(fake_guest_pci_read(&f, bridge, 0x60, 4), 0x1234);
}

Test(pci, guard_has_nothing_to_do_without_a_window) {
    struct fake_fn *fn = fake_host_add(&f, bridge, 0x12378086, 0x060000); /* 440FX */
    struct dvi_pci_guard guard;
    cr_assert_eq(dvi_pci_guard_init(&guard, &f.host), 0);
    cr_expect_eq(f.n_logs, 0);
    cr_expect_null(fn->trap);
}

Test(pci, guard_says_when_it_cannot_trap) {
    fake_host_add(&f, bridge, 0x29c08086, 0x060000);
    struct dvi_pci_guard guard, again;
    cr_assert_eq(dvi_pci_guard_init(&guard, &f.host), 0);
    cr_expect_eq(dvi_pci_guard_init(&again, &f.host), DVI_E_RANGE, "somebody else has the trap");
}

/* --- bridges on the way to a function --- */

static struct fake_fn *add_bridge(struct dvi_bdf bdf, uint8_t secondary, uint8_t subordinate) {
    struct fake_fn *fn = fake_host_add(&f, bdf, 0x00018086, 0x060400);
    fn->config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
    fn->config[PCI_BUS_PRIMARY] = bdf.bus;
    fn->config[PCI_BUS_SECONDARY] = secondary;
    fn->config[PCI_BUS_SUBORDINATE] = subordinate;
    memset(fn->writable + PCI_BUS_PRIMARY, 0xff, 4);
    memset(fn->writable + 0x40, 0xff, 4);
    return fn;
}

Test(pci, bus_numbers_on_the_way_stay) {
    const struct dvi_bdf root = {0, 1, 0}, other = {0, 2, 0}, inner = {1, 0, 0}, disk = {3, 0, 1};
    fake_host_add(&f, bridge, 0x29c08086, 0x060000);
    add_bridge(root, 1, 4);
    add_bridge(other, 5, 6);
    add_bridge(inner, 3, 3);
    fake_host_add(&f, disk, 0x43b51022, PCI_CLASS_SATA_AHCI);
    struct dvi_pci_guard guard;
    cr_assert_eq(dvi_pci_guard_init(&guard, &f.host), 0);
    cr_assert_eq(dvi_pci_guard_path(&guard, disk), 0);
    cr_assert_eq(dvi_pci_guard_path(&guard, disk), 0, "a second function there");
    cr_expect_eq(guard.n_bridges, 2);

    fake_guest_pci_write(&f, root, PCI_BUS_SECONDARY, 1, 9);
    fake_guest_pci_write(&f, root, PCI_BUS_PRIMARY, 4, 0x00090900);
    fake_guest_pci_write(&f, inner, PCI_BUS_SUBORDINATE, 1, 9);
    fake_guest_pci_write(&f, other, PCI_BUS_SECONDARY, 1, 7);
    fake_guest_pci_write(&f, root, 0x40, 4, 0x1234);
    cr_expect_eq(fake_guest_pci_read(&f, root, PCI_BUS_PRIMARY, 4), 0x00040100);
    cr_expect_eq(fake_guest_pci_read(&f, inner, PCI_BUS_SUBORDINATE, 1), 3);
    cr_expect_eq(fake_guest_pci_read(&f, other, PCI_BUS_SECONDARY, 1), 7, "leads elsewhere");
    cr_expect_eq(fake_guest_pci_read(&f, root, 0x40, 4), 0x1234);
    cr_expect_eq(guard.n_ignored, 3);
}
