/* Instructions that exit, in every mode a processor has: real, 16- and 32-bit protected without paging, with 32-bit and
 * PAE paging, compatibility, long; round and back, twice. What they answer, and that execution goes on behind them,
 * says that length, operands, segments and page tables were understood. */
#include "gt.h"
#include <hw.h>
#include <string.h>

#define N_PAGES 3u /* code, results, and the rest of the 16-bit segment's use */
#define LINEAR  UINT64_C(0x40000000)
#define RW      (GT_P | GT_W)
#define PS      BIT(7)

struct far_pointer {
    uint32_t offset, selector;
};
struct modes_data { /* modes.S */
    struct far_pointer flat[4], here[2], real;
    uint32_t results, paged_mmio, cr3_long, cr3_32, cr3_pae;
    uint64_t saved_cr3, saved_rsp;
    uint16_t gdt_limit;
    uint64_t gdt_base;
    uint16_t saved_limit;
    uint64_t saved_base;
} __attribute__((packed));
extern const uint8_t modes_start[], modes_data[], modes_end[];
extern const uint32_t modes_calls[];

struct result {
    uint8_t carry, in8;
    uint16_t in16;
    uint32_t in32, in_out, msr_low, msr_high, ping, load, store, add, crossing, crossed, stos, cpuid_edx, cpuid_eax,
        efer, rsvd;
};
_Static_assert(sizeof(struct result) == 64, "PROBE");

static const struct {
    const char *name;
    bool paged; /* the two trapped pages are mapped in the other order */
    bool lma;
} modes[] = {{"64-bit", true, true},
             {"compatibility, 32-bit", true, true},
             {"compatibility, 16-bit", false, true},
             {"protected, 32-bit", false, false},
             {"protected, 32-bit paging", true, false},
             {"protected, PAE paging", true, false},
             {"protected, 16-bit", false, false},
             {"real", false, false},
             {"real, 4 GiB segment", false, false},
             {"64-bit again", true, true}};
#define N_MODES (sizeof modes / sizeof modes[0])

static uint64_t low;

void gt_early(EFI_SYSTEM_TABLE *st) {
    EFI_PHYSICAL_ADDRESS at = 0x9ffff;
    if (!EFI_ERROR(st->BootServices->AllocatePages(AllocateMaxAddress, EfiBootServicesData, N_PAGES, &at))) low = at;
}

/* ---- page tables ---- */

static uint64_t pml4[512] __attribute__((aligned(4096))), pdpt[512] __attribute__((aligned(4096))),
    pd[2][512] __attribute__((aligned(4096))), pt[512] __attribute__((aligned(4096)));
static uint32_t pd32[1024] __attribute__((aligned(4096))), pt32[1024] __attribute__((aligned(4096)));
static uint64_t pdpt_pae[4] __attribute__((aligned(4096)));

static void build_tables(void) {
    const uint64_t swapped[2] = {HOST_MMIO + VMM_PAGE_BYTES, HOST_MMIO};
    for (unsigned i = 0; i < 512; i++) pd[0][i] = (uint64_t)i << 21 | PS | RW;
    for (unsigned i = 0; i < 2; i++) pt[i] = swapped[i] | RW, pt32[i] = (uint32_t)(swapped[i] | RW);
    pd[1][0] = gt_physical(pt) | RW;
    pml4[0] = gt_physical(pdpt) | RW;
    for (unsigned i = 0; i < 2; i++) {
        pdpt[i] = gt_physical(pd[i]) | RW;
        pdpt_pae[i] = gt_physical(pd[i]) | GT_P;
    }
    for (unsigned i = 0; i < 256; i++) pd32[i] = (uint32_t)(i << 22 | PS | RW);
    pd32[LINEAR >> 22] = (uint32_t)(gt_physical(pt32) | RW);
}

/* ---- the round ---- */

static void prepare(void) {
    struct modes_data d;
    uint8_t *at = (uint8_t *)low;
    memcpy(at, modes_start, (size_t)(modes_end - modes_start));
    for (unsigned i = 0; i < N_MODES; i++) memcpy(at + modes_calls[i], gt_vmcall(), 3);
    memcpy(&d, modes_data, sizeof d);
    for (unsigned i = 0; i < 4; i++) d.flat[i].offset += (uint32_t)low;
    d.real.selector = (uint32_t)(low >> 4);
    d.results += (uint32_t)low;
    d.paged_mmio = (uint32_t)LINEAR + 0x10;
    d.cr3_long = (uint32_t)gt_physical(pml4);
    d.cr3_32 = (uint32_t)gt_physical(pd32);
    d.cr3_pae = (uint32_t)gt_physical(pdpt_pae);
    d.gdt_base += low;
    uint64_t *gdt = (uint64_t *)d.gdt_base;
    gdt[4] |= low << 16;
    gdt[5] |= low << 16;
    memcpy(at + (modes_data - modes_start), &d, sizeof d);
}

