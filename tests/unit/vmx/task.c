/* Task switches over a flat 64 KiB of memory: every fault, in the task it belongs to, and what a good switch leaves. */
#include "vmx/vmx_task.h"
#include <criterion/criterion.h>
#include <string.h>

/* The GDT's contents */
#define CODE      0x08
#define DATA      0x10
#define OLD       0x18
#define NEW       0x20
#define LDT       0x28
#define NEW16     0x30
#define CODE3     0x38
#define DATA3     0x40
#define CONFORM   0x48
#define GONE      0x50
#define GONE_CODE 0x58
#define EXEC      0x60
#define READ_ONLY 0x68
#define DOWN      0x70
#define CONFORM3  0x78
#define OLD16     0x80
#define END       0x88

#define GDT_AT   0x1000u
#define OLD_AT   0x2000u
#define NEW_AT   0x3000u
#define NEW16_AT 0x4000u
#define LDT_AT   0x5000u
#define STACK    0x8000u
#define CODE_TO  0x7fffu /* limit */

/* Offsets in the TSS */
#define T_CR3 0x1c
#define T_EIP 0x20
#define T_FLG 0x24
#define T_ESP 0x38
#define T_ES  0x48
#define T_CS  0x4c
#define T_SS  0x50
#define T_DS  0x54
#define T_FS  0x58
#define T_GS  0x5c
#define T_LDT 0x60
#define T_T   0x64

static uint8_t ram[65536];
static uint32_t gone_page, read_only_page; /* linear; 0: none */
static uint32_t cr3_seen[2];               /* first and last */
static bool racing;                        /* another processor takes the new task just before we do */
static bool user_seen, bad_pdptes;
static unsigned n_writes;

static bool access(void *ctx, const struct vmx_task_access *a, struct vmx_task_fault *out) {
    cr_assert_eq(ctx, ram);
    bool write = a->op != VMX_TASK_READ;
    for (uint32_t i = 0; i < a->n_bytes; i++) {
        uint32_t at = a->linear + i, page = at & ~0xfffu;
        cr_assert_lt(at, sizeof ram);
        if ((gone_page && page == gone_page) || (read_only_page && page == read_only_page && write)) {
            *out = (struct vmx_task_fault){.vector = 14, .error = write ? 2 : 0, .cr2 = at};
            return false;
        }
    }
    if (!cr3_seen[0]) cr3_seen[0] = a->cr3;
    cr3_seen[1] = a->cr3;
    user_seen |= a->user;
    uint8_t *p = ram + a->linear, *data = a->data, was = *p;
    n_writes += write && a->op != VMX_TASK_PROBE;
    switch (a->op) {
    case VMX_TASK_READ: memcpy(data, p, a->n_bytes); break;
    case VMX_TASK_WRITE: memcpy(p, data, a->n_bytes); break;
    case VMX_TASK_PROBE: cr_assert_null(data); break;
    case VMX_TASK_OR:
        if (racing && a->linear == GDT_AT + NEW + 5) was = *p |= 2;
        *p |= *data, *data = was;
        break;
    case VMX_TASK_AND: *p &= *data, *data = was; break;
    }
    return true;
}

static bool pdptes_good(void *ctx, uint32_t cr3) {
    cr_assert(ctx == ram && cr3 == 0x9000);
    return !bad_pdptes;
}

static void poke(uint32_t at, uint32_t v, unsigned n_bytes) { memcpy(ram + at, &v, n_bytes); }
static uint32_t peek(uint32_t at, unsigned n_bytes) {
    uint32_t v = 0;
    memcpy(&v, ram + at, n_bytes);
    return v;
}

/* attrib: as in struct vmm_segment */
static void describe(uint32_t at, uint32_t base, uint32_t limit, uint32_t attrib) {
    poke(at, (limit & 0xffff) | base << 16, 4);
    poke(at + 4,
         (base >> 16 & 0xff) | (attrib & 0xff) << 8 | (limit & 0xf0000) | (attrib >> 8) << 20 | (base & 0xff000000), 4);
}

static struct vmx_task t;

