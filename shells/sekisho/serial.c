/* see serial.h */
#include "serial.h"
#include <vmm/vmm.h>

#define UART_DLL      0u /* with LCR.DLAB: the divisor of 115200 */
#define UART_DLM      1u
#define UART_FCR      2u
#define UART_FCR_ON   0x01u
#define UART_LCR      3u
#define UART_LCR_8N1  0x03u
#define UART_LCR_DLAB 0x80u
#define UART_MCR      4u
#define UART_MCR_ON   0x03u /* DTR, RTS */
#define UART_LSR      5u
#define UART_LSR_NONE 0xffu /* no port */
#define UART_LSR_DR   0x01u
#define UART_LSR_THRE 0x20u
#define UART_LSR_TEMT 0x40u
#define SPINS         100000u

static uint32_t get_reg(uint16_t port, unsigned reg) { return vmm_port_read((uint16_t)(port + reg), 1); }

static void set_reg(uint16_t port, unsigned reg, uint32_t value) { vmm_port_write((uint16_t)(port + reg), 1, value); }

static void wait_for(uint16_t port, uint32_t status) {
    for (unsigned i = 0; i < SPINS && !(get_reg(port, UART_LSR) & status);) i++;
}

static void put(uint16_t port, char c) {
    if (c == '\n') put(port, '\r');
    wait_for(port, UART_LSR_THRE);
    set_reg(port, 0, (uint8_t)c);
}

bool serial_init(uint16_t port) {
    if (get_reg(port, UART_LSR) == UART_LSR_NONE) return false;
    wait_for(port, UART_LSR_TEMT); /* what the boot loader has said last */
    set_reg(port, UART_LCR, UART_LCR_DLAB | UART_LCR_8N1);
    set_reg(port, UART_DLL, 1);
    set_reg(port, UART_DLM, 0);
    set_reg(port, UART_LCR, UART_LCR_8N1);
    set_reg(port, UART_FCR, UART_FCR_ON);
    set_reg(port, UART_MCR, get_reg(port, UART_MCR) | UART_MCR_ON);
    return true;
}

void serial_print(uint16_t port, const char *text) {
    for (const char *p = text; *p; p++) put(port, *p);
}

int serial_key(uint16_t port) { return get_reg(port, UART_LSR) & UART_LSR_DR ? (int)get_reg(port, 0) : -1; }
