/* Where memory-mapped configuration space lies, from ACPI's MCFG table; where the guest asks for sleep, and which kind
 * of it is power-off, from FADT and DSDT; how many processors there are, from the MADT. Pure over the tables' bytes;
 * not reentrant (static buffers). Source: PCI Firmware Specification 3.2, 4.1.2 "MCFG Table Description";
 * ACPI 6.4, 5.2.5 "Root System Description Pointer", 5.2.7, 5.2.8, 5.2.9 "Fixed ACPI Description Table (FADT)". */
#ifndef ACPI_ACPI_H
#define ACPI_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acpi_ecam {
    uint64_t base; /* of bus 0, whatever the first bus is */
    uint32_t first_bus, last_bus;
};

/* The entry for segment 0 of an MCFG table [n_bytes]; false if it is malformed or has none. */
bool acpi_mcfg_parse(const void *table, size_t n_bytes, struct acpi_ecam *out);

/* Copies n_bytes at a physical address; false where it must not. */
typedef bool acpi_read_fn(uint64_t at, void *dst, size_t n_bytes);

/* The RSDP of a machine with a BIOS, by the search that is prescribed there. False if there is none that is sound.
 * Source: ACPI 6.4, 5.2.5.1 "Finding the RSDP on IA-PC Systems". */
bool acpi_find_rsdp(acpi_read_fn *read, uint64_t *out);

/* Follow an RSDP (of any ACPI; the XSDT counts where there is one) to the MCFG. False if there is no sound chain of
 * tables; checksums are verified. */
bool acpi_find_ecam(uint64_t rsdp, acpi_read_fn *read, struct acpi_ecam *out);

struct acpi_processors {
    uint32_t n_usable;   /* that are enabled or can be */
    uint32_t n_possible; /* that the machine may ever run; 0: not known */
};

/* Follow an RSDP to the MADT; zeros if there is no sound one. Before revision 5 of the table a processor that can be
 * plugged in does not differ from one that is not there: then all that have a valid id are possible. Source: ACPI 6.4,
 * 5.2.12 "Multiple APIC Description Table (MADT)", 5.2.12.2 "Processor Local APIC Structure", 5.2.12.12 "Processor
 * Local x2APIC Structure". */
struct acpi_processors acpi_count_processors(uint64_t rsdp, acpi_read_fn *read);

struct acpi_sleep {
    uint16_t pm1a, pm1b;      /* ports of the PM1 control registers; pm1b is 0 where there is none */
    uint8_t s5_pm1a, s5_pm1b; /* SLP_TYP (0 to 7) that switches the machine off, for each of them */
};

struct acpi_fadt {
    uint16_t pm1a, pm1b; /* as above */
    uint64_t dsdt;
};

/* A FADT [n_bytes]; false if it is malformed, of a hardware-reduced machine, or names no PM1a control port. The 64-bit
 * fields count where they are there and not zero; those of registers, only if in I/O space. */
bool acpi_fadt_parse(const void *table, size_t n_bytes, struct acpi_fadt *out);

/* Follow an RSDP to the FADT and the DSDT, as acpi_find_ecam() does. The DSDT, of up to 4 MiB, is read in pieces and
 * searched for a definition of \_S5_; AML is not interpreted. False if no sound one is found.
 * Source: ACPI 6.4, 7.4.2 "\_Sx (System States)", 20.2.4 "Package Length Encoding", 20.2.5.4 "Expression Opcodes
 * Encoding". */
bool acpi_find_sleep(uint64_t rsdp, acpi_read_fn *read, struct acpi_sleep *out);

#endif
