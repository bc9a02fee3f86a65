/* see vmx_check.h: the checks in the manual's order, each true where the state is good */
#include "vmx_check.h"
#include "../msr_regs.h"
#include "vmcs.h"
#include "vmx_regs.h"

#define RFLAGS_IF BIT(9)
#define RFLAGS_TF BIT(8)
#define RFLAGS_VM BIT(17)

typedef struct vmx_check_state S;

static bool ia32e(const S *s) { return (s->entry_controls & ENTRY_IA32E) != 0; }
static bool v8086(const S *s) { return (s->rflags & RFLAGS_VM) != 0; }
static bool canonical(const S *s, uint64_t a) {
    unsigned unused = s->cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;
    return (uint64_t)((int64_t)(a << unused) >> unused) == a;
}
static bool fixed(uint64_t v, uint64_t fixed0, uint64_t fixed1) { return (v & fixed0) == fixed0 && !(v & ~fixed1); }

/* ---- 26.3.1.1 "Checks on Guest Control Registers, Debug Registers, and MSRs" ---- */

static bool cr0_fixed(const S *s, const struct vmx_caps *c) { /* PE and PG are free in an unrestricted guest */
    uint64_t free = CR0_PE | CR0_PG | CR0_NW | CR0_CD;
    return fixed(s->cr0 & ~(CR0_NW | CR0_CD), c->cr0_fixed0 & ~free, c->cr0_fixed1);
}
static bool cr0_paging(const S *s, const struct vmx_caps *c) {
    (void)c;
    return !(s->cr0 & CR0_PG) || (s->cr0 & CR0_PE);
}
static bool cr4_fixed(const S *s, const struct vmx_caps *c) { return fixed(s->cr4, c->cr4_fixed0, c->cr4_fixed1); }
static bool cr4_cet(const S *s, const struct vmx_caps *c) {
    (void)c;
    return !(s->cr4 & CR4_CET) || (s->cr0 & CR0_WP);
}
static bool ia32e_paging(const S *s, const struct vmx_caps *c) {
    (void)c;
    return !ia32e(s) || ((s->cr0 & CR0_PG) && (s->cr4 & CR4_PAE));
}
static bool pcide(const S *s, const struct vmx_caps *c) {
    (void)c;
    return ia32e(s) || !(s->cr4 & CR4_PCIDE);
}
static bool cr3_width(const S *s, const struct vmx_caps *c) {
    (void)c;
    return !(s->cr3 >> s->phys_bits);
}
static bool dr7_high(const S *s, const struct vmx_caps *c) {
    (void)c;
    return !(s->dr7 >> 32);
}
static bool sysenter(const S *s, const struct vmx_caps *c) {
    (void)c;
    return canonical(s, s->sysenter_esp) && canonical(s, s->sysenter_eip);
}
static bool pat(const S *s, const struct vmx_caps *c) {
    (void)c;
    for (unsigned i = 0; i < 64; i += 8) {
        unsigned type = s->pat >> i & 0xff;
        if (type > 7 || type == 2 || type == 3) return false;
    }
    return true;
}
static bool efer(const S *s, const struct vmx_caps *c) {
    (void)c;
    bool lma = (s->efer & EFER_LMA) != 0, lme = (s->efer & EFER_LME) != 0;
    return !(s->efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) && lma == ia32e(s) &&
           (!(s->cr0 & CR0_PG) || lma == lme);
}

/* ---- 26.3.1.2 "Checks on Guest Segment Registers" ---- */

static const struct vmx_check_segment *seg(const S *s, enum vmm_segment_name n) { return &s->seg[n]; }
static bool usable(const struct vmx_check_segment *g) { return !(g->rights & RIGHTS_UNUSABLE); }
static unsigned type(const struct vmx_check_segment *g) { return g->rights & 15; }
static unsigned dpl(const struct vmx_check_segment *g) { return g->rights >> 5 & 3; }

