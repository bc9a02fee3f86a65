"""Told something wrong, Sekisho says what, and starts nothing unless it was told to."""

import pytest

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
