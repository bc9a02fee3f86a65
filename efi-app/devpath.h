/* UEFI device paths, as lists of bytes. Pure.
 * Source: UEFI Specification 2.10, 10.3.1 "Generic Device Path Structures", 10.3.4.15 "UART Device Path". */
#ifndef EFI_DEVPATH_H
#define EFI_DEVPATH_H

#include <stdbool.h>
#include <stddef.h>

/* True if one of the paths, of one or more instances in n_bytes, goes through a serial line. What comes after a
 * malformed node does not count. */
bool devpath_has_uart(const void *path, size_t n_bytes);

#endif
