"""What ./check does once the packages are there: builds, runs ctest in each build, and prints the measures."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
LOGS = BUILD / "check"
JOBS = os.cpu_count() or 2


class Check:
    """Runs the steps, remembers what each one said, and goes on after a failure: one run shows everything."""

    def __init__(self):
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir(parents=True)
        self.begin, self.rows, self.failed = time.monotonic(), [], []

    def title(self, text):
        print(f"\n== {text} ({time.monotonic() - self.begin:.0f} s)", flush=True)

    def command(self, name, argv, quiet=True):
        """Run one command with its output in a log; shown at once unless quiet, or when it fails."""
        log = LOGS / f"{name}.log"
        with open(log, "a", encoding="utf-8") as out:
            process = subprocess.Popen([str(a) for a in argv], cwd=ROOT, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors="replace")
            for line in process.stdout:
                out.write(line)
                if not quiet:
                    print(line, end="", flush=True)
        if process.wait() and quiet:
            print("".join(log.read_text(errors="replace").splitlines(True)[-40:]))
        return process.returncode == 0, log.read_text(errors="replace")

    def row(self, name, good, found):
        self.rows.append((name, good, found))
        if not good:
            self.failed.append(name)

    def build(self, preset):
        self.title(f"building {preset}")
        begin = time.monotonic()
        good = self.command(f"build-{preset}", ["cmake", "--preset", preset])[0]
        good = good and self.command(f"build-{preset}", ["cmake", "--build", "--preset", preset, "-j", JOBS])[0]
        self.row(f"build {preset}", good, f"{time.monotonic() - begin:.0f} s; {LOGS.name}/build-{preset}.log")
        return good

    def ctest(self, name, folder, *options, parallel=JOBS):
        """Run ctest in a build folder; the row's finding counts the programs and the cases inside them."""
        self.title(f"ctest: {name}")
        junit = LOGS / f"{name}.xml"
        good, text = self.command(name, ["ctest", "--test-dir", folder, "--output-on-failure", "--no-tests=error",
                                         "--output-junit", junit, "-j", parallel, *options], quiet=False)
        summary = re.search(r"^\d+% tests passed.*$", text, re.M)
        cases = self.cases(junit) if junit.exists() else ""
        self.row(f"ctest {name}", good, (summary.group(0) if summary else "ctest did not finish") + cases)

    @staticmethod
    def cases(junit):
        """What the programs said about the cases they ran: Criterion, pytest, libFuzzer."""
        text = "\n".join(e.text or "" for e in xml.etree.ElementTree.parse(junit).iter("system-out"))
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        found = []
        for words, pattern in (("unit cases", r"Tested:\s*(\d+)"), ("boots and other integration cases", r"(\d+) passed"),
                               ("inputs fuzzed", r"stat::number_of_executed_units:\s*(\d+)")):
            total = sum(int(n) for n in re.findall(pattern, text))
            if total:
                found.append(f"{total} {words}")
        return f" ({', '.join(found)})" if found else ""

    def run(self, name, *argv):
        self.title(name)
        good, text = self.command(name, argv, quiet=False)
        self.row(name, good, "" if good or not text.strip() else text.splitlines()[-1])

    @staticmethod
    def start(name, *argv):
        """Run a command beside the next steps; the function returned waits for it and adds its row."""
        log = open(LOGS / f"{name}.log", "w+", encoding="utf-8")
        process = subprocess.Popen([str(a) for a in argv], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)

        def join(check):
            check.title(name)
            good = process.wait() == 0
            log.seek(0)
            text = log.read()
            print(text, end="", flush=True)
            check.row(name, good, text.splitlines()[-1] if text.strip() else "")
        return join

    def matrix(self, path):
        """Where Debian was seen to boot, and what it did there; fails if a machine is missing that the emulators have."""
        self.title("Debian's disk, decrypted by OpenSSL afterwards")
        seen = [line.split(",", 3) for line in path.read_text().splitlines()] if path.exists() else []
        found = {(processor, bus, smp): f"boots, {what}" for processor, bus, smp, what in seen}
        columns = ("1", "2", "32-bit")  # the last: i386, on Bochs with one or two processors
        machines = [(processor + way, bus, columns) for processor, way, bus in (
            ("AMD SVM (QEMU)", "", "ahci"), ("AMD SVM (QEMU)", "", "ide"), ("AMD SVM (QEMU)", " BIOS", "ahci"),
            ("AMD SVM (QEMU)", " BIOS", "ide"), ("AMD SVM (QEMU)", " iPXE BIOS", "ide"),
            ("Intel VT-x (Bochs)", "", "ide"), ("Intel VT-x (Bochs)", " BIOS", "ide"))]
        machines += [("AMD SVM (QEMU) iPXE UEFI", "ahci", ("1", "2")), ("Intel VT-x (Bochs) iPXE BIOS", "ide", ("1", "32-bit"))]
        n, n_yes = 0, 0
        print(f"{'':<36}{'1 processor':<28}{'2 processors':<28}32-bit")
        for processor, bus, wanted in machines:
            row = [found.get((processor, bus, column), "NO") if column in wanted else "" for column in columns]
            n, n_yes = n + len(wanted), n_yes + sum(cell.startswith("boots") for cell in row)
            print(f"{f'{processor} {bus.upper()}':<36}" + "".join(f"{cell:<28}" for cell in row).rstrip())
        print("Bochs has no AHCI, its UEFI firmware does not come back from a reboot, and iPXE does not come up above it.")
        self.row("matrix", n_yes == n, f"{n_yes} of {n} machines")

    def finish(self):
        self.title("summary")
        for name, good, found in self.rows:
            print(f"{'passed' if good else 'FAILED'}  {name:<22} {found}")
        minutes = (time.monotonic() - self.begin) / 60
        print(f"\n{'everything passed' if not self.failed else 'failed: ' + ', '.join(self.failed)} in {minutes:.1f} minutes")
        return 1 if self.failed else 0


