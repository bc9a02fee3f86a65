"""What the plugin must know of a linked hypervisor image: where its functions are, and what an exit that enters one of them is for."""

import collections
import pathlib
import re
import subprocess

# In this order: an exit that enters functions of two of them belongs to the first. Where a function is, by source file and
# name, "path:function"; every pattern must find something, so that none goes stale.
CLASSES = [
    ("AHCI register", r"libdevintercept/src/ahci/[^:]*:"),
    ("IDE register", r"libdevintercept/src/ata/[^:]*:"),
    ("PCI configuration", r"shells/machine/pci\.c:|libdevintercept/src/pci/[^:]*:"),
    ("sleep or A20 port", r"shells/sekisho/(sleep|a20|a20_filter)\.c:"),
    ("local APIC", r"libvmm/src/apic\.c:"),
    ("MSR", r"libvmm/src/msr\.c:"),
    ("NMI", r"hw_svm_gif_window$"),
]
OTHER = 15  # the plugin's class of exits that enter none of these functions
NOTED, NOTED_FUNCTION = 14, "vmm_insn_decode"  # exits that have to decode an instruction are counted, whatever their class
ANCHOR = "stage2"  # the first function that runs in the image's final place
ANCHOR_BYTES = 16

Function = collections.namedtuple("Function", "offset name path")


def class_name(number):
    return "other" if int(number) == OTHER else CLASSES[int(number)][0]


def output(*argv, **kw):
    return subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, check=True, text=True, **kw).stdout


def functions(elf):
    """All functions of an image with debugging information, by offset from its start."""
    symbols = [line.split() for line in output("nm", "--defined-only", elf).splitlines()]
    found = [(int(s[0], 16), s[2]) for s in symbols if len(s) == 3 and s[1] in "tT"]
    places = output("addr2line", "-e", elf, input="".join(f"{offset:x}\n" for offset, _ in found)).splitlines()
    return [Function(offset, name, place.rpartition(":")[0]) for (offset, name), place in zip(found, places)]


def classify(every):
    """[(offset, class)] of the functions that tell what an exit is for."""
    marks, used = [], set()
    for f in every:
        for number, (_, pattern) in enumerate(CLASSES):
            if re.search(pattern, f"{f.path}:{f.name}"):
                marks.append((f.offset, number))
                used.add(number)
                break
    marks += [(f.offset, NOTED) for f in every if f.name == NOTED_FUNCTION]
    missing = [name for number, (name, _) in enumerate(CLASSES) if number not in used]
    if not any(number == NOTED for _, number in marks):
        missing.append(NOTED_FUNCTION)
    if missing:
        raise ValueError(f"the image has no function for: {', '.join(missing)}; CLASSES in {__file__} is out of date")
    return marks


def anchor(elf, every):
    """The anchor's offset and its first bytes, as the plugin wants them."""
    offset = next(f.offset for f in every if f.name == ANCHOR)
    dump = output("objdump", "-d", f"--start-address={offset}", f"--stop-address={offset + 64}", elf)
    code = "".join(m.replace(" ", "") for m in re.findall(r"^\s*[0-9a-f]+:\t((?:[0-9a-f]{2} )+)", dump, re.M))
    return f"{offset:x}:{code[:2 * ANCHOR_BYTES]}"


def plugin_arguments(elf, folder):
    """The plugin's arguments for this image; the marks are written into a file in folder."""
    every = functions(elf)
    path = pathlib.Path(folder) / "marks.txt"
    path.write_text("".join(f"{offset:x} {number}\n" for offset, number in classify(every)))
    return f"marks={path},anchor={anchor(elf, every)}"
