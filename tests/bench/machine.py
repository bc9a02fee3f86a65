"""The measured machines: Debian's kernel with the benchmark program as its only process, in QEMU under the counting
plugin, natively or below Sekisho."""

import collections
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import sys

BENCH = pathlib.Path(__file__).resolve().parent
ROOT = BENCH.parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import disk as disks  # noqa: E402
import guest  # noqa: E402
import vm  # noqa: E402

import image  # noqa: E402

BUILD = ROOT / "build/bench"
LOADER = pathlib.Path(os.environ.get("SEKISHO_LOADER") or ROOT / "build/product/sekisho.efi")
LINKED = LOADER.parent / "efi-app/sekisho-pass2"  # the same with symbols
MODULES = ["ahci", "sd_mod", "aesni_intel", "xts", "dm-crypt"]
PACKAGES = ["libc6", "libc6-dev", "libgcc-12-dev", "linux-libc-dev"]
APPEND = "quiet tsc=reliable no_timer_check"  # on a busy machine the kernel would not believe in the emulated timers
DISK_MIB = 256
MEMORY_MIB = 2048
KEY = bytes((i * 37 + 1) & 0xff for i in range(64))

# cpus: [(instructions, exits, instructions in the hypervisor)]; decodes: exits that had to decode an instruction
Row = collections.namedtuple("Row", "name cpus causes io decodes")


def sources():
    return sorted((BENCH / "guest").iterdir())


def build_guest():
    """The initramfs and the kernel, kept while what makes them is unchanged."""
    digest = hashlib.sha256()
    for path in [pathlib.Path(__file__), pathlib.Path(guest.__file__), *sources()]:
        digest.update(path.read_bytes())
    out = guest.CACHE / f"guest-bench-{digest.hexdigest()[:16]}"
    if out.exists():
        return out
    debs = guest.Apt("amd64").download([guest.ARCHITECTURES["amd64"].kernel, *PACKAGES])
    root = guest.unpack(debs)
    part = out.with_suffix(f".{os.getpid()}")
    part.mkdir(parents=True)
    cpio = guest.Cpio()
    for folder in ("dev", "proc", "sys"):
        cpio.folder(folder)
    cpio.device("dev/console", 5, 1)
    program = guest.build_static(root, "amd64", [p for p in sources() if p.suffix == ".c"], part / "bench")
    cpio.file("init", program, 0o755)
    for number, path in enumerate(guest.module_files(root, MODULES)):
        cpio.file(f"modules/{number:02}-{path.name}", path.read_bytes())
    (part / "initrd.gz").write_bytes(gzip.compress(cpio.finish(), 6, mtime=0))
    (part / "bench").unlink()
    kernel = next(root.glob("boot/vmlinuz-*"))
    shutil.copyfile(kernel, part / "vmlinuz.efi")
    (part / "VERSION").write_text(kernel.name.removeprefix("vmlinuz-") + "\n")
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return out


def kernel_version():
    return (build_guest() / "VERSION").read_text().strip()


def build_plugin(folder):
    out = folder / "plugin.so"
    guest.run(["gcc", "-std=gnu11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror",
               BENCH / "plugin.c", "-o", out])
    return out


def conf(key_bytes=0, n_ranges=1):
    """A sekisho.conf that encrypts the whole of every disk, or none. n_ranges: in so many pieces, of one key."""
    text = "[boot]\nconsole = serial\non-error = stop\n"
    if not key_bytes:
        return text
    n_sectors, n_each = DISK_MIB * 2048, DISK_MIB * 2048 // n_ranges
    text += '\n[disk "all"]\nmatch = any\n'
    for i in range(n_ranges):
        last = n_sectors - 1 if i == n_ranges - 1 else (i + 1) * n_each - 1
        text += f"range = {i * n_each}..{last} encrypt:bench\n"
    return text + f'\n[key "bench"]\nsource = hex:{KEY[:key_bytes].hex()}\n'


def more_disks(folder, n_disks):
    """QEMU arguments for the disks behind the first: five more on the machine's own controller, the rest on another."""
    extra = []
    if n_disks > 6:
        extra += ["-device", "ahci,id=second"]
    for i in range(1, n_disks):
        path = folder / f"disk{i}.img"
        with open(path, "wb") as f:
            f.truncate(DISK_MIB << 20)
        bus = f"ide.{i}" if i < 6 else f"second.{i - 6}"
        extra += ["-drive", f"if=none,id=more{i},format=raw,cache=unsafe,file={path}",
                  "-device", f"ide-hd,drive=more{i},bus={bus},serial=BENCH{i}"]
    return extra


def parse_marks(text):
    """The plugin's lines as (cpus, causes, io, decodes)."""
    for line in text.splitlines():
        found = json.loads(line)
        causes = {image.class_name(k): tuple(v) for k, v in found["causes"].items()}
        yield [tuple(c) for c in found["cpus"]], causes, found["io"], found["noted"]


def parse(console, marks):
    """The rows of one boot: the guest's names and the plugin's counts, in the same order."""
    names = re.findall(r"^BENCH (.*?)\s*$", console, re.M)
    counts = list(parse_marks(marks))
    if len(names) != len(counts):
        raise ValueError(f"the guest measured {len(names)} times, the plugin {len(counts)} times")
    return [Row(name, *count) for name, count in zip(names, counts)]


Boot = collections.namedtuple("Boot", "rows console command")


def new_folder(name):
    folder = BUILD / "runs" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def start(folder, job, sekisho=None, smp=1, n_disks=1, extra=()):
    """Switch a machine on. sekisho: the text of sekisho.conf; None: natively."""
    disk = folder / "disk.img"
    with open(disk, "wb") as f:
        f.truncate(DISK_MIB << 20)
    loader, how = (None, "shell") if sekisho is None else (LOADER, "next")
    files = vm.boot_files(job, loader, sekisho or "", how, APPEND, folder=build_guest())
    return vm.start(folder, disk, files, smp=smp, memory=MEMORY_MIB, extra=[*more_disks(folder, n_disks), *extra])


def boot(name, job, sekisho=None, smp=1, n_disks=1, seconds=600):
    """Boot, run jobs, and return what they cost."""
    folder = new_folder(name)
    plugin = build_plugin(folder)
    counts = folder / "counts.json"
    arguments = f"{plugin},out={counts}"
    if sekisho is not None:
        arguments += "," + image.plugin_arguments(LINKED, folder)
    with start(folder, job, sekisho, smp, n_disks, ["-plugin", arguments]) as running:
        if not vm.run(running, seconds):
            raise vm.Ended(f"the guest failed; console: {running.log_path}")
        running.wait_end(60)
        console = running.text.replace("\r", "")
    for path in folder.glob("*.img"):
        path.unlink()
    if sekisho is not None and "running beneath you" not in console:
        raise vm.Ended(f"Sekisho did not start; console: {folder}/console.log")
    return Boot(parse(console, counts.read_text()), console, (folder / "qemu.cmd").read_text().strip())


def launch(name, sekisho, smp, seconds=300):
    """Only as far as Sekisho's last line before the guest; the console's text."""
    with start(new_folder(name), "none", sekisho, smp) as running:
        if not vm.run(running, seconds, until=r"^sekisho: .* guest starts.*$|^sekisho: not started.*$"):
            raise vm.Ended(f"Sekisho did not start; console: {running.log_path}")
        return running.text
