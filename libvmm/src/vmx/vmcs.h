/* The virtual-machine control structure: field encodings, and the bits of the fields libvmm uses. Plain data.
 * Source: Intel SDM Volume 3C (326019), rev. 077: Appendix B "Field Encoding in VMCS"; bits by chapter 24 "Virtual
 * Machine Control Structures". */
#ifndef VMM_VMX_VMCS_H
#define VMM_VMX_VMCS_H

#include <vmm/bits.h>

/* B.1.1 "16-Bit Control Fields" */
#define VMCS_VPID 0x0000u
/* B.1.2 "16-Bit Guest-State Fields": by enum vmm_segment_name, ES to TR, two apart */
#define VMCS_GUEST_SELECTOR(seg) (0x0800u + 2 * (uint32_t)(seg))
/* B.1.3 "16-Bit Host-State Fields" */
#define VMCS_HOST_ES 0x0c00u
#define VMCS_HOST_CS 0x0c02u
#define VMCS_HOST_SS 0x0c04u
#define VMCS_HOST_DS 0x0c06u
#define VMCS_HOST_FS 0x0c08u
#define VMCS_HOST_GS 0x0c0au
#define VMCS_HOST_TR 0x0c0cu

/* B.2.1 "64-Bit Control Fields" */
#define VMCS_IO_BITMAP_A 0x2000u
#define VMCS_IO_BITMAP_B 0x2002u
#define VMCS_MSR_BITMAP  0x2004u
#define VMCS_EPTP        0x201au
#define EPTP_WB          6u /* 24.6.11 "Extended-Page-Table Pointer (EPTP)" */
#define EPTP_LEVELS_4    (UINT64_C(3) << 3)
#define VMCS_XSS_BITMAP  0x202cu
/* B.2.2 "64-Bit Read-Only Data Field" */
#define VMCS_GUEST_PHYSICAL 0x2400u
/* B.2.3 "64-Bit Guest-State Fields" */
#define VMCS_LINK_POINTER   0x2800u
#define VMCS_GUEST_DEBUGCTL 0x2802u
#define VMCS_GUEST_PAT      0x2804u
#define VMCS_GUEST_EFER     0x2806u
#define VMCS_GUEST_PDPTE(n) (0x280au + 2 * (uint32_t)(n))
/* B.2.4 "64-Bit Host-State Fields" */
#define VMCS_HOST_PAT  0x2c00u
#define VMCS_HOST_EFER 0x2c02u