def full():
    check = Check()
    built = {p: check.build(p) for p in ("product", "product-clang", "test-gcc", "test-clang", "fuzz", "coverage")}
    check.ctest("unit-gcc", BUILD / "test-gcc")
    check.ctest("unit-clang", BUILD / "test-clang")
    check.ctest("fuzz", BUILD / "fuzz", "-L", "fuzz")
    check.command("coverage", ["ctest", "--test-dir", BUILD / "coverage", "-j", JOBS])
    check.row("configure tests", check.command("tests", ["cmake", "-S", "tests", "-B", BUILD / "tests"])[0], "")
    check.ctest("tree", BUILD / "tests", "-L", "tree")
    if built["product"]:
        check.row("build the guest", check.command("guest", ["tools/guest.py", "amd64", "i386", "memtest"])[0], "")
        check.row("install Debian", check.command("installed", ["tools/installed.py"])[0], "")
        matrix = BUILD / "tests/runs/matrix.txt"
        matrix.unlink(missing_ok=True)
        check.ctest("integration", BUILD / "tests", "-L", "integration", parallel=2)
        check.matrix(matrix)
    check.run("sizes", "tests/sizes.py", BUILD / "product", BUILD / "coverage")
    return check.finish()


def quick():
    check = Check()
    boot = None
    if all([check.build("product"), check.build("test-gcc")]):
        boot = check.start("one boot", "/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           "--tb=short", "tests/integration/test_boot.py::test_boots[2-next-disk]")
    check.ctest("unit-gcc", BUILD / "test-gcc")
    check.row("configure tests", check.command("tests", ["cmake", "-S", "tests", "-B", BUILD / "tests"])[0], "")
    check.ctest("tree", BUILD / "tests", "-L", "tree", "-E", "reproducible|alone|example")
    if boot:
        boot(check)
    check.run("sizes", "tests/sizes.py", BUILD / "product")
    return check.finish()


if __name__ == "__main__":
    sys.exit(quick() if "--quick" in sys.argv[1:] else full())
