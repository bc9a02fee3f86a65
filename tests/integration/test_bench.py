"""tests/bench/run measures what it says: one cheap boot below Sekisho, its counts held against what the guest did."""

import sys

import pytest

from conftest import NATIVE, ROOT

sys.path.insert(0, str(ROOT / "tests/bench"))

import machine  # noqa: E402
import report  # noqa: E402

N_READS = 2048  # guest/disk.c, whatever the depth


@pytest.mark.skipif(NATIVE, reason="about the hypervisor's cost")
def test_counts():
    rows = report.merge(machine.boot("smoke", "integer,depth:2", machine.conf(32), smp=2).rows)
    loop, reads = rows["integer loop"], rows["depth 2"]
    assert 2.2e8 <= loop["insns"] < 2.4e8, "20,000,000 rounds of eleven instructions, and little else"
    assert len(loop["cpus"]) == 2
    for row in (loop, reads):  # the other processor does not wait while the counts are read: one exit may be between
        assert abs(sum(n for n, _ in row["causes"].values()) - row["exits"]) <= 1
        assert abs(sum(insns for _, insns in row["causes"].values()) - row["host"]) <= 0.01 * row["host"] + 10000
        assert 0 <= row["host"] < row["insns"]
    assert loop["host"] < 0.01 * loop["insns"]
    exits, insns = reads["causes"]["AHCI register"]
    assert exits >= N_READS and insns > N_READS * (4096 / 16 * 10), "each read is decrypted in one of these exits"
    accesses = sum(n for key, (n, _, _) in reads["io"].items() if report.register_name(key) == "write PxCI")
    assert accesses == N_READS, "and Sekisho gives each to the disk, once"
    assert "AHCI register" in report.causes_table([("x", reads)])