/* B.3.1 "32-Bit Control Fields" */
#define VMCS_PIN                0x4000u /* 24.6.1 "Pin-Based VM-Execution Controls" */
#define PIN_NMI_EXITING         BIT(3)
#define PIN_VIRTUAL_NMIS        BIT(5)
#define VMCS_PROC               0x4002u /* 24.6.2 "Processor-Based VM-Execution Controls", table 24-6 */
#define PROC_CR3_LOAD_EXITING   BIT(15)
#define PROC_CR3_STORE_EXITING  BIT(16)
#define PROC_NMI_WINDOW_EXITING BIT(22)
#define PROC_IO_BITMAPS         BIT(25)
#define PROC_MSR_BITMAPS        BIT(28)
#define PROC_SECONDARY          BIT(31)
#define VMCS_EXCEPTION_BITMAP   0x4004u
#define VMCS_CR3_TARGET_COUNT   0x400au
#define VMCS_EXIT_CONTROLS      0x400cu /* 24.7.1 "VM-Exit Controls" */
#define EXIT_SAVE_DEBUG         BIT(2)
#define EXIT_HOST_64            BIT(9)
#define EXIT_SAVE_PAT           BIT(18)
#define EXIT_LOAD_PAT           BIT(19)
#define EXIT_SAVE_EFER          BIT(20)
#define EXIT_LOAD_EFER          BIT(21)
#define EXIT_LOAD_CET           BIT(28)
#define VMCS_ENTRY_CONTROLS     0x4012u /* 24.8.1 "VM-Entry Controls" */
#define ENTRY_LOAD_DEBUG        BIT(2)
#define ENTRY_IA32E             BIT(9)
#define ENTRY_LOAD_PAT          BIT(14)
#define ENTRY_LOAD_EFER         BIT(15)
#define ENTRY_LOAD_CET          BIT(20)
#define VMCS_ENTRY_EVENT        0x4016u /* 24.8.3 "VM-Entry Controls for Event Injection" */
#define EVENT_VECTOR            BITS(7, 0)
#define EVENT_TYPE              BITS(10, 8)
#define EVENT_TYPE_INTR         0u
#define EVENT_TYPE_NMI          2u
#define EVENT_TYPE_EXC          3u
#define EVENT_TYPE_SOFT_INT     4u
#define EVENT_TYPE_PRIV_EXC     5u
#define EVENT_TYPE_SOFT_EXC     6u
#define EVENT_ERROR_V           BIT(11)
#define EVENT_V                 BIT(31)
#define VMCS_ENTRY_EVENT_ERROR  0x4018u
#define VMCS_PROC2              0x401eu /* 24.6.2, table 24-7 "Definitions of Secondary ... Controls" */
#define PROC2_EPT               BIT(1)
#define PROC2_RDTSCP            BIT(3)
#define PROC2_VPID              BIT(5)
#define PROC2_UNRESTRICTED      BIT(7)
#define PROC2_INVPCID           BIT(12)
#define PROC2_XSAVES            BIT(20)
#define PROC2_WAITPKG           BIT(26)
#define PROC2_PCONFIG           BIT(27)
/* B.3.2 "32-Bit Read-Only Data Fields" */
#define VMCS_INSN_ERROR   0x4400u
#define VMCS_EXIT_REASON  0x4402u /* 24.9.1 "Basic VM-Exit Information" */
#define REASON_BASIC      BITS(15, 0)
#define REASON_ENTRY_FAIL BIT(31)
#define VMCS_EXIT_EVENT   0x4404u
#define VMCS_IDT_EVENT    0x4408u
#define VMCS_IDT_ERROR    0x440au
#define VMCS_INSN_BYTES   0x440cu
/* B.3.3 "32-Bit Guest-State Fields": by enum vmm_segment_name; limits ES to IDTR, access rights ES to TR */
#define VMCS_GUEST_LIMIT(seg)       (0x4800u + 2 * (uint32_t)(seg))
#define VMCS_GUEST_RIGHTS(seg)      (0x4814u + 2 * (uint32_t)(seg))
#define RIGHTS_UNUSABLE             BIT(16) /* 24.4.1 "Guest Register State", table 24-2 */
#define VMCS_GUEST_INTERRUPTIBILITY 0x4824u /* 24.4.2 "Guest Non-Register State", table 24-3 */
#define BLOCKING_STI                BIT(0)
#define BLOCKING_MOV_SS             BIT(1)
#define BLOCKING_SMI                BIT(2)
#define BLOCKING_NMI                BIT(3)
#define VMCS_GUEST_ACTIVITY         0x4826u
#define ACTIVITY_ACTIVE             0u
#define ACTIVITY_HLT                1u
#define ACTIVITY_SHUTDOWN           2u
#define ACTIVITY_WAIT_SIPI          3u
#define VMCS_GUEST_SYSENTER_CS      0x482au
/* B.3.4 "32-Bit Host-State Field" */
#define VMCS_HOST_SYSENTER_CS 0x4c00u

