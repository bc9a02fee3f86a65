/* Model-specific registers: those the hypervisor owns answer as on a machine without virtualisation, all others as the
 * machine's own. With the argument "scan" the guest only lists what every register answers; the runner compares the
 * lists of two runs, below and native. Source: APM Volume 2, 15.30 "SVM Related MSRs"; Intel SDM Volume 3C, 23.7
 * "Enabling and Entering VMX Operation"; Volume 3D, appendix A "VMX Capability Reporting Facility". */
#include "gt.h"
#include <hw.h>
#include <msr_regs.h>
#include <vmx/vmx_regs.h>

#define RDMSR "\x0f\x32"
#define WRMSR "\x0f\x30"

/* The exception, or GT_BP if there was none. */
static uint64_t read(uint32_t msr, uint64_t *value, bool user) {
    struct gt_state s = {.gpr = {[VMM_RCX] = msr}, .rflags = 2, .user = user};
    uint64_t vector = gt_run_bytes(&s, RDMSR, 2);
    *value = s.gpr[VMM_RDX] << 32 | s.gpr[VMM_RAX];
    return vector;
}

static uint64_t write(uint32_t msr, uint64_t value, bool user) {
    struct gt_state s = {
        .gpr = {[VMM_RCX] = msr, [VMM_RAX] = (uint32_t)value, [VMM_RDX] = value >> 32}, .rflags = 2, .user = user};
    uint64_t vector = gt_run_bytes(&s, WRMSR, 2);
    return vector == GT_GP && s.rip != GT_PAGE(GT_CODE) ? 99 : vector; /* a fault, so RIP stays */
}

static void efer(void) {
    uint64_t v = 0, after = 0;
    bool good =
        read(MSR_EFER, &v, false) == GT_BP && !(v & EFER_SVME) && (v & (EFER_LMA | EFER_LME)) == (EFER_LMA | EFER_LME);
    gt_check(good, "EFER reads without SVME", "%lx", v);
    uint64_t vector = write(MSR_EFER, v | EFER_SVME, false);
    read(MSR_EFER, &after, false);
    gt_check(vector == GT_GP && after == v, "EFER.SVME cannot be set", "exception %lu, then %lx", vector, after);
    unsigned bad = 0;
    for (unsigned bit = 0; bit < 64;
         bit++) { /* reserved ones, by what APM 3.1.7 leaves to processors without the features */
        uint64_t b = BIT(bit), known = BITS(21, 0) & ~BITS(7, 1) & ~BIT(9) & ~BIT(16) & ~BIT(19);
        if (known & b) continue;
        if (write(MSR_EFER, v | b, false) != GT_GP) bad++;
    }
    gt_check(bad == 0, "EFER reserved bits", "%u can be set", bad);
    gt_check(write(MSR_EFER, v & ~EFER_LME, false) == GT_GP, "EFER.LME while paging", "no fault");
    uint64_t off = write(MSR_EFER, v & ~EFER_SCE, false);
    read(MSR_EFER, &after, false);
    struct gt_state s = {.rflags = 2};
    uint64_t call = gt_run_bytes(&s, "\x0f\x05", 2); /* SYSCALL */
    uint64_t on = write(MSR_EFER, v, false);
    gt_check(off == GT_BP && on == GT_BP && after == (v & ~EFER_SCE) && call == GT_UD, "EFER.SCE works",
             "exceptions %lu %lu, %lx, SYSCALL gave %lu", off, on, after, call);
}

static void nx(void) {
    uint64_t v = 0;
    read(MSR_EFER, &v, false);
    gt_map(GT_FREE, gt_physical(gt_ram[0]), GT_P | GT_W | BIT(63));
    gt_ram[0][0] = 0xcc;
    struct gt_state s = {.rip = GT_PAGE(GT_FREE), .rflags = 2};
    gt_run(&s);
    uint64_t with = s.vector, error = s.error;
    write(MSR_EFER, v & ~EFER_NXE, false);
    __asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
    volatile uint8_t *at = (volatile uint8_t *)GT_PAGE(GT_FREE);
    s = (struct gt_state){.rip = 0, .rflags = 2, .gpr = {[VMM_RBX] = (uint64_t)(uintptr_t)at}};
    gt_run_bytes(&s, "\x8a\x03", 2); /* bit 63 is reserved now: MOV AL, [RBX] */
    uint64_t without = s.vector, error2 = s.error;
    write(MSR_EFER, v, false);
    gt_check(with == GT_PF && error == 0x11 && without == GT_PF && (error2 & 8), "EFER.NXE works", "%lu %lx, %lu %lx",
             with, error, without, error2);
}

static void owned(void) {
    uint64_t v = 0;
    uint64_t vector = read(MSR_VM_CR, &v, false);
    gt_check(vector == GT_BP && (v & (VM_CR_SVMDIS | VM_CR_LOCK)) == (VM_CR_SVMDIS | VM_CR_LOCK),
             "VM_CR off and locked", "exception %lu, %lx", vector, v);
    vector = write(MSR_VM_CR, 0, false);
    read(MSR_VM_CR, &v, false);
    gt_check((vector == GT_BP || vector == GT_GP) && (v & VM_CR_SVMDIS), "VM_CR stays", "exception %lu, %lx", vector,
             v);
    static const uint32_t zero[] = {MSR_VM_HSAVE_PA, MSR_SVM_KEY};
    unsigned bad = 0;
    for (unsigned i = 0; i < 2; i++) {
        bad += write(zero[i], 0x12345000, false) != GT_BP;
        bad += read(zero[i], &v, false) != GT_BP || v != 0;
    }
    gt_check(bad == 0, "VM_HSAVE_PA and SVM_KEY are empty", "%u wrong answers", bad);
}

