"""The 16-bit guest of tests/guests/bios on a disk that GRUB starts: below Sekisho when it is started again."""

import os
import pathlib
import re
import struct

import conftest
import disk as disks
import grub
from expected import passed

IMAGE = pathlib.Path(os.environ.get("SEKISHO_GUESTS") or conftest.ROOT / "build/tests/guests") / "bios.img"
LBA = 1400  # in the gap before partition 1, behind GRUB
PARAMETERS = 0x180 + 8  # where it lies, and where it may write; see boot.S there
CLEAR = 1999
N_WRITTEN = 64
MUST_PASS = {
    "E820h answers", "E820h is sorted and disjoint", "E820h, 20 bytes", "E820h, 19 bytes",
    "E820h, beyond the end", "E820h, no signature", "what is not about memory goes to the BIOS", "12h and E820h agree",
    "E801h", "88h", "the region reads as ones", "and forgets", "A20 is on", "13h writes", "13h reads what was written",
    "several sectors at a time", "13h, clear", "13h by cylinder, head and sector", "15h moves memory"}


def put(image, modules=()):
    """The guest on the disk. Returns the files that make GRUB start it, for the machine's start_bios(). modules: further
    (file, line) pairs for sekisho.elf."""
    assert IMAGE.exists(), f"{IMAGE} is not built"
    data = bytearray(IMAGE.read_bytes())
    assert LBA * disks.SECTOR + len(data) <= CLEAR * disks.SECTOR
    struct.pack_into("<QII", data, PARAMETERS, LBA + 1, disks.GUEST_FIRST, CLEAR)
    with open(image, "r+b") as f:
        f.seek(LBA * disks.SECTOR)
        f.write(data)
    loader = None if conftest.NATIVE else conftest.LOADER_BIOS
    files = {"grub/grub.cfg": grub.menu([f"chainloader (hd0){LBA}+1"], loader and "sekisho.elf",
                                        [("sekisho.conf", "sekisho.conf"), *modules]).encode()}
    if loader:
        assert loader.exists(), f"{loader} is not built"
        files["sekisho.elf"] = loader
    return files


def sectors(lab, lba, n):
    return struct.unpack(f"<{n * 128}I", lab.clear_bytes(lba, n))


def check(lab, text):
    """What it printed, and what it wrote: by OpenSSL where it is encrypted."""
    text = text.replace("\r", "")
    assert not re.findall(r"^FAIL .*", text, re.M)
    assert passed(text) == MUST_PASS
    plain = lab.plaintext().read_bytes()[:N_WRITTEN * disks.SECTOR]
    words = struct.unpack(f"<{N_WRITTEN * 128}I", plain)
    assert words == tuple(s * 1000 + i for s in range(N_WRITTEN) for i in range(128))
    assert sectors(lab, CLEAR, 1) == tuple(4711 * 1000 + i for i in range(128))
    assert not set(sectors(lab, disks.GUEST_FIRST, N_WRITTEN)) & {0, 1, 1000, 63001}
