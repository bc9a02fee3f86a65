"""A machine on which Sekisho cannot start, tried with both settings of on-error in one boot."""

import re

from conftest import LOADER

CONF = "[boot]\nconsole  = serial\non-error = {}\n"


def files(*before):
    """Start Sekisho twice from the shell, first as boot-unprotected. before: lines of the shell's, ahead of that."""
    assert LOADER.exists(), f"{LOADER} is not built"
    lines = ["@echo -off"]
    for n in range(2):
        lines += [rf"if exist fs{n}:\stop\sekisho.efi then", f"fs{n}:", "endif"]
    lines += [*before, r"on\sekisho.efi", "echo GOING ON", r"stop\sekisho.efi", "echo GOING ON"]
    return {"on/sekisho.efi": LOADER, "on/sekisho.conf": CONF.format("boot-unprotected").encode(),
            "stop/sekisho.efi": LOADER, "stop/sekisho.conf": CONF.format("stop").encode(),
            "startup.nsh": "".join(f"{line}\r\n" for line in lines).encode()}


def follow(machine, sentence, seconds):
    """The sentence comes once each time; the first time the machine goes on, the second time it stops."""
    machine.wait(r"^\W*sekisho: stopped; nothing was changed|GOING ON[^$]*GOING ON", seconds)
    on, stop = machine.text.replace("\r", "").split("GOING ON")
    said = rf"sekisho: (not started: )?{re.escape(sentence)}\n"
    assert len(re.findall(said, on)) == 1 and "going on WITHOUT protection" in on
    assert len(re.findall(said, stop)) == 1 and "stopped; nothing was changed" in stop
    assert "beneath" not in machine.text
