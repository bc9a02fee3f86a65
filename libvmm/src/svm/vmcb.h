/* The virtual machine control block, byte for byte. Plain data.
 * Source: APM Volume 2 (24593), rev. 3.41, Appendix B "VMCB Layout", tables B-1 "VMCB Layout, Control Area" and B-2
 * "VMCB Layout, State Save Area". */
#ifndef VMM_SVM_VMCB_H
#define VMM_SVM_VMCB_H

#include <stddef.h>
#include <stdint.h>
#include <vmm/bits.h>

/* 000h..013h: intercept vectors, 32 bits each */
#define SVM_I2_DB        BIT(1) /* 008h, by vector */
#define SVM_I3_NMI       BIT(1) /* 00Ch */
#define SVM_I3_INIT      BIT(3)
#define SVM_I3_IRET      BIT(20)
#define SVM_I3_INVD      BIT(22)
#define SVM_I3_INVLPGA   BIT(26)
#define SVM_I3_IOIO_PROT BIT(27)
#define SVM_I3_MSR_PROT  BIT(28)
#define SVM_I3_SHUTDOWN  BIT(31)
#define SVM_I3_CPUID     BIT(18)
#define SVM_I4_VMRUN     BIT(0) /* 010h */
#define SVM_I4_VMMCALL   BIT(1)
#define SVM_I4_VMLOAD    BIT(2)
#define SVM_I4_VMSAVE    BIT(3)
#define SVM_I4_STGI      BIT(4)
#define SVM_I4_CLGI      BIT(5)
#define SVM_I4_SKINIT    BIT(6)

/* 05Ch TLB_CONTROL */
#define SVM_TLB_KEEP      0u
#define SVM_TLB_FLUSH_ALL 1u

/* 068h interrupt shadow */
#define SVM_INTERRUPT_SHADOW BIT(0)

/* 088h EXITINTINFO and 0A8h EVENTINJ share a format: section 15.20 "Event Injection", figure 15-4 */
#define SVM_EVENT_VECTOR     BITS(7, 0)
#define SVM_EVENT_TYPE       BITS(10, 8)
#define SVM_EVENT_TYPE_INTR  0u
#define SVM_EVENT_TYPE_NMI   2u
#define SVM_EVENT_TYPE_EXC   3u
#define SVM_EVENT_TYPE_SOFT  4u
#define SVM_EVENT_ERROR_V    BIT(11)
#define SVM_EVENT_V          BIT(31)
#define SVM_EVENT_ERROR_CODE BITS(63, 32)

/* 090h nested control */
#define SVM_NP_ENABLE BIT(0)

struct svm_segment {
    uint16_t selector;
    uint16_t attrib; /* descriptor bits 55:52 and 47:40, concatenated */
    uint32_t limit;
    uint64_t base;
};

struct svm_control {
    uint32_t intercept[5]; /* 000 CR, DR, exceptions, vectors 3 and 4 */
    uint32_t intercept5;   /* 014 */
    uint8_t rsvd_0x18[0x3c - 0x18];
    uint16_t pause_threshold; /* 03C */
    uint16_t pause_count;     /* 03E */
    uint64_t iopm_base_pa;    /* 040 */
    uint64_t msrpm_base_pa;   /* 048 */
    uint64_t tsc_offset;      /* 050 */
    uint32_t asid;            /* 058 */
    uint8_t tlb_control;      /* 05C */
    uint8_t rsvd_0x5d[3];
    uint64_t v_intr;           /* 060 */
    uint64_t interrupt_shadow; /* 068 */
    uint64_t exit_code;        /* 070 */
    uint64_t exit_info1;       /* 078 */
    uint64_t exit_info2;       /* 080 */
    uint64_t exit_int_info;    /* 088 */
    uint64_t nested_ctl;       /* 090 */
    uint8_t rsvd_0x98[0xa8 - 0x98];
    uint64_t event_inj;  /* 0A8 */
    uint64_t n_cr3;      /* 0B0 */
    uint64_t lbr_ctl;    /* 0B8 */
    uint32_t clean_bits; /* 0C0 */
    uint32_t rsvd_0xc4;
    uint64_t next_rip;      /* 0C8 */
    uint8_t n_insn_bytes;   /* 0D0 */
    uint8_t insn_bytes[15]; /* 0D1 */
    uint8_t rsvd_0xe0[0x400 - 0xe0];
};

