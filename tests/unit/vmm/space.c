/* What the guest may touch: hidden memory, RAM, what a device may be given, and traps on device memory. */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"

#define NPT_RWX (PT_P | PT_W | PT_U)
#define NPT_R   (PT_P | PT_U | PT_NX)

#define DEVICE2 UINT64_C(0xd0000000)

static uint64_t npt_leaf(uint64_t at) {
    uint64_t n;
    return pt_lookup(&guest.vmm.npt, at, &n) & ~PT_LARGE;
}

static bool passes(uint64_t at) { return npt_leaf(at) == ((at & ~UINT64_C(4095)) | NPT_RWX); }

/* The same without knowing at what size the page is mapped. */
static bool open_1_to_1(uint64_t at) {
    uint64_t n, e = pt_lookup(&guest.vmm.npt, at, &n);
    return (e & NPT_RWX) == NPT_RWX && !(e & PT_NX) && (e & PT_ADDR) == (at & ~(n - 1));
}

Test(vmm_space, the_region_reads_as_ones_and_cannot_be_written) {
    guest_start();
    uint64_t hidden[] = {GUEST_REGION, GUEST_REGION + 0x5000, GUEST_REGION + VMM_REGION_ALIGN - 1, GUEST_LOW_PAGE,
                         GUEST_LOW_PAGE + 0xfff};
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(npt_leaf(hidden[i]), guest.vmm.ones_page | NPT_R, "%lx", hidden[i]);
        cr_assert(vmm_is_hidden(&guest.vmm, hidden[i], 1));
    }
    const uint8_t *ones = hw_direct(guest.vmm.ones_page);
    for (unsigned i = 0; i < 4096; i++) cr_assert_eq(ones[i], 0xff);
    uint64_t open[] = {
        0x1000,     GUEST_REGION - 1,       GUEST_REGION + VMM_REGION_ALIGN, GUEST_LOW_PAGE - 1, GUEST_LOW_PAGE + 4096,
        GUEST_APIC, (UINT64_C(1) << 40) - 1};
    for (unsigned i = 0; i < sizeof open / sizeof open[0]; i++) {
        cr_assert(open_1_to_1(open[i]), "%lx", open[i]);
        cr_assert(!vmm_is_hidden(&guest.vmm, open[i], 1));
    }
    cr_assert_eq(npt_leaf(UINT64_C(1) << 40), 0); /* beyond the address bus */
    cr_assert(vmm_is_hidden(&guest.vmm, 0xfff, 1) && !vmm_is_hidden(&guest.vmm, 0, 0));
    uint64_t zero = npt_leaf(0); /* another page, all of it the guest's */
    cr_assert((zero & PT_ADDR) != 0 && (zero & PT_ADDR) != guest.vmm.ones_page && (zero & 7) == 7 && !(zero >> 63));
}

Test(vmm_space, hidden_ranges) {
    guest_start();
    const struct vmm *v = &guest.vmm;
    cr_assert(vmm_is_hidden(v, GUEST_REGION - 1, 2));
    cr_assert(!vmm_is_hidden(v, GUEST_REGION - 1, 1));
    cr_assert(vmm_is_hidden(v, GUEST_REGION + VMM_REGION_ALIGN - 1, 8));
    cr_assert(vmm_is_hidden(v, 0, UINT64_MAX));
    cr_assert(!vmm_is_hidden(v, GUEST_REGION, 0));
    cr_assert(vmm_is_hidden(v, GUEST_REGION, UINT64_MAX)); /* would wrap */
    cr_assert(!vmm_is_hidden(v, UINT64_MAX, UINT64_MAX));
}

