/* Hardware task switches in 32-bit protected mode, without paging, with 32-bit and with PAE paging: JMP, CALL, IRET,
 * task gates of software interrupts, exceptions, NMIs and interrupts, TSSes of 16 bits, and what goes wrong on the way.
 * Each case says who comes to an end where, what exception was raised, which tasks are busy, and what main's TSS holds.
 * On Intel the hypervisor carries out every one of them; natively and on AMD the processor does. */
#include "tasks.h"
#include <hw.h>
#include <string.h>
#include "gt.h"

#define N_PAGES   3u
#define RW        (GT_P | GT_W | GT_U)
#define PS        BIT(7)
#define APIC_SVR  0xf0u
#define APIC_EOI  0xb0u
#define APIC_PAGE UINT64_C(0xfee00000)
#define EFLAGS_IF BIT(9)
#define EFLAGS_NT BIT(14)
#define EFLAGS_VM BIT(17)
#define IOPL_3    BITS(13, 12)
#define CR0_TS    BIT(3)
#define DR6_BT    BIT(15)
#define LOCAL     0x55u /* DR7: L0 .. L3 */
#define GONE_PAGE (WINDOW + VMM_PAGE_BYTES)
#define FILL      0xdeadbeefu

struct tss {
    uint32_t link, esp0, ss0, rsvd_0x0c[4], cr3, eip, eflags, gpr[8], seg[6], ldt, trap;
};
_Static_assert(sizeof(struct tss) == 0x68, "7.2.1 \"Task-State Segment (TSS)\"");
struct tss16 {
    uint16_t link, sp0, ss0, rsvd_0x06[4], ip, flags, gpr[8], seg[4], ldt;
};
_Static_assert(sizeof(struct tss16) == 0x2c, "7.6 \"16-Bit Task-State Segment (TSS)\"");

struct record { /* in the order in which tasks.S stores it; interrupted.tail: ESP, if the privilege level changed */
    uint32_t gs, fs, es, ds, gpr[8] /* from EDI down */, vector, error, eip, cs, eflags, tail[2];
    uint32_t tr, ldtr, cr0, cr3, dr7, window, cr2, dr6;
};
struct far_pointer {
    uint32_t offset, selector;
};
struct tasks_data {
    struct far_pointer compat32, flat32, back64, enter, target;
    uint32_t self, cr3_long, cr3, cr4;
    uint64_t saved_cr3, saved_rsp;
    uint16_t gdt_limit;
    uint64_t gdt_base;
    uint16_t idt_limit;
    uint64_t idt_base;
} __attribute__((packed));
struct op {
    uint32_t start, at, next;
};
extern const uint8_t tasks_start[], tasks_data[], tasks_end[];
extern const struct op tasks_ops[];
extern const uint32_t tasks_codes[], tasks_stubs[];

enum op_name { JMP, CALL, IRET, INT, UD, GP, NMI, IRQ };
enum code { STOP, BACK, COUNT, RESCUES };

/* Bits of struct test_case.busy */
#define B_MAIN    1u
#define B_OTHER   2u
#define B_RESCUE  4u
#define B_OTHER16 8u
enum stopped { AT, NEXT, ANY }; /* main's saved EIP: the instruction that switched, the next one, not looked at */
#define NO_ERROR UINT32_MAX

/* Bits of struct test_case.only */
#define PAGED  1u
#define STRICT 2u /* what QEMU's processor, which is AMD's here, does not do */

struct test_case {
    const char *name;
    enum op_name op;
    uint16_t target; /* JMP, CALL; IRET: main's link */
    enum code code;
    void (*spoil)(void);
    uint16_t tr; /* who came to an end, */
    uint8_t vector;
    uint32_t error; /* what was pushed on its stack */
    uint8_t busy;
    enum stopped main_at;
    uint16_t link; /* of that task's TSS */
    uint8_t only;
};

static uint64_t low;

