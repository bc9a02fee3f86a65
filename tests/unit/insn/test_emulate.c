/* What cannot be run in user space, or has no processor to compare with: ports, faults, bounded repetition, the order
 * and shape of the accesses a device sees, and instruction pointers near the end of their range. */
#include "machine.h"

#include <criterion/criterion.h>
#include <string.h>

#define RUN(m, s, max) machine_run(m, (const uint8_t *)(s), sizeof(s) - 1, max)
#define ONE            1

static void expect_access(const struct machine *m, unsigned i, enum machine_access_kind kind, enum vmm_seg seg,
                          uint64_t offset, unsigned n_bytes) {
    const struct machine_access *a = &m->accesses[i];
    cr_assert_lt(i, m->n_accesses);
    cr_assert(a->kind == kind && a->seg == seg && a->offset == offset && a->n_bytes == n_bytes,
              "access %u: kind %d, segment %d, offset %lx, %u bytes", i, a->kind, a->seg, (unsigned long)a->offset,
              a->n_bytes);
}

Test(insn_emulate, a_store_is_one_write) {
    struct machine m;
    machine_init(&m, VMM_INSN_64);
    m.gpr[RDI] = 0x10;
    m.gpr[RAX] = 0x1122334455667788;
    cr_assert_eq(RUN(&m, "\x89\x47\x04", ONE), VMM_INSN_DONE); /* mov [rdi+4], eax */
    cr_assert_eq(m.n_accesses, 1);
    expect_access(&m, 0, MACHINE_WRITE, VMM_SEG_DS, 0x14, 4);
    cr_assert_eq(machine_peek(&m, 0x14, 8), 0x55667788);
    cr_assert_eq(m.rip, 3);
}

Test(insn_emulate, an_access_over_a_page_end_reaches_the_callback_whole) {
    struct machine m;
    machine_init(&m, VMM_INSN_64);
    m.memory_base = 0x1000 - 512;
    m.gpr[RBX] = 0xffd;
    machine_poke(&m, 0xffd, 8, 0x8877665544332211);
    cr_assert_eq(RUN(&m, "\x48\x8b\x03", ONE), VMM_INSN_DONE); /* mov rax, [rbx] */
    cr_assert_eq(m.n_accesses, 1);
    expect_access(&m, 0, MACHINE_READ, VMM_SEG_DS, 0xffd, 8);
    cr_assert_eq(m.gpr[RAX], 0x8877665544332211);
}

Test(insn_emulate, read_modify_write_is_check_read_write) {
    struct machine m;
    machine_init(&m, VMM_INSN_32);
    m.gpr[RBX] = 0x20;
    machine_poke(&m, 0x20, 4, 0xf0);
    cr_assert_eq(RUN(&m, "\xf0\x81\x0b\x0f\x00\x00\x80", ONE), VMM_INSN_DONE); /* lock or dword [ebx], 8000000f */
    cr_assert_eq(m.n_accesses, 3);
    expect_access(&m, 0, MACHINE_CHECK, VMM_SEG_DS, 0x20, 4);
    expect_access(&m, 1, MACHINE_READ, VMM_SEG_DS, 0x20, 4);
    expect_access(&m, 2, MACHINE_WRITE, VMM_SEG_DS, 0x20, 4);
    cr_assert_eq(machine_peek(&m, 0x20, 4), 0x800000ff);
    m.env.check_write = NULL;
    cr_assert_eq(RUN(&m, "\xf0\xff\x03", ONE), VMM_INSN_DONE); /* lock inc dword [ebx] */
    cr_assert_eq(m.n_accesses, 5);
}

