/* see app.h */
#include "app.h"
#include "serial.h"

static uint16_t serial; /* 0: none */
static bool no_screen;

void con_add_serial(uint16_t port) {
    if (serial_init(port)) serial = port;
}

void con_serial_only(uint16_t port) {
    con_add_serial(port);
    no_screen = true;
}

/* The screen has no UTF-8: one question mark stands for each character beyond ASCII. */
void con_print(const char *text) {
    for (const char *p = text; *p; p++) {
        uint8_t c = (uint8_t)*p;
        if (!no_screen && (c < 0x80 || c >= 0xc0)) bios_put(c < 0x80 ? *p : '?');
    }
    if (serial) serial_print(serial, text);
}

int con_key(void) {
    int byte = serial ? serial_key(serial) : -1;
    return byte < 0 && !no_screen ? bios_key() : byte;
}

void con_line(const char *a, const char *b, const char *c) {
    con_print("sekisho: ");
    con_print(a);
    if (b) con_print(b);
    if (c) con_print(c);
    con_print("\n");
}
