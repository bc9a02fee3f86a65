"""Memtest86+ below Sekisho on Intel; see test_memtest.py."""

import bochs
import pytest

import memtest
from conftest import RUNS, Lab

MEMORY = 64


@pytest.mark.parametrize("boot, bits", [("grub", 32), ("modules", 64)])
def test_minute(boot, bits):
    intel = Lab(RUNS / f"bochs-memtest-{boot}", mib=bochs.DISK_MIB)
    files = memtest.files(intel, boot, bits, bochs.SERIAL)
    with bochs.start_bios(intel.folder / "boot", intel.image, files, smp=2, memory=MEMORY) as machine:
        memtest.follow(machine, 2, MEMORY, 900)
