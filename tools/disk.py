#!/usr/bin/python3
"""The guest's disk: made, given to Sekisho, and read back without Sekisho.

    tools/disk.py create IMAGE [MIB]      a GPT disk: partition 1 FAT (clear), partition 2 for the guest (encrypted)
    tools/disk.py conf IMAGE              the matching sekisho.conf; the key is in IMAGE.key, random per disk
    tools/disk.py decrypt IMAGE OUT       partition 2 as plaintext, decrypted by OpenSSL (python3-cryptography)
    tools/disk.py scan IMAGE              what the raw disk gives away

Partition 2 is covered exactly by one range of sekisho.conf, so it is by itself a Linux `aes-xts-plain64` volume:
    cryptsetup open --type plain --cipher aes-xts-plain64 --key-size 512 --sector-size 512 --key-file KEY PART2 name
"""

import collections
import math
import os
import pathlib
import struct
import subprocess
import sys
import uuid
import zlib

SECTOR = 512
MARKER = b"SEKISHO-PLAINTEXT-MARKER"  # starts every sector the guest's test programs write; see tools/guest/gt.h
SERIAL = "QM00001"
ESP_FIRST, ESP_END = 2048, 100352  # 48 MiB
GUEST_FIRST = ESP_END
TYPE_ESP = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
TYPE_LINUX = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")


def make_bootable(image):
    """Some BIOSes start only a disk with an active partition; the protective one will do."""
    with open(image, "r+b") as f:
        f.seek(446)
        f.write(b"\x80")


def guest_end(image):
    """The first sector after partition 2: the last MiB belongs to the second partition table."""
    return os.path.getsize(image) // SECTOR - 2048


def key_path(image):
    return pathlib.Path(f"{image}.key")


def key_of(image):
    return bytes.fromhex(key_path(image).read_text().strip())


def gpt(n_sectors, parts):
    """Primary and secondary partition table. Source: UEFI Specification 2.10, 5.3 "GUID Partition Table (GPT) Disk
    Layout". parts: (type, first sector, end sector, name)."""
    entries = b""
    for kind, first, end, name in parts:
        entries += kind.bytes_le + uuid.uuid4().bytes_le + struct.pack("<QQQ", first, end - 1, 0)
        entries += name.encode("utf-16-le").ljust(72, b"\0")
    entries = entries.ljust(128 * 128, b"\0")
    disk_id = uuid.uuid4().bytes_le

    def header(own, other, entries_at):
        def pack(crc):
            return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, own, other, 34, n_sectors - 34,
                               disk_id, entries_at, 128, 128, zlib.crc32(entries))
        return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")

    size = min(n_sectors - 1, 0xFFFFFFFF)
    protective = b"\0" * 446 + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xEE, b"\xff\xff\xff", 1, size)
    protective = protective.ljust(510, b"\0") + b"\x55\xaa"
    return (protective + header(1, n_sectors - 1, 2) + entries, entries + header(n_sectors - 1, 1, n_sectors - 33))


def create(image, mib=256, key=None):
    """A new disk with an empty FAT file system on partition 1, and a new key unless one is given."""
    image = pathlib.Path(image)
    n_sectors = mib * 2048
    with open(image, "wb") as f:
        f.truncate(n_sectors * SECTOR)
    primary, secondary = gpt(n_sectors, [(TYPE_ESP, ESP_FIRST, ESP_END, "ESP"),
                                         (TYPE_LINUX, GUEST_FIRST, guest_end(image), "guest")])
    with open(image, "r+b") as f:
        f.write(primary)
        f.seek((n_sectors - 33) * SECTOR)
        f.write(secondary)
    fat_format(f"{image}@@{ESP_FIRST * SECTOR}", ESP_END - ESP_FIRST)
    key_path(image).write_text((key or os.urandom(64)).hex() + "\n")
    return image


def mtool(*argv):
    env = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    subprocess.run([str(a) for a in argv], check=True, env=env, stdout=subprocess.DEVNULL)


def fat_format(where, n_sectors):
    mtool("mformat", "-i", where, "-T", n_sectors, "-h", 64, "-s", 32, "-c", 8, "::")


