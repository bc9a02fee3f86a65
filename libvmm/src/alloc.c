/* see vmm.h: memory of the region, handed out during setup and never taken back. */
#include "priv.h"
#include <hw.h>
#include <string.h>

void *vmm_alloc(struct vmm *vmm, size_t n_bytes) {
    uint64_t n = (n_bytes + VMM_PAGE_MASK) & ~VMM_PAGE_MASK;
    if (!vmm->in_setup || n < n_bytes || n > vmm->arena_end - vmm->arena_next) return NULL;
    void *p = hw_direct(vmm->arena_next);
    vmm->arena_next += n;
    memset(p, 0, n);
    return p;
}
