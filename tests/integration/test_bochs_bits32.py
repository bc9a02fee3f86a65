"""Debian for i386 below Sekisho on Intel, started by GRUB; see test_bits32.py and test_bochs_bios.py."""

import re

import bochs
import vm

from conftest import LOADER_BIOS, NATIVE, check_files, seen
from test_bochs_bios import IPS

MODEL = "corei7_skylake_x"


def test_uefi(intel):
    text = intel.boot_bochs("cpus,fs,verify", 1, MODEL, arch="i386")
    assert re.search(r"^CPUS 1 i686", text, re.M)
    check_files(intel, text)
    seen("Intel VT-x (Bochs)", "ide", "32-bit", "encrypts")


def test_bios(intel):
    files = vm.bios_files("cpus,fs,reboot,verify", None if NATIVE else LOADER_BIOS, intel.conf(serial=bochs.SERIAL), "modules",
                          IPS, arch="i386")
    with bochs.start_bios(intel.folder / "boot", intel.image, files, smp=2, model=MODEL, reboot=True) as machine:
        text = intel.finish_bochs(machine)
    assert re.search(r"^CPUS 2 i686", text, re.M) and "rebooted=1" in text
    check_files(intel, text)
    seen("Intel VT-x (Bochs) BIOS", "ide", "32-bit", "encrypts, reboots")