static bool selectors(const S *s,
                      const struct vmx_caps *c) { /* TI of TR and LDTR; RPL of SS only counts with restrictions */
    (void)c;
    return !(seg(s, VMM_TR)->selector & 4) && (!usable(seg(s, VMM_LDTR)) || !(seg(s, VMM_LDTR)->selector & 4));
}
static bool bases(const S *s, const struct vmx_caps *c) {
    (void)c;
    for (unsigned i = VMM_ES; i <= VMM_TR; i++) {
        const struct vmx_check_segment *g = &s->seg[i];
        bool long_base = i == VMM_FS || i == VMM_GS || i == VMM_LDTR || i == VMM_TR;
        if (v8086(s) && i <= VMM_GS && g->base != (uint64_t)g->selector << 4) return false;
        if (long_base && (i != VMM_LDTR || usable(g)) && !canonical(s, g->base)) return false;
        if (!long_base && (i == VMM_CS || usable(g)) && g->base >> 32) return false;
    }
    return true;
}
static bool granularity(const struct vmx_check_segment *g) {
    bool g_bit = (g->rights & BIT(15)) != 0;
    return ((g->limit & 0xfff) == 0xfff || !g_bit) && (!(g->limit >> 20) || g_bit);
}
static bool rights_common(const S *s,
                          const struct vmx_caps *c) { /* S, P, reserved bits, granularity; virtual-8086: F3 */
    (void)c;
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) {
        const struct vmx_check_segment *g = &s->seg[i];
        if (v8086(s) && (g->rights != 0xf3 || g->limit != 0xffff)) return false;
        if (i != VMM_CS && !usable(g)) continue;
        if (!(g->rights & BIT(4)) || !(g->rights & BIT(7)) || (g->rights & (BITS(11, 8) | BITS(31, 17)))) return false;
        if (!v8086(s) && !granularity(g)) return false;
    }
    return true;
}
static bool cs_rights(const S *s, const struct vmx_caps *c) {
    (void)c;
    const struct vmx_check_segment *g = seg(s, VMM_CS);
    unsigned t = type(g), ss_dpl = dpl(seg(s, VMM_SS));
    if (v8086(s)) return true;
    if (t != 3 && t != 9 && t != 11 && t != 13 && t != 15) return false;
    if (t == 3 ? dpl(g) != 0 : t <= 11 ? dpl(g) != ss_dpl : dpl(g) > ss_dpl) return false;
    return !ia32e(s) || !(g->rights & BIT(13)) || !(g->rights & BIT(14));
}
static bool ss_rights(const S *s, const struct vmx_caps *c) {
    (void)c;
    const struct vmx_check_segment *g = seg(s, VMM_SS);
    if (v8086(s)) return true;
    if (usable(g) && type(g) != 3 && type(g) != 7) return false;
    return ((s->cr0 & CR0_PE) && type(seg(s, VMM_CS)) != 3) || dpl(g) == 0;
}
static bool data_rights(const S *s, const struct vmx_caps *c) { /* accessed, and readable where code */
    (void)c;
    static const enum vmm_segment_name data[] = {VMM_DS, VMM_ES, VMM_FS, VMM_GS};
    for (unsigned i = 0; i < 4 && !v8086(s); i++) {
        const struct vmx_check_segment *g = seg(s, data[i]);
        if (usable(g) && (!(type(g) & 1) || ((type(g) & 8) && !(type(g) & 2)))) return false;
    }
    return true;
}
static bool system_rights(const struct vmx_check_segment *g) {
    return !(g->rights & BIT(4)) && (g->rights & BIT(7)) && !(g->rights & (BITS(11, 8) | BITS(31, 17))) &&
           granularity(g);
}
static bool tr_rights(const S *s, const struct vmx_caps *c) {
    (void)c;
    const struct vmx_check_segment *g = seg(s, VMM_TR);
    return usable(g) && (type(g) == 11 || (type(g) == 3 && !ia32e(s))) && system_rights(g);
}
static bool ldtr_rights(const S *s, const struct vmx_caps *c) {
    (void)c;
    const struct vmx_check_segment *g = seg(s, VMM_LDTR);
    return !usable(g) || (type(g) == 2 && system_rights(g));
}

/* ---- 26.3.1.3 "Checks on Guest Descriptor-Table Registers" ---- */

static bool tables(const S *s, const struct vmx_caps *c) {
    (void)c;
    const struct vmx_check_segment *gdtr = seg(s, VMM_GDTR), *idtr = seg(s, VMM_IDTR);
    return canonical(s, gdtr->base) && canonical(s, idtr->base) && !(gdtr->limit >> 16) && !(idtr->limit >> 16);
}

/* ---- 26.3.1.4 "Checks on Guest RIP, RFLAGS, and SSP" ---- */

static bool rip(const S *s, const struct vmx_caps *c) {
    (void)c;
    bool in_64 = ia32e(s) && (seg(s, VMM_CS)->rights & BIT(13));
    return in_64 ? canonical(s, s->rip) : !(s->rip >> 32);
}
static bool event_is(const S *s, unsigned t) {
    return (s->entry_event & EVENT_V) && FIELD_GET(EVENT_TYPE, s->entry_event) == t;
}
static bool rflags(const S *s, const struct vmx_caps *c) {
    (void)c;
    if ((s->rflags & (BITS(63, 22) | BIT(15) | BIT(5) | BIT(3))) || !(s->rflags & BIT(1))) return false;
    if (v8086(s) && (ia32e(s) || !(s->cr0 & CR0_PE))) return false;
    return !event_is(s, EVENT_TYPE_INTR) || (s->rflags & RFLAGS_IF);
}