Test(insn_emulate, comparisons_do_not_write) {
    static const char *const code[] = {"\x39\x03", "\x85\x03", "\x3b\x03"}; /* cmp, test, cmp the other way */
    for (unsigned i = 0; i < 3; i++) {
        struct machine m;
        machine_init(&m, VMM_INSN_32);
        m.read_only_from = 0;
        cr_assert_eq(machine_run(&m, (const uint8_t *)code[i], 2, ONE), VMM_INSN_DONE);
        cr_assert_eq(m.n_accesses, 1);
        expect_access(&m, 0, MACHINE_READ, VMM_SEG_DS, 0, 4);
    }
}

Test(insn_emulate, a_device_register_is_not_read_for_a_write_that_will_fault) {
    static const char *const code[] = {
        "\x01\x03",     /* add [rbx], eax */
        "\x87\x03",     /* xchg [rbx], eax */
        "\x0f\xc1\x03", /* xadd [rbx], eax */
        "\x0f\xb1\x03", /* cmpxchg [rbx], eax */
        "\x0f\xab\x03", /* bts [rbx], eax */
        "\xf7\x1b",     /* neg dword [rbx] */
        "\xa5",         /* movsd */
        "\x6d",         /* insd */
    };
    for (unsigned i = 0; i < sizeof code / sizeof code[0]; i++) {
        struct machine m;
        machine_init(&m, VMM_INSN_64);
        m.read_only_from = 0;
        m.rflags = 0x246;
        m.gpr[RAX] = 5;
        struct machine before = m;
        cr_assert_eq(machine_run(&m, (const uint8_t *)code[i], strlen(code[i]), ONE), VMM_INSN_FAULT, "case %u", i);
        cr_assert_eq(m.n_accesses, 1, "case %u", i);
        cr_assert_eq(m.accesses[0].kind, MACHINE_CHECK, "case %u", i);
        cr_assert_arr_eq(m.gpr, before.gpr, sizeof m.gpr);
        cr_assert(m.rip == 0 && m.rflags == 0x246);
    }
}

/* With no check_write, the write itself faults; still nothing may have changed. */
Test(insn_emulate, a_faulting_write_changes_nothing) {
    static const char *const code[] = {"\x01\x03",     "\x87\x03", "\x0f\xc1\x03", "\x0f\xb1\x03", "\x11\x03",
                                       "\x0f\x94\x03", "\x8c\x1b", "\xab",         "\xa5"};
    for (unsigned i = 0; i < sizeof code / sizeof code[0]; i++) {
        struct machine m;
        machine_init(&m, VMM_INSN_64);
        m.env.check_write = NULL;
        m.read_only_from = 0;
        m.rflags = 0x247;
        m.gpr[RAX] = UINT64_MAX;
        struct machine before = m;
        cr_assert_eq(machine_run(&m, (const uint8_t *)code[i], strlen(code[i]), ONE), VMM_INSN_FAULT, "case %u", i);
        cr_assert_arr_eq(m.gpr, before.gpr, sizeof m.gpr);
        cr_assert(m.rip == 0 && m.rflags == 0x247, "case %u", i);
    }
}

Test(insn_emulate, a_faulting_load_leaves_the_register) {
    struct machine m;
    machine_init(&m, VMM_INSN_64);
    m.gpr[RBX] = 0x100000;
    m.gpr[RAX] = UINT64_MAX;
    cr_assert_eq(RUN(&m, "\x8b\x03", ONE), VMM_INSN_FAULT);
    cr_assert_eq(RUN(&m, "\x0f\x44\x03", ONE), VMM_INSN_FAULT); /* cmove reads even if it will not move */
    cr_assert(m.gpr[RAX] == UINT64_MAX && m.rip == 0);
}