static void start(enum vmx_task_source source, uint16_t selector) {
    static const struct {
        uint16_t selector, attrib;
        uint32_t base, limit;
    } gdt[] = {{CODE, 0x49a, 0, CODE_TO},    {DATA, 0xc92, 0, 0xfffff},      {OLD, 0x08b, OLD_AT, 0x67},
               {NEW, 0x089, NEW_AT, 0x67},   {LDT, 0x082, LDT_AT, 15},       {NEW16, 0x081, NEW16_AT, 0x2b},
               {CODE3, 0x4fa, 0, CODE_TO},   {DATA3, 0x4f2, 0, 0xffff},      {CONFORM, 0x49e, 0, CODE_TO},
               {GONE, 0x412, 0, 0xffff},     {GONE_CODE, 0x41a, 0, CODE_TO}, {EXEC, 0x498, 0, CODE_TO},
               {READ_ONLY, 0x490, 0, 0xfff}, {DOWN, 0x496, 0, 0x7fff},       {CONFORM3, 0x4fe, 0, CODE_TO},
               {OLD16, 0x083, OLD_AT, 0x2b}};
    memset(ram, 0, sizeof ram);
    gone_page = read_only_page = cr3_seen[0] = cr3_seen[1] = n_writes = 0;
    racing = user_seen = bad_pdptes = false;
    for (unsigned i = 0; i < sizeof gdt / sizeof gdt[0]; i++)
        describe(GDT_AT + gdt[i].selector, gdt[i].base, gdt[i].limit, gdt[i].attrib);
    describe(LDT_AT, 0, CODE_TO, 0x49a);
    describe(LDT_AT + 8, 0, 0xffff, 0x492);
    static const uint16_t segs[] = {DATA, CODE, DATA, DATA, 0, DATA};
    for (uint32_t i = 0; i < 6; i++) poke(NEW_AT + T_ES + 4 * i, segs[i], 4);
    for (uint32_t i = 0; i < 8; i++) poke(NEW_AT + 0x28 + 4 * i, 0xa0a0a000 + i, 4);
    poke(NEW_AT + T_ESP, STACK, 4);
    poke(NEW_AT + T_EIP, 0x1234, 4);
    poke(NEW_AT + T_FLG, 0xffc08202 | 0x41, 4); /* reserved bits too */
    poke(NEW_AT + T_CR3, 0x9000, 4);
    for (uint32_t i = 0; i < 15; i++) poke(NEW16_AT + 0x0e + 2 * i, 0x1600 + i, 2);
    for (uint32_t i = 0; i < 4; i++) poke(NEW16_AT + 0x22 + 2 * i, i == 1 ? CODE : DATA, 2);
    poke(NEW16_AT + 0x1a, STACK, 2);
    poke(NEW16_AT + 0x2a, 0, 2);
    if (source == VMX_TASK_IRET) ram[GDT_AT + (selector & 0xf8u) + 5] |= 2;

    t = (struct vmx_task){.source = source,
                          .selector = selector,
                          .n_insn_bytes = source == VMX_TASK_GATE ? 0 : 7,
                          .ctx = ram,
                          .access = access,
                          .pdptes_good = pdptes_good};
    struct vmx_task_regs *r = &t.regs;
    for (uint32_t i = 0; i < 8; i++) r->gpr[i] = 0xb0b0b000 + i;
    r->eip = 0x1000, r->eflags = 0x14202, r->cr0 = 0x80000011, r->cr3 = 0x7000, r->dr7 = 0x7ff;
    for (unsigned i = VMM_ES; i <= VMM_GS; i++)
        r->seg[i] = (struct vmm_segment){.selector = i == VMM_CS ? CODE : DATA, .attrib = i == VMM_CS ? 0x49b : 0x493};
    r->seg[VMM_TR] = (struct vmm_segment){.selector = OLD, .attrib = 0x8b, .limit = 0x67, .base = OLD_AT};
    r->seg[VMM_GDTR] = (struct vmm_segment){.limit = END - 1, .base = GDT_AT};
}

static bool busy(uint16_t selector) { return ram[GDT_AT + selector + 5] & 2; }

