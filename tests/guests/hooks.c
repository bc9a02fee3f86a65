/* Every kind of hook: what the handler sees, what the guest gets for each verdict, and what a handler can do with the
 * guest's registers and memory. */
#include "gt.h"
#include <hw.h>
#include <string.h>

#define IN_AL  "\xec"
#define IN_AX  "\x66\xed"
#define IN_EAX "\xed"
#define OUT_AL "\xee"

static struct gt_state state(uint16_t port) {
    return (struct gt_state){.gpr = {[VMM_RDX] = port, [VMM_RAX] = UINT64_C(0x1122334455667788)}, .rflags = 2};
}

static bool seen(uint64_t addr, uint64_t value, uint64_t n_bytes, bool write) {
    return gt_call(HOST_LAST, 0, 0, 0) == addr && (!write || gt_call(HOST_LAST, 1, 0, 0) == value) &&
           gt_call(HOST_LAST, 2, 0, 0) == n_bytes && gt_call(HOST_LAST, 3, 0, 0) == write;
}

static void verdict(enum vmm_verdict v) { gt_call(HOST_VERDICT, (uint64_t)v, 0, 0); }

/* ---- ports ---- */

static void port_widths(void) {
    static const struct {
        const char *code;
        unsigned n, n_bytes;
        uint64_t mask;
    } ins[] = {{IN_AL, 1, 1, 0xff}, {IN_AX, 2, 2, 0xffff}, {IN_EAX, 1, 4, UINT64_MAX}};
    hw_out(HOST_PORT, 4, 0xa1b2c3d4);
    bool good = seen(HOST_PORT, 0xa1b2c3d4, 4, true);
    hw_out(HOST_PORT + 4, 2, 0x5678);
    good = good && seen(HOST_PORT + 4, 0x5678, 2, true);
    hw_out(HOST_PORT + 6, 1, 0x9a);
    gt_check(good && seen(HOST_PORT + 6, 0x9a, 1, true), "OUT", "the handler saw something else");
    unsigned bad = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct gt_state s = state(HOST_PORT);
        uint64_t vector = gt_run_bytes(&s, ins[i].code, ins[i].n);
        uint64_t want = (UINT64_C(0x1122334455667788) & ~ins[i].mask) | (0xa1b2c3d4 & ins[i].mask);
        bad += vector != GT_BP || s.gpr[VMM_RAX] != want || s.rip != GT_PAGE(GT_CODE) + ins[i].n + 1 ||
               !seen(HOST_PORT, 0, ins[i].n_bytes, false);
    }
    gt_check(bad == 0, "IN", "%u wrong", bad);
    struct gt_state s = state(0);
    uint64_t vector = gt_run_bytes(&s, "\xe5\xa0", 2); /* IN EAX, A0h: not ours */
    gt_check(vector == GT_BP && seen(HOST_PORT, 0, 4, false), "other ports are not seen", "exception %lu", vector);
    hw_in(HOST_PORT - 2, 4);
    good = seen(HOST_PORT - 2, 0, 4, false);
    hw_in(HOST_PORT + HOST_PORTS - 1, 2);
    gt_check(good && seen(HOST_PORT + HOST_PORTS - 1, 0, 2, false), "a wide access that touches a hooked port",
             "not seen");
}

