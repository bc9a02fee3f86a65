/* CPUID words, model-specific registers and page-table bits of VT-x. Source: Intel SDM Volume 3D, Appendix A "VMX
 * Capability Reporting Facility"; Volume 4, table 2-2 "IA-32 Architectural MSRs"; Volume 3A, 11.11 "Memory Type Range
 * Registers (MTRRs)"; Volume 3C, 28.3.2 "EPT Translation Mechanism". */
#ifndef VMM_VMX_REGS_H
#define VMM_VMX_REGS_H

#include <vmm/bits.h>

#define CPUID_1_ECX_VMX   BIT(5)
#define CPUID_1_ECX_SMX   BIT(6)
#define CPUID_1_ECX_XSAVE BIT(26)

#define CR0_PE    BIT(0)
#define CR0_NE    BIT(5)
#define CR0_WP    BIT(16)
#define CR0_NW    BIT(29)
#define CR0_CD    BIT(30)
#define CR0_PG    BIT(31)
#define CR4_PAE   BIT(5)
#define CR4_LA57  BIT(12)
#define CR4_VMXE  BIT(13)
#define CR4_SMXE  BIT(14)
#define CR4_PCIDE BIT(17)
#define CR4_CET   BIT(23)

#define MSR_FEATURE_CONTROL  0x03au
#define FEATURE_LOCK         BIT(0)
#define FEATURE_VMX_IN_SMX   BIT(1)
#define FEATURE_VMX          BIT(2)
#define FEATURE_SENTER       BITS(15, 8)
#define MSR_BIOS_UPDT_TRIG   0x079u
#define MSR_SMM_MONITOR_CTL  0x09bu
#define MSR_MTRRCAP          0x0feu
#define MTRRCAP_VCNT         BITS(7, 0)
#define MSR_DEBUGCTL         0x1d9u
#define MSR_MTRR_PHYSBASE(n) (0x200u + 2 * (uint32_t)(n))
#define PHYSBASE_TYPE        BITS(7, 0)
#define MSR_MTRR_PHYSMASK(n) (0x201u + 2 * (uint32_t)(n))
#define PHYSMASK_V           BIT(11)
#define MSR_MTRR_FIX64K      0x250u /* 00000 */
#define MSR_MTRR_FIX16K      0x258u /* 80000, A0000 */
#define MSR_MTRR_FIX4K       0x268u /* C0000 .. F8000 */
#define MSR_MTRR_DEF_TYPE    0x2ffu
#define DEF_TYPE_TYPE        BITS(7, 0)
#define DEF_TYPE_FE          BIT(10)
#define DEF_TYPE_E           BIT(11)
#define MEM_UC               0u /* table 11-8 "Memory Types That Can Be Encoded in MTRRs" */
#define MEM_WC               1u
#define MEM_WT               4u
#define MEM_WP               5u
#define MEM_WB               6u

#define MSR_VMX_BASIC       0x480u
#define VMX_BASIC_REVISION  BITS(30, 0)
#define VMX_BASIC_BYTES     BITS(44, 32)
#define VMX_BASIC_MEM_TYPE  BITS(53, 50)
#define VMX_BASIC_TRUE      BIT(55)
#define MSR_VMX_CR0_FIXED0  0x486u
#define MSR_VMX_CR0_FIXED1  0x487u
#define MSR_VMX_CR4_FIXED0  0x488u
#define MSR_VMX_CR4_FIXED1  0x489u
#define MSR_VMX_PROC2       0x48bu
#define MSR_VMX_EPT_VPID    0x48cu
#define EPT_VPID_WALK_4     BIT(6)
#define EPT_VPID_WB         BIT(14)
#define EPT_VPID_2M         BIT(16)
#define EPT_VPID_1G         BIT(17)
#define EPT_VPID_INVEPT     BIT(20)
#define EPT_VPID_INVEPT_ALL BIT(26)
#define EPT_VPID_INVVPID    BIT(32)
#define EPT_VPID_INVVPID_1  BIT(41) /* single-context */
#define MSR_VMX_TRUE_PIN    0x48du
#define MSR_VMX_TRUE_PROC   0x48eu
#define MSR_VMX_TRUE_EXIT   0x48fu
#define MSR_VMX_TRUE_ENTRY  0x490u
#define MSR_VMX_LAST        0x493u
#define MSR_RTIT_FIRST      0x560u /* processor trace */
#define MSR_RTIT_LAST       0x587u

#define INVEPT_ALL     2u /* Volume 3C, chapter 30, "INVEPT": type */
#define INVVPID_SINGLE 1u /* "INVVPID" */

#define EPT_R        BIT(0)
#define EPT_W        BIT(1)
#define EPT_X        BIT(2)
#define EPT_MEM_TYPE BITS(5, 3)

#endif
