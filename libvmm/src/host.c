/* see host.h */
#include "host.h"
#include <hw.h>
#include <string.h>
#include "msr_regs.h"

#define CR0_HOST    (BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(16) | BIT(31)) /* PE MP ET NE WP PG */
#define CR4_HOST    (BIT(5) | BIT(7) | BIT(9) | BIT(10))                    /* PAE PGE OSFXSR OSXMMEXCPT */
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP    BIT(20)
#define CR4_SMAP    BIT(21)

#define HOST_TABLE       (PT_P | PT_W)
#define HOST_RW          (PT_P | PT_W | PT_NX)
#define HOST_R           (PT_P | PT_NX)
#define HOST_RX          PT_P
#define HOST_SPLIT_PAGES 16u

#define VECTOR_NMI 2u
#define VECTOR_DF  8u
#define VECTOR_SX  30u

struct idt_gate {
    uint16_t offset_15_0, selector;
    uint8_t ist, type;
    uint16_t offset_31_16;
    uint32_t offset_63_32, rsvd_0x0c;
};
_Static_assert(sizeof(struct idt_gate) == 16, "APM Volume 2, 4.8.4");

static struct idt_gate idt[32];

/* libvmm's linker script */
extern uint8_t vmm_image_start[], vmm_text_start[], vmm_text_end[], vmm_rodata_end[];
extern const int32_t vmm_extable_start[], vmm_extable_end[];

static uint64_t address(const void *p) { return (uint64_t)(uintptr_t)p; }

static int map_image(struct vmm *vmm) {
    uint64_t base = address(vmm_image_start), text = address(vmm_text_start), text_end = address(vmm_text_end),
             ro_end = address(vmm_rodata_end), end = vmm->region.base + vmm->region.n_bytes;
    VMM_ASSERT(!((base | text | text_end | ro_end) & VMM_PAGE_MASK));
    struct pt *pt = &vmm->host_pt;
    if (pt_map(pt, base, base, text - base, HOST_R) || pt_map(pt, text, text, text_end - text, HOST_RX) ||
        pt_map(pt, text_end, text_end, ro_end - text_end, HOST_R))
        return VMM_E_NOMEM;
    return pt_map(pt, ro_end, ro_end, end - ro_end, HOST_RW);
}

/* All of the bus 1:1, data only; our image write-xor-execute; page 0 as well, because the guest uses it; the
 * trampoline page executable once filled. */
int vmm_host_init(struct vmm *vmm) {
    unsigned bits = vmm->direct_bits;
    uint64_t n_pages =
        1 + (bits > 39 ? UINT64_C(1) << (bits - 39) : 1) + vmm->region.n_bytes / VMM_REGION_ALIGN + HOST_SPLIT_PAGES;
    void *pool = vmm_alloc(vmm, n_pages * VMM_PAGE_BYTES);
    if (!pool || pt_init(&vmm->host_pt, address(pool), n_pages, HOST_TABLE, PT_P)) return VMM_E_NOMEM;
    if (pt_map(&vmm->host_pt, 0, 0, UINT64_C(1) << bits, HOST_RW) || map_image(vmm) ||
        pt_map(&vmm->host_pt, vmm->low_page, vmm->low_page, VMM_PAGE_BYTES, HOST_RX))
        return VMM_E_NOMEM;
    vmm->host_cr3 = address(vmm->host_pt.root);
    for (unsigned v = 0; v < 32; v++) {
        uint64_t at = address(host_stubs[v]);
        idt[v] = (struct idt_gate){.offset_15_0 = (uint16_t)at,
                                   .selector = HOST_CS,
                                   .ist = v == VECTOR_NMI  ? 2
                                          : v == VECTOR_DF ? 3
                                                           : 1,
                                   .type = 0x8e, /* present, 64-bit interrupt gate */
                                   .offset_31_16 = (uint16_t)(at >> 16),
                                   .offset_63_32 = (uint32_t)(at >> 32)};
    }
    return 0;
}

