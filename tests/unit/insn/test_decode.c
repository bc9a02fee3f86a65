/* What the oracles cannot say: error codes, named operations, prefixes that cancel each other. */
#include <criterion/criterion.h>
#include <string.h>
#include <vmm/insn.h>

struct decode_case {
    const char *bytes;
    size_t n_bytes;
    enum vmm_insn_mode mode;
    int result;
    uint8_t op;
};

#define BYTES(s) s, sizeof(s) - 1

static void check(const struct decode_case *c, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct vmm_insn insn;
        int result = vmm_insn_decode((const uint8_t *)c[i].bytes, c[i].n_bytes, c[i].mode, &insn);
        cr_assert_eq(result, c[i].result, "case %zu: result %d", i, result);
        if (result) continue;
        cr_assert_eq(insn.op, c[i].op, "case %zu: op %d", i, insn.op);
        cr_assert_eq(insn.n_bytes, c[i].n_bytes, "case %zu: %d bytes", i, insn.n_bytes);
    }
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof(cases)[0])

Test(insn_decode, intercepted_instructions_have_name_and_length) {
    static const struct decode_case cases[] = {
        {BYTES("\x0f\xa2"), VMM_INSN_64, 0, VMM_INSN_OP_CPUID},
        {BYTES("\x0f\x30"), VMM_INSN_64, 0, VMM_INSN_OP_WRMSR},
        {BYTES("\x0f\x31"), VMM_INSN_16, 0, VMM_INSN_OP_RDTSC},
        {BYTES("\x0f\x32"), VMM_INSN_32, 0, VMM_INSN_OP_RDMSR},
        {BYTES("\x0f\x33"), VMM_INSN_32, 0, VMM_INSN_OP_RDPMC},
        {BYTES("\x66\x0f\xa2"), VMM_INSN_32, 0, VMM_INSN_OP_CPUID},
        {BYTES("\x0f\x01\xf9"), VMM_INSN_64, 0, VMM_INSN_OP_RDTSCP},
        {BYTES("\xf4"), VMM_INSN_64, 0, VMM_INSN_OP_HLT},
        {BYTES("\xf3\x90"), VMM_INSN_64, 0, VMM_INSN_OP_PAUSE},
        {BYTES("\x0f\x08"), VMM_INSN_64, 0, VMM_INSN_OP_INVD},
        {BYTES("\x0f\x09"), VMM_INSN_64, 0, VMM_INSN_OP_WBINVD},
        {BYTES("\xf3\x0f\x09"), VMM_INSN_64, 0, VMM_INSN_OP_WBINVD},
        {BYTES("\x0f\x01\xc1"), VMM_INSN_64, 0, VMM_INSN_OP_VMCALL},
        {BYTES("\x0f\x01\xc8"), VMM_INSN_64, 0, VMM_INSN_OP_MONITOR},
        {BYTES("\x0f\x01\xc9"), VMM_INSN_64, 0, VMM_INSN_OP_MWAIT},
        {BYTES("\x0f\x01\xd0"), VMM_INSN_64, 0, VMM_INSN_OP_XGETBV},
        {BYTES("\x0f\x01\xd1"), VMM_INSN_64, 0, VMM_INSN_OP_XSETBV},
        {BYTES("\x0f\x01\xd8"), VMM_INSN_64, 0, VMM_INSN_OP_VMRUN},
        {BYTES("\x67\x0f\x01\xd8"), VMM_INSN_64, 0, VMM_INSN_OP_VMRUN},
        {BYTES("\x0f\x01\xd9"), VMM_INSN_32, 0, VMM_INSN_OP_VMMCALL},
        {BYTES("\x0f\x01\xda"), VMM_INSN_64, 0, VMM_INSN_OP_VMLOAD},
        {BYTES("\x0f\x01\xdb"), VMM_INSN_64, 0, VMM_INSN_OP_VMSAVE},
        {BYTES("\x0f\x01\xdc"), VMM_INSN_64, 0, VMM_INSN_OP_STGI},
        {BYTES("\x0f\x01\xdd"), VMM_INSN_64, 0, VMM_INSN_OP_CLGI},
        {BYTES("\x0f\x01\xde"), VMM_INSN_32, 0, VMM_INSN_OP_SKINIT},
        {BYTES("\x0f\x01\xdf"), VMM_INSN_32, 0, VMM_INSN_OP_INVLPGA},
        {BYTES("\x0f\x01\xf8"), VMM_INSN_64, 0, VMM_INSN_OP_SWAPGS},
        {BYTES("\x0f\x01\x38"), VMM_INSN_64, 0, VMM_INSN_OP_INVLPG},
        {BYTES("\x0f\x01\xf0"), VMM_INSN_64, 0, VMM_INSN_OP_LMSW},
        {BYTES("\x0f\x01\x30"), VMM_INSN_16, 0, VMM_INSN_OP_LMSW},
        {BYTES("\x0f\x01\xe0"), VMM_INSN_64, 0, VMM_INSN_OP_SMSW},
        {BYTES("\x0f\x01\x16\x00\x7c"), VMM_INSN_16, 0, VMM_INSN_OP_LGDT},
        {BYTES("\x0f\x01\x1d\x00\x7c\x00\x00"), VMM_INSN_32, 0, VMM_INSN_OP_LIDT},
        {BYTES("\x0f\x00\xd8"), VMM_INSN_32, 0, VMM_INSN_OP_LTR},
        {BYTES("\x0f\x06"), VMM_INSN_64, 0, VMM_INSN_OP_CLTS},
        {BYTES("\x66\x0f\x38\x82\x08"), VMM_INSN_64, 0, VMM_INSN_OP_INVPCID},
        {BYTES("\x0f\xaa"), VMM_INSN_64, 0, VMM_INSN_OP_RSM},
        {BYTES("\x48\xcf"), VMM_INSN_64, 0, VMM_INSN_OP_IRET},
        {BYTES("\x9c"), VMM_INSN_64, 0, VMM_INSN_OP_PUSHF},
        {BYTES("\x9d"), VMM_INSN_64, 0, VMM_INSN_OP_POPF},
        {BYTES("\xcd\x80"), VMM_INSN_32, 0, VMM_INSN_OP_INT},
        {BYTES("\xcc"), VMM_INSN_32, 0, VMM_INSN_OP_INT3},
        {BYTES("\xf1"), VMM_INSN_32, 0, VMM_INSN_OP_INT1},
        {BYTES("\xce"), VMM_INSN_32, 0, VMM_INSN_OP_INTO},
        {BYTES("\xe4\x60"), VMM_INSN_16, 0, VMM_INSN_OP_IN},
        {BYTES("\x66\xef"), VMM_INSN_64, 0, VMM_INSN_OP_OUT},
        {BYTES("\xf3\x6c"), VMM_INSN_64, 0, VMM_INSN_OP_INS},
        {BYTES("\x2e\xf3\x66\x6f"), VMM_INSN_16, 0, VMM_INSN_OP_OUTS},
    };
    CHECK(cases);
}

