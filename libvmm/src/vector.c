/* see vmm.h, "vector registers". The guest's registers are in the processor while we run, untouched: our own code uses
 * the general ones only. Source: APM Volume 2, 11.5 "Extended Context Save/Restore"; Volume 4, 1.1.1 "Register Set". */
#include "priv.h"
#include <hw.h>

#define CR0_EM         BIT(2)
#define CR0_TS         BIT(3)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXSAVE    BIT(18)
#define XCR0_X87       BIT(0)
#define XCR0_SSE       BIT(1)
#define XCR0_AVX       BIT(2)
#define XCR0_OPMASK    BIT(5)
#define XCR0_ZMM_HI256 BIT(6) /* upper halves of ZMM0-15: 256-bit instructions clear them */
#define XCR0_HI16_ZMM  BIT(7)
#define XCR0_AVX512    (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM)

/* APM Volume 3, E.3.2 "Function 1h - Processor and Processor Feature Identifiers": ECX.XSAVE, ECX.AVX; E.3.6 "Function
 * 7h - Structured Extended Feature Identifiers": EBX.AVX512F; E.3.8 "Function Dh - Processor Extended State
 * Enumeration": what XCR0 can hold, and each component's size and offset, which differ between processors. */
enum vmm_vector_width vmm_vector_widest(void) {
    if ((hw_cpuid(1, 0).ecx & (BIT(26) | BIT(28))) != (BIT(26) | BIT(28))) return VMM_XMM;
    if (hw_cpuid(0, 0).eax < 0xd || !(hw_cpuid(7, 0).ebx & BIT(16))) return VMM_YMM;
    if ((hw_cpuid(0xd, 0).eax & XCR0_AVX512) != XCR0_AVX512) return VMM_YMM;
    for (uint32_t component = 5; component <= 7; component++) {
        struct hw_cpuid c = hw_cpuid(0xd, component);
        if ((uint64_t)c.ebx + c.eax > sizeof((struct vmm_vector *)0)->area) return VMM_YMM;
    }
    return VMM_ZMM;
}

void vmm_vector_begin(struct vmm_vector *v, enum vmm_vector_width width) {
    v->width = width;
    v->cr0 = hw_read_cr0();
    v->cr4 = hw_read_cr4();
    uint64_t cr4 = v->cr4 | CR4_OSFXSR | (width == VMM_XMM ? 0 : CR4_OSXSAVE);
    if (cr4 != v->cr4) hw_write_cr4(cr4); /* only during setup */
    if (v->cr0 & (CR0_EM | CR0_TS)) hw_write_cr0(v->cr0 & ~(CR0_EM | CR0_TS));
    if (width == VMM_XMM) {
        hw_xmm_save(v->area);
        return;
    }
    v->xcr0 = hw_xgetbv();
    uint64_t need = v->xcr0 | XCR0_X87 | XCR0_SSE | XCR0_AVX | (width == VMM_ZMM ? XCR0_AVX512 : 0);
    if (need != v->xcr0) hw_xsetbv(need);
    v->mask = need & (XCR0_SSE | XCR0_AVX | (width == VMM_ZMM ? XCR0_AVX512 : XCR0_ZMM_HI256));
    for (unsigned i = 0; i < 8; i++) v->area[512 / 8 + i] = 0; /* the XSAVE header must begin as zeros */
    hw_xsave(v->area, v->mask);
}

void vmm_vector_end(struct vmm_vector *v) {
    if (v->width == VMM_XMM) {
        hw_xmm_restore(v->area);
    } else {
        hw_xrstor(v->area, v->mask);
        if (hw_xgetbv() != v->xcr0) hw_xsetbv(v->xcr0);
    }
    if (v->cr0 & (CR0_EM | CR0_TS)) hw_write_cr0(v->cr0);
    if (hw_read_cr4() != v->cr4) hw_write_cr4(v->cr4);
}
