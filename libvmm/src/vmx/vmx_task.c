/* see vmx_task.h */
#include "vmx_task.h"
#include <string.h>
#include <vmm/bits.h>
#include "vmx_regs.h"

#define VECTOR_TS 10u
#define VECTOR_NP 11u
#define VECTOR_SS 12u
#define VECTOR_GP 13u

#define CR0_TS     BIT(3)
#define DR7_LOCAL  (BIT(0) | BIT(2) | BIT(4) | BIT(6) | BIT(8)) /* L0 .. L3, LE */
#define EFLAGS_1   BIT(1)
#define EFLAGS_NT  BIT(14)
#define EFLAGS_RF  BIT(16)
#define EFLAGS_VM  BIT(17)
#define EFLAGS_ALL (BITS(21, 16) | BITS(14, 6) | BIT(4) | BIT(2) | BIT(0))

/* Segment attributes, as in struct vmm_segment: Volume 3A, 3.4.5 "Segment Descriptors" */
#define ATTRIB_P       BIT(7)
#define ATTRIB_DPL     BITS(6, 5)
#define ATTRIB_S       BIT(4)
#define ATTRIB_CODE    BIT(3)
#define ATTRIB_CONFORM BIT(2) /* code; data: expands down */
#define ATTRIB_RW      BIT(1) /* code: readable; data: writable */
#define ATTRIB_A       BIT(0)
#define ATTRIB_B       BIT(10)
#define ATTRIB_G       BIT(11)
#define ATTRIB_TYPE    BITS(4, 0) /* with S */
#define TYPE_LDT       2u
#define TYPE_TSS16     1u /* available */
#define TYPE_TSS32     9u
#define TYPE_BUSY      BIT(1)
#define TYPE_WIDE      BIT(3)
#define ATTRIB_CODE_32 (ATTRIB_B | ATTRIB_P | ATTRIB_S | ATTRIB_CODE | ATTRIB_RW | ATTRIB_A)
#define ATTRIB_V86     (ATTRIB_P | ATTRIB_DPL | ATTRIB_S | ATTRIB_RW | ATTRIB_A)
#define DESC_ATTRIB    5u /* offset of the byte with type and P */
#define DESC_BYTES     8u
#define SEL_TI         BIT(2)
#define SEL_RPL        BITS(1, 0)

/* Both formats are the same words in the same order, at another place and of another width: instruction pointer, flags,
 * eight registers, segments from ES on, LDT. Source: 7.2.1 "Task-State Segment (TSS)", 7.6 "16-Bit Task-State Segment".
 */
struct format {
    uint8_t width, n_bytes, first, n_segs;
};
static const struct format tss16 = {2, 0x2c, 0x0e, 4}, tss32 = {4, 0x68, 0x20, 6};
#define TSS_MAX   0x68u
#define TSS_LINK  0x00u
#define TSS32_CR3 0x1cu
#define TSS32_T   0x64u
enum { WORD_EIP, WORD_EFLAGS, WORD_GPR, WORD_SEG = WORD_GPR + 8 };

struct descriptor {
    uint32_t at; /* linear */
    struct vmm_segment seg;
};

static const struct format *format_of(const struct vmm_segment *tss) {
    return tss->attrib & TYPE_WIDE ? &tss32 : &tss16;
}

static uint32_t word(const uint8_t *tss, const struct format *f, unsigned i) {
    uint32_t v = 0;
    memcpy(&v, tss + f->first + i * f->width, f->width);
    return v;
}

static bool fault(struct vmx_task *t, unsigned vector, uint32_t selector) {
    t->fault = (struct vmx_task_fault){.vector = (uint8_t)vector, .error = (selector & 0xfffc) | (t->external ? 1 : 0)};
    return false;
}

static bool access(struct vmx_task *t, enum vmx_task_op op, uint64_t linear, void *data, uint32_t n_bytes) {
    struct vmx_task_access a = {
        .op = op, .linear = (uint32_t)linear, .data = data, .n_bytes = n_bytes, .cr3 = t->regs.cr3};
    return t->access(t->ctx, &a, &t->fault);
}

/* ---- descriptors ---- */

