/* AMD's processor operations over a fake processor: what is asked of it, what its control block holds. */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"
#include "msr_regs.h"
#include "svm/svm.h"
#include "svm/svm_regs.h"

static const struct vmm_cpu_ops *const ops = &vmm_svm_ops;
static struct vmm_vcpu *cpu = &guest.vcpu[1];

static void amd(uint32_t svm_edx) {
    fake_cpuid(0x80000000, 0, (struct hw_cpuid){.eax = 0x8000000a});
    fake_cpuid(0x80000001, 0, (struct hw_cpuid){.ecx = 1u << 2, .edx = 1u << 26});
    fake_cpuid(0x8000000a, 0, (struct hw_cpuid){.edx = svm_edx});
    fake_msr(MSR_VM_CR, 0, UINT64_MAX);
}

static struct svm_vmcb *vmcb(void) { return cpu->vendor; }
static const struct svm_maps *maps(void) { return guest.vmm.vendor; }

static void start(uint32_t svm_edx) {
    guest_start();
    amd(svm_edx);
    fake_msr(MSR_EFER, 0xd00, 0x1d01);
    fake_msr(MSR_VM_HSAVE_PA, 0, UINT64_MAX);
    guest.vmm.ops = ops;
    cr_assert_eq(ops->init(&guest.vmm), 0);
    cr_assert_eq(ops->vcpu_init(cpu), 0);
}

Test(vmm_svm, what_a_processor_must_have) {
    cr_assert_str_eq(ops->unsupported(), "this processor has no AMD SVM virtualisation");
    amd(1 | 8);
    cr_assert_null(ops->unsupported());
    fake_msr(MSR_VM_CR, 0x10, 0);
    cr_assert_str_eq(ops->unsupported(), "SVM virtualisation is switched off in the firmware's settings");
    amd(8);
    cr_assert_str_eq(ops->unsupported(), "this processor has SVM but no nested paging");
    amd(1);
    fake_cpuid(0x80000001, 0, (struct hw_cpuid){.ecx = 1u << 2});
    cr_assert_str_eq(ops->unsupported(), "this processor has no 1 GiB pages");
    fake_cpuid(0x80000001, 0, (struct hw_cpuid){.edx = 1u << 26});
    cr_assert_str_eq(ops->unsupported(), "this processor has no AMD SVM virtualisation");
}

Test(vmm_svm, a_new_control_block) {
    start(1);
    const struct svm_control *c = &vmcb()->c;
    cr_assert_eq(c->intercept[0] | c->intercept[1] | c->intercept[2], 0);
    cr_assert_eq(c->intercept[3], 1u << 1 | 1u << 3 | 1u << 22 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 31);
    cr_assert_eq(c->intercept[4], 0x7f);
    cr_assert_eq(c->asid, 1);
    cr_assert_eq(c->nested_ctl, 1);
    cr_assert_eq(c->n_cr3, (uintptr_t)guest.vmm.npt.root);
    cr_assert(((c->iopm_base_pa | c->msrpm_base_pa | cpu->vmcb_pa | cpu->host_vmcb_pa) & 0xfff) == 0);
    cr_assert(c->iopm_base_pa && c->msrpm_base_pa && c->iopm_base_pa != c->msrpm_base_pa);
    ops->enable(cpu);
    ops->ready(cpu);
    cr_assert_eq(fake_msr_find(MSR_EFER)->value, 0x1d00);
    cr_assert_eq(fake_msr_find(MSR_VM_HSAVE_PA)->value, cpu->host_vmcb_pa + 4096);
    cr_assert_eq(fake_nth(FAKE_VMSAVE, 0)->at, cpu->vmcb_pa);
    cr_assert_eq(fake_nth(FAKE_VMSAVE, 1)->at, cpu->host_vmcb_pa);
    cr_assert_eq(fake_count(FAKE_CLGI), 1);
    cr_assert_eq(c->intercept[3] & 1u << 18, 0);
    guest.vmm.cpuid_exits = true;
    ops->enable(cpu);
    cr_assert_neq(c->intercept[3] & 1u << 18, 0);
}