/* ---- 26.3.1.5 "Checks on Guest Non-Register State" ---- */

static bool activity(const S *s, const struct vmx_caps *c) {
    (void)c;
    if (s->activity > ACTIVITY_WAIT_SIPI) return false;
    if (s->activity == ACTIVITY_HLT && dpl(seg(s, VMM_SS)) != 0) return false;
    if ((s->interruptibility & (BLOCKING_STI | BLOCKING_MOV_SS)) && s->activity != ACTIVITY_ACTIVE) return false;
    return s->activity != ACTIVITY_WAIT_SIPI || !(s->entry_event & EVENT_V);
}
static bool interruptibility(const S *s, const struct vmx_caps *c) {
    (void)c;
    uint32_t i = s->interruptibility;
    if (i & ~(uint32_t)BITS(4, 0)) return false;
    if ((i & BLOCKING_STI) && ((i & BLOCKING_MOV_SS) || !(s->rflags & RFLAGS_IF))) return false;
    if (event_is(s, EVENT_TYPE_INTR) && (i & (BLOCKING_STI | BLOCKING_MOV_SS))) return false;
    return !event_is(s, EVENT_TYPE_NMI) || !(i & (BLOCKING_STI | BLOCKING_MOV_SS | BLOCKING_NMI));
}
static bool pending_debug(const S *s, const struct vmx_caps *c) {
    (void)c;
    if (s->pending_debug & ~(BITS(3, 0) | BIT(12) | BIT(14) | BIT(16))) return false;
    if (!(s->interruptibility & (BLOCKING_STI | BLOCKING_MOV_SS)) && s->activity != ACTIVITY_HLT) return true;
    bool step = (s->rflags & RFLAGS_TF) && !(s->debugctl & BIT(1));
    return step == ((s->pending_debug & PENDING_DEBUG_BS) != 0);
}
static bool link(const S *s, const struct vmx_caps *c) {
    (void)c;
    return s->link == UINT64_MAX;
}

static const struct {
    bool (*good)(const S *s, const struct vmx_caps *caps);
    const char *failed;
} checks[] = {
    {cr0_fixed, "CR0 has bits this processor does not allow in VMX operation"},
    {cr0_paging, "CR0.PG without CR0.PE"},
    {cr4_fixed, "CR4 has bits this processor does not allow in VMX operation"},
    {cr4_cet, "CR4.CET without CR0.WP"},
    {ia32e_paging, "IA-32e mode without CR0.PG and CR4.PAE"},
    {pcide, "CR4.PCIDE outside IA-32e mode"},
    {cr3_width, "CR3 exceeds the address bus"},
    {dr7_high, "DR7 has high bits"},
    {sysenter, "SYSENTER_ESP or SYSENTER_EIP is not canonical"},
    {pat, "PAT has an unknown memory type"},
    {efer, "EFER does not match IA-32e mode and paging, or has reserved bits"},
    {selectors, "TR or LDTR selector refers to the LDT"},
    {bases, "a segment base is not canonical, or too wide, or not that of virtual-8086 mode"},
    {rights_common, "ES, CS, SS, DS, FS or GS: reserved bits, absent, or limit and granularity disagree"},
    {cs_rights, "CS type, privilege level or L and D"},
    {ss_rights, "SS type or privilege level"},
    {data_rights, "DS, ES, FS or GS type"},
    {tr_rights, "TR is not a busy task-state segment"},
    {ldtr_rights, "LDTR is not a local descriptor table"},
    {tables, "GDTR or IDTR base or limit"},
    {rip, "RIP is too wide or not canonical"},
    {rflags, "RFLAGS reserved bits, VM or IF"},
    {activity, "activity state"},
    {interruptibility, "interruptibility state"},
    {pending_debug, "pending debug exceptions"},
    {link, "VMCS link pointer"},
};

const char *vmx_check(const struct vmx_check_state *s, const struct vmx_caps *caps, unsigned *next) {
    while (*next < sizeof checks / sizeof checks[0]) {
        unsigned i = (*next)++;
        if (!checks[i].good(s, caps)) return checks[i].failed;
    }
    return NULL;
}
