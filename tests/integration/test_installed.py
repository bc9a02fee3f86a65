"""An installed Debian, encrypted where it lies and taken out of it again: by the command that people use, with keyslots in a
LUKS header on its EFI system partition. Below Sekisho, GRUB reads its modules, its menu and the kernel from the encrypted root
file system. A Debian that knows nothing of Sekisho opens the same disk with its kernel's dm-crypt."""

import hashlib
import os
import random
import re

import pytest

import disk as disks
import installed
import luks
import vm
from conftest import LOADER, NATIVE, host

pytestmark = pytest.mark.skipif(NATIVE, reason="about a disk that only Sekisho can read")

CLI = LOADER.with_name("sekisho")
FIRST, SECOND = "Correct horse 27", "zw\u00f6lf Pferde"
PROMPT = r"sekisho: passphrase for key system \(Esc: give up\): "
TEXT = "travellers of the barrier station, page after page"
CONF = """\
[boot]
next     = \\EFI\\debian\\grubx64.efi
console  = serial
on-error = stop

[disk "system"]
match    = serial:QM00001
range    = partition:2 encrypt:system

[key "system"]
source   = luks:system.luks
unlock   = passphrase
"""
# What occurs in any Debian.
KNOWN = [b"/lib64/ld-linux-x86-64.so.2", b"Debian GNU/Linux", b"GRUB Environment Block"]
# What a Debian changes when it runs.
CHANGES = re.compile(r"boot/grub/grubenv|var/(log|lib/systemd|lib/apt|cache)/.*")


def checksum(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "blake2b").hexdigest()


def sekisho(*argv):
    return host(CLI, *argv)


def make_header(folder):
    """A LUKS2 header with a new volume key in two keyslots; the header, the volume key as cryptsetup reads it."""
    header, key, first, second = (folder / name for name in ("system.luks", "volume.key", "first", "second"))
    first.write_text(FIRST)
    second.write_text(SECOND)
    cost = ("--pbkdf-memory", 65536, "--iter-time", 300)
    sekisho("luks", "format", *cost, "--key-file", first, header)
    sekisho("luks", "add", *cost, "--key-file", first, "--new-key-file", second, header)
    text = host(luks.CRYPTSETUP, "luksDump", header)
    assert re.findall(r"^  (\d+): luks2", text, re.M) == ["0", "1"]
    assert re.search(r"cipher: aes-xts-plain64\n\s*sector: 512 ", text)
    host(luks.CRYPTSETUP, "luksDump", "--batch-mode", "--dump-volume-key", "--key-file", second, "--volume-key-file", key,
         header)
    return header, key.read_bytes()


def is_aes_xts_plain64(plain, encrypted, key):
    """Sectors of both files, some of them chosen by chance, compared by OpenSSL."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    n = plain.stat().st_size // disks.SECTOR
    with open(plain, "rb") as p, open(encrypted, "rb") as e:
        for sector in (0, 1, n - 1, *random.sample(range(n), 2000)):
            p.seek(sector * disks.SECTOR)
            e.seek(sector * disks.SECTOR)
            unit = Cipher(algorithms.AES(key), modes.XTS(sector.to_bytes(16, "little"))).encryptor()
            if unit.update(p.read(disks.SECTOR)) != e.read(disks.SECTOR):
                return False
    return True


def known_strings(path, strings):
    data = path.read_bytes()
    return [s for s in strings if s in data]


def partition(image, out):
    """The raw contents of partition 2."""
    host("dd", f"if={image}", f"of={out}", "bs=1M", f"skip={disks.GUEST_FIRST // 2048}", f"count={installed.MIB}")
    return out


def start(lab, name, files, script, image=None, extra=()):
    """A machine on which Debian runs this script; follow it with finish()."""
    folder = lab.folder / name
    folder.mkdir()
    return vm.start(folder, image or lab.image, files, esp="disk", extra=[*installed.task(folder, script), *extra])


def finish(machine):
    """What the script says; it must succeed. The machine switches itself off."""
    machine.wait_end(600)
    text = (machine.folder / "output").read_text(errors="replace").replace("\r", "")  # the firmware writes there too
    assert re.search(r"^SCRIPT EXIT=0$", text, re.M), text
    return text


def unlock(machine, passphrase, slot):
    machine.wait(PROMPT, 120)
    machine.send(f"{passphrase}\r")
    machine.wait(f"key system unlocked by keyslot {slot}", 120)
    machine.wait("running beneath you", 60)
    machine.wait("GNU GRUB", 60)


def read_only(lab, files, plain):
    """The first start: all of the partition, as Debian reads it, is what was encrypted."""
    script = """grep chosen=read-only /proc/cmdline
        grep ' / ext4 ro\\b' /proc/mounts
        dd if=/dev/sda2 bs=1M iflag=direct | b2sum"""
    with start(lab, "read-only", files, script) as machine:
        machine.wait(PROMPT, 120)
        machine.send("Correct horse 72\r")
        machine.wait("wrong passphrase; tries left: 4", 120)
        unlock(machine, FIRST, 0)
        machine.send("r")
        assert checksum(plain) in finish(machine)


def write(lab, files):
    """New files; and a note for GRUB, which entry of its menu to take once."""
    script = f"""mkdir /srv/new
        cd /srv/new
        head -c 8M /dev/urandom >random
        yes '{TEXT}' | head -c 4M >text
        sha256sum random text >SHA256SUMS
        grub-editenv - set next_entry=once"""
    with start(lab, "write", files, script) as machine:
        unlock(machine, SECOND, 1)
        finish(machine)


def read(lab, files):
    """They are there, and GRUB has written, with the firmware's driver, that it took that entry."""
    script = """grep chosen=once /proc/cmdline
        grub-editenv - list >/tmp/list
        if grep once /tmp/list; then exit 1; fi
        cd /srv/new
        sha256sum -c SHA256SUMS"""
    with start(lab, "read", files, script) as machine:
        unlock(machine, FIRST, 0)
        assert "random: OK\ntext: OK" in finish(machine)


