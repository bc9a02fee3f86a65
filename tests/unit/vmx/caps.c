/* Controls from capability registers, and what CPUID may promise. Values typed from the manual a second time. */
#include "vmx/vmx_caps.h"
#include <criterion/criterion.h>
#include <string.h>
#include "vmx/vmcs.h"

/* A processor that offers every control and insists on none. */
static struct vmx_caps all(void) {
    const uint64_t may_all = UINT64_C(0xffffffff00000000);
    return (struct vmx_caps){.basic = UINT64_C(1) << 55 | UINT64_C(6) << 50 | UINT64_C(4096) << 32 | 0x12,
                             .cr0_fixed0 = 0x80000021,
                             .cr0_fixed1 = 0xffffffff,
                             .cr4_fixed0 = 0x2000,
                             .cr4_fixed1 = 0x3767ff,
                             .pin = may_all,
                             .proc = may_all,
                             .proc2 = may_all,
                             .exit = may_all,
                             .entry = may_all,
                             .ept_vpid = UINT64_MAX};
}

static const char *make(struct vmx_caps caps) {
    struct vmx_controls c;
    return vmx_controls_make(&caps, &c);
}

Test(vmx_caps, all_that_is_wanted) {
    struct vmx_caps caps = all();
    struct vmx_controls c;
    cr_assert_null(vmx_controls_make(&caps, &c));
    cr_assert_eq(c.pin, 1u << 3 | 1u << 5);
    cr_assert_eq(c.proc, 1u << 25 | 1u << 28 | 1u << 31, "no exit without need");
    cr_assert_eq(c.proc2, 1u << 1 | 1u << 3 | 1u << 5 | 1u << 7 | 1u << 12 | 1u << 20 | 1u << 26 | 1u << 27);
    cr_assert_eq(c.exit, 1u << 2 | 1u << 9 | 1u << 18 | 1u << 19 | 1u << 20 | 1u << 21 | 1u << 28);
    cr_assert_eq(c.entry, 1u << 2 | 1u << 14 | 1u << 15 | 1u << 20);
}

Test(vmx_caps, what_must_be_one_is) {
    struct vmx_caps caps = all();
    struct vmx_controls c;
    caps.pin |= 0x16;
    caps.proc |= 0x4006172;
    caps.exit |= 0x36dfb;
    caps.entry |= 0x11fb;
    cr_assert_null(vmx_controls_make(&caps, &c));
    cr_assert_eq(c.pin, 0x16 | 1u << 3 | 1u << 5);
    cr_assert_eq(c.proc & 0x4006172, 0x4006172);
    cr_assert_eq(c.exit & 0x36dfb, 0x36dfb);
    cr_assert_eq(c.entry & 0x11fb, 0x11fb);
}

