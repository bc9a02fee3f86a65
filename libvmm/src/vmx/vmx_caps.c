/* see vmx_caps.h */
#include "vmx_caps.h"
#include "vmcs.h"
#include "vmx_regs.h"

enum word { PIN, PROC, PROC2, EXIT, ENTRY, N_WORDS };

/* Without these we do not start. */
static const struct {
    enum word word;
    uint32_t bits;
    const char *missing;
} demands[] = {
    {PROC, PROC_SECONDARY, "this processor's VT-x has no secondary controls"},
    {PROC2, PROC2_EPT, "this processor has VT-x but no nested paging (EPT)"},
    {PROC2, PROC2_UNRESTRICTED, "this processor's VT-x cannot run a guest without paging (no unrestricted guest)"},
    {PROC2, PROC2_VPID, "this processor's VT-x cannot tag its TLB (no VPID)"},
    {PIN, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS, "this processor's VT-x cannot intercept NMIs"},
    {PROC, PROC_NMI_WINDOW_EXITING, "this processor's VT-x cannot tell when an NMI may be delivered"},
    {PROC, PROC_IO_BITMAPS | PROC_MSR_BITMAPS, "this processor's VT-x has no I/O or MSR bitmaps"},
    {EXIT, EXIT_HOST_64, "this processor's VT-x has no 64-bit host"},
    {EXIT, EXIT_SAVE_DEBUG | EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER,
     "this processor's VT-x cannot keep EFER, PAT and the debug controls apart on exit"},
    {ENTRY, ENTRY_LOAD_DEBUG | ENTRY_LOAD_PAT | ENTRY_LOAD_EFER,
     "this processor's VT-x cannot keep EFER, PAT and the debug controls apart on entry"},
};

static const struct {
    uint64_t bits;
    const char *missing;
} ept_demands[] = {
    {EPT_VPID_WALK_4 | EPT_VPID_WB, "this processor's nested paging has no cached four-level tables"},
    {EPT_VPID_1G | EPT_VPID_2M, "this processor's nested paging has no large pages"},
    {EPT_VPID_INVEPT | EPT_VPID_INVEPT_ALL | EPT_VPID_INVVPID | EPT_VPID_INVVPID_1,
     "this processor's VT-x cannot flush nested translations"},
};

/* Controls without which an instruction gives #UD, and the CPUID bit that promises it: set where the processor has the
 * control, else the bit is hidden. Two controls of one feature are both needed. */
enum reg { EAX, EBX, ECX, EDX };
static const struct feature {
    enum word word;
    uint32_t control;
    uint32_t leaf, subleaf;
    enum reg reg;
    uint32_t cpuid_bit;
} features[] = {
    {PROC2, PROC2_RDTSCP, 0x80000001, 0, EDX, BIT(27)}, /* RDTSCP */
    {PROC2, PROC2_RDTSCP, 7, 0, ECX, BIT(22)},          /* RDPID */
    {PROC2, PROC2_INVPCID, 7, 0, EBX, BIT(10)},         {PROC2, PROC2_XSAVES, 0xd, 1, EAX, BIT(3)},
    {PROC2, PROC2_WAITPKG, 7, 0, ECX, BIT(5)},          {PROC2, PROC2_PCONFIG, 7, 0, EDX, BIT(18)},
    {EXIT, EXIT_LOAD_CET, 7, 0, ECX, BIT(7)},  /* shadow stacks */
    {EXIT, EXIT_LOAD_CET, 7, 0, EDX, BIT(20)}, /* indirect branch tracking */
};

/* Never for this guest. */
static const struct {
    uint32_t leaf, subleaf;
    enum reg reg;
    uint32_t cpuid_bits;
} hidden[] = {
    {1, 0, ECX, CPUID_1_ECX_VMX | CPUID_1_ECX_SMX},
    {7, 0, EBX, BIT(25)}, /* processor trace: its buffers are physical addresses of its own */
    {7, 1, EAX, BIT(17)}, /* FRED: events we inject would have to be told apart its way */
};

static uint64_t capability(const struct vmx_caps *c, enum word word) {
    const uint64_t by_word[N_WORDS] = {c->pin, c->proc, c->proc2, c->exit, c->entry};
    return by_word[word];
}