Test(vmx_task, jmp) {
    start(VMX_TASK_JMP, NEW);
    cr_assert(vmx_task_switch(&t) && t.switched && !t.debug_trap);
    cr_assert(!busy(OLD) && busy(NEW));
    cr_assert_eq(peek(OLD_AT + T_EIP, 4), 0x1007);
    cr_assert_eq(peek(OLD_AT + T_FLG, 4), 0x4202, "NT as it was, RF ends with the instruction");
    for (uint32_t i = 0; i < 8; i++) cr_assert_eq(peek(OLD_AT + 0x28 + 4 * i, 4), 0xb0b0b000 + i);
    for (uint32_t i = 0; i < 6; i++) cr_assert_eq(peek(OLD_AT + T_ES + 4 * i, 4), i == 1 ? CODE : DATA);
    cr_assert(peek(OLD_AT, 4) == 0 && peek(OLD_AT + T_CR3, 4) == 0 && peek(OLD_AT + T_LDT, 4) == 0, "not saved");
    cr_assert_eq(peek(NEW_AT, 4), 0, "no link");
    const struct vmx_task_regs *r = &t.regs;
    cr_assert(r->eip == 0x1234 && r->eflags == 0x243, "eflags %x", r->eflags);
    for (uint32_t i = 0; i < 8; i++) cr_assert_eq(r->gpr[i], i == VMM_RSP ? STACK : 0xa0a0a000 + i);
    cr_assert(r->cr0 == 0x80000019 && r->cr3 == 0x9000 && r->dr7 == 0x6aa);
    cr_assert(cr3_seen[0] == 0x7000 && cr3_seen[1] == 0x9000);
    const struct vmm_segment *s = r->seg;
    cr_assert(s[VMM_TR].selector == NEW && s[VMM_TR].attrib == 0x8b && s[VMM_TR].base == NEW_AT &&
              s[VMM_TR].limit == 0x67);
    cr_assert(s[VMM_CS].attrib == 0x49b && s[VMM_CS].limit == CODE_TO && s[VMM_CS].selector == CODE);
    cr_assert(s[VMM_SS].attrib == 0xc93 && s[VMM_SS].limit == 0xffffffff);
    cr_assert(s[VMM_FS].selector == 0 && s[VMM_FS].attrib == 0 && s[VMM_GS].attrib == 0xc93);
    cr_assert((ram[GDT_AT + CODE + 5] & 1) && (ram[GDT_AT + DATA + 5] & 1), "accessed");
}

Test(vmx_task, call_and_gate) {
    start(VMX_TASK_CALL, NEW);
    cr_assert(vmx_task_switch(&t) && busy(OLD) && busy(NEW) && peek(NEW_AT, 4) == OLD);
    cr_assert(t.regs.eflags & 0x4000);
    cr_assert_eq(peek(OLD_AT + T_EIP, 4), 0x1007);
    start(VMX_TASK_GATE, NEW); /* a fault: neither moved on nor is RF lost */
    cr_assert(vmx_task_switch(&t) && busy(OLD) && peek(NEW_AT, 4) == OLD && (t.regs.eflags & 0x4000));
    cr_assert(peek(OLD_AT + T_EIP, 4) == 0x1000 && peek(OLD_AT + T_FLG, 4) == 0x14202);
    cr_assert_eq(t.regs.gpr[VMM_RSP], STACK);
    start(VMX_TASK_GATE, NEW); /* INT n */
    t.n_insn_bytes = 2;
    cr_assert(vmx_task_switch(&t) && peek(OLD_AT + T_EIP, 4) == 0x1002);
}

Test(vmx_task, iret) {
    start(VMX_TASK_IRET, NEW);
    cr_assert(vmx_task_switch(&t) && !busy(OLD) && busy(NEW));
    cr_assert(!(t.regs.eflags & 0x4000) && !(peek(OLD_AT + T_FLG, 4) & 0x4000));
    cr_assert_eq(peek(NEW_AT, 4), 0);
    start(VMX_TASK_IRET, NEW);
    poke(NEW_AT + T_FLG, 0x4002, 4);
    cr_assert(vmx_task_switch(&t) && (t.regs.eflags & 0x4000), "nested further");
}

Test(vmx_task, without_paging_cr3_stays) {
    start(VMX_TASK_JMP, NEW);
    t.regs.cr0 = 0x11;
    cr_assert(vmx_task_switch(&t) && t.regs.cr3 == 0x7000);
    start(VMX_TASK_JMP, NEW);
    t.regs.cr4 = 0x20;
    cr_assert(vmx_task_switch(&t) && t.regs.cr3 == 0x9000);
}

