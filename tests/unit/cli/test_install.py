"""sekisho install and uninstall: an EFI system partition that is a folder, and a stand-in for efibootmgr."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from command import CHEAP, SEKISHO, good, refused, run

HERE = Path(__file__).resolve().parent
DISK = "HD(1,GPT,11111111-2222-3333-4444-555555555555,0x800,0x18800)"
DEBIAN, WINDOWS = r"\EFI\debian\shimx64.efi", r"\EFI\Microsoft\Boot\bootmgfw.efi"
ENTRIES = {
    "0000": "* UiApp\tFvVol(7cb8bdc9)/FvFile(462caa21)",
    "0001": f"* debian\t{DISK}/File({DEBIAN})",
    "0003": f"* Windows\t{DISK}/{WINDOWS}57494e444f5753",  # as version 18 writes it, with its load options
    "0004": f"  off\t{DISK}/File(\\EFI\\off.efi)",
    "00A5": f"* not in the order\t{DISK}/File(\\EFI\\other.efi)",
}
KEY = bytes(range(64))


class Machine:
    def __init__(self, folder, monkeypatch):
        self.boot, self.esp, self.source = folder / "boot.json", folder / "esp", folder / "source"
        self.to = self.esp / "EFI/sekisho"
        (folder / "bin").mkdir()
        shutil.copy(HERE / "efibootmgr", folder / "bin")
        monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
        monkeypatch.setenv("BOOT", str(self.boot))
        self.set(["0004", "0000", "0001", "0003"], ENTRIES)
        for path in (DEBIAN, WINDOWS):
            file = self.esp / path.replace("\\", "/").lstrip("/")
            file.parent.mkdir(parents=True)
            file.touch()
        self.source.mkdir()
        (self.source / "sekisho.efi").write_bytes(b"MZ program 1")
        self.conf('[disk "d"]\nmatch = any\nrange = 8..end encrypt:k\n[key "k"]\nsource = file:k.key\n')
        (self.source / "k.key").write_bytes(KEY)

    def conf(self, text):
        (self.source / "sekisho.conf").write_text(text)

    def set(self, order, entries):
        self.boot.write_text(json.dumps({"order": order, "entries": entries}))

    def order(self):
        return json.loads(self.boot.read_text())["order"]

    def entries(self):
        return json.loads(self.boot.read_text())["entries"]

    def arguments(self, *more):
        return ("install", self.source, "--esp", self.esp, "--partition", "/dev/esp", *more)

    def state(self):
        return {p: p.read_bytes() for p in [self.boot, *self.esp.rglob("*")] if p.is_file()}

    def refused(self, *more):
        """The sentence; and nothing has changed."""
        before = self.state()
        code, _, err = run(*self.arguments(*more))
        last = err.splitlines()[-1]  # a shell that does not find efibootmgr says so, too
        assert code == 1 and last.startswith("sekisho: ") and self.state() == before, (code, err)
        return last.removeprefix("sekisho: ")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_once_again_and_away(machine):
    before = machine.entries()
    for number, program in (("0002", b"MZ program 1"), ("0005", b"MZ program 2")):
        (machine.source / "sekisho.efi").write_bytes(program)
        good(*machine.arguments())
        assert machine.order() == [number, "0004", "0000", "0001", "0003"]
        ours = machine.entries()[number]
        assert machine.entries() == {**before, number: ours} and r"\EFI\sekisho\sekisho.efi" in ours and "/dev/esp" in ours
        assert {p.name: p.read_bytes() for p in machine.to.iterdir()} == {
            "sekisho.efi": program, "k.key": KEY,
            "sekisho.conf": f"[boot]\nnext = {DEBIAN}\n".encode() + (machine.source / "sekisho.conf").read_bytes()}
    said = good("uninstall", "--esp", machine.esp)
    assert machine.order() == ["0004", "0000", "0001", "0003"] and machine.entries() == before
    assert {p.name for p in machine.to.iterdir()} == {"sekisho.conf", "k.key"} and f"keeping all else in {machine.to}" in said
    shutil.rmtree(machine.to)
    good("uninstall", "--esp", machine.esp)


def test_dry_run(machine):
    before = machine.state()
    said = good(*machine.arguments("--dry-run"))
    assert machine.state() == before and not machine.to.exists()
    assert f"next is {DEBIAN}\n" in said and f"would write {machine.to}/k.key\n" in said
    assert "would run efibootmgr --quiet --create --disk '/dev/esp' --label Sekisho" in said
    good(*machine.arguments())
    before = machine.state()
    said = good("uninstall", "--esp", machine.esp, "--dry-run")
    assert machine.state() == before and "would run efibootmgr --quiet --bootnum 0002 --delete-bootnum" in said


def test_entries_of_old(machine):
    """Ours, wherever they are in the order, or not in it, and however they are spelled."""
    old = f"* mine\t{DISK}/File(\\efi\\SEKISHO\\sekisho.efi)"
    machine.set(["0001", "0007"], {**ENTRIES, "0007": old, "0008": old})
    good(*machine.arguments())
    assert machine.order() == ["0002", "0001"] and machine.entries().keys() == {*ENTRIES, "0002"}


@pytest.mark.parametrize("order, found", [(["0003", "0001"], WINDOWS), (["0000", "0004", "0001"], DEBIAN),
                                          ([], r"\EFI\BOOT\BOOTX64.EFI"), (["0000"], r"\EFI\BOOT\BOOTX64.EFI")])
@pytest.mark.parametrize("head", ["", "[boot]\n", "# text\n[boot] # of old\r\nconsole = serial\r\n", "[boot]"])
def test_next(machine, order, found, head):
    (machine.esp / "EFI/BOOT").mkdir()
    (machine.esp / "EFI/BOOT/BOOTX64.EFI").touch()
    machine.set(order, ENTRIES)
    machine.conf(head)
    good(*machine.arguments())
    text = (machine.to / "sekisho.conf").read_bytes().decode()
    assert f"\nnext = {found}\n" in text and text.count("[boot]") == 1
    good("conf", "check", machine.to / "sekisho.conf")
    first = machine.state()[machine.to / "sekisho.conf"]
    good(*machine.arguments())
    assert machine.state()[machine.to / "sekisho.conf"] == first


def test_next_that_is_said(machine):
    machine.conf(f"[boot]\nnext = {WINDOWS}\n")
    good(*machine.arguments())
    assert (machine.to / "sekisho.conf").read_text() == f"[boot]\nnext = {WINDOWS}\n"
    for path, why in ((r"\EFI\none.efi", "is not on"), (r"\EFI\Sekisho\SEKISHO.EFI", "next is Sekisho itself")):
        machine.conf(f"[boot]\nnext = {path}\n")
        assert why in machine.refused()


def test_next_on_another_partition(machine):
    """It is first, so nothing else is taken in its place."""
    machine.set(["0009", "0001"], {**ENTRIES, "0009": f"* away\t{DISK}/File(\\EFI\\away\\x.efi)"})
    assert machine.refused() == f"\\EFI\\away\\x.efi is not on {machine.esp}: sekisho.conf must say what is next"
    machine.set(["0009", "0001"], {**ENTRIES, "0009": f"* stub\t{DISK}/File(\\vmlinuz)root=/dev/sda2"})
    assert "\\vmlinuz)root=/dev/sda2 is not on" in machine.refused()


def test_keys_stay(machine):
    """A header that is installed may have other passphrases by now, and is not replaced."""
    good("luks", "format", machine.source / "h.luks", *CHEAP, typed=b"one\n")
    machine.conf('[disk "d"]\nmatch = any\nrange = 8..end encrypt:k\n[key "k"]\nsource = luks:h.luks\n'
                 'unlock = passphrase, keyfile:u.key\n')
    (machine.source / "u.key").write_bytes(b"two")
    good(*machine.arguments())
    good("luks", "change", machine.to / "h.luks", *CHEAP, typed=b"one\nthree\n")
    changed = (machine.to / "h.luks").read_bytes()
    assert f"keeping {machine.to}/h.luks\n" in good(*machine.arguments())
    (machine.source / "h.luks").unlink()
    good(*machine.arguments())
    assert (machine.to / "h.luks").read_bytes() == changed and (machine.to / "u.key").read_bytes() == b"two"


def test_a_key_in_the_configuration_stays(machine):
    text = '[disk "d"]\nmatch = any\nrange = 8..end encrypt:k\n[key "k"]\nsource = hex:' + KEY.hex()
    machine.conf(text)
    good(*machine.arguments())
    good(*machine.arguments())  # the same again
    machine.conf(text.replace("8..", "16.."))
    assert machine.refused().startswith(f"{machine.to}/sekisho.conf: keys stand in it")


def spoil_conf(m):
    m.conf("[boot]\nconsole = loud\n")


@pytest.mark.parametrize("spoil, why", [
    (spoil_conf, 'sekisho.conf:2: "loud" is not a value for console'),
    (lambda m: m.conf("[boot]\n[boot]\n"), "sekisho.conf:2: "),
    (lambda m: (m.source / "sekisho.conf").unlink(), "sekisho.conf: No such file"),
    (lambda m: (m.source / "k.key").unlink(), "k.key: No such file"),
    (lambda m: (m.source / "sekisho.efi").unlink(), "sekisho.efi: No such file"),
    (lambda m: (m.source / "sekisho.efi").write_bytes(b"#!/bin/sh"), "sekisho.efi: it is no UEFI application"),
    (lambda m: (m.source / "sekisho.efi").write_bytes(b""), "sekisho.efi: it is no UEFI application"),
    (lambda m: m.set(["0000"], ENTRIES), r"\EFI\BOOT\BOOTX64.EFI is not on"),
    (lambda m: os.environ.update(FAIL="--verbose"), "efibootmgr: it is not there, or cannot tell the boot entries"),
    (lambda m: os.environ.update(PATH="/nowhere"), "efibootmgr: it is not there, or cannot tell the boot entries"),
    (lambda m: m.to.write_bytes(b"a file"), "Not a directory"),
])
def test_refused(machine, monkeypatch, spoil, why):
    monkeypatch.setenv("FAIL", "")
    monkeypatch.setenv("PATH", os.environ["PATH"])
    spoil(machine)
    assert why in machine.refused()
    assert not machine.to.is_dir()


def test_no_room(machine):
    """The third file does not fit: the first two are gone again, or as they were."""
    (machine.source / "k.key").write_bytes(KEY + bytes(1 << 20))
    script = f'ulimit -f 64; trap "" XFSZ; exec "$@"'
    for installed in (False, True):
        before = machine.state()
        done = subprocess.run(["bash", "-c", script, "-", SEKISHO, *map(str, machine.arguments())], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        assert done.returncode == 1 and b"k.key~: File too large" in done.stderr, done.stderr
        assert machine.state() == before and machine.to.exists() == installed
        if not installed:
            machine.to.mkdir()
            (machine.to / "sekisho.efi").write_bytes(b"MZ of old")
            (machine.to / "sekisho.conf").write_bytes(b"# of old")


def test_the_firmware_does_not_take_it(machine, monkeypatch):
    for way, why in (("--create", "efibootmgr failed"), ("quietly", "no boot entry of the firmware's starts them first")):
        monkeypatch.setenv("FAIL", way)
        code, _, err = run(*machine.arguments())
        assert code == 1 and why in err and machine.order() == ["0004", "0000", "0001", "0003"]
    monkeypatch.setenv("FAIL", "")
    good(*machine.arguments())
    monkeypatch.setenv("FAIL", "--delete-bootnum")
    assert "efibootmgr failed" in run("uninstall", "--esp", machine.esp)[2]
    assert (machine.to / "sekisho.efi").exists()  # what the entry starts


def test_not_an_esp(machine):
    """Without --partition it is found out, from a FAT file system only."""
    assert refused("install", machine.source, "--esp", machine.esp) == f"{machine.esp}: no EFI system partition is mounted there"


def test_killed(machine):
    """What a power cut leaves does not stand in the way."""
    machine.to.mkdir()
    (machine.to / "sekisho.efi~").write_bytes(b"MZ ha")
    good(*machine.arguments())
    assert {p.name for p in machine.to.iterdir()} == {"sekisho.efi", "sekisho.conf", "k.key"}
