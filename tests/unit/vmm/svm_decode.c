/* The processor's words: the manual's numbers typed a second time, and what becomes of them. APM Volume 2 (24593):
 * Appendix B "VMCB Layout", Appendix C "SVM Intercept Exit Codes", 15.10.2, 15.11, 15.20, 15.25.6. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "svm/svm.h"

/* ---- layout ---- */

Test(vmm_svm_decode, control_area_offsets) {
    const struct {
        size_t found, manual;
    } rows[] = {
        {offsetof(struct svm_control, intercept[3]), 0x00c},
        {offsetof(struct svm_control, intercept[4]), 0x010},
        {offsetof(struct svm_control, intercept5), 0x014},
        {offsetof(struct svm_control, pause_threshold), 0x03c},
        {offsetof(struct svm_control, pause_count), 0x03e},
        {offsetof(struct svm_control, iopm_base_pa), 0x040},
        {offsetof(struct svm_control, msrpm_base_pa), 0x048},
        {offsetof(struct svm_control, tsc_offset), 0x050},
        {offsetof(struct svm_control, asid), 0x058},
        {offsetof(struct svm_control, tlb_control), 0x05c},
        {offsetof(struct svm_control, v_intr), 0x060},
        {offsetof(struct svm_control, interrupt_shadow), 0x068},
        {offsetof(struct svm_control, exit_code), 0x070},
        {offsetof(struct svm_control, exit_info1), 0x078},
        {offsetof(struct svm_control, exit_info2), 0x080},
        {offsetof(struct svm_control, exit_int_info), 0x088},
        {offsetof(struct svm_control, nested_ctl), 0x090},
        {offsetof(struct svm_control, event_inj), 0x0a8},
        {offsetof(struct svm_control, n_cr3), 0x0b0},
        {offsetof(struct svm_control, lbr_ctl), 0x0b8},
        {offsetof(struct svm_control, clean_bits), 0x0c0},
        {offsetof(struct svm_control, next_rip), 0x0c8},
        {offsetof(struct svm_control, n_insn_bytes), 0x0d0},
        {offsetof(struct svm_control, insn_bytes), 0x0d1},
        {sizeof(struct svm_control), 0x400},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(rows[i].found, rows[i].manual, "row %u: %zx", i, rows[i].found);
}

Test(vmm_svm_decode, save_area_offsets) {
    const struct {
        size_t found, manual;
    } rows[] = {
        {offsetof(struct svm_save, es), 0x000},
        {offsetof(struct svm_save, cs), 0x010},
        {offsetof(struct svm_save, ss), 0x020},
        {offsetof(struct svm_save, ds), 0x030},
        {offsetof(struct svm_save, fs), 0x040},
        {offsetof(struct svm_save, gs), 0x050},
        {offsetof(struct svm_save, gdtr), 0x060},
        {offsetof(struct svm_save, ldtr), 0x070},
        {offsetof(struct svm_save, idtr), 0x080},
        {offsetof(struct svm_save, tr), 0x090},
        {offsetof(struct svm_save, cpl), 0x0cb},
        {offsetof(struct svm_save, efer), 0x0d0},
        {offsetof(struct svm_save, cr4), 0x148},
        {offsetof(struct svm_save, cr3), 0x150},
        {offsetof(struct svm_save, cr0), 0x158},
        {offsetof(struct svm_save, dr7), 0x160},
        {offsetof(struct svm_save, dr6), 0x168},
        {offsetof(struct svm_save, rflags), 0x170},
        {offsetof(struct svm_save, rip), 0x178},
        {offsetof(struct svm_save, rsp), 0x1d8},
        {offsetof(struct svm_save, s_cet), 0x1e0},
        {offsetof(struct svm_save, ssp), 0x1e8},
        {offsetof(struct svm_save, isst), 0x1f0},
        {offsetof(struct svm_save, rax), 0x1f8},
        {offsetof(struct svm_save, star), 0x200},
        {offsetof(struct svm_save, lstar), 0x208},
        {offsetof(struct svm_save, cstar), 0x210},
        {offsetof(struct svm_save, sfmask), 0x218},
        {offsetof(struct svm_save, kernel_gs_base), 0x220},
        {offsetof(struct svm_save, sysenter_cs), 0x228},
        {offsetof(struct svm_save, sysenter_esp), 0x230},
        {offsetof(struct svm_save, sysenter_eip), 0x238},
        {offsetof(struct svm_save, cr2), 0x240},
        {offsetof(struct svm_save, g_pat), 0x268},
        {offsetof(struct svm_save, dbgctl), 0x270},
        {sizeof(struct svm_save), 0xc00},
        {offsetof(struct svm_vmcb, s), 0x400},
        {sizeof(struct svm_segment), 16},
        {offsetof(struct svm_segment, attrib), 2},
        {offsetof(struct svm_segment, limit), 4},
        {offsetof(struct svm_segment, base), 8},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(rows[i].found, rows[i].manual, "row %u: %zx", i, rows[i].found);
}

Test(vmm_svm_decode, intercept_bits) {
    const struct {
        uint64_t found;
        unsigned bit;
    } vector3[] = {{SVM_I3_NMI, 1},        {SVM_I3_INIT, 3},      {SVM_I3_CPUID, 18},
                   {SVM_I3_IRET, 20},      {SVM_I3_INVD, 22},     {SVM_I3_INVLPGA, 26},
                   {SVM_I3_IOIO_PROT, 27}, {SVM_I3_MSR_PROT, 28}, {SVM_I3_SHUTDOWN, 31}},
      vector4[] = {{SVM_I4_VMRUN, 0}, {SVM_I4_VMMCALL, 1}, {SVM_I4_VMLOAD, 2}, {SVM_I4_VMSAVE, 3},
                   {SVM_I4_STGI, 4},  {SVM_I4_CLGI, 5},    {SVM_I4_SKINIT, 6}};
    for (unsigned i = 0; i < 9; i++) cr_assert_eq(vector3[i].found, 1u << vector3[i].bit, "row %u", i);
    for (unsigned i = 0; i < 7; i++) cr_assert_eq(vector4[i].found, 1u << vector4[i].bit, "row %u", i);
    cr_assert_eq(SVM_NP_ENABLE, 1);
    cr_assert_eq(SVM_TLB_KEEP, 0);
    cr_assert_eq(SVM_TLB_FLUSH_ALL, 1);
    cr_assert_eq(SVM_INTERRUPT_SHADOW, 1);
}

/* ---- exits ---- */

static struct vmm_exit decode(uint64_t code, uint64_t info1, uint64_t info2) {
    struct svm_control c = {.exit_code = code, .exit_info1 = info1, .exit_info2 = info2};
    struct vmm_exit e;
    memset(&e, 0x5a, sizeof e);
    svm_decode(&c, &e);
    cr_assert(e.raw[0] == code && e.raw[1] == info1 && e.raw[2] == info2);
    cr_assert_eq(e.vectoring.type, VMM_EVENT_NONE);
    return e;
}

Test(vmm_svm_decode, every_exit_code) {
    static const struct {
        uint64_t code;
        enum vmm_exit_kind kind;
    } known[] = {
        {0x60, VMM_EXIT_INTERRUPT}, {0x61, VMM_EXIT_NMI},       {0x63, VMM_EXIT_INIT},
        {0x72, VMM_EXIT_CPUID},     {0x74, VMM_EXIT_IRET},      {0x7a, VMM_EXIT_VIRT_INSN},
        {0x7b, VMM_EXIT_PIO},       {0x7c, VMM_EXIT_MSR},       {0x7f, VMM_EXIT_SHUTDOWN},
        {0x80, VMM_EXIT_VIRT_INSN}, {0x81, VMM_EXIT_HYPERCALL}, {0x82, VMM_EXIT_VIRT_INSN},
        {0x83, VMM_EXIT_VIRT_INSN}, {0x84, VMM_EXIT_VIRT_INSN}, {0x85, VMM_EXIT_VIRT_INSN},
        {0x86, VMM_EXIT_VIRT_INSN}, {0x400, VMM_EXIT_MMIO},     {UINT64_MAX, VMM_EXIT_ENTRY_FAILED},
    };
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
        cr_assert_eq(decode(known[i].code, 0, 0).kind, known[i].kind, "%lx", known[i].code);
    for (uint64_t code = 0; code < 0x500; code++) {
        enum vmm_exit_kind want = VMM_EXIT_OTHER;
        for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
            if (known[i].code == code) want = known[i].kind;
        cr_assert_eq(decode(code, 0, 0).kind, want, "%lx", code);
    }
    cr_assert_eq(decode(0xffffffff, 0, 0).kind, VMM_EXIT_ENTRY_FAILED); /* QEMU 7.2 */
    cr_assert_eq(decode(0xfffffffe, 0, 0).kind, VMM_EXIT_OTHER);
}

Test(vmm_svm_decode, nested_page_faults) {
    for (unsigned bits = 0; bits < 8; bits++) {
        uint64_t info =
            (bits & 1 ? 2 : 0) | (bits & 2 ? 0x10 : 0) | (bits & 4 ? UINT64_C(0x200000000) : UINT64_C(0x100000000)) | 4;
        struct vmm_exit e = decode(0x400, info, 0x123456789abcd);
        cr_assert_eq(e.mmio.gpa.v, 0x123456789abcd);
        cr_assert_eq(e.mmio.write, bits & 1);
        cr_assert_eq(e.mmio.fetch, bits >> 1 & 1);
        cr_assert_eq(e.mmio.walk, bits >> 2 & 1);
    }
    struct vmm_exit e = decode(0x400, ~UINT64_C(0x200000012), 0);
    cr_assert(!e.mmio.write && !e.mmio.fetch && !e.mmio.walk);
}

Test(vmm_svm_decode, port_accesses) {
    static const struct {
        uint64_t info1;
        uint16_t port;
        uint8_t n_bytes;
        bool in, string;
    } rows[] = {
        {0x03f80210, 0x3f8, 1, false, false}, {0x03f80211, 0x3f8, 1, true, false}, {0x0cfc0220, 0xcfc, 2, false, false},
        {0x0cfc0241, 0xcfc, 4, true, false},  {0x01f0002d, 0x1f0, 2, true, true},  {0x01f00024, 0x1f0, 2, false, true},
        {0xffff0211, 0xffff, 1, true, false}, {0x00000210, 0, 1, false, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vmm_exit e = decode(0x7b, rows[i].info1, 0x1234);
        cr_assert(e.pio.port == rows[i].port && e.pio.n_bytes == rows[i].n_bytes && e.pio.in == rows[i].in &&
                      e.pio.string == rows[i].string,
                  "row %u", i);
    }
}

Test(vmm_svm_decode, msr_direction) {
    cr_assert(!decode(0x7c, 0, 0).msr.write);
    cr_assert(decode(0x7c, 1, 0).msr.write);
}

/* ---- events ---- */

Test(vmm_svm_decode, events) {
    static const struct {
        uint64_t word;
        struct vmm_event event;
    } rows[] = {
        {0, {VMM_EVENT_NONE, 0, false, 0}},
        {0x80000020, {VMM_EVENT_INTERRUPT, 0x20, false, 0}},
        {0x80000202, {VMM_EVENT_NMI, 2, false, 0}},
        {0x80000306, {VMM_EVENT_EXCEPTION, 6, false, 0}},
        {0xdeadbeef80000b0e, {VMM_EVENT_EXCEPTION, 14, true, 0xdeadbeef}},
        {0x80000b08, {VMM_EVENT_EXCEPTION, 8, true, 0}},
        {0x80000480, {VMM_EVENT_SOFTWARE, 0x80, false, 0}},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vmm_event e = svm_event_decode(rows[i].word);
        cr_assert(e.type == rows[i].event.type && e.vector == rows[i].event.vector &&
                      e.has_error == rows[i].event.has_error && e.error == rows[i].event.error,
                  "row %u", i);
        cr_assert_eq(svm_event_encode(&e), rows[i].word, "row %u: %lx", i, svm_event_encode(&e));
    }
    /* not valid, whatever else is set; reserved types deliver nothing */
    cr_assert_eq(svm_event_decode(~UINT64_C(0x80000000)).type, VMM_EVENT_NONE);
    static const unsigned reserved[] = {1, 5, 6, 7};
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(svm_event_decode(0x80000000 | reserved[i] << 8 | 14).type, VMM_EVENT_NONE);
}

Test(vmm_svm_decode, an_interrupted_delivery_is_reported) {
    struct svm_control c = {.exit_code = 0x400, .exit_int_info = 0x80000b0d | UINT64_C(0x18) << 32};
    struct vmm_exit e;
    svm_decode(&c, &e);
    cr_assert(e.vectoring.type == VMM_EVENT_EXCEPTION && e.vectoring.vector == 13 && e.vectoring.error == 0x18);
}

Test(vmm_svm_decode, random_events_survive_a_round_trip) {
    srand(5);
    for (unsigned i = 0; i < 10000; i++) {
        struct vmm_event e = {.type = (enum vmm_event_type)(1 + rand() % 4), .vector = (uint8_t)rand()};
        e.has_error = rand() % 2;
        e.error = e.has_error ? (uint32_t)rand() * 3u : 0;
        struct vmm_event back = svm_event_decode(svm_event_encode(&e));
        cr_assert(back.type == e.type && back.vector == e.vector && back.has_error == e.has_error &&
                  back.error == e.error);
    }
}

/* ---- MSR permission map ---- */

Test(vmm_svm_decode, msr_permission_map) {
    static const struct {
        uint32_t msr, byte;
        unsigned bit;
    } rows[] = {
        {0, 0, 0},
        {1, 0, 2},
        {3, 0, 6},
        {4, 1, 0},
        {0x1b, 6, 6},
        {0x1fff, 0x7ff, 6},
        {0xc0000000, 0x800, 0},
        {0xc0000080, 0x820, 0},
        {0xc0001fff, 0xfff, 6},
        {0xc0010000, 0x1000, 0},
        {0xc0010114, 0x1045, 0},
        {0xc0010117, 0x1045, 6},
        {0xc0011fff, 0x17ff, 6},
    };
    uint32_t byte;
    unsigned bit;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_assert(svm_msrpm_index(rows[i].msr, &byte, &bit), "row %u", i);
        cr_assert(byte == rows[i].byte && bit == rows[i].bit, "row %u: %x.%u", i, byte, bit);
    }
    static const uint32_t outside[] = {0x2000, 0xbfffffff, 0xc0002000, 0xc000ffff, 0xc0012000, 0xffffffff, 0x40000000};
    for (unsigned i = 0; i < sizeof outside / sizeof outside[0]; i++)
        cr_assert(!svm_msrpm_index(outside[i], &byte, &bit), "%x", outside[i]);
}

/* ---- registers ---- */

Test(vmm_svm_decode, every_register_reaches_its_place) {
    struct vmm_cpu_state st = {
        .rip = 1, .rflags = 2, .cr0 = 3, .cr2 = 4, .cr3 = 5, .cr4 = 6, .efer = 0x500, .dr6 = 8, .dr7 = 9, .pat = 10};
    st.gpr[VMM_RAX] = 11;
    st.gpr[VMM_RSP] = 12;
    for (unsigned i = 0; i < 10; i++)
        st.seg[i] = (struct vmm_segment){(uint16_t)(0x100 + i), (uint16_t)(0x200 + i), 0x300 + i, 0x400 + i};
    struct svm_save s;
    memset(&s, 0, sizeof s);
    s.cpl = 3;
    svm_save_load(&s, &st);
    cr_assert(s.rip == 1 && s.rflags == 2 && s.cr0 == 3 && s.cr2 == 4 && s.cr3 == 5 && s.cr4 == 6);
    cr_assert(s.dr6 == 8 && s.dr7 == 9 && s.g_pat == 10 && s.rax == 11 && s.rsp == 12 && s.cpl == 0);
    cr_assert_eq(s.efer, 0x1500); /* SVME */
    const struct svm_segment *const order[] = {&s.es, &s.cs,   &s.ss, &s.ds,   &s.fs,
                                               &s.gs, &s.ldtr, &s.tr, &s.gdtr, &s.idtr};
    for (unsigned i = 0; i < 10; i++)
        cr_assert(order[i]->selector == 0x100 + i && order[i]->attrib == 0x200 + i && order[i]->limit == 0x300 + i &&
                      order[i]->base == 0x400 + i,
                  "segment %u", i);
}