Test(insn_emulate, a_fault_in_the_middle_keeps_the_iterations_before) {
    struct machine m;
    machine_init(&m, VMM_INSN_64);
    m.gpr[RCX] = 10;
    m.gpr[RSI] = 0x100;
    m.gpr[RDI] = 0x200;
    m.read_only_from = 0x20c;
    for (unsigned i = 0; i < 10; i++) machine_poke(&m, 0x100 + 4 * i, 4, 0xc0de0000 + i);
    cr_assert_eq(RUN(&m, "\xf3\xa5", 100), VMM_INSN_FAULT); /* rep movsd */
    cr_assert(m.gpr[RCX] == 7 && m.gpr[RSI] == 0x10c && m.gpr[RDI] == 0x20c && m.rip == 0);
    cr_assert_eq(machine_peek(&m, 0x208, 4), 0xc0de0002);
    cr_assert_eq(machine_peek(&m, 0x20c, 4), 0);
    m.read_only_from = UINT64_MAX; /* the guest has handled it */
    cr_assert_eq(RUN(&m, "\xf3\xa5", 100), VMM_INSN_DONE);
    cr_assert(m.gpr[RCX] == 0 && m.gpr[RSI] == 0x128 && m.gpr[RDI] == 0x228 && m.rip == 2);
    cr_assert_eq(machine_peek(&m, 0x224, 4), 0xc0de0009);
}

Test(insn_emulate, a_faulting_comparison_leaves_the_flags) {
    struct machine m;
    machine_init(&m, VMM_INSN_64);
    m.rflags = 0x202;
    m.gpr[RCX] = 10;
    m.gpr[RSI] = MACHINE_MEMORY_BYTES - 3;
    cr_assert_eq(RUN(&m, "\xf3\xa6", 100), VMM_INSN_FAULT); /* repe cmpsb of zeroes sets ZF each time */
    cr_assert(m.gpr[RCX] == 7 && m.rflags == 0x202);
}

Test(insn_emulate, repetition_is_bounded_and_resumes) {
    struct machine m;
    machine_init(&m, VMM_INSN_32);
    m.gpr[RAX] = 0x5a;
    m.gpr[RCX] = 8;
    m.gpr[RDI] = 0x40;
    cr_assert_eq(RUN(&m, "\xf3\xaa", 3), VMM_INSN_AGAIN); /* rep stosb */
    cr_assert(m.gpr[RCX] == 5 && m.gpr[RDI] == 0x43 && m.rip == 0);
    cr_assert_eq(RUN(&m, "\xf3\xaa", 0), VMM_INSN_AGAIN);
    cr_assert_eq(m.gpr[RCX], 5);
    cr_assert_eq(RUN(&m, "\xf3\xaa", 5), VMM_INSN_DONE); /* exactly enough */
    cr_assert(m.gpr[RCX] == 0 && m.gpr[RDI] == 0x48 && m.rip == 2);
    cr_assert_eq(machine_peek(&m, 0x40, 8), 0x5a5a5a5a5a5a5a5a);
    cr_assert_eq(machine_peek(&m, 0x48, 8), 0);
    cr_assert_eq(RUN(&m, "\xf3\xaa", 0), VMM_INSN_DONE); /* nothing left to do */
    cr_assert_eq(m.rip, 4);
}

Test(insn_emulate, strings_in_16_bit_code_wrap_at_64_kib) {
    struct machine m;
    machine_init(&m, VMM_INSN_16);
    m.seg_base[VMM_SEG_ES] = 0x20000;
    m.memory_base = 0x30000 - 512;
    m.gpr[RAX] = 0xabcd;
    m.gpr[RCX] = 0x77770002;
    m.gpr[RDI] = 0x5555fffe;
    cr_assert_eq(RUN(&m, "\xf3\xab", 100), VMM_INSN_FAULT); /* rep stosw: the second one lands at ES:0 */
    cr_assert_eq(machine_peek(&m, 0x2fffe, 2), 0xabcd);
    expect_access(&m, 1, MACHINE_WRITE, VMM_SEG_ES, 0, 2);
    cr_assert(m.gpr[RCX] == 0x77770001 && m.gpr[RDI] == 0x55550000);
}

