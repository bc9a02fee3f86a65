"""sekisho install, status and uninstall where they are meant for: Debian on UEFI firmware, with the real efibootmgr, over
three boots of one machine. The firmware starts GRUB, then Sekisho by the entry that install made, then GRUB again."""

import re
import subprocess

import pytest

import disk as disks
import grub
import guest
import vm
from conftest import LOADER, NATIVE

pytestmark = pytest.mark.skipif(NATIVE, reason="there is nothing to install")

COMMON = """
code() { # what a command's exit code must be
    want=$1 found=0
    shift
    "$@" || found=$?
    [ $found = $want ] || { echo "$*: exit code $found, not $want"; exit 1; }
}
listing() { efibootmgr --verbose | sed "s/^/$1 /"; }
"""
BEFORE = COMMON + r"""
code 1 ./sekisho status
insmod /modules/later/msr.ko
efibootmgr --quiet --create --disk /dev/sda --part 1 --label debian --loader '\EFI\debian\grubx64.efi'
listing BEFORE
code 3 ./sekisho status
code 0 ./sekisho install --dry-run new
[ ! -e EFI/sekisho ]
code 0 ./sekisho install new
listing INSTALLED
"""
BELOW = COMMON + """
insmod /modules/later/msr.ko
code 0 ./sekisho status
echo WORK
dd if=/dev/sda2 of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null
code 0 ./sekisho status
echo UNPRIVILEGED
code 1 gt user './sekisho status'
code 1 gt user 'gt rdmsr 0x40000050'
code 1 gt rdmsr 0x40000050
printf 12345678 >/tmp/eight
code 1 dd if=/tmp/eight of=/dev/cpu/0/msr bs=8 seek=134217738 conv=notrunc
code 0 ./sekisho install new
listing AGAIN
code 0 ./sekisho uninstall
"""
AFTER = COMMON + """
insmod /modules/later/msr.ko
code 3 ./sekisho status
listing AFTER
"""


def esp_files(lab):
    folder = guest.build()
    jobs = "script:before,reboot,script:below,reboot,script:after"
    program = grub.efi()
    return {
        "vmlinuz.efi": folder / "vmlinuz.efi",
        "initrd.gz": folder / "initrd.gz",
        "grub/grub.cfg": grub.menu([f"linux /vmlinuz.efi console=ttyS0 panic=-1 quiet no_timer_check job={jobs}", "initrd /initrd.gz"]).encode(),
        "EFI/BOOT/BOOTX64.EFI": program,
        "EFI/debian/grubx64.efi": program,
        "sekisho": LOADER.with_name("sekisho"),
        "new/sekisho.efi": LOADER,
        "new/sekisho.conf": re.sub(r"hex:\w+", "file:system.key", lab.conf()).encode(),
        "new/system.key": disks.key_of(lab.image),
        **{f"scripts/{name}": text.encode() for name, text in (("before", BEFORE), ("below", BELOW), ("after", AFTER))},
    }


def listing(text, name):
    """(boot order, {number: entry}) as efibootmgr told it at that point."""
    lines = re.findall(rf"^{name} (Boot.*?)\r?$", text, re.M)
    order = next(line.split(": ")[1].split(",") for line in lines if line.startswith("BootOrder: "))
    return order, dict(re.findall(r"^Boot([0-9A-F]{4})[* ] (.*)$", "\n".join(lines), re.M))


def status(text):
    return {name: int(value) for name, value in re.findall(r"^([a-z-]+) (\d+)\r?$", text, re.M)}


def test_install(lab):
    with vm.start(lab.folder / "boot", lab.image, esp_files(lab), esp="disk", reboot=True) as machine:
        assert vm.run(machine, 300), f"the guest failed; console: {machine.log_path}"
        machine.wait_end(60)
        text = vm.CONTROL.sub("", machine.text.replace("\n", "\x1f\n")).replace("\x1f", "")
    first, second, third = re.split(r"^GUEST UP ", text, flags=re.M)[1:]
    assert "there is no /dev/cpu/0/msr: load the kernel's module msr" in first
    assert first.count("Sekisho does not run below") == third.count("Sekisho does not run below") == 1
    assert "next is \\EFI\\debian\\grubx64.efi" in first
    assert text.count("running beneath you") == 1 and "running beneath you" in first  # after its reboot

    order, entries = listing(first, "BEFORE")
    installed, with_ours = listing(first, "INSTALLED")
    ours = installed[0]
    assert installed == [ours, *order] and entries[order[0]].startswith("debian\t")
    assert with_ours.keys() == {ours, *entries} and "\\EFI\\sekisho\\sekisho.efi" in with_ours[ours]
    again, all_again = listing(second, "AGAIN")
    assert [n for n in again if "\\sekisho.efi" in all_again[n]] == again[:1] and again[1:] == order
    assert listing(third, "AFTER") == (order, entries)

    told, rest = second.split("WORK")
    work, rest = rest.split("UNPRIVILEGED")
    before, after = status(told), status(work)
    assert re.search(r"^Sekisho \d+\.\d+\.\d+ runs below", told, re.M)
    assert before["processors"] == after["processors"] == 2 and before["disks"] == after["disks"] == 1
    assert 1 <= before["seconds"] <= after["seconds"] < 600
    assert after["exits-mmio"] > before["exits-mmio"] and after["exits-msr"] >= before["exits-msr"] + 20
    assert all(after[name] >= before[name] for name in before) and after["exits-entry"] == after["exits-other"] == 0
    assert "/dev/cpu/0/msr: Permission denied; only root may ask" in rest and rest.count("rdmsr: refused") == 2
    assert "SEKISHO" not in rest and "runs below" not in rest

    where = f"{lab.image}@@{disks.ESP_FIRST * disks.SECTOR}"
    left = subprocess.run(["mdir", "-b", "-i", where, "::/EFI/sekisho"], stdout=subprocess.PIPE, check=True).stdout.decode()
    assert set(re.findall(r"[^/\n]+$", left, re.M)) == {"sekisho.conf", "system.key"}
    key = subprocess.run(["mtype", "-i", where, "::/EFI/sekisho/system.key"], stdout=subprocess.PIPE, check=True).stdout
    assert key == disks.key_of(lab.image)
