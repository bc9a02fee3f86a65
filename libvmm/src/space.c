/* The guest-physical address space: everything 1:1, except our region and trampoline page, which read as ones, page 0,
 * which is another one (smp.c says why), and the pages somebody traps. Source: APM Volume 2, 15.25 "Nested Paging". */
#include "priv.h"
#include <hw.h>
#include <string.h>
#include "vmx/vmx_regs.h"

/* AMD: nested pages are user pages to the walker (15.25.5 "Nested Table Walk"). Intel: read, write, execute, and a
 * memory type (SDM Volume 3C, 28.3.2 "EPT Translation Mechanism"). */
static const struct nested_format {
    uint64_t table, rwx, r, leaf_mask, leaf_flags_mask;
} formats[] = {
    [VMM_AMD] = {PT_P | PT_W | PT_U, PT_P | PT_W | PT_U, PT_P | PT_U | PT_NX, PT_P, 0},
    [VMM_INTEL] = {EPT_R | EPT_W | EPT_X, EPT_R | EPT_W | EPT_X, EPT_R, EPT_R | EPT_W | EPT_X, EPT_MEM_TYPE},
};

static const struct nested_format *format(const struct vmm *vmm) { return &formats[vmm->ops->vendor]; }

/* Tables for splitting large pages around the region, the trampoline and trapped pages, beyond those for the 1 GiB map.
 */
#define NPT_SPLIT_PAGES 96u

bool vmm_is_ram(const struct vmm *vmm, uint64_t at, uint64_t n_bytes) {
    if (n_bytes == 0 || n_bytes - 1 > UINT64_MAX - at || vmm_is_hidden(vmm, at, n_bytes)) return false;
    uint32_t n_below = 0, end = vmm->n_ram; /* sorted: n_below of them begin at or below at */
    while (n_below < end) {
        uint32_t middle = (n_below + end) / 2;
        if (vmm->ram[middle].base <= at)
            n_below = middle + 1;
        else
            end = middle;
    }
    if (n_below == 0) return false;
    const struct vmm_range *r = &vmm->ram[n_below - 1];
    uint64_t skipped = at - r->base;
    return skipped < r->n_bytes && n_bytes <= r->n_bytes - skipped;
}

bool vmm_is_hidden(const struct vmm *vmm, uint64_t at, uint64_t n_bytes) {
    return vmm_ranges_overlap(at, n_bytes, vmm->region.base, vmm->region.n_bytes) ||
           vmm_ranges_overlap(at, n_bytes, vmm->low_page, VMM_PAGE_BYTES) || (n_bytes && at < VMM_PAGE_BYTES);
}

bool vmm_is_reachable(const struct vmm *vmm, uint64_t at, uint64_t n_bytes) {
    uint64_t limit = UINT64_C(1) << vmm->direct_bits;
    return n_bytes <= limit && at <= limit - n_bytes && !vmm_is_hidden(vmm, at, n_bytes);
}

bool vmm_dma_ok(const struct vmm *vmm, gpa_t at, uint64_t n_bytes) {
    uint64_t limit = UINT64_C(1) << vmm->phys_bits;
    return n_bytes && n_bytes <= limit && at.v <= limit - n_bytes && !vmm_is_hidden(vmm, at.v, n_bytes);
}

void *vmm_gmem_borrow(const struct vmm *vmm, gpa_t at, size_t n_bytes) {
    return vmm_is_ram(vmm, at.v, n_bytes) ? hw_direct(at.v) : NULL;
}

int vmm_gmem_read(const struct vmm *vmm, gpa_t src, void *dst, size_t n_bytes) {
    const void *p = vmm_gmem_borrow(vmm, src, n_bytes);
    if (!p) return VMM_E_RANGE;
    memcpy(dst, p, n_bytes);
    return 0;
}

int vmm_gmem_write(const struct vmm *vmm, gpa_t dst, const void *src, size_t n_bytes) {
    void *p = vmm_gmem_borrow(vmm, dst, n_bytes);
    if (!p) return VMM_E_RANGE;
    memcpy(p, src, n_bytes);
    return 0;
}

/* The hypervisor's own memory: every page is the one page of ones, read-only, so that reads cost nothing and page
 * walks, vector loads and anything else that only reads see what an empty bus gives. Writes exit and are dropped. */
static int hide(struct vmm *vmm, uint64_t base, uint64_t n_bytes) {
    for (uint64_t off = 0; off < n_bytes; off += VMM_PAGE_BYTES)
        if (pt_map(&vmm->npt, base + off, vmm->ones_page, VMM_PAGE_BYTES, format(vmm)->r)) return VMM_E_NOMEM;
    return 0;
}

static bool leaf_flags(const void *ctx, uint64_t pa, uint64_t n_bytes, uint64_t *out_flags) {
    const struct vmm *vmm = ctx;
    return vmm->ops->leaf_flags(vmm, pa, n_bytes, out_flags);
}

static unsigned space_bits(const struct vmm *vmm) {
    return vmm->phys_bits < 48 ? vmm->phys_bits : 48;
} /* four levels */

void vmm_space_refresh(struct vmm *vmm) { pt_refresh(&vmm->npt, UINT64_C(1) << space_bits(vmm)); }