Test(insn_emulate, strings_backwards_with_an_override) {
    struct machine m;
    machine_init(&m, VMM_INSN_16);
    m.rflags = 0x402;
    m.seg_base[VMM_SEG_FS] = 0x80;
    m.gpr[RCX] = 2;
    m.gpr[RSI] = 0x14;
    m.gpr[RDI] = 0x214;
    machine_poke(&m, 0x90, 8, 0x8877665544332211);
    cr_assert_eq(RUN(&m, "\x64\x66\xf3\xa5", 100), VMM_INSN_DONE); /* rep movsd es:[di], fs:[si] */
    expect_access(&m, 1, MACHINE_READ, VMM_SEG_FS, 0x14, 4);
    expect_access(&m, 4, MACHINE_READ, VMM_SEG_FS, 0x10, 4);
    cr_assert_eq(machine_peek(&m, 0x210, 8), 0x8877665544332211);
    cr_assert(m.gpr[RSI] == 0x0c && m.gpr[RDI] == 0x20c);
}

Test(insn_emulate, ports) {
    struct machine m;
    machine_init(&m, VMM_INSN_64);
    m.port_value = 0xffffffff12345678;
    m.gpr[RAX] = UINT64_MAX;
    m.gpr[RDX] = 0xffff0cf8;
    cr_assert_eq(RUN(&m, "\xe4\xfe", ONE), VMM_INSN_DONE); /* in al, 0feh */
    expect_access(&m, 0, MACHINE_IN, VMM_SEG_ES, 0xfe, 1);
    cr_assert_eq(m.gpr[RAX], 0xffffffffffffff78);
    cr_assert_eq(RUN(&m, "\x66\xed", ONE), VMM_INSN_DONE); /* in ax, dx */
    expect_access(&m, 1, MACHINE_IN, VMM_SEG_ES, 0xcf8, 2);
    cr_assert_eq(m.gpr[RAX], 0xffffffffffff5679);
    cr_assert_eq(RUN(&m, "\x48\xed", ONE), VMM_INSN_DONE); /* REX.W does not widen ports */
    expect_access(&m, 2, MACHINE_IN, VMM_SEG_ES, 0xcf8, 4);
    cr_assert_eq(m.gpr[RAX], 0x1234567a);
    cr_assert_eq(RUN(&m, "\xef", ONE), VMM_INSN_DONE); /* out dx, eax */
    expect_access(&m, 3, MACHINE_OUT, VMM_SEG_ES, 0xcf8, 4);
    cr_assert_eq(m.accesses[3].value, 0x1234567a);
    cr_assert_eq(RUN(&m, "\xe6\x80", ONE), VMM_INSN_DONE); /* out 80h, al */
    expect_access(&m, 4, MACHINE_OUT, VMM_SEG_ES, 0x80, 1);
    cr_assert_eq(m.accesses[4].value, 0x7a);
    uint64_t rip = m.rip;
    m.gpr[RDX] = 0xdead;
    cr_assert_eq(RUN(&m, "\xec", ONE), VMM_INSN_FAULT);
    cr_assert_eq(RUN(&m, "\xee", ONE), VMM_INSN_FAULT);
    cr_assert(m.rip == rip && m.gpr[RAX] == 0x1234567a);
}

