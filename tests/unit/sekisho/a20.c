/* Address line 20 stays on, whatever is written; everything else passes. A model of what the ports do tells. */
#include <a20_filter.h>
#include <criterion/criterion.h>
#include <stdlib.h>

/* A keyboard controller and a chipset: is the line on? */
struct machine {
    bool kbc_on, fast_on, outputs_next;
};

static void write_port(struct machine *m, uint16_t port, uint8_t v) {
    if (port == 0x92) m->fast_on = v & 2;
    if (port == 0x60 && m->outputs_next) m->kbc_on = v & 2;
    if (port == 0x60) m->outputs_next = false;
    if (port != 0x64) return;
    m->outputs_next = v == 0xd1;
    if (v == 0xdd || (v >= 0xf0 && !(v & 2))) m->kbc_on = false;
    if (v == 0xdf) m->kbc_on = true;
}

Test(sekisho_a20, stays_on) {
    static const uint16_t ports[] = {0x60, 0x64, 0x92};
    static const uint8_t values[] = {0xd1, 0xdd, 0xdf, 0xf0, 0xfd, 0xfe, 0x00, 0x01, 0x02, 0xff};
    struct machine m = {true, true, false};
    struct a20 a = {false};
    srand(1);
    for (unsigned i = 0; i < 100000; i++) {
        uint16_t port = ports[rand() % 3];
        uint8_t v = rand() % 2 ? values[(unsigned)rand() % sizeof values] : (uint8_t)rand();
        write_port(&m, port, a20_filter(&a, port, v));
        cr_assert(m.kbc_on && m.fast_on, "%x to %x", v, port);
    }
}

Test(sekisho_a20, all_else_passes) {
    struct a20 a = {false};
    for (unsigned v = 0; v < 256; v++) {
        cr_assert_eq(a20_filter(&a, 0x60, (uint8_t)v), v);
        cr_assert_eq(a20_filter(&a, 0x61, (uint8_t)v), v);
        cr_assert_eq(a20_filter(&a, 0x92, (uint8_t)v), v | 2);
    }
    cr_assert_eq(a20_filter(&a, 0x64, 0xfe), 0xfe); /* the reset */
    cr_assert_eq(a20_filter(&a, 0x64, 0x60), 0x60);
    cr_assert_eq(a20_filter(&a, 0x60, 0x01), 0x01); /* its mode byte, not the outputs */
    cr_assert_eq(a20_filter(&a, 0x64, 0xd1), 0xd1);
    cr_assert_eq(a20_filter(&a, 0x64, 0xed), 0xed); /* another command instead */
    cr_assert_eq(a20_filter(&a, 0x60, 0x01), 0x01);
    cr_assert_eq(a20_filter(&a, 0x64, 0xd1), 0xd1);
    cr_assert_eq(a20_filter(&a, 0x60, 0x01), 0x03);
    cr_assert_eq(a20_filter(&a, 0x60, 0x01), 0x01);
}
