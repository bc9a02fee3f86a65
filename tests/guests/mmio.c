/* Every instruction form on live trapped memory, with the processor as its own judge: the same bytes run once with RAM
 * in the window's tested pages and once with trapped pages there, and registers, flags and memory must come out equal.
 * Then the faults in the middle of an access. Argument: how many rounds of values, instead of 12. */
#include "gt.h"
#include <hw.h>
#include <string.h>

struct form {
    const char *name;
    const uint8_t *code;
    uint64_t n;
};
extern const struct form mmio_forms[], mmio_forms_end[]; /* mmio_forms.S */

#define TESTED (GT_FREE) /* and the next one */
#define AT     GT_PAGE(TESTED)
#define RW     (GT_P | GT_W)
#define CF     BIT(0)
#define ZF     BIT(6)
#define DF     BIT(10)
#define STATUS (CF | BIT(2) | BIT(4) | ZF | BIT(7) | BIT(11))

/* What lies behind the two tested pages in the second run. */
enum behind { TRAPPED, RAM_THEN_TRAPPED, TRAPPED_THEN_RAM, DEVICE };

static uint8_t data[2 * VMM_PAGE_BYTES];
static uint64_t device; /* a page of the display's memory */

static void fill(unsigned round) {
    uint8_t mask = round & 1 ? 0xff : 1; /* few different values, so that comparisons find equal ones */
    for (unsigned i = 0; i < sizeof data; i++) data[i] = (uint8_t)(gt_random() >> 32) & mask;
}

/* Pointers somewhere in the two pages; in two of three rounds close to where they meet. */
static uint64_t place(unsigned round) {
    return AT + (round % 3 ? VMM_PAGE_BYTES - 1 - gt_random() % 12 : 0x200 + gt_random() % 0x600);
}

static struct gt_state state_for(unsigned round) {
    struct gt_state s = {0};
    for (unsigned i = 0; i < 16; i++) s.gpr[i] = gt_random();
    s.gpr[VMM_RBX] = place(round);
    s.gpr[VMM_RSI] = place(round / 3);
    s.gpr[VMM_RDI] = place(round / 2);
    s.gpr[VMM_RCX] = gt_random() % 40;
    s.gpr[VMM_R9] = gt_random() % 64;
    if (round & 2) memcpy(&s.gpr[VMM_RAX], data + (s.gpr[VMM_RBX] - AT), 8); /* CMPXCHG may succeed */
    s.rflags = 2 | (gt_random() & (STATUS | DF));
    return s;
}

static void put_behind(enum behind b) {
    uint64_t first[] = {HOST_MMIO, gt_physical(gt_ram[0]), HOST_MMIO, device};
    uint64_t second[] = {HOST_MMIO + VMM_PAGE_BYTES, HOST_MMIO + VMM_PAGE_BYTES, gt_physical(gt_ram[1]),
                         gt_physical(gt_ram[1])};
    gt_map(TESTED, first[b], RW);
    gt_map(TESTED + 1, second[b], RW);
    memcpy(gt_ram[2], data, sizeof data);
    gt_call(HOST_MMIO_PUT, gt_physical(gt_ram[2]), 0, 0);
    memcpy(gt_ram[0], data, sizeof data);
    for (unsigned i = 0; b == DEVICE && i < VMM_PAGE_BYTES; i += 8)
        *(volatile uint64_t *)(device + i) = *(uint64_t *)(data + i);
}

static void get_behind(enum behind b, uint8_t *out) {
    gt_call(HOST_MMIO_GET, gt_physical(gt_ram[2]), 0, 0);
    memcpy(out, b == RAM_THEN_TRAPPED ? gt_ram[0] : gt_ram[2], VMM_PAGE_BYTES);
    memcpy(out + VMM_PAGE_BYTES, b >= TRAPPED_THEN_RAM ? gt_ram[1] : gt_ram[3], VMM_PAGE_BYTES);
    for (unsigned i = 0; b == DEVICE && i < VMM_PAGE_BYTES; i += 8)
        *(uint64_t *)(out + i) = *(volatile uint64_t *)(device + i);
}