void gt_early(EFI_SYSTEM_TABLE *st) {
    EFI_PHYSICAL_ADDRESS at = 0x9ffff;
    if (!EFI_ERROR(st->BootServices->AllocatePages(AllocateMaxAddress, EfiBootServicesData, N_PAGES, &at))) low = at;
}

/* ---- descriptor tables and TSSes ---- */

static void *place(uint32_t offset) { return (void *)(low + offset); }
static struct tss *tss(uint16_t selector) { return place(AT_TSS + (uint32_t)(selector - MAIN) / 8 * 0x100); }
static uint64_t *gdt(uint16_t selector) { return (uint64_t *)place(AT_GDT) + selector / 8; }

/* attrib: descriptor bits 55:52 and 47:40 */
static uint64_t descriptor(uint64_t base, uint32_t limit, uint16_t attrib) {
    return (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)(attrib & 0xff) << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(attrib >> 8) << 52 | (base >> 24) << 56;
}
static uint64_t gate(uint32_t offset, uint16_t selector, uint8_t type) {
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)type << 40 | (uint64_t)(offset >> 16) << 48;
}
static void task_gate(unsigned vector, uint16_t selector) {
    ((uint64_t *)place(AT_IDT))[vector] = gate(0, selector, 0x85);
}

static void build_descriptors(void) {
    static const uint64_t flat[] = {0, UINT64_C(0x00cf9b000000ffff), UINT64_C(0x00cf93000000ffff),
                                    UINT64_C(0x00209b0000000000)};
    memcpy(gdt(0), flat, sizeof flat);
    *gdt(TASKS_CODE) = descriptor(low, 0xffff, 0x49a);
    *gdt(TASKS_DATA) = descriptor(low, 0xffff, 0x492); /* not accessed, these two */
    for (uint16_t s = MAIN; s <= RESCUE; s += 8) *gdt(s) = descriptor((uint64_t)tss(s), sizeof(struct tss) - 1, 0x089);
    *gdt(OTHER16) = descriptor((uint64_t)tss(OTHER16), sizeof(struct tss16) - 1, 0x081);
    *gdt(LDT) = descriptor((uint64_t)place(AT_LDT), 15, 0x082);
    *gdt(SPARE) = gate(0, OTHER, 0x85);
    *gdt(CODE_RING3) = descriptor(low, 0xffff, 0x4fa);
    *gdt(DATA_RING3) = descriptor(low, 0xffff, 0x4f2);
    *gdt(GONE) = descriptor(low, 0xffff, 0x412);
    *gdt(GONE_CODE) = descriptor(low, 0xffff, 0x41a);
    *gdt(STACK16) = descriptor(low, 0xffff, 0x092);
    *gdt(HOME) = descriptor(low, sizeof(struct tss) - 1, 0x089);
    *gdt(SMALL) = descriptor(low, 15, 0x492);
    uint64_t *ldt = place(AT_LDT), *idt = place(AT_IDT);
    ldt[0] = *gdt(TASKS_CODE), ldt[1] = *gdt(TASKS_DATA);
    for (unsigned v = 0; v < N_VECTORS; v++) idt[v] = gate(tasks_stubs[0] + 16 * v, TASKS_CODE, 0xee);
    for (unsigned v = 10; v <= 14; v++) task_gate(v, RESCUE);
    task_gate(8, RESCUE);
    task_gate(VECTOR_INT, OTHER);
    task_gate(VECTOR_IRQ, OTHER);
}

static void build_tss(uint16_t selector, uint32_t eip, uint32_t esp, uint32_t cr3) {
    struct tss *t = tss(selector);
    *t = (struct tss){.esp0 = TOP_RING0, .ss0 = TASKS_DATA, .cr3 = cr3, .eip = eip, .eflags = 2, .trap = 0x680000};
    for (uint32_t i = 0; i < 8; i++) t->gpr[i] = i == VMM_RSP ? esp : selector * 0x01010000u + i;
    for (unsigned i = VMM_ES; i <= VMM_DS; i++) t->seg[i] = i == VMM_CS ? TASKS_CODE : TASKS_DATA;
    t->seg[VMM_FS] = t->seg[VMM_GS] = FLAT;
}

