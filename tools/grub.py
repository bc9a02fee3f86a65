#!/usr/bin/python3
"""Make a disk of tools/disk.py start GRUB on a machine with a BIOS; GRUB as a UEFI application.

    tools/grub.py IMAGE        GRUB into the gap before partition 1; what it does is partition 1's /grub/grub.cfg

GRUB comes from Debian's grub-pc-bin and grub-efi-amd64-bin; nothing is installed on the host and no root is needed. A menu for a disk that is
started twice, natively and then by a hypervisor below which it is to go on, is what menu() makes.
"""

import pathlib
import struct
import subprocess
import sys
import tempfile

import disk as disks

MODULES = "/usr/lib/grub/i386-pc"
WANTED = ["part_gpt", "fat", "normal", "configfile", "test", "echo", "serial", "terminal", "minicmd", "linux",
          "chain", "reboot"]
WANTED_BIOS = [*WANTED, "biosdisk", "cmostest", "multiboot", "multiboot2", "linux16"]
CORE_LBA = 128  # behind the partition table and what tools/guest/init keeps at 64
# A bit of the real-time clock's memory that no firmware here uses: set while the hypervisor starts this disk again.
SECOND = "0x70:0"


def mkimage(*options):
    with tempfile.TemporaryDirectory(prefix="sekisho-grub.") as folder:
        out = pathlib.Path(folder) / "image"
        subprocess.run(["grub-mkimage", "-o", out, *options], check=True)
        return out.read_bytes()


def core():
    """GRUB's core image, which looks for its menu on the first partition."""
    return mkimage("-O", "i386-pc", "-d", MODULES, "-p", "(hd0,gpt1)/grub", *WANTED_BIOS)


def efi():
    """GRUB for UEFI firmware, which looks for its menu, /grub/grub.cfg, where it was started from."""
    return mkimage("-O", "x86_64-efi", "-d", "/usr/lib/grub/x86_64-efi", "-p", "/grub", *WANTED)


def install(image):
    """GRUB's boot sector, which keeps the partition table, and its core image. Source: GRUB manual, "BIOS installation";
    the places of the two addresses are in GRUB's include/grub/i386/pc/boot.h and kernel.h."""
    boot, data = bytearray(pathlib.Path(MODULES, "boot.img").read_bytes()), bytearray(core())
    assert CORE_LBA * disks.SECTOR + len(data) <= disks.ESP_FIRST * disks.SECTOR, "GRUB does not fit before partition 1"
    struct.pack_into("<Q", boot, 0x5c, CORE_LBA)
    boot[0x66:0x68] = b"\x90\x90"  # the drive is the one the BIOS starts from
    struct.pack_into("<Q", data, disks.SECTOR - 12, CORE_LBA + 1)
    with open(image, "r+b") as f:
        f.write(boot[:440])
        f.seek(CORE_LBA * disks.SECTOR)
        f.write(data)
    disks.make_bootable(image)


def menu(entry, loader=None, modules=()):
    """A grub.cfg without a menu: what entry (lines) does, below loader if there is one. modules: (file, line) pairs."""
    head = ["serial --unit=0 --speed=115200", "terminal_output serial console"]
    if not loader:
        return "\n".join([*head, *entry, "boot", ""])
    first = [f"multiboot2 /{loader}", *(f"module2 /{file} {line}" for file, line in modules), "boot"]
    if not entry:
        return "\n".join([*head, *first, ""])
    return "\n".join([*head, f"if cmostest {SECOND}; then", f"cmosclean {SECOND}", *entry, "else", f"cmosset {SECOND}",
                      *first, "fi", "boot", ""])


if __name__ == "__main__":
    install(sys.argv[1])
