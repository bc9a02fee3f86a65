#include "insn_forms.h"

#define FORM(op_, dst_, src_, flags_)                                                                                  \
    { .op = VMM_INSN_OP_##op_, .dst = AT_##dst_, .src = AT_##src_, .flags = (flags_) }
#define GROUP(group_, flags_)                                                                                          \
    { .group = GROUP_##group_, .flags = FORM_MODRM | (flags_) }

/* A byte-sized opcode and the full-sized one that follows it. */
#define PAIR(first, op, dst, src) [first] = FORM(op, dst, src, FORM_BYTE), [(first) + 1] = FORM(op, dst, src, 0)

/* The six leading opcodes of each row of eight below 40. */
#define ARITHMETIC_ROW(first, op)                                                                                      \
    PAIR(first, op, RM, REG), PAIR((first) + 2, op, REG, RM), PAIR((first) + 4, op, ACC, IMM)

/* clang-format off */
const struct insn_form insn_map_1[256] = {
    ARITHMETIC_ROW(0x00, ADD),
    ARITHMETIC_ROW(0x08, OR),
    ARITHMETIC_ROW(0x10, ADC),
    ARITHMETIC_ROW(0x18, SBB),
    ARITHMETIC_ROW(0x20, AND),
    ARITHMETIC_ROW(0x28, SUB),
    ARITHMETIC_ROW(0x30, XOR),
    ARITHMETIC_ROW(0x38, CMP),
    [0x63] = FORM(MOVSX, REG, RM, FORM_SRC32 | FORM_ONLY_64),
    [0x6c] = FORM(INS, NONE, NONE, FORM_BYTE),
    [0x6d] = FORM(INS, NONE, NONE, FORM_MAX32),
    [0x6e] = FORM(OUTS, NONE, NONE, FORM_BYTE),
    [0x6f] = FORM(OUTS, NONE, NONE, FORM_MAX32),
    [0x80] = FORM(ADD, RM, IMM, FORM_OP_REG | FORM_BYTE),
    [0x81] = FORM(ADD, RM, IMM, FORM_OP_REG),
    [0x82] = FORM(ADD, RM, IMM, FORM_OP_REG | FORM_BYTE | FORM_NO_64),
    [0x83] = FORM(ADD, RM, IMM8S, FORM_OP_REG),
    PAIR(0x84, TEST, RM, REG),
    PAIR(0x86, XCHG, RM, REG),
    PAIR(0x88, MOV, RM, REG),
    PAIR(0x8a, MOV, REG, RM),
    [0x8c] = FORM(MOV, RM, SREG, FORM_MEM16),
    [0x90] = FORM(PAUSE, NONE, NONE, FORM_PF3),
    [0x9c] = FORM(PUSHF, NONE, NONE, 0),
    [0x9d] = FORM(POPF, NONE, NONE, 0),
    PAIR(0xa0, MOV, ACC, MOFFS),
    PAIR(0xa2, MOV, MOFFS, ACC),
    PAIR(0xa4, MOVS, NONE, NONE),
    PAIR(0xa6, CMPS, NONE, NONE),
    PAIR(0xa8, TEST, ACC, IMM),
    PAIR(0xaa, STOS, NONE, NONE),
    PAIR(0xac, LODS, NONE, NONE),
    PAIR(0xae, SCAS, NONE, NONE),
    [0xc6] = GROUP(C6, FORM_BYTE),
    [0xc7] = GROUP(C6, 0),
    [0xcc] = FORM(INT3, NONE, NONE, 0),
    [0xcd] = FORM(INT, NONE, IMM8U, 0),
    [0xce] = FORM(INTO, NONE, NONE, FORM_NO_64),
    [0xcf] = FORM(IRET, NONE, NONE, 0),
    [0xe4] = FORM(IN, ACC, IMM8U, FORM_BYTE),
    [0xe5] = FORM(IN, ACC, IMM8U, FORM_MAX32),
    [0xe6] = FORM(OUT, IMM8U, ACC, FORM_BYTE),
    [0xe7] = FORM(OUT, IMM8U, ACC, FORM_MAX32),
    [0xec] = FORM(IN, ACC, DX, FORM_BYTE),
    [0xed] = FORM(IN, ACC, DX, FORM_MAX32),
    [0xee] = FORM(OUT, DX, ACC, FORM_BYTE),
    [0xef] = FORM(OUT, DX, ACC, FORM_MAX32),
    [0xf1] = FORM(INT1, NONE, NONE, 0),
    [0xf4] = FORM(HLT, NONE, NONE, 0),
    [0xf6] = GROUP(F6, FORM_BYTE),
    [0xf7] = GROUP(F6, 0),
    [0xfe] = GROUP(FE, FORM_BYTE),
    [0xff] = GROUP(FE, 0),
};

#define EIGHT(first, op, dst, src, flags)                                                                              \
    [first] = FORM(op, dst, src, flags), [(first) + 1] = FORM(op, dst, src, flags),                                    \
    [(first) + 2] = FORM(op, dst, src, flags), [(first) + 3] = FORM(op, dst, src, flags),                              \
    [(first) + 4] = FORM(op, dst, src, flags), [(first) + 5] = FORM(op, dst, src, flags),                              \
    [(first) + 6] = FORM(op, dst, src, flags), [(first) + 7] = FORM(op, dst, src, flags)

const struct insn_form insn_map_0f[256] = {
    [0x00] = GROUP(0F00, 0),
    [0x01] = GROUP(0F01, 0),
    [0x06] = FORM(CLTS, NONE, NONE, 0),
    [0x08] = FORM(INVD, NONE, NONE, 0),
    [0x09] = FORM(WBINVD, NONE, NONE, 0),
    [0x20] = FORM(MOV_CR, RM_REG, CR, FORM_NATIVE),
    [0x21] = FORM(MOV_DR, RM_REG, DR, FORM_NATIVE),
    [0x22] = FORM(MOV_CR, CR, RM_REG, FORM_NATIVE),
    [0x23] = FORM(MOV_DR, DR, RM_REG, FORM_NATIVE),
    [0x30] = FORM(WRMSR, NONE, NONE, 0),
    [0x31] = FORM(RDTSC, NONE, NONE, 0),
    [0x32] = FORM(RDMSR, NONE, NONE, 0),
    [0x33] = FORM(RDPMC, NONE, NONE, 0),
    EIGHT(0x40, CMOVCC, REG, RM, 0),
    EIGHT(0x48, CMOVCC, REG, RM, 0),
    EIGHT(0x90, SETCC, RM, NONE, FORM_BYTE),
    EIGHT(0x98, SETCC, RM, NONE, FORM_BYTE),
    [0xa2] = FORM(CPUID, NONE, NONE, 0),
    [0xa3] = FORM(BT, RM, REG, 0),
    [0xaa] = FORM(RSM, NONE, NONE, 0),
    [0xab] = FORM(BTS, RM, REG, 0),
    PAIR(0xb0, CMPXCHG, RM, REG),
    [0xb3] = FORM(BTR, RM, REG, 0),
    [0xb6] = FORM(MOVZX, REG, RM, FORM_SRC8),
    [0xb7] = FORM(MOVZX, REG, RM, FORM_SRC16),
    [0xba] = FORM(BT, RM, IMM8U, FORM_OP_BIT),
    [0xbb] = FORM(BTC, RM, REG, 0),
    [0xbe] = FORM(MOVSX, REG, RM, FORM_SRC8),
    [0xbf] = FORM(MOVSX, REG, RM, FORM_SRC16),
    PAIR(0xc0, XADD, RM, REG),
    [0xc3] = FORM(MOV, RM, REG, FORM_MIN32 | FORM_MEM_ONLY | FORM_NP),
};

const struct insn_form insn_groups[N_GROUPS][8] = {
    [GROUP_C6] = {[0] = FORM(MOV, RM, IMM, 0)},
    [GROUP_F6] = {
        [0] = FORM(TEST, RM, IMM, 0),
        [1] = FORM(TEST, RM, IMM, 0),
        [2] = FORM(NOT, RM, NONE, 0),
        [3] = FORM(NEG, RM, NONE, 0),
    },
    [GROUP_FE] = {[0] = FORM(INC, RM, NONE, 0), [1] = FORM(DEC, RM, NONE, 0)},
    [GROUP_0F00] = {
        [0] = FORM(SLDT, RM, NONE, FORM_MEM16),
        [1] = FORM(STR, RM, NONE, FORM_MEM16),
        [2] = FORM(LLDT, NONE, RM, FORM_SRC16),
        [3] = FORM(LTR, NONE, RM, FORM_SRC16),
    },
    [GROUP_0F01] = {
        [0] = FORM(SGDT, RM, NONE, 0),
        [1] = FORM(SIDT, RM, NONE, 0),
        [2] = FORM(LGDT, NONE, RM, 0),
        [3] = FORM(LIDT, NONE, RM, 0),
        [4] = FORM(SMSW, RM, NONE, FORM_MEM16),
        [6] = FORM(LMSW, NONE, RM, FORM_SRC16),
        [7] = FORM(INVLPG, RM, NONE, 0),
    },
};

#define ALONE(modrm, op, flags) [(modrm) - 0xc0] = FORM(op, NONE, NONE, flags)

const struct insn_form insn_map_0f01_mod3[64] = {
    ALONE(0xc1, VMCALL, FORM_NP),
    ALONE(0xc8, MONITOR, FORM_NP),
    ALONE(0xc9, MWAIT, FORM_NP),
    ALONE(0xd0, XGETBV, FORM_NP),
    ALONE(0xd1, XSETBV, FORM_NP),
    ALONE(0xd8, VMRUN, FORM_NO_REP),
    ALONE(0xd9, VMMCALL, FORM_NP),
    ALONE(0xda, VMLOAD, FORM_NO_REP),
    ALONE(0xdb, VMSAVE, FORM_NO_REP),
    ALONE(0xdc, STGI, FORM_NP),
    ALONE(0xdd, CLGI, FORM_NP),
    ALONE(0xde, SKINIT, FORM_NP),
    ALONE(0xdf, INVLPGA, FORM_NP),
    EIGHT(0xe0 - 0xc0, SMSW, RM, NONE, 0),
    EIGHT(0xf0 - 0xc0, LMSW, NONE, RM, FORM_SRC16),
    ALONE(0xf8, SWAPGS, FORM_NP | FORM_ONLY_64),
    ALONE(0xf9, RDTSCP, FORM_NP),
    ALONE(0xfa, MONITOR, FORM_NP),
    ALONE(0xfb, MWAIT, FORM_NP),
};
/* clang-format on */

struct insn_form insn_map_0f38(uint8_t opcode) {
    switch (opcode) {
    case 0x82: return (struct insn_form)FORM(INVPCID, REG, RM, FORM_MEM_ONLY | FORM_P66 | FORM_NO_REP | FORM_NATIVE);
    case 0xf0: return (struct insn_form)FORM(MOVBE, REG, RM, FORM_MEM_ONLY | FORM_NO_REP);
    case 0xf1: return (struct insn_form)FORM(MOVBE, RM, REG, FORM_MEM_ONLY | FORM_NO_REP);
    default: return (struct insn_form){0};
    }
}
