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
#define XCR0_ZMM_HI256 BIT(6) /* upper halves of ZMM0-15: 256-bit instructions clear them */

/* APM Volume 3, E.3.2 "Function 1h - Processor and Processor Feature Identifiers": ECX.XSAVE, ECX.AVX */
bool vmm_vector_has_ymm(void) { return (hw_cpuid(1, 0).ecx & (BIT(26) | BIT(28))) == (BIT(26) | BIT(28)); }

void vmm_vector_begin(struct vmm_vector *v, enum vmm_vector_width width) {
    v->width = width;
    v->cr0 = hw_read_cr0();
    v->cr4 = hw_read_cr4();
    uint64_t cr4 = v->cr4 | CR4_OSFXSR | (width == VMM_YMM ? CR4_OSXSAVE : 0);
    if (cr4 != v->cr4) hw_write_cr4(cr4); /* only during setup */
    if (v->cr0 & (CR0_EM | CR0_TS)) hw_write_cr0(v->cr0 & ~(CR0_EM | CR0_TS));
    if (width == VMM_XMM) {
        hw_xmm_save(v->area);
        return;
    }
    v->xcr0 = hw_xgetbv();
    uint64_t need = v->xcr0 | XCR0_X87 | XCR0_SSE | XCR0_AVX;
    if (need != v->xcr0) hw_xsetbv(need);
    v->mask = need & (XCR0_SSE | XCR0_AVX | XCR0_ZMM_HI256);
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