static uint32_t dword(const uint8_t *model, const uint32_t page[2], uint32_t offset) {
    uint32_t v = 0;
    for (unsigned i = 0; i < 4; i++)
        v |= (uint32_t)model[page[(offset + i) >> 12] * VMM_PAGE_BYTES + ((offset + i) & VMM_PAGE_MASK)] << 8 * i;
    return v;
}

static void put(uint8_t *model, const uint32_t page[2], uint32_t offset, uint32_t v, unsigned n_bytes) {
    for (unsigned i = 0; i < n_bytes; i++)
        model[page[(offset + i) >> 12] * VMM_PAGE_BYTES + ((offset + i) & VMM_PAGE_MASK)] = (uint8_t)(v >> 8 * i);
}

/* What PROBE must have found in this mode, in its order; the model of the trapped pages moves on with it. */
static struct result expected(uint32_t slot, uint8_t *model) {
    const uint32_t page[2] = {modes[slot].paged ? 1 : 0, modes[slot].paged ? 0 : 1};
    struct result r = {.carry = 1,
                       .in8 = 0xd4,
                       .in16 = 0xc3d4,
                       .in32 = 0xa1b2c3d4,
                       .in_out = 0x51515100 + slot,
                       .msr_low = 0x89abcdef,
                       .msr_high = 0x01234567,
                       .ping = HOST_MAGIC,
                       .stos = 0x60 + slot,
                       .cpuid_edx = HOST_MAGIC,
                       .cpuid_eax = ~(uint32_t)HOST_LEAF};
    r.load = dword(model, page, 0x10);
    put(model, page, 0x14, 0xcafe0000 + slot, 4);
    r.store = dword(model, page, 0x14);
    put(model, page, 0x18, dword(model, page, 0x18) + 0x10, 4);
    r.add = dword(model, page, 0x18);
    r.crossing = dword(model, page, 0xffe);
    put(model, page, 0xfff, 0xab00 + slot, 2);
    r.crossed = dword(model, page, 0xffe);
    for (uint32_t i = 0; i < 3; i++) put(model, page, 0x30 + 4 * i, 0x60 + slot, 4);
    return r;
}

static void compare(uint32_t slot, const struct result *got, uint8_t *model) {
    struct result want = expected(slot, model), have = *got;
    bool lma = (have.efer & BIT(10)) && (have.efer & BIT(8)), none = !(have.efer & (BIT(10) | BIT(8)));
    bool svme = have.efer & BIT(12);
    have.efer = want.efer, have.rsvd = want.rsvd;
    bool good = !memcmp(&have, &want, sizeof want) && (modes[slot].lma ? lma : none) && !svme;
    const uint32_t *h = (const uint32_t *)(const void *)&have, *w = (const uint32_t *)(const void *)&want;
    for (unsigned i = 0; i < 16 && !good; i++)
        if (h[i] != w[i]) gt_print("     word %u is %x, not %x", i, h[i], w[i]);
    gt_check(good, modes[slot].name, "EFER %x", got->efer);
}

void gt_main(void) {
    static uint8_t model[HOST_MMIO_BYTES] __attribute__((aligned(4096))),
        after[HOST_MMIO_BYTES] __attribute__((aligned(4096)));
    if (!gt_check(gt_below() && low, "below", "no hypervisor")) return;
    build_tables();
    for (unsigned round = 0; round < 2; round++) {
        prepare();
        for (unsigned i = 0; i < sizeof model; i++) model[i] = (uint8_t)(gt_random() >> 40);
        gt_call(HOST_MMIO_PUT, gt_physical(model), 0, 0);
        hw_out(HOST_PORT, 4, 0xa1b2c3d4);
        hw_wrmsr(HOST_MSR, UINT64_C(0x0123456789abcdef));
        ((void (*)(uint64_t))low)(low);
        const struct result *results = (const void *)(low + VMM_PAGE_BYTES);
        for (uint32_t slot = 0; slot < N_MODES; slot++) compare(slot, &results[slot], model);
        gt_call(HOST_MMIO_GET, gt_physical(after), 0, 0);
        gt_check(!memcmp(model, after, sizeof model), "the trapped pages", "hold something else");
    }
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
