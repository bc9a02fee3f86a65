/* The instruction at the guest's RIP: from the processor where it hands over the bytes, else fetched by the guest's
 * page tables and decoded. A driver's few register accesses are the same instructions over and over, so the last ones
 * are kept with everything their meaning depends on: registers, the table entries of the walk, and the bytes
 * themselves. All of it is compared on each use, so nothing need ever be invalidated. */
#include "priv.h"
#include <hw.h>
#include <string.h>

#define VECTOR_UD 6u
#define VECTOR_GP 13u
#define VECTOR_PF 14u

#define MAX_BYTES VMM_INSN_MAX_BYTES

static bool same_context(const struct vmm_context *a, const struct vmm_context *b) {
    return a->cr3 == b->cr3 && a->cr0 == b->cr0 && a->cr4 == b->cr4 && a->efer == b->efer && a->cs_base == b->cs_base &&
           a->cs_attrib == b->cs_attrib && a->cpl == b->cpl;
}

typedef uint64_t code_word __attribute__((aligned(1))); /* instructions lie anywhere */

static bool still_holds(const struct code_entry *e, const struct vmm_vcpu *vcpu) {
    if (e->rip != vcpu->rip || !e->valid || !same_context(&e->at, &vcpu->at)) return false;
#pragma GCC unroll 5
    for (unsigned i = 0; i < CODE_TABLES; i++)
        if (__atomic_load_n(e->table_entry[i], __ATOMIC_RELAXED) != e->table_value[i]) return false;
    const code_word *now = (const void *)e->bytes_at;
    return !((now[0] ^ e->bytes[0]) & e->mask[0]) && !((now[1] ^ e->bytes[1]) & e->mask[1]);
}

static unsigned set_of(uint64_t rip) { return (unsigned)((rip ^ rip >> 5 ^ rip >> 12) % CODE_SETS); }

static const struct vmm_insn *find(const struct vmm_vcpu *vcpu) {
    const struct code_entry *set = vcpu->code[set_of(vcpu->rip)];
    for (unsigned way = 0; way < CODE_WAYS; way++)
        if (still_holds(&set[way], vcpu)) return &set[way].insn;
    return NULL;
}

/* An entry of the same instruction that holds no longer, or the one whose turn it is. */
static struct code_entry *entry_for(struct vmm_vcpu *vcpu) {
    unsigned set = set_of(vcpu->rip);
    for (unsigned way = 0; way < CODE_WAYS; way++)
        if (vcpu->code[set][way].rip == vcpu->rip) return &vcpu->code[set][way];
    return &vcpu->code[set][vcpu->code_next[set]++ % CODE_WAYS];
}

/* Read an instruction's bytes by the page tables: how many, 0 with a fault queued. first: the walk of its first page.
 */
static unsigned fetch(struct vmm_vcpu *vcpu, uint8_t out[16], struct walk_result *first) {
    uint64_t linear = vmm_mode(vcpu) == VMM_INSN_64 ? vcpu->rip : (uint32_t)(vcpu->at.cs_base + vcpu->rip);
    for (unsigned n = 0; n < MAX_BYTES;) {
        struct walk_result w;
        unsigned piece = (unsigned)(VMM_PAGE_BYTES - ((linear + n) & VMM_PAGE_MASK));
        if (piece > MAX_BYTES - n) piece = MAX_BYTES - n;
        if (vmm_walk(vcpu, linear + n, WALK_FETCH, &w)) {
            if (n) return n; /* the instruction may well end before the page that is missing */
            vmm_reg_set(vcpu, VMM_CR2, linear);
            vmm_inject(vcpu, VECTOR_PF, w.error);
            return 0;
        }
        if (n == 0) *first = w;
        if (vmm_is_reachable(vcpu->vmm, w.gpa.v, piece))
            memcpy(out + n, hw_direct(w.gpa.v), piece); /* RAM or flash */
        else
            memset(out + n, 0xff, piece);
        n += piece;
    }
    return MAX_BYTES;
}

static void keep(struct vmm_vcpu *vcpu, struct code_entry *e, const uint8_t bytes[16], const struct walk_result *w) {
    uint64_t at = w->gpa.v;
    if (w->n_tables == 0 || (at & VMM_PAGE_MASK) > VMM_PAGE_BYTES - 16 || !vmm_is_ram(vcpu->vmm, at, 16)) return;
    if (!(vcpu->at.efer & BIT(10))) return; /* LMA: only tables of 8-byte entries are kept */
    e->rip = vcpu->rip;
    e->at = vcpu->at;
    for (unsigned i = 0; i < CODE_TABLES; i++) {
        e->table_entry[i] = i < w->n_tables ? w->entry[i] : &e->table_value[i];
        e->table_value[i] = i < w->n_tables ? w->value[i] : 0;
    }
    e->bytes_at = hw_direct(at);
    memcpy(e->bytes, bytes, 16);
    unsigned n = e->insn.n_bytes;
    e->mask[0] = n >= 8 ? UINT64_MAX : BIT(8 * n) - 1;
    e->mask[1] = n > 8 ? BIT(8 * (n - 8)) - 1 : 0;
    e->valid = true;
}

/* Apart from the short way, whose stack frame stays small. */
static __attribute__((noinline)) const struct vmm_insn *learn(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    uint8_t bytes[16] = {0};
    struct walk_result w = {.n_tables = 0};
    unsigned n = vcpu->vmm->ops->insn_bytes(vcpu, bytes);
    if (n == 0) n = fetch(vcpu, bytes, &w);
    if (n == 0) return NULL;
    struct code_entry *e = entry_for(vcpu);
    e->valid = false;
    int r = vmm_insn_decode(bytes, n, vmm_mode(vcpu), &e->insn);
    if (r == 0) {
        keep(vcpu, e, bytes, &w);
        return &e->insn;
    }
    vmm_log(vcpu->vmm, "guest rip %lx: %02x %02x %02x %02x %02x %02x %02x %02x cannot be emulated (exit %lx at %lx)",
            vcpu->rip, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7], exit->raw[0],
            exit->raw[2]);
    vmm_inject(vcpu, r == VMM_INSN_E_INVALID ? VECTOR_UD : VECTOR_GP, 0);
    return NULL;
}

const struct vmm_insn *vmm_insn_at_rip(struct vmm_vcpu *vcpu, const struct vmm_exit *exit) {
    const struct vmm_insn *known = find(vcpu);
    return known ? known : learn(vcpu, exit);
}
