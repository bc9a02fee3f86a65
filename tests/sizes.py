#!/usr/bin/python3
"""tests/sizes.py PRODUCT-BUILD [COVERAGE-BUILD]: how large, how deep, how pure and how covered the product is.

Prints a table and fails when a budget of code lines (cloc) is exceeded, or a function's stack is not bounded at compile
time or is above the limit. Pure code is all of it but hw/, assembly and the applications' own folders: what runs in unit
tests."""

import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPONENTS = ["libvmm", "libcrypt", "libdevintercept", "shells", "efi-app", "multiboot-app", "cli"]
ENTRY = {"efi-app", "multiboot-app", "cli"}
LINES_MAX = {"libvmm": 10000, "libcrypt": 3500, "cli": 2000, "all": 25000}
MEDIATOR_LINES_MAX = 900
MEDIATOR_LINES_AGREED = {"ahci": 1150}  # why: libdevintercept/DESIGN.md, "Size"
MEDIATORS = ("ahci", "ata", "nvme", "uhci", "ehci", "xhci", "usb", "e1000", "pro100", "virtio")
STACK_MAX = 4096  # bytes in one function: less than a guard page


def output(*argv):
    return subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout.decode()


def code_lines():
    """{path: lines of code} of the product's sources."""
    folders = [c for c in COMPONENTS if (ROOT / c).exists()]
    found = json.loads(output("cloc", "--quiet", "--by-file", "--json", "--include-ext=c,h,S", *folders))
    return {pathlib.PurePath(p): f["code"] for p, f in found.items() if p not in ("header", "SUM")}


def is_pure(path):
    return path.suffix != ".S" and "hw" not in path.parts and path.parts[0] not in ENTRY


def mediator_of(path):
    """A mediator's name: that of a folder below libdevintercept/src, or the first word of a file's name."""
    if path.parts[0] == "libdevintercept":
        for part in (*path.parts[1:-1], re.split(r"[_.]", path.name)[0]):
            if part in MEDIATORS:
                return part
    return None


def texts(build):
    """{component: bytes of text and read-only data} of the libraries, by size(1)."""
    sizes = collections.Counter()
    for archive in build.rglob("*.a"):
        component = archive.relative_to(build).parts[0]
        totals = output("size", "-t", archive).splitlines()[-1].split()
        sizes[component] += int(totals[0])
    return sizes


def stacks(build):
    """{component: (bytes, function)} of the deepest single frame, and the functions whose frame is not bounded."""
    worst, unbounded = {}, []
    for report in build.rglob("*.su"):
        component = report.relative_to(build).parts[0]
        for line in report.read_text().splitlines():
            where, n_bytes, kind = line.rsplit("\t", 2)
            function = where.rsplit(":", 1)[1]
            if kind != "static" and "bounded" not in kind:
                unbounded.append(function)
            worst[component] = max(worst.get(component, (0, "")), (int(n_bytes), function))
    return worst, unbounded


def coverage(build):
    """{component: (lines covered, lines)}, by gcovr."""
    lines = collections.defaultdict(lambda: [0, 0])
    report = json.loads(output("gcovr", "-r", ROOT, build, "--json-summary", "-", "--exclude", "tests/"))
    for f in report["files"]:
        component = pathlib.PurePath(f["filename"]).parts[0]
        lines[component][0] += f["line_covered"]
        lines[component][1] += f["line_total"]
    return lines


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    lines, text = code_lines(), texts(build)
    stack, unbounded = stacks(build)
    covered = coverage(pathlib.Path(sys.argv[2]).resolve()) if len(sys.argv) > 2 else {}
    failures = [f"{function}: its stack frame is not bounded" for function in unbounded]
    print(f"{'':<18}{'code lines':>11}{'budget':>8}{'pure':>9}{'text':>9}{'covered':>9}  deepest stack frame")
    for component in [*COMPONENTS, "all"]:
        mine = {p: n for p, n in lines.items() if component in ("all", p.parts[0])}
        if not mine:
            continue
        total, pure = sum(mine.values()), sum(n for p, n in mine.items() if is_pure(p))
        some = [v for c, v in covered.items() if component in ("all", c)]
        deep = max((v for c, v in stack.items() if component in ("all", c)), default=(0, ""))
        size = sum(n for c, n in text.items() if component in ("all", c))
        print(f"{component:<18}{total:>11}{LINES_MAX.get(component, ''):>8}{percent(pure, total):>9}{size:>9}"
              f"{percent(sum(v[0] for v in some), sum(v[1] for v in some)):>9}  {deep[0]} bytes {deep[1]}")
        if total > LINES_MAX.get(component, total):
            failures.append(f"{component}: {total} code lines, allowed {LINES_MAX[component]}")
        if deep[0] > STACK_MAX and component != "all":
            failures.append(f"{deep[1]}: {deep[0]} bytes of stack, allowed {STACK_MAX}")
    mediators = collections.Counter()
    for path, n in lines.items():
        if mediator_of(path):
            mediators[mediator_of(path)] += n
    for name, n in sorted(mediators.items()):
        limit = MEDIATOR_LINES_AGREED.get(name, MEDIATOR_LINES_MAX)
        print(f"  mediator {name:<7}{n:>11}{limit:>8}")
        if n > limit:
            failures.append(f"mediator {name}: {n} code lines, allowed {limit}")
    for failure in failures:
        print(f"sizes: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
