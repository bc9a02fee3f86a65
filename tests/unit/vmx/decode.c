/* VMCS words to neutral ones and back. Numbers typed from the manual a second time. */
#include <criterion/criterion.h>
#include "vmx/vmx.h"

static struct vmm_exit decode(struct vmx_words w) {
    struct vmm_exit e;
    vmx_decode(&w, &e);
    return e;
}

Test(vmx_decode, every_reason) {
    static const struct {
        uint32_t reason;
        enum vmm_exit_kind kind;
    } rows[] = {{1, VMM_EXIT_INTERRUPT},
                {2, VMM_EXIT_SHUTDOWN},
                {3, VMM_EXIT_INIT},
                {4, VMM_EXIT_OTHER},
                {8, VMM_EXIT_IRET},
                {9, VMM_EXIT_OTHER},
                {10, VMM_EXIT_CPUID},
                {11, VMM_EXIT_VIRT_INSN},
                {13, VMM_EXIT_OTHER},
                {18, VMM_EXIT_HYPERCALL},
                {19, VMM_EXIT_VIRT_INSN},
                {20, VMM_EXIT_VIRT_INSN},
                {21, VMM_EXIT_VIRT_INSN},
                {22, VMM_EXIT_VIRT_INSN},
                {23, VMM_EXIT_VIRT_INSN},
                {24, VMM_EXIT_VIRT_INSN},
                {25, VMM_EXIT_VIRT_INSN},
                {26, VMM_EXIT_VIRT_INSN},
                {27, VMM_EXIT_VIRT_INSN},
                {28, VMM_EXIT_OTHER},
                {30, VMM_EXIT_PIO},
                {31, VMM_EXIT_MSR},
                {32, VMM_EXIT_MSR},
                {48, VMM_EXIT_MMIO},
                {49, VMM_EXIT_OTHER},
                {50, VMM_EXIT_VIRT_INSN},
                {53, VMM_EXIT_VIRT_INSN},
                {55, VMM_EXIT_OTHER},
                {0x80000021, VMM_EXIT_ENTRY_FAILED},
                {0x80000022, VMM_EXIT_ENTRY_FAILED},
                {63, VMM_EXIT_OTHER}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vmm_exit e =
            decode((struct vmx_words){.reason = rows[i].reason, .qualification = 7, .guest_physical = 9});
        cr_assert_eq(e.kind, rows[i].kind, "reason %x", rows[i].reason);
        cr_assert(e.raw[0] == rows[i].reason && e.raw[1] == 7 && e.raw[2] == 9);
    }
    cr_assert_eq(decode((struct vmx_words){.exit_event = 0x80000202}).kind, VMM_EXIT_NMI);
    cr_assert_eq(decode((struct vmx_words){.exit_event = 0x8000030e}).kind, VMM_EXIT_OTHER);
}

Test(vmx_decode, ports) {
    struct vmm_exit e = decode((struct vmx_words){.reason = 30, .qualification = 0x3f80008, .n_insn_bytes = 2});
    cr_assert(e.pio.port == 0x3f8 && e.pio.n_bytes == 1 && e.pio.in && !e.pio.string && e.n_insn_bytes == 2);
    e = decode((struct vmx_words){.reason = 30, .qualification = 0x1f00031});
    cr_assert(e.pio.port == 0x1f0 && e.pio.n_bytes == 2 && !e.pio.in && e.pio.string);
    e = decode((struct vmx_words){.reason = 30, .qualification = 0xcfc0003});
    cr_assert(e.pio.port == 0xcfc && e.pio.n_bytes == 4 && !e.pio.in && !e.pio.string);
}

Test(vmx_decode, nested_faults) {
    struct vmx_words w = {.reason = 48, .qualification = 0x181, .guest_physical = 0xfee00300, .n_insn_bytes = 3};
    struct vmm_exit e = decode(w);
    cr_assert(e.mmio.gpa.v == 0xfee00300 && !e.mmio.write && !e.mmio.fetch && !e.mmio.walk);
    cr_assert_eq(e.n_insn_bytes, 0, "undefined for this exit");
    w.qualification = 0x182;
    cr_assert(decode(w).mmio.write);
    w.qualification = 0x184;
    cr_assert(decode(w).mmio.fetch);
    w.qualification = 0x081;
    cr_assert(decode(w).mmio.walk, "a page table of the guest's");
    w.qualification = 0x001;
    cr_assert(decode(w).mmio.walk, "no linear address at all: the four top entries of PAE paging");
}