static void port_strings(void) {
    memcpy(gt_ram[0], "abcdefgh", 8);
    struct gt_state s = state(HOST_PORT);
    s.gpr[VMM_RSI] = gt_physical(gt_ram[0]), s.gpr[VMM_RCX] = 7;
    uint64_t vector = gt_run_bytes(&s, "\xf3\x6e", 2); /* REP OUTSB */
    gt_check(vector == GT_BP && s.gpr[VMM_RCX] == 0 && s.gpr[VMM_RSI] == gt_physical(gt_ram[0]) + 7 &&
                 seen(HOST_PORT, 'g', 1, true),
             "REP OUTSB", "exception %lu, rcx %lx", vector, s.gpr[VMM_RCX]);
    hw_out(HOST_PORT, 4, 0x44434241);
    s = state(HOST_PORT);
    s.gpr[VMM_RDI] = gt_physical(gt_ram[1]) + 64, s.gpr[VMM_RCX] = 3, s.rflags |= BIT(10);
    memset(gt_ram[1], 0, 128);
    vector = gt_run_bytes(&s, "\xf3\x6d", 2); /* REP INSD, downwards */
    gt_check(vector == GT_BP && s.gpr[VMM_RCX] == 0 && !memcmp(gt_ram[1] + 56, "ABCDABCDABCD\0", 13) && !gt_ram[1][55],
             "REP INSD", "exception %lu, rcx %lx", vector, s.gpr[VMM_RCX]);
    s = state(HOST_PORT);
    s.gpr[VMM_RSI] = HOST_MMIO + 0x100, s.gpr[VMM_RCX] = 1;
    *(volatile uint32_t *)(HOST_MMIO + 0x100) = 0x51;
    vector = gt_run_bytes(&s, "\x6e", 1);
    gt_check(vector == GT_BP && seen(HOST_PORT, 0x51, 1, true), "OUTSB from trapped memory", "exception %lu", vector);
    s = state(HOST_PORT);
    s.gpr[VMM_RDI] = HOST_MMIO + 0x204;
    vector = gt_run_bytes(&s, "\x6d", 1);
    gt_check(vector == GT_BP && *(volatile uint32_t *)(HOST_MMIO + 0x204) == 0x44434251, "INSD to trapped memory",
             "exception %lu, %x", vector, *(volatile uint32_t *)(HOST_MMIO + 0x204));
    s = state(0x80);
    s.gpr[VMM_RDI] = HOST_MMIO + 0x208;
    vector = gt_run_bytes(&s, "\x6c", 1);
    gt_check(vector == GT_BP && s.gpr[VMM_RDI] == HOST_MMIO + 0x209, "INSB from a free port to trapped memory",
             "exception %lu", vector);
    gt_map(GT_FREE, 0, 0);
    s = state(HOST_PORT);
    s.gpr[VMM_RDI] = GT_PAGE(GT_FREE);
    uint64_t n = gt_call(HOST_LAST, 4, 0, 0);
    vector = gt_run_bytes(&s, "\x6d", 1);
    gt_check(vector == GT_PF && s.error == 2 && s.cr2 == GT_PAGE(GT_FREE) && gt_call(HOST_LAST, 4, 0, 0) == n,
             "INSD faults before it reads", "exception %lu, error %lx, %lu accesses", vector, s.error,
             gt_call(HOST_LAST, 4, 0, 0) - n);
}

static void port_verdicts(void) {
    verdict(VMM_SKIP);
    struct gt_state s = state(HOST_PORT);
    uint64_t vector = gt_run_bytes(&s, IN_AL, 1);
    hw_out(HOST_PORT + 7, 1, 0x11);
    gt_check(vector == GT_BP && (s.gpr[VMM_RAX] & 0xff) == 0xff, "port: SKIP", "exception %lu, %lx", vector,
             s.gpr[VMM_RAX]);
    verdict(VMM_PASS); /* nothing is there on the machine: ones */
    s = state(HOST_PORT + 7);
    vector = gt_run_bytes(&s, IN_AL, 1);
    gt_check(vector == GT_BP && (s.gpr[VMM_RAX] & 0xff) == 0xff, "port: PASS", "exception %lu, %lx", vector,
             s.gpr[VMM_RAX]);
    verdict(VMM_INJECT);
    s = state(HOST_PORT);
    vector = gt_run_bytes(&s, IN_EAX, 1);
    bool good = vector == GT_GP && s.error == 0x1234 && s.rip == GT_PAGE(GT_CODE) &&
                s.gpr[VMM_RAX] == UINT64_C(0x1122334455667788);
    struct gt_state o = state(HOST_PORT);
    o.gpr[VMM_RSI] = gt_physical(gt_ram[0]), o.gpr[VMM_RCX] = 4;
    gt_run_bytes(&o, "\xf3\x6e", 2);
    gt_check(good && o.vector == GT_GP && o.gpr[VMM_RCX] == 4 && o.rip == GT_PAGE(GT_CODE), "port: INJECT",
             "exceptions %lu %lu, error %lx", vector, o.vector, s.error);
    verdict(VMM_HANDLED);
    s = state(HOST_PORT);
    s.user = 1; /* IOPL 0, and the TSS has no bitmap */
    vector = gt_run_bytes(&s, IN_AL, 1);
    gt_check(vector == GT_GP && s.error == 0, "port: ring 3", "exception %lu, error %lx", vector, s.error);
}