static bool equal(const struct form *f, const struct gt_state *a, const struct gt_state *b) {
    uint64_t flags = f->name[0] == 'b' ? CF | DF : STATUS | DF; /* bit tests leave the others undefined */
    return a->vector == GT_BP && b->vector == GT_BP && !memcmp(a->gpr, b->gpr, sizeof a->gpr) && a->rip == b->rip &&
           !((a->rflags ^ b->rflags) & flags);
}

static bool same(const struct form *f, unsigned round, enum behind b) {
    static uint8_t ram[sizeof data], trapped[sizeof data];
    fill(round);
    struct gt_state one = state_for(round), two = one, was = one;
    gt_map(TESTED, gt_physical(gt_ram[0]), RW);
    gt_map(TESTED + 1, gt_physical(gt_ram[1]), RW);
    memcpy(gt_ram[0], data, sizeof data);
    gt_run_bytes(&one, f->code, (unsigned)f->n);
    memcpy(ram, gt_ram[0], sizeof ram);
    put_behind(b);
    gt_run_bytes(&two, f->code, (unsigned)f->n);
    get_behind(b, trapped);
    if (equal(f, &one, &two) && !memcmp(ram, trapped, sizeof ram)) return true;
    gt_print("     %s, round %u, behind %u: exceptions %lu %lu, flags %lx: %lx %lx, rax %lx: %lx %lx, rcx %lx: %lx "
             "%lx, memory %s",
             f->name, round, b, one.vector, two.vector, was.rflags, one.rflags, two.rflags, was.gpr[0], one.gpr[0],
             two.gpr[0], was.gpr[1], one.gpr[1], two.gpr[1], memcmp(ram, trapped, sizeof ram) ? "differs" : "equal");
    return false;
}

static void forms(enum behind b, unsigned rounds, const char *name) {
    unsigned bad = 0, n = 0;
    uint64_t before = gt_call(HOST_LAST, 4, 0, 0);
    for (const struct form *f = mmio_forms; f < mmio_forms_end; f++) {
        bool good = true;
        for (unsigned round = 0; round < rounds && good; round++) good = same(f, round, b);
        bad += !good, n++;
    }
    uint64_t accesses = gt_call(HOST_LAST, 4, 0, 0) - before;
    gt_check(bad == 0 && accesses > n * rounds / 2, name, "%u of %u forms differ; %lu accesses", bad, n, accesses);
}

/* ---- one access, as the handler sees it ---- */

static bool seen(uint64_t addr, uint64_t n_bytes, bool write) {
    return gt_call(HOST_LAST, 0, 0, 0) == addr && gt_call(HOST_LAST, 2, 0, 0) == n_bytes &&
           gt_call(HOST_LAST, 3, 0, 0) == write;
}

static void widths(void) {
    uint64_t n = gt_call(HOST_LAST, 4, 0, 0);
    bool good = (*(volatile uint32_t *)(HOST_MMIO + 0x104), seen(HOST_MMIO + 0x104, 4, false));
    good = good && (*(volatile uint16_t *)(HOST_MMIO + 0x106) = 1, seen(HOST_MMIO + 0x106, 2, true));
    good = good && (*(volatile uint64_t *)(HOST_MMIO + 0x108) = 1, seen(HOST_MMIO + 0x108, 8, true));
    good = good && (*(volatile uint8_t *)(HOST_MMIO + 0x1fff), seen(HOST_MMIO + 0x1fff, 1, false));
    gt_check(good && gt_call(HOST_LAST, 4, 0, 0) == n + 4, "one aligned access is one access", "it is not");
}

/* ---- faults in the middle ---- */

static uint64_t n_accesses(void) { return gt_call(HOST_LAST, 4, 0, 0); }

struct fault_case {
    const char *name;
    uint8_t code[8];
    unsigned n;
    uint64_t second; /* flags of the second tested page, RAM behind it */
    bool user;
    uint64_t error;
};

/* Two bytes before the second page; nothing may have happened to the first. */
static void crossing(const struct fault_case *c) {
    gt_map(TESTED, HOST_MMIO, RW | GT_U);
    gt_map(TESTED + 1, gt_physical(gt_ram[1]), c->second);
    uint64_t n = n_accesses();
    struct gt_state s = {.gpr = {[VMM_RBX] = AT + VMM_PAGE_BYTES - 2, [VMM_RAX] = 77}, .rflags = 2, .user = c->user};
    gt_run_bytes(&s, c->code, c->n);
    gt_check(s.vector == GT_PF && s.cr2 == AT + VMM_PAGE_BYTES && (s.error & ~(c->error & 8 ? 1u : 0u)) == c->error &&
                 s.rip == GT_PAGE(GT_CODE) && s.gpr[VMM_RAX] == 77 && n_accesses() == n,
             c->name, "exception %lu, error %lx, cr2 %lx, rip %lx, %lu accesses", s.vector, s.error, s.cr2, s.rip,
             n_accesses() - n);
}