static void build_tss16(uint32_t eip) {
    struct tss16 *t = (void *)tss(OTHER16);
    *t = (struct tss16){.ip = (uint16_t)eip, .flags = 2};
    for (unsigned i = 0; i < 8; i++) t->gpr[i] = i == VMM_RSP ? TOP_OTHER : (uint16_t)(0x1600 + i);
    for (unsigned i = VMM_ES; i <= VMM_DS; i++)
        t->seg[i] = i == VMM_CS ? TASKS_CODE : i == VMM_SS ? STACK16 : TASKS_DATA;
}

/* ---- page tables: two sets, which differ in the window's page ---- */

enum paging { NONE, PAGES_32, PAGES_PAE, N_PAGINGS };
static uint64_t pml4[512] __attribute__((aligned(4096))), pdpt_long[512] __attribute__((aligned(4096))),
    identity[512] __attribute__((aligned(4096))), last_gib[512] __attribute__((aligned(4096)));
static struct set {
    uint32_t pd32[1024], pt32[1024];
    uint64_t pdpt[512], pd[512], pt[512];
    uint32_t page[1024];
} sets[2] __attribute__((aligned(4096)));

static uint32_t physical32(const void *p) { return (uint32_t)gt_physical(p); }

static void build_tables(void) {
    for (unsigned i = 0; i < 512; i++) identity[i] = (uint64_t)i << 21 | PS | RW;
    last_gib[APIC_PAGE >> 21 & 511] = (APIC_PAGE & ~BITS(20, 0)) | PS | RW;
    pml4[0] = gt_physical(pdpt_long) | RW;
    pdpt_long[0] = gt_physical(identity) | RW;
    for (unsigned n = 0; n < 2; n++) {
        struct set *s = &sets[n];
        s->page[0] = 0x5e700000 + n;
        s->pt32[0] = physical32(s->page) | (uint32_t)RW, s->pt[0] = gt_physical(s->page) | RW;
        for (uint32_t i = 0; i < 256; i++) s->pd32[i] = i << 22 | (uint32_t)(PS | RW);
        s->pd32[WINDOW >> 22] = physical32(s->pt32) | (uint32_t)RW;
        s->pd32[APIC_PAGE >> 22] = (uint32_t)((APIC_PAGE & ~BITS(21, 0)) | PS | RW);
        s->pd[0] = gt_physical(s->pt) | RW;
        s->pdpt[0] = gt_physical(identity) | GT_P;
        s->pdpt[1] = gt_physical(s->pd) | GT_P;
        s->pdpt[3] = gt_physical(last_gib) | GT_P;
    }
}

static uint32_t cr3_of(enum paging paging, unsigned set) {
    return paging == NONE ? 0 : physical32(paging == PAGES_32 ? (void *)sets[set].pd32 : (void *)sets[set].pdpt);
}

/* ---- what is made different from the usual ---- */