Test(insn_emulate, string_ports) {
    struct machine m;
    machine_init(&m, VMM_INSN_32);
    m.port_value = 0x1100;
    m.gpr[RDX] = 0x1f0;
    m.gpr[RCX] = 3;
    m.gpr[RDI] = 0x50;
    cr_assert_eq(RUN(&m, "\xf3\x66\x6d", 2), VMM_INSN_AGAIN); /* rep insw */
    cr_assert_eq(RUN(&m, "\xf3\x66\x6d", 2), VMM_INSN_DONE);
    cr_assert_eq(machine_peek(&m, 0x50, 8), 0x110211011100);
    expect_access(&m, 0, MACHINE_CHECK, VMM_SEG_ES, 0x50, 2);
    expect_access(&m, 1, MACHINE_IN, VMM_SEG_ES, 0x1f0, 2);
    expect_access(&m, 2, MACHINE_WRITE, VMM_SEG_ES, 0x50, 2);
    m.n_accesses = 0;
    m.gpr[RSI] = 0x50;
    cr_assert_eq(RUN(&m, "\x26\x6f", ONE), VMM_INSN_DONE); /* outsd es:[esi] */
    expect_access(&m, 0, MACHINE_READ, VMM_SEG_ES, 0x50, 4);
    expect_access(&m, 1, MACHINE_OUT, VMM_SEG_ES, 0x1f0, 4);
    cr_assert_eq(m.accesses[1].value, 0x11011100);
    cr_assert(m.gpr[RSI] == 0x54 && m.gpr[RCX] == 0);
    m.gpr[RDX] = 0xdead;
    cr_assert_eq(RUN(&m, "\x6f", ONE), VMM_INSN_FAULT);
    cr_assert_eq(RUN(&m, "\x6d", ONE), VMM_INSN_FAULT);
    cr_assert(m.gpr[RSI] == 0x54 && m.gpr[RDI] == 0x56);
}

Test(insn_emulate, bit_strings_reach_far_both_ways) {
    struct machine m;
    machine_init(&m, VMM_INSN_32);
    m.gpr[RBX] = 0x80;
    m.gpr[RAX] = (uint32_t)-1;                                 /* the last bit of the dword before */
    cr_assert_eq(RUN(&m, "\x0f\xab\x03", ONE), VMM_INSN_DONE); /* bts [ebx], eax */
    expect_access(&m, 1, MACHINE_READ, VMM_SEG_DS, 0x7c, 4);
    cr_assert_eq(machine_peek(&m, 0x7c, 4), 0x80000000);
    m.gpr[RAX] = 8 * 0x100 + 35;
    cr_assert_eq(RUN(&m, "\x0f\xbb\x03", ONE), VMM_INSN_DONE); /* btc [ebx], eax */
    cr_assert_eq(machine_peek(&m, 0x184, 4), 1u << 3);
    cr_assert_eq(RUN(&m, "\x0f\xba\x33\x43", ONE), VMM_INSN_DONE); /* btr dword [ebx], 43h: modulo 32 */
    expect_access(&m, 7, MACHINE_READ, VMM_SEG_DS, 0x80, 4);
    m.gpr[RBX] = 0; /* below offset zero: wraps at the address size */
    m.gpr[RAX] = (uint32_t)-1;
    cr_assert_eq(RUN(&m, "\x0f\xa3\x03", ONE), VMM_INSN_FAULT);
    expect_access(&m, m.n_accesses - 1, MACHINE_READ, VMM_SEG_DS, 0xfffffffc, 4);
}

Test(insn_emulate, segment_registers_are_stored_as_16_bits) {
    struct machine m;
    machine_init(&m, VMM_INSN_32);
    m.env.selectors[VMM_SEG_GS] = 0x1234;
    m.gpr[RAX] = 0xffffffff;
    cr_assert_eq(RUN(&m, "\x8c\x2b", ONE), VMM_INSN_DONE); /* mov [ebx], gs */
    cr_assert_eq(m.n_accesses, 1);
    expect_access(&m, 0, MACHINE_WRITE, VMM_SEG_DS, 0, 2);
    cr_assert_eq(machine_peek(&m, 0, 8), 0x1234);
    cr_assert_eq(RUN(&m, "\x8c\xe8", ONE), VMM_INSN_DONE); /* mov eax, gs */
    cr_assert_eq(m.gpr[RAX], 0x1234);
}

