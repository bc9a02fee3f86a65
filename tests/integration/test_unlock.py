"""Keys in LUKS headers: a passphrase typed before the guest starts, and what is left of it in memory."""

import pytest

import bios_guest
import conftest
import disk as disks
import luks
import memory
import vm
from conftest import LOADER, LOADER_BIOS, NATIVE, check_files, press

pytestmark = pytest.mark.skipif(NATIVE, reason="there is no key")

SECRET = "Correct horse 27"
PROMPT = r"sekisho: passphrase for key system \(Esc: give up\): "


def files(lab, secret=SECRET, **costs):
    return {"system.luks": luks.header(lab, secret.encode(), **costs)}


def start_bios(lab, job="cpus", conf=None, more=(), **options):
    made = vm.bios_files(job, LOADER_BIOS, conf or luks.conf(lab), modules=[(name, name) for name in more])
    return vm.start_bios(lab.folder / "boot", lab.image, {**made, **dict(more)}, bus=lab.bus, **options)


def send(machine, text):
    machine.send(text)


def wrong_then_right(machine, enter, secret=SECRET):
    machine.wait(PROMPT, 120)
    enter(machine, "correct horse 27\r")
    machine.wait(r"wrong passphrase; tries left: 4", 120)
    machine.wait(PROMPT, 30)
    enter(machine, f"{secret}x\b\r")
    machine.wait("key system unlocked by keyslot 0", 120)


@pytest.mark.parametrize("secret", [SECRET, "zw\u00f6lf \u30d1\u30b9 \U0001f511"], ids=["ASCII", "UTF-8"])
def test_uefi(lab, secret):
    """On the firmware's console, which is the serial port."""
    with lab.start("fs,verify", conf=luks.conf(lab), more=files(lab, secret)) as machine:
        wrong_then_right(machine, send, secret)
        text = lab.finish(machine, 300)
    assert secret not in text and "good for development only" not in text
    check_files(lab, text)


@pytest.mark.parametrize("enter", [press, send], ids=["keyboard", "serial"])
@pytest.mark.parametrize("lab", ["ide"], indirect=True)
def test_bios(lab, enter):
    with start_bios(lab, "fs,verify", more=files(lab)) as machine:
        wrong_then_right(machine, enter)
        text = lab.finish(machine, 300)
    assert SECRET not in text
    check_files(lab, text)


def test_other_ways(lab):
    """Escape while a passphrase is checked: the key files are next, and the second one is right.
    (The firmware waits two seconds for the rest of a function key.)"""
    ways = "passphrase, keyfile:none.key, keyfile:user.key"
    more = {**files(lab, passes=10), "user.key": SECRET.encode()}
    with lab.start("cpus", conf=luks.conf(lab, ways), more=more) as machine:
        machine.wait(PROMPT, 120)
        machine.send("wrong\r")
        machine.wait("checking", 30)
        machine.send("\x1b")
        machine.wait("cancelled", 30)
        machine.wait("none.key cannot be read: there is no such file beside the configuration", 30)
        machine.wait("key system unlocked by keyslot 0", 120)
        lab.finish(machine, 300)


# Folder, unlock, its header (or none), what is typed at the prompt, and the sentence that comes.
REFUSALS = [
    ("missing", "passphrase", None, None,
     "system.luks cannot be read: there is no such file beside the configuration"),
    ("other", "passphrase", lambda lab: b"[boot]\n" * 1000, None, "system.luks cannot be used: it is not a LUKS header"),
    ("damaged", "passphrase", lambda lab: bytes(4096) + luks.header(lab, b"x")[4096:16384], None,
     "system.luks cannot be used: it is not a LUKS header"),
    ("memory", "passphrase", lambda lab: luks.header(lab, b"x", mib=700), None,
     "each keyslot of system.luks needs 701 MiB of memory at once or more, and so much is not free"),
    ("keyfile", "keyfile:sekisho.conf", lambda lab: luks.header(lab, b"x"), None,
     "sekisho.conf is not the key file of system.luks\nsekisho: key system stays locked"),
    ("escape", "passphrase", lambda lab: luks.header(lab, b"x"), "abc\x1b",
     "no passphrase given\nsekisho: key system stays locked"),
]


