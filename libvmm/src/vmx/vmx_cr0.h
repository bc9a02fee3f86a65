/* May software write this to CR0? Pure. Source: Intel SDM Volume 2B, "MOV—Move to/from Control Registers", "Protected
 * Mode Exceptions" and "64-Bit Mode Exceptions"; Volume 3A, 4.1.2 "Paging-Mode Enabling". */
#ifndef VMM_VMX_CR0_H
#define VMM_VMX_CR0_H

#include <stdbool.h>
#include <stdint.h>

/* cs_attrib: of the running code, as in struct vmm_segment. False: #GP(0). */
bool vmx_cr0_allowed(uint64_t old, uint64_t v, uint64_t cr4, uint64_t efer, uint16_t cs_attrib);

#endif