/* ---- MSRs ---- */

static uint64_t msr(uint32_t number, bool write, uint64_t *value) {
    struct gt_state s = {.gpr = {[VMM_RCX] = number, [VMM_RAX] = (uint32_t)*value, [VMM_RDX] = *value >> 32},
                         .rflags = 2};
    if (!write) s.gpr[VMM_RAX] = s.gpr[VMM_RDX] = UINT64_MAX;
    uint64_t vector = gt_run_bytes(&s, write ? "\x0f\x30" : "\x0f\x32", 2);
    bool upper = (s.gpr[VMM_RAX] | s.gpr[VMM_RDX]) >> 32;
    if (!write) *value = s.gpr[VMM_RDX] << 32 | (uint32_t)s.gpr[VMM_RAX];
    return !write && vector == GT_BP && upper ? 98 : vector; /* RDMSR clears the upper halves */
}

static void msrs(uint32_t number, const char *name) {
    uint64_t v = UINT64_C(0x123456789abcdef0), back = 0, one = 1;
    bool good =
        msr(number, true, &v) == GT_BP && seen(number, v, 8, true) && msr(number, false, &back) == GT_BP && back == v;
    verdict(VMM_SKIP);
    good = good && msr(number, true, &one) == GT_BP && msr(number, false, &back) == GT_BP && back == UINT64_MAX;
    verdict(VMM_INJECT);
    uint64_t r = msr(number, false, &back), w = msr(number, true, &one);
    verdict(VMM_PASS); /* QEMU has no such register: zero, and no fault */
    uint64_t p = msr(number, false, &back);
    verdict(VMM_HANDLED);
    good = good && r == GT_GP && w == GT_GP && (p == GT_GP || back == 0) && msr(number, false, &back) == GT_BP &&
           back == v;
    gt_check(good, name, "exceptions %lu %lu %lu, value %lx", r, w, p, back);
}

/* ---- CPUID ---- */

