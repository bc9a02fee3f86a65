/* see app.h */
#include <conf/conf.h>
#include <stddef.h>
#include "app.h"
#include "devpath.h"
#include "serial.h"

static EFI_SYSTEM_TABLE *st;
static uint16_t serial; /* 0: none */

void con_init(EFI_SYSTEM_TABLE *table) { st = table; }

/* UEFI Specification 2.10, 3.3 "Globally Defined Variables": ConOut holds the device paths of the console. */
static bool firmware_has_serial(void) {
    static EFI_GUID global = EFI_GLOBAL_VARIABLE;
    static uint8_t paths[1024];
    UINTN n = sizeof paths;
    EFI_STATUS s = st->RuntimeServices->GetVariable((CHAR16 *)u"ConOut", &global, NULL, &n, paths);
    return !EFI_ERROR(s) && devpath_has_uart(paths, n);
}

void con_add_serial(uint16_t port) {
    if (firmware_has_serial() || !serial_init(port)) return;
    serial = port;
}

static void put(CHAR16 c) {
    CHAR16 s[2] = {c, 0};
    if (c == '\n') put('\r');
    st->ConOut->OutputString(st->ConOut, s);
}

void con_print(const char *text) {
    static CHAR16 wide[1024];
    (void)conf_utf16(text, wide, sizeof wide / sizeof wide[0]);
    for (const CHAR16 *p = wide; *p; p++) put(*p);
    if (serial) serial_print(serial, text);
}

void con_line(const char *a, const char *b, const char *c) {
    con_print("sekisho: ");
    con_print(a);
    if (b) con_print(b);
    if (c) con_print(c);
    con_print("\n");
}

void con_wait_key(void) {
    UINTN index;
    EFI_INPUT_KEY key;
    st->ConIn->Reset(st->ConIn, FALSE);
    st->BootServices->WaitForEvent(1, &st->ConIn->WaitForKey, &index);
    (void)st->ConIn->ReadKeyStroke(st->ConIn, &key);
}
