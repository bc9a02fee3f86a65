/* see app.h */
#include <conf/conf.h>
#include <stddef.h>
#include "app.h"
#include "devpath.h"
#include "serial.h"
#include "traces.h"
#include "typed.h"

static EFI_SYSTEM_TABLE *st;
static uint16_t serial; /* 0: none */
static struct traces *kept;

void con_init(EFI_SYSTEM_TABLE *table, struct traces *typed) {
    st = table;
    kept = typed;
}

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
    if (c == '\a') return; /* it would be drawn */
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

/* Of keys without a character those that have a control character elsewhere. UEFI Specification 2.10, table 12.2 "EFI
 * Scan Codes for EFI_SIMPLE_TEXT_INPUT_PROTOCOL". What a terminal sends for Backspace may be taken for Delete. */
static CHAR16 character(const EFI_INPUT_KEY *key) {
    if (key->UnicodeChar) return key->UnicodeChar;
    return key->ScanCode == SCAN_ESC ? 0x1b : key->ScanCode == SCAN_DELETE ? '\b' : 0;
}

int con_key(void) {
    static struct typed typed;
    EFI_INPUT_KEY key;
    int byte = serial ? serial_key(serial) : -1;
    if (byte < 0) byte = typed_get(&typed);
    if (byte >= 0) return byte;
    CHAR16 c = EFI_ERROR(st->ConIn->ReadKeyStroke(st->ConIn, &key)) ? 0 : character(&key);
    if (c) {
        traces_add(kept, key.UnicodeChar);
        typed_put(&typed, c);
    } else {
        typed_idle(&typed);
    }
    return typed_get(&typed);
}

void con_wait_key(void) {
    st->ConIn->Reset(st->ConIn, FALSE);
    while (con_key() < 0) st->BootServices->Stall(1000);
}