Test(insn_emulate, instruction_pointer_near_its_end) {
    struct machine m;
    machine_init(&m, VMM_INSN_16);
    m.rip = 0xfffe;
    cr_assert_eq(RUN(&m, "\x8b\x07", ONE), VMM_INSN_DONE); /* mov ax, [bx] */
    cr_assert_eq(m.rip, 0x10000);                          /* the segment limit decides, not we */
    machine_init(&m, VMM_INSN_32);
    m.rip = 0xffffffff;
    cr_assert_eq(RUN(&m, "\x8b\x07", ONE), VMM_INSN_DONE);
    cr_assert_eq(m.rip, 1);
    machine_init(&m, VMM_INSN_64);
    m.rip = 0xffffffff;
    cr_assert_eq(RUN(&m, "\x8b\x07", ONE), VMM_INSN_DONE);
    cr_assert_eq(m.rip, 0x100000001);
}

Test(insn_emulate, addresses_of_16_bits) {
    static const struct {
        const char *bytes;
        size_t n_bytes;
        enum vmm_seg seg;
        uint16_t offset;
    } cases[] = {
        {"\x8a\x00", 2, VMM_SEG_DS, 0x1003 + 0x0007}, /* [bx+si] */
        {"\x8a\x01", 2, VMM_SEG_DS, 0x1003 + 0x0031}, /* [bx+di] */
        {"\x8a\x02", 2, VMM_SEG_SS, 0xff00 + 0x0007}, /* [bp+si] */
        {"\x8a\x03", 2, VMM_SEG_SS, 0xff00 + 0x0031}, /* [bp+di] */
        {"\x8a\x04", 2, VMM_SEG_DS, 0x0007},          /* [si] */
        {"\x8a\x05", 2, VMM_SEG_DS, 0x0031},          /* [di] */
        {"\x8a\x06\x34\x12", 4, VMM_SEG_DS, 0x1234},  /* [disp16] */
        {"\x8a\x07", 2, VMM_SEG_DS, 0x1003},          /* [bx] */
        {"\x8a\x46\xff", 3, VMM_SEG_SS, 0xfeff},      /* [bp-1] */
        {"\x8a\x83\x00\x01", 4, VMM_SEG_SS, 0x0031},  /* [bp+di+100h], wraps */
        {"\x67\x8a\x07", 3, VMM_SEG_DS, 0},           /* [edi] from 16-bit code; see below */
        {"\xa0\xcd\xab", 3, VMM_SEG_DS, 0xabcd},      /* moffs16 */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct machine m;
        machine_init(&m, VMM_INSN_16);
        m.gpr[RBX] = 0x99991003;
        m.gpr[RSI] = 0x77770007;
        m.gpr[RDI] = 0x44440031;
        m.gpr[RBP] = 0x2222ff00;
        (void)machine_run(&m, (const uint8_t *)cases[i].bytes, cases[i].n_bytes, ONE);
        bool wide = cases[i].bytes[0] == 0x67;
        expect_access(&m, 0, MACHINE_READ, cases[i].seg, wide ? 0x44440031 : cases[i].offset, 1);
    }
}

Test(insn_emulate, length_only_instructions_are_not_ours) {
    static const char *const code[] = {"\x0f\xa2", "\x0f\x01\x3b", "\x0f\x01\x33", "\x0f\x20\xc0", "\xf4"};
    for (unsigned i = 0; i < sizeof code / sizeof code[0]; i++) {
        struct machine m;
        machine_init(&m, VMM_INSN_64);
        cr_assert_eq(machine_run(&m, (const uint8_t *)code[i], strlen(code[i]), ONE), VMM_INSN_NOT_OURS);
        cr_assert(m.n_accesses == 0 && m.rip == 0);
    }
}

Test(insn_emulate, rf_is_left_to_the_caller) {
    struct machine m;
    machine_init(&m, VMM_INSN_64);
    m.rflags = 0x10202;
    cr_assert_eq(RUN(&m, "\x01\x03", ONE), VMM_INSN_DONE);
    cr_assert_eq(m.rflags, 0x10246); /* ZF and PF of 0 + 0 */
}
