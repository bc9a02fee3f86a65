/* From a running application to a hypervisor with that application as its guest. */
#include "host.h"
#include <hw.h>
#include <string.h>
#include "msr_regs.h"
#include "svm/svm_regs.h"

/* libvmm's linker script; _DYNAMIC is the linker's */
extern uint8_t vmm_image_start[], vmm_image_end[];
struct elf_dyn {
    int64_t tag;
    uint64_t value;
};
struct elf_rela {
    uint64_t offset, info;
    int64_t addend;
};
extern const struct elf_dyn _DYNAMIC[] __attribute__((visibility("hidden")));
#define DT_NULL           0
#define DT_RELA           7
#define DT_RELASZ         8
#define R_X86_64_NONE     0u
#define R_X86_64_RELATIVE 8u

struct launch_frame {
    uint64_t rip, rsp;
    uint64_t image;  /* where the application's own copy lies */
    struct vmm *vmm; /* in the region */
    const char *why;
};
typedef int stage2_fn(const struct vmm_launch *launch, struct launch_frame *frame);
int vmm_launch_asm(const struct vmm_launch *launch, stage2_fn *fn, struct launch_frame *frame);

static const struct vmm_cpu_ops *const vendors[] = {&vmm_svm_ops, &vmm_vmx_ops};

/* The vendor of this processor, NULL if there is none; *out_why: what keeps us from using it, if anything. */
static const struct vmm_cpu_ops *vendor(const char **out_why) {
    *out_why = "no supported virtualisation in this processor";
    for (unsigned i = 0; i < sizeof vendors / sizeof vendors[0]; i++) {
        if (!vendors[i]->present()) continue;
        *out_why = vendors[i]->unsupported();
        return vendors[i];
    }
    return NULL;
}

static uint64_t address(const void *p) { return (uint64_t)(uintptr_t)p; }

/* ---- in the application's copy ---- */

/* Source: System V ABI, AMD64 supplement, 4.4 "Relocation". Only relative ones remain after linking. */
__attribute__((no_stack_protector)) int vmm_image_relocate(void *image) { /* all it touches is hidden: no GOT yet */
    uint64_t rela = 0, n_bytes = 0;
    for (const struct elf_dyn *d = _DYNAMIC; d->tag != DT_NULL; d++) {
        if (d->tag == DT_RELA) rela = d->value;
        if (d->tag == DT_RELASZ) n_bytes = d->value;
    }
    const struct elf_rela *r = (const struct elf_rela *)(void *)((uint8_t *)image + rela);
    for (uint64_t i = 0; i < n_bytes / sizeof *r; i++) {
        if ((uint32_t)r[i].info == R_X86_64_NONE) continue; /* of a section the linker dropped */
        if ((uint32_t)r[i].info != R_X86_64_RELATIVE) return VMM_E_INVAL;
        uint64_t v = address(image) + (uint64_t)r[i].addend;
        memcpy((uint8_t *)image + r[i].offset, &v, sizeof v);
    }
    return 0;
}

static int copy_image(void *to) {
    memcpy(to, vmm_image_start, (size_t)(vmm_image_end - vmm_image_start));
    return vmm_image_relocate(to);
}

static const char *check(const struct vmm_launch *l) {
    uint64_t image_bytes = (uint64_t)(vmm_image_end - vmm_image_start);
    if (l->region_bytes == 0 || ((l->region.v | l->region_bytes) & (VMM_REGION_ALIGN - 1)) ||
        l->region.v + l->region_bytes > UINT64_C(1) << 32)
        return "the reserved region is not 2 MiB-aligned memory below 4 GiB";
    if (l->region_bytes < image_bytes) return "the reserved region is smaller than the program";
    if (l->low_page.v == 0 || l->low_page.v >= 0x100000 || (l->low_page.v & VMM_PAGE_MASK))
        return "no page below 1 MiB could be reserved for starting processors";
    if (l->n_ram > VMM_MAX_RAM) return "the memory map has too many ranges";
    if (l->max_cpus == 0 || l->max_cpus > VMM_MAX_CPUS || !l->setup) return "invalid launch parameters";
    return NULL;
}

static stage2_fn stage2, stage2_other;

/* For further processors: what the first one left behind. */
static struct {
    uint64_t delta;
    struct vmm *vmm; /* NULL until launched; readable only from the bare machine */
} launched;

int vmm_launch(const struct vmm_launch *launch, const char **out_why) {
    *out_why = check(launch);
    if (*out_why) return VMM_E_INVAL;
    (void)vendor(out_why);
    if (*out_why) return VMM_E_CPU;
    launched.delta = launch->region.v - address(vmm_image_start);
    struct launch_frame frame = {.image = address(vmm_image_start)};
    *out_why = "the program image has relocations of an unknown kind";
    if (copy_image(hw_direct(launch->region.v))) return VMM_E_INVAL;
    stage2_fn *fn = (stage2_fn *)((uint64_t)(uintptr_t)stage2 + launched.delta);
    int r = vmm_launch_asm(launch, fn, &frame);
    *out_why = r ? frame.why : NULL;
    if (!r) launched.vmm = frame.vmm;
    return r;
}