Test(insn_decode, refusals) {
    static const struct decode_case cases[] = {
        /* nothing, only prefixes, an unfinished ModRM, SIB, displacement, immediate, address */
        {BYTES(""), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        {BYTES("\x66\xf2"), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        {BYTES("\x48"), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        {BYTES("\x0f"), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        {BYTES("\x8b"), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        {BYTES("\x8b\x04"), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        {BYTES("\x8b\x80\x00\x00\x00"), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        {BYTES("\xc7\x00\x00\x00\x00"), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        {BYTES("\xa1\x00\x00\x00\x00\x00\x00\x00"), VMM_INSN_64, VMM_INSN_E_SHORT, 0},
        /* LOCK where nothing is read, modified and written in memory */
        {BYTES("\xf0\x89\x00"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\x8b\x00"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\x01\xc0"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\x03\x00"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\x39\x00"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\x85\x00"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\x0f\xa3\x00"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\x0f\x94\x00"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\xa4"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\xf3\xa4"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xf0\x0f\x01\x38"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        /* registers that do not exist, forms that need memory, forms long mode has dropped */
        {BYTES("\x0f\x20\xc8"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\x0f\x22\xe8"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\x44\x0f\x20\xc8"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\x44\x0f\x21\xc0"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\x8c\x30"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\x0f\x38\xf0\xc0"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\x0f\xc3\xc0"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\x0f\x01\xf8"), VMM_INSN_32, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\x82\x00\x00"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        {BYTES("\xce"), VMM_INSN_64, VMM_INSN_E_INVALID, 0},
        /* not ours: vector moves, control transfer, the stack, shifts, loads of segment registers, CRC32 */
        {BYTES("\x0f\x11\x00"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\xc5\xf9\x7f\x00"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\x62\xf1\x7c\x48\x11\x00"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\xff\x20"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\xff\x30"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\x8f\x00"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\xd1\x20"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\x8e\x18"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\xf7\x20"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\x0f\xba\x00\x00"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\xf2\x0f\x38\xf1\x00"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\x90"), VMM_INSN_64, VMM_INSN_E_UNSUPPORTED, 0},
        {BYTES("\xf0\x0f\x22\xc0"), VMM_INSN_32, VMM_INSN_E_UNSUPPORTED, 0},
    };
    CHECK(cases);
}

Test(insn_decode, the_same_byte_means_different_things_by_mode) {
    static const struct decode_case cases[] = {
        {BYTES("\x63\x00"), VMM_INSN_64, 0, VMM_INSN_OP_MOVSX},               /* MOVSXD */
        {BYTES("\x63\x00"), VMM_INSN_32, VMM_INSN_E_UNSUPPORTED, 0},          /* ARPL */
        {BYTES("\x82\x28\x01"), VMM_INSN_32, 0, VMM_INSN_OP_SUB},             /* an alias of 80 */
        {BYTES("\x48\x8b\x00"), VMM_INSN_32, VMM_INSN_E_UNSUPPORTED, 0},      /* DEC EAX */
        {BYTES("\xa1\x00\x00"), VMM_INSN_16, 0, VMM_INSN_OP_MOV},             /* moffs16 */
        {BYTES("\xa1\x00\x00\x00\x00"), VMM_INSN_32, 0, VMM_INSN_OP_MOV},     /* moffs32 */
        {BYTES("\x67\xa1\x00\x00\x00\x00"), VMM_INSN_64, 0, VMM_INSN_OP_MOV}, /* moffs32 */
        {BYTES("\x8b\x05\x00\x00\x00\x00"), VMM_INSN_32, 0, VMM_INSN_OP_MOV}, /* disp32 */
        {BYTES("\x8b\x05"), VMM_INSN_16, 0, VMM_INSN_OP_MOV},                 /* [di] */
        {BYTES("\x81\x00\x01\x02"), VMM_INSN_16, 0, VMM_INSN_OP_ADD},
        {BYTES("\x66\x81\x00\x01\x02\x03\x04"), VMM_INSN_16, 0, VMM_INSN_OP_ADD},
        {BYTES("\x66\x48\x81\x00\x01\x02\x03\x04"), VMM_INSN_64, 0, VMM_INSN_OP_ADD}, /* REX.W beats 66 */
    };
    CHECK(cases);
}

Test(insn_decode, fifteen_bytes_are_the_limit) {
    struct vmm_insn insn;
    uint8_t bytes[17];
    memset(bytes, 0x66, sizeof bytes);
    memcpy(bytes + 13, "\x89\x00", 2);
    cr_assert_eq(vmm_insn_decode(bytes, 15, VMM_INSN_64, &insn), 0);
    cr_assert_eq(insn.n_bytes, 15);
    cr_assert_eq(vmm_insn_decode(bytes, 14, VMM_INSN_64, &insn), VMM_INSN_E_SHORT);
    memcpy(bytes + 13, "\x66\x89\x00", 3);
    cr_assert_eq(vmm_insn_decode(bytes, 15, VMM_INSN_64, &insn), VMM_INSN_E_INVALID);
    cr_assert_eq(vmm_insn_decode(bytes, 17, VMM_INSN_64, &insn), VMM_INSN_E_INVALID);
    memset(bytes, 0x66, sizeof bytes);
    cr_assert_eq(vmm_insn_decode(bytes, 14, VMM_INSN_16, &insn), VMM_INSN_E_SHORT);
    cr_assert_eq(vmm_insn_decode(bytes, 15, VMM_INSN_16, &insn), VMM_INSN_E_INVALID);
}

Test(insn_decode, rex_counts_only_before_the_opcode) {
    struct vmm_insn insn;
    cr_assert_eq(vmm_insn_decode((const uint8_t *)"\x4d\x66\x89\x00", 4, VMM_INSN_64, &insn), 0);
    cr_assert_eq(insn.operand_bytes, 2);
    cr_assert_eq(insn.base, 0);
    cr_assert_eq(vmm_insn_decode((const uint8_t *)"\x66\x4d\x89\x00", 4, VMM_INSN_64, &insn), 0);
    cr_assert_eq(insn.operand_bytes, 8);
    cr_assert_eq(insn.base, 8);
    cr_assert_eq(insn.src.n, 8);
}

Test(insn_decode, segments) {
    static const struct {
        const char *bytes;
        size_t n_bytes;
        enum vmm_insn_mode mode;
        enum vmm_seg seg;
    } cases[] = {
        {BYTES("\x8b\x07"), VMM_INSN_16, VMM_SEG_DS},                     /* [bx] */
        {BYTES("\x8b\x02"), VMM_INSN_16, VMM_SEG_SS},                     /* [bp+si] */
        {BYTES("\x8b\x46\x00"), VMM_INSN_16, VMM_SEG_SS},                 /* [bp+0] */
        {BYTES("\x8b\x06\x00\x00"), VMM_INSN_16, VMM_SEG_DS},             /* [disp16] */
        {BYTES("\x8b\x05"), VMM_INSN_16, VMM_SEG_DS},                     /* [di] */
        {BYTES("\x3e\x8b\x46\x00"), VMM_INSN_16, VMM_SEG_DS},             /* ds:[bp+0] */
        {BYTES("\x2e\x26\x8b\x07"), VMM_INSN_16, VMM_SEG_ES},             /* the last one counts */
        {BYTES("\x8b\x04\x24"), VMM_INSN_32, VMM_SEG_SS},                 /* [esp] */
        {BYTES("\x8b\x45\x00"), VMM_INSN_32, VMM_SEG_SS},                 /* [ebp+0] */
        {BYTES("\x8b\x04\x28"), VMM_INSN_32, VMM_SEG_DS},                 /* [eax+ebp]: the index does not count */
        {BYTES("\x8b\x44\x05\x00"), VMM_INSN_32, VMM_SEG_SS},             /* [ebp+eax+0] */
        {BYTES("\x8b\x04\x2d\x00\x00\x00\x00"), VMM_INSN_32, VMM_SEG_DS}, /* [ebp*1+disp32] */
        {BYTES("\x41\x8b\x45\x00"), VMM_INSN_64, VMM_SEG_DS},             /* [r13+0] */
        {BYTES("\x41\x8b\x04\x24"), VMM_INSN_64, VMM_SEG_DS},             /* [r12] */
        {BYTES("\x8b\x45\x00"), VMM_INSN_64, VMM_SEG_SS},                 /* [rbp+0] */
        {BYTES("\x3e\x8b\x45\x00"), VMM_INSN_64, VMM_SEG_SS},             /* DS override is nothing in 64-bit mode */
        {BYTES("\x64\x8b\x00"), VMM_INSN_64, VMM_SEG_FS},
        {BYTES("\x64\x2e\x8b\x00"), VMM_INSN_64, VMM_SEG_FS},
        {BYTES("\x65\xa4"), VMM_INSN_64, VMM_SEG_GS},
        {BYTES("\x26\xa4"), VMM_INSN_32, VMM_SEG_ES},
        {BYTES("\x36\xa0\x00\x00\x00\x00"), VMM_INSN_32, VMM_SEG_SS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vmm_insn insn;
        cr_assert_eq(vmm_insn_decode((const uint8_t *)cases[i].bytes, cases[i].n_bytes, cases[i].mode, &insn), 0);
        cr_assert_eq(insn.n_bytes, cases[i].n_bytes, "case %zu", i);
        cr_assert_eq(insn.seg, cases[i].seg, "case %zu: segment %d", i, insn.seg);
    }
}

Test(insn_decode, control_register_moves_ignore_mod) {
    struct vmm_insn insn;
    cr_assert_eq(vmm_insn_decode((const uint8_t *)"\x0f\x22\x1c", 3, VMM_INSN_32, &insn), 0); /* mod 0, r/m 4: no SIB */
    cr_assert_eq(insn.n_bytes, 3);
    cr_assert_eq(insn.op, VMM_INSN_OP_MOV_CR);
    cr_assert(insn.dst.kind == VMM_INSN_CR && insn.dst.n == 3);
    cr_assert(insn.src.kind == VMM_INSN_GPR && insn.src.n == 4);
    cr_assert_eq(insn.operand_bytes, 4);
    cr_assert_eq(vmm_insn_decode((const uint8_t *)"\x45\x0f\x20\xc1", 4, VMM_INSN_64, &insn), 0);
    cr_assert(insn.dst.kind == VMM_INSN_GPR && insn.dst.n == 9);
    cr_assert(insn.src.kind == VMM_INSN_CR && insn.src.n == 8);
    cr_assert_eq(insn.operand_bytes, 8);
}

Test(insn_decode, plain_loads_and_stores) {
    static const struct {
        const char *bytes;
        uint8_t plain;
    } cases[] = {
        {"\x89\x07", VMM_INSN_PLAIN_STORE},            /* mov [rdi], eax */
        {"\x8b\x47\x10", VMM_INSN_PLAIN_LOAD},         /* mov eax, [rdi + 16] */
        {"\x48\x89\x07", VMM_INSN_PLAIN_STORE},        /* mov [rdi], rax */
        {"\xa1\1\2\3\4\5\6\7\1", VMM_INSN_PLAIN_LOAD}, /* mov eax, [...] */
        {"\x66\x89\x07", VMM_INSN_NOT_PLAIN},          /* mov [rdi], ax */
        {"\x88\x07", VMM_INSN_NOT_PLAIN},              /* mov [rdi], al */
        {"\x8a\x07", VMM_INSN_NOT_PLAIN},              /* mov al, [rdi] */
        {"\xc7\x07\1\2\3\4", VMM_INSN_NOT_PLAIN},      /* mov dword [rdi], ... */
        {"\x89\xc7", VMM_INSN_NOT_PLAIN},              /* mov edi, eax */
        {"\x8c\x07", VMM_INSN_NOT_PLAIN},              /* mov [rdi], es */
        {"\x48\x8c\x07", VMM_INSN_NOT_PLAIN},
        {"\x01\x07", VMM_INSN_NOT_PLAIN},         /* add [rdi], eax */
        {"\x0f\xb6\x07", VMM_INSN_NOT_PLAIN},     /* movzx eax, byte [rdi] */
        {"\x63\x07", VMM_INSN_NOT_PLAIN},         /* movsxd eax, [rdi] */
        {"\x0f\x38\xf0\x07", VMM_INSN_NOT_PLAIN}, /* movbe eax, [rdi] */
        {"\x6f\0", VMM_INSN_NOT_PLAIN},           /* outs */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[VMM_INSN_MAX_BYTES] = {0};
        struct vmm_insn insn;
        memcpy(bytes, cases[i].bytes, 9 < strlen(cases[i].bytes) + 1 ? 9 : strlen(cases[i].bytes) + 1);
        cr_assert_eq(vmm_insn_decode(bytes, sizeof bytes, VMM_INSN_64, &insn), 0, "case %zu", i);
        cr_assert_eq(insn.plain, cases[i].plain, "case %zu", i);
    }
}
