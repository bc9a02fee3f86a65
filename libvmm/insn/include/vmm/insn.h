/* The x86 instructions a hypervisor must understand: decode one from a copy of its bytes, and carry it out.
 *
 * What it is for: accesses to trapped memory (the MMIO hooks), port I/O (the string forms above all), and the length of
 * an intercepted instruction where the processor does not report the next RIP.
 * What it is not: a complete CPU. Control transfer, the stack, x87 and vector instructions are refused by decode, and
 * privilege, segment limits and paging belong to the caller. It touches no hardware.
 *
 * Threading: no state of its own; any number of CPUs may call it at once. Allocation: none. Context: any.
 * Time: decode is bounded by 15 bytes, emulate by max_iterations calls of at most three callbacks each.
 *
 * Guest memory: decode works on bytes the caller has copied, so it sees one state of them. Between decode and emulate
 * nothing is fetched again.
 *
 * Sources: AMD64 Architecture Programmer's Manual, Volume 3 (24594, rev. 3.36), chapter 1 "Instruction Encoding",
 * chapter 3 "General-Purpose Instruction Reference", chapter 4 "System Instruction Reference", appendix A "Opcode and
 * Operand Encodings"; Intel SDM Volume 2 (325383-080), chapter 2 "Instruction Format", appendix A "Opcode Map". */
#ifndef VMM_INSN_H
#define VMM_INSN_H

#include <vmm/types.h>

#define VMM_INSN_MAX_BYTES 15

/* Of the code segment: VMM_INSN_64 for CS.L = 1 in long mode, else VMM_INSN_32 or VMM_INSN_16 by CS.D. Real and
 * virtual-8086 mode count as VMM_INSN_16. */
enum vmm_insn_mode { VMM_INSN_16, VMM_INSN_32, VMM_INSN_64 };

enum vmm_insn_error {
    VMM_INSN_E_SHORT = -1,       /* the instruction goes on after the bytes given */
    VMM_INSN_E_INVALID = -2,     /* the processor would raise #UD, or #GP because it is longer than 15 bytes */
    VMM_INSN_E_UNSUPPORTED = -3, /* not in our tables; says nothing about whether a processor knows it */
};

/* Segment registers, in the order of their encoding. */
enum vmm_seg { VMM_SEG_ES, VMM_SEG_CS, VMM_SEG_SS, VMM_SEG_DS, VMM_SEG_FS, VMM_SEG_GS, VMM_N_SEGS };

enum vmm_insn_op {
    VMM_INSN_OP_NONE,

    /* Emulated. The first eight, and the four bit tests, are in the order of their encoding. */
    VMM_INSN_OP_ADD,
    VMM_INSN_OP_OR,
    VMM_INSN_OP_ADC,
    VMM_INSN_OP_SBB,
    VMM_INSN_OP_AND,
    VMM_INSN_OP_SUB,
    VMM_INSN_OP_XOR,
    VMM_INSN_OP_CMP,
    VMM_INSN_OP_BT,
    VMM_INSN_OP_BTS,
    VMM_INSN_OP_BTR,
    VMM_INSN_OP_BTC,
    VMM_INSN_OP_TEST,
    VMM_INSN_OP_NOT,
    VMM_INSN_OP_NEG,
    VMM_INSN_OP_INC,
    VMM_INSN_OP_DEC,
    VMM_INSN_OP_MOV, /* MOVNTI too, and the store of a segment register */
    VMM_INSN_OP_MOVZX,
    VMM_INSN_OP_MOVSX, /* MOVSXD too */
    VMM_INSN_OP_MOVBE,
    VMM_INSN_OP_XCHG,
    VMM_INSN_OP_XADD,
    VMM_INSN_OP_CMPXCHG,
    VMM_INSN_OP_SETCC,
    VMM_INSN_OP_CMOVCC,
    VMM_INSN_OP_IN,
    VMM_INSN_OP_OUT,
    VMM_INSN_OP_INS,
    VMM_INSN_OP_OUTS,
    VMM_INSN_OP_MOVS,
    VMM_INSN_OP_STOS,
    VMM_INSN_OP_LODS,
    VMM_INSN_OP_CMPS,
    VMM_INSN_OP_SCAS,