static void repeated(void) {
    gt_map(TESTED, HOST_MMIO, RW);
    gt_map(TESTED + 1, 0, 0);
    struct gt_state s = {
        .gpr = {[VMM_RDI] = AT + VMM_PAGE_BYTES - 5, [VMM_RSI] = gt_physical(gt_ram[4]), [VMM_RCX] = 9}, .rflags = 2};
    for (unsigned i = 0; i < 16; i++) gt_ram[4][i] = (uint8_t)(i + 1);
    gt_run_bytes(&s, "\xf3\xa4", 2); /* REP MOVSB */
    bool good = s.vector == GT_PF && s.error == 2 && s.cr2 == AT + VMM_PAGE_BYTES && s.rip == GT_PAGE(GT_CODE) &&
                s.gpr[VMM_RCX] == 4 && s.gpr[VMM_RDI] == AT + VMM_PAGE_BYTES &&
                s.gpr[VMM_RSI] == gt_physical(gt_ram[4]) + 5;
    gt_check(good, "a repeated string stops at the fault", "exception %lu, error %lx, cr2 %lx, rcx %lx", s.vector,
             s.error, s.cr2, s.gpr[VMM_RCX]);
    gt_map(TESTED + 1, HOST_MMIO + VMM_PAGE_BYTES, RW);
    s.rflags = 2;
    gt_run_bytes(&s, "\xf3\xa4", 2);
    gt_call(HOST_MMIO_GET, gt_physical(gt_ram[2]), 0, 0);
    good = s.vector == GT_BP && s.gpr[VMM_RCX] == 0 && !memcmp(gt_ram[2] + VMM_PAGE_BYTES - 5, gt_ram[4], 9);
    gt_check(good, "and goes on", "exception %lu, rcx %lx", s.vector, s.gpr[VMM_RCX]);
}

/* Accessed and dirty bits of the pages an emulated instruction touched. */
static void accessed_dirty(void) {
    uint64_t *pt =
        (uint64_t *)(uintptr_t)(((uint64_t *)(uintptr_t)(((uint64_t *)(uintptr_t)(gt_pml4[1] & ~VMM_PAGE_MASK))[0] &
                                                         ~VMM_PAGE_MASK))[0] &
                                ~VMM_PAGE_MASK);
    gt_map(TESTED, HOST_MMIO, RW);
    gt_map(TESTED + 1, gt_physical(gt_ram[1]), RW);
    struct gt_state s = {.gpr = {[VMM_RBX] = AT + VMM_PAGE_BYTES - 2}, .rflags = 2};
    gt_run_bytes(&s, "\x8b\x03", 2);
    uint64_t read = pt[TESTED + 1] & (BIT(5) | BIT(6));
    s.rflags = 2;
    gt_run_bytes(&s, "\x89\x03", 2);
    uint64_t written = pt[TESTED + 1] & (BIT(5) | BIT(6));
    gt_check(read == BIT(5) && written == (BIT(5) | BIT(6)), "accessed and dirty", "%lx, %lx", read, written);
}

/* Code whose last bytes touch the end of its page, with something impossible mapped behind it. */
static void code_at_page_end(uint64_t next, const char *name) {
    static const uint8_t code[] = {0x8b, 0x03, 0xcc}; /* MOV EAX, [RBX]; INT3 */
    memcpy(gt_ram[6] + VMM_PAGE_BYTES - sizeof code, code, sizeof code);
    gt_map(TESTED, gt_physical(gt_ram[6]), RW);
    gt_map(TESTED + 1, next & ~VMM_PAGE_MASK, next & VMM_PAGE_MASK);
    struct gt_state s = {.gpr = {[VMM_RBX] = HOST_MMIO}, .rflags = 2, .rip = AT + VMM_PAGE_BYTES - sizeof code};
    uint64_t n = n_accesses();
    gt_run(&s);
    gt_check(s.vector == GT_BP && n_accesses() == n + 1, name, "exception %lu, %lu accesses", s.vector,
             n_accesses() - n);
}