Test(vmm_space, ram) {
    guest_start();
    guest.vmm.ram[1] = (struct vmm_range){GUEST_REGION - 0x1000, 2 * VMM_REGION_ALIGN}; /* the firmware may say so */
    guest.vmm.ram[2] = (struct vmm_range){GUEST_HIGH, GUEST_HIGH_BYTES};
    guest.vmm.n_ram = 3;
    static const struct {
        uint64_t at, n_bytes;
        bool ram;
    } rows[] = {
        {0, 1, false},
        {0x1000, 1, true},
        {0x1000, GUEST_RAM_BYTES - 0x1000, true},
        {0x1000, GUEST_RAM_BYTES - 0xfff, false},
        {GUEST_RAM_BYTES - 1, 1, true},
        {GUEST_RAM_BYTES, 1, false},
        {0, 0, false},
        {0, UINT64_MAX, false},
        {1, UINT64_MAX, false},
        {UINT64_MAX, 1, false},
        {UINT64_MAX, 2, false},
        {GUEST_REGION - 0x1000, 0x1000, true},
        {GUEST_REGION - 0x1000, 0x1001, false},
        {GUEST_REGION, 8, false},
        {GUEST_REGION + VMM_REGION_ALIGN, 8, true},
        {GUEST_LOW_PAGE, 1, false},
        {GUEST_HIGH + 5, 100, true},
        {GUEST_HIGH + GUEST_HIGH_BYTES - 4, 8, false},
        {GUEST_DEVICE, 4, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(vmm_is_ram(&guest.vmm, rows[i].at, rows[i].n_bytes), rows[i].ram, "row %u", i);
}

Test(vmm_space, one_of_many_ranges_of_ram) {
    guest_start();
    for (unsigned n = 0; n <= 9; n++) {
        guest.vmm.n_ram = n;
        for (unsigned i = 0; i < n; i++) guest.vmm.ram[i] = (struct vmm_range){0x100000 + 0x4000 * i, 0x2000};
        for (uint64_t at = 0x100000 - 8; at < 0x100000 + 0x4000 * 10; at += 0x1000 - 8) {
            uint64_t into = (at - 0x100000) % 0x4000;
            bool there = at >= 0x100000 && (at - 0x100000) / 0x4000 < n && into < 0x2000;
            cr_assert_eq(vmm_is_ram(&guest.vmm, at, 1), there, "%u ranges: %lx", n, at);
            cr_assert_eq(vmm_is_ram(&guest.vmm, at, 0x1800), there && into <= 0x800, "%u ranges: %lx", n, at);
        }
    }
}

Test(vmm_space, what_a_device_may_be_given) {
    guest_start();
    uint64_t limit = UINT64_C(1) << 40;
    const struct {
        uint64_t at, n_bytes;
        bool ok;
    } rows[] = {
        {0, 1, false}, /* the table in which processors outside look */
        {0xfff, 2, false},
        {0x1000, 1, true},
        {0, 0, false},
        {GUEST_DEVICE, 0x1000, true}, /* peer to peer */
        {GUEST_REGION - 4, 4, true},
        {GUEST_REGION - 4, 5, false},
        {GUEST_REGION + VMM_REGION_ALIGN, limit, false},
        {GUEST_REGION + 17, 1, false},
        {GUEST_LOW_PAGE + 0xfff, 1, false},
        {limit - 1, 1, true},
        {limit - 1, 2, false},
        {limit, 1, false},
        {0, limit, false},
        {UINT64_MAX, 1, false},
        {UINT64_MAX - 3, 8, false},
        {GUEST_HIGH, UINT64_MAX, false},
        {GUEST_HIGH, UINT64_MAX - GUEST_HIGH + 2, false},
        {GUEST_HIGH, limit - GUEST_HIGH, true},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(vmm_dma_ok(&guest.vmm, gpa(rows[i].at), rows[i].n_bytes), rows[i].ok, "row %u", i);
    guest.vmm.direct_bits = 36; /* our own page tables may reach less */
    cr_assert(vmm_is_reachable(&guest.vmm, (UINT64_C(1) << 36) - 8, 8));
    cr_assert(!vmm_is_reachable(&guest.vmm, (UINT64_C(1) << 36) - 8, 9));
    cr_assert(!vmm_is_reachable(&guest.vmm, UINT64_MAX, 8));
    cr_assert(!vmm_is_reachable(&guest.vmm, GUEST_REGION, 8));
    cr_assert(vmm_dma_ok(&guest.vmm, gpa((UINT64_C(1) << 36)), 8));
}

Test(vmm_space, guest_memory_whole_or_not_at_all) {
    guest_start();
    uint8_t buf[16] = {1, 2, 3, 4, 5, 6, 7, 8}, back[16] = {0};
    cr_assert_eq(vmm_gmem_write(&guest.vmm, gpa(GUEST_HIGH + 3), buf, 8), 0);
    cr_assert_eq(memcmp(guest.high + 3, buf, 8), 0);
    cr_assert_eq(vmm_gmem_read(&guest.vmm, gpa(GUEST_HIGH + 3), back, 8), 0);
    cr_assert_eq(memcmp(back, buf, 16), 0);
    cr_assert_eq(vmm_gmem_borrow(&guest.vmm, gpa(GUEST_HIGH + 3), 8), guest.high + 3);
    memset(back, 0x77, sizeof back);
    cr_assert_eq(vmm_gmem_read(&guest.vmm, gpa(GUEST_RAM_BYTES - 4), back, 8), VMM_E_RANGE);
    cr_assert_eq(vmm_gmem_write(&guest.vmm, gpa(GUEST_RAM_BYTES - 4), back, 8), VMM_E_RANGE);
    cr_assert_eq(vmm_gmem_write(&guest.vmm, gpa(GUEST_REGION), back, 8), VMM_E_RANGE);
    cr_assert_eq(vmm_gmem_write(&guest.vmm, gpa(GUEST_DEVICE), back, 4), VMM_E_RANGE);
    cr_assert_null(vmm_gmem_borrow(&guest.vmm, gpa(GUEST_HIGH), 0));
    cr_assert_eq(guest.ram[GUEST_RAM_BYTES - 4], 0);
    cr_assert_eq(back[0], 0x77);
}

/* ---- traps ---- */

Test(vmm_space, a_trap_takes_its_pages_away_and_nothing_else) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x2000, guest_trap, &t), 0);
    cr_assert_eq(npt_leaf(GUEST_DEVICE), 0);
    cr_assert_eq(npt_leaf(GUEST_DEVICE + 0x1fff), 0);
    cr_assert(passes(GUEST_DEVICE - 1));
    cr_assert(passes(GUEST_DEVICE + 0x2000));
    cr_assert_eq(vmm_mmio_trap_writes(&guest.vmm, gpa(GUEST_DEVICE + 0x2000), 0x1000, guest_trap, &t), 1);
    cr_assert_eq(npt_leaf(GUEST_DEVICE + 0x2000), (GUEST_DEVICE + 0x2000) | NPT_R);
}

