"""Debian for i386 below Sekisho in QEMU. 64-bit UEFI firmware cannot start a 32-bit kernel by itself: GRUB does, after
which the kernel has no EFI runtime services, and switches off and restarts the machine all the same."""

import re

import pytest

import vm
from conftest import NATIVE, check_files, seen

JOBS = "cpus,region,fs,reboot,verify,clear"


def check(lab, text, machine):
    assert re.search(r"^CPUS 2 i686", text, re.M) and "rebooted=1" in text
    regions = re.findall(r"^REGION \S+ pages=(\d+) ones=\1 write=vanished", text, re.M)
    assert NATIVE or regions == ["4096"]
    check_files(lab, text)
    seen(machine, lab.bus, "32-bit", "encrypts, reboots")


@pytest.mark.parametrize("lab", sorted(vm.MACHINES), indirect=True)
def test_uefi(lab):
    text = lab.boot(JOBS, boot="next", esp="disk", arch="i386")
    assert "efi: No EFI runtime due to 32/64-bit mismatch" in text
    check(lab, text, "AMD SVM (QEMU)")


@pytest.mark.parametrize("lab, boot", [("ahci", "modules"), ("ide", "grub")], indirect=["lab"])
def test_bios(lab, boot):
    check(lab, lab.boot_bios(JOBS, boot=boot, arch="i386"), "AMD SVM (QEMU) BIOS")
