/* Device paths: which of them go through a serial line. */
#include <criterion/criterion.h>
#include <devpath.h>
#include <stdint.h>

#define PCI_ROOT 2, 1, 12, 0, 0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0
#define PCI      1, 1, 6, 0, 0, 0x1f
#define UART     3, 14, 19, 0, 0, 0, 0, 0, 0, 0xc2, 1, 0, 0, 0, 0, 0, 8, 1, 1
#define NEXT     0x7f, 1, 4, 0
#define LAST     0x7f, 0xff, 4, 0

static const uint8_t screen[] = {PCI_ROOT, PCI, LAST};
static const uint8_t both[] = {PCI_ROOT, PCI, NEXT, PCI_ROOT, PCI, UART, LAST};
static const uint8_t behind_the_end[] = {PCI_ROOT, LAST, UART, LAST};
static const uint8_t no_length[] = {2, 1, 0, 0, UART, LAST};
static const uint8_t too_long[] = {2, 1, 200, 0, UART, LAST};

Test(devpath, uart) {
    cr_expect(!devpath_has_uart(screen, sizeof screen));
    cr_expect(devpath_has_uart(both, sizeof both));
    for (size_t n = 0; n < sizeof both - 4 - 1; n++) cr_expect(!devpath_has_uart(both, n), "cut after %zu bytes", n);
    cr_expect(!devpath_has_uart(behind_the_end, sizeof behind_the_end));
    cr_expect(!devpath_has_uart(no_length, sizeof no_length));
    cr_expect(!devpath_has_uart(too_long, sizeof too_long));
}