/* Writes to registers that would move memory or code beneath the hypervisor have no effect. */
static void fixed(void) {
    static const struct {
        uint32_t first, last;
    } some[] = {{MSR_SYSCFG, MSR_SYSCFG},     {MSR_IORR_BASE0, MSR_IORR_MASK1},       {MSR_TOP_MEM, MSR_TOP_MEM},
                {MSR_TOP_MEM2, MSR_TOP_MEM2}, {MSR_MMIO_CFG_BASE, MSR_MMIO_CFG_BASE}, {MSR_SMBASE, MSR_SMM_MASK},
                {MSR_SMM_CTL, MSR_SMM_CTL}};
    unsigned bad = 0;
    for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++)
        for (uint32_t msr = some[i].first; msr <= some[i].last; msr++) {
            uint64_t before = 0, after = 0;
            uint64_t was = read(msr, &before, false);
            uint64_t vector = write(msr, before ^ UINT64_C(0x123456789abcdef0), false);
            uint64_t is = read(msr, &after, false);
            if (vector == GT_BP && was == is && after == before) continue;
            gt_print("     %x: exception %lu, %lx became %lx", msr, vector, before, after);
            bad++;
        }
    gt_check(bad == 0, "writes to fixed registers vanish", "%u did not", bad);
}

static void microcode(void) {
    uint32_t msr = gt_intel ? MSR_BIOS_UPDT_TRIG : MSR_PATCH_LOADER;
    gt_check(write(msr, gt_physical(gt_ram[0]), false) == GT_BP, "microcode is not loaded", "fault");
}

/* Intel's way to be without virtualisation: CPUID is silent, the firmware's lock is on, the registers do not exist. */
static void features(void) {
    uint64_t v = 0, after = 0;
    uint32_t ecx = hw_cpuid(1, 0).ecx;
    gt_check(!(ecx & (CPUID_1_ECX_VMX | CPUID_1_ECX_SMX)), "CPUID shows no VMX and no SMX", "%x", ecx);
    uint64_t vector = read(MSR_FEATURE_CONTROL, &v, false);
    const uint64_t all = FEATURE_LOCK | FEATURE_VMX | FEATURE_VMX_IN_SMX | FEATURE_SENTER;
    gt_check(vector == GT_BP && (v & all) == FEATURE_LOCK, "FEATURE_CONTROL off and locked", "exception %lu, %lx",
             vector, v);
    uint64_t same = write(MSR_FEATURE_CONTROL, v, false), on = write(MSR_FEATURE_CONTROL, v | FEATURE_VMX, false);
    read(MSR_FEATURE_CONTROL, &after, false);
    gt_check(same == GT_GP && on == GT_GP && after == v, "FEATURE_CONTROL stays", "exceptions %lu %lu, %lx", same, on,
             after);
    unsigned bad = 0;
    for (uint32_t msr = MSR_VMX_BASIC; msr <= MSR_VMX_LAST; msr++)
        bad += read(msr, &v, false) != GT_GP || write(msr, 0, false) != GT_GP;
    gt_check(bad == 0, "VMX capability registers do not exist", "%u answered", bad);
    bad = 0;
    for (uint32_t msr = MSR_RTIT_FIRST; msr <= MSR_RTIT_LAST; msr++) bad += read(msr, &v, false) != GT_GP;
    bad += read(MSR_SMM_MONITOR_CTL, &v, false) != GT_GP;
    gt_check(bad == 0, "nor do those of processor trace and SMM", "%u answered", bad);
}

static void apic_base(void) {
    uint64_t v = 0, after = 0;
    read(MSR_APIC_BASE, &v, false);
    uint64_t same = write(MSR_APIC_BASE, v, false);
    uint64_t vector = write(MSR_APIC_BASE, v + 0x100000, false);
    read(MSR_APIC_BASE, &after, false);
    gt_check(same == GT_BP && vector == GT_GP && after == v, "APIC_BASE stays", "exceptions %lu %lu, %lx", same, vector,
             after);
}

static void ring3(void) {
    uint64_t v, r = read(MSR_EFER, &v, true), w = write(MSR_EFER, 0, true), h = read(HOST_MSR, &v, true);
    gt_check(r == GT_GP && w == GT_GP && h == GT_GP, "ring 3 reaches no register", "exceptions %lu %lu %lu", r, w, h);
}

static void scan_range(uint32_t first, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint64_t v = 0;
        uint64_t r = read(first + i, &v, false);
        uint64_t w = r == GT_BP ? write(first + i, v, false) : 0;
        if (r != GT_BP || w != GT_BP || v) gt_print("MSR %08x read %lu write %lu value %lx", first + i, r, w, v);
    }
    gt_print("PASS %08x", first);
}

void gt_main(void) {
    if (gt_args[0] == 's') {
        scan_range(0, 0x2000);
        scan_range(0x40000000, 0x200);
        scan_range(0x80000000, 0x100);
        scan_range(0xc0000000, 0x2000);
        scan_range(0xc0010000, 0x1000);
        scan_range(0xffffff00, 0x100);
        return;
    }
    gt_check(gt_below(), "below", "no hypervisor");
    efer();
    nx();
    if (gt_intel) {
        features();
    } else {
        owned();
        fixed();
    }
    microcode();
    apic_base();
    ring3();
}
