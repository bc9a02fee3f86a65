/* The memory type of each physical address by the MTRRs, which a guest below EPT would otherwise lose. Pure.
 * Source: Intel SDM Volume 3A, 11.11 "Memory Type Range Registers (MTRRs)"; Volume 3C, 28.3.7.2 "Memory Type Used for
 * Translated Guest-Physical Addresses". */
#ifndef VMM_VMX_MTRR_H
#define VMM_VMX_MTRR_H

#include <stdint.h>

#define VMX_MTRR_MAX 32u

struct vmx_mtrrs {
    uint64_t def_type;
    uint64_t fixed[11]; /* 64K; 16K, 16K; 4K, eight times: in address order, a byte each */
    uint32_t n_variable;
    uint64_t base[VMX_MTRR_MAX], mask[VMX_MTRR_MAX];
};

/* Type of address at; [at, *out_end) has it throughout (*out_end > at, UINT64_MAX at most).
 * phys_bits: width of the address bus, which the masks end at. Where the manual leaves an overlap undefined: UC. */
unsigned vmx_mtrr_type(const struct vmx_mtrrs *m, unsigned phys_bits, uint64_t at, uint64_t *out_end);

#endif