int vmm_space_init(struct vmm *vmm) {
    unsigned bits = space_bits(vmm);
    uint64_t n_tables = bits > 39 ? UINT64_C(1) << (bits - 39) : 1;
    uint64_t n_pages = 1 + n_tables + NPT_SPLIT_PAGES + vmm->region.n_bytes / VMM_REGION_ALIGN;
    void *pool = vmm_alloc(vmm, n_pages * VMM_PAGE_BYTES);
    void *ones = vmm_alloc(vmm, VMM_PAGE_BYTES), *zero = vmm_alloc(vmm, VMM_PAGE_BYTES);
    if (!pool || !ones || !zero) return VMM_E_NOMEM;
    memset(ones, 0xff, VMM_PAGE_BYTES);
    vmm->ones_page = (uint64_t)(uintptr_t)ones;
    const struct nested_format *f = format(vmm);
    if (pt_init(&vmm->npt, (uint64_t)(uintptr_t)pool, n_pages, f->table, f->leaf_mask)) return VMM_E_NOMEM;
    if (vmm->ops->leaf_flags) vmm->npt.leaf_flags = leaf_flags;
    vmm->npt.leaf_flags_ctx = vmm;
    vmm->npt.leaf_flags_mask = f->leaf_flags_mask;
    if (pt_map(&vmm->npt, 0, 0, UINT64_C(1) << bits, f->rwx) || hide(vmm, vmm->region.base, vmm->region.n_bytes))
        return VMM_E_NOMEM;
    if (hide(vmm, vmm->low_page, VMM_PAGE_BYTES)) return VMM_E_NOMEM;
    return pt_map(&vmm->npt, 0, (uint64_t)(uintptr_t)zero, VMM_PAGE_BYTES, f->rwx);
}

/* ---- traps ---- */

static bool trappable(const struct vmm *vmm, uint64_t base, uint64_t n_bytes) {
    if (n_bytes == 0 || ((base | n_bytes) & VMM_PAGE_MASK) || !vmm_is_reachable(vmm, base, n_bytes)) return false;
    for (uint32_t i = 0; i < vmm->n_ram; i++)
        if (vmm_ranges_overlap(base, n_bytes, vmm->ram[i].base, vmm->ram[i].n_bytes)) return false;
    for (uint32_t i = 0; i < vmm->mmio.n; i++)
        if (vmm_ranges_overlap(base, n_bytes, vmm->mmio.hook[i].first, vmm->mmio.hook[i].n)) return false;
    return true;
}

static int set_trap(struct vmm *vmm, const struct vmm_hook *h) {
    return pt_map(&vmm->npt, h->first, h->first, h->n, h->writes_only ? format(vmm)->r : 0);
}

static int trap(struct vmm *vmm, struct vmm_hook hook) {
    int r = VMM_E_FULL;
    vmm_lock(&vmm->npt_lock);
    if (!trappable(vmm, hook.first, hook.n)) {
        r = VMM_E_BUSY;
    } else if (vmm->mmio.n < VMM_MAX_HOOKS) {
        uint32_t i = vmm->mmio.n;
        vmm->mmio.hook[i] = hook;
        r = set_trap(vmm, &hook);
        if (!r) {
            __atomic_store_n(&vmm->mmio.n, i + 1, __ATOMIC_RELEASE);
            r = (int)i;
        }
    }
    vmm_unlock(&vmm->npt_lock);
    return r;
}

int vmm_mmio_trap(struct vmm *vmm, gpa_t base, uint64_t n_bytes, vmm_trap_fn *fn, void *cookie) {
    if (!vmm->in_setup) return VMM_E_INVAL;
    return trap(
        vmm, (struct vmm_hook){.first = base.v, .n = n_bytes, .fn = fn, .cookie = cookie, .counts_as = VMM_EXIT_MMIO});
}

int vmm_mmio_trap_writes(struct vmm *vmm, gpa_t base, uint64_t n_bytes, vmm_trap_fn *fn, void *cookie) {
    return trap(vmm, (struct vmm_hook){.first = base.v,
                                       .n = n_bytes,
                                       .fn = fn,
                                       .cookie = cookie,
                                       .writes_only = true,
                                       .counts_as = VMM_EXIT_APIC});
}

void vmm_mmio_arm(struct vmm *vmm, int handle, bool on) {
    const struct vmm_hook *h = &vmm->mmio.hook[handle];
    VMM_ASSERT(!pt_map(&vmm->npt, h->first, h->first, h->n, on ? format(vmm)->r : format(vmm)->rwx));
}

/* Pass the hook's place through again; it is nowhere then: a range of n from there holds no address a guest can form.
 */
static int leave(struct vmm *vmm, struct vmm_hook *h) {
    uint64_t old = h->first;
    h->first = UINT64_MAX;
    return old == UINT64_MAX ? 0 : pt_map(&vmm->npt, old, old, h->n, format(vmm)->rwx);
}

int vmm_mmio_move(struct vmm *vmm, int handle, gpa_t base) {
    if (handle < 0 || (uint32_t)handle >= vmm->mmio.n) return VMM_E_INVAL;
    struct vmm_hook *h = &vmm->mmio.hook[handle];
    vmm_lock(&vmm->npt_lock);
    int r = 0;
    if (h->first != base.v) {
        r = leave(vmm, h);
        if (!r && !trappable(vmm, base.v, h->n)) r = VMM_E_BUSY;
        if (!r) {
            h->first = base.v;
            r = set_trap(vmm, h);
        }
        if (!vmm_flush_nested(vmm) && !r) r = VMM_E_BUSY; /* a processor could still reach the new place directly */
        if (r) (void)leave(vmm, h);
    }
    vmm_unlock(&vmm->npt_lock);
    return r;
}
