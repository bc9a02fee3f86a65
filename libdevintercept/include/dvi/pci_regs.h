/* Configuration space of a PCI function: the registers a mediator looks at, in the manual's order. Constants only.
 *
 * Source: PCI Local Bus Specification 3.0, 6.1 "Configuration Space Organization" and 6.2 "Configuration Space
 * Functions"; PCI-to-PCI Bridge Architecture Specification 1.2, 3.2 "PCI-to-PCI Bridge PCI Configuration Space". */
#ifndef DVI_PCI_REGS_H
#define DVI_PCI_REGS_H

#include <vmm/bits.h>

#define PCI_N_BUSES 256u
#define PCI_N_DEVS  32u /* per bus */
#define PCI_N_FNS   8u  /* per device */

#define PCI_VENDOR_ID      0x00u /* RO, 16 bits */
#define PCI_VENDOR_ID_NONE 0xffffu
#define PCI_DEVICE_ID      0x02u /* RO, 16 bits */

#define PCI_COMMAND     0x04u              /* RW, 16 bits */
#define PCI_COMMAND_IO  ((uint16_t)BIT(0)) /* respond to I/O space accesses */
#define PCI_COMMAND_MEM ((uint16_t)BIT(1)) /* respond to memory space accesses */
#define PCI_COMMAND_BM  ((uint16_t)BIT(2)) /* act as a bus master */

#define PCI_STATUS      0x06u              /* RO or RW1C, 16 bits */
#define PCI_STATUS_CAPS ((uint16_t)BIT(4)) /* RO: there is a list of capabilities */

#define PCI_REVISION_ID 0x08u /* RO, 8 bits */
#define PCI_CLASS_CODE  0x09u /* RO, 24 bits: programming interface, subclass, base class */

#define PCI_HEADER_TYPE               0x0eu /* RO, 8 bits */
#define PCI_HEADER_TYPE_MULTIFUNCTION ((uint8_t)BIT(7))
#define PCI_HEADER_TYPE_LAYOUT        ((uint8_t)BITS(6, 0))
#define PCI_HEADER_TYPE_DEVICE        0x00u
#define PCI_HEADER_TYPE_BRIDGE        0x01u

/* Base address registers: RW as far as the size allows. A 64-bit one takes two registers, low half first. */
#define PCI_BAR(n)         (0x10u + 4u * (n))
#define PCI_BAR_IO         ((uint32_t)BIT(0)) /* RO: maps I/O space */
#define PCI_BAR_IO_ADDR    ((uint32_t)BITS(31, 2))
#define PCI_BAR_MEM_TYPE   ((uint32_t)BITS(2, 1)) /* RO, as are the next two */
#define PCI_BAR_MEM_TYPE64 0x2u
#define PCI_BAR_MEM_ADDR   ((uint32_t)BITS(31, 4))
#define PCI_N_BARS         6u /* of a device; a bridge has 2 */
#define PCI_N_BARS_BRIDGE  2u

/* Of a bridge: the buses behind it, 8 bits each. PCI-to-PCI Bridge 1.2, 3.2.5.2 to 3.2.5.4. */
#define PCI_BUS_PRIMARY     0x18u
#define PCI_BUS_SECONDARY   0x19u
#define PCI_BUS_SUBORDINATE 0x1au
#define PCI_BUS_BYTES       3u

/* 6.7 "Capabilities List": dwords, the first with identifier and pointer to the next, 0 at the end. */
#define PCI_CAP_PTR      0x34u /* RO, 8 bits */
#define PCI_CAP_PTR_ADDR ((uint8_t)BITS(7, 2))
#define PCI_CAP_ID       0u
#define PCI_CAP_NEXT     1u
#define PCI_N_CAPS       48u /* as many as there is room for */

/* Class codes, as PCI_CLASS_CODE reads in 24 bits. Source: PCI Code and ID Assignment Specification 1.11, 1.2 "Base
 * Class 01h". */
#define PCI_CLASS_ALL       0xffffffu
#define PCI_CLASS_IDE       0x010100u /* the lowest byte says how it is operated: */
#define PCI_CLASS_IDE_MASK  0xffff00u
#define PCI_CLASS_SATA_AHCI 0x010601u
#define PCI_CLASS_NVME      0x010802u

#endif