Test(vmx_decode, events_there_and_back) {
    static const struct {
        uint32_t word;
        enum vmm_event_type type;
        bool error;
    } rows[] = {{0x80000031, VMM_EVENT_INTERRUPT, false},
                {0x80000202, VMM_EVENT_NMI, false},
                {0x80000306, VMM_EVENT_EXCEPTION, false},
                {0x80000b0e, VMM_EVENT_EXCEPTION, true}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct vmm_event e = vmx_event_decode(rows[i].word, 0x1234);
        cr_assert(e.type == rows[i].type && e.vector == (rows[i].word & 0xff) && e.has_error == rows[i].error);
        cr_assert_eq(e.error, rows[i].error ? 0x1234 : 0);
        cr_assert_eq(vmx_event_encode(&e, true), rows[i].word);
        cr_assert_eq(vmx_event_encode(&e, false), rows[i].word & ~0x800u, "real mode has no error codes");
    }
    /* INT n, INT1, INT3: their instruction is executed again */
    cr_assert_eq(vmx_event_decode(0x80000480, 0).type, VMM_EVENT_NONE);
    cr_assert_eq(vmx_event_decode(0x80000501, 0).type, VMM_EVENT_NONE);
    cr_assert_eq(vmx_event_decode(0x80000603, 0).type, VMM_EVENT_NONE);
    cr_assert_eq(vmx_event_decode(0x00000202, 0).type, VMM_EVENT_NONE, "not valid");
    struct vmm_event none = {.type = VMM_EVENT_NONE};
    cr_assert_eq(vmx_event_encode(&none, true), 0);
    struct vmm_exit e = decode((struct vmx_words){.reason = 48, .idt_event = 0x80000b0e, .idt_error = 2});
    cr_assert(e.vectoring.type == VMM_EVENT_EXCEPTION && e.vectoring.vector == 14 && e.vectoring.error == 2);
}

Test(vmx_decode, instruction_lengths) {
    static const uint32_t reasons[] = {10, 18, 28, 30, 31, 32, 55, 13};
    for (unsigned i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        cr_assert_eq(decode((struct vmx_words){.reason = reasons[i], .n_insn_bytes = 3}).n_insn_bytes, 3);
    cr_assert_eq(decode((struct vmx_words){.reason = 10, .n_insn_bytes = 0x80000003}).n_insn_bytes, 0);
    cr_assert(!decode((struct vmx_words){.reason = 31}).msr.write);
    cr_assert(decode((struct vmx_words){.reason = 32}).msr.write);
}

Test(vmx_decode, msr_bitmap) {
    static const struct {
        uint32_t msr, byte;
        unsigned bit;
        bool has;
    } rows[] = {{0, 0, 0, true},
                {0x1b, 3, 3, true},
                {0x1fff, 0x3ff, 7, true},
                {0x2000, 0, 0, false},
                {0xbfffffff, 0, 0, false},
                {0xc0000000, 0x400, 0, true},
                {0xc0000080, 0x410, 0, true},
                {0xc0001fff, 0x7ff, 7, true},
                {0xc0002000, 0, 0, false},
                {0xc0010000, 0, 0, false}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t byte = 0;
        unsigned bit = 0;
        cr_assert_eq(vmx_msr_index(rows[i].msr, &byte, &bit), rows[i].has, "%x", rows[i].msr);
        if (rows[i].has) cr_assert(byte == rows[i].byte && bit == rows[i].bit, "%x", rows[i].msr);
    }
}

Test(vmx_decode, access_rights) {
    cr_assert_eq(vmx_rights_encode(0xa9b), 0xa09b); /* 64-bit code */
    cr_assert_eq(vmx_rights_encode(0xc93), 0xc093); /* flat data */
    cr_assert_eq(vmx_rights_encode(0x08b), 0x008b);
    cr_assert_eq(vmx_rights_encode(0), 0x10000);
    cr_assert_eq(vmx_rights_encode(0xa1b), 0x10000, "not present: cannot be used");
    cr_assert_eq(vmx_rights_decode(0xa09b), 0xa9b);
    cr_assert_eq(vmx_rights_decode(0x1c093), 0);
}
