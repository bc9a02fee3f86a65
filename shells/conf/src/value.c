/* The values of the settings, one function each; ranges and keys have files of their own. */
#include "parser.h"

#include <string.h>

int conf_value_next(struct parser *p, struct span value) {
    if (value.p[0] != '\\' || memchr(value.p, '/', value.n) != NULL)
        return conf_fail_value(p, value, p->setting->expected);
    if (value.n > CONF_PATH_MAX)
        return conf_fail(p, "path % is too long, expected at most # bytes", value, CONF_PATH_MAX);
    conf_span_copy(value, p->conf->next);
    return 0;
}

int conf_value_next_options(struct parser *p, struct span value) {
    conf_span_copy(value, p->conf->next_options);
    return 0;
}

int conf_value_console(struct parser *p, struct span value) {
    unsigned console = 0;
    bool more;
    do {
        struct span item = value;
        more = conf_span_split(&value, ",", &item);
        item = conf_span_trim(item);
        unsigned bit = conf_span_is(item, "serial")   ? CONF_CONSOLE_SERIAL
                       : conf_span_is(item, "screen") ? CONF_CONSOLE_SCREEN
                                                      : 0;
        if (bit == 0) return conf_fail_value(p, item, p->setting->expected);
        if (console & bit) return conf_fail(p, "console % is named twice, expected each once", item);
        console |= bit;
    } while (more);
    p->conf->console = console;
    return 0;
}

int conf_value_on_error(struct parser *p, struct span value) {
    bool boot = conf_span_is(value, "boot-unprotected");
    if (!boot && !conf_span_is(value, "stop")) return conf_fail_value(p, value, p->setting->expected);
    p->conf->on_error = boot ? CONF_BOOT_UNPROTECTED : CONF_STOP;
    return 0;
}

/* Copy if ATA and NVMe allow it as a serial number or model: anything but printable ASCII could never match. */
static bool parse_text(struct span s, size_t n_max, char *out) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7E) return false;
    if (s.n == 0 || s.n > n_max) return false;
    conf_span_copy(s, out);
    return true;
}

/* BB:DD.F, with 0000: before it or not. */
static bool parse_pci(struct span s, struct conf_disk *disk) {
    static const char shape[] = "xx:xx.x";
    unsigned digit[sizeof shape] = {0};
    (void)conf_span_skip(&s, "0000:");
    if (s.n != sizeof shape - 1) return false;
    for (size_t i = 0; i < s.n; i++) {
        int value = conf_hex_digit(s.p[i]);
        if (shape[i] == 'x' ? value < 0 : s.p[i] != shape[i]) return false;
        digit[i] = (unsigned)value;
    }
    disk->bus = (uint8_t)(digit[0] << 4 | digit[1]);
    disk->dev = (uint8_t)(digit[3] << 4 | digit[4]);
    disk->fn = (uint8_t)digit[6];
    return disk->dev <= 31 && disk->fn <= 7;
}

static bool parse_port(struct span s, struct conf_disk *disk) {
    uint64_t port = 0;
    bool ok = conf_number(s, CONF_PORT_MAX, &port) == CONF_NUMBER_OK;
    disk->port = (uint8_t)port;
    return ok;
}

int conf_value_match(struct parser *p, struct span value) {
    static const struct {
        const char *prefix, *expected;
    } kinds[] = {
        [CONF_MATCH_SERIAL] = {"serial:", "serial: and 1 to 20 printable ASCII characters"},
        [CONF_MATCH_MODEL] = {"model:", "model: and 1 to 40 printable ASCII characters"},
        [CONF_MATCH_PCI] = {"pci:", "pci:BUS:DEVICE.FUNCTION such as pci:00:1f.2"},
        [CONF_MATCH_PORT] = {"port:", "port: and a number from 0 to 31"},
    };
    struct span rest = value;
    unsigned kind = CONF_MATCH_SERIAL;
    bool ok = true;

    while (kind <= CONF_MATCH_PORT && !conf_span_skip(&rest, kinds[kind].prefix)) kind++;
    rest = conf_span_trim(rest);
    switch (kind) {
    case CONF_MATCH_SERIAL: ok = parse_text(rest, CONF_SERIAL_MAX, p->disk->text); break;
    case CONF_MATCH_MODEL: ok = parse_text(rest, CONF_MODEL_MAX, p->disk->text); break;
    case CONF_MATCH_PCI: ok = parse_pci(rest, p->disk); break;
    case CONF_MATCH_PORT: ok = parse_port(rest, p->disk); break;
    default:
        if (!conf_span_is(value, "any")) return conf_fail_value(p, value, p->setting->expected);
        kind = CONF_MATCH_ANY;
    }
    p->disk->match = (enum conf_match)kind;
    return ok ? 0 : conf_fail_value(p, value, kinds[kind].expected);
}

/* hd or cd, and a digit. */
int conf_value_drive(struct parser *p, struct span value) {
    struct span rest = value;
    bool hd = conf_span_skip(&rest, "hd");
    if ((!hd && !conf_span_skip(&rest, "cd")) || rest.n != 1 || rest.p[0] < '0' || rest.p[0] > '9')
        return conf_fail_value(p, value, p->setting->expected);
    p->conf->drive = (uint8_t)((hd ? CONF_DRIVE_HD : CONF_DRIVE_CD) + (unsigned)(rest.p[0] - '0'));
    return 0;
}
