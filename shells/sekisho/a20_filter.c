/* see a20_filter.h */
#include "a20_filter.h"

#define A20_ON            0x02u /* in each of the three registers */
#define KBC_WRITE_OUTPUTS 0xd1u
#define KBC_A20_OFF       0xddu
#define KBC_A20_ON        0xdfu
#define KBC_PULSE         0xf0u /* and the lines not to be pulsed */

uint8_t a20_filter(struct a20 *a, uint16_t port, uint8_t value) {
    if (port == A20_FAST) return value | A20_ON;
    if (port == A20_KBC_DATA) {
        bool outputs = a->output_port_next;
        a->output_port_next = false;
        return outputs ? value | A20_ON : value;
    }
    if (port != A20_KBC_COMMAND) return value;
    a->output_port_next = value == KBC_WRITE_OUTPUTS;
    if (value == KBC_A20_OFF) return KBC_A20_ON;
    return value >= KBC_PULSE ? value | A20_ON : value;
}
