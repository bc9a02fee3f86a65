/* see vmm_uefi.h: every processor the firmware runs goes beneath together. They wait in a loop of ours while the first
 * one launches, because a processor parked in the firmware's loop, outside, would execute memory the guest can change.
 */
#include <hw.h>
#include <string.h>
#include "vmm_uefi.h"

#define MSR_FS_BASE 0xc0000100u

/* UEFI Platform Initialization Specification 1.7, volume 2, 13.4.1 "EFI_MP_SERVICES_PROTOCOL"; gnu-efi does not have
 * it. */
static EFI_GUID mp_services_guid = {0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}};
typedef void(EFIAPI *ap_procedure)(void *argument);
struct mp_services {
    EFI_STATUS(EFIAPI *get_number_of_processors)(struct mp_services *mp, UINTN *out_all, UINTN *out_enabled);
    void *get_processor_info;
    EFI_STATUS(EFIAPI *startup_all_aps)
    (struct mp_services *mp, ap_procedure procedure, BOOLEAN one_by_one, EFI_EVENT done, UINTN timeout_us,
     void *argument, UINTN **out_failed);
    void *startup_this_ap, *switch_bsp, *enable_disable_ap, *who_am_i;
};

#define GATHER_LIMIT_US 2000000u
#define STEP_US         100u

static void EFIAPI join(void *argument);

/* On another processor. The firmware gives it a stack, but nothing at %fs. */
static __attribute__((no_stack_protector)) void EFIAPI join(void *argument) {
    struct vmm_uefi *u = argument;
    uint64_t fs_base = hw_rdmsr(MSR_FS_BASE);
    hw_wrmsr(MSR_FS_BASE, (uint64_t)(uintptr_t)u->canary);
    __atomic_add_fetch(&u->n_waiting, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&u->go, __ATOMIC_ACQUIRE)) hw_pause(); /* pairs with let_go */
    if (u->go == 1 && vmm_launch_other()) __atomic_add_fetch(&u->n_joined, 1, __ATOMIC_SEQ_CST);
    hw_wrmsr(MSR_FS_BASE, fs_base);
}

static bool wait_for(struct vmm_uefi *u, volatile UINT32 *count, UINT32 n) {
    for (unsigned us = 0; us < GATHER_LIMIT_US; us += STEP_US) {
        if (__atomic_load_n(count, __ATOMIC_ACQUIRE) >= n) return true;
        u->st->BootServices->Stall(STEP_US);
    }
    return false;
}

/* Bring the others to join(); how many there are, or -1. *out_done is signalled when the firmware has them back. */
static int gather(struct vmm_uefi *u, struct mp_services *mp, UINTN n_others, EFI_EVENT *out_done) {
    EFI_BOOT_SERVICES *bs = u->st->BootServices;
    if (n_others == 0) return 0;
    if (EFI_ERROR(bs->CreateEvent(0, 0, NULL, NULL, out_done))) return -1;
    if (!EFI_ERROR(mp->startup_all_aps(mp, join, FALSE, *out_done, 0, u, NULL)) &&
        wait_for(u, &u->n_waiting, (UINT32)n_others))
        return (int)n_others;
    __atomic_store_n(&u->go, 2, __ATOMIC_RELEASE); /* whoever did come goes home */
    bs->CloseEvent(*out_done);
    return -1;
}

static void let_go(struct vmm_uefi *u, UINT32 go, EFI_EVENT done) {
    UINTN index;
    __atomic_store_n(&u->go, go, __ATOMIC_RELEASE); /* pairs with join */
    u->st->BootServices->WaitForEvent(1, &done, &index);
    u->st->BootServices->CloseEvent(done);
}

int vmm_uefi_launch(struct vmm_uefi *u, struct vmm_launch *launch, const char **out_why) {
    struct mp_services *mp = NULL;
    UINTN n_all = 1, n_enabled = 1;
    EFI_EVENT done;
    (void)u->st->BootServices->LocateProtocol(&mp_services_guid, NULL, (void **)&mp);
    if (mp && EFI_ERROR(mp->get_number_of_processors(mp, &n_all, &n_enabled))) mp = NULL;
    if (launch->max_cpus == 0) launch->max_cpus = n_all < VMM_MAX_CPUS ? (uint32_t)n_all : VMM_MAX_CPUS;
    if (launch->n_possible && launch->n_possible < n_all) launch->n_possible = (uint32_t)n_all; /* tables may err */
    *out_why = "this machine has more processors than can be taken";
    if (n_all > launch->max_cpus) return VMM_E_INVAL;
    int n_others = mp ? gather(u, mp, n_enabled - 1, &done) : 0;
    *out_why = "the firmware did not hand over its other processors";
    if (n_others < 0) return VMM_E_CPUS;
    int r = vmm_launch(launch, out_why);
    u->launched = r == 0;
    if (n_others) let_go(u, r ? 2 : 1, done);
    if (r || u->n_joined == (UINT32)n_others) return r;
    *out_why = "a processor could not be taken and runs outside";
    return VMM_E_CPUS;
}
