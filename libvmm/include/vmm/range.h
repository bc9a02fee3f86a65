/* Lists of address ranges, sorted, disjoint and not touching each other: what struct vmm_launch wants of RAM. Pure. */
#ifndef VMM_RANGE_H
#define VMM_RANGE_H

#include <vmm/vmm.h>

/* Put r among the n ranges of out[max], joined with those that it touches; the new n, or VMM_E_FULL with out unchanged.
 * MUST: r is not empty and ends at 2^64 - 1 or below. */
int vmm_range_add(struct vmm_range *out, uint32_t n, uint32_t max, struct vmm_range r) VMM_MUST_CHECK;

/* Take r out of them, which may split one; the new n, or VMM_E_FULL with out unchanged. MUST: as above. */
int vmm_range_remove(struct vmm_range *out, uint32_t n, uint32_t max, struct vmm_range r) VMM_MUST_CHECK;

#endif
