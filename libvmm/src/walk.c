/* see walk.h */
#include "walk.h"
#include <vmm/bits.h>
#include "msr_regs.h"

#define CR0_WP    BIT(16)
#define CR0_PG    BIT(31)
#define CR4_PSE   BIT(4)
#define CR4_PAE   BIT(5)
#define CR4_LA57  BIT(12)
#define CR4_SMEP  BIT(20)
#define CR4_SMAP  BIT(21)
#define RFLAGS_AC BIT(18)

#define PTE_P    BIT(0)
#define PTE_W    BIT(1)
#define PTE_U    BIT(2)
#define PTE_A    BIT(5)
#define PTE_D    BIT(6)
#define PTE_PS   BIT(7)
#define PTE_NX   BIT(63)
#define PTE_ADDR BITS(51, 12)

/* A paging mode: levels, bytes an entry, index bits a level. */
struct walk_mode {
    unsigned levels, entry_bytes, index_bits;
    bool pae_root; /* the top level is the four PDPTEs: no permissions, 32-byte table */
    bool large[6]; /* [level] may PS be set there */
};

static struct walk_mode mode_of(const struct walk_regs *r) {
    if (r->efer & EFER_LMA)
        return (struct walk_mode){
            .levels = r->cr4 & CR4_LA57 ? 5 : 4, .entry_bytes = 8, .index_bits = 9, .large = {[2] = true, [3] = true}};
    if (r->cr4 & CR4_PAE)
        return (struct walk_mode){
            .levels = 3, .entry_bytes = 8, .index_bits = 9, .pae_root = true, .large = {[2] = true}};
    return (struct walk_mode){
        .levels = 2, .entry_bytes = 4, .index_bits = 10, .large = {[2] = (r->cr4 & CR4_PSE) != 0}};
}

/* The 4 MiB page of 32-bit paging keeps address bits 39:32 in bits 20:13: 5.2.2 "Normal (Non-PAE) Paging". */
static uint64_t leaf_base(const struct walk_mode *m, uint64_t e, uint64_t page_mask) {
    if (m->entry_bytes == 8) return e & PTE_ADDR & ~page_mask;
    uint64_t base = e & 0xfffff000 & ~page_mask;
    return page_mask > VMM_PAGE_MASK ? base | FIELD_GET(BITS(20, 13), e) << 32 : base;
}

static bool allowed(const struct walk_regs *r, enum walk_access access, uint64_t rights) {
    bool user = r->cpl == 3, user_page = (rights & PTE_U) != 0;
    if (access == WALK_PEEK) return true;
    if (user && !user_page) return false;
    if (access == WALK_FETCH)
        return !((rights & PTE_NX) && (r->efer & EFER_NXE)) && !(!user && user_page && (r->cr4 & CR4_SMEP));
    if (!user && user_page && (r->cr4 & CR4_SMAP) && !(r->rflags & RFLAGS_AC)) return false;
    return access != WALK_WRITE || (rights & PTE_W) || (!user && !(r->cr0 & CR0_WP));
}

static uint64_t load(const void *entry, unsigned n_bytes) {
    return n_bytes == 8 ? __atomic_load_n((const uint64_t *)entry, __ATOMIC_RELAXED)
                        : __atomic_load_n((const uint32_t *)entry, __ATOMIC_RELAXED);
}

static uint64_t set_bits(void *entry, unsigned n_bytes, uint64_t bits) {
    return n_bytes == 8 ? __atomic_or_fetch((uint64_t *)entry, bits, __ATOMIC_SEQ_CST)
                        : __atomic_or_fetch((uint32_t *)entry, (uint32_t)bits, __ATOMIC_SEQ_CST);
}

int walk(const struct walk_regs *r, const struct walk_memory *mem, uint64_t linear, enum walk_access access,
         struct walk_result *out) {
    out->n_tables = 0;
    out->error = (access == WALK_WRITE ? PF_W : 0) | (r->cpl == 3 ? PF_U : 0);
    bool tells_fetches = ((r->efer & EFER_NXE) && (r->cr4 & CR4_PAE)) || (r->cr4 & CR4_SMEP);
    if (access == WALK_FETCH && tells_fetches) out->error |= PF_I;
    if (!(r->cr0 & CR0_PG)) {
        out->gpa = gpa(linear & 0xffffffff);
        return 0;
    }
    struct walk_mode m = mode_of(r);
    uint64_t table = m.pae_root ? r->cr3 & 0xffffffe0 : r->cr3 & (m.entry_bytes == 8 ? PTE_ADDR : 0xfffff000);
    uint64_t rights = PTE_W | PTE_U; /* and-ed down the levels; NX is or-ed */
    for (unsigned level = m.levels;; level--) {
        unsigned shift = 12 + m.index_bits * (level - 1);
        uint64_t index = linear >> shift & (m.pae_root && level == 3 ? 3 : (1u << m.index_bits) - 1);
        void *entry = mem->entry(mem->ctx, gpa(table + index * m.entry_bytes), m.entry_bytes);
        if (!entry) {
            out->error |= PF_P | PF_RSVD; /* a table where no RAM is: reads as ones on the bus */
            return 1;
        }
        uint64_t e = load(entry, m.entry_bytes);
        if (!(e & PTE_P)) return 1;
        if (m.entry_bytes == 8 && (e & r->reserved)) {
            out->error |= PF_P | PF_RSVD;
            return 1;
        }
        bool root = m.pae_root && level == 3;
        if (!root) rights = (rights & e & (PTE_W | PTE_U)) | ((rights | e) & PTE_NX);
        bool leaf = level == 1 || (m.large[level] && (e & PTE_PS));
        if (leaf && !allowed(r, access, rights)) {
            out->error |= PF_P;
            return 1;
        }
        uint64_t set = PTE_A | (leaf && access == WALK_WRITE ? PTE_D : 0);
        if (!root && access != WALK_PEEK && (e & set) != set) e = set_bits(entry, m.entry_bytes, set);
        out->entry[out->n_tables] = entry;
        out->value[out->n_tables++] = e;
        if (leaf) {
            uint64_t page_mask = (UINT64_C(1) << shift) - 1;
            out->gpa = gpa(leaf_base(&m, e, page_mask) | (linear & page_mask));
            return 0;
        }
        table = m.entry_bytes == 8 ? e & PTE_ADDR : e & 0xfffff000;
    }
}
