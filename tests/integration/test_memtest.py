"""Memtest86+ below Sekisho: a minute of tests on every processor finds nothing wrong. Sekisho's memory, where every write
would be found missing, is not among what it tests."""

import re

import pytest

import memtest
import vm

MEMORY = 128


@pytest.mark.parametrize("boot, smp, bits", [("grub", 4, 64), ("modules", 2, 32)])
def test_minute(lab, boot, smp, bits):
    busy = set()

    def sample():
        registers = machine.monitor("info registers -a")
        busy.update(re.findall(r"^CPU#(\d+)(?:.*\n){0,8}?.*HLT=0", registers, re.M))

    with vm.start_bios(lab.folder / "boot", lab.image, memtest.files(lab, boot, bits), smp=smp, memory=MEMORY) as machine:
        memtest.follow(machine, smp, MEMORY, 300, sample)
        assert busy == {str(n) for n in range(smp)}
        machine.monitor("sendkey esc")  # it resets the machine
        machine.wait_end(30)
