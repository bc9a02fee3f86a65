/* The instruction at the guest's RIP, and when a decoded one may be used again; and addresses by the guest's own page
 * tables. */
#include <criterion/criterion.h>
#include <string.h>
#include "guest.h"

#define CPU     (&guest.vcpu[0])
#define CODE(s) GUEST_CODE_IS(s)

static const struct vmm_exit here = {.kind = VMM_EXIT_CPUID};

static const struct vmm_insn *get(void) {
    guest_sync(CPU);
    CPU->inject = (struct vmm_event){.type = VMM_EVENT_NONE};
    return vmm_insn_at_rip(CPU, &here);
}

static unsigned length(void) {
    const struct vmm_insn *i = get();
    return i ? i->n_bytes : 0;
}

static void expect_fault(unsigned vector, uint32_t error, uint64_t cr2) {
    cr_assert(CPU->inject.vector == vector && CPU->inject.error == error, "%u %x", CPU->inject.vector,
              CPU->inject.error);
    if (vector == 14) cr_assert_eq(guest.cpu[0].reg[VMM_CR2], cr2);
}

/* ---- fetching ---- */

Test(vmm_code, bytes_from_the_processor_come_first) {
    guest_start();
    CODE("\x0f\xa2");
    memcpy(guest.cpu[0].insn_bytes, "\xf4", 1);
    guest.cpu[0].n_insn_bytes = 1;
    cr_assert_eq(get()->op, VMM_INSN_OP_HLT);
    guest.cpu[0].n_insn_bytes = 0; /* they were not kept: nobody looked where they lie */
    cr_assert_eq(get()->op, VMM_INSN_OP_CPUID);
}

Test(vmm_code, at_every_distance_from_a_page_end) {
    static const char insn[] = "\x48\xc7\x84\x8f\x44\x33\x22\x11\x78\x56\x34\x12"; /* mov qword [rdi+rcx*4+..], imm */
    guest_start();
    guest_map(0x3000, 0x20000, PT_W); /* the next page is elsewhere */
    for (unsigned before = 0; before <= 24; before++) {
        uint64_t at = 0x3000 - before;
        for (unsigned i = 0; i < 12; i++) guest_poke(at + i < 0x3000 ? at + i : at + i + 0x1d000, 1, (uint8_t)insn[i]);
        CPU->rip = at;
        cr_assert_eq(length(), 12, "%u before the end", before);
        cr_assert_eq(get()->imm, 0x12345678);
    }
}

Test(vmm_code, a_missing_next_page_matters_only_if_it_is_needed) {
    guest_start();
    *guest_pte(0x3000) = 0;
    CPU->rip = 0x2ffe;
    guest_poke(0x2ffe, 2, 0xa20f);
    cr_assert_eq(length(), 2);
    CPU->rip = 0x2fff;
    guest_poke(0x2fff, 1, 0x0f);
    cr_assert_null(get());
    cr_assert_eq(CPU->inject.type, VMM_EVENT_EXCEPTION);
}

Test(vmm_code, a_page_that_may_not_be_executed) {
    guest_start();
    guest_map(GUEST_CODE, GUEST_CODE, PT_W | PT_NX);
    CODE("\x0f\xa2");
    cr_assert_null(get());
    expect_fault(14, 0x11, GUEST_CODE);
    guest_map(GUEST_CODE, GUEST_CODE, PT_W);
    guest.cpu[0].cpl = 3;
    cr_assert_null(get());
    expect_fault(14, 0x15, GUEST_CODE);
}

Test(vmm_code, from_flash_and_from_nowhere) {
    guest_start();
    guest.flash[0x10] = 0xf4;
    CPU->rip = GUEST_FLASH + 0x10;
    cr_assert_eq(get()->op, VMM_INSN_OP_HLT);
    guest.vmm.phys_bits = 52;
    const uint64_t nowhere[] = {GUEST_REGION, GUEST_LOW_PAGE, UINT64_C(1) << 40, 0xffffffffff000};
    for (unsigned i = 0; i < 4; i++) { /* reads as ones, which is no instruction */
        guest_map(0x3000, nowhere[i], PT_W);
        CPU->rip = 0x3000;
        cr_assert_null(get());
        cr_assert(CPU->inject.vector == 6 || CPU->inject.vector == 13, "%u: %u %x", i, CPU->inject.vector,
                  CPU->inject.error);
    }
}

Test(vmm_code, by_the_code_segments_base) {
    guest_start();
    guest_real();
    guest.cpu[0].seg[VMM_CS].base = 0x2000;
    CPU->rip = 0x100;
    guest_poke(0x2100, 1, 0xf4);
    cr_assert_eq(get()->op, VMM_INSN_OP_HLT);
    guest_reset(); /* in 64-bit code it means nothing */
    guest.cpu[0].seg[VMM_CS].base = 0x2000;
    CPU->rip = 0x2100;
    guest_poke(0x4100, 2, 0xa20f);
    cr_assert_eq(get()->op, VMM_INSN_OP_HLT);
}

/* ---- using one again ---- */

