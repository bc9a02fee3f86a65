/* The smallest hypervisor: slips beneath whoever started it, counts what exits, and answers one hypercall. */
#include <vmm/vmm.h>
#include <vmm_uefi.h>

#define REGION_BYTES    (UINT64_C(8) << 20)
#define HYPERCALL_STATS 0x73656b69u /* RAX; RBX: enum vmm_exit_kind; RAX comes back with the count */

struct settings {
    uint64_t first_number;
};

static enum vmm_verdict stats(struct vmm_vcpu *vcpu, void *cookie, struct vmm_access *access) {
    (void)cookie;
    uint64_t exits[VMM_N_EXITS];
    vmm_stats(vmm_of(vcpu), exits);
    uint64_t kind = vmm_reg_get(vcpu, VMM_RBX);
    access->value = kind < VMM_N_EXITS ? exits[kind] : UINT64_MAX;
    return VMM_HANDLED;
}

/* Runs beneath the future guest, before its first instruction. */
static int setup(struct vmm *vmm, void *arg) {
    const struct settings *s = arg;
    return vmm_hypercall_hook(vmm, s->first_number, 1, 0, stats, NULL);
}

static void print(EFI_SYSTEM_TABLE *st, const char *text) {
    CHAR16 line[128];
    unsigned n = 0;
    for (; *text && n < 125; text++) line[n++] = (CHAR16)*text;
    line[n++] = '\r', line[n++] = '\n', line[n] = 0;
    st->ConOut->OutputString(st->ConOut, line);
}

static EFI_STATUS run(EFI_SYSTEM_TABLE *st, struct vmm_uefi *uefi) {
    const char *why;
    struct vmm_launch launch;
    if (vmm_uefi_prepare(uefi, REGION_BYTES, &launch, &why)) {
        print(st, why);
        return EFI_OUT_OF_RESOURCES;
    }
    struct settings settings = {.first_number = HYPERCALL_STATS};
    launch.serial_port = 0x3f8;
    launch.setup = setup;
    launch.arg = &settings;
    launch.arg_bytes = sizeof settings;
    if (vmm_uefi_launch(uefi, &launch, &why)) {
        print(st, why);
        vmm_uefi_undo(uefi, &launch);
        return EFI_UNSUPPORTED;
    }
    print(st, "minimal: running beneath you");
    return EFI_SUCCESS;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st);

__attribute__((no_stack_protector)) EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st) {
    static struct vmm_uefi uefi; /* in the image: the firmware's stack is small */
    (void)image;
    vmm_uefi_begin(&uefi, st);
    EFI_STATUS status = run(st, &uefi);
    vmm_uefi_end(&uefi);
    return status;
}
