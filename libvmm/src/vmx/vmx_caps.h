/* What this processor's VT-x can do, and the controls made from it. Pure: the capability registers come as values.
 * Source: Intel SDM Volume 3D, Appendix A "VMX Capability Reporting Facility". */
#ifndef VMM_VMX_CAPS_H
#define VMM_VMX_CAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <vmm/vmm.h>

/* MSR values, in the order of their numbers. The five of controls: low half must be 1, high half may be 1. */
struct vmx_caps {
    uint64_t basic, cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1, proc2, ept_vpid, pin, proc, exit, entry;
};

struct vmx_controls {
    uint32_t pin, proc, proc2, exit, entry;
};

/* Controls for one guest that keeps the machine: (wanted | must be 1) & may be 1. NULL, or what is missing, as one
 * sentence. Source: A.3 "VM-Execution Controls", A.4 "VM-Exit Controls", A.5 "VM-Entry Controls", A.10 "VPID and EPT
 * Capabilities". */
const char *vmx_controls_make(const struct vmx_caps *caps, struct vmx_controls *out);

/* Take from the machine's CPUID answer what the guest cannot use below us: VMX, SMX, processor trace, and every feature
 * whose control this processor does not offer. Source: Volume 2A, "CPUID"; Volume 3C, 25.3 "Changes to Instruction
 * Behavior in VMX Non-Root Operation". */
void vmx_cpuid_hide(const struct vmx_controls *controls, struct vmm_cpuid *regs);

/* Bits of CR4 the guest may not set: VMX's, and those of features hidden from CPUID. */
uint64_t vmx_cr4_hidden(const struct vmx_controls *controls);

#endif