struct svm_save {
    struct svm_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr; /* 000 .. 09F */
    uint8_t rsvd_0xa0[0xcb - 0xa0];
    uint8_t cpl; /* 0CB */
    uint32_t rsvd_0xcc;
    uint64_t efer; /* 0D0 */
    uint8_t rsvd_0xd8[0x148 - 0xd8];
    uint64_t cr4, cr3, cr0; /* 148 150 158 */
    uint64_t dr7, dr6;      /* 160 168 */
    uint64_t rflags, rip;   /* 170 178 */
    uint8_t rsvd_0x180[0x1d8 - 0x180];
    uint64_t rsp;                                        /* 1D8 */
    uint64_t s_cet, ssp, isst;                           /* 1E0 1E8 1F0 */
    uint64_t rax;                                        /* 1F8 */
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base; /* 200 .. 220 */
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;    /* 228 .. 238 */
    uint64_t cr2;                                        /* 240 */
    uint8_t rsvd_0x248[0x268 - 0x248];
    uint64_t g_pat;  /* 268 */
    uint64_t dbgctl; /* 270 */
    uint8_t rsvd_0x278[0xc00 - 0x278];
};

struct svm_vmcb {
    struct svm_control c;
    struct svm_save s;
};

#define SVM_AT(type, member, off) _Static_assert(offsetof(struct type, member) == (off), #type "." #member)
SVM_AT(svm_control, iopm_base_pa, 0x40);
SVM_AT(svm_control, asid, 0x58);
SVM_AT(svm_control, exit_code, 0x70);
SVM_AT(svm_control, exit_int_info, 0x88);
SVM_AT(svm_control, event_inj, 0xa8);
SVM_AT(svm_control, n_cr3, 0xb0);
SVM_AT(svm_control, clean_bits, 0xc0);
SVM_AT(svm_control, next_rip, 0xc8);
SVM_AT(svm_control, insn_bytes, 0xd1);
SVM_AT(svm_save, tr, 0x90);
SVM_AT(svm_save, cpl, 0xcb);
SVM_AT(svm_save, efer, 0xd0);
SVM_AT(svm_save, cr4, 0x148);
SVM_AT(svm_save, rip, 0x178);
SVM_AT(svm_save, rsp, 0x1d8);
SVM_AT(svm_save, rax, 0x1f8);
SVM_AT(svm_save, cr2, 0x240);
SVM_AT(svm_save, g_pat, 0x268);
_Static_assert(sizeof(struct svm_vmcb) == 0x1000, "a VMCB is one page");

/* Exit codes: Appendix C "SVM Intercept Exit Codes" */
#define SVM_EXIT_EXCEPTION0 0x040u /* .. 0x05f, one a vector */
#define SVM_EXIT_DB         0x041u
#define SVM_EXIT_INTR       0x060u
#define SVM_EXIT_NMI        0x061u
#define SVM_EXIT_SMI        0x062u
#define SVM_EXIT_INIT       0x063u
#define SVM_EXIT_CPUID      0x072u
#define SVM_EXIT_IRET       0x074u
#define SVM_EXIT_INVD       0x076u
#define SVM_EXIT_INVLPGA    0x07au
#define SVM_EXIT_IOIO       0x07bu
#define SVM_EXIT_MSR        0x07cu
#define SVM_EXIT_SHUTDOWN   0x07fu
#define SVM_EXIT_VMRUN      0x080u
#define SVM_EXIT_VMMCALL    0x081u
#define SVM_EXIT_VMLOAD     0x082u
#define SVM_EXIT_VMSAVE     0x083u
#define SVM_EXIT_STGI       0x084u
#define SVM_EXIT_CLGI       0x085u
#define SVM_EXIT_SKINIT     0x086u
#define SVM_EXIT_NPF        0x400u
#define SVM_EXIT_INVALID    UINT64_MAX
#define SVM_EXIT_INVALID_32 UINT32_MAX /* the same from QEMU 7.2, whose negative codes are 32 bits wide */

/* EXITINFO1 of an IOIO exit: section 15.10.2 "IN and OUT Behavior", figure 15-2 */
#define SVM_IOIO_IN   BIT(0)
#define SVM_IOIO_STR  BIT(2)
#define SVM_IOIO_REP  BIT(3)
#define SVM_IOIO_SZ8  BIT(4)
#define SVM_IOIO_SZ16 BIT(5)
#define SVM_IOIO_SZ32 BIT(6)
#define SVM_IOIO_PORT BITS(31, 16)

/* EXITINFO1 of a nested page fault: section 15.25.6 "Nested versus Guest Page Faults, Fault Ordering" */
#define SVM_NPF_P     BIT(0)
#define SVM_NPF_RW    BIT(1)
#define SVM_NPF_ID    BIT(4)
#define SVM_NPF_FINAL BIT(32) /* on the final guest-physical address */
#define SVM_NPF_WALK  BIT(33) /* on a guest page table */

#endif
