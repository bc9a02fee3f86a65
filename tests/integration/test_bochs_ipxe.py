"""The same on Intel: iPXE in the ROM of Bochs's network card, or started by the UEFI shell; kernel and initrd over the network."""

import re

import bochs
import pytest

import network
from conftest import NATIVE, RUNS, Lab, check_files, seen


@pytest.fixture
def intel(request):
    return Lab(RUNS / re.sub(r"\W+", "-", f"bochs-{request.node.name}").strip("-"), mib=bochs.DISK_MIB)


@pytest.mark.skipif(NATIVE, reason="about how Sekisho is started")
@pytest.mark.parametrize("firmware", ["UEFI", "BIOS"])
def test_kernel_over_the_network(intel, firmware):
    options = {"firmware": bochs.BIOS, "reboot": True} if firmware == "BIOS" else {}
    jobs = "fs,reboot,verify" if firmware == "BIOS" else "fs,verify"
    folder = network.fill(intel.folder / "site", intel.image, f"tsc_early_khz={bochs.IPS // 1000} disk={bochs.SERIAL} quiet "
                          f"job={jobs}", intel.conf(serial=bochs.SERIAL))
    files = {"ipxe.efi": folder / "ipxe.efi", "startup.nsh": b"@echo -off\r\nfs0:\r\nipxe.efi\r\n"}
    with network.Network(folder, "network.ipxe") as net, \
            bochs.start(intel.folder / "boot", files, image=intel.image, network=(network.TAP, network.MAC),
                        prefix=net.prefix, **options) as machine:
        text = intel.finish_bochs(machine)
    assert firmware == "UEFI" or "rebooted=1" in text
    check_files(intel, text)
    seen(f"Intel VT-x (Bochs) iPXE {firmware}", "ide", 1, "encrypts" if firmware == "UEFI" else "encrypts, reboots")
