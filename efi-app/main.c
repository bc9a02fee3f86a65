/* sekisho.efi: read the configuration, slip beneath the firmware, start what comes next. */
#include <conf/conf.h>
#include <crypt/wipe.h>
#include <string.h>
#include <vmm_uefi.h>
#include <acpi/acpi.h>
#include "app.h"
#include "sekisho.h"

#define CONF_NAME      "sekisho.conf"
#define CONF_MAX_BYTES (64u << 10)
#define REGION_BYTES   (UINT64_C(16) << 20)
#define SERIAL_PORT    0x3f8u

static EFI_GUID acpi2_guid = ACPI_20_TABLE_GUID;
static struct sekisho_settings settings; /* in the image: the firmware's stack is small */
static struct vmm_uefi uefi;
static struct app_files files;

/* Before launch, tables lie in memory the firmware has mapped. */
static bool read_physical(uint64_t at, void *dst, size_t n_bytes) {
    memcpy(dst, (const void *)(uintptr_t)at, n_bytes);
    return true;
}

static void read_acpi(EFI_SYSTEM_TABLE *st) {
    struct acpi_ecam ecam = {0, 0, 0};
    struct acpi_sleep sleep = {0, 0, 0, 0};
    for (UINTN i = 0; i < st->NumberOfTableEntries; i++) {
        if (memcmp(&st->ConfigurationTable[i].VendorGuid, &acpi2_guid, sizeof acpi2_guid)) continue;
        uint64_t rsdp = (uint64_t)(uintptr_t)st->ConfigurationTable[i].VendorTable;
        if (!ecam.base && !acpi_find_ecam(rsdp, read_physical, &ecam)) ecam.base = 0;
        if (!sleep.pm1a && !acpi_find_sleep(rsdp, read_physical, &sleep)) sleep.pm1a = 0;
    }
    settings.ecam = ecam.base;
    settings.ecam_first_bus = ecam.first_bus;
    settings.ecam_last_bus = ecam.last_bus;
    settings.pm1a = sleep.pm1a;
    settings.pm1b = sleep.pm1b;
    settings.s5_pm1a = sleep.s5_pm1a;
    settings.s5_pm1b = sleep.s5_pm1b;
}

/* What the configuration says; a sentence on the console and false if it says nothing valid. */
static bool read_conf(enum conf_on_error *out_on_error) {
    static struct conf_error error;
    static char message[CONF_MESSAGE_MAX + 64];
    void *text;
    UINTN n_bytes;
    *out_on_error = CONF_STOP;
    EFI_STATUS s = files_read_conf(&files, CONF_NAME, CONF_MAX_BYTES, &text, &n_bytes);
    if (EFI_ERROR(s)) {
        con_line(CONF_NAME, s == EFI_BAD_BUFFER_SIZE ? " is longer than 64 KiB" : " cannot be read",
                 s == EFI_NOT_FOUND ? ": there is none beside this program" : NULL);
        return false;
    }
    *out_on_error = conf_on_error(text, n_bytes);
    bool good = !conf_parse(text, n_bytes, &settings.conf, &error);
    if (!good) conf_rescue_next(text, n_bytes, &settings.conf);
    files_free(&files, text, n_bytes);
    if (good) return true;
    conf_error_format(&error, CONF_NAME, message, sizeof message);
    con_line(message, NULL, NULL);
    return false;
}

static bool read_key(struct conf_key *key) {
    const char *why = "cannot be read";
    void *data;
    UINTN n_bytes;
    EFI_STATUS s = files_read(&files, key->file, CONF_KEY_MAX, &data, &n_bytes);
    bool good = s == EFI_BAD_BUFFER_SIZE && !conf_key_set(key, NULL, 0, &why); /* for its sentence */
    if (!EFI_ERROR(s)) {
        good = !conf_key_set(key, data, n_bytes, &why);
        files_free(&files, data, n_bytes);
    }
    if (!good) con_line(key->file, " ", why);
    return good;
}

static bool read_keys(void) {
    bool in_text = false;
    for (unsigned i = 0; i < settings.conf.n_keys; i++) {
        struct conf_key *key = &settings.conf.key[i];
        if (key->file[0] && !read_key(key)) return false;
        in_text = in_text || !key->file[0];
    }
    if (in_text) con_line("keys stand in " CONF_NAME " itself: good for development only", NULL, NULL);
    return true;
}

static bool launch(EFI_SYSTEM_TABLE *st) {
    struct vmm_launch l;
    const char *why;
    read_acpi(st);
    storage_connect(st);
    if (vmm_uefi_prepare(&uefi, REGION_BYTES, &l, &why)) {
        con_line(why, NULL, NULL);
        return false;
    }
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

/* The person decided beforehand what a failure means. */
static EFI_STATUS failed(EFI_SYSTEM_TABLE *st, enum conf_on_error on_error) {
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
    con_init(st);
    con_line("Sekisho " SEKISHO_VERSION, NULL, NULL);
    st->BootServices->SetWatchdogTimer(0, 0, 0, NULL); /* a person may be reading */
    bool good = !EFI_ERROR(files_init(&files, image, st)) && read_conf(&on_error);
    if (good && (settings.conf.console & CONF_CONSOLE_SERIAL)) con_add_serial(SERIAL_PORT);
    good = good && read_keys() && launch(st);
    for (unsigned i = 0; i < CONF_KEYS_MAX; i++)
        crypt_wipe(settings.conf.key[i].bytes, sizeof settings.conf.key[i].bytes);
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
