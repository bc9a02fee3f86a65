"""Told something wrong, Sekisho says what, and starts nothing unless it was told to."""

import pytest

import vm
from conftest import NATIVE

pytestmark = pytest.mark.skipif(NATIVE, reason="about Sekisho's own messages")


def follow(machine, pattern, seconds=120):
    while True:
        found = machine.wait(rf"any other key to continue|Shell> |{pattern}", seconds)
        if not found.group(0).startswith(("any other", "Shell>")):
            return found
        machine.send("\r")


def broken(lab, policy):
    conf = lab.conf().replace("on-error = stop", f"on-error = {policy}")
    return conf.replace("range    = ", "ragne    = ", 1)


def test_wrong_configuration_stops(lab):
    conf = broken(lab, "stop")
    line = conf.splitlines().index(next(x for x in conf.splitlines() if x.startswith("ragne"))) + 3  # two lines are added
    with lab.start("cpus,poweroff", conf=conf) as machine:
        found = follow(machine, r"sekisho\.conf:(\d+): .*|GUEST UP")
        assert found.group(1) == str(line), found.group(0)
        with pytest.raises(vm.Timeout):
            machine.wait("GUEST UP", 20)


def test_wrong_configuration_boots_unprotected_if_told(lab):
    with lab.start("cpus,poweroff", conf=broken(lab, "boot-unprotected")) as machine:
        follow(machine, r"sekisho\.conf:\d+: .*")
        assert vm.run(machine)
