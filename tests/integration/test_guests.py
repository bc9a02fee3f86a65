"""The bare-metal guests of tests/guests, each below the test hypervisor there, some also without it.

A guest prints PASS and FAIL lines and ends with END. A test names what must have passed: a guest that stops early, or
forgets a check, fails too."""

import os
import pathlib
import re

import pytest

import conftest
import vm

GUESTS = pathlib.Path(os.environ.get("SEKISHO_GUESTS") or conftest.ROOT / "build/tests/guests")


def boot(name, args="", below=True, smp=1, seconds=240, **options):
    """Start a guest; the machine, to be followed by the caller."""
    folder = conftest.RUNS / "-".join(filter(None, ["guest", name, args, "" if below else "native"])).replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / "empty.img"
    image.write_bytes(bytes(1 << 20))
    lines = ["@echo -off", *([r"fs0:\host.efi"] if below else []), rf"fs0:\{name}.efi {args}"]
    files = {"startup.nsh": "".join(f"{line}\r\n" for line in lines).encode(),
             f"{name}.efi": GUESTS / f"{name}.efi", "host.efi": GUESTS / "host.efi"}
    for path in (GUESTS / f"{name}.efi", GUESTS / "host.efi"):
        assert path.exists(), f"{path} is not built"
    machine = vm.start(folder, image, files, smp=smp, memory=256, **options)
    machine.wait("any other key to continue", seconds)
    machine.send("\r")
    return machine


def finish(machine, seconds=240):
    """Follow a guest to its END; what it printed."""
    with machine:
        try:
            machine.wait(r"^END|PANIC", seconds)
            machine.wait_end(20)
        except vm.Timeout:
            (machine.folder / "registers.txt").write_text(machine.monitor("info registers -a"))
            raise
        text = machine.text.replace("\r", "")
    failed = re.findall(r"^FAIL .*", text, re.M)
    assert not failed and "PANIC" not in text, "\n".join(failed) or f"see {machine.log_path}"
    return text


def passed(text):
    return set(re.findall(r"^PASS (.*)", text, re.M))


@pytest.mark.parametrize("below", [True, False], ids=["below", "native"])
def test_svm_insn(below):
    assert passed(finish(boot("svm_insn", below=below))) == {"below" if below else "native", "ring 0", "ring 3", "still there"}


def test_msrs():
    assert passed(finish(boot("msrs"))) == {
        "below", "EFER reads without SVME", "EFER.SVME cannot be set", "EFER reserved bits", "EFER.LME while paging",
        "EFER.SCE works", "EFER.NXE works", "VM_CR off and locked", "VM_CR stays", "VM_HSAVE_PA and SVM_KEY are empty",
        "writes to fixed registers vanish", "microcode is not loaded", "APIC_BASE stays", "ring 3 reaches no register"}


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


def test_region():
    assert passed(finish(boot("region"))) == {
        "below", "memory map", "ones", "reads of every width", "writes", "writes to the page below 1 MiB", "still ones",
        "execution", "execution below 1 MiB", "an instruction that runs into it", "a push", "a pop", "vector registers",
        "counted", "still there"}


@pytest.mark.parametrize("how", ["idt", "table", "cr3", "stack", "gdt"])
def test_region_resets(how):
    """What the processor cannot do without ends in a reset of the machine, not in a hang or a report."""
    with boot("region", how) as machine:
        machine.wait(f"^PASS {how}", 60)
        machine.wait_end(60)
    assert "FAIL" not in machine.text and "PANIC" not in machine.text and "END" not in machine.text


def test_mmio():
    assert passed(finish(boot("mmio"), 600)) == {
        "below", "one aligned access is one access", "all forms, both pages trapped", "all forms, RAM then trapped",
        "all forms, trapped then RAM", "read into an absent page", "write into an absent page",
        "write into a read-only page", "addition into a read-only page", "read by ring 3 into the kernel's page",
        "write by ring 3 into the kernel's page", "read through reserved bits", "a repeated string stops at the fault",
        "and goes on", "accessed and dirty", "code before an absent page", "code before an impossible address",
        "code before a trapped page", "what is not emulated gives #GP", "a trap cannot move over RAM", "a trap moves",
        "all forms on a device, passed", "and leaves nothing behind", "still there"}


SMP = {"below", "INIT and SIPI without a delay", "state after SIPI", "SIPI to a running processor",
       "INIT to a running processor, SIPI twice", "INIT and SIPI twice", "two INITs", "odd writes to the ICR",
       "SIPI by a string instruction", "all excluding self", "INIT to a logical destination",
       "SIPI to a logical destination", "a moved trap holds for every processor"}


@pytest.mark.parametrize("n", [2, 4])
def test_smp(n):
    text = finish(boot("smp", str(n), smp=n))
    assert passed(text) == SMP | {"INITs that reach nobody", "NMIs from another processor", "still there"}


def test_smp_parked():
    """A processor that still waits in the firmware's code must not be the guest's way out."""
    assert passed(finish(boot("smp", "2 parked", smp=2))) == {"below", "parked"}


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


def test_hooks():
    assert passed(finish(boot("hooks"))) == {
        "below", "OUT", "IN", "other ports are not seen", "a wide access that touches a hooked port", "REP OUTSB",
        "REP INSD", "OUTSB from trapped memory", "INSD to trapped memory", "INSB from a free port to trapped memory",
        "INSD faults before it reads", "port: SKIP", "port: PASS", "port: INJECT", "port: ring 3",
        "MSR in the permission map", "MSR outside of it", "CPUID: hooked", "CPUID: the next leaf",
        "CPUID: ring 3, upper halves", "CPUID: OSXSAVE follows CR4", "CPUID: OSPKE follows CR4",
        "hypercall: the kernel's from ring 3", "hypercall: anyone's from ring 3", "hypercall: anyone's from ring 0",
        "hypercall: nobody's, and PASS", "hypercall: INJECT", "registers", "segments", "a register set",
        "a general register set", "translation", "guest memory", "still there"}


def test_fpu():
    assert passed(finish(boot("fpu"))) == {
        "below", "XMM", "XMM, a thousand times", "XMM of a guest without XSAVE, AVX in the handler", "CR0.TS", "CR0.EM",
        "CR4.OSFXSR off", "the processor has AVX", "YMM, SSE in the handler", "YMM, AVX in the handler",
        "YMM of a guest with AVX disabled", "YMM of a guest with SSE disabled", "still there"}


def test_events():
    assert passed(finish(boot("events"))) == {
        "below", "single step, the processor alone", "single step over what exits", "RF is clear after an instruction",
        "the shadow of STI", "a thousand interrupts", "HLT", "#UD without a gate becomes #NP",
        "an NMI",
        "an NMI during an NMI waits for IRET", "and the next is free again", "an NMI during an exit", "still there"}


def test_triple_fault():
    with boot("events", "triple") as machine:
        machine.wait("^PASS triple", 60)
        machine.wait_end(60)
    assert "PANIC" not in machine.text and "END" not in machine.text


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


def test_modes():
    text = finish(boot("modes"))
    modes = {"64-bit", "compatibility, 32-bit", "compatibility, 16-bit", "protected, 32-bit", "protected, 32-bit paging",
             "protected, PAE paging", "protected, 16-bit", "real", "real, 4 GiB segment", "64-bit again"}
    assert passed(text) == modes | {"below", "the trapped pages", "still there"}
    assert text.count("PASS real\n") == 2
