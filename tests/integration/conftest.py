"""What every test here shares: a Lab makes a disk, boots Debian on it below Sekisho, and reads the disk without it.

A test that passes has seen both that the guest was content and that Sekisho was really there: boot() fails unless the
loader announced itself on the console before the guest came up, and the assertions about the raw disk need ciphertext.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import bochs  # noqa: E402
import disk as disks  # noqa: E402
import vm  # noqa: E402

NATIVE = os.environ.get("SEKISHO_NATIVE") == "1"
LOADER = pathlib.Path(os.environ.get("SEKISHO_LOADER") or ROOT / "build/product/sekisho.efi")
LOADER_BIOS = pathlib.Path(os.environ.get("SEKISHO_LOADER_BIOS") or ROOT / "build/product/sekisho.elf")
RUNS = pathlib.Path(os.environ.get("SEKISHO_RUNS") or ROOT / "build/integration/runs")
BANNER = re.compile(r"^\W*sekisho: ", re.M)


class Lab:
    """One disk, and the machines a test boots on it one after the other. Everything is left in self.folder."""

    def __init__(self, folder, bus="ahci", mib=256):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.folder, self.bus, self.n_boots = folder, bus, 0
        self.image = disks.create(folder / "disk.img", mib)

    def conf(self, boot="", serial=disks.SERIAL):
        return disks.conf(self.image, boot, serial)

    def start(self, job, smp=2, boot="next", esp="disk", conf=None, append="quiet", reboot=False, loader=LOADER, extra=(),
              more=None, arch="amd64"):
        """Switch a machine on; the caller follows it. more: further files beside the loader, {name: contents}."""
        self.n_boots += 1
        loader = None if NATIVE else loader
        assert NATIVE or loader.exists(), f"{loader} is not built"
        files = vm.boot_files(job, loader, conf or self.conf(), boot, append, arch)
        files.update({f"EFI/BOOT/{name}" if boot == "next" else name: data for name, data in (more or {}).items()})
        return vm.start(self.folder / f"boot{self.n_boots}", self.image, files, smp=smp, bus=self.bus, esp=esp,
                        reboot=reboot, extra=extra)

    def boot(self, job, seconds=300, **options):
        """Run jobs to their end, the machine's power-off included. Returns the console's text."""
        with self.start(job, reboot="reboot" in job, **options) as machine:
            return self.finish(machine, seconds)

    def boot_bios(self, job, seconds=300, smp=2, boot="grub", extra=(), arch="amd64"):
        """The same on a machine with a BIOS."""
        self.n_boots += 1
        loader = None if NATIVE else LOADER_BIOS
        assert NATIVE or loader.exists(), f"{loader} is not built"
        files = vm.bios_files(job, loader, self.conf(), boot, arch=arch)
        with vm.start_bios(self.folder / f"boot{self.n_boots}", self.image, files, smp=smp, bus=self.bus, boot=boot,
                           reboot="reboot" in job, extra=extra) as machine:
            return self.finish(machine, seconds)

    def finish(self, machine, seconds):
        try:
            assert vm.run(machine, seconds), f"the guest failed; console: {machine.log_path}"
            machine.wait_end(60)
        except vm.Timeout:
            (machine.folder / "registers.txt").write_text(machine.monitor("info registers -a"))
            raise
        active(machine.text)
        return machine.text

    def boot_bochs(self, job, smp, model, seconds=1200, **options):
        """The same in Bochs, where no power-off of Linux can be seen."""
        files = bochs.boot_files(job, None if NATIVE else LOADER, smp=smp, image=self.image, **options)
        with bochs.start(self.folder / "boot", files, smp=smp, model=model, image=self.image) as machine:
            return self.finish_bochs(machine, seconds)

    @staticmethod
    def finish_bochs(machine, seconds=1200):
        assert vm.run(machine, seconds), f"the guest failed; console: {machine.log_path}"
        active(machine.text)
        return machine.text

    def assert_ciphertext(self):
        """The guest's partition, read raw: data, but none of the plaintext, and no order in it."""
        found = disks.scan(self.image)
        assert found.n_bytes > 1 << 19, "the guest wrote next to nothing"
        assert NATIVE or found.n_markers == 0, f"plaintext on the raw disk, {found.n_markers} times"
        assert NATIVE or found.entropy > 7.99, f"{found.entropy} bits a byte is no ciphertext"

    def plaintext(self):
        """The guest's partition as OpenSSL decrypts it, in a file of its own."""
        out = self.folder / "plain.img"
        if NATIVE:
            data = self.image.read_bytes()
            out.write_bytes(data[disks.GUEST_FIRST * disks.SECTOR:disks.guest_end(self.image) * disks.SECTOR])
        else:
            assert disks.decrypt(self.image, out) > 0
        return out

    def clear_bytes(self, lba, n_sectors):
        with open(self.image, "rb") as f:
            f.seek(lba * disks.SECTOR)
            return f.read(n_sectors * disks.SECTOR)