    /* Known by length (and operands), not emulated: what a processor can be told to intercept. */
    VMM_INSN_OP_MOV_CR, /* one operand is a VMM_INSN_CR */
    VMM_INSN_OP_MOV_DR, /* one operand is a VMM_INSN_DR */
    VMM_INSN_OP_CLTS,
    VMM_INSN_OP_LMSW,
    VMM_INSN_OP_SMSW,
    VMM_INSN_OP_INVLPG,
    VMM_INSN_OP_INVLPGA,
    VMM_INSN_OP_INVPCID,
    VMM_INSN_OP_RDMSR,
    VMM_INSN_OP_WRMSR,
    VMM_INSN_OP_RDTSC,
    VMM_INSN_OP_RDTSCP,
    VMM_INSN_OP_RDPMC,
    VMM_INSN_OP_CPUID,
    VMM_INSN_OP_HLT,
    VMM_INSN_OP_PAUSE,
    VMM_INSN_OP_MONITOR, /* MONITORX too */
    VMM_INSN_OP_MWAIT,   /* MWAITX too */
    VMM_INSN_OP_INVD,
    VMM_INSN_OP_WBINVD, /* WBNOINVD too */
    VMM_INSN_OP_XGETBV,
    VMM_INSN_OP_XSETBV,
    VMM_INSN_OP_SWAPGS,
    VMM_INSN_OP_VMCALL,
    VMM_INSN_OP_VMMCALL,
    VMM_INSN_OP_VMRUN,
    VMM_INSN_OP_VMLOAD,
    VMM_INSN_OP_VMSAVE,
    VMM_INSN_OP_STGI,
    VMM_INSN_OP_CLGI,
    VMM_INSN_OP_SKINIT,
    VMM_INSN_OP_SGDT,
    VMM_INSN_OP_SIDT,
    VMM_INSN_OP_LGDT,
    VMM_INSN_OP_LIDT,
    VMM_INSN_OP_SLDT,
    VMM_INSN_OP_STR,
    VMM_INSN_OP_LLDT,
    VMM_INSN_OP_LTR,
    VMM_INSN_OP_PUSHF,
    VMM_INSN_OP_POPF,
    VMM_INSN_OP_IRET,
    VMM_INSN_OP_RSM,
    VMM_INSN_OP_INT, /* the vector is the immediate */
    VMM_INSN_OP_INT1,
    VMM_INSN_OP_INT3,
    VMM_INSN_OP_INTO,
};

enum vmm_insn_operand_kind {
    VMM_INSN_NONE,
    VMM_INSN_GPR,       /* n: 0..15 in encoding order */
    VMM_INSN_GPR_HIGH8, /* bits 15:8 of GPR n: AH CH DH BH are n = 0 1 2 3 */
    VMM_INSN_MEM,       /* at seg : vmm_insn_offset() */
    VMM_INSN_IMM,       /* imm */
    VMM_INSN_SEG,       /* n: enum vmm_seg */
    VMM_INSN_CR,        /* n: 0 2 3 4 8 */
    VMM_INSN_DR,        /* n: 0..7 */
};

struct vmm_insn_operand {
    uint8_t kind; /* enum vmm_insn_operand_kind */
    uint8_t n;
};

enum vmm_insn_rep { VMM_INSN_REP_NONE, VMM_INSN_REPE, VMM_INSN_REPNE };

/* The commonest case by far, told once so that nobody need ask twice: a MOV between memory and a whole general register
 * of 4 or 8 bytes. */
enum vmm_insn_plain { VMM_INSN_NOT_PLAIN, VMM_INSN_PLAIN_LOAD, VMM_INSN_PLAIN_STORE };

#define VMM_INSN_REG_RIP  16   /* as base: the address of the next instruction */
#define VMM_INSN_REG_NONE 0xff /* as base or index: absent */