static void with(enum vmm_segment_name name, uint32_t selector) { tss(OTHER)->seg[name] = selector; }
static void tss_gone(void) { *gdt(OTHER) &= ~(BIT(7) << 40); }
static void tss_busy(void) { *gdt(OTHER) |= BIT(1) << 40; }
static void tss_short(void) { *gdt(OTHER) -= 1; }
static void tss_unmapped(void) { *gdt(OTHER) = descriptor(GONE_PAGE, sizeof(struct tss) - 1, 0x089); }
static void trap(void) { tss(OTHER)->trap |= 1; }
static void cs_data(void) { with(VMM_CS, TASKS_DATA); }
static void cs_null(void) { with(VMM_CS, 0); }
static void cs_gone(void) { with(VMM_CS, GONE_CODE); }
static void cs_beyond(void) { with(VMM_CS, 0x1f8); }
static void cs_dpl(void) { with(VMM_CS, CODE_RING3); }
static void ss_null(void) { with(VMM_SS, 0); }
static void ss_gone(void) { with(VMM_SS, GONE); }
static void ss_code(void) { with(VMM_SS, TASKS_CODE); }
static void ss_rpl(void) { with(VMM_SS, TASKS_DATA + 3); }
static void ss_small(void) { with(VMM_SS, SMALL); }
static void ds_system(void) { with(VMM_DS, LDT); }
static void ds_gone(void) { with(VMM_DS, GONE); }
static void gs_beyond(void) { with(VMM_GS, 0x1f8); }
static void fs_null(void) { with(VMM_FS, 0); }
static void no_ldt(void) { tss(OTHER)->ldt = TASKS_DATA; }
static void eip_beyond(void) { tss(OTHER)->eip = 0x10000; }
static void ldt_segments(void) {
    tss(OTHER)->ldt = LDT;
    with(VMM_CS, 0x04), with(VMM_SS, 0x0c), with(VMM_DS, 0x0c);
}
static void ldt_beyond(void) {
    tss(OTHER)->ldt = LDT;
    with(VMM_ES, 0x14);
}
static void ring3(void) {
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) with(i, i == VMM_CS ? CODE_RING3 + 3 : DATA_RING3 + 3);
}
static void v86(void) {
    tss(OTHER)->eflags |= (uint32_t)(EFLAGS_VM | IOPL_3);
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) with(i, (uint32_t)low >> 4);
}
static void ud_gate(void) { task_gate(6, OTHER); }
static void gp_gate(void) { task_gate(13, OTHER); }
static void df_gate(void) { ((uint64_t *)place(AT_IDT))[13] = 0, task_gate(8, OTHER); }
static void nmi_gate(void) { task_gate(2, OTHER); }
static void ud_gone(void) { ud_gate(), tss_gone(); }
static void ud_ds_gone(void) { ud_gate(), ds_gone(); }
static void gp_ds_gone(void) { gp_gate(), ds_gone(); }
static void gp_ss_small(void) { gp_gate(), ss_small(), tss(OTHER)->gpr[VMM_RSP] = 18; }
static void gp_16(void) { task_gate(13, OTHER16); }
static void int_16(void) { task_gate(VECTOR_INT, OTHER16); }

