/* The hypervisor's memory, as the guest sees it: in no list of usable memory, reading as ones, keeping nothing.
 * What a processor needs for itself (stack, code, tables) and looks for there ends as it would on an empty bus, in
 * exceptions, or for some arguments in a reset; never in a report of the hypervisor's. */
#include "gt.h"
#include <hw.h>
#include <string.h>

static uint64_t region, region_bytes, low_page;

/* ---- while the firmware is there: the memory map ---- */

static uint8_t map[65536];
static UINTN map_bytes = sizeof map, desc_bytes;

void gt_early(EFI_SYSTEM_TABLE *st) {
    UINTN key;
    UINT32 version;
    if (EFI_ERROR(
            st->BootServices->GetMemoryMap(&map_bytes, (EFI_MEMORY_DESCRIPTOR *)map, &key, &desc_bytes, &version)))
        map_bytes = 0;
}

/* Bytes of the range that the map lists as reserved, and as anything else. */
static void listed(uint64_t base, uint64_t n, uint64_t *reserved, uint64_t *other) {
    *reserved = *other = 0;
    for (UINTN off = 0; off + desc_bytes <= map_bytes; off += desc_bytes) {
        EFI_MEMORY_DESCRIPTOR d;
        memcpy(&d, map + off, sizeof d);
        uint64_t from = d.PhysicalStart > base ? d.PhysicalStart : base;
        uint64_t end = d.PhysicalStart + d.NumberOfPages * VMM_PAGE_BYTES, limit = end < base + n ? end : base + n;
        if (from < limit) *(d.Type == EfiReservedMemoryType ? reserved : other) += limit - from;
    }
}

static void memory_map(void) {
    uint64_t reserved, other, low, low_other;
    listed(region, region_bytes, &reserved, &other);
    listed(low_page, VMM_PAGE_BYTES, &low, &low_other);
    gt_check(reserved == region_bytes && !other && low == VMM_PAGE_BYTES && !low_other, "memory map",
             "region: %lx reserved, %lx not; low page: %lx, %lx", reserved, other, low, low_other);
}

/* ---- plain accesses ---- */

static uint64_t not_ones(uint64_t base, uint64_t n) {
    uint64_t bad = 0;
    for (uint64_t off = 0; off < n; off += 8) bad += *(volatile uint64_t *)(base + off) != UINT64_MAX;
    return bad;
}

static bool all_ones(const char *name) {
    uint64_t bad = not_ones(region, region_bytes) + not_ones(low_page, VMM_PAGE_BYTES);
    return gt_check(bad == 0, name, "%lu words are not ones", bad);
}

static void widths(uint64_t at) {
    bool good = *(volatile uint8_t *)(at + 1) == UINT8_MAX && *(volatile uint16_t *)(at + 3) == UINT16_MAX &&
                *(volatile uint32_t *)(at + 5) == UINT32_MAX && *(volatile uint64_t *)(at + 7) == UINT64_MAX;
    gt_check(good, "reads of every width", "not ones at %lx", at);
}

/* [RBX]: the place; RDI, RCX for the string forms. Every one must complete. */
static const struct {
    const char *name;
    uint8_t bytes[8];
    unsigned n;
} stores[] = {{"mov 8", {0x88, 0x03}, 2},
              {"mov 16", {0x66, 0x89, 0x03}, 3},
              {"mov 32", {0x89, 0x03}, 2},
              {"mov 64", {0x48, 0x89, 0x03}, 3},
              {"mov 64 odd", {0x48, 0x89, 0x43, 0x03}, 4},
              {"movnti", {0x0f, 0xc3, 0x03}, 3},
              {"and", {0x83, 0x23, 0x00}, 3},
              {"lock add", {0xf0, 0x48, 0x01, 0x03}, 4},
              {"xchg", {0x48, 0x87, 0x13}, 3},
              {"cmpxchg", {0xf0, 0x48, 0x0f, 0xb1, 0x13}, 5},
              {"btr", {0x0f, 0xba, 0x33, 0x00}, 4},
              {"stosb", {0xaa}, 1},
              {"rep stosb", {0xf3, 0xaa}, 2},
              {"rep stosq", {0xf3, 0x48, 0xab}, 3},
              {"rep movsb", {0xf3, 0xa4}, 2}};

static void writes(uint64_t at) {
    unsigned bad = 0;
    for (unsigned i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        struct gt_state s = {
            .gpr = {[VMM_RBX] = at, [VMM_RDI] = at, [VMM_RSI] = gt_physical(gt_ram[0]), [VMM_RCX] = 256}, .rflags = 2};
        if (gt_run_bytes(&s, stores[i].bytes, stores[i].n) == GT_BP) continue;
        gt_print("     %s at %lx: exception %lu, error %lx", stores[i].name, at, s.vector, s.error);
        bad++;
    }
    gt_check(bad == 0, at == low_page ? "writes to the page below 1 MiB" : "writes", "%u did not complete", bad);
}