Test(vmx_task, sixteen_bits) {
    start(VMX_TASK_JMP, NEW16);
    cr_assert(vmx_task_switch(&t) && busy(NEW16));
    const struct vmx_task_regs *r = &t.regs;
    cr_assert(r->eip == 0x160e - 0xe && r->eflags == (0x1601 & 0x7fd5) + 2 && r->cr3 == 0x7000);
    for (uint32_t i = 0; i < 8; i++) cr_assert_eq(r->gpr[i], i == VMM_RSP ? STACK : 0x1602 + i);
    cr_assert(r->seg[VMM_TR].attrib == 0x83 && r->seg[VMM_DS].selector == DATA && !r->seg[VMM_FS].selector &&
              !r->seg[VMM_GS].attrib);
    start(VMX_TASK_JMP, NEW); /* from one */
    t.regs.seg[VMM_TR] = (struct vmm_segment){.selector = OLD16, .attrib = 0x83, .limit = 0x2b, .base = OLD_AT};
    cr_assert(vmx_task_switch(&t) && !busy(OLD16));
    cr_assert(peek(OLD_AT + 0x0e, 2) == 0x1007 && peek(OLD_AT + 0x10, 2) == 0x4202 && peek(OLD_AT + 0x0c, 2) == 0);
    for (uint32_t i = 0; i < 8; i++) cr_assert_eq(peek(OLD_AT + 0x12 + 2 * i, 2), 0xb000 + i);
    for (uint32_t i = 0; i < 4; i++) cr_assert_eq(peek(OLD_AT + 0x22 + 2 * i, 2), i == 1 ? CODE : DATA);
    cr_assert_eq(peek(OLD_AT + 0x2a, 4), 0, "the LDT is not saved, nor anything behind it");
}

Test(vmx_task, error_codes) {
    start(VMX_TASK_GATE, NEW);
    t.has_error = t.external = true, t.error = 0x12345678;
    cr_assert(vmx_task_switch(&t) && t.regs.gpr[VMM_RSP] == STACK - 4 && peek(STACK - 4, 4) == 0x12345678 &&
              !user_seen);
    start(VMX_TASK_GATE, NEW16);
    t.has_error = true, t.error = 0x5678;
    cr_assert(vmx_task_switch(&t) && t.regs.gpr[VMM_RSP] == STACK - 2 && peek(STACK - 4, 4) == 0x56780000);
    start(VMX_TASK_GATE, NEW); /* on a stack that grows down from its limit, which the first dword is not beyond */
    t.has_error = true, t.error = 1;
    poke(NEW_AT + T_SS, DOWN, 4), poke(NEW_AT + T_ESP, 0x8004, 4);
    cr_assert(vmx_task_switch(&t) && peek(0x8000, 4) == 1);
    start(VMX_TASK_GATE, NEW);
    t.has_error = true;
    poke(NEW_AT + T_CS, CODE3 + 3, 4), poke(NEW_AT + T_SS, DATA3 + 3, 4);
    for (uint32_t i = T_DS; i <= T_GS; i += 4) poke(NEW_AT + i, 0, 4);
    poke(NEW_AT + T_ES, DATA3 + 3, 4);
    cr_assert(vmx_task_switch(&t) && user_seen, "by ring 3's rights");
    start(VMX_TASK_GATE, NEW); /* a 16-bit stack pointer wraps, and keeps its upper half */
    describe(GDT_AT + DATA, 0, 0xffff, 0x92);
    poke(NEW_AT + T_ESP, 0xabcd0000, 4);
    t.has_error = true, t.error = 0x77;
    cr_assert(vmx_task_switch(&t) && t.regs.gpr[VMM_RSP] == 0xabcdfffc && peek(0xfffc, 4) == 0x77);
}

Test(vmx_task, virtual_8086) {
    start(VMX_TASK_CALL, NEW);
    poke(NEW_AT + T_FLG, 0x20002, 4);
    for (uint32_t i = 0; i < 6; i++) poke(NEW_AT + T_ES + 4 * i, 0x100 + i, 4);
    cr_assert(vmx_task_switch(&t));
    for (unsigned i = VMM_ES; i <= VMM_GS; i++)
        cr_assert(t.regs.seg[i].selector == 0x100 + i && t.regs.seg[i].base == 0x1000 + 16 * i &&
                  t.regs.seg[i].limit == 0xffff && t.regs.seg[i].attrib == 0xf3);
}

