"""The bare-metal guests of tests/guests, each below the test hypervisor there, some also without it.

A guest prints PASS and FAIL lines and ends with END. A test names what must have passed: a guest that stops early, or
forgets a check, fails too."""

import os
import pathlib
import re

import pytest

import conftest
import expected
import vm
from expected import passed

GUESTS = pathlib.Path(os.environ.get("SEKISHO_GUESTS") or conftest.ROOT / "build/tests/guests")


def boot(name, args="", below=True, smp=1, seconds=240, **options):
    """Start a guest; the machine, to be followed by the caller."""
    folder = conftest.RUNS / "-".join(filter(None, ["guest", name, args, "" if below else "native"])).replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / "empty.img"
    image.write_bytes(bytes(1 << 20))
    lines = ["@echo -off", *([r"fs0:\host.efi"] if below else []), rf"fs0:\{name}.efi {args}", "reset -s"]
    files = {"startup.nsh": "".join(f"{line}\r\n" for line in lines).encode(),
             f"{name}.efi": GUESTS / f"{name}.efi", "host.efi": GUESTS / "host.efi"}
    for path in (GUESTS / f"{name}.efi", GUESTS / "host.efi"):
        assert path.exists(), f"{path} is not built"
    machine = vm.start(folder, image, files, smp=smp, memory=256, **options)
    machine.wait("any other key to continue", seconds)
    machine.send("\r")
    return machine


def finish(machine, seconds=240, returns=True):
    """Follow a guest to its END, and to the machine's; what it printed. returns: the firmware is left to switch off."""
    with machine:
        try:
            machine.wait(r"^END|PANIC", seconds)
            if returns:
                machine.wait_end(20)
        except vm.Timeout:
            (machine.folder / "registers.txt").write_text(machine.monitor("info registers -a"))
            raise
        text = machine.text.replace("\r", "")
    failed = re.findall(r"^FAIL .*", text, re.M)
    assert not failed and "PANIC" not in text, "\n".join(failed) or f"see {machine.log_path}"
    return text


@pytest.mark.parametrize("name, must_pass", [
    ("virt_insn", expected.VIRT_INSN), ("msrs", expected.MSRS_AMD), ("region", expected.REGION), ("mmio", expected.MMIO),
    ("hooks", expected.HOOKS), ("fpu", expected.FPU), ("events", expected.EVENTS), ("modes", expected.MODES),
    ("control", expected.CONTROL_AMD), ("tasks", expected.TASKS_AMD)],
    ids=lambda v: v if isinstance(v, str) else "")
def test_guest(name, must_pass):
    text = finish(boot(name), 600)
    assert passed(text) == must_pass
    assert name != "modes" or text.count("PASS real\n") == 2


def test_virt_insn_native():
    assert passed(finish(boot("virt_insn", below=False))) == expected.VIRT_INSN_NATIVE


def test_tasks_native():
    assert passed(finish(boot("tasks", below=False))) == expected.TASKS_AMD - {"below"} | {"native"}


def test_msrs_as_native():
    """Every register of six ranges faults, or not, and answers as on the bare machine."""
    def scan(below):
        text = finish(boot("msrs", "scan", below=below))
        assert len(passed(text)) == 6
        return {m[1]: m[2] for m in re.finditer(r"^MSR (\w+) (.*)", text, re.M)}

    below, native = scan(True), scan(False)
    differ = {msr for msr in below.keys() | native.keys() if below.get(msr) != native.get(msr)}
    clocks = {"00000010", "000000e7", "000000e8"}
    assert differ - clocks == {"c0010114"}, differ  # VM_CR


@pytest.mark.parametrize("how", ["idt", "table", "cr3", "stack", "gdt"])
def test_region_resets(how):
    """What the processor cannot do without ends in a reset of the machine, not in a hang or a report."""
    with boot("region", how) as machine:
        machine.wait(f"^PASS {how}", 60)
        machine.wait_end(60)
    assert "FAIL" not in machine.text and "PANIC" not in machine.text and "END" not in machine.text


@pytest.mark.parametrize("n", [2, 4])
def test_smp(n):
    text = finish(boot("smp", str(n), smp=n))
    assert passed(text) == (expected.SMP if n == 2 else expected.SMP_MORE)


@pytest.mark.parametrize("n, ticks", [(1, "ticks cause no exit"), (2, "ticks are seen")])
def test_ticks(n, ticks):
    """With more than one processor QEMU stays trapped: its INIT does not wait."""
    assert passed(finish(boot("ticks", str(n), smp=n))) == {"below", ticks, "still there"}


def test_smp_parked():
    """A processor that still waits in the firmware's code must not be the guest's way out."""
    assert passed(finish(boot("smp", "2 parked", smp=2), returns=False)) == {"below", "parked"}


def test_smp_nmi():
    """NMIs on a processor's way to the guest's first instruction never lead to the guest's code outside. They may end
    the machine."""
    with boot("smp", "2 nmi", smp=2) as machine:
        machine.wait("^PASS two INITs", 120)
        try:
            machine.wait("^END", 120)
        except vm.Ended:
            pass
    assert not re.findall(r"^FAIL .*|PANIC", machine.text.replace("\r", ""), re.M)


def test_smp_init_self():
    """An INIT to the first processor ends this run of the machine in the firmware, as a reset does, or is refused."""
    with boot("smp", "2 init-self", smp=2) as machine:
        machine.wait("^PASS init-self", 120)
        machine.wait("^END|UEFI Interactive Shell", 240)
    text = machine.text.replace("\r", "")
    assert not re.findall(r"^FAIL .*|PANIC", text, re.M) and "init-self" in passed(text)


def test_triple_fault():
    with boot("events", "triple") as machine:
        machine.wait("^PASS triple", 60)
        machine.wait_end(60)
    assert "PANIC" not in machine.text and "END" not in machine.text


def test_impossible_state():
    """A state that the processor refuses to enter is the guest's end: a reset, and no report of the hypervisor's."""
    with boot("control", "impossible") as machine:
        machine.wait("^PASS impossible", 60)
        machine.wait_end(60)
    assert "FAIL" not in machine.text and "PANIC" not in machine.text


@pytest.mark.parametrize("kind, message, functions", [
    (0, "a promise was broken: 6 is not 9", ["host_break_inner", "host_break_outer", "host_break", "call"]),
    (1, "assertion failed", ["svm_reg_get", "host_break", "call"]),
    (2, "exception 14, error 0, cr2 400000000000", ["host_read", "call"]),
    (3, "exception 14, error 3", ["host_write", "call"]),
    (4, "exception 14, error 11", ["host_break", "call"]),
    (5, "exception 14, error 2", ["host_deep", "host_deep"]),
], ids=["panic", "assertion", "nowhere", "text", "data", "stack"])
def test_panic(kind, message, functions):
    """The report says what broke, where, and what the guest was doing."""
    with boot("panic", str(kind)) as machine:
        machine.wait("stopped", 120)
    report = machine.text.replace("\r", "").split("PANIC", 1)[1]
    assert message in report
    trace = re.findall(r"^ +#\d+ [0-9a-f]{16} (\S+)\+[0-9a-f]+$", report, re.M)
    found = iter(trace)
    assert all(any(f == name for name in found) for f in functions), trace
    assert re.search(r"last exit: hypercall, code 81", report)
    assert re.search(r"rcx 1111222233334444.*rdx 5555666677778888", report)
    assert "the guest says 271828" in machine.text
