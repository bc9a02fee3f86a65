/* Model-specific registers by which the guest's kernel, and root through it, can ask what runs below. Read-only; they
 * are a contract between a running hypervisor and a command that may be older or newer. Numbers that no processor has
 * or will have; the 32 of them that no other hypervisor's interface uses. Source: Intel SDM Volume 4, 2.1
 * "Architectural MSRs", table 2-2, 40000000H-400000FFH "Reserved MSR Address Space"; Microsoft Hypervisor Top Level
 * Functional Specification, "Synthetic MSRs". */
#ifndef SEKISHO_STATUS_REGS_H
#define SEKISHO_STATUS_REGS_H

#include <stdint.h>

#define STATUS_MSR_FIRST 0x40000050u
#define STATUS_MSRS      32u
#define STATUS_KINDS_MAX 24u

/* Counted from STATUS_MSR_FIRST. */
#define STATUS_SIGNATURE                                                                                               \
    0u /* STATUS_IS_SEKISHO; its last byte counts layouts of these registers, and of enum vmm_exit_kind */
#define STATUS_VERSION    1u /* up to 8 characters, the first in bits 7:0; the rest 0 */
#define STATUS_UPTIME_US  2u /* since the guest was put above */
#define STATUS_PROCESSORS 3u /* that run above it now */
#define STATUS_DISKS      4u /* that were there at the start and have a section in sekisho.conf */
#define STATUS_KINDS      5u /* of exits; as many counters follow */
#define STATUS_EXITS      8u /* exits since the start by enum vmm_exit_kind, of all processors */

#define STATUS_IS_SEKISHO UINT64_C(0x014f4853494b4553) /* "SEKISHO", 1 */

#endif
