"""The bare-metal guests of tests/guests on Intel: Bochs stands in for a machine with VT-x.

Its firmware needs half a minute to the shell, the guests need seconds: they follow each other on one machine, first
without the test hypervisor, then below it. The last one ends the machine."""

import re

import bochs
import pytest
import vm

import conftest
import expected
from expected import passed
from test_guests import GUESTS

# A machine's run: what to start, in this order. The last line resets it, which Bochs is told to report.
STEPS = {
    "corei7_skylake_x": ["virt_insn", "msrs scan", "tasks", "host", "virt_insn", "msrs", "msrs scan", "control", "region",
                         "hooks", "fpu", "events", "modes", "tasks", "mmio 4", "ticks 1", "x2apic", "events in-x2apic-mode", "ticks 1 in-x2apic-mode", "events triple"],
    "corei7_haswell_4770": ["host", "virt_insn", "msrs", "control", "hooks", "events", "modes", "tasks", "region stack"],
}
END_OF_RUN = r">>PANIC<< exception\(\): 3rd .* exception with no resolution"
MUST_PASS = {
    "virt_insn": expected.VIRT_INSN, "msrs": expected.MSRS_INTEL, "region": expected.REGION, "hooks": expected.HOOKS,
    "fpu": expected.FPU_ZMM, "events": expected.EVENTS, "modes": expected.MODES, "mmio": expected.MMIO_NO_DISPLAY,
    "control": expected.CONTROL_INTEL, "x2apic": expected.X2APIC, "ticks": expected.TICKS, "tasks": expected.TASKS_INTEL}


class Run:
    """One machine from power-on to its end; the console's text, and the parts of it that each step printed."""

    def __init__(self, model, steps, smp=1, name=""):
        self.folder = conftest.RUNS / f"bochs-guests-{model}-{smp}{name}"
        files = {f"{step.split()[0]}.efi": GUESTS / f"{step.split()[0]}.efi" for step in steps}
        lines = ["@echo -off"]
        for step in steps:
            name, *args = step.split()
            lines += [f"echo STEP {step}", rf"fs0:\{name}.efi {' '.join(args)}"]
        files["startup.nsh"] = "".join(f"{line}\r\n" for line in [*lines, "echo STEP none left", "reset -s"]).encode()
        with bochs.start(self.folder, files, smp=smp, memory=256, model=model) as machine:
            try:
                machine.wait_end(300)
            except vm.Timeout:
                pass  # the parts say which guest it was
            self.text = machine.text.replace("\r", "")
        below, self.parts = "", {}
        for part in re.split(r"^STEP ", self.text, flags=re.M)[1:]:
            step, text = part.split("\n", 1)
            self.parts[below + step] = text
            below = "below " if step.startswith("host") else below

    def part(self, step):
        """What a guest printed, from its start to its END."""
        assert step in self.parts, f"the machine ended before it: {self.folder}/console.log"
        text = self.parts[step]
        failed = re.findall(r"^FAIL .*|PANIC.*", text, re.M)
        assert not failed and re.search("^END", text, re.M), "\n".join(failed) or f"no END: {self.folder}/console.log"
        return text


@pytest.fixture(scope="module")
def runs():
    """Each model's run, made when the first test asks for it."""
    made = {}

    def run(model):
        if model not in made:
            made[model] = Run(model, STEPS[model])
        return made[model]
    return run


def cases():
    for model, steps in STEPS.items():
        for step in steps[steps.index("host") + 1:-1]:
            if step != "msrs scan":
                yield model, step


@pytest.mark.parametrize("model, step", cases())
def test_guest(runs, model, step):
    text = runs(model).part(f"below {step}")
    assert passed(text) == MUST_PASS[step.split()[0]]
    assert step != "modes" or text.count("PASS real\n") == 2


@pytest.mark.parametrize("n, args", [(3, ""), (2, " unknown")], ids=["open", "unknown"])
def test_processors(n, args):
    """Commands to the APIC are not trapped once all processors run below; or always, where there might be one more."""
    steps = [f"host{args}", f"ticks {n}{args}", f"smp {n}{args}"]
    run = Run("corei7_haswell_4770", steps, smp=n, name=args.strip())
    ticks = "ticks are seen" if args else "ticks cause no exit"
    assert passed(run.part(f"below {steps[1]}")) == {"below", ticks, "still there"}
    odd = set() if args else {"odd writes to the ICR", "SIPI by a string instruction"}  # for a trap only
    assert passed(run.part(f"below {steps[2]}")) == (expected.SMP if n == 2 else expected.SMP_MORE) - odd


def test_virt_insn_native(runs):
    assert passed(runs("corei7_skylake_x").part("virt_insn")) == expected.VIRT_INSN_NATIVE


def test_tasks_native(runs):
    """The processor itself agrees with what is expected of us."""
    assert passed(runs("corei7_skylake_x").part("tasks")) == expected.TASKS_INTEL - {"below"} | {"native"}


def test_msrs_as_native(runs):
    """Every register of six ranges faults, or not, and answers as on the bare machine."""
    def scan(step):
        text = runs("corei7_skylake_x").part(step)
        assert len(passed(text)) == 6
        return {int(m[1], 16): m[2] for m in re.finditer(r"^MSR (\w+) (.*)", text, re.M)}

    below, native = scan("below msrs scan"), scan("msrs scan")
    differ = {msr for msr in below.keys() | native.keys() if below.get(msr) != native.get(msr)}
    clocks = {0x10, 0x3b, 0xe7, 0xe8, 0x6e0}
    feature_control, smm_monitor, vmx, trace = {0x3a}, {0x9b}, set(range(0x480, 0x494)), set(range(0x560, 0x588))
    assert differ - clocks == feature_control | smm_monitor | vmx | trace, sorted(map(hex, differ))


@pytest.mark.parametrize("model", STEPS)
def test_reset(runs, model):
    """A triple fault, and an exception whose frame falls into hidden memory, reset the machine."""
    run, last = runs(model), STEPS[model][-1]
    assert f"PASS {last.split()[1]}\n" in run.parts[f"below {last}"]
    assert "END" not in run.parts[f"below {last}"] and "PANIC" not in run.parts[f"below {last}"]
    assert re.search(END_OF_RUN, (run.folder / "bochs.log").read_text(errors="replace"))