/* Forms nobody emulates: refused, and the guest goes on. */
static void unsupported(void) {
    static const struct {
        uint8_t code[5];
        unsigned n;
    } some[] = {{{0x0f, 0x11, 0x03}, 3}, {{0xff, 0x33}, 2},       {{0xdd, 0x03}, 2},
                {{0x0f, 0xc7, 0x0b}, 3}, {{0x0f, 0x01, 0x13}, 3}, {{0x0f, 0xae, 0x03}, 3}};
    unsigned bad = 0;
    for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
        struct gt_state s = {.gpr = {[VMM_RBX] = HOST_MMIO + 0x100}, .rflags = 2};
        bad += gt_run_bytes(&s, some[i].code, some[i].n) != GT_GP || s.rip != GT_PAGE(GT_CODE);
    }
    gt_check(bad == 0, "what is not emulated gives #GP", "%u did not", bad);
}

static uint32_t pci_read(unsigned device_number, unsigned offset) {
    hw_out(0xcf8, 4, 0x80000000u | device_number << 11 | offset);
    return hw_in(0xcfc, 4);
}

static void passing(void) {
    for (unsigned d = 0; d < 32 && !device; d++)
        if (pci_read(d, 8) >> 24 == 3) device = pci_read(d, 0x10) & ~0xfu;
    uint64_t ram = gt_call(HOST_MOVE, gt_physical(gt_ram[0]), 0, 0),
             region = gt_call(HOST_MOVE, gt_call(HOST_WHERE, 0, 0, 0), 0, 0);
    gt_check((int64_t)ram == VMM_E_BUSY && (int64_t)region == VMM_E_BUSY, "a trap cannot move over RAM", "%lx %lx", ram,
             region);
    if (!device) {
        gt_print("     no display on the PCI bus: its memory is not tested");
        return;
    }
    uint64_t moved = gt_call(HOST_MOVE, device, 0, 0);
    uint64_t n = n_accesses();
    *(volatile uint32_t *)(device + 4) = 0x600d;
    gt_check(moved == 0 && n_accesses() == n + 1 && *(volatile uint32_t *)(device + 4) == 0x600d, "a trap moves",
             "device %lx, result %lx, %lu accesses", device, moved, n_accesses() - n);
    forms(DEVICE, 2, "all forms on a device, passed");
    gt_call(HOST_MOVE, HOST_PASS, 0, 0);
    n = n_accesses();
    uint32_t value = *(volatile uint32_t *)(device + 4);
    (void)value;
    gt_check(n_accesses() == n, "and leaves nothing behind", "%lu accesses", n_accesses() - n);
}

void gt_main(void) {
    static const struct fault_case faults[] = {
        {"read into an absent page", {0x8b, 0x03}, 2, 0, false, 0},
        {"write into an absent page", {0x89, 0x03}, 2, 0, false, 2},
        {"write into a read-only page", {0x89, 0x03}, 2, GT_P, false, 3},
        {"addition into a read-only page", {0x01, 0x03}, 2, GT_P, false, 3},
        {"read by ring 3 into the kernel's page", {0x8b, 0x03}, 2, GT_P | GT_W, true, 5},
        {"write by ring 3 into the kernel's page", {0x89, 0x03}, 2, GT_P | GT_W, true, 7},
        {"read through reserved bits", {0x8b, 0x03}, 2, GT_P | GT_W | BIT(45), false, 8},
    };
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    unsigned rounds = gt_args[0] ? (unsigned)(gt_args[0] - '0') : 12;
    widths();
    forms(TRAPPED, rounds, "all forms, both pages trapped");
    forms(RAM_THEN_TRAPPED, rounds, "all forms, RAM then trapped");
    forms(TRAPPED_THEN_RAM, rounds, "all forms, trapped then RAM");
    for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) crossing(&faults[i]);
    repeated();
    accessed_dirty();
    code_at_page_end(0, "code before an absent page");
    code_at_page_end(BIT(45) | GT_P, "code before an impossible address");
    code_at_page_end(HOST_PASS | GT_P, "code before a trapped page");
    unsupported();
    passing();
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