def check_files(lab, text):
    """What the jobs fs and verify left: ciphertext on the raw disk; sound files with the checksums that the guest printed,
    when OpenSSL decrypts it and e2fsprogs read it."""
    assert "JOB verify OK" in text
    sums = dict((name, digest) for digest, name in re.findall(r"^FILE ([0-9a-f]{64})  (\S+)", text, re.M))
    assert len(sums) == 8

    lab.assert_ciphertext()
    plain = lab.plaintext()
    host("/sbin/e2fsck", "-f", "-n", plain)
    for name, digest in sums.items():
        out = lab.folder / name
        host("/sbin/debugfs", "-R", f"dump {name} {out}", plain)
        data = out.read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest, f"{name}: what lies on the disk is not what was written"
        assert data.count(disks.MARKER) == len(data) // disks.SECTOR


def wait_screen(machine, pattern, seconds):
    """Wait until a pattern is on the screen of a machine in QEMU, whose VGA memory shows characters; the whole screen."""
    deadline = time.monotonic() + seconds * vm.TIME_FACTOR
    path = machine.folder / "screen"
    while True:
        machine.monitor(f'pmemsave 0xb8000 4000 "{path}"')
        cells = path.read_bytes()[::2] if path.exists() else b""
        lines = [cells[at:at + 80].decode("ascii", "replace").rstrip() for at in range(0, len(cells), 80)]
        if re.search(pattern, screen := "\n".join(lines), re.S):
            return screen
        assert time.monotonic() < deadline, screen
        time.sleep(0.2)


KEYS = {" ": "spc", "/": "slash", ".": "dot", ":": "shift-semicolon", "\r": "ret", "\b": "backspace", "\x1b": "esc", "\t": "tab"}


def press(machine, text):
    """Type on the keyboard of a machine in QEMU."""
    for c in text:
        machine.monitor(f"sendkey {KEYS.get(c) or ('shift-' if c.isupper() else '') + c.lower()} 20")


def seen(processor, bus, smp, what):
    """A cell of the table that ./check prints: Debian was seen to boot and to do this on such a machine."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with open(RUNS / "matrix.txt", "a", encoding="ascii") as f:
        f.write(f"{processor},{bus},{smp},{what}\n")


def active(text):
    """Fail unless Sekisho announced itself before each start of the guest that the firmware made."""
    for number, start in enumerate(re.split(r"GUEST UP .*kexeced=0", text)[:-1]):
        assert NATIVE or BANNER.search(start), f"start {number + 1}: the guest came up without Sekisho"


def host(*argv):
    """A program of this machine's own, on a decrypted image; its output."""
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(map(str, argv))}: exit code {done.returncode}\n{text}"
    return text


@pytest.fixture
def lab(request):
    """With a parameter, the disk is on that bus (indirect parametrization)."""
    return Lab(RUNS / re.sub(r"\W+", "-", request.node.name).strip("-"), getattr(request, "param", "ahci"))


@pytest.fixture
def intel(request):
    """A disk for Bochs, named after the test and its file."""
    return Lab(RUNS / re.sub(r"\W+", "-", f"{request.path.stem}-{request.node.name}").strip("-"), mib=bochs.DISK_MIB)


def pytest_report_header():
    return "guest runs natively: nothing about Sekisho is tested" if NATIVE else f"loader: {LOADER}"
