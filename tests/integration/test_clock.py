"""The guest's clock goes on, whatever the disk is asked for."""

import re

import pytest

import vm
from conftest import NATIVE

# What runs: the processor's features, how often 8 MiB are written and read, and microseconds that a tick may come late: in
# an exit a slice, of 100 us or of 32 sectors, whichever is longer, and a handler has some exits. Time is that of
# instructions executed, 1 ns each, so it does not matter what else this machine does.
KERNELS = {"aesni": ("max,vaes=off", 4, 400), "portable": ("max,aes=off,vaes=off", 1, 20000)}


@pytest.mark.parametrize("kernel", sorted(KERNELS))
@pytest.mark.parametrize("lab", sorted(vm.MACHINES), indirect=True)
@pytest.mark.skipif(NATIVE, reason="about Sekisho's exits")
def test_the_clock_goes_on(lab, kernel):
    """Megabytes are on their way at once, and no tick of the guest's clock comes late."""
    cpu, times, late = KERNELS[kernel]
    text = lab.boot(f"ticks n={times}", smp=1, extra=["-cpu", cpu, "-icount", "shift=0,sleep=off"], seconds=600)
    assert f"AES-XTS by {kernel}, in slices of " in text
    n, period, gap = map(int, re.search(r"^TICKS (\d+), one every (\d+) us, longest gap (\d+) us", text, re.M).groups())
    assert n > 200, "hardly anything was encrypted"
    assert gap < period + late, f"no tick for {gap} us"