/* vector: for a selector that points nowhere. */
static bool read_descriptor(struct vmx_task *t, uint16_t selector, unsigned vector, struct descriptor *out) {
    const struct vmm_segment *table = &t->regs.seg[selector & SEL_TI ? VMM_LDTR : VMM_GDTR];
    bool usable = !(selector & SEL_TI) || (table->attrib & ATTRIB_P);
    uint32_t raw[2], offset = selector & ~7u;
    if (!(selector & ~SEL_RPL) || !usable || offset + DESC_BYTES - 1 > table->limit) return fault(t, vector, selector);
    *out = (struct descriptor){.at = (uint32_t)table->base + offset};
    if (!access(t, VMX_TASK_READ, out->at, raw, sizeof raw)) return false;
    uint32_t limit = (raw[0] & 0xffff) | (raw[1] & 0xf0000);
    out->seg.selector = selector;
    out->seg.base = raw[0] >> 16 | (raw[1] & 0xff) << 16 | (raw[1] & 0xff000000);
    out->seg.attrib = (uint16_t)((raw[1] >> 8 & 0xff) | (raw[1] >> 12 & 0xf00));
    out->seg.limit = out->seg.attrib & ATTRIB_G ? limit << 12 | 0xfff : limit;
    return true;
}

/* The exception that forbids this segment register this descriptor, or 0. Source: the table in 7.3. */
static unsigned refusal(enum vmm_segment_name name, const struct vmm_segment *s, unsigned cpl) {
    unsigned dpl = (unsigned)FIELD_GET(ATTRIB_DPL, s->attrib), rpl = s->selector & SEL_RPL;
    bool present = s->attrib & ATTRIB_P, rw = s->attrib & ATTRIB_RW;
    bool code = s->attrib & ATTRIB_CODE, conforming = code && (s->attrib & ATTRIB_CONFORM);
    if (name == VMM_LDTR) return (s->attrib & ATTRIB_TYPE) == TYPE_LDT && present ? 0 : VECTOR_TS;
    if (!(s->attrib & ATTRIB_S)) return VECTOR_TS;
    if (name == VMM_CS) {
        if (!code || (conforming ? dpl > rpl : dpl != rpl)) return VECTOR_TS;
    } else if (name == VMM_SS) {
        if (code || !rw || dpl != cpl || rpl != cpl) return VECTOR_TS;
        return present ? 0 : VECTOR_SS;
    } else if ((code && !rw) || (!conforming && (dpl < cpl || dpl < rpl))) {
        return VECTOR_TS;
    }
    return present ? 0 : VECTOR_NP;
}

static bool load_segment(struct vmx_task *t, enum vmm_segment_name name) {
    struct vmm_segment *s = &t->regs.seg[name];
    bool may_be_null = name != VMM_CS && name != VMM_SS;
    struct descriptor d;
    if (may_be_null && !(s->selector & ~SEL_RPL)) return true;
    if (name == VMM_LDTR && (s->selector & SEL_TI)) return fault(t, VECTOR_TS, s->selector);
    if (!read_descriptor(t, s->selector, VECTOR_TS, &d)) return false;
    unsigned vector = refusal(name, &d.seg, t->regs.seg[VMM_CS].selector & SEL_RPL);
    if (vector) return fault(t, vector, s->selector);
    if (name != VMM_LDTR && !(d.seg.attrib & ATTRIB_A)) {
        uint8_t accessed = ATTRIB_A;
        if (!access(t, VMX_TASK_OR, d.at + DESC_ATTRIB, &accessed, 1)) return false;
        d.seg.attrib |= ATTRIB_A;
    }
    *s = d.seg;
    return true;
}

/* In the new task, whose selectors are loaded already. */
static bool load_segments(struct vmx_task *t) {
    static const enum vmm_segment_name order[] = {VMM_CS, VMM_SS, VMM_ES, VMM_DS, VMM_FS, VMM_GS};
    if (!load_segment(t, VMM_LDTR)) return false;
    if (t->regs.eflags & EFLAGS_VM) return true;
    for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++)
        if (!load_segment(t, order[i])) return false;
    return true;
}

/* ---- the switch ---- */

