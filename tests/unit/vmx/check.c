/* The guest-state checks: a good state of each mode passes, and each single fault is named. */
#include "vmx/vmx_check.h"
#include <criterion/criterion.h>
#include <string.h>

static const struct vmx_caps caps = {
    .cr0_fixed0 = 0x80000021, .cr0_fixed1 = 0xffffffff, .cr4_fixed0 = 0x2000, .cr4_fixed1 = 0xb727ff};

static struct vmx_check_state long_mode(void) {
    struct vmx_check_state s = {.cr0 = 0x80050033,
                                .cr3 = 0x1000,
                                .cr4 = 0x26a0,
                                .efer = 0xd01,
                                .pat = 0x0007040600070406,
                                .dr7 = 0x400,
                                .rip = 0xffffffff81000000,
                                .rflags = 0x202,
                                .link = UINT64_MAX,
                                .entry_controls = 0xc204,
                                .phys_bits = 39};
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) s.seg[i] = (struct vmx_check_segment){0x18, 0xc093, UINT32_MAX, 0};
    s.seg[VMM_CS] = (struct vmx_check_segment){0x10, 0xa09b, UINT32_MAX, 0};
    s.seg[VMM_LDTR] = (struct vmx_check_segment){0, 0x10000, 0, 0};
    s.seg[VMM_TR] = (struct vmx_check_segment){0x40, 0x8b, 0x67, 0xffff888000000000};
    s.seg[VMM_GDTR] = s.seg[VMM_IDTR] = (struct vmx_check_segment){0, 0, 0xfff, 0xfffffe0000000000};
    return s;
}

/* As after a start-up IPI with vector 9E. */
static struct vmx_check_state real_mode(void) {
    struct vmx_check_state s = {.cr0 = 0x60000030,
                                .cr4 = 0x2000,
                                .pat = 0x0007040600070406,
                                .dr7 = 0x400,
                                .rflags = 2,
                                .link = UINT64_MAX,
                                .entry_controls = 0xc004,
                                .phys_bits = 39};
    for (unsigned i = VMM_ES; i <= VMM_GS; i++) s.seg[i] = (struct vmx_check_segment){0, 0x93, 0xffff, 0};
    s.seg[VMM_CS] = (struct vmx_check_segment){0x9e00, 0x9b, 0xffff, 0x9e000};
    s.seg[VMM_LDTR] = (struct vmx_check_segment){0, 0x82, 0xffff, 0};
    s.seg[VMM_TR] = (struct vmx_check_segment){0, 0x8b, 0xffff, 0};
    s.seg[VMM_GDTR] = s.seg[VMM_IDTR] = (struct vmx_check_segment){0, 0, 0xffff, 0};
    return s;
}

static void good(const struct vmx_check_state *s) {
    unsigned next = 0;
    const char *failed = vmx_check(s, &caps, &next);
    cr_assert_null(failed, "%s", failed);
}

/* The first check that fails says this. */
static void bad(const struct vmx_check_state *s, const char *words) {
    unsigned next = 0;
    const char *failed = vmx_check(s, &caps, &next);
    cr_assert(failed && strstr(failed, words), "expected \"%s\": %s", words, failed ? failed : "accepted");
}

#define LONG(change, words)                                                                                            \
    do {                                                                                                               \
        struct vmx_check_state s = long_mode();                                                                        \
        change;                                                                                                        \
        bad(&s, words);                                                                                                \
    } while (0)
#define REAL(change, words)                                                                                            \
    do {                                                                                                               \
        struct vmx_check_state s = real_mode();                                                                        \
        change;                                                                                                        \
        bad(&s, words);                                                                                                \
    } while (0)

Test(vmx_check, good_states) {
    struct vmx_check_state s = long_mode();
    good(&s);
    s.activity = 1; /* HLT */
    good(&s);
    s.entry_event = 0x80000202;
    good(&s);
    s = long_mode();
    s.interruptibility = 1;
    good(&s);
    s.entry_event = 0x80000b0e; /* #PF does not mind STI's shadow */
    good(&s);
    s = real_mode();
    good(&s);
    s.activity = 3;
    good(&s);
    s.rflags = 0x20002; /* virtual-8086 mode */
    s.activity = 0;
    s.cr0 = 0x31;
    for (unsigned i = VMM_ES; i <= VMM_GS; i++)
        s.seg[i] = (struct vmx_check_segment){(uint16_t)(i << 8), 0xf3, 0xffff, i << 12};
    good(&s);
}

Test(vmx_check, control_registers) {
    LONG(s.cr0 &= ~0x20u, "CR0 has bits"); /* NE */
    LONG(s.cr0 |= UINT64_C(1) << 32, "CR0 has bits");
    LONG(s.cr0 &= ~1u, "CR0.PG without");
    LONG(s.cr4 &= ~0x2000u, "CR4 has bits"); /* VMXE */
    LONG(s.cr4 |= 1u << 24, "CR4 has bits");
    LONG((s.cr4 |= 1u << 23, s.cr0 &= ~(1u << 16)), "CR4.CET");
    LONG(s.cr4 &= ~0x20u, "IA-32e mode without");
    LONG(s.cr3 |= UINT64_C(1) << 39, "CR3");
    LONG(s.dr7 |= UINT64_C(1) << 32, "DR7");
    LONG(s.sysenter_eip = UINT64_C(1) << 47, "SYSENTER");
    LONG(s.pat = 2, "PAT");
    LONG(s.pat = UINT64_C(8) << 56, "PAT");
    LONG(s.efer |= 1u << 12, "EFER");
    LONG(s.efer &= ~(1u << 10), "EFER");
    LONG(s.efer &= ~(1u << 8), "EFER");
    REAL(s.cr4 |= 1u << 17, "PCIDE");
    REAL(s.efer = 0x500, "EFER");
}