Test(vmm_code, whatever_changes_is_seen) {
    guest_start();
    CODE("\xc7\x07\x01\x00\x00\x00"); /* mov dword [rdi], 1 */
    guest_poke(0x3000, 2, 0xa20f);
    cr_assert_eq(length(), 6);
    cr_assert_eq(length(), 6);
    guest_poke(GUEST_CODE + 5, 1, 0x12); /* the last byte */
    cr_assert_eq(get()->imm, 0x12000001);
    guest_poke(GUEST_CODE, 1, 0xf4); /* the first */
    cr_assert_eq(length(), 1);
    guest_poke(GUEST_CODE + 1, 4, UINT32_MAX); /* what follows it does not matter */
    cr_assert_eq(length(), 1);
    guest_map(GUEST_CODE, 0x3000, PT_W); /* another page */
    cr_assert_eq(length(), 2);
    guest_map(GUEST_CODE, 0x3000, PT_W | PT_NX);
    cr_assert_null(get());
    guest_map(GUEST_CODE, 0x3000, PT_W);
    cr_assert_eq(length(), 2);
    uint64_t *top = hw_direct(GUEST_TABLES); /* a whole branch of the tables */
    uint64_t saved = top[0];
    top[0] = 0;
    cr_assert_null(get());
    top[0] = saved;
    cr_assert_eq(length(), 2);
    guest.cpu[0].cpl = 3;
    cr_assert_null(get());
    guest.cpu[0].cpl = 0;
    guest.cpu[0].reg[VMM_CR4] |= 1u << 20; /* SMEP, on a supervisor page */
    cr_assert_eq(length(), 2);
    guest_map(GUEST_CODE, 0x3000, PT_W | PT_U);
    cr_assert_null(get());
    guest.cpu[0].reg[VMM_CR4] = 0x20;
    guest.cpu[0].reg[VMM_CR3] = 0x5000; /* empty tables */
    cr_assert_null(get());
}

Test(vmm_code, another_size_of_code) {
    guest_start();
    CODE("\x48\xc7\x07\x01\x00\x00\x00"); /* mov qword [rdi], 1; in 32-bit code: dec eax, which nobody emulates */
    cr_assert_eq(length(), 7);
    guest.cpu[0].seg[VMM_CS].attrib = 0xc9b; /* compatibility mode */
    cr_assert_null(get());
    guest.cpu[0].seg[VMM_CS].attrib = 0xa9b;
    cr_assert_eq(length(), 7);
}

Test(vmm_code, many_places) {
    guest_start();
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 64; i++) {
            CPU->rip = 0x2000 + 7 * i;
            guest_poke(CPU->rip, 6, UINT64_C(0x07c7) | UINT64_C(0x101) * i << 16);
            cr_assert_eq(get()->imm, 0x101 * i, "%u", i);
        }
}

Test(vmm_code, an_instruction_of_fifteen_bytes) {
    guest_start();
    CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2");
    cr_assert_eq(length(), 15);
    cr_assert_eq(length(), 15);
    guest_poke(GUEST_CODE + 14, 1, 0x0b); /* its last byte: ud2, which nobody emulates */
    cr_assert_null(get());
}

Test(vmm_code, tables_of_four_byte_entries) {
    guest_start();
    struct guest_cpu *c = &guest.cpu[0];
    guest_flat32();
    c->reg[VMM_CR0] = 0x80010033;
    c->reg[VMM_CR3] = 0x50000;
    guest_poke(0x50000, 4, 0x51003);
    guest_poke(0x51004, 4, GUEST_CODE | 3);
    CODE("\x0f\xa2");
    cr_assert_eq(length(), 2);
    guest_poke(0x51004, 4, 0x3003);
    guest_poke(0x3000, 1, 0xf4);
    cr_assert_eq(length(), 1);
}

/* ---- translate.c ---- */

Test(vmm_translate, as_a_supervisor_would_read) {
    guest_start();
    gpa_t at;
    guest_map(0x123456789000, GUEST_HIGH + 0x2000, PT_U | PT_NX);
    guest_sync(CPU);
    uint64_t before = *guest_pte(0x123456789000);
    cr_assert_eq(vmm_translate(CPU, 0x123456789abc, &at), 0);
    cr_assert_eq(at.v, GUEST_HIGH + 0x2abc);
    cr_assert_eq(*guest_pte(0x123456789000), before);
    cr_assert_eq(vmm_translate(CPU, 0x12345678a000, &at), VMM_E_RANGE);
    cr_assert_eq(CPU->inject.type, VMM_EVENT_NONE);
    guest.cpu[0].reg[VMM_CR3] = GUEST_REGION; /* no table there: it reads as ones, which are reserved bits */
    guest_sync(CPU);
    cr_assert_eq(vmm_translate(CPU, 0, &at), VMM_E_RANGE);
}

Test(vmm_translate, a_fault_goes_to_the_guest) {
    guest_start();
    gpa_t at;
    guest_sync(CPU);
    cr_assert_eq(vmm_walk_or_fault(CPU, 0x12345678a123, WALK_WRITE, &at), 1);
    cr_assert(CPU->inject.type == VMM_EVENT_EXCEPTION && CPU->inject.vector == 14 && CPU->inject.error == 2);
    cr_assert_eq(guest.cpu[0].reg[VMM_CR2], 0x12345678a123);
    cr_assert_eq(vmm_walk_or_fault(CPU, GUEST_DATA + 5, WALK_WRITE, &at), 0);
    cr_assert_eq(at.v, GUEST_DATA + 5);
    cr_assert_eq(*guest_pte(GUEST_DATA) & 0x60, 0x60);
}