Test(vmx_task, segments_from_the_ldt_and_conforming_code) {
    start(VMX_TASK_JMP, NEW);
    poke(NEW_AT + T_LDT, LDT, 4), poke(NEW_AT + T_CS, 4, 4), poke(NEW_AT + T_DS, 0xc, 4);
    cr_assert(vmx_task_switch(&t) && t.regs.seg[VMM_LDTR].base == LDT_AT && t.regs.seg[VMM_LDTR].attrib == 0x82);
    cr_assert(ram[LDT_AT + 5] == 0x9b && ram[LDT_AT + 13] == 0x93);
    start(VMX_TASK_JMP, NEW);
    poke(NEW_AT + T_CS, CONFORM + 3, 4);
    poke(NEW_AT + T_SS, DATA3 + 3, 4);
    poke(NEW_AT + T_ES, CONFORM, 4); /* readable, and any privilege will do */
    poke(NEW_AT + T_DS, DATA3, 4), poke(NEW_AT + T_GS, 3, 4);
    cr_assert(vmx_task_switch(&t));
}

Test(vmx_task, debug_trap) {
    start(VMX_TASK_JMP, NEW);
    poke(NEW_AT + T_T, 1, 2);
    cr_assert(vmx_task_switch(&t) && t.debug_trap);
}

/* One place made different from what start() leaves, and the fault that follows. */
struct row {
    const char *name;
    enum vmx_task_source source;
    uint16_t selector;
    struct {
        uint32_t at, v, n_bytes;
    } poke;
    unsigned vector;
    uint32_t error;
};

#define IN_GDT(selector, byte) (GDT_AT + (selector) + (byte))

Test(vmx_task, faults_in_the_old_task) {
    static const struct row rows[] = {
        {"null", VMX_TASK_JMP, 0, {0, 0, 0}, 13, 0},
        {"null by IRET", VMX_TASK_IRET, 3, {0, 0, 0}, 10, 0},
        {"in the LDT", VMX_TASK_CALL, NEW + 4, {0, 0, 0}, 13, NEW + 4},
        {"in the LDT by IRET", VMX_TASK_IRET, NEW + 4, {0, 0, 0}, 10, NEW + 4},
        {"beyond the table", VMX_TASK_GATE, END, {0, 0, 0}, 13, END},
        {"beyond the table by IRET", VMX_TASK_IRET, END, {0, 0, 0}, 10, END},
        {"no TSS", VMX_TASK_JMP, DATA, {0, 0, 0}, 13, DATA},
        {"no TSS by IRET", VMX_TASK_IRET, CODE, {0, 0, 0}, 10, CODE},
        {"an LDT", VMX_TASK_JMP, LDT, {0, 0, 0}, 13, LDT},
        {"busy", VMX_TASK_JMP, OLD, {0, 0, 0}, 13, OLD},
        {"busy by CALL", VMX_TASK_CALL, NEW, {IN_GDT(NEW, 5), 0x8b, 1}, 13, NEW},
        {"busy by a gate", VMX_TASK_GATE, NEW + 3, {IN_GDT(NEW, 5), 0x8b, 1}, 13, NEW},
        {"not busy by IRET", VMX_TASK_IRET, NEW, {IN_GDT(NEW, 5), 0x89, 1}, 10, NEW},
        {"not present", VMX_TASK_JMP, NEW, {IN_GDT(NEW, 5), 0x09, 1}, 11, NEW},
        {"not present by IRET", VMX_TASK_IRET, NEW, {IN_GDT(NEW, 5), 0x0b, 1}, 11, NEW},
        {"too short", VMX_TASK_JMP, NEW, {IN_GDT(NEW, 0), 0x66, 1}, 10, NEW},
        {"too short, 16 bits", VMX_TASK_JMP, NEW16, {IN_GDT(NEW16, 0), 0x2a, 1}, 10, NEW16},
    };
    for (unsigned external = 0; external < 2; external++)
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            const struct row *row = &rows[i];
            start(row->source, row->selector);
            memcpy(ram + row->poke.at, &row->poke.v, row->poke.n_bytes);
            t.external = external;
            struct vmx_task_regs was = t.regs;
            static uint8_t ram_was[sizeof ram];
            memcpy(ram_was, ram, sizeof ram);
            cr_assert(!vmx_task_switch(&t) && !t.switched, "%s", row->name);
            cr_assert(t.fault.vector == row->vector && t.fault.error == (row->error | external), "%s: %u, %x",
                      row->name, t.fault.vector, t.fault.error);
            cr_assert(!memcmp(&was, &t.regs, sizeof was) && !memcmp(ram, ram_was, sizeof ram), "%s", row->name);
        }
}

