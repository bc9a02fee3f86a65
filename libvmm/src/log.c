/* The log ring, and a 16550 serial port when one is given. Time. */
#include "priv.h"
#include <hw.h>
#include "fmt.h"

/* 16550D data sheet, table 4 "UART Register Summary" */
#define UART_THR      0u
#define UART_LSR      5u
#define UART_LSR_THRE 0x20u

static void serial_put(uint16_t port, char c) {
    for (unsigned spin = 0; spin < 100000 && !(hw_in((uint16_t)(port + UART_LSR), 1) & UART_LSR_THRE); spin++)
        hw_pause();
    hw_out((uint16_t)(port + UART_THR), 1, (uint8_t)c);
}

static void put(struct vmm *vmm, char c) {
    vmm->log[vmm->log_next++ % VMM_LOG_BYTES] = c;
    if (!vmm->serial_port) return;
    if (c == '\n') serial_put(vmm->serial_port, '\r');
    serial_put(vmm->serial_port, c);
}

void vmm_log_line(struct vmm *vmm, const char *line) {
    vmm_lock(&vmm->log_lock);
    while (*line) put(vmm, *line++);
    put(vmm, '\n');
    vmm_unlock(&vmm->log_lock);
}

void vmm_vlog(struct vmm *vmm, const char *fmt, va_list ap) {
    char line[200];
    (void)vmm_vformat(line, sizeof line, fmt, ap);
    vmm_log_line(vmm, line);
}

void vmm_log(struct vmm *vmm, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vmm_vlog(vmm, fmt, ap);
    va_end(ap);
}

uint64_t vmm_us_since(const struct vmm *vmm, uint64_t tsc) {
    uint64_t hz = vmm->tsc_hz ? vmm->tsc_hz : UINT64_C(2000000000), t = hw_rdtsc() - tsc;
    return t / hz * 1000000 + t % hz * 1000000 / hz;
}

uint64_t vmm_now_us(const struct vmm *vmm) { return vmm_us_since(vmm, 0); }

void vmm_decline(struct vmm *vmm, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    (void)vmm_vformat(vmm->why, sizeof vmm->why, fmt, ap);
    va_end(ap);
}
