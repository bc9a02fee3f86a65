/* see app.h */
#include <conf/conf.h>
#include <stddef.h>
#include "app.h"

static EFI_SYSTEM_TABLE *st;

void con_init(EFI_SYSTEM_TABLE *table) { st = table; }

static void put(CHAR16 c) {
    CHAR16 s[2] = {c, 0};
    if (c == '\n') put('\r');
    st->ConOut->OutputString(st->ConOut, s);
}

void con_print(const char *text) {
    static CHAR16 wide[1024];
    (void)conf_utf16(text, wide, sizeof wide / sizeof wide[0]);
    for (const CHAR16 *p = wide; *p; p++) put(*p);
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