static void page_fault(uint32_t cr2, uint32_t error) {
    struct vmx_task_regs was = t.regs;
    cr_assert(!vmx_task_switch(&t) && !t.switched && n_writes == 0);
    cr_assert(t.fault.vector == 14 && t.fault.cr2 == cr2 && t.fault.error == error, "%u %x", t.fault.vector,
              t.fault.cr2);
    cr_assert(!memcmp(&was, &t.regs, sizeof was));
}

Test(vmx_task, memory_faults_in_the_old_task) {
    start(VMX_TASK_JMP, NEW), gone_page = GDT_AT;
    page_fault(GDT_AT + NEW, 0);
    start(VMX_TASK_JMP, NEW), gone_page = NEW_AT;
    page_fault(NEW_AT, 0);
    start(VMX_TASK_JMP, NEW), gone_page = OLD_AT;
    page_fault(OLD_AT + T_EIP, 2);
    start(VMX_TASK_CALL, NEW), read_only_page = NEW_AT;
    page_fault(NEW_AT, 2);
    start(VMX_TASK_JMP, NEW), read_only_page = NEW_AT;
    cr_assert(vmx_task_switch(&t), "only a link is written there");
    start(VMX_TASK_CALL, NEW), read_only_page = GDT_AT;
    page_fault(GDT_AT + NEW + 5, 2);
    start(VMX_TASK_IRET, NEW), read_only_page = GDT_AT;
    page_fault(GDT_AT + OLD + 5, 2);
    start(VMX_TASK_JMP, NEW), t.regs.cr4 = 0x20, bad_pdptes = true, t.external = true;
    cr_assert(!vmx_task_switch(&t) && !t.switched && t.fault.vector == 13 && t.fault.error == 1 && n_writes == 0);
    start(VMX_TASK_JMP, NEW), t.regs.seg[VMM_TR].limit = 0x5e;
    cr_assert(!vmx_task_switch(&t) && !t.switched && t.fault.vector == 10 && t.fault.error == OLD && n_writes == 0);
    start(VMX_TASK_JMP, NEW), racing = true;
    cr_assert(!vmx_task_switch(&t) && !t.switched && t.fault.vector == 13 && t.fault.error == NEW);
    cr_assert(busy(OLD) && busy(NEW) && peek(OLD_AT + T_EIP, 4) == 0, "it is the other processor's");
}

