/* The serial port that both applications print on, by polling. Source: 16550D data sheet, table 4 "UART Register
 * Summary". */
#ifndef SEKISHO_SERIAL_H
#define SEKISHO_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_PORT 0x3f8u

bool serial_present(uint16_t port);
void serial_print(uint16_t port, const char *text); /* \n starts a line; gives up waiting for a port that hangs */

#endif
