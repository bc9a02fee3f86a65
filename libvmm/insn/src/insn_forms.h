/* The opcode maps as data: for each opcode we know, the operation and where its operands are encoded. Names of operand
 * places follow the manual (APM volume 3, appendix A "Opcode and Operand Encodings"). Private to the decoder. */
#ifndef INSN_FORMS_H
#define INSN_FORMS_H

#include <vmm/bits.h>
#include <vmm/insn.h>

/* Where an operand is. */
enum insn_place {
    AT_NONE,
    AT_RM,     /* E: register or memory, by ModRM.mod and r/m */
    AT_REG,    /* G: general register, by ModRM.reg */
    AT_RM_REG, /* R: general register, by ModRM.r/m; mod is ignored */
    AT_SREG,   /* S: segment register, by ModRM.reg */
    AT_CR,     /* C: control register, by ModRM.reg */
    AT_DR,     /* D: debug register, by ModRM.reg */
    AT_ACC,    /* AL, AX, EAX, RAX */
    AT_DX,
    AT_MOFFS, /* O: memory, its offset follows the opcode */
    AT_IMM,   /* I: of the operand's size, but 4 bytes for 8; sign-extended */
    AT_IMM8S, /* Ib, sign-extended */
    AT_IMM8U, /* Ib, a port number, bit number or interrupt vector */
};

/* Members of struct insn_form's flags. */
enum {
    FORM_MODRM = BIT(0),  /* a ModRM byte follows although no operand says so: the opcode continues there */
    FORM_OP_REG = BIT(1), /* ModRM.reg is added to op */
    FORM_OP_BIT = BIT(2), /* ModRM.reg - 4 is added to op; below 4 is not ours */
    FORM_BYTE = BIT(3),   /* one-byte operands */
    FORM_SRC8 = BIT(4),   /* the source is shorter than the destination */
    FORM_SRC16 = BIT(5),
    FORM_SRC32 = BIT(6),
    FORM_MAX32 = BIT(7),    /* REX.W makes it four bytes, not eight */
    FORM_NATIVE = BIT(8),   /* eight bytes in 64-bit mode, otherwise four */
    FORM_MEM_ONLY = BIT(9), /* #UD with a register in r/m */
    FORM_NO_64 = BIT(10),   /* #UD in 64-bit mode */
    FORM_ONLY_64 = BIT(11), /* another instruction, or #UD, outside it */
    FORM_NP = BIT(12),      /* with 66, F2 or F3 it is another instruction, or none */
    FORM_NO_REP = BIT(13),  /* with F2 or F3 it is another instruction, or none */
    FORM_P66 = BIT(14),     /* only with 66 */
    FORM_PF3 = BIT(15),     /* only with F3 */
    FORM_MIN32 = BIT(16),   /* never two bytes */
    FORM_MEM16 = BIT(17),   /* memory gets two bytes, whatever the operand size */
};

enum insn_group {
    GROUP_NONE,
    GROUP_C6, /* and C7 */
    GROUP_F6, /* and F7 */
    GROUP_FE, /* and FF */
    GROUP_0F00,
    GROUP_0F01,
    N_GROUPS
};

struct insn_form {
    uint8_t op;    /* enum vmm_insn_op; NONE: not ours, unless group or flags say where to look further */
    uint8_t dst;   /* enum insn_place */
    uint8_t src;   /* enum insn_place */
    uint8_t group; /* enum insn_group: ModRM.reg selects */
    uint32_t flags;
};

extern const struct insn_form insn_map_1[256];          /* one-byte opcodes */
extern const struct insn_form insn_map_0f[256];         /* 0F xx */
extern const struct insn_form insn_groups[N_GROUPS][8]; /* their flags are added to the opcode's */
extern const struct insn_form insn_map_0f01_mod3[64];   /* 0F 01 with ModRM C0 .. FF */

/* 0F 38 xx */
struct insn_form insn_map_0f38(uint8_t opcode);

#endif
