/* Task-switch exits: the vCPU's registers and memory for vmx_task.c, and what became of them back again.
 * Source: Intel SDM Volume 3C, 25.4.2 "Treatment of Task Switches"; 27.3.3 "Saving RIP, RSP, RFLAGS, and SSP". */
#include <hw_vmx.h>
#include <string.h>
#include "vmx.h"
#include "vmx_regs.h"
#include "vmx_task.h"

#define VECTOR_DB 1u
#define VECTOR_PF 14u
#define RFLAGS_AC BIT(18)
#define DR6_BT    BIT(15)

static uint64_t get(uint32_t field) { return hw_vmx_read(field); }
static void set(uint32_t field, uint64_t v) { VMM_ASSERT(hw_vmx_write(field, v)); }

struct switcher {
    struct vmm_vcpu *vcpu;
    uint64_t pdpte[4];
    bool has_pdptes;
};

/* ---- memory ---- */

/* What is not RAM reads as ones, and loses what is written, as on an empty bus. */
static void touch(const struct vmm *vmm, gpa_t at, enum vmx_task_op op, uint8_t *data, uint32_t n_bytes) {
    uint8_t *p = vmm_gmem_borrow(vmm, at, n_bytes);
    switch (op) {
    case VMX_TASK_READ: p ? memcpy(data, p, n_bytes) : memset(data, 0xff, n_bytes); break;
    case VMX_TASK_WRITE:
        if (p) memcpy(p, data, n_bytes);
        break;
    case VMX_TASK_OR: *data = p ? __atomic_fetch_or(p, *data, __ATOMIC_SEQ_CST) : 0xff; break;
    case VMX_TASK_AND: *data = p ? __atomic_fetch_and(p, *data, __ATOMIC_SEQ_CST) : 0xff; break;
    case VMX_TASK_PROBE: break;
    }
}

/* Every page is translated before any is touched. Accesses are shorter than a page. */
static bool access(void *ctx, const struct vmx_task_access *a, struct vmx_task_fault *out) {
    struct vmm_vcpu *vcpu = ((struct switcher *)ctx)->vcpu;
    uint32_t first = (uint32_t)(VMM_PAGE_BYTES - (a->linear & VMM_PAGE_MASK)), n[2];
    n[0] = a->n_bytes < first ? a->n_bytes : first;
    n[1] = a->n_bytes - n[0];
    struct walk_result r[2];
    vcpu->at.cr3 = a->cr3;
    vcpu->at.cpl = a->user ? 3 : 0;
    for (unsigned i = 0; i < 2 && n[i]; i++) {
        uint32_t linear = a->linear + (i ? n[0] : 0);
        if (!vmm_walk(vcpu, linear, a->op == VMX_TASK_READ ? WALK_READ : WALK_WRITE, &r[i])) continue;
        *out = (struct vmx_task_fault){.vector = VECTOR_PF, .error = r[i].error, .cr2 = linear};
        return false;
    }
    uint8_t *data = a->data;
    for (unsigned i = 0; i < 2 && n[i]; i++)
        touch(vcpu->vmm, r[i].gpa, a->op, data ? data + (i ? n[0] : 0) : NULL, n[i]);
    return true;
}

static bool pdptes_good(void *ctx, uint32_t cr3) {
    struct switcher *s = ctx;
    return s->has_pdptes = vmx_pdptes_read(s->vcpu, cr3, s->pdpte);
}

/* ---- registers ---- */

static void capture(const struct vmm_vcpu *vcpu, struct vmx_task_regs *r) {
    for (unsigned i = 0; i < 8; i++) r->gpr[i] = (uint32_t)vcpu->gpr[i];
    r->eip = (uint32_t)vcpu->rip;
    r->eflags = (uint32_t)vcpu->rflags;
    r->cr0 = (uint32_t)vmm_reg_get(vcpu, VMM_CR0);
    r->cr3 = (uint32_t)vmm_reg_get(vcpu, VMM_CR3);
    r->cr4 = (uint32_t)vmm_reg_get(vcpu, VMM_CR4);
    r->dr7 = (uint32_t)vmm_reg_get(vcpu, VMM_DR7);
    for (unsigned i = VMM_ES; i <= VMM_IDTR; i++) r->seg[i] = vmm_segment_get(vcpu, (enum vmm_segment_name)i);
}