static void cpuid(void) {
    struct hw_cpuid r = hw_cpuid(HOST_LEAF + 1, 7);
    gt_check(r.eax == ~(HOST_LEAF + 1u) && r.ebx == 7 && r.ecx == 0 && r.edx == HOST_MAGIC, "CPUID: hooked",
             "%x %x %x %x", r.eax, r.ebx, r.ecx, r.edx);
    r = hw_cpuid(HOST_LEAF + HOST_LEAVES, 0);
    gt_check(r.edx != HOST_MAGIC, "CPUID: the next leaf", "%x", r.edx);
    struct gt_state s = {.gpr = {[VMM_RAX] = UINT64_MAX << 32 | HOST_LEAF,
                                 [VMM_RBX] = UINT64_MAX,
                                 [VMM_RCX] = UINT64_MAX,
                                 [VMM_RDX] = UINT64_MAX},
                         .rflags = 2,
                         .user = 1};
    uint64_t vector = gt_run_bytes(&s, "\x0f\xa2", 2);
    gt_check(vector == GT_BP && !((s.gpr[VMM_RAX] | s.gpr[VMM_RBX] | s.gpr[VMM_RCX] | s.gpr[VMM_RDX]) >> 32),
             "CPUID: ring 3, upper halves", "exception %lu, %lx", vector, s.gpr[VMM_RAX]);
    uint64_t cr4 = hw_read_cr4(); /* two bits mirror the guest's CR4, not the hypervisor's */
    hw_write_cr4(cr4 & ~BIT(18));
    uint32_t off = hw_cpuid(1, 0).ecx & (uint32_t)BIT(27);
    hw_write_cr4(cr4 | BIT(18));
    uint32_t on = hw_cpuid(1, 0).ecx & (uint32_t)BIT(27);
    hw_write_cr4(cr4);
    gt_check(!off && on, "CPUID: OSXSAVE follows CR4", "off %x, on %x", off, on);
    bool pku = hw_cpuid(7, 0).ecx & BIT(3);
    hw_write_cr4(cr4 | (pku ? BIT(22) : 0));
    bool ospke = hw_cpuid(7, 0).ecx & BIT(4);
    hw_write_cr4(cr4);
    gt_check(ospke == pku, "CPUID: OSPKE follows CR4", "%u", ospke);
}

/* ---- hypercalls ---- */

static uint64_t call_from(uint64_t number, bool user, uint64_t *rax) {
    struct gt_state s = {.gpr = {[VMM_RAX] = number}, .rflags = 2, .user = user};
    uint64_t vector = gt_run_call(&s);
    *rax = s.gpr[VMM_RAX];
    return vector;
}

static void hypercalls(void) {
    uint64_t a = 0;
    uint64_t kernel = call_from(HOST_CALL, true, &a);
    gt_check(kernel == GT_UD && a == HOST_CALL, "hypercall: the kernel's from ring 3", "exception %lu", kernel);
    uint64_t any = call_from(HOST_USER, true, &a);
    gt_check(any == GT_BP && a == HOST_MAGIC + 3, "hypercall: anyone's from ring 3", "exception %lu, %lx", any, a);
    any = call_from(HOST_USER, false, &a);
    gt_check(any == GT_BP && a == HOST_MAGIC, "hypercall: anyone's from ring 0", "exception %lu, %lx", any, a);
    uint64_t none = call_from(HOST_NONE, false, &a), wide = call_from(HOST_CALL + BIT(32), false, &a),
             pass = call_from(HOST_CALL + HOST_PASSED, false, &a);
    gt_check(none == GT_UD && wide == GT_UD && pass == GT_UD, "hypercall: nobody's, and PASS", "exceptions %lu %lu %lu",
             none, wide, pass);
    struct gt_state s = {.gpr = {[VMM_RAX] = HOST_CALL + HOST_INJECT, [VMM_RBX] = 14, [VMM_RCX] = 6}, .rflags = 2};
    uint64_t vector = gt_run_call(&s);
    gt_check(vector == GT_PF && s.error == 6 && s.rip == GT_PAGE(GT_CODE), "hypercall: INJECT",
             "exception %lu, error %lx", vector, s.error);
}

/* ---- what handlers can ask ---- */

static uint64_t reg(enum vmm_reg r) { return gt_call(HOST_REG, (uint64_t)r, 0, 0); }