Test(vmm_space, what_cannot_be_trapped) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    struct vmm *v = &guest.vmm;
    cr_assert_eq(vmm_mmio_trap(v, gpa(GUEST_DEVICE), 0x2000, guest_trap, &t), 0);
    const struct {
        uint64_t at, n_bytes;
    } busy[] = {
        {GUEST_DEVICE, 0x1000},
        {GUEST_DEVICE + 0x1000, 0x1000},
        {GUEST_DEVICE - 0x1000, 0x2000},
        {GUEST_DEVICE - 0x1000, 0x8000},
        {0, 0x1000}, /* RAM */
        {GUEST_RAM_BYTES - 0x1000, 0x2000},
        {GUEST_HIGH - 0x1000, 0x40000}, /* RAM inside */
        {GUEST_REGION, 0x1000},
        {GUEST_REGION - 0x1000, 0x2000},
        {GUEST_LOW_PAGE, 0x1000},
        {DEVICE2, 0},
        {DEVICE2 + 4, 0x1000},
        {DEVICE2, 0x1004},
        {UINT64_C(1) << 40, 0x1000},
        {(UINT64_C(1) << 40) - 0x1000, 0x2000},
        {~UINT64_C(0xfff), 0x1000},
        {~UINT64_C(0xfff), 0x2000},
    };
    for (unsigned i = 0; i < sizeof busy / sizeof busy[0]; i++)
        cr_assert_eq(vmm_mmio_trap(v, gpa(busy[i].at), busy[i].n_bytes, guest_trap, &t), VMM_E_BUSY, "row %u", i);
    cr_assert(open_1_to_1(DEVICE2));
    cr_assert(open_1_to_1(0x1000));
}

Test(vmm_space, a_full_table) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    for (unsigned i = 0; i < VMM_MAX_HOOKS; i++)
        cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(DEVICE2 + i * 0x1000), 0x1000, guest_trap, &t), (int)i);
    cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(DEVICE2 + 0x40000), 0x1000, guest_trap, &t), VMM_E_FULL);
    cr_assert(passes(DEVICE2 + 0x40000));
}

