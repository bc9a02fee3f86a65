#!/usr/bin/python3
"""The tree's rules that no compiler checks: who may include whom, and how long a file may be.

Exit code 0: all kept. Every breach is printed as FILE:LINE: what is wrong."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPONENTS = ["libvmm", "libcrypt", "libdevintercept", "shells", "efi-app", "multiboot-app", "cli"]
COMPILER = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"}
HOSTED = {f"{h}.h" for h in ("dirent", "errno", "fcntl", "inttypes", "libgen", "limits", "signal", "spawn", "stdio", "stdlib", "strings", "termios", "time",
                             "unistd")} | {"sys/*", "linux/*"}

# component: (components whose headers it may include, single headers beyond that, headers from outside the tree)
ALLOWED = {
    "libvmm": ({"libvmm"}, set(), {"efi.h"}),
    "libcrypt": ({"libcrypt"}, set(), {"bearssl.h", "bearssl/*", "cpuid.h", "immintrin.h", "wmmintrin.h"}),
    "libdevintercept": ({"libdevintercept"}, {f"vmm/{h}.h" for h in ("types", "bits", "access", "lock")}, set()),
    "shells": ({"libvmm", "libcrypt", "libdevintercept", "shells"}, set(), set()),
    "efi-app": (set(COMPONENTS), set(), {"efi.h", "efilib.h", "efipciio.h"}),
    "multiboot-app": (set(COMPONENTS), set(), set()),
    "cli": ({"cli", "libcrypt"}, {"conf/conf.h", "status_regs.h", "vmm/vmm.h"}, HOSTED),  # the only one with a C library and an operating system
}
LINES_MAX = 700


def sources(component):
    return sorted(p for p in (ROOT / component).rglob("*") if p.suffix in (".c", ".h", ".S"))


def owner_of(source, name):
    """The component whose header an include line means; "" if it is from outside the tree."""
    if (source.parent / name).exists():
        return (source.parent / name).resolve().relative_to(ROOT).parts[0]
    own = source.relative_to(ROOT).parts[0]
    for component in [own, *COMPONENTS]:
        if any(str(h).endswith(f"/{name}") for h in sources(component)):
            return component
    return ""


def include_breach(component, source, name):
    allowed, single, outside = ALLOWED[component]
    owner = owner_of(source, name)
    if owner:
        return "" if owner in allowed or name in single else f"{component} must not include {name} of {owner}"
    if name in COMPILER or name in outside or f"{name.split('/')[0]}/*" in outside:
        return ""
    return f"{component} must not include {name}"


def breaches():
    for component in COMPONENTS:
        for source in sources(component):
            lines = source.read_text().splitlines()
            where = source.relative_to(ROOT)
            if len(lines) > LINES_MAX:
                yield f"{where}:{len(lines)}: more than {LINES_MAX} lines"
            for number, line in enumerate(lines, 1):
                found = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
                wrong = include_breach(component, source, found.group(1)) if found else ""
                if wrong:
                    yield f"{where}:{number}: {wrong}"
                guard = re.fullmatch(r"#ifndef [A-Z0-9_]+_H", line)
                if re.match(r"\s*#\s*(if|elif)", line) and not guard and "hw" not in where.parts:
                    yield f"{where}:{number}: conditional compilation outside hw/"


def self_test():
    """The rules must be able to say no."""
    crypt, dvi, vmm = (ROOT / c / "x.c" for c in ("libcrypt", "libdevintercept", "libvmm"))
    assert include_breach("libcrypt", crypt, "vmm/types.h")
    assert include_breach("libcrypt", crypt, "stdio.h")
    assert include_breach("libdevintercept", dvi, "vmm/vmm.h")
    assert include_breach("libdevintercept", dvi, "crypt/xts.h")
    assert include_breach("libvmm", vmm, "dvi/policy.h")
    assert not include_breach("libdevintercept", dvi, "vmm/bits.h")
    assert not include_breach("libvmm", vmm, "vmm/vmm.h")


def main():
    self_test()
    found = list(breaches())
    for text in found:
        print(text)
    print(f"layering: {sum(len(sources(c)) for c in COMPONENTS)} files, {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