def test_refusals(lab):
    """One after the other, in one boot, from the UEFI shell; each returns to it."""
    lines, made = ["@echo -off", "if exist fs1:\\missing then", "fs1:", "else", "fs0:", "endif"], {}
    for name, unlock, header, _, _ in REFUSALS:
        made[f"{name}/sekisho.efi"] = LOADER
        made[f"{name}/sekisho.conf"] = luks.conf(lab, unlock).encode()
        if header:
            made[f"{name}/system.luks"] = header(lab)
        lines += [f"{name}\\sekisho.efi on-error=return"]
    made["startup.nsh"] = "".join(f"{line}\r\n" for line in [*lines, "echo THE END"]).encode()
    with vm.start(lab.folder / "boot", lab.image, made, smp=1, memory=512) as machine:
        machine.wait("any other key to continue", 120)
        machine.send("\r")
        for _, _, _, typed, _ in REFUSALS:
            if typed:
                machine.wait(PROMPT, 120)
                machine.send(typed)
            machine.wait("stopped; nothing was changed", 120)
        machine.wait("^THE END", 60)
        said = machine.text.replace("\r", "").split("stopped; nothing was changed")
    for text, (name, _, _, _, sentence) in zip(said, REFUSALS):
        assert f"sekisho: {sentence}\n" in vm.CONTROL.sub("", text.replace("\n", "\x1f\n")).replace("\x1f", ""), (name, text)
    assert "beneath" not in machine.text


def test_bios_refusals(lab):
    with start_bios(lab) as machine:
        screen = conftest.wait_screen(machine, "Press a key to start the machine anew", 60)
        assert "sekisho: system.luks was not loaded as a module" in screen
        machine.send(" ")
        machine.wait_end(30)
    with start_bios(lab, more=files(lab)) as machine:
        machine.wait(PROMPT, 60)
        press(machine, "abc\x1b")
        screen = conftest.wait_screen(machine, "Press a key to start the machine anew", 60)
        assert "no passphrase given\nsekisho: key system stays locked" in screen
        machine.monitor("sendkey ret")
        machine.wait_end(30)


def outside(machine, mib, forms):
    """What is found of these outside of the hypervisor's memory; the volume key MUST be in it."""
    path, region = memory.dump(machine, mib), memory.region(machine.text)
    inside = {name for name, at in memory.find(path, forms) if region[0] <= at < region[1]}
    assert {"data key", "tweak key", "data key's schedule", "tweak key's schedule"} <= inside
    return [(name, at) for name, at in memory.find(path, forms) if not region[0] <= at < region[1]]


@pytest.mark.parametrize("lab", ["ide"], indirect=True)
@pytest.mark.parametrize("enter", [press, send], ids=["keyboard", "serial"])
def test_nothing_is_left_below_a_bios(lab, enter):
    """Of passphrase and volume key, below a guest in real mode, which leaves memory as it is."""
    made = {**bios_guest.put(lab.image, [("system.luks", "system.luks")]), **files(lab, mib=16),
            "sekisho.conf": luks.conf(lab).encode()}
    forms = {**memory.forms_of_passphrase(SECRET), **memory.forms_of_key(disks.key_of(lab.image))}
    with vm.start_bios(lab.folder / "boot", lab.image, made, memory=128, bus=lab.bus) as machine:
        wrong_then_right(machine, enter)
        machine.wait(r"^END", 60)
        assert not outside(machine, 128, forms)


@pytest.mark.parametrize("enter", [press, send], ids=["keyboard", "serial"])
def test_nothing_is_left_below_uefi(lab, enter):
    """Neither when Debian's kernel takes over nor before, when the firmware's drivers have what they ever had."""
    forms = {**memory.forms_of_passphrase(SECRET), **memory.forms_of_key(disks.key_of(lab.image))}
    made = vm.boot_files("cpus", LOADER, luks.conf(lab), "next")
    made["EFI/BOOT/system.luks"] = files(lab)["system.luks"]
    with vm.start(lab.folder / "boot", lab.image, made, memory=512, esp="disk") as machine:
        wrong_then_right(machine, enter)
        machine.wait("running beneath you", 120)
        assert not outside(machine, 512, forms)
        machine.wait("GUEST UP", 120)
        assert not outside(machine, 512, forms)