/* The region tells which side we are on: as the guest, it reads as ones. */
static bool is_beneath(void) { return launched.vmm && launched.vmm->magic != VMM_MAGIC; }

__attribute__((no_stack_protector)) bool vmm_launch_other(void) {
    if (!launched.vmm) return false;
    if (is_beneath()) return true;
    struct launch_frame frame = {.vmm = launched.vmm};
    stage2_fn *fn = (stage2_fn *)((uint64_t)(uintptr_t)stage2_other + launched.delta);
    (void)vmm_launch_asm(NULL, fn, &frame);
    return is_beneath();
}

/* ---- in the region's copy, still on the firmware's page tables and stack ---- */

static struct vmm *make_vmm(const struct vmm_launch *l) {
    uint64_t next = address(vmm_image_end);
    struct vmm *vmm = hw_direct((next + VMM_PAGE_MASK) & ~VMM_PAGE_MASK);
    uint64_t n_bytes = (sizeof *vmm + VMM_PAGE_MASK) & ~VMM_PAGE_MASK;
    if (address(vmm) + n_bytes > l->region.v + l->region_bytes) return NULL;
    memset(vmm, 0, sizeof *vmm);
    vmm->arena_next = address(vmm) + n_bytes;
    vmm->arena_end = l->region.v + l->region_bytes;
    vmm->region = (struct vmm_range){l->region.v, l->region_bytes};
    vmm->low_page = l->low_page.v;
    vmm->n_cpus = l->max_cpus;
    vmm->n_possible = l->n_possible;
    vmm->serial_port = l->serial_port;
    vmm->tsc_hz = l->tsc_hz;
    vmm->n_ram = l->n_ram;
    memcpy(vmm->ram, l->ram, l->n_ram * sizeof *l->ram);
    vmm->phys_bits = hw_cpuid(CPUID_EXT_SIZES, 0).eax & 0xff;
    vmm->direct_bits = vmm->phys_bits < 47 ? vmm->phys_bits : 47; /* the lower canonical half */
    vmm->in_setup = true;
    const char *why;
    vmm->ops = vendor(&why);
    return vmm;
}

static int make_vcpus(struct vmm *vmm) {
    uint64_t canary = hw_rdtsc() * UINT64_C(0x9e3779b97f4a7c15) & ~UINT64_C(0xff);
    for (uint32_t i = 0; i < vmm->n_cpus; i++) {
        struct vmm_vcpu *v = vmm_alloc(vmm, sizeof *v);
        if (!v) return VMM_E_NOMEM;
        *v = (struct vmm_vcpu){.self = v, .canary = canary, .vmm = vmm, .index = i, .in_exit = true};
        vmm->vcpu[i] = v;
        if (vmm->ops->vcpu_init(v) || vmm_host_cpu_init(v)) return VMM_E_NOMEM;
    }
    return 0;
}

static struct vmm_segment read_segment(const struct hw_table *gdt, uint16_t selector) {
    struct vmm_segment s = {.selector = selector};
    if ((selector & ~7u) == 0 || (selector & ~7u) + 7u > gdt->limit) return s;
    uint64_t d[2] = {0, 0};
    const uint8_t *at = (const uint8_t *)(uintptr_t)gdt->base + (selector & ~7u);
    bool system = !(at[5] & 0x10);
    memcpy(d, at, system && (selector & ~7u) + 15u <= gdt->limit ? 16 : 8);
    s.base = (d[0] >> 16 & 0xffffff) | (d[0] >> 56) << 24 | (system ? d[1] << 32 : 0);
    s.limit = (uint32_t)((d[0] & 0xffff) | (d[0] >> 32 & 0xf0000));
    s.attrib = (uint16_t)((d[0] >> 40 & 0xff) | (d[0] >> 52 & 0xf) << 8);
    if (s.attrib & BIT(11)) s.limit = s.limit << 12 | 0xfff;
    return s;
}

