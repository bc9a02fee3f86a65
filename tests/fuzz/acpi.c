/* Any bytes as firmware memory: with checksums put right where the input asks for it, so that they are reached at all.
 * The parser terminates, stays within its buffers, and what it finds is usable. */
#include <acpi/acpi.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) abort();                                                                                             \
    } while (0)

#define BASE UINT64_C(0x1000)

static uint8_t *memory;
static size_t n_memory;
static unsigned n_reads;

static bool read_memory(uint64_t at, void *dst, size_t n) {
    CHECK(n <= 4096 && ++n_reads < 3000);
    if (at < BASE || at - BASE > n_memory || n > n_memory - (at - BASE)) return false;
    memcpy(dst, memory + (at - BASE), n);
    return true;
}

static void sum(size_t at, size_t n, size_t checksum) {
    uint8_t s = 0;
    if (at > n_memory || n > n_memory - at || checksum >= n) return;
    memory[at + checksum] = 0;
    for (size_t i = 0; i < n; i++) s = (uint8_t)(s + memory[at + i]);
    memory[at + checksum] = (uint8_t)-s;
}

static void table(size_t at, const char *signature) {
    uint32_t n;
    if (at > n_memory || n_memory - at < 36) return;
    memcpy(memory + at, signature, 4);
    memcpy(&n, memory + at + 4, 4);
    if (n > n_memory - at && (n & 0x10000)) {
        n = (uint32_t)(n_memory - at);
        memcpy(memory + at + 4, &n, 4);
    }
    sum(at, n, 9);
}

/* A FADT of ACPI 1.0's size with ports, and all that follows it as the DSDT. */
static void sleep_tables(size_t fadt) {
    const uint32_t n = 116, dsdt = (uint32_t)BASE + (uint32_t)fadt + n;
    if (fadt > n_memory || n_memory - fadt < n + 36) return;
    memcpy(memory + fadt + 4, &n, 4);
    memcpy(memory + fadt + 40, &dsdt, 4);
    memory[fadt + 66] = memory[fadt + 67] = memory[fadt + 114] = 0;
    memory[fadt + 89] |= 2;
    table(fadt, "FACP");
    memory[fadt + n + 6] |= 1; /* up to the end */
    table(fadt + n, "DSDT");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    struct acpi_ecam e;
    struct acpi_sleep sleep;
    struct acpi_fadt fadt;
    if (n_bytes < 64) return 0;
    memory = malloc(n_bytes - 1);
    n_memory = n_bytes - 1;
    n_reads = 0;
    memcpy(memory, data + 1, n_memory);
    size_t xsdt = 40 + data[0] % 16, mcfg = 0;
    if (data[0] & 0x80) {
        uint64_t at = BASE + xsdt;
        memcpy(memory, "RSD PTR \0", 8);
        memory[15] = 2;
        memcpy(memory + 24, &at, 8);
        sum(0, 20, 8);
        sum(0, 36, 32);
    }
    if ((data[0] & 0x40) && n_memory > xsdt + 44) {
        mcfg = xsdt + 52 + memory[xsdt + 40] % 64u;
        uint64_t at = BASE + mcfg;
        memcpy(memory + xsdt + 36, &at, n_memory - (xsdt + 36) < 8 ? 0 : 8);
        if (data[0] & 0x20)
            sleep_tables(mcfg);
        else
            table(mcfg, memory[xsdt + 41] & 1 ? "MCFG" : "APIC");
        table(xsdt, "XSDT");
    }
    if (acpi_find_ecam(BASE, read_memory, &e))
        CHECK(e.base && !(e.base & 0xfffff) && e.first_bus <= e.last_bus && e.last_bus <= 255);
    n_reads = 0;
    if (acpi_find_sleep(BASE, read_memory, &sleep)) CHECK(sleep.pm1a && sleep.s5_pm1a <= 7 && sleep.s5_pm1b <= 7);
    n_reads = 0;
    struct acpi_processors n = acpi_count_processors(BASE, read_memory);
    CHECK(n.n_usable <= 4096 / 8 && (n.n_possible == 0 || n.n_possible >= n.n_usable));
    if (acpi_fadt_parse(memory, n_memory, &fadt)) CHECK(fadt.pm1a);
    if (acpi_mcfg_parse(memory, n_memory, &e)) CHECK(e.base && e.first_bus <= e.last_bus);
    free(memory);
    return 0;
}
