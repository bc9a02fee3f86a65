"""Told something wrong, or on a machine that cannot carry it, Sekisho says so in one sentence, and starts nothing unless
it was told to."""

import time

import pytest

import refusal
import vm
from conftest import NATIVE

pytestmark = pytest.mark.skipif(NATIVE, reason="about Sekisho's own messages")


def broken(lab, policy):
    conf = lab.conf().replace("on-error = stop", f"on-error = {policy}")
    return conf.replace("range    = ", "ragne    = ", 1)


def test_wrong_configuration_stops(lab):
    conf = broken(lab, "stop")
    shown = conf.replace("[boot]\n", "[boot]\n\n\n", 1).splitlines()  # vm.boot_files adds two lines here
    line = shown.index(next(x for x in shown if x.startswith("ragne"))) + 1
    with lab.start("cpus", conf=conf) as machine:
        assert vm.run(machine, until=rf"sekisho\.conf:{line}: ")
        with pytest.raises(vm.Timeout):
            machine.wait("GUEST UP", 20)


def test_wrong_configuration_boots_unprotected_if_told(lab):
    with lab.start("cpus", conf=broken(lab, "boot-unprotected")) as machine:
        assert vm.run(machine, until=r"sekisho\.conf:\d+: ")
        assert vm.run(machine)


@pytest.mark.parametrize("cpu, memory, sentence", [
    ("max,-svm", 512, "no supported virtualisation in this processor"),
    ("max,-npt", 512, "this processor has SVM but no nested paging"),
    ("max,-pdpe1gb", 512, "this processor has no 1 GiB pages"),
    ("max", 64, "the firmware has no contiguous memory below 4 GiB for the hypervisor"),
], ids=["no SVM", "no nested paging", "no 1 GiB pages", "too little memory"])
def test_machine_that_cannot(lab, cpu, memory, sentence):
    with vm.start(lab.folder / "boot", lab.image, refusal.files(), smp=1, memory=memory, cpu=cpu) as machine:
        machine.wait("any other key to continue", 120)
        machine.send("\r")
        refusal.follow(machine, sentence, 60)
        while machine.reader.is_alive() and time.monotonic() < machine.start + 300:
            machine.send(" ")  # one that comes before the program waits for it is thrown away
            time.sleep(1)
        machine.wait_end(1)
