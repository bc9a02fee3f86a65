/* Model-specific registers libvmm names, in the order of their numbers.
 * Source: APM Volume 2 (24593), rev. 3.41, Appendix A "MSR Cross-Reference"; Intel SDM Volume 4 for the shared ones. */
#ifndef VMM_MSR_REGS_H
#define VMM_MSR_REGS_H

#include <vmm/bits.h>

#define MSR_APIC_BASE      0x0000001bu
#define APIC_BASE_BSC      BIT(8)
#define APIC_BASE_EXTD     BIT(10)
#define APIC_BASE_EN       BIT(11)
#define APIC_BASE_ADDR     BITS(51, 12)
#define MSR_SYSENTER_CS    0x00000174u
#define MSR_SYSENTER_ESP   0x00000175u
#define MSR_SYSENTER_EIP   0x00000176u
#define MSR_PAT            0x00000277u
#define PAT_RESET          UINT64_C(0x0007040600070406) /* APM 7.8.2 "PAT Indexing": value after reset */
#define MSR_X2APIC         0x00000800u                  /* ... and the number of the register */
#define MSR_X2APIC_LDR     0x0000080du
#define MSR_X2APIC_ICR     0x00000830u
#define MSR_EFER           0xc0000080u
#define EFER_SCE           BIT(0)
#define EFER_LME           BIT(8)
#define EFER_LMA           BIT(10)
#define EFER_NXE           BIT(11)
#define EFER_SVME          BIT(12)
#define EFER_LMSLE         BIT(13)
#define EFER_FFXSR         BIT(14)
#define EFER_TCE           BIT(15)
#define EFER_MCOMMIT       BIT(17)
#define EFER_INTWB         BIT(18)
#define EFER_UAIE          BIT(20)
#define EFER_AIBRSE        BIT(21)
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_SYSCFG         0xc0010010u
#define MSR_IORR_BASE0     0xc0010016u
#define MSR_IORR_MASK1     0xc0010019u
#define MSR_TOP_MEM        0xc001001au
#define MSR_TOP_MEM2       0xc001001du
#define MSR_PATCH_LOADER   0xc0010020u
#define MSR_MMIO_CFG_BASE  0xc0010058u
#define MSR_SMBASE         0xc0010111u
#define MSR_SMM_ADDR       0xc0010112u
#define MSR_SMM_MASK       0xc0010113u
#define MSR_VM_CR          0xc0010114u
#define VM_CR_R_INIT       BIT(1)
#define VM_CR_LOCK         BIT(3)
#define VM_CR_SVMDIS       BIT(4)
#define MSR_IGNNE          0xc0010115u
#define MSR_SMM_CTL        0xc0010116u
#define MSR_VM_HSAVE_PA    0xc0010117u
#define MSR_SVM_KEY        0xc0010118u

#endif
