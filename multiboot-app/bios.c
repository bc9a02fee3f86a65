/* see bios.h */
#include "bios.h"
#include <string.h>
#include <vmm/vmm.h>
#include "resident.h"

/* The BIOS's data, in segment 40h */
#define BDA                  0x400u
#define BDA_CONVENTIONAL_KIB 0x413u
#define BDA_KEYS_HEAD        0x41au /* offsets of words in the buffer of keys */
#define BDA_KEYS_TAIL        0x41cu
#define BDA_KEYS_START       0x480u /* where it begins and ends, and where it is if that is zero */
#define BDA_KEYS_END         0x482u
#define KEYS_START           0x1eu
#define KEYS_END             0x3eu
#define E820_ENTRIES_TRIED   2048u

static struct low *low;

static uint32_t address(const void *p) { return (uint32_t)(uintptr_t)p; } /* everything is below 4 GiB */

static uint32_t in_block(const uint8_t *label) { return address(low) + (uint32_t)(label - low_start); }

void bios_init(uint32_t block) {
    low = (struct low *)(uintptr_t)block;
    memcpy(low, low_start, (size_t)(low_end - low_start));
    low->real_offset = (uint16_t)(low_real - low_start);
    low->real_segment = (uint16_t)(block >> 4);
    low->far32 = (struct low_far32){.offset = in_block(low_in32), .selector = 0x10};
    low->far64 = (struct low_far32){.offset = in_block(low_in64), .selector = 0x08};
    low->gdt_limit = sizeof low->gdt - 1;
    low->gdt_base = address(low->gdt);
    low->gdt[1] = UINT64_C(0x00209b0000000000);                         /* 64-bit code */
    low->gdt[2] = UINT64_C(0x00cf9b000000ffff);                         /* 32-bit code */
    low->gdt[3] = UINT64_C(0x00cf93000000ffff);                         /* data */
    low->gdt[4] = UINT64_C(0x00009b000000ffff) | (uint64_t)block << 16; /* 16-bit code, the block */
    low->gdt[5] = UINT64_C(0x000093000000ffff);                         /* data for real mode */
}

static void go(uint8_t way) {
    low->way = way;
    ((void (*)(void))((uintptr_t)low + LOW_CALL))();
}

void bios_call(uint8_t vector, struct bios_regs *regs) {
    _Static_assert(sizeof *regs == LOW_VECTOR, "struct low begins with the same members");
    memcpy(low, regs, sizeof *regs);
    low->vector = vector;
    go(LOW_WAY_CALL);
    memcpy(regs, low, sizeof *regs);
}

void *bios_buffer(void) { return (uint8_t *)low + LOW_BUFFER; }
uint32_t bios_buffer_address(void) { return address(low) + LOW_BUFFER; }

/* ---- console: INT 10h AH=0Eh "Teletype output", INT 16h AH=00h "Read key press", AH=01h "Get state" ---- */

void bios_put(char c) {
    if (c == '\n') bios_put('\r');
    struct bios_regs r = {.eax = 0x0e00u | (uint8_t)c, .ebx = 7};
    bios_call(0x10, &r);
}

/* Keys without a character have 0 or E0h in its place. */
int bios_key(void) {
    struct bios_regs r = {.eax = 0x0100};
    bios_call(0x16, &r);
    if (r.eflags & BIOS_ZF) return -1;
    r = (struct bios_regs){.eax = 0};
    bios_call(0x16, &r);
    uint8_t c = (uint8_t)r.eax;
    return c == 0 || c == 0xe0 ? -1 : c;
}

static uint16_t bda_word(uint32_t at) { return (uint16_t)vmm_device_read(hpa(at), 2); }

