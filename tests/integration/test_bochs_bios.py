"""sekisho.elf on Intel: Bochs with its own BIOS, which comes back from a reset. GRUB reads kernel and initrd word by word
through the mediator: most of the minutes that a start takes."""

import bochs
import pytest
import vm

import bios_guest
from conftest import LOADER_BIOS, NATIVE, check_files, seen

IPS = f"tsc_early_khz={bochs.IPS // 1000} disk={bochs.SERIAL} quiet"


@pytest.mark.skipif(NATIVE, reason="there is no hypervisor's memory to look for")
def test_real_mode_guest(intel):
    files = bios_guest.put(intel.image)
    files["sekisho.conf"] = intel.conf(serial=bochs.SERIAL).encode()
    with bochs.start_bios(intel.folder / "boot", intel.image, files, memory=64) as machine:
        machine.wait(r"^END", 300)
        text = machine.text
    bios_guest.check(intel, text)


@pytest.mark.parametrize("smp, boot, jobs", [(2, "grub", "fs,verify"), (1, "modules", "fs,reboot,verify")])
def test_debian(intel, smp, boot, jobs):
    files = vm.bios_files(jobs, None if NATIVE else LOADER_BIOS, intel.conf(serial=bochs.SERIAL), boot, IPS)
    with bochs.start_bios(intel.folder / "boot", intel.image, files, smp=smp, model="corei7_skylake_x",
                          reboot=True) as machine:
        text = intel.finish_bochs(machine)
    assert "reboot" not in jobs or "rebooted=1" in text
    check_files(intel, text)
    seen("Intel VT-x (Bochs) BIOS", "ide", smp, "encrypts, reboots" if "reboot" in jobs else "encrypts")