Test(vmm_svm, too_small_a_region) {
    guest_start();
    for (unsigned n_pages = 0; n_pages < 6; n_pages++) { /* 1 of maps, 3 of I/O map, 2 of MSR map */
        guest.vmm.arena_end = guest.vmm.arena_next + n_pages * 4096;
        uint64_t next = guest.vmm.arena_next;
        cr_assert_eq(ops->init(&guest.vmm), VMM_E_NOMEM, "%u pages", n_pages);
        guest.vmm.arena_next = next;
    }
    guest.vmm.arena_end = guest.vmm.arena_next + 6 * 4096;
    cr_assert_eq(ops->init(&guest.vmm), 0);
    cr_assert_eq(ops->vcpu_init(cpu), VMM_E_NOMEM);
}

static unsigned bits_set(const uint8_t *map, size_t n_bytes) {
    unsigned n = 0;
    for (size_t i = 0; i < n_bytes; i++) n += (unsigned)__builtin_popcount(map[i]);
    return n;
}

Test(vmm_svm, permission_maps) {
    start(1);
    const uint8_t *io = hw_direct(maps()->iopm), *msr = hw_direct(maps()->msrpm);
    cr_assert_eq(bits_set(io, 0x3000) + bits_set(msr, 0x2000), 0);
    ops->pio_intercept(&guest.vmm, 0xcf8, 8);
    cr_assert_eq(io[0xcf8 / 8], 0xff);
    ops->pio_intercept(&guest.vmm, 0xffff, 1);
    cr_assert_eq(io[0x1fff], 0x80);
    cr_assert_eq(bits_set(io, 0x3000), 9);
    ops->msr_intercept(&guest.vmm, 0x1b, false, true);
    ops->msr_intercept(&guest.vmm, 0xc0000080, true, true);
    ops->msr_intercept(&guest.vmm, 0xc0010117, true, false);
    ops->msr_intercept(&guest.vmm, 0x40000000, true, true); /* exits as it is */
    cr_assert_eq(msr[6], 0x80);
    cr_assert_eq(msr[0x820], 0x03);
    cr_assert_eq(msr[0x1045], 0x40);
    cr_assert_eq(bits_set(msr, 0x2000), 4);
    ops->msr_intercept(&guest.vmm, 0xc0000080, true, false);
    cr_assert_eq(msr[0x820], 0x01);
    ops->msr_intercept(&guest.vmm, 0xc0000080, false, false);
    cr_assert_eq(bits_set(msr, 0x2000), 2);
}

/* ---- INIT ---- */

static const uint32_t kept[] = {0x277, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0x174, 0x175, 0x176};

Test(vmm_svm, an_init_is_let_in) {
    start(1);
    cr_assert(guest.vmm.holds_init);
    ops->enable(cpu);
    ops->ready(cpu);
    cr_assert_eq(fake_msr_find(MSR_VM_CR)->value, 2, "redirected while we are open to NMIs");
    for (unsigned i = 0; i < 9; i++) fake_msr(kept[i], 0, UINT64_MAX);
    vmcb()->s.g_pat = 0x100;
    vmcb()->s.star = 0x101, vmcb()->s.lstar = 0x102, vmcb()->s.cstar = 0x103, vmcb()->s.sfmask = 0x104;
    vmcb()->s.kernel_gs_base = 0x105;
    vmcb()->s.sysenter_cs = 0x106, vmcb()->s.sysenter_esp = 0x107, vmcb()->s.sysenter_eip = 0x108;
    fake_hw.n_log = 0;
    ops->leave(cpu);
    for (unsigned i = 0; i < 9; i++) cr_assert_eq(fake_msr_find(kept[i])->value, 0x100 + i, "the guest's: %x", kept[i]);
    cr_assert_eq(fake_msr_find(MSR_VM_CR)->value, 0);
    cr_assert(fake_count(FAKE_STGI) == 1 && fake_hw.log[fake_hw.n_log - 1].kind == FAKE_STGI, "last of all");
}

Test(vmm_svm, an_init_in_the_moment_of_an_nmi) {
    start(1);
    cpu->init_in_host = true;
    cpu->inject = (struct vmm_event){.type = VMM_EVENT_NMI, .vector = 2};
    struct vmm_exit e;
    ops->run(cpu, &e);
    cr_assert(e.kind == VMM_EXIT_INIT && fake_count(FAKE_VMRUN) == 0 && !cpu->init_in_host);
}

