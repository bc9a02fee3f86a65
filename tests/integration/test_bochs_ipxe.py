"""The same on Intel: iPXE in the ROM of Bochs's network card; kernel and initrd over the network. Not with UEFI firmware: there
iPXE gets an address on Bochs and then waits for ever, before anything of ours runs."""

import re

import bochs
import pytest

import network
from conftest import NATIVE, check_files, seen


@pytest.mark.skipif(NATIVE, reason="about how Sekisho is started")
@pytest.mark.parametrize("arch", ["amd64", "i386"])
def test_kernel_over_the_network(intel, arch):
    jobs = "cpus,fs,reboot,verify" if arch == "amd64" else "cpus,fs,verify"
    folder = network.fill(intel.folder / "site", intel.image, f"tsc_early_khz={bochs.IPS // 1000} disk={bochs.SERIAL} quiet "
                          f"job={jobs}", intel.conf(serial=bochs.SERIAL), arch)
    with network.Network(folder, "network.ipxe") as net, \
            bochs.start(intel.folder / "boot", {"empty": b""}, image=intel.image, firmware=bochs.BIOS, reboot=True,
                        network=(network.TAP, network.MAC), prefix=net.prefix) as machine:
        text = intel.finish_bochs(machine)
    assert "reboot" not in jobs or "rebooted=1" in text
    assert re.search(f"^CPUS 1 {'i686' if arch == 'i386' else 'x86_64'}", text, re.M)
    check_files(intel, text)
    seen("Intel VT-x (Bochs) iPXE BIOS", "ide", "1" if arch == "amd64" else "32-bit", "encrypts, reboots" if "reboot" in jobs else "encrypts")
