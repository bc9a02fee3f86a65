/* see app.h. Source: 16550D data sheet, table 4 "UART Register Summary". */
#include <vmm/vmm.h>
#include "app.h"

#define UART_LSR      5u
#define UART_LSR_NONE 0xffu /* no port */
#define UART_LSR_THRE 0x20u

static uint16_t serial; /* 0: none */
static bool no_screen;

void con_add_serial(uint16_t port) {
    if (vmm_port_read((uint16_t)(port + UART_LSR), 1) != UART_LSR_NONE) serial = port;
}

void con_serial_only(uint16_t port) {
    con_add_serial(port);
    no_screen = true;
}

static void put_serial(char c) {
    if (c == '\n') put_serial('\r');
    for (unsigned spin = 0; spin < 100000 && !(vmm_port_read((uint16_t)(serial + UART_LSR), 1) & UART_LSR_THRE);)
        spin++;
    vmm_port_write(serial, 1, (uint8_t)c);
}

/* The screen has no UTF-8: one question mark stands for each character beyond ASCII. */
void con_print(const char *text) {
    for (const char *p = text; *p; p++) {
        uint8_t c = (uint8_t)*p;
        if (!no_screen && (c < 0x80 || c >= 0xc0)) bios_put(c < 0x80 ? *p : '?');
        if (serial) put_serial(*p);
    }
}

void con_line(const char *a, const char *b, const char *c) {
    con_print("sekisho: ");
    con_print(a);
    if (b) con_print(b);
    if (c) con_print(c);
    con_print("\n");
}
