"""The same loader on Intel: Bochs stands in for a machine with VT-x, UEFI firmware and an IDE disk. Each start of Debian
takes minutes, so one for each number of processors shows all there is to see. No reboot: this firmware does not come back
from a reset on Bochs, natively either (it waits for a timer at a port nobody has set)."""

import re

import bochs
import pytest

from conftest import BANNER, LOADER, NATIVE, check_files, seen


@pytest.mark.parametrize("model", ["corei7_haswell_4770", "corei7_icelake_u"])
def test_firmware_goes_on_as_the_guest(lab, model):
    with bochs.start(lab.folder / "boot", bochs.boot_files("", None if NATIVE else LOADER, shell=True), model=model) as machine:
        machine.wait(r"^SHELL UP", 600)
        machine.wait_end(60)  # the shell has switched the machine off
        assert NATIVE or (BANNER.search(machine.text) and "Intel VT-x" in machine.text)


def test_debian(intel):
    text = intel.boot_bochs("cpus,region,fs,verify", 1, "corei7_haswell_4770")
    flags = re.search(r"^FLAGS (.*)$", text, re.M).group(1).split()
    assert NATIVE or "vmx" not in flags
    regions = re.findall(r"^REGION (\S+) pages=(\d+) ones=(\d+)", text, re.M)
    assert NATIVE or any(int(ones) >= 1024 for _, _, ones in regions), "no reserved memory reads as ones"
    check_files(intel, text)
    seen("Intel VT-x (Bochs)", "ide", 1, "encrypts")


def test_debian_with_two_processors(intel):
    """INITs and start-up IPIs of the firmware, of the kernel and, three times over, of hot-plugging."""
    text = intel.boot_bochs("cpus,fs,verify,hotplug", 2, "corei7_skylake_x")
    assert re.search(r"^CPUS 2", text, re.M)
    assert "JOB hotplug OK" in text
    check_files(intel, text)
    seen("Intel VT-x (Bochs)", "ide", 2, "encrypts")
