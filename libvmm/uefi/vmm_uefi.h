/* Launching libvmm from a UEFI application: reserving memory and describing the machine's RAM.
 * Context: boot services alive, TPL_APPLICATION. Source: UEFI Specification 2.10, 7.2 "Memory Allocation Services". */
#ifndef VMM_UEFI_H
#define VMM_UEFI_H

#include <efi.h>
#include <vmm/vmm.h>

/* Storage for the lists a struct vmm_launch points to; the caller's, must outlive vmm_launch(). */
struct vmm_uefi {
    EFI_SYSTEM_TABLE *st;
    struct vmm_range ram[VMM_MAX_RAM];
    UINT64 fs_base, start_tsc;
    BOOLEAN launched;
    UINT64 canary[8];                        /* where %fs points meanwhile */
    volatile UINT32 n_waiting, n_joined, go; /* [A] other processors; go: 1 join, 2 do not */
};

/* First thing in efi_main: point %fs at a block of our own, for the stack protector; and last, put it back. Functions
 * around these calls, efi_main itself, MUST be __attribute__((no_stack_protector)). */
void vmm_uefi_begin(struct vmm_uefi *u, EFI_SYSTEM_TABLE *st);
void vmm_uefi_end(struct vmm_uefi *u);

/* Reserve region_bytes (a multiple of VMM_REGION_ALIGN) and a page below 1 MiB as EfiReservedMemoryType, measure the
 * time-stamp counter, and fill *out except max_cpus, n_possible, serial_port, setup and arg. 0, or negative with
 * *out_why one sentence and nothing reserved. */
int vmm_uefi_prepare(struct vmm_uefi *u, uint64_t region_bytes, struct vmm_launch *out,
                     const char **out_why) VMM_MUST_CHECK;

/* vmm_launch() on every processor: those the firmware runs are brought to a loop of ours first, and follow the first
 * one. 0: all of them run as the guest. Negative: as vmm_launch(); VMM_E_CPUS: the calling processor runs as the guest,
 * but not every other does, and the guest's own code MUST NOT be started. *out_why is one sentence in either case.
 * max_cpus of 0 in launch becomes the number of processors the firmware knows; so does an n_possible that is less.
 * Source: UEFI Platform Initialization Specification 1.7, volume 2, 13.4 "MP Services Protocol". */
int vmm_uefi_launch(struct vmm_uefi *u, struct vmm_launch *launch, const char **out_why) VMM_MUST_CHECK;

/* Give everything back after vmm_uefi_launch() failed; does nothing if the calling processor runs as the guest. */
void vmm_uefi_undo(struct vmm_uefi *u, const struct vmm_launch *launch);

/* Types of memory, BIT(EFI_MEMORY_TYPE) each: what is ordinary RAM. Reserved and device memory is not. */
#define VMM_UEFI_RAM                                                                                                   \
    (BIT(EfiLoaderCode) | BIT(EfiLoaderData) | BIT(EfiBootServicesCode) | BIT(EfiBootServicesData) |                   \
     BIT(EfiRuntimeServicesCode) | BIT(EfiRuntimeServicesData) | BIT(EfiConventionalMemory) |                          \
     BIT(EfiACPIReclaimMemory) | BIT(EfiACPIMemoryNVS))

/* What of the firmware's memory map has one of these types, sorted and merged. Returns the number of ranges in
 * out[max], VMM_E_FULL, or VMM_E_NOMEM if the map cannot be read. */
int vmm_uefi_map(struct vmm_uefi *u, uint32_t types, struct vmm_range *out, uint32_t max) VMM_MUST_CHECK;

/* Pure: the same of a map that was read. Descriptors that are malformed (zero pages, wrap-around) or not on a page are
 * passed over.
 *   map   [map_bytes] as from GetMemoryMap(), entries desc_bytes apart */
int vmm_uefi_ranges(const void *map, size_t map_bytes, size_t desc_bytes, uint32_t types, struct vmm_range *out,
                    uint32_t max) VMM_MUST_CHECK;

#endif
