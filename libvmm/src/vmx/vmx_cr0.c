/* see vmx_cr0.h */
#include "vmx_cr0.h"
#include <vmm/vmm.h>
#include "../msr_regs.h"
#include "vmx_regs.h"

bool vmx_cr0_allowed(uint64_t old, uint64_t v, uint64_t cr4, uint64_t efer, uint16_t cs_attrib) {
    if (v > UINT32_MAX) return false;
    if ((v & CR0_PG) && !(v & CR0_PE)) return false;
    if ((v & CR0_NW) && !(v & CR0_CD)) return false;
    if (!(v & CR0_WP) && (cr4 & CR4_CET)) return false;
    bool on = !(old & CR0_PG) && (v & CR0_PG), off = (old & CR0_PG) && !(v & CR0_PG);
    if (on && (efer & EFER_LME) && (!(cr4 & CR4_PAE) || (cs_attrib & VMM_SEG_L))) return false;
    if (off && ((cr4 & CR4_PCIDE) || ((efer & EFER_LMA) && (cs_attrib & VMM_SEG_L)))) return false;
    return true;
}