static const struct test_case cases[] = {
    {"JMP", JMP, OTHER, STOP, NULL, OTHER, VECTOR_STOP, NO_ERROR, B_OTHER, NEXT, 0, 0},
    {"CALL", CALL, OTHER, STOP, NULL, OTHER, VECTOR_STOP, NO_ERROR, B_MAIN | B_OTHER, NEXT, MAIN, 0},
    {"CALL and IRET", CALL, OTHER, BACK, NULL, MAIN, VECTOR_MAIN, NO_ERROR, B_MAIN, NEXT, 0, 0},
    {"JMP through a gate", JMP, SPARE, STOP, NULL, OTHER, VECTOR_STOP, NO_ERROR, B_OTHER, NEXT, 0, 0},
    {"CALL through a gate", CALL, SPARE, STOP, NULL, OTHER, VECTOR_STOP, NO_ERROR, B_MAIN | B_OTHER, NEXT, MAIN, 0},
    {"INT", INT, 0, STOP, NULL, OTHER, VECTOR_STOP, NO_ERROR, B_MAIN | B_OTHER, NEXT, MAIN, 0},
    {"INT and IRET", INT, 0, BACK, NULL, MAIN, VECTOR_MAIN, NO_ERROR, B_MAIN, NEXT, 0, 0},
    {"#UD", UD, 0, STOP, ud_gate, OTHER, VECTOR_STOP, NO_ERROR, B_MAIN | B_OTHER, AT, MAIN, 0},
    {"#GP, with an error code", GP, 0, STOP, gp_gate, OTHER, VECTOR_STOP, 0x7f8, B_MAIN | B_OTHER, AT, MAIN, 0},
    {"#DF", GP, 0, STOP, df_gate, OTHER, VECTOR_STOP, 0, B_MAIN | B_OTHER, AT, MAIN, 0},
    {"NMIs", NMI, 0, COUNT, nmi_gate, MAIN, VECTOR_MAIN, NO_ERROR, B_MAIN, ANY, 0, 0},
    {"an interrupt", IRQ, 0, STOP, NULL, OTHER, VECTOR_STOP, NO_ERROR, B_MAIN | B_OTHER, ANY, MAIN, 0},
    {"JMP, 16 bits", JMP, OTHER16, STOP, NULL, OTHER16, VECTOR_STOP, NO_ERROR, B_OTHER16, NEXT, 0, 0},
    {"CALL and IRET, 16 bits", CALL, OTHER16, BACK, NULL, MAIN, VECTOR_MAIN, NO_ERROR, B_MAIN, NEXT, 0, 0},
    {"INT and IRET, 16 bits", INT, 0, BACK, int_16, MAIN, VECTOR_MAIN, NO_ERROR, B_MAIN, NEXT, 0, 0},
    {"#GP, 16 bits", GP, 0, STOP, gp_16, OTHER16, VECTOR_STOP, 0x7f8, B_MAIN | B_OTHER16, AT, MAIN, 0},
    {"segments from an LDT", JMP, OTHER, STOP, ldt_segments, OTHER, VECTOR_STOP, NO_ERROR, B_OTHER, NEXT, 0, 0},
    {"FS null", JMP, OTHER, STOP, fs_null, OTHER, VECTOR_STOP, NO_ERROR, B_OTHER, NEXT, 0, 0},
    {"to ring 3", JMP, OTHER, STOP, ring3, OTHER, VECTOR_STOP, NO_ERROR, B_OTHER, NEXT, 0, 0},
    {"to virtual-8086 mode", CALL, OTHER, STOP, v86, OTHER, VECTOR_STOP, NO_ERROR, B_MAIN | B_OTHER, NEXT, MAIN, 0},
    {"T", JMP, OTHER, STOP, trap, OTHER, GT_DB, NO_ERROR, B_OTHER, NEXT, 0, STRICT},

    /* in main */
    {"no TSS", JMP, GONE, STOP, NULL, RESCUE, VECTOR_LAST, GONE, B_MAIN | B_RESCUE, AT, MAIN, 0},
    {"TSS beyond the table", JMP, 0x1f8, STOP, NULL, RESCUE, VECTOR_LAST, 0x1f8, B_MAIN | B_RESCUE, AT, MAIN, 0},
    {"TSS not present", CALL, OTHER, STOP, tss_gone, RESCUE, VECTOR_LAST, OTHER, B_MAIN | B_RESCUE, AT, MAIN, 0},
    {"TSS busy", JMP, OTHER, STOP, tss_busy, RESCUE, VECTOR_LAST, OTHER, B_MAIN | B_OTHER | B_RESCUE, AT, MAIN, 0},
    {"TSS too short", CALL, OTHER, STOP, tss_short, RESCUE, VECTOR_LAST, OTHER, B_MAIN | B_RESCUE, AT, MAIN, 0},
    {"INT, TSS not present", INT, 0, STOP, tss_gone, RESCUE, VECTOR_LAST, OTHER, B_MAIN | B_RESCUE, AT, MAIN, 0},
    {"#UD, TSS not present", UD, 0, STOP, ud_gone, RESCUE, VECTOR_LAST, OTHER + 1, B_MAIN | B_RESCUE, AT, MAIN, STRICT},
    {"IRET to nobody", IRET, 0, STOP, NULL, RESCUE, VECTOR_LAST, 0, B_MAIN | B_RESCUE, AT, MAIN, 0},
    {"IRET to who is not busy", IRET, OTHER, STOP, NULL, RESCUE, VECTOR_LAST, OTHER, B_MAIN | B_RESCUE, AT, MAIN, 0},
    {"IRET", IRET, OTHER, STOP, tss_busy, OTHER, VECTOR_STOP, NO_ERROR, B_OTHER, NEXT, 0, 0},
    {"new TSS not mapped", CALL, OTHER, STOP, tss_unmapped, RESCUE, VECTOR_LAST, 0, B_MAIN | B_RESCUE, AT, MAIN, PAGED},

    /* in the new task */
    {"CS not code", JMP, OTHER, STOP, cs_data, RESCUE, VECTOR_LAST, TASKS_DATA, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"CS null", JMP, OTHER, STOP, cs_null, RESCUE, VECTOR_LAST, 0, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"CS not present", JMP, OTHER, STOP, cs_gone, RESCUE, VECTOR_LAST, GONE_CODE, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"CS beyond the table", CALL, OTHER, STOP, cs_beyond, RESCUE, VECTOR_LAST, 0x1f8, B_MAIN | B_OTHER | B_RESCUE, NEXT,
     OTHER, 0},
    {"CS of another ring", JMP, OTHER, STOP, cs_dpl, RESCUE, VECTOR_LAST, CODE_RING3, B_OTHER | B_RESCUE, NEXT, OTHER,
     0},
    {"SS null", JMP, OTHER, STOP, ss_null, RESCUE, VECTOR_LAST, 0, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"SS not present", JMP, OTHER, STOP, ss_gone, RESCUE, VECTOR_LAST, GONE, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"SS not data", JMP, OTHER, STOP, ss_code, RESCUE, VECTOR_LAST, TASKS_CODE, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"SS of another ring", JMP, OTHER, STOP, ss_rpl, RESCUE, VECTOR_LAST, TASKS_DATA, B_OTHER | B_RESCUE, NEXT, OTHER,
     0},
    {"DS a system segment", JMP, OTHER, STOP, ds_system, RESCUE, VECTOR_LAST, LDT, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"DS not present", INT, 0, STOP, ds_gone, RESCUE, VECTOR_LAST, GONE, B_MAIN | B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"GS beyond the table", JMP, OTHER, STOP, gs_beyond, RESCUE, VECTOR_LAST, 0x1f8, B_OTHER | B_RESCUE, NEXT, OTHER,
     0},
    {"ES beyond the LDT", JMP, OTHER, STOP, ldt_beyond, RESCUE, VECTOR_LAST, 0x14, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"LDT not one", JMP, OTHER, STOP, no_ldt, RESCUE, VECTOR_LAST, TASKS_DATA, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"EIP beyond CS", JMP, OTHER, STOP, eip_beyond, RESCUE, VECTOR_LAST, 0, B_OTHER | B_RESCUE, NEXT, OTHER, 0},
    {"#UD, DS not present", UD, 0, STOP, ud_ds_gone, RESCUE, VECTOR_LAST, GONE + 1, B_MAIN | B_OTHER | B_RESCUE, AT,
     OTHER, STRICT},
    {"#GP, DS not present: #DF", GP, 0, STOP, gp_ds_gone, RESCUE, VECTOR_LAST, 0, B_MAIN | B_OTHER | B_RESCUE, AT,
     OTHER, 0},
    {"#GP, no room for its error code: #DF", GP, 0, STOP, gp_ss_small, RESCUE, VECTOR_LAST, 0,
     B_MAIN | B_OTHER | B_RESCUE, AT, OTHER, STRICT},
};

