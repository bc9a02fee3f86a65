/* see host_break.h. The names of these functions are expected in the report: none may be inlined or merged. */
#include "host_break.h"
#include <stdint.h>
#include "host.h"

#define ALONE __attribute__((noinline, noclone, noipa))

static volatile unsigned after; /* keeps calls from being the last thing a function does */

static ALONE void host_break_inner(unsigned what) {
    if (what == HOST_BREAK_PANIC) vmm_panic("a promise was broken: %u is not %u", 6u, 9u);
    after++;
}

static ALONE void host_break_outer(unsigned what) {
    host_break_inner(what);
    after++;
}

static ALONE void host_read(volatile uint8_t *at) { after += *at; }

static ALONE void host_write(volatile uint8_t *at) {
    *at = 0x90;
    after++;
}

static ALONE void host_jump(void (*at)(void)) {
    at();
    after++;
}

static ALONE unsigned host_deep(unsigned depth) { // NOLINT: it must overflow
    volatile uint8_t frame[256];
    frame[depth % sizeof frame] = (uint8_t)depth;
    return depth == UINT32_MAX ? 0 : host_deep(depth + 1) + frame[depth % sizeof frame];
}

void host_break(const struct vmm_vcpu *vcpu, unsigned what) {
    static uint8_t data[16] = {0xc3};
    switch (what) {
    case HOST_BREAK_PANIC: host_break_outer(what); break;
    case HOST_BREAK_ASSERT: after += (unsigned)vmm_reg_get(vcpu, VMM_N_REGS); break;
    case HOST_BREAK_NOWHERE: host_read((volatile uint8_t *)(uintptr_t)BIT(46)); break;
    case HOST_BREAK_TEXT: host_write((volatile uint8_t *)(uintptr_t)host_break_outer); break;
    case HOST_BREAK_DATA: host_jump((void (*)(void))(uintptr_t)data); break;
    case HOST_BREAK_STACK: after += host_deep(1); break;
    default: break;
    }
    after++;
}

void host_clobber(enum vmm_vector_width width) {
#define XMM(n)   "pcmpeqd %%xmm" #n ", %%xmm" #n "\n"
#define YMM(n)   "vcmptrueps %%ymm" #n ", %%ymm" #n ", %%ymm" #n "\n"
#define ZMM(n)   "vpternlogd $255, %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n"
#define MASK(n)  "kxnorw %%k" #n ", %%k" #n ", %%k" #n "\n"
#define EACH(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)
#define HIGH(op)                                                                                                       \
    op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) op(29) op(30) op(31)
#define MASKS(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
    if (width == VMM_ZMM)
        __asm__ volatile(EACH(ZMM) HIGH(ZMM) MASKS(MASK) : : : "memory");
    else if (width == VMM_YMM)
        __asm__ volatile(EACH(YMM) : : : "memory");
    else
        __asm__ volatile(EACH(XMM) : : : "memory");
}