int vmm_host_cpu_init(struct vmm_vcpu *vcpu) {
    struct host_area *a = vmm_alloc(vcpu->vmm, sizeof *a);
    if (!a) return VMM_E_NOMEM;
    uint8_t *const guards[] = {a->guard0, a->guard1, a->guard2, a->guard3};
    for (unsigned i = 0; i < sizeof guards / sizeof guards[0]; i++)
        if (pt_map(&vcpu->vmm->host_pt, address(guards[i]), 0, VMM_PAGE_BYTES, 0)) return VMM_E_NOMEM;
    uint64_t tss = address(&a->tss);
    a->gdt[HOST_CS / 8] = UINT64_C(0x00209b0000000000); /* code, L, DPL 0, accessed */
    a->gdt[HOST_SS / 8] = UINT64_C(0x0000930000000000); /* data, DPL 0, accessed */
    a->gdt[HOST_TR / 8] =
        (sizeof a->tss - 1) | (tss & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (tss >> 24 & 0xff) << 56;
    a->gdt[HOST_TR / 8 + 1] = tss >> 32;
    a->tss.ist[0] = address(a->fault_stack + sizeof a->fault_stack);
    a->tss.ist[1] = address(a->nmi_stack + sizeof a->nmi_stack);
    a->tss.ist[2] = address(a->df_stack + sizeof a->df_stack);
    a->tss.iomap = sizeof a->tss;
    vcpu->area = a;
    vcpu->stack_top = address(a->stack + sizeof a->stack);
    return 0;
}

__attribute__((no_stack_protector)) void vmm_host_enter(struct vmm_vcpu *vcpu) {
    struct host_area *a = vcpu->area;
    struct hw_table gdtr = {.limit = sizeof a->gdt - 1, .base = address(a->gdt)};
    struct hw_table idtr = {.limit = sizeof idt - 1, .base = address(idt)};
    a->gdt[HOST_TR / 8] &= ~(UINT64_C(2) << 40); /* not busy: this processor may come back after an INIT */
    hw_wrmsr(MSR_EFER, hw_rdmsr(MSR_EFER) | EFER_NXE);
    uint64_t cr4 = CR4_HOST;
    if (hw_cpuid(1, 0).ecx & BIT(26)) cr4 |= CR4_OSXSAVE;
    if (hw_cpuid(0, 0).eax >= 7) {
        uint32_t ebx = hw_cpuid(7, 0).ebx;
        cr4 |= (ebx & BIT(7) ? CR4_SMEP : 0) | (ebx & BIT(20) ? CR4_SMAP : 0);
    }
    hw_write_cr3(vcpu->vmm->host_cr3);
    hw_write_cr4(cr4);
    hw_write_cr0(CR0_HOST);
    host_load(&gdtr, &idtr);
    hw_wrmsr(MSR_FS_BASE, address(vcpu));
}

/* ---- exceptions of our own ---- */

static bool fixup(struct host_frame *f) {
    for (const int32_t *e = vmm_extable_start; e < vmm_extable_end; e += 2) {
        if (address(e) + (uint64_t)(int64_t)e[0] != f->rip) continue;
        f->rip = address(e + 1) + (uint64_t)(int64_t)e[1];
        return true;
    }
    return false;
}

void host_exception(struct host_frame *f) {
    if (f->vector == VECTOR_NMI) { /* AMD: only taken in the window of vmm_cpu_ops.take_nmi, which knows why */
        struct vmm_vcpu *vcpu = host_vcpu();
        if (vcpu->vmm->ops->nmi_in_host) vcpu->vmm->ops->nmi_in_host(vcpu, &f->rip);
        return;
    }
    if (f->vector == VECTOR_SX) { /* an INIT in that window: AMD only */
        __atomic_store_n(&host_vcpu()->init_in_host, true, __ATOMIC_RELAXED);
        return;
    }
    if (fixup(f)) return;
    host_panic_frame(f);
}
