/* sekisho.efi: read the configuration, slip beneath the firmware, start what comes next. */
#include <conf/conf.h>
#include <crypt/wipe.h>
#include <string.h>
#include <vmm_uefi.h>
#include "app.h"
#include "inputs.h"
#include "serial.h"

#define REGION_BYTES (UINT64_C(16) << 20)

static EFI_GUID acpi2_guid = ACPI_20_TABLE_GUID;
static struct sekisho_settings settings; /* in the image: the firmware's stack is small */
static struct vmm_uefi uefi;
static struct app_files files;

/* Before launch, tables lie in memory the firmware has mapped. */
static bool read_physical(uint64_t at, void *dst, size_t n_bytes) {
    memcpy(dst, (const void *)(uintptr_t)at, n_bytes);
    return true;
}

static void read_acpi(EFI_SYSTEM_TABLE *st, uint32_t *out_n_possible) {
    *out_n_possible = 0;
    for (UINTN i = 0; i < st->NumberOfTableEntries; i++) {
        if (memcmp(&st->ConfigurationTable[i].VendorGuid, &acpi2_guid, sizeof acpi2_guid)) continue;
        uint64_t rsdp = (uint64_t)(uintptr_t)st->ConfigurationTable[i].VendorTable;
        inputs_acpi(&settings, rsdp, read_physical);
        *out_n_possible = acpi_count_processors(rsdp, read_physical).n_possible;
    }
}

/* What the configuration says; a sentence on the console and false if it says nothing valid. */
static bool read_conf(enum conf_on_error *out_on_error) {
    static char message[SEKISHO_MESSAGE_MAX];
    void *text;
    UINTN n_bytes;
    EFI_STATUS s = files_read_conf(&files, SEKISHO_CONF_NAME, SEKISHO_CONF_MAX_BYTES, &text, &n_bytes);
    if (EFI_ERROR(s)) {
        con_line(SEKISHO_CONF_NAME, s == EFI_BAD_BUFFER_SIZE ? " is longer than 64 KiB" : " cannot be read",
                 s == EFI_NOT_FOUND ? ": there is none beside this program" : NULL);
        return false;
    }
    crypto_begin(files.st);
    bool good = inputs_conf(&settings.conf, files.options, text, n_bytes, out_on_error, message);
    crypto_end(files.st);
    files_free(&files, text, n_bytes);
    if (!good) con_line(message, NULL, NULL);
    return good;
}

static bool read_key(struct conf_key *key) {
    const char *why = "cannot be read";
    void *data;
    UINTN n_bytes;
    EFI_STATUS s = files_read(&files, key->file, CONF_KEY_MAX, &data, &n_bytes);
    bool good = s == EFI_BAD_BUFFER_SIZE && inputs_key(key, "", NULL, 0, &why); /* for its sentence */
    if (!EFI_ERROR(s)) {
        crypto_begin(files.st);
        good = inputs_key(key, files.options, data, n_bytes, &why);
        crypto_end(files.st);
        files_free(&files, data, n_bytes);
    }
    if (!good) con_line(key->file, " ", why);
    return good;
}

static bool read_keys(void) {
    for (unsigned i = 0; i < settings.conf.n_keys; i++)
        if (settings.conf.key[i].kind == CONF_KEY_FILE && !read_key(&settings.conf.key[i])) return false;
    if (inputs_key_in_text(&settings.conf)) con_line(SEKISHO_KEY_IN_TEXT, NULL, NULL);
    return keys_unlock(&files, &settings.conf);
}

static bool launch(EFI_SYSTEM_TABLE *st) {
    struct vmm_launch l;
    const char *why;
    uint32_t n_possible;
    read_acpi(st, &n_possible);
    storage_connect(st);
    if (vmm_uefi_prepare(&uefi, REGION_BYTES, &l, &why)) {
        con_line(why, NULL, NULL);
        return false;
    }
    /* Where drivers keep what was typed. Theirs are pools of boot services data; some allocate for the runtime. */
    int n = vmm_uefi_map(&uefi, BIT(EfiBootServicesData) | BIT(EfiRuntimeServicesData), settings.kept_in, VMM_MAX_RAM);
    settings.n_kept_in = n < 0 ? 0 : (uint32_t)n;
    if (n < 0 && settings.typed.n_typed) con_line("what was typed stays in the firmware's memory", NULL, NULL);
    l.n_possible = n_possible;
    l.serial_port = settings.conf.console & CONF_CONSOLE_SERIAL ? SERIAL_PORT : 0;
    l.setup = sekisho_setup;
    l.arg = &settings;
    l.arg_bytes = sizeof settings;
    int r = vmm_uefi_launch(&uefi, &l, &why);
    if (r) {
        con_line("not started: ", why, NULL);
        vmm_uefi_undo(&uefi, &l);
    }
    return r == 0;
}

static EFI_STATUS start_next(void) {
    if (!settings.conf.next[0]) return EFI_SUCCESS;
    EFI_STATUS s = files_start(&files, settings.conf.next, settings.conf.next_options);
    if (EFI_ERROR(s))
        con_line(settings.conf.next, s == EFI_NOT_FOUND ? " is on no disk" : " could not be started", NULL);
    return s;
}

/* The person decided beforehand what a failure means: first who started us, a script perhaps, then the configuration.
 */
static EFI_STATUS failed(EFI_SYSTEM_TABLE *st, enum conf_on_error on_error) {
    if (files.return_on_error) {
        con_line("stopped; nothing was changed", NULL, NULL);
        return EFI_ABORTED;
    }
    if (on_error == CONF_BOOT_UNPROTECTED && !uefi.launched) {
        con_line("going on WITHOUT protection, as on-error = boot-unprotected asks", NULL, NULL);
        return start_next();
    }
    con_line("stopped; nothing was changed. Press a key to switch the machine off", NULL, NULL);
    con_wait_key();
    st->RuntimeServices->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
    return EFI_ABORTED;
}

static EFI_STATUS run(EFI_HANDLE image, EFI_SYSTEM_TABLE *st) {
    enum conf_on_error on_error = CONF_STOP;
    con_init(st, &settings.typed);
    con_line("Sekisho " SEKISHO_VERSION, NULL, NULL);
    st->BootServices->SetWatchdogTimer(0, 0, 0, NULL); /* a person may be reading */
    bool good = files_init(&files, image, st) && read_conf(&on_error);
    if (good && (settings.conf.console & CONF_CONSOLE_SERIAL)) con_add_serial(SERIAL_PORT);
    good = good && read_keys() && launch(st);
    for (unsigned i = 0; i < CONF_KEYS_MAX; i++)
        crypt_wipe(settings.conf.key[i].bytes, sizeof settings.conf.key[i].bytes);
    crypt_wipe(&settings.typed, sizeof settings.typed);
    if (!good) return failed(st, on_error);
    con_line("running beneath you", NULL, NULL);
    return start_next();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st);

__attribute__((no_stack_protector)) EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *st) {
    vmm_uefi_begin(&uefi, st);
    EFI_STATUS s = run(image, st);
    vmm_uefi_end(&uefi);
    return s;
}
