"""Keys in LUKS headers: a passphrase typed before the guest starts."""

import pytest

import luks
import vm
from conftest import NATIVE, check_files

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