Test(vmm_svm, another_hypervisors_init_is_not_held) {
    guest_start();
    amd(1);
    fake_cpuid(1, 0, (struct hw_cpuid){.ecx = 1u << 31});
    guest.vmm.ops = ops;
    cr_assert_eq(ops->init(&guest.vmm), 0);
    cr_assert_eq(ops->vcpu_init(cpu), 0);
    cr_assert(!guest.vmm.holds_init && !(vmcb()->c.intercept[3] & 1u << 3));
    ops->ready(cpu);
    cr_assert_eq(fake_msr_find(MSR_VM_CR)->value, 0);
}

/* ---- one turn ---- */

static struct svm_vmcb seen;

static void on_vmrun(const struct fake_effect *e) {
    if (e->kind != FAKE_VMRUN) return;
    cr_assert_eq(e->at, cpu->vmcb_pa);
    seen = *vmcb();
    vmcb()->s.rax = 0x1001;
    vmcb()->s.rsp = 0x1002;
    vmcb()->s.rip = 0x1003;
    vmcb()->s.rflags = 0x1004;
    vmcb()->s.cr0 = 0x1005, vmcb()->s.cr3 = 0x1006, vmcb()->s.cr4 = 0x1007, vmcb()->s.efer = 0x1408;
    vmcb()->s.cs = (struct svm_segment){.attrib = 0x29b, .base = 0x100a};
    vmcb()->s.cpl = 3;
    vmcb()->c.exit_code = 0x72;
    vmcb()->c.next_rip = 0x1005;
}

Test(vmm_svm, one_turn) {
    start(1 | 8);
    fake_hw.on_effect = on_vmrun;
    cpu->gpr[VMM_RAX] = 1, cpu->gpr[VMM_RSP] = 2, cpu->rip = 3, cpu->rflags = 4;
    cpu->inject = (struct vmm_event){.type = VMM_EVENT_NMI, .vector = 2};
    vmcb()->s.efer = 0;
    struct vmm_exit e;
    ops->run(cpu, &e);
    cr_assert(seen.s.rax == 1 && seen.s.rsp == 2 && seen.s.rip == 3 && seen.s.rflags == 4);
    cr_assert_eq(seen.c.event_inj, 0x80000202);
    cr_assert_eq(seen.s.efer, 0x1000);
    cr_assert_eq(seen.c.tlb_control, 1); /* the first turn */
    cr_assert(cpu->gpr[VMM_RAX] == 0x1001 && cpu->gpr[VMM_RSP] == 0x1002 && cpu->rip == 0x1003);
    cr_assert_eq(cpu->rflags, 0x1004);
    cr_assert(cpu->at.cr0 == 0x1005 && cpu->at.cr3 == 0x1006 && cpu->at.cr4 == 0x1007 && cpu->at.efer == 0x1408);
    cr_assert(cpu->at.cs_base == 0x100a && cpu->at.cs_attrib == 0x29b && cpu->at.cpl == 3);
    cr_assert_eq(vmm_mode(cpu), VMM_INSN_64);
    cr_assert_eq(cpu->inject.type, VMM_EVENT_NONE);
    cr_assert(e.kind == VMM_EXIT_CPUID && e.n_insn_bytes == 2);
    ops->run(cpu, &e);
    cr_assert_eq(seen.c.event_inj, 0);
    cr_assert_eq(seen.c.tlb_control, 0);
    guest.vmm.npt_generation++; /* a mapping has changed */
    ops->run(cpu, &e);
    cr_assert_eq(seen.c.tlb_control, 1);
    ops->run(cpu, &e);
    cr_assert_eq(seen.c.tlb_control, 0);
    cr_assert_eq(fake_count(FAKE_VMRUN), 4);
}

static uint64_t exit_code, exit_info2, next_rip;
static void on_vmrun_length(const struct fake_effect *e) {
    if (e->kind != FAKE_VMRUN) return;
    vmcb()->c.exit_code = exit_code;
    vmcb()->c.exit_info2 = exit_info2;
    vmcb()->c.next_rip = next_rip;
}

