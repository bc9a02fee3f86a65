/* Registration of traps that are not memory: ports, MSRs, CPUID leaves, hypercalls. Only during setup, so no locks,
 * but for ports that move. */
#include "priv.h"

static int add(struct vmm *vmm, struct vmm_hooks *hooks, struct vmm_hook hook) {
    if (!vmm->in_setup || hook.n == 0) return VMM_E_INVAL;
    for (uint32_t i = 0; i < hooks->n; i++)
        if (vmm_ranges_overlap(hook.first, hook.n, hooks->hook[i].first, hooks->hook[i].n)) return VMM_E_BUSY;
    if (hooks->n == VMM_MAX_HOOKS) return VMM_E_FULL;
    hooks->hook[hooks->n++] = hook;
    return 0;
}

int vmm_pio_trap(struct vmm *vmm, uint16_t first, uint16_t n, vmm_trap_fn *fn, void *cookie) {
    if (first > UINT16_MAX - n + 1u) return VMM_E_INVAL;
    int r = add(vmm, &vmm->pio,
                (struct vmm_hook){.first = first, .n = n, .fn = fn, .cookie = cookie, .counts_as = VMM_EXIT_PIO});
    if (!r) vmm->ops->pio_intercept(vmm, first, n);
    return r;
}

/* The ports it leaves go on to exit, and are passed. */
int vmm_pio_move(struct vmm *vmm, uint16_t from, uint16_t to) {
    struct vmm_hooks *hooks = &vmm->pio;
    struct vmm_hook *h = NULL;
    for (uint32_t i = 0; i < hooks->n; i++)
        if (hooks->hook[i].first == from) h = &hooks->hook[i];
    if (!h || to > UINT16_MAX - h->n + 1u) return VMM_E_INVAL;
    vmm_lock(&vmm->npt_lock);
    int r = 0;
    for (uint32_t i = 0; i < hooks->n; i++)
        if (&hooks->hook[i] != h && vmm_ranges_overlap(to, h->n, hooks->hook[i].first, hooks->hook[i].n))
            r = VMM_E_BUSY;
    if (!r) {
        vmm->ops->pio_intercept(vmm, to, (uint16_t)h->n);
        __atomic_store_n(&h->first, to, __ATOMIC_RELEASE);
        if (!vmm_flush_nested(vmm)) r = VMM_E_BUSY; /* a processor could still reach the new place directly */
    }
    vmm_unlock(&vmm->npt_lock);
    return r;
}

int vmm_msr_trap(struct vmm *vmm, uint32_t first, uint32_t n, vmm_trap_fn *fn, void *cookie) {
    if (first > UINT32_MAX - n + UINT64_C(1)) return VMM_E_INVAL;
    int r = add(vmm, &vmm->msr,
                (struct vmm_hook){.first = first, .n = n, .fn = fn, .cookie = cookie, .counts_as = VMM_EXIT_MSR});
    for (uint32_t i = 0; i < n && !r; i++) vmm->ops->msr_intercept(vmm, first + i, true, true);
    return r;
}

int vmm_cpuid_hook(struct vmm *vmm, uint32_t first, uint32_t n, vmm_cpuid_fn *fn, void *cookie) {
    int r = add(vmm, &vmm->cpuid, (struct vmm_hook){.first = first, .n = n, .cpuid_fn = fn, .cookie = cookie});
    if (!r) vmm->cpuid_exits = true;
    return r;
}

int vmm_hypercall_hook(struct vmm *vmm, uint64_t first, uint64_t n, unsigned max_cpl, vmm_trap_fn *fn, void *cookie) {
    return add(vmm, &vmm->hypercall,
               (struct vmm_hook){.first = first, .n = n, .fn = fn, .cookie = cookie, .max_cpl = max_cpl});
}