/* B.4.1 "Natural-Width Control Fields" */
#define VMCS_CR0_MASK   0x6000u
#define VMCS_CR4_MASK   0x6002u
#define VMCS_CR0_SHADOW 0x6004u
#define VMCS_CR4_SHADOW 0x6006u
/* B.4.2 "Natural-Width Read-Only Data Fields" */
#define VMCS_QUALIFICATION 0x6400u
/* B.4.3 "Natural-Width Guest-State Fields": bases by enum vmm_segment_name, ES to IDTR */
#define VMCS_GUEST_CR0           0x6800u
#define VMCS_GUEST_CR3           0x6802u
#define VMCS_GUEST_CR4           0x6804u
#define VMCS_GUEST_BASE(seg)     (0x6806u + 2 * (uint32_t)(seg))
#define VMCS_GUEST_DR7           0x681au
#define VMCS_GUEST_RSP           0x681cu
#define VMCS_GUEST_RIP           0x681eu
#define VMCS_GUEST_RFLAGS        0x6820u
#define VMCS_GUEST_PENDING_DEBUG 0x6822u
#define PENDING_DEBUG_BS         BIT(14)
#define VMCS_GUEST_SYSENTER_ESP  0x6824u
#define VMCS_GUEST_SYSENTER_EIP  0x6826u
#define VMCS_GUEST_S_CET         0x6828u
#define VMCS_GUEST_SSP           0x682au
#define VMCS_GUEST_ISST          0x682cu
/* B.4.4 "Natural-Width Host-State Fields" */
#define VMCS_HOST_CR0          0x6c00u
#define VMCS_HOST_CR3          0x6c02u
#define VMCS_HOST_CR4          0x6c04u
#define VMCS_HOST_FS_BASE      0x6c06u
#define VMCS_HOST_GS_BASE      0x6c08u
#define VMCS_HOST_TR_BASE      0x6c0au
#define VMCS_HOST_GDTR_BASE    0x6c0cu
#define VMCS_HOST_IDTR_BASE    0x6c0eu
#define VMCS_HOST_SYSENTER_ESP 0x6c10u
#define VMCS_HOST_SYSENTER_EIP 0x6c12u
#define VMCS_HOST_RSP          0x6c14u
#define VMCS_HOST_RIP          0x6c16u
#define VMCS_HOST_S_CET        0x6c18u
#define VMCS_HOST_SSP          0x6c1au
#define VMCS_HOST_ISST         0x6c1cu

/* Basic exit reasons: Appendix C "VMX Basic Exit Reasons" */
#define VMX_EXIT_EXCEPTION_NMI 0u
#define VMX_EXIT_INTERRUPT     1u
#define VMX_EXIT_TRIPLE_FAULT  2u
#define VMX_EXIT_INIT          3u
#define VMX_EXIT_NMI_WINDOW    8u
#define VMX_EXIT_TASK_SWITCH   9u
#define VMX_EXIT_CPUID         10u
#define VMX_EXIT_GETSEC        11u
#define VMX_EXIT_INVD          13u
#define VMX_EXIT_VMCALL        18u
#define VMX_EXIT_VMCLEAR       19u /* .. VMXON: the VMX instructions, without a gap */
#define VMX_EXIT_VMXON         27u
#define VMX_EXIT_CR_ACCESS     28u
#define VMX_EXIT_IO            30u
#define VMX_EXIT_RDMSR         31u
#define VMX_EXIT_WRMSR         32u
#define VMX_EXIT_GUEST_STATE   33u
#define VMX_EXIT_MSR_LOADING   34u
#define VMX_EXIT_MACHINE_CHECK 41u
#define VMX_EXIT_EPT_VIOLATION 48u
#define VMX_EXIT_EPT_MISCONFIG 49u
#define VMX_EXIT_INVEPT        50u
#define VMX_EXIT_INVVPID       53u
#define VMX_EXIT_XSETBV        55u

/* Exit qualifications: 27.2.1 "Basic VM-Exit Information", by table */
#define QUAL_TASK_TSS     BITS(15, 0) /* table 27-2 "Exit Qualification for Task Switches" */
#define QUAL_TASK_SOURCE  BITS(31, 30)
#define QUAL_CR_NUMBER    BITS(3, 0) /* table 27-3 "Exit Qualification for Control-Register Accesses" */
#define QUAL_CR_TYPE      BITS(5, 4)
#define QUAL_CR_MOV_TO    0u
#define QUAL_CR_GPR       BITS(11, 8)
#define QUAL_IO_SIZE      BITS(2, 0) /* table 27-5 "Exit Qualification for I/O Instructions": bytes - 1 */
#define QUAL_IO_IN        BIT(3)
#define QUAL_IO_STRING    BIT(4)
#define QUAL_IO_PORT      BITS(31, 16)
#define QUAL_EPT_WRITE    BIT(1) /* table 27-7 "Exit Qualification for EPT Violations" */
#define QUAL_EPT_FETCH    BIT(2)
#define QUAL_EPT_LINEAR   BIT(7) /* a linear address was being translated */
#define QUAL_EPT_FINAL    BIT(8) /* its own access, not one to a table */
#define QUAL_EPT_NMI_IRET BIT(12)

#endif
