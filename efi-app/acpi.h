/* Where memory-mapped configuration space lies, from ACPI's MCFG table. Pure over the tables' bytes.
 * Source: PCI Firmware Specification 3.2, 4.1.2 "MCFG Table Description"; ACPI 6.4, 5.2.5 "Root System Description
 * Pointer", 5.2.7, 5.2.8. */
#ifndef EFI_ACPI_H
#define EFI_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acpi_ecam {
    uint64_t base; /* of bus 0, whatever the first bus is */
    uint32_t first_bus, last_bus;
};

/* The entry for segment 0 of an MCFG table [n_bytes]; false if it is malformed or has none. */
bool acpi_mcfg_parse(const void *table, size_t n_bytes, struct acpi_ecam *out);

/* Follow an RSDP (ACPI 2.0 or later) to the MCFG, reading through read(), which copies n_bytes at a physical address
 * and returns false where it must not. False if there is no sound chain of tables; checksums are verified. */
typedef bool acpi_read_fn(uint64_t at, void *dst, size_t n_bytes);
bool acpi_find_ecam(uint64_t rsdp, acpi_read_fn *read, struct acpi_ecam *out);

#endif
