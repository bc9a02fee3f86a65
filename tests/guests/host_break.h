/* What the test hypervisor does wrong on purpose, and to the vector registers. Any handler. */
#ifndef GUESTS_HOST_BREAK_H
#define GUESTS_HOST_BREAK_H

#include <vmm/vmm.h>

void host_break(const struct vmm_vcpu *vcpu, unsigned what); /* HOST_BREAK_*: does not come back from any of them */
void host_clobber(enum vmm_vector_width width);              /* change every register of it */

#endif
