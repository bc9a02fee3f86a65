/* The processor's checks of the guest state before it enters, restated: to tell which one failed, as VT-x itself only
 * says that one did. Pure. Source: Intel SDM Volume 3C, 26.3.1 "Checks on the Guest State Area". */
#ifndef VMM_VMX_CHECK_H
#define VMM_VMX_CHECK_H

#include <stdint.h>
#include <vmm/vmm.h>
#include "vmx_caps.h"

struct vmx_check_segment {
    uint16_t selector;
    uint32_t rights, limit; /* rights as in the VMCS */
    uint64_t base;
};

struct vmx_check_state {
    uint64_t cr0, cr3, cr4, efer, pat, dr7, rip, rflags, debugctl, pending_debug, link, sysenter_esp, sysenter_eip;
    uint32_t interruptibility, activity, entry_controls, entry_event;
    struct vmx_check_segment seg[10]; /* by enum vmm_segment_name; GDTR and IDTR: limit and base */
    unsigned phys_bits;
};

/* The failed check number *next or later, as words, and *next behind it; NULL when there are no more. Start with 0. */
const char *vmx_check(const struct vmx_check_state *s, const struct vmx_caps *caps, unsigned *next);

#endif
