/* Local APIC registers libvmm names. Source: APM Volume 2 (24593), rev. 3.41, table 16-2 "APIC Registers"; 16.5
 * "Interprocessor Interrupts (IPI)", figure 16-18 "Interrupt Command Register (APIC Offset 300h-310h)". */
#ifndef VMM_APIC_REGS_H
#define VMM_APIC_REGS_H

#include <vmm/bits.h>

#define APIC_ID            0x020u
#define APIC_ID_ID         BITS(31, 24)
#define APIC_LDR           0x0d0u
#define APIC_LDR_ID        BITS(31, 24)
#define APIC_DFR           0x0e0u
#define APIC_DFR_MODEL     BITS(31, 28) /* all ones: flat; 0: clusters */
#define APIC_IRR           0x200u       /* eight of them, a bit per vector */
#define APIC_ICR_LOW       0x300u       /* writing it sends */
#define APIC_ICR_VECTOR    BITS(7, 0)
#define APIC_ICR_MODE      BITS(10, 8) /* also of local vectors */
#define APIC_MODE_NMI      4u
#define APIC_MODE_INIT     5u
#define APIC_MODE_SIPI     6u
#define APIC_MODE_EXTINT   7u
#define APIC_ICR_LOGICAL   BIT(11)
#define APIC_ICR_PENDING   BIT(12) /* RO */
#define APIC_ICR_LEVEL     BIT(14)
#define APIC_ICR_TRIGGER   BIT(15)
#define APIC_ICR_SHORTHAND BITS(19, 18)
#define APIC_ICR_HIGH      0x310u
#define APIC_ICR_DEST      BITS(31, 24)
#define APIC_LINT0         0x350u
#define APIC_LVT_MASK      BIT(16)

#endif