Test(vmx_task, faults_in_the_new_task) {
#define ROW(name, offset, v, vector, error)                                                                            \
    { name, VMX_TASK_JMP, NEW, {NEW_AT + (offset), v, 4}, vector, error }
    static const struct row rows[] = {
        ROW("LDT in the LDT", T_LDT, 4, 10, 4),
        ROW("LDT beyond the table", T_LDT, END, 10, END),
        ROW("LDT not one", T_LDT, DATA, 10, DATA),
        ROW("CS null", T_CS, 0, 10, 0),
        ROW("CS beyond the table", T_CS, END, 10, END),
        ROW("CS without an LDT", T_CS, 4, 10, 4),
        ROW("CS data", T_CS, DATA, 10, DATA),
        ROW("CS a system segment", T_CS, LDT, 10, LDT),
        ROW("CS of more privilege", T_CS, CODE + 3, 10, CODE),
        ROW("CS of less privilege", T_CS, CODE3, 10, CODE3),
        ROW("CS conforming, of less privilege", T_CS, CONFORM3, 10, CONFORM3),
        ROW("CS not present", T_CS, GONE_CODE, 11, GONE_CODE),
        ROW("SS null", T_SS, 0, 10, 0),
        ROW("SS beyond the table", T_SS, END, 10, END),
        ROW("SS code", T_SS, CODE, 10, CODE),
        ROW("SS read-only", T_SS, READ_ONLY, 10, READ_ONLY),
        ROW("SS of less privilege", T_SS, DATA3, 10, DATA3),
        ROW("SS selected with less", T_SS, DATA + 1, 10, DATA),
        ROW("SS not present", T_SS, GONE, 12, GONE),
        ROW("DS beyond the table", T_DS, END, 10, END),
        ROW("DS a system segment", T_DS, NEW16, 10, NEW16),
        ROW("DS code that cannot be read", T_DS, EXEC, 10, EXEC),
        ROW("DS of more privilege than its selector", T_DS, DATA + 2, 10, DATA),
        ROW("ES not present", T_ES, GONE, 11, GONE),
        ROW("FS not present", T_FS, GONE + 3, 10, GONE),
        ROW("GS without an LDT", T_GS, 0xc, 10, 0xc),
        ROW("EIP beyond CS", T_EIP, CODE_TO + 1, 13, 0),
    };
    static const uint32_t of[] = {T_ES, T_CS, T_SS, T_DS, T_FS, T_GS};
    for (unsigned external = 0; external < 2; external++)
        for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            const struct row *row = &rows[i];
            start(external ? VMX_TASK_GATE : VMX_TASK_JMP, NEW);
            poke(row->poke.at, row->poke.v, 4);
            t.external = external;
            cr_assert(!vmx_task_switch(&t) && t.switched, "%s", row->name);
            cr_assert(t.fault.vector == row->vector && t.fault.error == (row->error | external), "%s: %u, %x",
                      row->name, t.fault.vector, t.fault.error);
            cr_assert(busy(NEW) && busy(OLD) == external && t.regs.seg[VMM_TR].selector == NEW, "%s", row->name);
            cr_assert(t.regs.eip == peek(NEW_AT + T_EIP, 4) && t.regs.gpr[VMM_RAX] == 0xa0a0a000, "%s", row->name);
            unsigned cpl = t.regs.seg[VMM_CS].selector & 3;
            for (unsigned s = 0; s < 6; s++)
                cr_assert_eq(t.regs.seg[s].selector, peek(NEW_AT + of[s], 2), "%s", row->name);
            cr_assert((t.regs.seg[VMM_CS].attrib & 0x98) == 0x98, "%s", row->name);
            cr_assert_eq(t.regs.seg[VMM_SS].attrib >> 5 & 3, cpl, "%s", row->name);
            for (unsigned s = 0; s < 6; s++)
                if (row->poke.at == NEW_AT + of[s] && s != VMM_CS)
                    cr_assert(!(t.regs.seg[s].attrib & 0x80), "%s", row->name);
        }
}

Test(vmx_task, memory_faults_in_the_new_task) {
    start(VMX_TASK_JMP, NEW), gone_page = LDT_AT;
    poke(NEW_AT + T_LDT, LDT, 4), poke(NEW_AT + T_FS, 4, 4);
    cr_assert(!vmx_task_switch(&t) && t.switched && t.fault.vector == 14 && t.fault.cr2 == LDT_AT);
    start(VMX_TASK_JMP, NEW), read_only_page = LDT_AT;
    poke(NEW_AT + T_LDT, LDT, 4), poke(NEW_AT + T_FS, 4, 4);
    cr_assert(!vmx_task_switch(&t) && t.switched && t.fault.vector == 14 && t.fault.cr2 == LDT_AT + 5 &&
              t.fault.error == 2);
    start(VMX_TASK_GATE, NEW), gone_page = STACK - 0x1000, t.has_error = true;
    cr_assert(!vmx_task_switch(&t) && t.switched && t.fault.vector == 14 && t.fault.cr2 == STACK - 4);
    cr_assert_eq(t.regs.gpr[VMM_RSP], STACK);
    static const struct {
        uint32_t ss, esp;
    } full[] = {{READ_ONLY, 0x1003}, {DOWN, 0x8003}, {DOWN, 0x10000 + 3}, {DOWN, 2}};
    for (unsigned i = 0; i < sizeof full / sizeof full[0]; i++) {
        start(VMX_TASK_GATE, NEW), t.has_error = t.external = true;
        ram[GDT_AT + READ_ONLY + 5] |= 2; /* 4 KiB, writable */
        describe(GDT_AT + DOWN, 0, 0x7fff, i == 2 ? 0x096 : 0x496);
        poke(NEW_AT + T_SS, full[i].ss, 4), poke(NEW_AT + T_ESP, full[i].esp, 4);
        cr_assert(!vmx_task_switch(&t) && t.switched && t.fault.vector == 12 && t.fault.error == 1, "%u", i);
        cr_assert_eq(t.regs.gpr[VMM_RSP], full[i].esp);
    }
}