static void registers(void) {
    uint16_t cs, ss, tr;
    struct hw_table gdt, idt;
    __asm__ volatile("mov %%cs, %0; mov %%ss, %1; str %2" : "=r"(cs), "=r"(ss), "=r"(tr));
    hw_sgdt(&gdt);
    hw_sidt(&idt);
    bool good = reg(VMM_CR0) == hw_read_cr0() && reg(VMM_CR3) == hw_read_cr3() && reg(VMM_CR4) == hw_read_cr4() &&
                reg(VMM_EFER) == hw_rdmsr(0xc0000080) && reg(VMM_DR7) == hw_read_dr7() && reg(VMM_RBX) == VMM_RBX;
    gt_check(good, "registers", "one of them differs");
    good = (gt_call(HOST_SEGMENT, VMM_CS, 2, 0) & 0xffff) == cs &&
           (gt_call(HOST_SEGMENT, VMM_CS, 2, 0) >> 16 & VMM_SEG_L) &&
           (gt_call(HOST_SEGMENT, VMM_SS, 2, 0) & 0xffff) == ss &&
           (gt_call(HOST_SEGMENT, VMM_TR, 2, 0) & 0xffff) == tr && gt_call(HOST_SEGMENT, VMM_GDTR, 0, 0) == gdt.base &&
           gt_call(HOST_SEGMENT, VMM_GDTR, 1, 0) == gdt.limit && gt_call(HOST_SEGMENT, VMM_IDTR, 0, 0) == idt.base &&
           gt_call(HOST_SEGMENT, VMM_IDTR, 1, 0) == idt.limit &&
           gt_call(HOST_SEGMENT, VMM_FS, 0, 0) == hw_rdmsr(0xc0000100);
    gt_check(good, "segments", "one of them differs");
    gt_call(HOST_REG, VMM_CR2, 1, 0xabc000);
    gt_check(hw_read_cr2() == 0xabc000, "a register set", "cr2 is %lx", hw_read_cr2());
    struct gt_state s = {
        .gpr = {[VMM_RAX] = HOST_CALL + HOST_REG, [VMM_RBX] = VMM_R13, [VMM_RCX] = 1, [VMM_RDX] = 4711}, .rflags = 2};
    gt_run_call(&s);
    gt_check(s.vector == GT_BP && s.gpr[VMM_R13] == 4711, "a general register set", "%lx", s.gpr[VMM_R13]);
}

static void memory(void) {
    gt_map(GT_FREE, gt_physical(gt_ram[3]), GT_P | GT_W);
    gt_map(GT_FREE + 1, 0, 0);
    gt_check(gt_call(HOST_TRANSLATE, GT_PAGE(GT_FREE) + 0x123, 0, 0) == gt_physical(gt_ram[3]) + 0x123 &&
                 gt_call(HOST_TRANSLATE, GT_PAGE(GT_FREE + 1), 0, 0) == UINT64_MAX &&
                 gt_call(HOST_TRANSLATE, gt_physical(gt_ram[3]), 0, 0) == gt_physical(gt_ram[3]),
             "translation", "wrong");
    memcpy(gt_ram[3], "12345678", 8);
    struct gt_state s = {.gpr = {[VMM_RAX] = HOST_CALL + HOST_GMEM, [VMM_RBX] = gt_physical(gt_ram[3])}, .rflags = 2};
    gt_run_call(&s);
    bool good = s.gpr[VMM_RAX] == 0 && !memcmp(&s.gpr[VMM_RCX], "12345678", 8);
    gt_call(HOST_GMEM, gt_physical(gt_ram[3]), UINT64_C(0x6867666564636261), 1);
    good = good && !memcmp(gt_ram[3], "abcdefgh", 8);
    uint64_t region = gt_call(HOST_WHERE, 0, 0, 0), low = gt_call(HOST_WHERE, 2, 0, 0);
    const uint64_t refused[] = {region, region - 4, low, low + 4092, HOST_MMIO, 0xfee00000, UINT64_MAX - 3, BIT(45)};
    for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++)
        good = good && (int64_t)gt_call(HOST_GMEM, refused[i], 0, 0) == VMM_E_RANGE &&
               (int64_t)gt_call(HOST_GMEM, refused[i], 0, 1) == VMM_E_RANGE;
    gt_check(good, "guest memory", "wrong");
}

void gt_main(void) {
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    port_widths();
    port_strings();
    port_verdicts();
    msrs(HOST_MSR, "MSR in the permission map");
    msrs(HOST_MSR_OUTSIDE, "MSR outside of it");
    cpuid();
    hypercalls();
    registers();
    memory();
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
