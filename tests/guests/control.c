/* Control registers, XCR0, cache instructions and memory-type registers: what of them the hypervisor keeps for itself
 * must not show, and what the guest may do must work as on the bare machine. Source: Intel SDM Volume 3A, 2.5 "Control
 * Registers", 2.6 "Extended Control Registers", 11.11 "Memory Type Range Registers (MTRRs)"; APM Volume 2, 3.1 "System
 * Control Registers". */
#include "gt.h"
#include <hw.h>
#include <msr_regs.h>
#include <string.h>
#include <vmx/vmx_regs.h>

#define CR0_MP      BIT(1)
#define CR0_TS      BIT(3)
#define CR0_AM      BIT(18)
#define CR4_TSD     BIT(2)
#define CR4_DE      BIT(3)
#define CR4_PGE     BIT(7)
#define CR4_PCE     BIT(8)
#define CR4_OSXSAVE BIT(18)
#define TO_CR0      "\x0f\x22\xc0" /* MOV CR0, RAX */
#define TO_CR4      "\x0f\x22\xe0"
#define XSETBV      "\x0f\x01\xd1"

static uint64_t with_rax(const char *code, uint64_t rax) {
    struct gt_state s = {.gpr = {[VMM_RAX] = rax}, .rflags = 2};
    return gt_run_bytes(&s, code, 3);
}

/* ---- CR0 ---- */

static void cr0_keeps(uint64_t was, uint64_t v, const char *name) {
    uint64_t vector = with_rax(TO_CR0, v), is = hw_read_cr0();
    struct gt_state s = {.rflags = 2};
    gt_run_bytes(&s, "\x0f\x01\xe0", 3); /* SMSW EAX */
    hw_write_cr0(was);
    gt_check(vector == GT_BP && is == v && (uint16_t)s.gpr[VMM_RAX] == (uint16_t)v, name, "exception %lu, %lx, %lx",
             vector, is, s.gpr[VMM_RAX]);
}

static void cr0_refuses(uint64_t was) {
    if (!gt_intel)
        return; /* not the hypervisor's to refuse; QEMU's AMD processor takes some of them: see impossible() */
    const uint64_t bad[] = {was & ~CR0_PE,
                            was & ~CR0_PG,
                            (was & ~CR0_CD) | CR0_NW,
                            was | BIT(32),
                            (was & ~CR0_NE) | BIT(63),
                            (was & ~(CR0_NE | CR0_PE))};
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        n += with_rax(TO_CR0, bad[i]) != GT_GP || hw_read_cr0() != was;
    gt_check(n == 0, "CR0 refuses what it must", "%u values", n);
}

static void cr0(void) {
    uint64_t was = hw_read_cr0();
    cr0_keeps(was, was & ~CR0_NE, "CR0.NE off");
    cr0_keeps(was, (was & ~CR0_NE) | CR0_TS | CR0_AM, "CR0.NE off, others on");
    cr0_keeps(was, was | CR0_CD, "CR0.CD on");
    cr0_keeps(was, was | CR0_CD | CR0_NW, "CR0.CD and NW on");
    hw_write_cr0(was & ~CR0_NE); /* CLTS and LMSW, with the register shadowed */
    struct gt_state s = {.gpr = {[VMM_RAX] = (was | CR0_TS) & 0xf}, .rflags = 2};
    gt_run_bytes(&s, "\x0f\x01\xf0", 3); /* LMSW AX */
    uint64_t set = hw_read_cr0();
    struct gt_state c = {.rflags = 2};
    gt_run_bytes(&c, "\x0f\x06", 2); /* CLTS */
    uint64_t clear = hw_read_cr0();
    hw_write_cr0(was);
    gt_check(s.vector == GT_BP && c.vector == GT_BP && set == ((was & ~CR0_NE) | CR0_TS) && clear == (was & ~CR0_NE),
             "LMSW and CLTS", "exceptions %lu %lu, %lx %lx", s.vector, c.vector, set, clear);
    gt_map(GT_FREE, gt_physical(gt_ram[0]), GT_P);
    struct gt_state w = {.gpr = {[VMM_RBX] = GT_PAGE(GT_FREE)}, .rflags = 2};
    uint64_t with = gt_run_bytes(&w, "\x88\x03", 2); /* MOV [RBX], AL */
    hw_write_cr0(was & ~CR0_WP);
    w.rflags = 2;
    uint64_t without = gt_run_bytes(&w, "\x88\x03", 2);
    hw_write_cr0(was);
    gt_check(with == GT_PF && without == GT_BP, "CR0.WP", "exceptions %lu %lu", with, without);
}

