"""The same loader on Intel: Bochs stands in for a machine with VT-x. Each run takes minutes.

The firmware is UEFI; the disk is on IDE, which nothing mediates, so these tests are about the processor alone."""

import re

import bochs
import pytest
import vm

from conftest import BANNER, LOADER, NATIVE, active


def run(lab, job, smp, model, seconds=900):
    loader = None if NATIVE else LOADER
    files = bochs.boot_files(job, loader, smp=smp)
    with bochs.start(lab.folder / "boot", files, smp=smp, model=model) as machine:
        assert vm.run(machine, seconds), f"the guest failed; console: {machine.log_path}"
        active(machine.text)
        return machine.text


@pytest.mark.parametrize("model", ["corei7_haswell_4770", "corei7_icelake_u"])
def test_firmware_goes_on_as_the_guest(lab, model):
    with bochs.start(lab.folder / "boot", bochs.boot_files("", None if NATIVE else LOADER, shell=True), model=model) as machine:
        machine.wait(r"^SHELL UP", 600)
        machine.wait_end(60)  # the shell has switched the machine off
        assert NATIVE or (BANNER.search(machine.text) and "Intel VT-x" in machine.text)


def test_debian(lab):
    text = run(lab, "cpus,region", 1, "corei7_haswell_4770")
    flags = re.search(r"^FLAGS (.*)$", text, re.M).group(1).split()
    assert NATIVE or "vmx" not in flags
    regions = re.findall(r"^REGION (\S+) pages=(\d+) ones=(\d+)", text, re.M)
    assert NATIVE or any(int(ones) >= 1024 for _, _, ones in regions), "no reserved memory reads as ones"


def test_debian_with_two_processors(lab):
    """INITs and start-up IPIs of the firmware, of the kernel and, three times over, of hot-plugging. No reboot: this
    firmware does not come back from a reset on Bochs, natively either (it waits for a timer at a port nobody has set)."""
    text = run(lab, "cpus,hotplug", 2, "corei7_skylake_x")
    assert re.search(r"^CPUS 2", text, re.M)
    assert "JOB hotplug OK" in text
