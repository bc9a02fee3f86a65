/* Exceptions, interrupts and NMIs around instructions that exit: each must come as often, and where, as on the bare
 * machine. Where a port decides, one hooked and one free serve as the two cases. Source: APM Volume 2, 8.1.3
 * "Exceptions and Interrupts", 13.1.4 "Single Stepping", 15.20 "Event Injection", 15.21.5 "Interrupt Shadows". */
#include "gt.h"
#include <hw.h>
#include <string.h>

#define TF       BIT(8)
#define IF       BIT(9)
#define RF       BIT(16)
#define DR6_BS   BIT(14)
#define FREE     0x80u
#define VECTOR   0x30u
#define ICR_LOW  0x300u
#define ICR_HIGH 0x310u
#define SELF     0x40000u
#define SVR      0x0f0u
#define IOAPIC   UINT64_C(0xfec00000)

/* ---- single step ---- */

static const struct {
    const char *name;
    const char *code;
    unsigned n;
    unsigned after; /* where the first #DB finds RIP */
    uint64_t rax, rcx, rdx;
} steps[] = {{"nop", "\x90", 1, 1, 0, 0, 0},
             {"in", "\xec", 1, 1, 0, 0, HOST_PORT},
             {"out", "\x66\xef", 2, 2, 7, 0, HOST_PORT},
             {"rep outsb", "\xf3\x6e", 2, 0, 0, 3, HOST_PORT},
             {"rdmsr", "\x0f\x32", 2, 2, 0, HOST_MSR, 0},
             {"cpuid", "\x0f\xa2", 2, 2, HOST_LEAF, 0, 0},
             {"hypercall", NULL, 3, 3, HOST_CALL, 0, 0},
             {"mov", "\x48\x8b\x03", 3, 3, 0, 0, 0},
             {"rep movsb", "\xf3\xa4", 2, 0, 0, 3, 0},
             {"rep movsb, last", "\xf3\xa4", 2, 2, 0, 1, 0},
             {"mov ss, in", "\x8e\xd0\xec", 3, 3, 0x10, 0, HOST_PORT}};

static bool stepped(unsigned i, bool native) {
    struct gt_state s = {.gpr = {[VMM_RAX] = steps[i].rax,
                                 [VMM_RCX] = steps[i].rcx,
                                 [VMM_RDX] = native && steps[i].rdx ? FREE : steps[i].rdx,
                                 [VMM_RBX] = native ? gt_physical(gt_ram[0]) : HOST_MMIO,
                                 [VMM_RSI] = native ? gt_physical(gt_ram[0]) : HOST_MMIO,
                                 [VMM_RDI] = gt_physical(gt_ram[1])},
                         .rflags = 2 | TF};
    if (native && steps[i].rcx == HOST_MSR) s.gpr[VMM_RCX] = 0xc0000080;
    __asm__ volatile("mov %0, %%dr6" : : "r"(UINT64_C(0xffff0ff0)));
    uint64_t vector = gt_run_bytes(&s, steps[i].code ? steps[i].code : gt_vmcall(), steps[i].n), dr6 = hw_read_dr6();
    bool good = vector == GT_DB && s.rip == GT_PAGE(GT_CODE) + steps[i].after && (dr6 & DR6_BS) && (s.rflags & TF);
    if (steps[i].after == 0) good = good && s.gpr[VMM_RCX] == steps[i].rcx - 1;
    if (!good)
        gt_print("     %s, native %u: exception %lu, rip +%lx, dr6 %lx, rcx %lx, flags %lx", steps[i].name, native,
                 vector, s.rip - GT_PAGE(GT_CODE), dr6, s.gpr[VMM_RCX], s.rflags);
    return good;
}

static void single_step(void) {
    unsigned bad = 0, odd = 0;
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        bad += !stepped(i, false);
        bool exits_anyway = !strcmp(steps[i].name, "cpuid") || !steps[i].code;
        odd += !exits_anyway && !stepped(i, true);
    }
    gt_check(odd == 0, "single step, the processor alone", "%u instructions surprise", odd);
    gt_check(bad == 0, "single step over what exits", "%u instructions", bad);
    struct gt_state s = {.gpr = {[VMM_RDX] = HOST_PORT}, .rflags = 2 | RF};
    gt_run_bytes(&s, "\xec", 1);
    gt_check(s.vector == GT_BP && !(s.rflags & RF), "RF is clear after an instruction", "flags %lx", s.rflags);
}

/* ---- interrupts ---- */

static volatile uint64_t irq_rip;
static void note_rip(struct gt_frame *f) { irq_rip = f->rip; }

static void send_self(uint32_t mode_and_vector) {
    gt_apic_write(ICR_HIGH, 0);
    gt_apic_write(ICR_LOW, mode_and_vector);
}

/* STI; IN; NOP; CLI: what was pending is taken after the IN. */
static uint64_t shadow(uint16_t port) {
    struct gt_state s = {.gpr = {[VMM_RDX] = port}, .rflags = 2};
    irq_rip = 0;
    send_self(SELF | VECTOR);
    gt_run_bytes(&s, "\xfb\xec\x90\xfa", 4);
    return irq_rip - GT_PAGE(GT_CODE);
}

