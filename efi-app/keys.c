/* What unlocking needs of the firmware: see app.h and unlock.h. Source: UEFI Specification 2.10, 7.1.8
 * "EFI_BOOT_SERVICES.RaiseTPL()", 7.2.1 "EFI_BOOT_SERVICES.AllocatePages()". */
#include <crypt/wipe.h>
#include <vmm/vmm.h>
#include "app.h"
#include "unlock.h"

static struct vmm_vector vector; /* of the firmware */
static EFI_TPL tpl;
static struct unlock unlock; /* in the image: the firmware's stack is small */

void crypto_begin(EFI_SYSTEM_TABLE *st) {
    tpl = st->BootServices->RaiseTPL(TPL_HIGH_LEVEL);
    vmm_vector_begin(&vector, VMM_XMM);
}

void crypto_end(EFI_SYSTEM_TABLE *st) {
    vmm_vector_end(&vector);
    st->BootServices->RestoreTPL(tpl);
}

static void host_crypto_begin(void *ctx) { crypto_begin(((struct app_files *)ctx)->st); }

static void host_crypto_end(void *ctx) { crypto_end(((struct app_files *)ctx)->st); }

static void host_print(void *ctx, const char *text) {
    (void)ctx;
    con_print(text);
}

static int host_key(void *ctx) {
    (void)ctx;
    return con_key();
}

static void host_wait(void *ctx, unsigned ms) {
    struct app_files *f = ctx;
    f->st->BootServices->Stall((UINTN)ms * 1000);
}

static bool host_read(void *ctx, const char *name, size_t max_bytes, const void **out, size_t *out_bytes,
                      const char **out_why) {
    void *data;
    UINTN n;
    EFI_STATUS s = files_read(ctx, name, max_bytes, &data, &n);
    *out_why = s == EFI_NOT_FOUND         ? "cannot be read: there is no such file beside the configuration"
               : s == EFI_BAD_BUFFER_SIZE ? "is too long for what it should be"
                                          : "cannot be read";
    if (EFI_ERROR(s)) return false;
    *out = data;
    *out_bytes = n;
    return true;
}

static void host_release(void *ctx, const void *data, size_t n_bytes) {
    files_free(ctx, (void *)(uintptr_t)data, n_bytes);
}

static void *host_take(void *ctx, size_t n_bytes) {
    struct app_files *f = ctx;
    EFI_PHYSICAL_ADDRESS at;
    EFI_STATUS s = f->st->BootServices->AllocatePages(AllocateAnyPages, EfiLoaderData, EFI_SIZE_TO_PAGES(n_bytes), &at);
    return EFI_ERROR(s) ? NULL : (void *)(uintptr_t)at;
}

static void host_give_back(void *ctx, void *p, size_t n_bytes) {
    struct app_files *f = ctx;
    crypt_wipe(p, n_bytes);
    f->st->BootServices->FreePages((EFI_PHYSICAL_ADDRESS)(uintptr_t)p, EFI_SIZE_TO_PAGES(n_bytes));
}

bool keys_unlock(struct app_files *f, struct conf *conf) {
    const struct unlock_host host = {.ctx = f,
                                     .options = f->options,
                                     .print = host_print,
                                     .key = host_key,
                                     .wait = host_wait,
                                     .read = host_read,
                                     .release = host_release,
                                     .take = host_take,
                                     .give_back = host_give_back,
                                     .crypto_begin = host_crypto_begin,
                                     .crypto_end = host_crypto_end};
    return unlock_keys(&unlock, &host, conf);
}
