"""What a running system does to its machine: start another kernel, load every processor, keep vector registers."""

import re

import pytest

import vm
from conftest import NATIVE


def test_kexec(lab):
    """A second kernel, started without the firmware, takes over all processors and finds the encrypted disk."""
    text = lab.boot("fs,kexec,cpus,verify", smp=2)
    assert "kexeced=1" in text
    assert re.findall(r"^CPUS (\d+)", text, re.M) == ["2"]
    assert "JOB verify OK" in text
    lab.assert_ciphertext()


def test_vector_registers_and_load(lab):
    """Registers keep their values through disk commands on every processor; random commands of every size and memory
    layout return what was written."""
    text = lab.boot("vecreg,stress", smp=4, append="quiet seconds=8")
    rounds = re.findall(r"^VECREG cpu=\d+ rounds=(\d+) wrong=0", text, re.M)
    assert len(rounds) == 4 and sum(map(int, rounds)) > 100
    verified = re.findall(r"^STRESS .* verified_sectors=(\d+) wrong=0", text, re.M)
    assert len(verified) == 4 and sum(map(int, verified)) > 200  # a loaded machine had 873
    lab.assert_ciphertext()


@pytest.mark.skipif(NATIVE, reason="about what Sekisho refuses")
def test_no_sleep(lab):
    """Debian asks for S3, which would end outside the hypervisor: the machine goes on running. (That power-off passes is
    what every other job ends with.)"""
    with lab.start("shell", append="quiet no_console_suspend") as machine:
        assert vm.run(machine)
        assert "sleep is NOT guarded" not in machine.text
        machine.send("cat /sys/power/mem_sleep\n")
        machine.wait(r"\[deep\]", 20)  # S3 is offered
        machine.send("echo mem > /sys/power/state\n")
        machine.wait("sekisho: sleep refused", 60)
        assert "running" in machine.monitor("info status")
        machine.kill()
