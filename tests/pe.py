#!/usr/bin/python3
"""tests/pe.py FILE.efi: an EFI application for x86-64, relocatable, no section both writable and executable.

Source: Microsoft PE Format, "COFF File Header", "Optional Header", "Section Table (Section Headers)"."""

import pathlib
import struct
import sys

MACHINE_AMD64, SUBSYSTEM_EFI_APPLICATION = 0x8664, 10
RELOCS_STRIPPED = 1
EXECUTE, WRITE = 0x20000000, 0x80000000


def problems(data):
    if len(data) < 0x40 or data[:2] != b"MZ":
        yield "not a PE file"
        return
    at = struct.unpack_from("<I", data, 0x3C)[0]
    if data[at:at + 4] != b"PE\0\0":
        yield "not a PE file"
        return
    machine, n_sections, *_, optional_size, flags = struct.unpack_from("<HHIIIHH", data, at + 4)
    optional = at + 24
    if machine != MACHINE_AMD64:
        yield f"machine {machine:#x} is not x86-64"
    if struct.unpack_from("<H", data, optional + 68)[0] != SUBSYSTEM_EFI_APPLICATION:
        yield "not an EFI application"
    if flags & RELOCS_STRIPPED:
        yield "cannot be relocated"
    for n in range(n_sections):
        name, size, address, *_, rights = struct.unpack_from("<8sIIIIIIHHI", data, optional + optional_size + 40 * n)
        name = name.rstrip(b"\0").decode()
        letters = "".join(c if rights & bit else "-" for c, bit in zip("rwx", (0x40000000, WRITE, EXECUTE)))
        print(f"{name:<10} {letters}  {size:>8} bytes at {address:#x}")
        if rights & WRITE and rights & EXECUTE:
            yield f"section {name} is writable and executable"


def main():
    found = list(problems(pathlib.Path(sys.argv[1]).read_bytes()))
    for text in found:
        print(f"{sys.argv[1]}: {text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
