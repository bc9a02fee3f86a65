/* see acpi.h */
#include "acpi.h"
#include <string.h>

#define RSDP_BYTES      36u
#define HEADER_BYTES    36u
#define MCFG_ENTRY      16u
#define TABLE_MAX_BYTES 4096u

static uint64_t le(const uint8_t *p, unsigned n_bytes) {
    uint64_t v = 0;
    while (n_bytes--) v = v << 8 | p[n_bytes];
    return v;
}

static bool sums_to_zero(const uint8_t *p, size_t n) {
    uint8_t sum = 0;
    while (n--) sum = (uint8_t)(sum + *p++);
    return sum == 0;
}

bool acpi_mcfg_parse(const void *table, size_t n_bytes, struct acpi_ecam *out) {
    const uint8_t *t = table;
    if (n_bytes < HEADER_BYTES + 8 || memcmp(t, "MCFG", 4) || le(t + 4, 4) != n_bytes || !sums_to_zero(t, n_bytes))
        return false;
    for (size_t off = HEADER_BYTES + 8; n_bytes - off >= MCFG_ENTRY && off < n_bytes; off += MCFG_ENTRY) {
        const uint8_t *e = t + off;
        uint64_t base = le(e, 8);
        if (le(e + 8, 2) != 0 || base == 0 || (base & 0xfffff) || e[10] > e[11]) continue;
        *out = (struct acpi_ecam){.base = base, .first_bus = e[10], .last_bus = e[11]};
        return true;
    }
    return false;
}

/* A whole table into buf; its length, 0 if unsound. */
static size_t read_table(uint64_t at, acpi_read_fn *read, uint8_t *buf, size_t max) {
    if (at == 0 || !read(at, buf, HEADER_BYTES)) return 0;
    size_t n = (size_t)le(buf + 4, 4);
    if (n < HEADER_BYTES || n > max || !read(at, buf, n) || le(buf + 4, 4) != n || !sums_to_zero(buf, n)) return 0;
    return n;
}

bool acpi_find_ecam(uint64_t rsdp, acpi_read_fn *read, struct acpi_ecam *out) {
    static uint8_t xsdt[TABLE_MAX_BYTES], table[TABLE_MAX_BYTES]; /* the firmware's stack is small */
    uint8_t r[RSDP_BYTES];
    if (rsdp == 0 || !read(rsdp, r, RSDP_BYTES) || memcmp(r, "RSD PTR ", 8) || r[15] < 2 ||
        !sums_to_zero(r, RSDP_BYTES))
        return false;
    size_t n = read_table(le(r + 24, 8), read, xsdt, sizeof xsdt);
    if (n == 0 || memcmp(xsdt, "XSDT", 4)) return false;
    for (size_t off = HEADER_BYTES; off + 8 <= n; off += 8) {
        size_t m = read_table(le(xsdt + off, 8), read, table, sizeof table);
        if (m && acpi_mcfg_parse(table, m, out)) return true;
    }
    return false;
}
