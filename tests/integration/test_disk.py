"""The guest's disk is ciphertext, is right for the guest, and is right for an implementation that is not ours."""

import os
import re
import uuid

import pytest

import disk as disks
import vm
from conftest import NATIVE, check_files, host, seen

pytestmark = pytest.mark.parametrize("lab", sorted(vm.MACHINES), indirect=True)


@pytest.mark.parametrize("smp", [1, 2])
def test_files_survive_and_are_encrypted(lab, smp):
    """A file system made, filled, checked over a real reboot."""
    text = lab.boot("fs,reboot,verify,clear", smp=smp)
    assert "rebooted=1" in text
    check_files(lab, text)
    seen("AMD SVM (QEMU)", lab.bus, smp, "encrypts, reboots")


def test_ranges_end_where_they_should(lab):
    """Sectors before the encrypted range stay clear; the first and the last of the range are encrypted."""
    lab.boot("clear,edges", smp=1)
    assert lab.clear_bytes(128, 16).count(disks.MARKER) == 16
    last = disks.guest_end(lab.image)
    ends = lab.clear_bytes(disks.GUEST_FIRST, 9) + lab.clear_bytes(last - 3, 3)
    assert NATIVE or disks.MARKER not in ends
    plain = lab.plaintext().read_bytes()
    assert plain[:9 * disks.SECTOR].count(disks.MARKER) == 9
    assert plain[-3 * disks.SECTOR:].count(disks.MARKER) == 3


@pytest.mark.skipif(NATIVE, reason="there is no key")
def test_key_file(lab):
    """The key as a file beside the configuration, as cryptsetup would take it."""
    conf = re.sub(r"hex:\w+", "file:system.key", lab.conf())
    text = lab.boot("fs,verify", conf=conf, more={"system.key": disks.key_of(lab.image)})
    assert "good for development only" not in text
    check_files(lab, text)


def of_partition(lab, name):
    return re.sub(r"range    = \S+", f"range = partition:{name}", lab.conf())


@pytest.mark.skipif(NATIVE, reason="about Sekisho's ranges")
@pytest.mark.parametrize("by", ["number", "GUID"])
def test_range_of_a_partition(lab, by):
    """The partition table on the disk says where the range is, and the log says what it said."""
    with open(lab.image, "rb") as f:
        f.seek(2 * disks.SECTOR + 128 + 16)  # of the second entry: its own identity
        guid = uuid.UUID(bytes_le=f.read(16))
    text = lab.boot("fs,verify,clear", conf=of_partition(lab, 2 if by == "number" else str(guid).upper()))
    assert re.search(rf"^sekisho: partition 2.*{disks.GUEST_FIRST}\D.*{disks.guest_end(lab.image) - 1}\b", text, re.M)
    check_files(lab, text)


@pytest.mark.skipif(NATIVE, reason="about Sekisho's ranges")
def test_no_such_partition(lab):
    with lab.start("cpus", conf=of_partition(lab, 9)) as machine:
        machine.wait(r"not started: .*sekisho.conf:\d+: .*partition", 60)


@pytest.mark.skipif(NATIVE, reason="about Sekisho's policy")
def test_read_only_and_denied_ranges(lab):
    """The guest gets errors where the policy says so, the medium is not touched there, and all else goes on."""
    end = disks.guest_end(lab.image)
    kept = os.urandom(2048 * disks.SECTOR)
    with open(lab.image, "r+b") as f:
        f.seek((end - 2048) * disks.SECTOR)
        f.write(kept)
    conf = lab.conf().replace(f"..{end - 1} encrypt", f"..{end - 2049} encrypt")
    conf = conf.replace("range    = ", f"range = {end - 2048}..{end - 1025} read-only\n"
                        f"range = {end - 1024}..{end - 1} deny\nrange    = ", 1)
    lab.boot("policy,raw", conf=conf)
    assert lab.clear_bytes(end - 2048, 2048) == kept


def test_power_cut_loses_nothing_flushed(lab):
    """kill -9 of the machine in mid-write: every record the guest reported as flushed is on the disk."""
    with lab.start("mwrite") as machine:
        assert vm.run(machine, until=r"^MWRITE 0\r?$")
        while int(machine.wait(r"^MWRITE (\d+)\r?$", 60).group(1)) < 150:
            pass
        machine.kill()
        last = int(re.findall(r"^MWRITE (\d+)\r?$", machine.text, re.M)[-1])

    lab.assert_ciphertext()
    plain = lab.plaintext()
    host("/bin/sh", "-c", f"/sbin/e2fsck -f -y {plain}; test $? -le 1")  # replays the journal
    out = lab.folder / "records"
    host("/sbin/debugfs", "-R", f"dump records {out}", plain)
    data = out.read_bytes()
    for record in range(last + 1):
        for s in range(record * 8, record * 8 + 8):
            sector = data[s * disks.SECTOR:(s + 1) * disks.SECTOR]
            assert sector.startswith(disks.MARKER + b" sector=%016x generation=00000002 " % s), f"record {record} is lost"
