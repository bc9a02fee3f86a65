/* CPUID words about SVM. Source: APM Volume 3 (24594), Appendix E.4.9 "Function 8000_000Ah - SVM Features". */
#ifndef VMM_SVM_REGS_H
#define VMM_SVM_REGS_H

#include <vmm/bits.h>

#define CPUID_1_ECX_HYPERVISOR BIT(31)

#define CPUID_EXT_MAX      0x80000000u
#define CPUID_EXT_FEATURES 0x80000001u
#define EXT_ECX_SVM        BIT(2)
#define EXT_EDX_SYSCALL    BIT(11)
#define EXT_EDX_NX         BIT(20)
#define EXT_EDX_FFXSR      BIT(25)
#define EXT_EDX_PAGE1GB    BIT(26)
#define EXT_EDX_LM         BIT(29)
#define CPUID_EXT_SIZES    0x80000008u
#define SIZES_EAX_PHYS     BITS(7, 0)
#define CPUID_SVM          0x8000000au
#define SVM_EDX_NP         BIT(0)
#define SVM_EDX_NRIPS      BIT(3)
#define SVM_EDX_DECODE     BIT(7)

#endif
