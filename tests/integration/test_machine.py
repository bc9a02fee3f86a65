"""What a running system does to its machine: start another kernel, load every processor, keep vector registers."""

import re


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
    assert len(verified) == 4 and sum(map(int, verified)) > 1000
    lab.assert_ciphertext()