static bool may(const struct vmx_caps *c, enum word word, uint32_t bits) {
    return ((capability(c, word) >> 32) & bits) == bits;
}

static const char *missing(const struct vmx_caps *c) {
    if (!(c->basic & VMX_BASIC_TRUE)) return "this processor's VT-x is of the first generation";
    for (unsigned i = 0; i < sizeof demands / sizeof demands[0]; i++)
        if (!may(c, demands[i].word, demands[i].bits)) return demands[i].missing;
    for (unsigned i = 0; i < sizeof ept_demands / sizeof ept_demands[0]; i++)
        if ((c->ept_vpid & ept_demands[i].bits) != ept_demands[i].bits) return ept_demands[i].missing;
    if (c->proc & (PROC_CR3_LOAD_EXITING | PROC_CR3_STORE_EXITING))
        return "this processor's VT-x cannot leave CR3 to the guest";
    if (FIELD_GET(VMX_BASIC_MEM_TYPE, c->basic) != MEM_WB || FIELD_GET(VMX_BASIC_BYTES, c->basic) > VMM_PAGE_BYTES)
        return "this processor's VT-x wants control structures of an unknown kind";
    return NULL;
}

const char *vmx_controls_make(const struct vmx_caps *caps, struct vmx_controls *out) {
    const char *why = missing(caps);
    if (why) return why;
    uint32_t wanted[N_WORDS] = {0};
    for (unsigned i = 0; i < sizeof demands / sizeof demands[0]; i++) wanted[demands[i].word] |= demands[i].bits;
    wanted[PROC] &= ~(uint32_t)PROC_NMI_WINDOW_EXITING; /* only now and then */
    for (unsigned i = 0; i < sizeof features / sizeof features[0]; i++) wanted[features[i].word] |= features[i].control;
    bool cet = may(caps, EXIT, EXIT_LOAD_CET) && may(caps, ENTRY, ENTRY_LOAD_CET);
    if (cet)
        wanted[ENTRY] |= ENTRY_LOAD_CET;
    else
        wanted[EXIT] &= ~(uint32_t)EXIT_LOAD_CET;
    uint32_t made[N_WORDS];
    for (unsigned w = 0; w < N_WORDS; w++) {
        uint64_t c = capability(caps, (enum word)w);
        made[w] = (wanted[w] | (uint32_t)c) & (uint32_t)(c >> 32);
    }
    *out = (struct vmx_controls){made[PIN], made[PROC], made[PROC2], made[EXIT], made[ENTRY]};
    return NULL;
}

static bool has(const struct vmx_controls *c, const struct feature *f) {
    const uint32_t by_word[N_WORDS] = {c->pin, c->proc, c->proc2, c->exit, c->entry};
    return (by_word[f->word] & f->control) == f->control;
}

static void clear(struct vmm_cpuid *r, uint32_t leaf, uint32_t subleaf, enum reg reg, uint32_t bits) {
    bool has_subleaves = leaf == 7 || leaf == 0xd;
    uint32_t *const regs[] = {&r->eax, &r->ebx, &r->ecx, &r->edx};
    if (r->leaf == leaf && (!has_subleaves || r->subleaf == subleaf)) *regs[reg] &= ~bits;
}

void vmx_cpuid_hide(const struct vmx_controls *c, struct vmm_cpuid *r) {
    for (unsigned i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        clear(r, hidden[i].leaf, hidden[i].subleaf, hidden[i].reg, hidden[i].cpuid_bits);
    for (unsigned i = 0; i < sizeof features / sizeof features[0]; i++) {
        const struct feature *f = &features[i];
        if (!has(c, f)) clear(r, f->leaf, f->subleaf, f->reg, f->cpuid_bit);
    }
    if (r->leaf == 0x14) r->eax = r->ebx = r->ecx = r->edx = 0; /* "Intel Processor Trace Enumeration" */
}

uint64_t vmx_cr4_hidden(const struct vmx_controls *c) {
    return CR4_VMXE | CR4_SMXE | (c->exit & EXIT_LOAD_CET ? 0 : CR4_CET);
}