/* ---- one case ---- */

static struct tss before[4]; /* as they were at the start, from MAIN on */

static void prepare(const struct test_case *c, enum paging paging) {
    struct tasks_data d;
    uint8_t *at = (uint8_t *)low;
    memcpy(at, tasks_start, (size_t)(tasks_end - tasks_start));
    for (uint32_t i = AT_RECORD; i < N_PAGES * VMM_PAGE_BYTES; i += 4) *(uint32_t *)place(i) = FILL;
    *(uint32_t *)place(AT_COUNTER) = 0;
    memcpy(&d, tasks_data, sizeof d);
    d.compat32.offset += (uint32_t)low, d.flat32.offset += (uint32_t)low, d.back64.offset += (uint32_t)low;
    d.enter.offset = tasks_ops[c->op].start;
    d.target.selector = c->target;
    d.self = (uint32_t)low;
    d.cr3_long = physical32(pml4);
    d.cr3 = cr3_of(paging, 0);
    d.cr4 = paging == PAGES_PAE ? 0x620 : 0x610;
    d.gdt_base += low, d.idt_base += low;
    memcpy(at + (tasks_data - tasks_start), &d, sizeof d);
    build_descriptors();
    build_tss(MAIN, FILL, FILL, cr3_of(paging, 0));
    if (c->op == IRET) tss(MAIN)->link = c->target;
    build_tss(OTHER, tasks_codes[c->code], TOP_OTHER, cr3_of(paging, 1));
    build_tss(RESCUE, tasks_codes[RESCUES], TOP_RESCUE, cr3_of(paging, 1));
    build_tss16(tasks_codes[c->code]);
    if (c->spoil) c->spoil();
    for (uint16_t s = MAIN; s <= OTHER16; s += 8) before[(s - MAIN) / 8] = *tss(s);
}

