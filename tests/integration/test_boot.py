"""Debian comes up below Sekisho on any number of processors, however it is started, and sees what it should see."""

import re

import pytest

from conftest import NATIVE


@pytest.mark.parametrize("smp, boot, esp", [(1, "shell", "virtio"), (2, "next", "disk"), (4, "shell", "ahci")])
def test_boots(lab, smp, boot, esp):
    text = lab.boot("cpus,region,hotplug", smp=smp, boot=boot, esp=esp)
    assert re.search(rf"^GUEST UP cpus={smp} disk=/dev/sd[ab]2 ", text, re.M)
    flags = re.search(r"^FLAGS (.*)$", text, re.M).group(1).split()
    assert NATIVE or "vmx" not in flags
    assert "JOB hotplug OK" in text


def test_region_is_invisible(lab):
    """Sekisho's memory is reserved in the memory map, reads as ones, and forgets what is written."""
    text = lab.boot("region", smp=1)
    regions = re.findall(r"^REGION (\S+) pages=(\d+) ones=(\d+)(?: write=(\w+))?", text, re.M)
    hidden = [r for r in regions if int(r[2]) >= 1024]
    assert NATIVE or len(hidden) == 1, f"no reserved memory reads as ones: {regions}"
    assert NATIVE or hidden[0][3] == "vanished"