Test(vmm_svm, length_of_the_instruction) {
    static const struct {
        bool nrip;
        uint64_t code, rip, info2, next;
        unsigned n;
    } rows[] = {
        {true, 0x72, 0x1000, 0, 0x1002, 2},  {false, 0x72, 0x1000, 0, 0x1002, 0},
        {false, 0x7b, 0x1000, 0x1001, 0, 1}, {true, 0x7b, 0x1000, 0x1002, 0x1009, 2},
        {true, 0x72, 0x1000, 0, 0, 0},       {true, 0x72, 0x1000, 0, 0x1000, 0},
        {true, 0x72, 0x1000, 0, 0x100f, 15}, {true, 0x72, 0x1000, 0, 0x1010, 0},
        {true, 0x72, UINT64_MAX, 0, 1, 2},
    };
    start(1);
    fake_hw.on_effect = on_vmrun_length;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ((struct svm_maps *)guest.vmm.vendor)->has_nrip = rows[i].nrip;
        exit_code = rows[i].code, exit_info2 = rows[i].info2, next_rip = rows[i].next, cpu->rip = rows[i].rip;
        struct vmm_exit e;
        ops->run(cpu, &e);
        cr_assert_eq(e.n_insn_bytes, rows[i].n, "row %u: %u", i, e.n_insn_bytes);
    }
}

Test(vmm_svm, registers_by_name) {
    start(1);
    struct svm_save *s = &vmcb()->s;
    struct {
        enum vmm_reg reg;
        uint64_t *at;
        bool flush;
    } rows[] = {{VMM_CR0, &s->cr0, true}, {VMM_CR2, &s->cr2, false}, {VMM_CR3, &s->cr3, true},
                {VMM_CR4, &s->cr4, true}, {VMM_DR6, &s->dr6, false}, {VMM_DR7, &s->dr7, false}};
    for (unsigned i = 0; i < 6; i++) {
        vmcb()->c.tlb_control = 0;
        vmm_reg_set(cpu, rows[i].reg, 0x77 + i);
        cr_assert_eq(*rows[i].at, 0x77 + i);
        cr_assert_eq(vmm_reg_get(cpu, rows[i].reg), 0x77 + i);
        cr_assert_eq(vmcb()->c.tlb_control, rows[i].flush, "row %u", i);
    }
    vmm_reg_set(cpu, VMM_EFER, 0x500); /* SVME is there, and nobody sees it */
    cr_assert_eq(s->efer, 0x1500);
    cr_assert_eq(vmm_reg_get(cpu, VMM_EFER), 0x500);
    for (unsigned r = VMM_RAX; r <= VMM_RFLAGS; r++) {
        vmm_reg_set(cpu, (enum vmm_reg)r, 0x900 + r);
        cr_assert_eq(vmm_reg_get(cpu, (enum vmm_reg)r), 0x900 + r);
    }
    cr_assert(cpu->gpr[15] == 0x90f && cpu->rip == 0x910 && cpu->rflags == 0x911);
}

static void get_rip_of_vendor(void *arg) { (void)ops->reg_get(arg, VMM_RIP); }
static void set_rip_of_vendor(void *arg) { ops->reg_set(arg, VMM_RIP, 0); }

Test(vmm_svm, registers_it_does_not_keep) {
    start(1);
    cr_assert_eq(fake_run(get_rip_of_vendor, cpu), FAKE_PANIC);
    cr_assert_eq(fake_run(set_rip_of_vendor, cpu), FAKE_PANIC);
}

Test(vmm_svm, segments_by_name) {
    start(1);
    struct vmm_cpu_state st = {.rip = 0x1234, .rflags = 2};
    for (unsigned i = 0; i < 10; i++)
        st.seg[i] = (struct vmm_segment){(uint16_t)(0x100 + i), (uint16_t)(0x200 + i), 0x300 + i, 0x400 + i};
    st.gpr[VMM_R9] = 99;
    vmcb()->c.event_inj = vmcb()->c.exit_int_info = vmcb()->c.interrupt_shadow = 1;
    ops->load(cpu, &st);
    for (unsigned i = 0; i < 10; i++) {
        struct vmm_segment g = vmm_segment_get(cpu, (enum vmm_segment_name)i);
        cr_assert(g.selector == 0x100 + i && g.attrib == 0x200 + i && g.limit == 0x300 + i && g.base == 0x400 + i);
    }
    cr_assert(cpu->gpr[VMM_R9] == 99 && cpu->rip == 0x1234 && cpu->rflags == 2);
    cr_assert(!vmcb()->c.event_inj && !vmcb()->c.exit_int_info && !vmcb()->c.interrupt_shadow);
    cr_assert_eq(vmcb()->c.tlb_control, 1);
}