Test(vmm_space, the_old_place_opens_when_a_trap_moves) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    int h = vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x2000, guest_trap, &t);
    uint32_t generation = guest.vmm.npt_generation;
    cr_assert_eq(vmm_mmio_move(&guest.vmm, h, gpa(GUEST_DEVICE)), 0); /* not at all */
    cr_assert_eq(npt_leaf(GUEST_DEVICE), 0);
    cr_assert_eq(vmm_mmio_move(&guest.vmm, h, gpa(DEVICE2)), 0);
    cr_assert(passes(GUEST_DEVICE));
    cr_assert(passes(GUEST_DEVICE + 0x1000));
    cr_assert_eq(npt_leaf(DEVICE2), 0);
    cr_assert_eq(npt_leaf(DEVICE2 + 0x1000), 0);
    cr_assert_gt(guest.vmm.npt_generation, generation);
    cr_assert_null(vmm_hook_find(&guest.vmm.mmio, GUEST_DEVICE));
    cr_assert_not_null(vmm_hook_find(&guest.vmm.mmio, DEVICE2 + 0x1fff));
    /* by one page: old and new overlap */
    cr_assert_eq(vmm_mmio_move(&guest.vmm, h, gpa(DEVICE2 + 0x1000)), 0);
    cr_assert(passes(DEVICE2));
    cr_assert_eq(npt_leaf(DEVICE2 + 0x1000), 0);
    cr_assert_eq(npt_leaf(DEVICE2 + 0x2000), 0);
    cr_assert_eq(vmm_mmio_move(&guest.vmm, 1, gpa(DEVICE2)), VMM_E_INVAL);
    cr_assert_eq(vmm_mmio_move(&guest.vmm, -1, gpa(DEVICE2)), VMM_E_INVAL);
}

Test(vmm_space, a_trap_moved_to_where_it_cannot_be_is_nowhere) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    int h = vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x2000, guest_trap, &t);
    uint64_t bad[] = {0, GUEST_REGION, GUEST_LOW_PAGE, GUEST_HIGH, DEVICE2 + 1, ~UINT64_C(0xfff)};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(vmm_mmio_move(&guest.vmm, h, gpa(bad[i])), VMM_E_BUSY, "row %u", i);
        cr_assert(passes(GUEST_DEVICE));
        /* in particular not at the bottom of memory, where a range that wraps would come out */
        uint64_t places[] = {0, 1, 0x1000, 0x1fff, GUEST_DEVICE, bad[i], UINT64_MAX};
        for (unsigned k = 0; k < 6; k++)
            cr_assert_null(vmm_hook_find(&guest.vmm.mmio, places[k]), "row %u: %lx", i, places[k]);
    }
    cr_assert_eq(vmm_mmio_move(&guest.vmm, h, gpa(DEVICE2)), 0);
    cr_assert_eq(npt_leaf(DEVICE2), 0);
    cr_assert_eq(vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x2000, guest_trap, &t), 1); /* free again */
}

/* ---- memory given out during setup ---- */

Test(vmm_alloc, whole_zeroed_pages_until_there_are_none) {
    guest_start();
    struct vmm *v = &guest.vmm;
    memset(hw_direct(v->arena_next), 0xcc, 0x4000);
    uint8_t *a = vmm_alloc(v, 1), *b = vmm_alloc(v, 4097), *c = vmm_alloc(v, 4096);
    cr_assert(b == a + 4096 && c == b + 8192 && ((uintptr_t)a & 4095) == 0);
    for (unsigned i = 0; i < 0x4000; i++) cr_assert_eq(a[i], 0);
    cr_assert_null(vmm_alloc(v, SIZE_MAX));
    cr_assert_null(vmm_alloc(v, v->arena_end - v->arena_next + 1));
    cr_assert_not_null(vmm_alloc(v, v->arena_end - v->arena_next));
    cr_assert_null(vmm_alloc(v, 1));
    guest.vmm.arena_next -= 4096;
    guest.vmm.in_setup = false;
    cr_assert_null(vmm_alloc(v, 1));
}

Test(vmm_space, a_trap_that_not_everybody_sees_is_given_up) {
    guest_start();
    struct guest_trap t = {.answer = VMM_SKIP};
    int h = vmm_mmio_trap(&guest.vmm, gpa(GUEST_DEVICE), 0x1000, guest_trap, &t);
    guest.vmm.in_setup = false;
    guest.vcpu[0].in_exit = true;
    guest.vcpu[1].running = 1; /* and stays in the guest */
    guest.vcpu[1].in_exit = false;
    for (unsigned i = 0; i < 2; i++) { /* asking again does not make it true */
        cr_assert_eq(vmm_mmio_move(&guest.vmm, h, gpa(DEVICE2)), VMM_E_BUSY);
        cr_assert_null(vmm_hook_find(&guest.vmm.mmio, DEVICE2));
    }
    guest.vcpu[1].running = 0;
    cr_assert_eq(vmm_mmio_move(&guest.vmm, h, gpa(DEVICE2)), 0);
    cr_assert_not_null(vmm_hook_find(&guest.vmm.mmio, DEVICE2));
}
