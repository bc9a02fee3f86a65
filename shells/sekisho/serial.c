/* see serial.h */
#include "serial.h"
#include <vmm/vmm.h>

#define UART_LSR      5u
#define UART_LSR_NONE 0xffu /* no port */
#define UART_LSR_THRE 0x20u
#define SPINS         100000u

static void put(uint16_t port, char c) {
    if (c == '\n') put(port, '\r');
    for (unsigned i = 0; i < SPINS && !(vmm_port_read((uint16_t)(port + UART_LSR), 1) & UART_LSR_THRE);) i++;
    vmm_port_write(port, 1, (uint8_t)c);
}

bool serial_present(uint16_t port) { return vmm_port_read((uint16_t)(port + UART_LSR), 1) != UART_LSR_NONE; }

void serial_print(uint16_t port, const char *text) {
    for (const char *p = text; *p; p++) put(port, *p);
}