/* Steps 1 to 4. */
static bool check_new(struct vmx_task *t, struct descriptor *out) {
    unsigned bad = t->source == VMX_TASK_IRET ? VECTOR_TS : VECTOR_GP;
    unsigned busy = t->source == VMX_TASK_IRET ? TYPE_BUSY : 0;
    if (t->selector & SEL_TI) return fault(t, bad, t->selector);
    if (!read_descriptor(t, t->selector, bad, out)) return false;
    unsigned type = out->seg.attrib & ATTRIB_TYPE;
    if (type != (TYPE_TSS16 | busy) && type != (TYPE_TSS32 | busy)) return fault(t, bad, t->selector);
    if (!(out->seg.attrib & ATTRIB_P)) return fault(t, VECTOR_NP, t->selector);
    if (out->seg.limit < format_of(&out->seg)->n_bytes - 1u) return fault(t, VECTOR_TS, t->selector);
    return true;
}

static bool nests(const struct vmx_task *t) { return t->source == VMX_TASK_CALL || t->source == VMX_TASK_GATE; }
static uint64_t old_busy_byte(const struct vmx_task *t) {
    return t->regs.seg[VMM_GDTR].base + (t->regs.seg[VMM_TR].selector & ~7u) + DESC_ATTRIB;
}
static uint32_t saved_bytes(const struct format *f) { return (WORD_SEG + f->n_segs) * (uint32_t)f->width; }

/* Step 5, so that nothing behind it can fail before the new task is there. */
static bool check_memory(struct vmx_task *t, const struct descriptor *new, uint8_t *tss) {
    const struct vmm_segment *old = &t->regs.seg[VMM_TR];
    const struct format *f = format_of(old), *n = format_of(&new->seg);
    if (old->limit < f->first + saved_bytes(f) - 1) return fault(t, VECTOR_TS, old->selector);
    if (!access(t, VMX_TASK_PROBE, old->base + f->first, NULL, saved_bytes(f))) return false;
    if (!access(t, VMX_TASK_READ, new->seg.base, tss, n->n_bytes)) return false;
    if (nests(t) && !access(t, VMX_TASK_PROBE, new->seg.base + TSS_LINK, NULL, 2)) return false;
    if (!nests(t) && !access(t, VMX_TASK_PROBE, old_busy_byte(t), NULL, 1)) return false;
    uint32_t cr3;
    memcpy(&cr3, tss + TSS32_CR3, sizeof cr3);
    bool pae = (t->regs.cr0 & CR0_PG) && (t->regs.cr4 & CR4_PAE) && n == &tss32;
    if (pae && !t->pdptes_good(t->ctx, cr3)) return fault(t, VECTOR_GP, 0);
    uint8_t busy = TYPE_BUSY;
    if (t->source == VMX_TASK_IRET) return true;
    if (!access(t, VMX_TASK_OR, new->at + DESC_ATTRIB, &busy, 1)) return false; /* step 10 */
    return !(busy & TYPE_BUSY) || fault(t, VECTOR_GP, t->selector);             /* another processor was faster */
}

/* Steps 6 to 8. */
static void save_old(struct vmx_task *t, const struct descriptor *new) {
    const struct vmx_task_regs *r = &t->regs;
    const struct format *f = format_of(&r->seg[VMM_TR]);
    uint32_t eflags = r->eflags;
    uint8_t buf[TSS_MAX], not_busy = (uint8_t)~TYPE_BUSY;
    if (!nests(t)) (void)access(t, VMX_TASK_AND, old_busy_byte(t), &not_busy, 1);
    if (t->source == VMX_TASK_IRET) eflags &= ~(uint32_t)EFLAGS_NT;
    if (t->n_insn_bytes) eflags &= ~(uint32_t)EFLAGS_RF;
    uint32_t words[WORD_SEG + 6] = {[WORD_EIP] = r->eip + t->n_insn_bytes, [WORD_EFLAGS] = eflags};
    memcpy(&words[WORD_GPR], r->gpr, sizeof r->gpr);
    for (unsigned i = 0; i < f->n_segs; i++) words[WORD_SEG + i] = r->seg[i].selector;
    for (unsigned i = 0; i < saved_bytes(f) / f->width; i++) memcpy(buf + i * f->width, &words[i], f->width);
    (void)access(t, VMX_TASK_WRITE, r->seg[VMM_TR].base + f->first, buf, saved_bytes(f));
    uint16_t link = r->seg[VMM_TR].selector;
    if (nests(t)) (void)access(t, VMX_TASK_WRITE, new->seg.base + TSS_LINK, &link, sizeof link);
}

