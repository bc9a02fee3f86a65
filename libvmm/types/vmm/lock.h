/* A ticket spin lock. Fair, not recursive, works before launch, in the hypervisor and in tests. The hypervisor runs
 * with interrupts and NMIs held back, so holding one can never be interrupted on the same processor. Keep sections
 * short. */
#ifndef VMM_LOCK_H
#define VMM_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct vmm_lock {
    uint32_t next;  /* [A] */
    uint32_t owner; /* [A] */
};

static inline void vmm_lock(struct vmm_lock *l) {
    uint32_t mine = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != mine) __builtin_ia32_pause(); /* pairs with vmm_unlock */
}

/* True if somebody waits for it. MUST: it is held by the caller. */
static inline bool vmm_lock_is_wanted(const struct vmm_lock *l) {
    return __atomic_load_n(&l->next, __ATOMIC_RELAXED) != l->owner + 1;
}

/* True if it is held. It may be free, or held, by the time one acts upon it. */
static inline bool vmm_lock_is_held(const struct vmm_lock *l) {
    return __atomic_load_n(&l->next, __ATOMIC_RELAXED) != __atomic_load_n(&l->owner, __ATOMIC_RELAXED);
}

static inline void vmm_unlock(struct vmm_lock *l) {
    __atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE); /* pairs with vmm_lock */
}

#endif
