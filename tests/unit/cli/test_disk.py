"""sekisho disk: on files, with OpenSSL as the oracle; killed at random moments, too."""

import fcntl
import os
import random
import signal
import subprocess
import time

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from command import CHEAP, SEKISHO, Terminal, good, refused, run

SECTOR, MIB = 512, 1 << 20
KEY = bytes(range(100, 164))
CHUNK = 8 * MIB


def xts(data, encrypt=True, first=0, key=KEY):
    """Whole sectors, by OpenSSL."""
    out = bytearray()
    for at in range(0, len(data), SECTOR):
        mode = modes.XTS((first + at // SECTOR).to_bytes(16, "little"))
        cipher = Cipher(algorithms.AES(key), mode)
        worker = cipher.encryptor() if encrypt else cipher.decryptor()
        out += worker.update(data[at:at + SECTOR]) + worker.finalize()
    return bytes(out)


class Disk:
    """An image with a file system's signature, zeros in most places and text in some; its key; its journal."""

    def __init__(self, folder, n_bytes=9 * MIB + SECTOR):
        self.path, self.key, self.journal = folder / "disk", folder / "key", folder / "key.journal"
        self.key.write_bytes(KEY)
        data = bytearray(n_bytes)
        data[0x438:0x43a] = b"\x53\xef"
        for at in range(5000, n_bytes - 64, 700001):
            data[at:at + 40] = b"%-40d" % at
        data[-10:] = b"at the end"
        self.plain = bytes(data)
        self.path.write_bytes(data)

    def options(self):
        return (self.path, "--volume-key-file", self.key)

    def places(self):
        """Sectors worth looking at: beginning, end, borders of chunks, and some others."""
        n = len(self.plain) // SECTOR
        chosen = {0, 1, 2, n - 1, *random.Random(1).sample(range(n), min(n, 50))} & set(range(n))
        for border in range(0, n, CHUNK // SECTOR):
            chosen |= {border, max(border - 1, 0)}
        return sorted(chosen)

    def is_encrypted(self, everywhere=False):
        data = self.path.read_bytes()
        assert len(data) == len(self.plain)
        if everywhere:
            return data == xts(self.plain)
        return all(data[s * SECTOR:(s + 1) * SECTOR] == xts(self.plain[s * SECTOR:(s + 1) * SECTOR], first=s)
                   for s in self.places())

    def is_plain(self):
        return self.path.read_bytes() == self.plain


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


def test_there_and_back(disk):
    good("disk", "encrypt", *disk.options())
    assert disk.is_encrypted(everywhere=True) and not disk.journal.exists()
    good("disk", "decrypt", *disk.options())
    assert disk.is_plain() and not disk.journal.exists()


@pytest.mark.parametrize("n_bytes", [SECTOR, 3 * SECTOR, CHUNK, CHUNK + SECTOR, 2 * CHUNK])
def test_sizes(tmp_path, n_bytes):
    disk = Disk(tmp_path, max(n_bytes, 2 * SECTOR))
    disk.plain = disk.plain[:n_bytes]
    disk.path.write_bytes(disk.plain)
    good("disk", "encrypt", *disk.options())
    assert disk.is_encrypted()
    good("disk", "decrypt", *disk.options(), "--force")
    assert disk.is_plain()


def test_with_a_header(disk, tmp_path):
    header = tmp_path / "system.luks"
    good("luks", "format", header, *CHEAP, "--volume-key-file", disk.key, typed=b"one\n")
    assert "opens none" in refused("disk", "encrypt", disk.path, "--header", header, typed=b"two\n")
    good("disk", "encrypt", disk.path, "--header", header, typed=b"one\n")
    assert disk.is_encrypted()
    (tmp_path / "secret").write_bytes(b"one")
    assert "ext4" in good("disk", "verify", disk.path, "--header", header, "--key-file", tmp_path / "secret")
    good("disk", "decrypt", disk.path, "--header", header, "--key-file", tmp_path / "secret")
    assert disk.is_plain()


def killed_after(seconds, *argv, sign=signal.SIGKILL):
    """Its exit code, negative if the signal found it running; and what it said."""
    process = subprocess.Popen([SEKISHO, *map(str, argv)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(seconds)
    process.send_signal(sign)
    said = process.communicate()[1].decode()
    return process.returncode, said


def duration(disk):
    """Of a whole conversion, in seconds; the disk is plaintext again."""
    began = time.monotonic()
    good("disk", "encrypt", *disk.options())
    seconds = time.monotonic() - began
    disk.path.write_bytes(disk.plain)
    return seconds


def killed_there_and_back(disk, plain, delay):
    """Encrypted and decrypted, killed as often as it takes; then all of it is compared. How often it was killed."""
    kills = 0
    for action in ("encrypt", "decrypt"):
        for _ in range(60):
            code, said = killed_after(delay(), "disk", action, *disk.options())
            if code == 0 or (code == 1 and "already" in said):  # the last one was killed when all was done
                break
            assert code == -signal.SIGKILL, said
            kills += 1
        else:
            good("disk", action, *disk.options())
        if action == "encrypt":
            assert disk.is_encrypted()
            assert "is equal to" in good("disk", "verify", *disk.options(), "--against", plain)
    assert disk.is_plain() and not disk.journal.exists()
    return kills


@pytest.mark.parametrize("seed", range(4))
def test_killed(tmp_path, seed):
    """A sparse disk of 64 MiB. How long it takes varies: sooner, if it was always done before."""
    disk, chance, kills = Disk(tmp_path, 64 * MIB), random.Random(seed), 0
    whole = duration(disk)
    plain = tmp_path / "plain"
    plain.write_bytes(disk.plain)
    while kills < 2 and whole > 0.001:
        kills += killed_there_and_back(disk, plain, lambda: chance.uniform(0.1, 0.7) * whole)
        whole /= 2
    assert kills >= 2


def half_done(disk):
    """Encrypted in part, by chance; stopped in the way Ctrl-C does."""
    for n in range(1, 300):
        code, said = killed_after(n % 100 * 0.01, "disk", "encrypt", *disk.options(), sign=signal.SIGINT)
        if code == 1 and not disk.is_plain():
            return
        if code == 0:  # too late
            disk.path.write_bytes(disk.plain)
        else:
            assert code in (1, -signal.SIGINT), said
    raise AssertionError("it could not be stopped")


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    disk = Disk(tmp_path_factory.mktemp("half"), 64 * MIB)
    half_done(disk)
    return disk


def test_a_journal_is_for_one_conversion(half, tmp_path):
    data, journal = half.path.read_bytes(), half.journal.read_bytes()
    assert "not finished" in refused("disk", "verify", *half.options())
    assert "opposite" in refused("disk", "decrypt", *half.options())
    other = Disk(tmp_path, 64 * MIB)
    other.path.write_bytes(b"another" + other.plain[7:])
    assert "another disk" in refused("disk", "encrypt", *other.options(), "--journal", half.journal)
    assert other.path.read_bytes()[7:] == other.plain[7:]
    other.path.write_bytes(data)
    other.key.write_bytes(KEY[::-1])
    assert "another volume key" in refused("disk", "encrypt", *other.options(), "--journal", half.journal)
    assert "another size" in refused("disk", "encrypt", *Disk(tmp_path).options(), "--journal", half.journal)
    assert (half.path.read_bytes(), half.journal.read_bytes()) == (data, journal)
    code, _, err = run("disk", "encrypt", *half.options())
    assert code == 0 and "going on at" in err
    assert half.is_encrypted()


def test_not_a_journal(disk, tmp_path):
    letter = tmp_path / "letter"
    for text in (b"dear friend,\n", bytes(100) + b"x", os.urandom(3 * CHUNK)):
        letter.write_bytes(text)
        assert "journal" in refused("disk", "encrypt", *disk.options(), "--journal", letter)
        assert letter.read_bytes() == text
    letter.write_bytes(os.urandom(2 * (4096 + CHUNK)))
    assert "journal is damaged" in refused("disk", "encrypt", *disk.options(), "--journal", letter)
    letter.write_bytes(bytes(1000))  # one that was being made
    assert disk.is_plain()
    good("disk", "encrypt", *disk.options(), "--journal", letter)
    assert disk.is_encrypted() and not letter.exists()


def test_refusals(disk, tmp_path):
    assert "neither a disk nor a file" in refused("disk", "encrypt", tmp_path, "--volume-key-file", disk.key)
    assert "No such file" in refused("disk", "encrypt", tmp_path / "nothing", "--volume-key-file", disk.key)
    for n_bytes, why in ((0, "smaller than a sector"), (511, "smaller than a sector"), (1000, "no multiple")):
        (tmp_path / "small").write_bytes(bytes(n_bytes))
        assert why in refused("disk", "encrypt", tmp_path / "small", "--volume-key-file", disk.key)
    refused("disk", "encrypt", disk.path, code=2)
    refused("disk", "encrypt", *disk.options(), "--header", disk.key, code=2)
    refused("disk", "encrypt", *disk.options(), "--key-file", disk.key, code=2)
    (tmp_path / "short").write_bytes(b"short")
    assert "volume key" in refused("disk", "encrypt", disk.path, "--volume-key-file", tmp_path / "short")
    assert disk.is_plain() and not disk.journal.exists()


def mounted_disk():
    """The partition the root file system is on, if it is one that can be seen here."""
    for line in open("/proc/self/mountinfo", encoding="utf-8"):
        source = line.split(" - ")[1].split()[1]
        if source.startswith("/dev/") and os.path.exists(source):
            return source
    return None


@pytest.mark.skipif(not mounted_disk(), reason="no mounted disk can be seen here")
def test_mounted(disk):
    assert "it is mounted" in refused("disk", "encrypt", mounted_disk(), "--volume-key-file", disk.key)


def test_twice_is_noticed(disk):
    good("disk", "encrypt", *disk.options())
    assert "encrypted with this key already" in refused("disk", "encrypt", *disk.options())
    disk.key.write_bytes(KEY[::-1])
    assert "holds nothing that is known" in refused("disk", "decrypt", *disk.options())
    disk.path.write_bytes(disk.plain)
    assert "decrypted already: it holds ext" in refused("disk", "decrypt", *disk.options())
    disk.path.write_bytes(xts(disk.plain))
    assert disk.is_encrypted() and not disk.journal.exists()


def test_one_at_a_time(disk):
    with open(disk.path, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_SH)
        assert "another program" in refused("disk", "encrypt", *disk.options())
    assert disk.is_plain()


def test_verify(disk, tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(disk.plain)
    code, out, _ = run("disk", "verify", *disk.options())
    assert code == 1 and "nothing that is known" in out and "do not look like ciphertext, the first from sector 0" in out
    good("disk", "encrypt", *disk.options())
    assert good("disk", "verify", *disk.options()) == ("decrypted, it holds ext2, ext3 or ext4\n"
                                                        "all of it looks like ciphertext\n")
    assert "is equal to" in good("disk", "verify", *disk.options(), "--against", plain)
    with open(disk.path, "r+b") as f:
        f.seek(5 * MIB + 3)
        f.write(b"?")
    code, out, _ = run("disk", "verify", *disk.options(), "--against", plain)
    assert code == 1 and f"first in sector {5 * MIB // SECTOR}\n" in out and "looks like ciphertext" in out
    with open(disk.path, "r+b") as f:
        f.seek(6 * MIB)
        f.write(bytes(65536))
    code, out, _ = run("disk", "verify", *disk.options())
    assert code == 1 and f"1 pieces of 64 KiB do not look like ciphertext, the first from sector {6 * MIB // SECTOR}\n" in out
    plain.write_bytes(b"short")
    assert "not as long" in refused("disk", "verify", *disk.options(), "--against", plain)


def test_asks(disk):
    terminal = Terminal("disk", "encrypt", *disk.options())
    terminal.answer("holds ext2, ext3 or ext4. Encrypt all of it in place? Type yes: ", "no")
    assert terminal.end() == 1 and "nothing was done" in terminal.seen
    assert disk.is_plain() and not disk.journal.exists()
    terminal = Terminal("disk", "encrypt", *disk.options())
    terminal.answer("Type yes: ", "yes")
    assert terminal.end() == 0 and "encrypt [....." in terminal.seen
    assert disk.is_encrypted()
    terminal = Terminal("disk", "decrypt", *disk.options(), "--yes")
    assert terminal.end() == 0
    assert disk.is_plain()