/* ---- CR4 ---- */

static void cr4_refuses(uint64_t was) {
    static const unsigned absent[] = {13, 14, 15, 26, 31, 33, 63}; /* VMXE, SMXE, and reserved ones */
    unsigned bad = 0;
    for (unsigned i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        if (with_rax(TO_CR4, was | BIT(absent[i])) == GT_GP && hw_read_cr4() == was) continue;
        gt_print("     bit %u can be set: %lx", absent[i], hw_read_cr4());
        hw_write_cr4(was);
        bad++;
    }
    gt_check(bad == 0, "CR4.VMXE, SMXE and reserved bits", "%u can be set", bad);
    gt_check(with_rax(TO_CR4, was & ~CR4_PAE) == GT_GP && hw_read_cr4() == was, "CR4.PAE stays in long mode", "%lx",
             hw_read_cr4());
}

static void cr4(void) {
    uint64_t was = hw_read_cr4();
    uint64_t v = was | CR4_TSD | CR4_DE | CR4_PGE | CR4_PCE;
    uint64_t vector = with_rax(TO_CR4, v), is = hw_read_cr4();
    struct gt_state s = {.rflags = 2, .user = 1};
    uint64_t rdtsc = gt_run_bytes(&s, "\x0f\x31", 2);
    hw_write_cr4(was);
    s = (struct gt_state){.rflags = 2, .user = 1};
    uint64_t allowed = gt_run_bytes(&s, "\x0f\x31", 2);
    gt_check(vector == GT_BP && is == v && rdtsc == GT_GP && allowed == GT_BP, "CR4.TSD and others",
             "exception %lu, %lx, RDTSC %lu %lu", vector, is, rdtsc, allowed);
}

/* ---- XCR0 ---- */

static uint64_t xsetbv(uint32_t index, uint64_t v, bool user) {
    struct gt_state s = {
        .gpr = {[VMM_RCX] = index, [VMM_RAX] = (uint32_t)v, [VMM_RDX] = v >> 32}, .rflags = 2, .user = user};
    return gt_run_bytes(&s, XSETBV, 3);
}

static void xcr0(void) {
    uint64_t was = hw_read_cr4();
    hw_write_cr4(was & ~CR4_OSXSAVE);
    uint64_t off = xsetbv(0, 1, false);
    hw_write_cr4(was | CR4_OSXSAVE);
    uint64_t before = hw_xgetbv();
    uint64_t good = xsetbv(0, 3, false), three = hw_xgetbv(), again = xsetbv(0, 7, false), seven = hw_xgetbv();
    gt_check(off == GT_UD && good == GT_BP && three == 3 && again == GT_BP && seven == 7, "XSETBV",
             "exceptions %lu %lu %lu, %lx %lx", off, good, again, three, seven);
    uint64_t zero = xsetbv(0, 0, false), hole = xsetbv(0, 5, false), high = xsetbv(0, BIT(62) | 7, false),
             other = xsetbv(1, 1, false), ring3 = xsetbv(0, 3, true);
    gt_check(zero == GT_GP && hole == GT_GP && high == GT_GP && other == GT_GP && ring3 == GT_GP && hw_xgetbv() == 7,
             "XSETBV refuses what it must", "exceptions %lu %lu %lu %lu %lu, %lx", zero, hole, high, other, ring3,
             hw_xgetbv());
    xsetbv(0, before, false);
    hw_write_cr4(was);
}

/* ---- caches, TLB, clock ---- */

