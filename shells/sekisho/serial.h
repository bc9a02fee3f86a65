/* The serial port that both applications print on, by polling. Source: 16550D data sheet, table 4 "UART Register
 * Summary". */
#ifndef SEKISHO_SERIAL_H
#define SEKISHO_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_PORT 0x3f8u

/* Whether there is a port; if so, it is set up for 115200 bits a second, 8 data bits, no parity, 1 stop bit: a BIOS
 * need not have done that. */
bool serial_init(uint16_t port);
void serial_print(uint16_t port, const char *text); /* \n starts a line; gives up waiting for a port that hangs */
int serial_key(uint16_t port);                      /* the next byte that came, or -1 at once */

#endif
