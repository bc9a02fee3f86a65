/* What the guest writes to the ports that switch address line 20: the same, but with the line left on. Pure.
 * Source: Intel ICH9 data sheet, 13.7.3 "PORT92: Fast A20 and Init Register"; 8042 keyboard controller: commands D1h
 * "Write Output Port", DDh "Disable A20", F0h-FFh "Pulse Output Bits". */
#ifndef SEKISHO_A20_FILTER_H
#define SEKISHO_A20_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#define A20_KBC_DATA    0x60u
#define A20_KBC_COMMAND 0x64u
#define A20_FAST        0x92u

struct a20 {
    bool output_port_next; /* the keyboard controller takes its next data byte as the levels of its outputs */
};

/* One byte written to one port; what is to be written instead. */
uint8_t a20_filter(struct a20 *a, uint16_t port, uint8_t value);

#endif