void bios_wipe_keys(void) {
    uint16_t start = bda_word(BDA_KEYS_START), end = bda_word(BDA_KEYS_END);
    if (start < KEYS_START || end <= start || end > 0x100) {
        start = KEYS_START;
        end = KEYS_END;
    }
    for (uint32_t at = start; at + 2 <= end; at += 2) vmm_device_write(hpa(BDA + at), 2, 0);
    vmm_device_write(hpa(BDA_KEYS_HEAD), 2, start);
    vmm_device_write(hpa(BDA_KEYS_TAIL), 2, start);
}

/* ---- memory ---- */

uint32_t bios_conventional_kib(void) { return (uint32_t)vmm_device_read(hpa(BDA_CONVENTIONAL_KIB), 2); }

void bios_set_conventional_kib(uint32_t kib) { vmm_device_write(hpa(BDA_CONVENTIONAL_KIB), 2, kib); }

int bios_memory(struct memmap *out, const char **out_why) {
    struct memmap_entry e;
    struct bios_regs r = {.ebx = 0};
    out->n = 0;
    *out_why = "the BIOS does not tell its memory map (interrupt 15h, E820h)";
    for (unsigned i = 0; i < E820_ENTRIES_TRIED; i++) {
        memset(bios_buffer(), 0, sizeof e);
        e.attributes = MEMMAP_NOT_IGNORED;
        memcpy((uint8_t *)bios_buffer() + offsetof(struct memmap_entry, attributes), &e.attributes, 4);
        r = (struct bios_regs){.eax = 0xe820,
                               .ebx = r.ebx,
                               .ecx = sizeof e,
                               .edx = SMAP,
                               .edi = LOW_BUFFER,
                               .es = (uint16_t)(address(low) >> 4)};
        bios_call(0x15, &r);
        if (r.eflags & BIOS_CF) break; /* some say so after the last one, and nothing else */
        if (r.eax != SMAP) return -1;
        memcpy(&e, bios_buffer(), sizeof e);
        if (r.ecx < sizeof e) e.attributes = MEMMAP_NOT_IGNORED;
        if (memmap_add(out, e)) {
            *out_why = "the BIOS's memory map has more ranges than can be kept";
            return -1;
        }
        if (r.ebx == 0) break;
    }
    return out->n ? 0 : -1;
}

/* ---- disks ---- */

bool bios_read(uint8_t drive, uint64_t lba, uint16_t n, uint32_t to) {
    low->packet = (struct low_packet){.n_bytes = sizeof low->packet,
                                      .n_sectors = n,
                                      .offset = (uint16_t)(to & 0xf),
                                      .segment = (uint16_t)(to >> 4),
                                      .lba = lba};
    struct bios_regs r = {.eax = 0x4200, .edx = drive, .esi = LOW_PACKET, .ds = (uint16_t)(address(low) >> 4)};
    bios_call(0x13, &r);
    return !(r.eflags & BIOS_CF);
}

/* ---- the ways out ---- */

static _Noreturn void leave(struct bios_wipe wipe, uint8_t way) {
    low->wipe_base = wipe.base;
    low->wipe_bytes = wipe.n_bytes;
    go(way);
    __builtin_unreachable();
}

_Noreturn void bios_leave_to_sector(struct bios_wipe wipe, uint8_t drive, uint16_t segment, uint16_t offset) {
    low->edx = drive;
    low->entry = (uint32_t)segment << 16 | offset;
    leave(wipe, LOW_WAY_SECTOR);
}

_Noreturn void bios_leave_to_linux(struct bios_wipe wipe, struct bios_code code, uint32_t boot_params) {
    low->esi = boot_params;
    low->entry = low->copy_to = code.entry;
    low->copy_from = code.from;
    low->copy_bytes = code.n_bytes;
    leave(wipe, LOW_WAY_LINUX);
}

/* A PC's ways to a reset: the chipset's register, then the keyboard controller. */
_Noreturn void bios_reset(void) {
    vmm_port_write(0xcf9, 1, 0x02);
    vmm_port_write(0xcf9, 1, 0x06);
    for (;;) vmm_port_write(0x64, 1, 0xfe);
}