static bool good; /* of the case being judged */
static void expect(const char *what, uint64_t got, uint64_t want) {
    if (got == want) return;
    good = false;
    gt_print("     %s is %lx, not %lx", what, got, want);
}

static void judge_end(const struct test_case *c, const struct record *r, enum paging paging) {
    unsigned busy = 0, set = c->tr == OTHER || c->tr == RESCUE;
    for (uint16_t s = MAIN; s <= OTHER16; s += 8)
        if (*gdt(s) >> 41 & 1) busy |= 1u << (s - MAIN) / 8;
    expect("vector", r->vector, c->vector);
    expect("TR", r->tr & 0xffff, c->tr);
    expect("who is busy", busy, c->busy);
    expect("its link", tss(c->tr)->link & 0xffff, c->link);
    expect("CR0.TS", (r->cr0 & CR0_TS) != 0, 1);
    expect("DR7", r->dr7 & LOCAL, 0);
    bool by_call = c->tr != MAIN && c->link == MAIN;
    if (c->tr != RESCUE) expect("NT", (r->eflags & EFLAGS_NT) != 0, by_call);
    if (c->vector == GT_DB) expect("DR6.BT", (r->dr6 & DR6_BT) != 0, 1);
    if (paging == NONE) return;
    expect("CR3", r->cr3, cr3_of(paging, set));
    expect("the window", r->window, sets[set].page[0]);
}

/* The registers of who came to an end, and its stack. */
static void judge_registers(const struct test_case *c, const struct record *r) {
    bool wide = c->tr != OTHER16, inner = (r->cs & 3) || (r->eflags & EFLAGS_VM);
    const struct tss *t = &before[(c->tr - MAIN) / 8];
    const struct tss16 *t16 = (const void *)&before[3];
    for (unsigned i = 0; i < 8; i++) {
        uint32_t got = r->gpr[7 - i], want = c->tr == MAIN ? REGS + i : wide ? t->gpr[i] : t16->gpr[i];
        if (i == VMM_RSP || (i == VMM_RAX && c->tr == MAIN)) continue;
        expect(wide ? "a register" : "a register's lower half", wide ? got : got & 0xffff, want);
    }
    if (c->tr != MAIN && !(r->eflags & EFLAGS_VM)) {
        expect("CS", r->cs & 0xffff, wide ? t->seg[VMM_CS] : t16->seg[VMM_CS]);
        expect("DS", r->ds & 0xffff, wide ? t->seg[VMM_DS] : t16->seg[VMM_DS]);
        expect("ES", r->es & 0xffff, wide ? t->seg[VMM_ES] : t16->seg[VMM_ES]);
        expect("FS", r->fs & 0xffff, wide ? t->seg[VMM_FS] : 0);
        expect("GS", r->gs & 0xffff, wide ? t->seg[VMM_GS] : 0);
        expect("LDTR", r->ldtr & 0xffff, wide ? t->ldt : t16->ldt);
    }
    if (inner) {
        expect("VM", (r->eflags & EFLAGS_VM) != 0, (t->eflags & EFLAGS_VM) != 0);
        expect("ESP", r->tail[0], t->gpr[VMM_RSP]);
    } else if (c->tr != MAIN) {
        uint32_t top = c->tr == RESCUE ? TOP_RESCUE : TOP_OTHER, pushed = c->error == NO_ERROR ? 0 : wide ? 4 : 2;
        expect("ESP", (r->gpr[7 - VMM_RSP] & 0xffff) + 20, top - pushed);
        if (pushed) expect("error code", wide ? r->tail[0] : r->tail[0] & 0xffff, c->error);
    }
}

