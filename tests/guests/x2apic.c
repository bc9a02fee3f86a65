/* The APIC in x2APIC mode: the same registers as MSRs, of which the hypervisor looks at the command register alone. The
 * machine stays in this mode. Source: Intel SDM Volume 3A, 10.12 "Extended XAPIC (x2APIC)". */
#include "gt.h"
#include <hw.h>
#include <msr_regs.h>

#define CPUID_1_ECX_X2APIC BIT(21)
#define APIC_ID            0x020u
#define SVR                0x0f0u
#define ICR                0x300u
#define SELF_IPI           0x3f0u
#define MSR_ICR            0x830u
#define NMI                0x400u
#define SELF               0x40000u
#define VECTOR             0x30u

static uint64_t wrmsr(uint32_t msr, uint64_t v) {
    struct gt_state s = {.gpr = {[VMM_RCX] = msr, [VMM_RAX] = (uint32_t)v, [VMM_RDX] = v >> 32}, .rflags = 2};
    return gt_run_bytes(&s, "\x0f\x30", 2);
}

/* Let in what is pending. */
static void open_window(void) {
    struct gt_state s = {.rflags = 2};
    gt_run_bytes(&s, "\xfb\x90\x90\xfa", 4); /* STI; NOP; NOP; CLI */
}

static void mode(void) {
    uint64_t base = hw_rdmsr(MSR_APIC_BASE);
    uint32_t id = gt_apic_read(APIC_ID) >> 24;
    uint64_t vector = wrmsr(MSR_APIC_BASE, base | APIC_BASE_EXTD), now = hw_rdmsr(MSR_APIC_BASE);
    gt_x2apic = (now & APIC_BASE_EXTD) != 0;
    if (!gt_check(vector == GT_BP && now == (base | APIC_BASE_EXTD) && gt_apic_read(APIC_ID) == id, "x2APIC mode",
                  "exception %lu, %lx", vector, now))
        gt_end();
    uint64_t back = wrmsr(MSR_APIC_BASE, base), moved = wrmsr(MSR_APIC_BASE, now + 0x1000);
    gt_check(back == GT_GP && moved == GT_GP && hw_rdmsr(MSR_APIC_BASE) == now,
             "no way straight back, and none elsewhere", "exceptions %lu %lu, %lx", back, moved,
             hw_rdmsr(MSR_APIC_BASE));
}

static void interrupts(void) {
    uint32_t before = gt_seen[VECTOR];
    gt_apic_write(SELF_IPI, VECTOR);
    open_window();
    uint32_t self = gt_seen[VECTOR];
    gt_apic_write(ICR, SELF | VECTOR);
    open_window();
    uint32_t shorthand = gt_seen[VECTOR];
    uint64_t physical = wrmsr(MSR_ICR, (uint64_t)gt_apic_read(APIC_ID) << 32 | VECTOR);
    open_window();
    gt_check(self == before + 1 && shorthand == before + 2 && physical == GT_BP && gt_seen[VECTOR] == before + 3,
             "IPIs to itself", "%u, %u, %u came, exception %lu", self - before, shorthand - before,
             gt_seen[VECTOR] - before, physical);
    for (unsigned i = 0; i < 1000; i++) {
        gt_apic_write(ICR, SELF | VECTOR);
        open_window();
    }
    gt_check(gt_seen[VECTOR] == before + 1003, "a thousand more", "%u came", gt_seen[VECTOR] - before);
    uint32_t n = gt_seen[2];
    uint64_t vector = wrmsr(MSR_ICR, (uint64_t)gt_apic_read(APIC_ID) << 32 | NMI);
    gt_delay_us(100);
    gt_check(vector == GT_BP && gt_seen[2] == n + 1, "an NMI to itself", "exception %lu, %u came", vector,
             gt_seen[2] - n);
}

void gt_main(void) {
    if (!gt_check(gt_below(), "below", "no hypervisor")) return;
    if (!(hw_cpuid(1, 0).ecx & CPUID_1_ECX_X2APIC)) {
        gt_print("PASS no x2APIC here");
        return;
    }
    mode();
    gt_apic_write(SVR, gt_apic_read(SVR) | BIT(8));
    interrupts();
    gt_check(gt_below(), "still there", "the hypervisor has gone");
}
