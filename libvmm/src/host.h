/* The hypervisor's own processor environment, one area a processor. Sources: APM Volume 2, 4.8 "Long-Mode Segment
 * Descriptors", 12.2.5 "64-Bit Task State Segment", 8.9.4 "Interrupt Stack Table". */
#ifndef VMM_HOST_H
#define VMM_HOST_H

#include "priv.h"

#define HOST_CS 0x08u
#define HOST_SS 0x10u
#define HOST_TR 0x18u

struct host_tss {
    uint32_t rsvd_0x00;
    uint64_t rsp[3];
    uint64_t rsvd_0x1c;
    uint64_t ist[7];
    uint64_t rsvd_0x5c;
    uint16_t rsvd_0x64;
    uint16_t iomap;
} __attribute__((packed));
_Static_assert(sizeof(struct host_tss) == 0x68, "12.2.5");

/* Stacks have an unmapped page below each, so that running over one is a fault with a report, not a corrupted
 * neighbour. */
struct host_area {
    uint64_t gdt[6];
    struct host_tss tss;
    uint8_t rsvd[VMM_PAGE_BYTES - 6 * 8 - sizeof(struct host_tss)];
    uint8_t guard0[VMM_PAGE_BYTES], stack[4 * VMM_PAGE_BYTES];
    uint8_t guard1[VMM_PAGE_BYTES], fault_stack[2 * VMM_PAGE_BYTES]; /* IST 1: every vector but the next two */
    uint8_t guard2[VMM_PAGE_BYTES], nmi_stack[VMM_PAGE_BYTES];       /* IST 2 */
    uint8_t guard3[VMM_PAGE_BYTES], df_stack[2 * VMM_PAGE_BYTES];    /* IST 3 */
};

/* What the stubs of host_entry.S leave on the stack. */
struct host_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* The processor we run on: its FS base is ours from vmm_host_enter() on. */
static inline struct vmm_vcpu *host_vcpu(void) {
    struct vmm_vcpu *v;
    __asm__ volatile("mov %%fs:0, %0" : "=r"(v));
    return v;
}

/* host_entry.S */
void host_load(const void *gdtr, const void *idtr); /* LGDT, LIDT, CS, SS, null DS ES FS GS, LTR */
extern const uint8_t host_stubs[32][16];            /* entry points, one a vector */
_Noreturn void host_switch_stack(struct vmm_vcpu *vcpu, uint64_t stack_top, void (*fn)(struct vmm_vcpu *));

void host_exception(struct host_frame *frame);
_Noreturn void host_panic_frame(const struct host_frame *frame);

#endif