static void apply(struct switcher *s, const struct vmx_task_regs *r) {
    struct vmm_vcpu *vcpu = s->vcpu;
    for (unsigned i = 0; i < 8; i++) vcpu->gpr[i] = r->gpr[i];
    vcpu->rip = r->eip;
    vcpu->rflags = r->eflags;
    vmm_reg_set(vcpu, VMM_CR0, r->cr0);
    vmm_reg_set(vcpu, VMM_CR3, r->cr3);
    vmm_reg_set(vcpu, VMM_DR7, r->dr7);
    for (unsigned i = 0; i < 4 && s->has_pdptes; i++) set(VMCS_GUEST_PDPTE(i), s->pdpte[i]);
    for (unsigned i = VMM_ES; i <= VMM_TR; i++) {
        set(VMCS_GUEST_SELECTOR(i), r->seg[i].selector);
        set(VMCS_GUEST_BASE(i), r->seg[i].base);
        set(VMCS_GUEST_LIMIT(i), r->seg[i].limit);
        /* DPL counts even where the segment is unusable: that of SS is the privilege level. */
        set(VMCS_GUEST_RIGHTS(i), vmx_rights_encode(r->seg[i].attrib) | (r->seg[i].attrib & BITS(6, 5)));
    }
    set(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
    set(VMCS_GUEST_INTERRUPTIBILITY, get(VMCS_GUEST_INTERRUPTIBILITY) & ~(BLOCKING_STI | BLOCKING_MOV_SS));
    vcpu->at.cr0 = r->cr0;
    vcpu->at.cr3 = r->cr3;
}

/* An NMI's delivery blocks further ones, IRET's execution ends that, whatever becomes of the switch. */
static void block_nmis(enum vmx_task_source source, uint32_t event) {
    uint64_t blocking = get(VMCS_GUEST_INTERRUPTIBILITY);
    if (source == VMX_TASK_IRET)
        set(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~BLOCKING_NMI);
    else if ((event & EVENT_V) && FIELD_GET(EVENT_TYPE, event) == EVENT_TYPE_NMI)
        set(VMCS_GUEST_INTERRUPTIBILITY, blocking | BLOCKING_NMI);
}

void vmx_task_exit(struct vmm_vcpu *vcpu, struct vmm_exit *exit) {
    uint32_t event = (uint32_t)get(VMCS_IDT_EVENT), type = (uint32_t)FIELD_GET(EVENT_TYPE, event);
    struct switcher s = {.vcpu = vcpu};
    struct vmx_task t = {.source = (enum vmx_task_source)FIELD_GET(QUAL_TASK_SOURCE, exit->raw[1]),
                         .selector = (uint16_t)FIELD_GET(QUAL_TASK_TSS, exit->raw[1]),
                         .n_insn_bytes = exit->n_insn_bytes,
                         .ctx = &s,
                         .access = access,
                         .pdptes_good = pdptes_good};
    if (t.source == VMX_TASK_GATE && (event & EVENT_V)) {
        bool by_insn = type == EVENT_TYPE_SOFT_INT || type == EVENT_TYPE_SOFT_EXC;
        t.external = !by_insn;
        if (!by_insn && type != EVENT_TYPE_PRIV_EXC) t.n_insn_bytes = 0;
        t.has_error = event & EVENT_ERROR_V;
        t.error = (uint32_t)get(VMCS_IDT_ERROR);
    }
    struct vmm_context at = vcpu->at;
    if (at.cr4 & CR4_CET) { /* shadow stacks are switched too, which nobody asks of us */
        vmm_log(vcpu->vmm, "guest task switch with CR4.CET at rip %lx: not supported", vcpu->rip);
        vcpu->shutdown = true;
        return;
    }
    uint64_t rflags = vcpu->rflags;
    capture(vcpu, &t.regs);
    vcpu->rflags &=
        ~RFLAGS_AC; /* implicit accesses of the supervisor: Volume 3A, 4.6.1 "Determination of Access Rights" */
    bool good = vmx_task_switch(&t);
    vcpu->at = at;
    vcpu->rflags = rflags;
    if (t.switched) apply(&s, &t.regs);
    block_nmis(t.source, event);
    /* The event has been delivered; or a fault on the way replaces it, or makes a double fault of both. */
    if (!good && exit->vectoring.type == VMM_EVENT_EXCEPTION) vcpu->inject = exit->vectoring;
    exit->vectoring.type = VMM_EVENT_NONE;
    if (!good) {
        if (t.fault.vector == VECTOR_PF) vmm_reg_set(vcpu, VMM_CR2, t.fault.cr2);
        vmm_inject(vcpu, t.fault.vector, t.fault.error);
    } else if (t.debug_trap) {
        vmm_reg_set(vcpu, VMM_DR6, vmm_reg_get(vcpu, VMM_DR6) | DR6_BT);
        vmm_inject(vcpu, VECTOR_DB, 0);
    }
}