static void caches(void) {
    struct gt_state s = {.rflags = 2};
    for (unsigned i = 0; i < VMM_PAGE_BYTES; i++) gt_ram[1][i] = (uint8_t)(i * 7);
    uint64_t invd = gt_run_bytes(&s, "\x0f\x08", 2), wbinvd;
    s = (struct gt_state){.rflags = 2};
    wbinvd = gt_run_bytes(&s, "\x0f\x09", 2);
    unsigned bad = 0;
    for (unsigned i = 0; i < VMM_PAGE_BYTES; i++) bad += gt_ram[1][i] != (uint8_t)(i * 7);
    gt_check(invd == GT_BP && wbinvd == GT_BP && bad == 0, "INVD and WBINVD lose nothing",
             "exceptions %lu %lu, %u bytes", invd, wbinvd, bad);
    struct gt_state u = {.rflags = 2, .user = 1}, v = {.rflags = 2, .user = 1};
    invd = gt_run_bytes(&u, "\x0f\x08", 2), wbinvd = gt_run_bytes(&v, "\x0f\x09", 2);
    gt_check(invd == GT_GP && wbinvd == GT_GP, "INVD and WBINVD in ring 3", "exceptions %lu %lu", invd, wbinvd);
}

/* Instructions that CPUID promises must not give #UD, and those it does not promise must. */
static void promised(void) {
    static const struct {
        const char *name, *code;
        unsigned n;
        uint32_t leaf, bit;
        enum { EBX, EDX } reg;
    } some[] = {{"RDTSCP", "\x0f\x01\xf9", 3, 0x80000001, 27, EDX}, {"INVPCID", "\x66\x0f\x38\x82\x03", 5, 7, 10, EBX}};
    static const uint64_t descriptor[2] __attribute__((aligned(16)));
    unsigned bad = 0;
    for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
        struct hw_cpuid r = hw_cpuid(some[i].leaf, 0);
        bool has = (some[i].reg == EBX ? r.ebx : r.edx) >> some[i].bit & 1;
        struct gt_state s = {.gpr = {[VMM_RAX] = 2, [VMM_RBX] = gt_physical(descriptor)}, .rflags = 2};
        uint64_t vector = gt_run_bytes(&s, some[i].code, some[i].n);
        if (vector == (has ? GT_BP : GT_UD)) continue;
        gt_print("     %s: promised %u, exception %lu", some[i].name, has, vector);
        bad++;
    }
    gt_check(bad == 0, "instructions that CPUID promises", "%u surprise", bad);
}

/* ---- memory types ---- */

static uint64_t wrmsr(uint32_t msr, uint64_t v) {
    struct gt_state s = {.gpr = {[VMM_RCX] = msr, [VMM_RAX] = (uint32_t)v, [VMM_RDX] = v >> 32}, .rflags = 2};
    return gt_run_bytes(&s, "\x0f\x30", 2);
}

/* What is trapped and what is hidden must be so whatever type the guest gives it. */
static bool walls_stand(void) {
    uint64_t region = gt_call(HOST_WHERE, 0, 0, 0), n = gt_call(HOST_LAST, 4, 0, 0);
    *(volatile uint32_t *)HOST_MMIO = 0x1234;
    *(volatile uint64_t *)region = 0;
    return gt_call(HOST_LAST, 4, 0, 0) == n + 1 && *(volatile uint64_t *)region == UINT64_MAX;
}