/* What is left of main, and of a new task that never ran. */
static void judge_saved(const struct test_case *c, const struct record *r) {
    const struct tss *m = tss(MAIN), *o = tss(OTHER);
    uint32_t eip = c->main_at == AT ? tasks_ops[c->op].at : tasks_ops[c->op].next;
    if (c->main_at != ANY) expect(c->tr == MAIN ? "EIP" : "main's EIP", c->tr == MAIN ? r->eip - 2 : m->eip, eip);
    expect("main's ESP", m->gpr[VMM_RSP], c->op == NMI ? m->gpr[VMM_RSP] : TOP_MAIN);
    for (uint32_t i = VMM_RDX; i < 8; i++)
        if (i != VMM_RSP) expect("main's register", m->gpr[i], REGS + i);
    for (unsigned i = VMM_ES; i <= VMM_DS; i++)
        expect("main's segment", m->seg[i] & 0xffff, i == VMM_CS ? TASKS_CODE : TASKS_DATA);
    expect("main's FS", m->seg[VMM_FS] & 0xffff, 0);
    expect("main's CR3, not saved", m->cr3, before[0].cr3);
    bool nested = c->op == IRET && c->main_at == AT; /* IRET itself clears NT */
    expect("main's NT", (m->eflags & EFLAGS_NT) != 0, nested);
    expect("main's IF", (m->eflags & EFLAGS_IF) != 0, c->op == IRQ);
    if (c->code == BACK && c->tr == MAIN && !(c->spoil == int_16 || c->target == OTHER16)) {
        expect("its EIP after IRET", o->eip, tasks_codes[BACK] + 1);
        expect("its NT after IRET", o->eflags & EFLAGS_NT, 0);
    }
    if (c->op == NMI) expect("NMIs", *(uint32_t *)place(AT_COUNTER), 2);
    if (c->tr == RESCUE && c->link == OTHER) {
        if (gt_intel) expect("its EIP, before its first instruction", o->eip, before[1].eip); /* QEMU: main's */
        for (unsigned i = VMM_ES; i <= VMM_GS; i++) expect("its segment", o->seg[i] & 0xffff, before[1].seg[i]);
    }
    if (!gt_intel) return; /* QEMU's processor does not */
    if (c->tr == OTHER && c->spoil == NULL) expect("accessed", *gdt(TASKS_CODE) >> 40 & *gdt(TASKS_DATA) >> 40 & 1, 1);
}

static void run(const struct test_case *c, enum paging paging) {
    prepare(c, paging);
    ((void (*)(uint64_t))low)(low);
    if (c->op == IRQ) gt_apic_write(APIC_EOI, 0);
    const struct record *r = place(AT_RECORD);
    good = true;
    judge_end(c, r, paging);
    judge_registers(c, r);
    judge_saved(c, r);
    gt_check(good, c->name, "paging %u: vector %u in %x, error %x, eip %x", paging, r->vector, r->tr, r->tail[0],
             r->eip);
}

void gt_main(void) {
    bool below = gt_below();
    gt_check(low != 0, below ? "below" : "native", "no memory below 1 MiB");
    build_tables();
    gt_apic_write(APIC_SVR, gt_apic_read(APIC_SVR) | 0x100);
    for (enum paging p = NONE; p < N_PAGINGS; p++)
        for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
            if ((p != NONE || !(cases[i].only & PAGED)) && (gt_intel || !(cases[i].only & STRICT))) run(&cases[i], p);
    gt_check(gt_below() == below, "still there", "the hypervisor has gone");
}