/* The whole of it, four bytes a page, and every byte of one page. */
static void sweep(void) {
    for (uint64_t off = 0; off < region_bytes; off += VMM_PAGE_BYTES) *(volatile uint32_t *)(region + off + 8) = 0;
    for (uint64_t off = 0; off < VMM_PAGE_BYTES; off++) *(volatile uint8_t *)(low_page + off) = 0xf4;
}

/* ---- what a processor looks for there ---- */

static void execution(void) {
    struct gt_state s = {.rip = region + 0x1000, .rflags = 2};
    gt_run(&s);
    gt_check(s.vector == GT_UD && s.rip == region + 0x1000, "execution", "exception %lu at %lx", s.vector, s.rip);
    s = (struct gt_state){.rip = low_page, .rflags = 2};
    gt_run(&s);
    gt_check(s.vector == GT_UD, "execution below 1 MiB", "exception %lu", s.vector);
    /* MOV EAX, imm32 whose operand lies in the region */
    gt_map(GT_FREE, gt_physical(gt_ram[0]), GT_P | GT_W);
    gt_map(GT_FREE + 1, region, GT_P | GT_W);
    gt_ram[0][VMM_PAGE_BYTES - 1] = 0xb8;
    s = (struct gt_state){.rip = GT_PAGE(GT_FREE + 1) - 1, .rflags = 2};
    gt_run(&s);
    gt_check(s.vector == GT_UD || s.vector == GT_BP, "an instruction that runs into it", "exception %lu", s.vector);
}

/* PUSH is not among the emulated instructions: it may be refused, but must not do harm. */
static void stack(void) {
    struct gt_state s = {.rflags = 2, .gpr = {[VMM_RSP] = region + 0x2000}};
    gt_map(GT_FREE, gt_physical(gt_ram[0]), GT_P | GT_W);
    memcpy(gt_ram[0], "\x50\xcc", 2);
    s.rip = GT_PAGE(GT_FREE);
    gt_run(&s);
    gt_check(s.vector == GT_BP || s.vector == GT_GP, "a push", "exception %lu", s.vector);
    memcpy(gt_ram[0], "\x58\xcc", 2);
    s = (struct gt_state){.rflags = 2, .rip = GT_PAGE(GT_FREE), .gpr = {[VMM_RSP] = region + 0x2000}};
    gt_run(&s);
    gt_check(s.vector == GT_BP && s.gpr[VMM_RAX] == UINT64_MAX, "a pop", "exception %lu, %lx", s.vector,
             s.gpr[VMM_RAX]);
}

static void vectors(void) {
    struct gt_state s = {.gpr = {[VMM_RBX] = region}, .rflags = 2};
    uint64_t load = gt_run_bytes(&s, "\x0f\x10\x03", 3); /* MOVUPS XMM0, [RBX] */
    uint64_t store = gt_run_bytes(&s, "\x0f\x11\x03", 3);
    gt_check(load == GT_BP && (store == GT_BP || store == GT_GP), "vector registers", "exceptions %lu, %lu", load,
             store);
}

static void counted(void) {
    uint64_t before = gt_call(HOST_STAT, VMM_EXIT_HIDDEN, 0, 0);
    *(volatile uint8_t *)region = 1;
    uint64_t after = gt_call(HOST_STAT, VMM_EXIT_HIDDEN, 0, 0);
    gt_check(after == before + 1, "counted", "%lu, then %lu", before, after);
}

/* ---- the last thing some runs do ---- */

static void load_idt(uint64_t base) {
    struct hw_table t = {.limit = 0xfff, .base = base};
    __asm__ volatile("lidt %0" : : "m"(t));
}

static void finish(const char *how) {
    gt_print("PASS %s", how); /* so far; the machine resets now, or the runner says so */
    if (!strcmp(how, "idt")) {
        load_idt(region);
        __asm__ volatile("int $0x20");
    } else if (!strcmp(how, "table")) { /* a page table in the region */
        gt_pml4[2] = region | GT_P | GT_W;
        *(volatile uint8_t *)(UINT64_C(2) << 39) = 1;
    } else if (!strcmp(how, "cr3")) {
        hw_write_cr3(region);
    } else if (!strcmp(how, "stack")) { /* an exception's frame, and the next one's */
        load_idt(0);
        __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(region + 0x1000));
    } else if (!strcmp(how, "gdt")) {
        struct hw_table t = {.limit = 0xffff, .base = region};
        __asm__ volatile("lgdt %0; mov %1, %%ds" : : "m"(t), "r"(0x10));
        gt_reset();
    }
    gt_print("FAIL %s: the guest is still alive", how);
}

void gt_main(void) {
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    region = gt_call(HOST_WHERE, 0, 0, 0), region_bytes = gt_call(HOST_WHERE, 1, 0, 0),
    low_page = gt_call(HOST_WHERE, 2, 0, 0);
    if (gt_args[0]) {
        finish(gt_args);
        return;
    }
    memory_map();
    all_ones("ones");
    widths(region + 0x3000);
    writes(region + 0x4000);
    writes(low_page);
    sweep();
    all_ones("still ones");
    execution();
    stack();
    vectors();
    counted();
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