/* Steps 9, 11 and 12. Segments get their selectors only, but CPL and virtual-8086 mode hold from here on. */
static void load_new(struct vmx_task *t, const struct descriptor *new, const uint8_t *tss) {
    struct vmx_task_regs *r = &t->regs;
    const struct format *f = format_of(&new->seg);
    r->seg[VMM_TR] = new->seg;
    r->seg[VMM_TR].attrib |= TYPE_BUSY;
    r->cr0 |= (uint32_t)CR0_TS;
    r->dr7 &= ~(uint32_t)DR7_LOCAL;
    if (f == &tss32 && (r->cr0 & CR0_PG)) memcpy(&r->cr3, tss + TSS32_CR3, sizeof r->cr3);
    r->eip = word(tss, f, WORD_EIP);
    r->eflags = (uint32_t)((word(tss, f, WORD_EFLAGS) & EFLAGS_ALL) | EFLAGS_1 | (nests(t) ? EFLAGS_NT : 0));
    bool v86 = r->eflags & EFLAGS_VM;
    for (unsigned i = 0; i < 8; i++) r->gpr[i] = word(tss, f, WORD_GPR + i);
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) {
        uint16_t selector = i < f->n_segs ? (uint16_t)word(tss, f, WORD_SEG + i) : 0;
        r->seg[i] = (struct vmm_segment){.selector = selector};
        if (v86) r->seg[i].base = (uint64_t)selector << 4, r->seg[i].limit = 0xffff, r->seg[i].attrib = ATTRIB_V86;
    }
    r->seg[VMM_LDTR] = (struct vmm_segment){.selector = (uint16_t)word(tss, f, WORD_SEG + f->n_segs)};
    if (v86) return;
    uint16_t dpl = (uint16_t)FIELD_PUT(ATTRIB_DPL, r->seg[VMM_CS].selector & SEL_RPL);
    r->seg[VMM_CS].attrib = (uint16_t)ATTRIB_CODE_32 | dpl;
    r->seg[VMM_SS].attrib = dpl;
}

/* Of an event. Source: Volume 2A, "INT n/INTO/INT3/INT1", label TASK-GATE. */
static bool push_error(struct vmx_task *t) {
    const struct vmm_segment *ss = &t->regs.seg[VMM_SS];
    uint32_t mask = ss->attrib & ATTRIB_B ? UINT32_MAX : 0xffff, n = format_of(&t->regs.seg[VMM_TR])->width;
    uint32_t sp = (t->regs.gpr[VMM_RSP] - n) & mask, last = sp + n - 1;
    bool down = ss->attrib & ATTRIB_CONFORM;
    bool inside = last >= sp && last <= mask && (down ? sp > ss->limit : last <= ss->limit);
    if (!inside) return fault(t, VECTOR_SS, 0);
    struct vmx_task_access a = {.op = VMX_TASK_WRITE,
                                .linear = (uint32_t)ss->base + sp,
                                .data = &t->error,
                                .n_bytes = n,
                                .cr3 = t->regs.cr3,
                                .user = FIELD_GET(ATTRIB_DPL, ss->attrib) == 3};
    if (!t->access(t->ctx, &a, &t->fault)) return false;
    t->regs.gpr[VMM_RSP] = (t->regs.gpr[VMM_RSP] & ~mask) | sp;
    return true;
}

bool vmx_task_switch(struct vmx_task *t) {
    struct descriptor new;
    uint8_t tss[TSS_MAX] = {0};
    t->switched = t->debug_trap = false;
    if (!check_new(t, &new) || !check_memory(t, &new, tss)) return false;
    save_old(t, &new);
    load_new(t, &new, tss);
    t->switched = true;
    if (!load_segments(t)) return false;
    if (t->has_error && !push_error(t)) return false;
    if (t->regs.eip > t->regs.seg[VMM_CS].limit) return fault(t, VECTOR_GP, 0);
    t->debug_trap = format_of(&new.seg) == &tss32 && (tss[TSS32_T] & 1);
    return true;
}