Test(vmx_check, segments) {
    LONG(s.seg[VMM_TR].selector |= 4, "LDT");
    LONG((s.seg[VMM_LDTR].rights = 0x82, s.seg[VMM_LDTR].selector = 4), "LDT");
    LONG(s.seg[VMM_FS].base = UINT64_C(1) << 47, "base");
    LONG(s.seg[VMM_TR].base = UINT64_C(1) << 47, "base");
    LONG(s.seg[VMM_DS].base = UINT64_C(1) << 32, "base");
    LONG(s.seg[VMM_CS].base = UINT64_C(1) << 32, "base");
    LONG(s.seg[VMM_ES].rights &= ~0x80u, "absent");
    LONG(s.seg[VMM_ES].rights |= 0x100, "reserved");
    LONG(s.seg[VMM_ES].limit = 0xfffffffe, "granularity");
    LONG(s.seg[VMM_ES].rights &= ~0x8000u, "granularity");
}

Test(vmx_check, types) {
    LONG(s.seg[VMM_CS].rights = 0xa098, "CS type");
    LONG(s.seg[VMM_CS].rights |= 0x4000, "CS type"); /* L and D */
    LONG(s.seg[VMM_CS].rights |= 0x60, "CS type");   /* more than SS */
    REAL((s.seg[VMM_CS].rights = 0xf3), "CS type");
    LONG(s.seg[VMM_SS].rights = 0xc091, "SS");
    REAL((s.seg[VMM_SS].rights = 0xf3, s.seg[VMM_CS].rights = 0xfb), "SS");
    LONG(s.seg[VMM_GS].rights = 0xc092, "DS, ES, FS or GS");
    LONG(s.seg[VMM_DS].rights = 0xc099, "DS, ES, FS or GS");
    LONG(s.seg[VMM_TR].rights = 0x89, "TR");
    LONG(s.seg[VMM_TR].rights = 0x83, "TR");
    LONG(s.seg[VMM_TR].rights = 0x1008b, "TR");
    LONG(s.seg[VMM_LDTR].rights = 0x83, "LDTR");
    REAL(s.seg[VMM_TR].rights = 0x9b, "TR");
}

Test(vmx_check, virtual_8086) {
    REAL((s.rflags |= 0x20000, s.cr0 = 0x31, s.seg[VMM_DS].base = 0x10), "base");
    REAL((s.rflags |= 0x20000, s.cr0 = 0x31), "absent"); /* rights are F3 there */
    LONG(s.rflags |= 0x20000, "base");
}

Test(vmx_check, tables_rip_and_flags) {
    LONG(s.seg[VMM_GDTR].base = UINT64_C(1) << 50, "GDTR");
    LONG(s.seg[VMM_IDTR].limit = 0x10000, "GDTR or IDTR");
    LONG(s.rip = UINT64_C(1) << 47, "RIP");
    REAL(s.rip = UINT64_C(1) << 32, "RIP");
    LONG(s.rflags = 0x200, "RFLAGS");
    LONG(s.rflags |= 8, "RFLAGS");
    LONG((s.rflags = 2, s.entry_event = 0x80000030), "RFLAGS"); /* an interrupt with IF = 0 */
}

Test(vmx_check, non_register_state) {
    LONG(s.activity = 4, "activity");
    LONG((s.activity = 1, s.interruptibility = 1), "activity");
    REAL((s.activity = 3, s.entry_event = 0x80000202), "activity");
    LONG(s.interruptibility = 0x20, "interruptibility");
    LONG(s.interruptibility = 3, "interruptibility");
    LONG((s.rflags = 2, s.interruptibility = 1), "interruptibility");
    LONG((s.interruptibility = 2, s.entry_event = 0x80000030), "interruptibility");
    LONG((s.interruptibility = 8, s.entry_event = 0x80000202), "interruptibility");
    LONG((s.interruptibility = 2, s.entry_event = 0x80000202), "interruptibility");
    LONG(s.pending_debug = 0x10, "pending");
    LONG((s.interruptibility = 1, s.rflags = 0x302), "pending"); /* TF in a shadow: BS must be set */
    LONG((s.interruptibility = 1, s.pending_debug = 0x4000), "pending");
    LONG(s.link = 0, "link");
}

Test(vmx_check, all_faults_are_listed) {
    struct vmx_check_state s = long_mode();
    s.link = 0;
    s.dr7 = UINT64_MAX;
    s.rflags = 0;
    unsigned next = 0, n = 0;
    while (vmx_check(&s, &caps, &next)) n++;
    cr_assert_eq(n, 3);
}
