/* see vmm_uefi.h */
#include "vmm_uefi.h"
#include <hw.h>
#include <string.h>

#define MSR_FS_BASE    0xc0000100u
#define MAP_PAGES      32u /* for the firmware's memory map: 128 KiB, over 2,700 descriptors */
#define CALIBRATION_US 10000u

/* An aligned block below 4 GiB: ask for more, give the ends back. */
static EFI_STATUS reserve_aligned(EFI_BOOT_SERVICES *bs, UINT64 n_bytes, EFI_PHYSICAL_ADDRESS *out) {
    UINT64 pages = n_bytes / VMM_PAGE_BYTES, extra = VMM_REGION_ALIGN / VMM_PAGE_BYTES;
    EFI_PHYSICAL_ADDRESS at = 0xffffffff;
    EFI_STATUS s = bs->AllocatePages(AllocateMaxAddress, EfiReservedMemoryType, pages + extra, &at);
    if (EFI_ERROR(s)) return s;
    *out = (at + VMM_REGION_ALIGN - 1) & ~(VMM_REGION_ALIGN - 1);
    UINT64 below = (*out - at) / VMM_PAGE_BYTES;
    if (below) bs->FreePages(at, below);
    if (extra - below) bs->FreePages(*out + n_bytes, extra - below);
    return EFI_SUCCESS;
}

int vmm_uefi_map(struct vmm_uefi *u, uint32_t types, struct vmm_range *out, uint32_t max) {
    EFI_BOOT_SERVICES *bs = u->st->BootServices;
    EFI_PHYSICAL_ADDRESS map = 0xffffffff;
    UINTN map_bytes = MAP_PAGES * VMM_PAGE_BYTES, key, desc_bytes;
    UINT32 version;
    if (EFI_ERROR(bs->AllocatePages(AllocateMaxAddress, EfiBootServicesData, MAP_PAGES, &map))) return VMM_E_NOMEM;
    int n = VMM_E_NOMEM;
    if (!EFI_ERROR(bs->GetMemoryMap(&map_bytes, hw_direct(map), &key, &desc_bytes, &version)))
        n = vmm_uefi_ranges(hw_direct(map), map_bytes, desc_bytes, types, out, max);
    bs->FreePages(map, MAP_PAGES);
    return n;
}

static uint64_t measure_tsc(EFI_BOOT_SERVICES *bs) {
    uint64_t t = hw_rdtsc();
    bs->Stall(CALIBRATION_US);
    return (hw_rdtsc() - t) * (1000000 / CALIBRATION_US);
}

__attribute__((no_stack_protector)) void vmm_uefi_begin(struct vmm_uefi *u, EFI_SYSTEM_TABLE *st) {
    u->st = st;
    u->fs_base = hw_rdmsr(MSR_FS_BASE);
    u->start_tsc = hw_rdtsc();
    u->canary[5] = u->start_tsc * UINT64_C(0x9e3779b97f4a7c15) & ~UINT64_C(0xff);
    hw_wrmsr(MSR_FS_BASE, (uint64_t)(uintptr_t)u->canary);
}

__attribute__((no_stack_protector)) void vmm_uefi_end(struct vmm_uefi *u) { hw_wrmsr(MSR_FS_BASE, u->fs_base); }

int vmm_uefi_prepare(struct vmm_uefi *u, uint64_t region_bytes, struct vmm_launch *out, const char **out_why) {
    EFI_BOOT_SERVICES *bs = u->st->BootServices;
    EFI_PHYSICAL_ADDRESS region = 0, low = 0x9f000;
    memset(out, 0, sizeof *out);
    out->region_bytes = region_bytes;
    *out_why = "the firmware has no contiguous memory below 4 GiB for the hypervisor";
    if (EFI_ERROR(reserve_aligned(bs, region_bytes, &region))) goto no_region;
    *out_why = "the firmware has no free page below 640 KiB for starting processors";
    if (EFI_ERROR(bs->AllocatePages(AllocateMaxAddress, EfiReservedMemoryType, 1, &low))) goto no_low;
    out->region = hpa(region);
    out->low_page = hpa(low);
    out->tsc_hz = measure_tsc(bs);
    out->start_tsc = u->start_tsc;
    *out_why = "the firmware's memory map cannot be read";
    int n = vmm_uefi_map(u, VMM_UEFI_RAM, u->ram, VMM_MAX_RAM);
    if (n < 0) goto no_map;
    out->ram = u->ram;
    out->n_ram = (uint32_t)n;
    *out_why = NULL;
    return 0;
no_map:
    bs->FreePages(low, 1);
no_low:
    bs->FreePages(region, region_bytes / VMM_PAGE_BYTES);
no_region:
    return VMM_E_NOMEM;
}

void vmm_uefi_undo(struct vmm_uefi *u, const struct vmm_launch *launch) {
    EFI_BOOT_SERVICES *bs = u->st->BootServices;
    if (u->launched) return;
    bs->SetMem(hw_direct(launch->region.v), launch->region_bytes, 0); /* it may hold copies of keys */
    bs->FreePages(launch->low_page.v, 1);
    bs->FreePages(launch->region.v, launch->region_bytes / VMM_PAGE_BYTES);
}
