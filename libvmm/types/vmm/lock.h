/* A ticket spin lock. Fair, not recursive, works before launch, in the hypervisor and in tests. The hypervisor runs
 * with interrupts and NMIs held back, so holding one can never be interrupted on the same processor. Keep sections
 * short. */
#ifndef VMM_LOCK_H
#define VMM_LOCK_H

#include <stdint.h>

struct vmm_lock {
    uint32_t next;  /* [A] */
    uint32_t owner; /* [A] */
};

static inline void vmm_lock(struct vmm_lock *l) {
    uint32_t mine = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != mine) __builtin_ia32_pause(); /* pairs with vmm_unlock */
}

static inline void vmm_unlock(struct vmm_lock *l) {
    __atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE); /* pairs with vmm_lock */
}

#endif
