"""The same loader on Intel: Bochs stands in for a machine with VT-x. Each run takes minutes.

The firmware is UEFI; the disk is on IDE, which nothing mediates, so these tests are about the processor alone."""

import re

import bochs
import disk as disks
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
    """INITs and start-up IPIs of the firmware, of the kernel and, three times over, of hot-plugging. The reset at the end
    brings the loader back."""
    image = disks.create(lab.folder / "bochs.img", bochs.DISK_MIB)
    files = bochs.boot_files("cpus,hotplug,reboot", None if NATIVE else LOADER, smp=2)
    with bochs.start(lab.folder / "boot", files, smp=2, image=image) as machine:
        assert vm.run(machine, 900), f"the guest failed; console: {machine.log_path}"
        active(machine.text)
        assert re.search(r"^CPUS 2", machine.text, re.M)
        assert "JOB hotplug OK" in machine.text
        machine.wait("UEFI Interactive Shell", 300)
        assert NATIVE or machine.wait("sekisho: running beneath you", 300)