Test(vmx_caps, each_missing_demand_has_words) {
    static const struct {
        uint64_t pin, proc, proc2, exit, entry, ept;
        const char *words;
    } rows[] = {
        {.proc = 1u << 31, .words = "secondary"},
        {.proc2 = 1u << 1, .words = "EPT"},
        {.proc2 = 1u << 7, .words = "unrestricted"},
        {.proc2 = 1u << 5, .words = "VPID"},
        {.pin = 1u << 3, .words = "NMI"},
        {.pin = 1u << 5, .words = "NMI"},
        {.proc = 1u << 22, .words = "NMI"},
        {.proc = 1u << 25, .words = "bitmaps"},
        {.proc = 1u << 28, .words = "bitmaps"},
        {.exit = 1u << 9, .words = "64-bit"},
        {.exit = 1u << 2, .words = "on exit"},
        {.exit = 1u << 18, .words = "on exit"},
        {.exit = 1u << 19, .words = "on exit"},
        {.exit = 1u << 20, .words = "on exit"},
        {.exit = 1u << 21, .words = "on exit"},
        {.entry = 1u << 2, .words = "on entry"},
        {.entry = 1u << 14, .words = "on entry"},
        {.entry = 1u << 15, .words = "on entry"},
        {.ept = 1u << 6, .words = "four-level"},
        {.ept = 1u << 14, .words = "four-level"},
        {.ept = 1u << 16, .words = "large"},
        {.ept = 1u << 17, .words = "large"},
        {.ept = 1u << 20, .words = "flush"},
        {.ept = 1u << 26, .words = "flush"},
        {.ept = UINT64_C(1) << 32, .words = "flush"},
        {.ept = UINT64_C(1) << 41, .words = "flush"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vmx_caps caps = all();
        caps.pin &= ~(rows[i].pin << 32);
        caps.proc &= ~(rows[i].proc << 32);
        caps.proc2 &= ~(rows[i].proc2 << 32);
        caps.exit &= ~(rows[i].exit << 32);
        caps.entry &= ~(rows[i].entry << 32);
        caps.ept_vpid &= ~rows[i].ept;
        const char *why = make(caps);
        cr_assert(why && strstr(why, rows[i].words), "row %u: %s", i, why ? why : "accepted");
    }
}

Test(vmx_caps, kinds_of_processors_we_cannot_use) {
    struct vmx_caps caps = all();
    caps.basic &= ~(UINT64_C(1) << 55);
    cr_assert(strstr(make(caps), "first generation"));
    caps = all();
    caps.proc |= 1u << 15;
    cr_assert(strstr(make(caps), "CR3"));
    caps = all();
    caps.proc |= 1u << 16;
    cr_assert(strstr(make(caps), "CR3"));
    caps = all();
    caps.basic &= ~(UINT64_C(15) << 50);
    cr_assert(strstr(make(caps), "unknown kind"));
}

Test(vmx_caps, cet_needs_both_sides) {
    for (unsigned missing = 0; missing < 4; missing++) {
        struct vmx_caps caps = all();
        struct vmx_controls c;
        if (missing & 1) caps.exit &= ~(UINT64_C(1) << (32 + 28));
        if (missing & 2) caps.entry &= ~(UINT64_C(1) << (32 + 20));
        cr_assert_null(vmx_controls_make(&caps, &c));
        cr_assert_eq((c.exit >> 28 & 1), missing == 0);
        cr_assert_eq((c.entry >> 20 & 1), missing == 0);
        cr_assert_eq(vmx_cr4_hidden(&c), 0x6000u | (missing ? 1u << 23 : 0));
    }
}

static struct vmm_cpuid ones(uint32_t leaf, uint32_t subleaf) {
    return (struct vmm_cpuid){leaf, subleaf, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
}

Test(vmx_caps, cpuid_promises_only_what_is_enabled) {
    static const struct {
        uint32_t proc2, leaf, subleaf, eax, ebx, ecx, edx;
    } rows[] = {/* what disappears when the control is off */
                {1u << 3, 0x80000001, 0, 0, 0, 0, 1u << 27}, {1u << 3, 7, 0, 0, 0, 1u << 22, 0},
                {1u << 12, 7, 0, 0, 1u << 10, 0, 0},         {1u << 20, 0xd, 1, 1u << 3, 0, 0, 0},
                {1u << 26, 7, 0, 0, 0, 1u << 5, 0},          {1u << 27, 7, 0, 0, 0, 0, 1u << 18}};
    struct vmx_caps caps = all();
    struct vmx_controls full;
    cr_assert_null(vmx_controls_make(&caps, &full));
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vmx_controls less = full;
        less.proc2 &= ~rows[i].proc2;
        struct vmm_cpuid with = ones(rows[i].leaf, rows[i].subleaf), without = with;
        vmx_cpuid_hide(&full, &with);
        vmx_cpuid_hide(&less, &without);
        cr_assert_eq(with.eax & ~without.eax, rows[i].eax, "row %u", i);
        cr_assert_eq(with.ebx & ~without.ebx, rows[i].ebx, "row %u", i);
        cr_assert_eq(with.ecx & ~without.ecx, rows[i].ecx, "row %u", i);
        cr_assert_eq(with.edx & ~without.edx, rows[i].edx, "row %u", i);
    }
}

Test(vmx_caps, always_hidden) {
    struct vmx_caps caps = all();
    struct vmx_controls c;
    cr_assert_null(vmx_controls_make(&caps, &c));
    struct vmm_cpuid r = ones(1, 77); /* leaf 1 has no subleaves */
    vmx_cpuid_hide(&c, &r);
    cr_assert_eq(r.ecx, ~(1u << 5 | 1u << 6));
    cr_assert_eq(r.eax & r.ebx & r.edx, UINT32_MAX);
    r = ones(7, 0);
    vmx_cpuid_hide(&c, &r);
    cr_assert_eq(r.ebx, ~(1u << 25));
    r = ones(7, 1);
    vmx_cpuid_hide(&c, &r);
    cr_assert_eq(r.eax, ~(1u << 17));
    cr_assert_eq(r.ebx & r.ecx & r.edx, UINT32_MAX);
    r = ones(0x14, 0);
    vmx_cpuid_hide(&c, &r);
    cr_assert_eq(r.eax | r.ebx | r.ecx | r.edx, 0);
    r = ones(4, 1);
    vmx_cpuid_hide(&c, &r);
    cr_assert_eq(r.eax & r.ebx & r.ecx & r.edx, UINT32_MAX, "other leaves are the machine's");
}