/* One decoded instruction. String instructions have no operands here: they use rSI in `seg`, rDI in ES, rAX and DX. */
struct vmm_insn {
    uint8_t op;            /* enum vmm_insn_op */
    uint8_t n_bytes;       /* length of the instruction, 1..15 */
    uint8_t operand_bytes; /* 1 2 4 8: of the destination, and of the source unless src_bytes differs. No meaning for
                              length-only instructions other than MOV_CR, MOV_DR, LMSW and SMSW */
    uint8_t src_bytes;     /* 1 2 4 8 */
    uint8_t address_bytes; /* 2 4 8 */
    uint8_t rep;           /* enum vmm_insn_rep; string instructions only */
    uint8_t condition;     /* SETCC, CMOVCC: the low four bits of the opcode */
    bool lock;
    uint8_t plain; /* enum vmm_insn_plain */
    struct vmm_insn_operand dst, src;
    /* The memory operand, if dst or src is one. */
    uint8_t seg;   /* enum vmm_seg, overrides applied; for string instructions the segment of rSI */
    uint8_t base;  /* 0..15, VMM_INSN_REG_RIP or VMM_INSN_REG_NONE */
    uint8_t index; /* 0..15 or VMM_INSN_REG_NONE */
    uint8_t scale; /* 1 2 4 8 */
    uint64_t disp; /* sign-extended; the whole offset where there is neither base nor index */
    uint64_t imm;  /* sign-extended from its encoding, except port numbers and interrupt vectors */
};

/* Decode the instruction that starts at bytes[0].
 *   bytes   [n_bytes] a private copy of guest memory; VMM_INSN_MAX_BYTES of it always suffice
 * Returns 0 and fills *out, or an enum vmm_insn_error and leaves *out in no particular state. Borrows bytes. */
VMM_MUST_CHECK int vmm_insn_decode(const uint8_t *bytes, size_t n_bytes, enum vmm_insn_mode mode, struct vmm_insn *out);

/* The offset of the memory operand within its segment, cut to the address size.
 *   gpr   [16] in encoding order     rip   of this instruction, not the next
 * A bit test with an index in a register reaches up to 2^60 bytes away from here; emulate takes that into account. */
uint64_t vmm_insn_offset(const struct vmm_insn *insn, const uint64_t *gpr, uint64_t rip);

/* What emulation works on. All callbacks return 0, or non-zero after they have queued a fault for the guest.
 *
 * Offsets come cut to the address size. The callback adds the segment's base, checks limit, rights and canonical form,
 * translates, splits at page ends, and reaches RAM or a trapped device. n_bytes is 1, 2, 4 or 8 (ports: 1, 2 or 4);
 * only the low n_bytes of a value count, in both directions. */
struct vmm_insn_env {
    void *ctx;
    uint64_t *gpr;                  /* [16] rax rcx rdx rbx rsp rbp rsi rdi r8 .. r15 */
    uint64_t *rip;                  /* MUST be that of the decoded instruction */
    uint64_t *rflags;               /* RF is left alone: clearing it on completion is the caller's business */
    uint16_t selectors[VMM_N_SEGS]; /* stored by MOV from a segment register; used by nothing else */
    enum vmm_insn_mode mode;        /* MUST be the mode given to decode */
    int (*read)(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t *out_value);
    int (*write)(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes, uint64_t value);
    /* Would this write fault? Asked before the read of an instruction that reads one place and writes another or the
     * same, so that a device register with side effects is not read twice when the guest handles the fault and comes
     * back. May be NULL, if no read has side effects. */
    int (*check_write)(void *ctx, enum vmm_seg seg, uint64_t offset, unsigned n_bytes);
    int (*in)(void *ctx, uint16_t port, unsigned n_bytes, uint64_t *out_value);
    int (*out)(void *ctx, uint16_t port, unsigned n_bytes, uint64_t value);
};

enum vmm_insn_result {
    VMM_INSN_DONE,     /* complete: registers, flags and RIP are updated */
    VMM_INSN_AGAIN,    /* REP: max_iterations done, registers updated, RIP unchanged: enter the guest again */
    VMM_INSN_FAULT,    /* a callback has queued an event. Iterations completed before it are kept; of the current one
                          neither registers, flags nor RIP have changed */
    VMM_INSN_NOT_OURS, /* a length-only instruction: nothing done */
};

/* Carry out one decoded instruction, or at most max_iterations of a repeated one.
 *
 * A locked read-modify-write is a read followed by a write: on a device that is all there is, but if the operand is RAM
 * shared with another CPU, the caller must keep that CPU from touching it in between.
 * With RFLAGS.TF set, pass max_iterations = 1 and treat VMM_INSN_AGAIN like VMM_INSN_DONE: #DB follows each iteration.
 * Borrows everything; keeps nothing. MUST: insn was filled by vmm_insn_decode. */
VMM_MUST_CHECK enum vmm_insn_result vmm_insn_emulate(const struct vmm_insn *insn, struct vmm_insn_env *env,
                                                     unsigned max_iterations);

#endif