def fat_put(where, files):
    """Copy files, {path with forward slashes: bytes or Path}, into a FAT file system, making folders."""
    made = set()
    for name, data in files.items():
        folder = ""
        for piece in name.split("/")[:-1]:
            folder += "/" + piece
            if folder not in made:
                made.add(folder)
                subprocess.run(["mmd", "-D", "s", "-i", where, f"::{folder}"], stderr=subprocess.DEVNULL, check=False)
        if isinstance(data, pathlib.Path):
            mtool("mcopy", "-o", "-i", where, data, f"::/{name}")
        else:
            subprocess.run(["mcopy", "-o", "-i", where, "-", f"::/{name}"], input=data, check=True)


def conf(image, boot="", serial=SERIAL):
    """sekisho.conf for this disk. boot: further lines of its [boot] section."""
    return f"""[boot]
console  = serial
on-error = stop
{boot}
[disk "system"]
match    = serial:{serial}
range    = {GUEST_FIRST}..{guest_end(image) - 1} encrypt:system

[key "system"]
source   = hex:{key_of(image).hex()}
"""


def extents(image, first, end):
    """The parts of [first, end), in sectors, that were ever written: the image is a sparse file."""
    with open(image, "rb") as f:
        at, limit = first * SECTOR, end * SECTOR
        while at < limit:
            try:
                start = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                return
            stop = os.lseek(f.fileno(), start, os.SEEK_HOLE)
            start, at = start // SECTOR * SECTOR, stop
            if start < limit:
                yield start // SECTOR, min(stop, limit) // SECTOR


def decrypt(image, out, first=None, end=None, key=None):
    """The guest's partition as plaintext, by OpenSSL; sectors never written stay holes. Returns how many were
    decrypted. AES-XTS, data unit 512 bytes, tweak: the sector counted from the partition's start, little-endian."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # only this function needs it
    first = GUEST_FIRST if first is None else first
    end = guest_end(image) if end is None else end
    aes, n_done = algorithms.AES(key or key_of(image)), 0
    with open(image, "rb") as src, open(out, "wb") as dst:
        dst.truncate((end - first) * SECTOR)
        for start, stop in extents(image, first, end):
            src.seek(start * SECTOR)
            dst.seek((start - first) * SECTOR)
            for sector in range(start, stop):
                data = src.read(SECTOR)
                if data.count(0) != SECTOR:  # a sector of zeros was never written either
                    unit = Cipher(aes, modes.XTS((sector - first).to_bytes(16, "little"))).decryptor()
                    data = unit.update(data) + unit.finalize()
                    n_done += 1
                dst.write(data)
    return n_done


Scan = collections.namedtuple("Scan", "n_bytes n_markers entropy")


def scan(image, first=None, end=None, marker=MARKER):
    """What the guest's partition gives away to who reads the raw disk: bytes written, how often the plaintext marker
    occurs, and the entropy in bits a byte (8.00 for ciphertext)."""
    counts, n_markers, tail = collections.Counter(), 0, b""
    first = GUEST_FIRST if first is None else first
    end = guest_end(image) if end is None else end
    with open(image, "rb") as f:
        for start, stop in extents(image, first, end):
            f.seek(start * SECTOR)
            left = (stop - start) * SECTOR
            tail = b""
            while left:
                data = f.read(min(left, 1 << 20))
                left -= len(data)
                n_markers += (tail + data).count(marker)
                tail = data[-len(marker) + 1:]
                for at in range(0, len(data), SECTOR):
                    sector = data[at:at + SECTOR]
                    if sector.count(0) != SECTOR:
                        counts.update(sector)
    total = sum(counts.values())
    entropy = -sum(n / total * math.log2(n / total) for n in counts.values()) if total else 0.0
    return Scan(total, n_markers, entropy)


def main(argv):
    if len(argv) >= 2 and argv[0] == "create":
        create(argv[1], int(argv[2]) if len(argv) > 2 else 256)
    elif len(argv) == 2 and argv[0] == "conf":
        print(conf(argv[1]), end="")
    elif len(argv) == 3 and argv[0] == "decrypt":
        print(f"{decrypt(argv[1], argv[2])} sectors decrypted")
    elif len(argv) == 2 and argv[0] == "scan":
        found = scan(argv[1])
        print(f"{found.n_bytes} bytes written, {found.entropy:.4f} bits a byte, plaintext marker {found.n_markers} times")
    else:
        print(__doc__.strip())
        return 0 if argv and argv[0] in ("-h", "--help") else 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