static void memory_types(void) {
    uint64_t region = gt_call(HOST_WHERE, 0, 0, 0), def = hw_rdmsr(MSR_MTRR_DEF_TYPE);
    unsigned last = (unsigned)FIELD_GET(MTRRCAP_VCNT, hw_rdmsr(MSR_MTRRCAP)) - 1;
    uint64_t base = hw_rdmsr(MSR_MTRR_PHYSBASE(last)), mask = hw_rdmsr(MSR_MTRR_PHYSMASK(last));
    uint64_t bus = (BIT(hw_cpuid(0x80000008, 0).eax & 0xff) - 1) & ~UINT64_C(0x1fffff);
    bool good = wrmsr(MSR_MTRR_PHYSBASE(last), (region & ~UINT64_C(0x1fffff)) | MEM_UC) == GT_BP &&
                wrmsr(MSR_MTRR_PHYSMASK(last), bus | PHYSMASK_V) == GT_BP && walls_stand();
    bool kept = hw_rdmsr(MSR_MTRR_PHYSMASK(last)) == (bus | PHYSMASK_V);
    uint64_t page = gt_physical(gt_ram[2]);
    good = good && wrmsr(MSR_MTRR_PHYSBASE(last), (page & ~UINT64_C(0x1fffff)) | MEM_WT) == GT_BP && walls_stand();
    gt_ram[2][5] = 0x77;
    good = good && *(volatile uint8_t *)&gt_ram[2][5] == 0x77;
    wrmsr(MSR_MTRR_PHYSMASK(last), mask);
    wrmsr(MSR_MTRR_PHYSBASE(last), base);
    gt_check(good && kept, "a variable range", "kept %u", kept);
    uint64_t fixed = hw_rdmsr(MSR_MTRR_FIX16K + 1); /* A0000 and on: the trapped pages */
    good = wrmsr(MSR_MTRR_FIX16K + 1, UINT64_C(0x0606060606060606)) == GT_BP && walls_stand() &&
           hw_rdmsr(MSR_MTRR_FIX16K + 1) == UINT64_C(0x0606060606060606);
    wrmsr(MSR_MTRR_FIX16K + 1, fixed);
    gt_check(good, "a fixed range", "%lx", hw_rdmsr(MSR_MTRR_FIX16K + 1));
    good = wrmsr(MSR_MTRR_DEF_TYPE, def & ~DEF_TYPE_E) == GT_BP && walls_stand() &&
           wrmsr(MSR_MTRR_DEF_TYPE, def) == GT_BP && walls_stand() && hw_rdmsr(MSR_MTRR_DEF_TYPE) == def;
    gt_check(good, "off and on again", "%lx", hw_rdmsr(MSR_MTRR_DEF_TYPE));
}

static void memory_types_refused(void) {
    uint64_t def = hw_rdmsr(MSR_MTRR_DEF_TYPE);
    uint64_t cap = wrmsr(MSR_MTRRCAP, 0), type = wrmsr(MSR_MTRR_DEF_TYPE, (def & ~UINT64_C(0xff)) | 2),
             fixed = wrmsr(MSR_MTRR_FIX64K, UINT64_C(0x0303030303030303)), range = wrmsr(MSR_MTRR_PHYSBASE(0), 7);
    gt_check(cap == GT_GP && type == GT_GP && fixed == GT_GP && range == GT_GP && hw_rdmsr(MSR_MTRR_DEF_TYPE) == def,
             "memory types that do not exist", "exceptions %lu %lu %lu %lu", cap, type, fixed, range);
}

/* A state that no processor enters a guest in. Where it can be made at all, it is the guest's end, not the
 * hypervisor's. */
static void impossible(void) {
    uint64_t was = hw_read_cr0();
    gt_print("PASS impossible"); /* so far */
    struct gt_state s = {.gpr = {[VMM_RAX] = was & ~CR0_PE, [VMM_RDX] = HOST_PORT}, .rflags = 2};
    uint64_t vector = gt_run_bytes(&s, TO_CR0 "\xec", 4); /* and an IN, which exits */
    gt_check(vector == GT_GP && hw_read_cr0() == was, "refused", "exception %lu, CR0 %lx", vector, hw_read_cr0());
}

void gt_main(void) {
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    if (gt_args[0]) {
        impossible();
        return;
    }
    cr0();
    cr4();
    if (gt_intel) { /* on AMD the processor's own affair, and QEMU's takes nearly any value: see impossible() */
        cr0_refuses(hw_read_cr0());
        cr4_refuses(hw_read_cr4());
        memory_types_refused();
    }
    xcr0();
    caches();
    promised();
    memory_types();
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
