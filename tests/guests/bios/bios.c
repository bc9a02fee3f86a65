/* A guest of the BIOS, in real mode: is the memory it is told of right, is the disk it reads and writes by interrupt
 * 13h the one it should see, is anything left of the program that was here before? Prints to COM1. The disk: this
 * program at its beginning; sector CLEAR; from sector encrypted on, 64 that whoever boots it looks at afterwards. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFER      0xf000u
#define OTHER       0xf800u
#define CF          1u
#define SMAP        0x534d4150u
#define ENTRIES_MAX 64u

struct regs {
    uint32_t eax, ebx, ecx, edx, esi, edi, ebp;
    uint16_t es, rsvd_0x1e;
    uint32_t flags;
};
void __attribute__((fastcall)) bios(unsigned vector, struct regs *regs);
void big(void);
extern uint8_t drive;
extern uint32_t encrypted, clear;
void bios_main(void);

struct entry {
    uint64_t base, n_bytes;
    uint32_t type, attributes;
};
static struct entry map[ENTRIES_MAX];
static unsigned n_entries;

/* ---- output ---- */

static void out8(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static uint8_t in8(uint16_t port) {
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

static void put(const char *s) {
    for (; *s; s++) {
        while (!(in8(0x3fd) & 0x20)) {
        }
        out8(0x3f8, (uint8_t)*s);
    }
}

static void put_hex(uint64_t v) {
    char text[17];
    for (unsigned i = 0; i < 16; i++) text[i] = "0123456789abcdef"[v >> (60 - 4 * i) & 0xf];
    text[16] = 0;
    put(text);
}

static void check(const char *name, bool good) {
    put(good ? "PASS " : "FAIL ");
    put(name);
    put("\r\n");
}

/* ---- memory ---- */

static uint32_t peek(uint32_t at) {
    uint32_t v;
    __asm__ volatile("movl %%fs:(%1), %0" : "=r"(v) : "r"(at) : "memory");
    return v;
}
static void poke(uint32_t at, uint32_t v) { __asm__ volatile("movl %1, %%fs:(%0)" : : "r"(at), "r"(v) : "memory"); }

static struct regs e820(uint32_t index, uint32_t n_bytes, uint32_t signature, struct entry *out) {
    struct regs r = {.eax = 0xe820, .ebx = index, .ecx = n_bytes, .edx = signature, .edi = (uint32_t)(uintptr_t)out};
    bios(0x15, &r);
    return r;
}

static void test_map(void) {
    struct regs r = {0};
    bool sorted = true, answers = true;
    do {
        struct entry *e = &map[n_entries];
        e->attributes = 1;
        r = e820(r.ebx, 24, SMAP, e);
        answers = answers && r.eax == SMAP && !(r.flags & CF) && (r.ecx == 24 || r.ecx == 20);
        if (n_entries && e->base < e[-1].base + e[-1].n_bytes) sorted = false;
        put("MAP ");
        put_hex(e->base);
        put(" ");
        put_hex(e->n_bytes);
        put(e->type == 1 ? " usable\r\n" : " reserved\r\n");
        n_entries++;
    } while (r.ebx && answers && n_entries < ENTRIES_MAX);
    check("E820h answers", answers && r.ebx == 0);
    check("E820h is sorted and disjoint", sorted);
    struct entry e = {.attributes = 77};
    r = e820(0, 20, SMAP, &e);
    check("E820h, 20 bytes", r.eax == SMAP && r.ecx == 20 && e.attributes == 77 && e.n_bytes == map[0].n_bytes);
    r = e820(0, 19, SMAP, &e);
    check("E820h, 19 bytes", (r.flags & CF) != 0);
    r = e820(0x12345678, 24, SMAP, &e);
    check("E820h, beyond the end", (r.flags & CF) != 0);
    r = e820(0, 24, 0, &e);
    check("E820h, no signature", (r.flags & CF) != 0);
    r = (struct regs){.eax = 0x24ff};
    bios(0x15, &r);
    check("what is not about memory goes to the BIOS", (r.flags & CF) && (r.eax >> 8 & 0xff) == 0x86);
}

/* Usable memory from at on, without a hole. */
static uint64_t usable_from(uint64_t at) {
    uint64_t end = at;
    for (unsigned i = 0; i < n_entries; i++)
        if (map[i].type == 1 && map[i].base <= end && map[i].base + map[i].n_bytes > end)
            end = map[i].base + map[i].n_bytes;
    return end - at;
}

static void test_sizes(void) {
    struct regs r = {0};
    bios(0x12, &r);
    check("12h and E820h agree", (uint64_t)(r.eax & 0xffff) << 10 <= usable_from(0));
    uint64_t extended = usable_from(0x100000) >> 10;
    r = (struct regs){.eax = 0xe801};
    bios(0x15, &r);
    uint64_t below = extended < 0x3c00 ? extended : 0x3c00;
    uint64_t above = extended > 0x3c00 ? (extended - 0x3c00) >> 6 : 0;
    check("E801h", !(r.flags & CF) && (r.eax & 0xffff) == below && (r.ecx & 0xffff) == below &&
                       (r.ebx & 0xffff) == above && (r.edx & 0xffff) == above);
    r = (struct regs){.eax = 0x8800};
    bios(0x15, &r);
    check("88h", !(r.flags & CF) && (r.eax & 0xffff) == (extended < 0xfc00 ? extended : 0xfc00));
}

/* Of the reserved ranges, the one that is all ones and forgets what is written. */
static void test_region(void) {
    unsigned n_found = 0;
    bool kept = true;
    big();
    for (unsigned i = 0; i < n_entries; i++) {
        uint32_t base = (uint32_t)map[i].base, ones = 0;
        if (map[i].type == 1 || map[i].base < 0x100000 || map[i].base >> 32 || map[i].n_bytes < 16u << 20) continue;
        for (uint32_t at = 0; at < 16u << 20; at += 4096)
            if (peek(base + at) == UINT32_MAX && peek(base + at + 4092) == UINT32_MAX) ones++;
        if (ones < 4096) continue;
        n_found++;
        for (uint32_t at = 0; at < 16u << 20; at += 4096) {
            poke(base + at, 0x12345678);
            if (peek(base + at) != UINT32_MAX) kept = false;
        }
    }
    check("the region reads as ones", n_found == 1);
    check("and forgets", kept);
}

static void kbc(uint16_t port, uint8_t v) {
    for (unsigned i = 0; i < 100000 && (in8(0x64) & 2); i++) continue;
    out8(port, v);
}

/* All that a PC offers for switching it off: the BIOS, the chipset's port, the keyboard controller in two ways. */
static void test_a20(void) {
    struct regs r = {.eax = 0x2400};
    bios(0x15, &r);
    out8(0x92, in8(0x92) & 0xfc);
    kbc(0x64, 0xdd);
    kbc(0x64, 0xd1);
    kbc(0x60, 0xdd);
    for (unsigned i = 0; i < 100000 && (in8(0x64) & 2); i++) continue;
    big();
    poke(0x500, 0x11111111);
    poke(0x100500, 0x22222222);
    check("A20 is on", peek(0x500) == 0x11111111 && peek(0x100500) == 0x22222222);
    poke(0x100500, 0);
}

/* ---- disk ---- */

static bool disk(uint8_t function, uint64_t lba, uint16_t n, uint16_t to) {
    struct {
        uint8_t n_bytes, rsvd;
        uint16_t n, offset, segment;
        uint64_t lba;
    } packet = {.n_bytes = 16, .n = n, .offset = to, .lba = lba};
    struct regs r = {.eax = (uint32_t)function << 8, .edx = drive, .esi = (uint32_t)(uintptr_t)&packet};
    bios(0x13, &r);
    return !(r.flags & CF);
}

static void fill(uint32_t seed) {
    uint32_t *p = (uint32_t *)BUFFER;
    for (unsigned i = 0; i < 512 / 4; i++) p[i] = seed * 1000 + i;
}

static bool same(void) {
    const uint32_t *p = (const uint32_t *)BUFFER, *q = (const uint32_t *)OTHER;
    for (unsigned i = 0; i < 512 / 4; i++)
        if (p[i] != q[i]) return false;
    return true;
}

static void clear_other(void) {
    for (unsigned i = 0; i < 512 / 4; i++) ((volatile uint32_t *)OTHER)[i] = 0xeeeeeeee;
}

static void test_disk(void) {
    bool good = true;
    for (uint32_t i = 0; i < 64; i++) {
        fill(i);
        good = good && disk(0x43, encrypted + i, 1, BUFFER);
    }
    check("13h writes", good);
    for (uint32_t i = 0; i < 64; i++) {
        fill(i);
        clear_other();
        good = good && disk(0x42, encrypted + i, 1, OTHER) && same();
    }
    check("13h reads what was written", good);
    good = true;
    for (uint32_t i = 0; i < 64; i += 4) {
        good = good && disk(0x42, encrypted + i, 4, BUFFER);
        for (unsigned k = 0; k < 4; k++) good = good && *(uint32_t *)(BUFFER + k * 512) == (i + k) * 1000;
    }
    check("several sectors at a time", good);
    fill(4711);
    good = disk(0x43, clear, 1, BUFFER);
    clear_other();
    check("13h, clear", good && disk(0x42, clear, 1, OTHER) && same());
}

/* By cylinder, head and sector, as a boot sector of 1985 would. */
static void test_chs(void) {
    struct regs r = {.eax = 0x0800, .edx = drive};
    bios(0x13, &r);
    uint32_t heads = (r.edx >> 8 & 0xff) + 1, sectors = r.ecx & 0x3f;
    if ((r.flags & CF) || !sectors) {
        check("13h by cylinder, head and sector", false);
        return;
    }
    uint32_t lba = encrypted + 5, cylinder = lba / (heads * sectors), head = lba / sectors % heads;
    clear_other();
    r = (struct regs){.eax = 0x0201,
                      .ebx = OTHER,
                      .ecx = (cylinder & 0xff) << 8 | (cylinder >> 2 & 0xc0) | (lba % sectors + 1),
                      .edx = head << 8 | drive};
    bios(0x13, &r);
    fill(5);
    check("13h by cylinder, head and sector", !(r.flags & CF) && same());
}

/* INT 15h AH=87h: the BIOS goes to protected mode and back. */
static void test_move(void) {
    struct {
        uint64_t unused[2], source, target, more[2];
    } gdt = {.source = 0x930000000fffull | (uint64_t)BUFFER << 16, .target = 0x930000000fffull | 0x200000ull << 16};
    fill(99);
    struct regs r = {.eax = 0x8700, .ecx = 256, .esi = (uint32_t)(uintptr_t)&gdt};
    bios(0x15, &r);
    big();
    check("15h moves memory", !(r.flags & CF) && peek(0x200000) == 99000 && peek(0x200000 + 508) == 99127);
}

void bios_main(void) {
    put("\r\nBIOS GUEST\r\n");
    test_map();
    test_sizes();
    test_region();
    test_a20();
    test_disk();
    test_chs();
    test_move();
    put("END\r\n");
}