def rescued(lab):
    """A Debian without Sekisho opens the disk; the checksum of all of the partition, decrypted by its kernel."""
    native = installed.install(lab.folder / "native.img", installed.build() / "root.img")
    drive = ["-drive", f"if=none,id=second,format=raw,file={lab.image}", "-device",
             "ide-hd,drive=second,bus=ide.1,serial=QM00002"]
    files = {"EFI/BOOT/BOOTX64.EFI": installed.build() / "grubx64.efi"}
    disk = "/dev/disk/by-id/ata-QEMU_HARDDISK_QM00002-part"
    script = f"""umount -q /boot/efi || true # of two disks with the same names of partitions, it may be either one's
        mount -o ro {disk}1 /mnt
        cp /mnt/EFI/BOOT/system.luks /tmp
        umount /mnt
        printf '{SECOND}' | cryptsetup open --key-file - --header /tmp/system.luks --readonly {disk}2 rescued
        dmsetup table rescued | grep ' crypt aes-xts-plain64 '
        e2fsck -fn /dev/mapper/rescued
        mount -o ro /dev/mapper/rescued /mnt
        cd /mnt/srv/new
        sha256sum -c SHA256SUMS
        cd /
        umount /mnt
        dd if=/dev/mapper/rescued bs=1M iflag=direct | b2sum"""
    with start(lab, "rescue", files, script, native, drive) as machine:
        text = finish(machine)
    assert "sekisho" not in machine.text and "random: OK\ntext: OK" in text
    return re.search(r"^([0-9a-f]{128})  ", text, re.M).group(1)


def changed_files(lab, plain):
    """Files of the installed Debian that are not as they were installed."""
    out = lab.folder / "files"
    out.mkdir()
    host("debugfs", "-R", f"rdump / {out}", plain)
    before = (installed.build() / "SHA256SUMS").read_text().splitlines()
    after = installed.checksums(out)
    assert TEXT in (out / "srv/new/text").read_text()
    return [line[66:] for line in before if after.get(line[66:]) != line[:64]]


def test_installed(lab):
    plain = installed.build() / "root.img"
    header, key = make_header(lab.folder)
    root = lab.folder / "root.img"
    host("cp", plain, root)
    with_key = ("--header", header, "--key-file", lab.folder / "first", root)
    sekisho("disk", "encrypt", "--yes", *with_key)
    sekisho("disk", "verify", "--against", plain, *with_key)
    assert is_aes_xts_plain64(plain, root, key)
    assert known_strings(plain, KNOWN) == KNOWN and known_strings(root, KNOWN) == []

    installed.install(lab.image, root)
    files = {"EFI/BOOT/BOOTX64.EFI": LOADER, "EFI/BOOT/sekisho.conf": CONF.encode(), "EFI/BOOT/system.luks": header}
    read_only(lab, files, plain)
    assert checksum(partition(lab.image, lab.folder / "after.img")) == checksum(root)
    write(lab, files)
    read(lab, files)
    partition(lab.image, root)
    assert known_strings(root, [*KNOWN, TEXT.encode()]) == []
    by_dm_crypt = rescued(lab)

    sekisho("disk", "decrypt", "--yes", *with_key)
    assert checksum(root) == by_dm_crypt
    host("/sbin/e2fsck", "-fn", root)
    assert [name for name in changed_files(lab, root) if not CHANGES.fullmatch(name)] == []
    for name in ("native.img", "after.img", "root.img"):
        os.unlink(lab.folder / name)
