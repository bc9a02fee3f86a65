"""Memtest86+ below Sekisho on Intel; see test_memtest.py."""

import bochs
import memtest
from conftest import RUNS, Lab

MEMORY = 64


def test_minute():
    intel = Lab(RUNS / "bochs-memtest", mib=bochs.DISK_MIB)
    files = memtest.files(intel, "grub", 64, bochs.SERIAL)
    with bochs.start_bios(intel.folder / "boot", intel.image, files, smp=2, memory=MEMORY) as machine:
        memtest.follow(machine, 2, MEMORY, 900)