Test(vmm_svm, small_operations) {
    start(1);
    vmcb()->c.interrupt_shadow = 3;
    ops->skipped(cpu);
    cr_assert_eq(vmcb()->c.interrupt_shadow, 2);
    uint32_t before = vmcb()->c.intercept[3];
    ops->iret_exit(cpu, true);
    cr_assert_eq(vmcb()->c.intercept[3], before | 1u << 20);
    ops->iret_exit(cpu, false);
    cr_assert_eq(vmcb()->c.intercept[3], before);
    ops->take_nmi();
    cr_assert_eq(fake_count(FAKE_GIF_WINDOW), 1);
}

Test(vmm_svm, an_nmi_waits_until_the_iret_is_done) {
    start(1);
    struct vmm_exit db = {.kind = VMM_EXIT_OTHER, .raw = {0x41}}, ud = {.kind = VMM_EXIT_OTHER, .raw = {0x46}};
    cpu->nmi_blocked = cpu->nmi_pending = true;
    cpu->rflags = 0x102;
    cr_assert(!ops->step(cpu) && !vmcb()->c.intercept[2]); /* the guest steps itself */
    cpu->rflags = 2;
    vmcb()->s.dr6 = 0xffff0ff0;
    cr_assert(ops->step(cpu) && cpu->rflags == 0x102 && vmcb()->c.intercept[2] == 1u << 1);
    cr_assert(!ops->other(cpu, &ud) && cpu->inject.type == VMM_EVENT_NONE);
    vmcb()->s.dr6 = 0xffff4ff0;
    cpu->rflags = 0x246; /* as the IRET loaded it */
    cr_assert(ops->other(cpu, &db));
    cr_assert(!vmcb()->c.intercept[2] && vmcb()->s.dr6 == 0xffff0ff0 && cpu->rflags == 0x246);
    cr_assert(cpu->inject.type == VMM_EVENT_NMI && cpu->nmi_blocked && !cpu->nmi_pending);
}

Test(vmm_svm, instruction_bytes_only_where_the_processor_gives_them) {
    uint8_t out[15];
    start(1 | 128);
    for (unsigned i = 0; i < 15; i++) vmcb()->c.insn_bytes[i] = (uint8_t)(i + 1);
    vmcb()->c.exit_code = 0x400;
    cr_assert_eq(ops->insn_bytes(cpu, out), 0);
    vmcb()->c.n_insn_bytes = 7;
    cr_assert_eq(ops->insn_bytes(cpu, out), 7);
    cr_assert(out[0] == 1 && out[6] == 7);
    vmcb()->c.n_insn_bytes = 0xff;
    cr_assert_eq(ops->insn_bytes(cpu, out), 15);
    vmcb()->c.exit_code = 0x72; /* stale */
    cr_assert_eq(ops->insn_bytes(cpu, out), 0);
    vmcb()->c.exit_code = 0x400;
    ((struct svm_maps *)guest.vmm.vendor)->has_decode = false;
    cr_assert_eq(ops->insn_bytes(cpu, out), 0);
}

/* INVD would throw away modified lines of ours too: APM Volume 3, "INVD". */
Test(vmm_svm, invd_writes_back) {
    guest_start();
    cr_assert_eq(vmm_svm_ops.init(&guest.vmm), 0);
    cr_assert_eq(vmm_svm_ops.vcpu_init(&guest.vcpu[0]), 0);
    struct vmm_exit exit = {.kind = VMM_EXIT_OTHER, .n_insn_bytes = 2, .raw = {0x76}};
    uint64_t rip = guest.vcpu[0].rip;
    cr_assert(vmm_svm_ops.other(&guest.vcpu[0], &exit));
    cr_assert(fake_count(FAKE_WBINVD) == 1 && guest.vcpu[0].rip == rip + 2);
}
