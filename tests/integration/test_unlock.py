"""Keys in LUKS headers: a passphrase typed before the guest starts."""

import pytest

import luks
import vm
from conftest import LOADER_BIOS, NATIVE, check_files

pytestmark = pytest.mark.skipif(NATIVE, reason="there is no key")

SECRET = "Correct horse 27"
PROMPT = r"sekisho: passphrase for key system \(Esc: give up\): "


def files(lab, secret=SECRET.encode(), **costs):
    return {"system.luks": luks.header(lab, secret, **costs)}


def test_passphrase(lab):
    """Wrong once, then right."""
    with lab.start("fs,verify", conf=luks.conf(lab), more=files(lab)) as machine:
        machine.wait(PROMPT, 120)
        machine.send("correct horse 27\r")
        machine.wait(r"wrong passphrase; tries left: 4", 120)
        machine.wait(PROMPT, 30)
        machine.send(f"{SECRET}x\x7f\r")
        machine.wait("key system unlocked by keyslot 0", 120)
        text = lab.finish(machine, 300)
    assert SECRET not in text and "good for development only" not in text
    check_files(lab, text)


def bios_start(lab, job, conf, more, **options):
    files = vm.bios_files(job, LOADER_BIOS, conf, modules=[(name, name) for name in more])
    files.update(more)
    return vm.start_bios(lab.folder / "boot", lab.image, files, bus=lab.bus, **options)


def press(machine, text):
    """On the keyboard of a machine in QEMU."""
    names = {" ": "spc", "\r": "ret", "\b": "backspace", "\x1b": "esc", "\t": "tab"}
    for c in text:
        key = names.get(c, c.lower())
        machine.monitor(f"sendkey {'shift-' if c.isupper() else ''}{key} 20")


@pytest.mark.parametrize("where", ["keyboard", "serial"])
@pytest.mark.parametrize("lab", ["ide"], indirect=True)
def test_bios(lab, where):
    with bios_start(lab, "fs,verify", luks.conf(lab), files(lab)) as machine:
        def enter(text):
            machine.wait(PROMPT, 120)
            if where == "serial":
                machine.send(text)
            else:
                press(machine, text)
        enter("correct horse 27\r")
        machine.wait(r"wrong passphrase; tries left: 4", 120)
        enter(f"{SECRET}x\b\r")
        machine.wait("key system unlocked by keyslot 0", 120)
        text = lab.finish(machine, 300)
    assert SECRET not in text
    check_files(lab, text)