static void interrupts(void) {
    gt_on_irq = note_rip;
    uint64_t free_at = shadow(FREE), hooked_at = shadow(HOST_PORT);
    gt_check(free_at == 2 && hooked_at == 2, "the shadow of STI", "at +%lx and +%lx", free_at, hooked_at);
    uint32_t before = gt_seen[VECTOR];
    for (unsigned i = 0; i < 1000; i++) {
        struct gt_state s = {.gpr = {[VMM_RDX] = HOST_PORT}, .rflags = 2 | IF};
        send_self(SELF | VECTOR);
        gt_run_bytes(&s, "\xec\xec", 2);
    }
    gt_check(gt_seen[VECTOR] - before == 1000, "a thousand interrupts", "%u came", gt_seen[VECTOR] - before);
    struct gt_state s = {.rflags = 2};
    before = gt_seen[VECTOR];
    send_self(SELF | VECTOR);
    gt_run_bytes(&s, "\xfb\xf4\xfa", 3); /* STI; HLT; CLI */
    gt_check(s.vector == GT_BP && gt_seen[VECTOR] == before + 1, "HLT", "exception %lu", s.vector);
    gt_on_irq = NULL;
}

/* ---- NMIs ---- */

#define NMI 0x4400u

static volatile struct {
    uint32_t inside, deepest, wanted;
    uint64_t rip[4], rsp[4];
} nmi;

static void on_nmi(struct gt_frame *f) {
    uint32_t n = gt_seen[2];
    if (n > 8) {
        gt_print("FAIL NMIs without end: rip %lx", f->rip);
        gt_end();
    }
    nmi.rip[n & 3] = f->rip, nmi.rsp[n & 3] = f->rsp;
    nmi.inside++;
    if (nmi.inside > nmi.deepest) nmi.deepest = nmi.inside;
    if (nmi.wanted) {
        nmi.wanted--;
        send_self(NMI);
        hw_in(HOST_PORT, 1); /* an exit, at which it could be given too early */
    }
    nmi.inside--;
}

static void nmis(void) {
    gt_on_nmi = on_nmi;
    gt_seen[2] = 0;
    send_self(NMI);
    hw_in(HOST_PORT, 1);
    gt_delay_us(1000);
    gt_check(gt_seen[2] == 1, "an NMI", "%u came", gt_seen[2]);
    gt_seen[2] = 0;
    nmi.wanted = 1;
    send_self(NMI);
    gt_delay_us(1000);
    uint64_t rsp;
    __asm__("mov %%rsp, %0" : "=r"(rsp));
    /* The second one must find the interrupted code, not the handler about to return. */
    bool outside = nmi.rsp[2] - rsp + 4096 < 8192;
    gt_check(gt_seen[2] == 2 && nmi.deepest == 1 && outside, "an NMI during an NMI waits for IRET",
             "%u came, %u deep, rip %lx, rsp %lx", gt_seen[2], nmi.deepest, nmi.rip[2], nmi.rsp[2]);
    gt_seen[2] = 0;
    send_self(NMI);
    gt_delay_us(1000);
    gt_check(gt_seen[2] == 1, "and the next is free again", "%u came", gt_seen[2]);
}

/* The timer, as an NMI, while the hypervisor is at work for us. */
static void nmi_during_exit(void) {
    gt_seen[2] = 0;
    *(volatile uint32_t *)IOAPIC = 0x10 + 2 * 2 + 1;
    *(volatile uint32_t *)(IOAPIC + 0x10) = 0;
    *(volatile uint32_t *)IOAPIC = 0x10 + 2 * 2;
    *(volatile uint32_t *)(IOAPIC + 0x10) = 0x400; /* NMI, edge, to processor 0 */
    hw_out(0x43, 1, 0x30);                         /* channel 0, terminal count: once, after 5 ms */
    hw_out(0x40, 1, 0x4d);
    hw_out(0x40, 1, 0x17);
    uint32_t during = gt_seen[2];
    gt_call(HOST_SPIN, 50000, 0, 0);
    uint32_t after = gt_seen[2];
    gt_delay_us(20000);
    gt_check(during == 0 && gt_seen[2] == 1, "an NMI during an exit", "%u, %u, %u came", during, after, gt_seen[2]);
    *(volatile uint32_t *)(IOAPIC + 0x10) = 0x10000;
    gt_on_nmi = NULL;
    hw_out(0x43, 1, 0x36); /* the firmware's clock again: square wave, 10 ms */
    hw_out(0x40, 1, 0x9c);
    hw_out(0x40, 1, 0x2e);
}

/* ---- exceptions while an event is delivered ---- */

/* The exception a guest gets when this one's gate is absent: from the processor itself, and injected. */
static void absent_gate(unsigned vector, const char *code, unsigned n, uint64_t want, const char *name) {
    struct hw_table idtr;
    hw_sidt(&idtr);
    uint8_t *type = (uint8_t *)idtr.base + vector * 16 + 5, was = *type;
    *type = was & 0x7f;
    struct gt_state own = {.rflags = 2},
                    injected = {.gpr = {[VMM_RAX] = HOST_CALL + HOST_INJECT, [VMM_RBX] = vector}, .rflags = 2};
    gt_run_bytes(&own, code, n);
    gt_run_call(&injected);
    *type = was;
    gt_check(own.vector == want && injected.vector == want && own.error == injected.error, name,
             "exceptions %lu %lu, errors %lx %lx", own.vector, injected.vector, own.error, injected.error);
}

static void delivery(void) { absent_gate(6, "\x0f\x0b", 2, 11, "#UD without a gate becomes #NP"); }

void gt_main(void) {
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    gt_apic_write(SVR, gt_apic_read(SVR) | BIT(8));
    if (!strcmp(gt_args, "triple")) {
        gt_print("PASS triple");
        gt_reset();
    }
    single_step();
    interrupts();
    delivery();
    nmis();
    nmi_during_exit();
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
