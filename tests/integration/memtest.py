"""Memtest86+ on a machine with a BIOS: started by GRUB, read from the serial console that it draws its screen on."""

import re
import time

import conftest
import disk as disks
import grub
import guest
import vm

BITS = {64: "memtest86+x64.bin", 32: "memtest86+ia32.bin"}
LINE = "console=ttyS0,115200"
MINUTES = 1  # of the machine's own time
REGION_MIB = 16


def files(lab, boot, bits, serial=disks.SERIAL):
    """What lies on partition 1. boot: grub starts it, below Sekisho; modules: Sekisho does."""
    found = {"memtest": guest.memtest() / BITS[bits]}
    entry, modules = [f"linux /memtest {LINE}"], [("sekisho.conf", "sekisho.conf")]
    if not conftest.NATIVE:
        assert conftest.LOADER_BIOS.exists(), f"{conftest.LOADER_BIOS} is not built"
        found |= {"sekisho.elf": conftest.LOADER_BIOS, "sekisho.conf": lab.conf(serial=serial).encode()}
        if boot == "modules":
            entry, modules = [], [*modules, ("memtest", f"kernel {LINE}")]
    loader = None if conftest.NATIVE else "sekisho.elf"
    return found | {"grub/grub.cfg": grub.menu(entry, loader, modules).encode()}


def screen(text):
    """The 80 x 25 screen that the console's text has drawn: ESC [ row ; column H, and other sequences without effect."""
    rows, y, x = [[" "] * 80 for _ in range(25)], 0, 0
    for place, row, column, char in re.findall(r"(\x1b\[(?:(\d+);(\d+))?H)|\x1b\[[0-9;?]*[A-Za-z]|([^\x1b])", text):
        if place:
            y, x = int(row or 1) - 1, int(column or 1) - 1
        elif char >= " " and y < 25 and x < 80:
            rows[y][x] = char
            x += 1
    return "\n".join("".join(row).rstrip() for row in rows)


def number(pattern, shown):
    found = re.search(pattern, shown)
    return int(found.group(1)) if found else -1


def follow(machine, smp, memory, seconds, sample=lambda: None):
    """A minute of tests on all processors without an error, Sekisho's memory left out. sample: called again and again."""
    machine.wait(r"Memtest86\+ v6", seconds)
    if not conftest.NATIVE:
        assert conftest.BANNER.search(machine.text), "Memtest86+ came up without Sekisho"
    at, deadline, shown = machine.seen, time.monotonic() + seconds * vm.TIME_FACTOR, ""
    tests, passes, used = set(), set(), set()
    while not (spent := re.search(r"Time: +(\d+):(\d+)", shown)) or int(spent[1]) * 60 + int(spent[2]) < MINUTES:
        assert machine.reader.is_alive() and time.monotonic() < deadline, shown
        time.sleep(1)
        sample()
        shown = screen(machine.text[at:])
        assert number(r"Errors: +(\d+)", shown) <= 0, shown
        tests.add(number(r"Test #(\d+)", shown))
        passes.add(number(r"Pass +(\d+)%", shown))
        used.update(re.findall(r"Using: (.*?) *\|", shown))
    assert "Status: Testing" in shown and number(r"Errors: +(\d+)", shown) == 0, shown
    assert len(tests) > 2 and len(passes) > 5, (tests, passes)
    assert f"CPU: {smp} Cores {smp} Threads    SMP: {smp}T (PAR)" in shown and "All Cores" in used, shown
    rest = memory - (0 if conftest.NATIVE else REGION_MIB)  # of which the BIOS keeps a little
    assert number(r"Memory +: +(\d+)MB", shown) in (rest - 1, rest), shown
    return shown