static void capture(struct vmm_cpu_state *st, const struct launch_frame *frame) {
    struct hw_table gdt, idt;
    hw_sgdt(&gdt);
    hw_sidt(&idt);
    *st = (struct vmm_cpu_state){.rip = frame->rip,
                                 .rflags = BIT(1),
                                 .cr0 = hw_read_cr0(),
                                 .cr2 = hw_read_cr2(),
                                 .cr3 = hw_read_cr3(),
                                 .cr4 = hw_read_cr4(),
                                 .efer = hw_rdmsr(MSR_EFER),
                                 .dr6 = hw_read_dr6(),
                                 .dr7 = hw_read_dr7(),
                                 .pat = hw_rdmsr(MSR_PAT)};
    st->gpr[VMM_RSP] = frame->rsp;
    uint16_t selector[8];
    hw_read_selectors(selector);
    for (unsigned i = VMM_ES; i <= VMM_TR; i++) st->seg[i] = read_segment(&gdt, selector[i]);
    st->seg[VMM_FS].base = hw_rdmsr(MSR_FS_BASE);
    st->seg[VMM_GS].base = hw_rdmsr(MSR_GS_BASE);
    st->seg[VMM_GDTR] = (struct vmm_segment){.limit = gdt.limit, .base = gdt.base};
    st->seg[VMM_IDTR] = (struct vmm_segment){.limit = idt.limit, .base = idt.base};
}

static int prepare(struct vmm *vmm, const struct vmm_launch *l, const char **why) {
    *why = "the reserved region is too small for this number of processors";
    if (vmm->ops->init(vmm) || vmm_space_init(vmm) || vmm_host_init(vmm) || make_vcpus(vmm) || vmm_smp_init(vmm))
        return VMM_E_NOMEM;
    *why = "the local APIC cannot be trapped";
    if (vmm_msr_init(vmm) || vmm_apic_init(vmm)) return VMM_E_BUSY;
    *why = "no memory for the program's own set-up";
    void *arg = vmm_alloc(vmm, l->arg_bytes ? l->arg_bytes : 1);
    if (!arg) return VMM_E_NOMEM;
    memcpy(arg, l->arg, l->arg_bytes);
    uint64_t delta = l->region.v - vmm->app_image;
    int (*setup)(struct vmm *, void *) = (int (*)(struct vmm *, void *))((uint64_t)(uintptr_t)l->setup + delta);
    int r = setup(vmm, arg);
    *why = vmm->why[0] ? vmm->why : "set-up declined";
    return r ? VMM_E_SETUP : 0;
}

static __attribute__((no_stack_protector)) void on_own_stack(struct vmm_vcpu *vcpu) {
    vcpu->vmm->ops->enable(vcpu);
    vmm_host_enter(vcpu);
    vmm_start(vcpu, &vcpu->start);
}

/* The processor goes on as the guest, in the application's own copy of vmm_launch_asm. */
static _Noreturn void become_guest(struct vmm_vcpu *vcpu, const struct launch_frame *frame) {
    capture(&vcpu->start, frame);
    host_switch_stack(vcpu, vcpu->stack_top, on_own_stack);
}

static int stage2(const struct vmm_launch *l, struct launch_frame *frame) {
    struct vmm *vmm = make_vmm(l);
    frame->why = "the reserved region is smaller than the program";
    if (!vmm) return VMM_E_NOMEM;
    vmm->app_image = frame->image;
    int r = prepare(vmm, l, &frame->why);
    if (r) return r;
    frame->vmm = vmm;
    vmm->magic = VMM_MAGIC;
    vmm->vcpu[0]->apic_id = vmm->slot[0].apic_id = vmm_apic_id(vmm);
    vmm->in_setup = false;
    if (l->stop_others) vmm_apic_stop_others(vmm);
    vmm_log(vmm, "sekisho: %s, %u KiB of %u KiB used at %lx, guest starts after %lu ms", vmm->ops->name,
            (unsigned)((vmm->arena_next - vmm->region.base) >> 10), (unsigned)(vmm->region.n_bytes >> 10),
            vmm->region.base, vmm_us_since(vmm, l->start_tsc) / 1000);
    become_guest(vmm->vcpu[0], frame);
}

/* The slot of this processor: its own from before, or a free one. The trampoline does the same in assembly. */
static struct vmm_cpu_slot *claim_slot(struct vmm *vmm, uint32_t apic_id) {
    for (uint32_t i = 0; i < vmm->n_cpus; i++) {
        uint32_t expected = SLOT_FREE;
        if (__atomic_compare_exchange_n(&vmm->slot[i].apic_id, &expected, apic_id, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST) ||
            expected == apic_id)
            return &vmm->slot[i];
    }
    return NULL;
}

static int stage2_other(const struct vmm_launch *l, struct launch_frame *frame) {
    (void)l;
    if (frame->vmm->ops->unsupported()) return VMM_E_CPU; /* processors of one machine may differ */
    struct vmm_cpu_slot *slot = claim_slot(frame->vmm, vmm_apic_id(frame->vmm));
    if (!slot) return VMM_E_FULL;
    slot->vcpu->apic_id = slot->apic_id;
    become_guest(slot->vcpu, frame);
}
