#!/usr/bin/python3
"""Boot the Linux guest in QEMU (TCG: no /dev/kvm needed), natively or below Sekisho, and run jobs in it.

    tools/vm.py --job fs,verify                                             natively
    tools/vm.py --loader build/product/sekisho.efi --job fs,verify          below Sekisho, disk encrypted
    tools/vm.py --loader F --conf FILE --smp 4 --disk disk.img --job verify --boot next
    tools/vm.py --loader build/product/sekisho.elf --boot grub --job fs     on a machine with a BIOS
    tools/vm.py --loader F --job cpus --int-log int.log -- -d guest_errors  further arguments go to QEMU

The jobs, separated by commas, are the functions job_* of tools/guest/init, and reboot, poweroff, shell. Exit code: 0 the
guest reported success, 1 it reported a failure, 2 time is up (the processors' registers are printed), 3 QEMU ended
without a result.

Without --disk a new 256 MiB disk is made; with it, it is made if it does not exist. Without --conf, the loader gets the
sekisho.conf that tools/disk.py writes for this disk. --boot shell: the UEFI shell starts sekisho.efi, which returns to it,
then the kernel. --boot next: the loader is \\EFI\\BOOT\\BOOTX64.EFI and starts the kernel itself. With --arch i386 GRUB takes
the kernel's place and starts it, because 64-bit firmware cannot. --esp: where these files are: virtio (a disk of its
own, not mediated), ahci (the same on the second port), disk (partition 1 of the guest's disk).

With a BIOS, --boot grub: GRUB on the guest's disk loads sekisho.elf, which starts the disk again, and this time GRUB loads
the kernel. --boot modules: GRUB gives the kernel to sekisho.elf. --boot direct: QEMU loads sekisho.elf and the kernel.
"""

import argparse
import ctypes
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

import disk as disks
import grub
import guest

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
TIME_FACTOR = float(os.environ.get("SEKISHO_TIME_FACTOR", "1"))  # for machines slower than two ordinary cores
BIOS_BOOTS = ["grub", "modules", "direct"]
MACHINES = {"ahci": "q35", "ide": "pc"}  # by what they have built in
CONTROL = re.compile(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00-\x08\x0b-\x1f]")


class Timeout(Exception):
    pass


class Ended(Exception):
    """QEMU ended while something was still expected from it."""


def die_with_parent():
    """In the child: be killed when this program ends, however it ends (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Machine:
    """One QEMU process and its serial console. Use as a context manager: leaving it ends the process."""

    def __init__(self, argv, folder, on_line=None):
        self.folder, self.on_line = pathlib.Path(folder), on_line
        self.text, self.seen, self.changed = "", 0, threading.Condition()
        self.qmp_path = tempfile.mktemp(prefix="sekisho-qmp.", dir="/tmp")  # socket paths must be short
        argv = [*argv, "-qmp", f"unix:{self.qmp_path},server=on,wait=off"]
        self.log_path = self.folder / "console.log"
        (self.folder / "qemu.cmd").write_text(" ".join(argv) + "\n")
        self.start = time.monotonic()
        self.errors = open(self.folder / "qemu.err", "wb")
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        start_new_session=True, preexec_fn=die_with_parent)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        line = ""
        with open(self.log_path, "w", encoding="utf-8") as log:
            def emit(piece):
                log.write(f"{time.monotonic() - self.start:8.2f} {piece}\n")
                log.flush()
                if self.on_line:
                    self.on_line(piece)
            while data := os.read(self.process.stdout.fileno(), 65536):
                text = data.decode("utf-8", "replace")
                with self.changed:
                    self.text += text
                    self.changed.notify_all()
                line += text
                *whole, line = line.split("\n")
                for piece in whole:
                    emit(CONTROL.sub("", piece))
            if line:
                emit(CONTROL.sub("", line))
        with self.changed:
            self.changed.notify_all()

    def wait(self, pattern, seconds):
        """The next match of a pattern on the console, after the one before. Timeout or Ended if there is none."""
        deadline = time.monotonic() + seconds * TIME_FACTOR
        regex = re.compile(pattern, re.M)
        with self.changed:
            while True:
                found = regex.search(self.text, self.seen)
                if found:
                    self.seen = found.end()
                    return found
                if not self.reader.is_alive():
                    why = (self.folder / "qemu.err").read_text(errors="replace").strip()
                    raise Ended(f"QEMU ended before the expected output; console: {self.log_path}\n{why}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Timeout(f"not the expected output within {seconds:.0f} s; console: {self.log_path}")
                self.changed.wait(min(left, 0.5))

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_end(self, seconds):
        """Wait until QEMU ends by itself: the guest switched the machine off, or reset it under -no-reboot."""
        try:
            self.process.wait(seconds * TIME_FACTOR)
        except subprocess.TimeoutExpired:
            raise Timeout(f"the machine still runs after {seconds:.0f} s; console: {self.log_path}") from None
        self.reader.join(10)

    def kill(self):
        """The plug is pulled."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(10)

    def monitor(self, command):
        """A command of QEMU's human monitor, such as "info registers -a"; its answer, or why there is none."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(20)
                s.connect(self.qmp_path)
                stream = s.makefile("rw")
                stream.readline()
                for request in ({"execute": "qmp_capabilities"},
                                {"execute": "human-monitor-command", "arguments": {"command-line": command}}):
                    stream.write(json.dumps(request) + "\n")
                    stream.flush()
                    while "event" in (answer := json.loads(stream.readline())):
                        pass
                return answer.get("return", str(answer)).replace("\r", "")
        except (OSError, ValueError) as error:
            return f"no answer from QEMU: {error}"

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.kill()
        self.errors.close()
        self.process.stdin.close()
        self.process.stdout.close()
        if os.path.exists(self.qmp_path):
            os.unlink(self.qmp_path)


def boot_files(job, loader=None, conf="", boot="shell", append="quiet", arch="amd64", folder=None):
    """What lies on the EFI system partition, {path: contents}. folder: of another guest than tools/guest.py's."""
    folder = folder or guest.build(arch)
    kernel = f"console=ttyS0 panic=-1 {append} job={job}"
    program, options = "vmlinuz.efi", f"initrd=\\initrd.gz {kernel}"
    files = {"vmlinuz.efi": folder / "vmlinuz.efi", "initrd.gz": folder / "initrd.gz"}
    if arch == "i386":
        program, options = "grubx64.efi", ""
        files["grub/grub.cfg"] = grub.menu([f"linux /vmlinuz.efi {kernel}", "initrd /initrd.gz"]).encode()
        files[program] = grub.efi()
    if loader and boot == "next":
        following = f"next     = \\{program}\n" + (f"next-options = {options}\n" if options else "")
        conf = conf.replace("[boot]\n", f"[boot]\n{following}", 1)
        files["EFI/BOOT/BOOTX64.EFI"] = pathlib.Path(loader)
        files["EFI/BOOT/sekisho.conf"] = conf.encode()
        return files
    lines = ["@echo -off"]
    for n in range(4):
        lines += [f"if exist fs{n}:\\vmlinuz.efi then", f"fs{n}:", "endif"]
    if loader:
        files["sekisho.efi"], files["sekisho.conf"] = pathlib.Path(loader), conf.encode()
        lines += ["sekisho.efi"]
    lines += [f"{program} {options}".rstrip()]
    files["startup.nsh"] = "".join(line + "\r\n" for line in lines).encode()
    return files


def bios_files(job, loader=None, conf="", boot="grub", append="quiet", modules=(), arch="amd64"):
    """What lies on partition 1 of a disk that a BIOS starts. modules: further (file, line) pairs for sekisho.elf."""
    folder = guest.build(arch)
    kernel = f"console=ttyS0 panic=-1 {append} job={job}"
    files = {"vmlinuz.efi": folder / "vmlinuz.efi", "initrd.gz": folder / "initrd.gz"}
    entry = [f"linux /vmlinuz.efi {kernel}", "initrd /initrd.gz"]
    modules = [("sekisho.conf", "sekisho.conf"), *modules]
    if loader:
        files["sekisho.elf"], files["sekisho.conf"] = pathlib.Path(loader), conf.encode()
        if boot == "modules":
            modules += [("vmlinuz.efi", f"kernel {kernel}"), ("initrd.gz", "initrd")]
            entry = []
    files["grub/grub.cfg"] = grub.menu(entry, "sekisho.elf" if loader else None, modules).encode()
    return files


def direct_arguments(folder, files):
    """For QEMU to load the files of bios_files() itself: a module's name is its file's."""
    kernel = re.search(rb"^linux \S+ (.*)$", files["grub/grub.cfg"], re.M).group(1).decode().replace(",", ",,")
    for name, file in (("kernel", "vmlinuz.efi"), ("initrd", "initrd.gz")):
        shutil.copyfile(files[file], folder / name)
    if "sekisho.elf" not in files:
        return ["-kernel", folder / "kernel", "-initrd", folder / "initrd", "-append", kernel.replace(",,", ",")]
    (folder / "sekisho.conf").write_bytes(files["sekisho.conf"])
    modules = [folder / "sekisho.conf", f"{folder}/kernel {kernel}", folder / "initrd"]
    return ["-kernel", files["sekisho.elf"], "-initrd", ",".join(map(str, modules))]


def start_bios(folder, image, files, smp=2, memory=1024, cpu="max", bus="ahci", boot="grub", reboot=False, on_line=None,
               extra=(), prefix=()):
    """As start(), on a machine with a BIOS. files: from bios_files(); they go to partition 1 of the guest's disk."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    argv = [*prefix, "qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-M", MACHINES[bus], "-m", str(memory), "-smp", str(smp),
            "-display", "none", "-monitor", "none", "-net", "none", "-chardev", "stdio,id=console,signal=off",
            "-serial", "chardev:console", "-drive", f"if=none,id=guest,format=raw,file={image}",
            "-device", f"ide-hd,drive=guest,bus=ide.0,serial={disks.SERIAL},id=disk"]
    if boot == "direct":
        argv += map(str, direct_arguments(folder, files))
    else:
        disks.fat_put(f"{image}@@{disks.ESP_FIRST * disks.SECTOR}", files)
        grub.install(image)
    if not reboot:
        argv += ["-no-reboot"]
    return Machine([*argv, *extra], folder, on_line)


def start(folder, image, files, smp=2, memory=1024, cpu="max", bus="ahci", esp="virtio", reboot=False, on_line=None,
          extra=(), prefix=()):
    """Put the files where the firmware finds them and switch the machine on. folder: for everything that this machine
    leaves behind (console.log, qemu.err, vars.fd, esp.img). bus: the disk's controller, ahci or ide. reboot: a reset of
    the guest's starts the machine anew; otherwise it ends QEMU. prefix: a command that starts QEMU, such as
    `ip netns exec NAME`."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(OVMF_VARS, folder / "vars.fd")
    drive = f"if=none,id=guest,format=raw,file={image}"
    argv = [*prefix, "qemu-system-x86_64", "-accel", "tcg", "-cpu", cpu, "-M", MACHINES[bus], "-m", str(memory), "-smp", str(smp),
            "-display", "none", "-monitor", "none", "-net", "none", "-chardev", "stdio,id=console,signal=off",
            "-serial", "chardev:console",
            "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}",
            "-drive", f"if=pflash,format=raw,file={folder}/vars.fd",
            "-drive", drive, "-device", f"ide-hd,drive=guest,bus=ide.0,serial={disks.SERIAL},id=disk"]
    if esp == "disk":
        disks.fat_put(f"{image}@@{disks.ESP_FIRST * disks.SECTOR}", files)
    else:
        where = folder / "esp.img"
        with open(where, "wb") as f:
            f.truncate(disks.ESP_END * disks.SECTOR)
        disks.fat_format(where, disks.ESP_END)
        disks.fat_put(where, files)
        device = {"virtio": "virtio-blk-pci,drive=esp", "ahci": "ide-hd,drive=esp,bus=ide.1,serial=QM00002"}[esp]
        argv += ["-drive", f"if=none,id=esp,format=raw,file={where}", "-device", device]
    if not reboot:
        argv += ["-no-reboot"]
    return Machine([*argv, *extra], folder, on_line)


# What the console says on the way: (pattern, what it means).
EVENTS = [
    (r"any other key to continue", "key"),  # the UEFI shell need not wait before startup.nsh
    (r"^GUEST UP|^JOB ", "going on"),
    (r"^RESULT OK", "good"),
    (r"^This is the guest's prompt.*\n", "good"),
    (r"^RESULT FAIL|Kernel panic|sekisho: PANIC|sekisho: stopped", "bad"),
    (r"starting Boot\w+ \"UiApp\"|^\S*Shell> $", "bad"),  # the firmware has nothing to start
]


def run(machine, seconds=300, until=None):
    """Follow a machine from power-on to its result, to the guest's prompt, or to a pattern of the caller's. True if that
    is what came, False if the guest failed or never started. seconds: how long it may take from one event to the next."""
    events = [*([(until, "good")] if until else []), *EVENTS]
    pattern = "|".join(f"(?P<e{n}>{p})" for n, (p, _) in enumerate(events))
    while True:
        found = machine.wait(pattern, seconds)
        meaning = events[int(found.lastgroup[1:])][1]
        if meaning == "key":
            machine.send("\r")
        elif meaning != "going on":
            return meaning == "good"


def relay(machine):
    """Connect standard input and output with the console, until the machine or the input ends, or a person types
    Ctrl-]. MUST: run() has just found the guest's prompt. When the input ends, the guest's shell is told so, ends, and switches the machine off."""
    stdin = sys.stdin.fileno()
    terminal = os.isatty(stdin) and termios.tcgetattr(stdin)
    if terminal:
        tty.setraw(stdin)
    at = begin = machine.seen
    listening = True
    try:
        while machine.reader.is_alive() or at < len(machine.text):
            with machine.changed:
                machine.changed.wait(0.02)
                text, at = machine.text[at:], len(machine.text)
            sys.stdout.write(text if terminal else text.replace("\r", ""))
            sys.stdout.flush()
            ready = listening and "# " in machine.text[begin:]  # the shell is there
            if ready and select.select([stdin], [], [], 0.02)[0]:
                data = os.read(stdin, 256)
                listening = bool(data)
                if terminal and b"\x1d" in data:
                    return
                try:
                    machine.send((data or b"\x04").decode("utf-8", "replace"))
                except BrokenPipeError:
                    listening = False  # the machine has just ended
    finally:
        if terminal:
            termios.tcsetattr(stdin, termios.TCSADRAIN, terminal)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--loader", help="the UEFI application to start before the kernel; none: natively")
    p.add_argument("--conf", help="its sekisho.conf (default: made for the disk)")
    p.add_argument("--boot", choices=["shell", "next", *BIOS_BOOTS], default="shell")
    p.add_argument("--arch", choices=sorted(guest.ARCHITECTURES), default="amd64", help="the guest's")
    p.add_argument("--bus", choices=sorted(MACHINES), default="ahci", help="the disk's controller")
    p.add_argument("--esp", choices=["virtio", "ahci", "disk"], default="virtio")
    p.add_argument("--job", default="cpus", help="jobs, separated by commas")
    p.add_argument("--append", default="quiet", help='more kernel command line, such as "ignore_loglevel seconds=9"')
    p.add_argument("--disk", help="disk image")
    p.add_argument("--smp", type=int, default=2)
    p.add_argument("--memory", type=int, default=1024, help="MiB")
    p.add_argument("--cpu", default="max")
    p.add_argument("--timeout", type=float, default=120, help="seconds from one event to the next")
    p.add_argument("--reboot", action="store_true", help="let the guest reset the machine")
    p.add_argument("--folder", help="where to leave the console log and the rest (default: a new one under /tmp)")
    p.add_argument("--int-log", help="log interrupts and resets as QEMU sees them (-d int,cpu_reset)")
    p.add_argument("qemu", nargs="*", help="more arguments for QEMU, after --")
    return p.parse_args()


def main():
    a = arguments()
    folder = pathlib.Path(a.folder or tempfile.mkdtemp(prefix="sekisho-vm."))
    folder.mkdir(parents=True, exist_ok=True)
    image = pathlib.Path(a.disk or folder / "disk.img")
    if not image.exists():
        disks.create(image)
    conf = pathlib.Path(a.conf).read_text() if a.conf else disks.conf(image)
    extra = [*a.qemu, *(["-d", "int,cpu_reset", "-D", a.int_log] if a.int_log else [])]
    where = {"smp": a.smp, "memory": a.memory, "cpu": a.cpu, "bus": a.bus, "extra": extra,
             "reboot": a.reboot or ",reboot" in f",{a.job}",
             "on_line": lambda line: print(f"{time.monotonic() - begin:7.2f} | {line}", flush=True)}
    if a.boot in BIOS_BOOTS:
        machine = start_bios(folder, image, bios_files(a.job, a.loader, conf, a.boot, a.append, arch=a.arch),
                             boot=a.boot, **where)
    else:
        machine = start(folder, image, boot_files(a.job, a.loader, conf, a.boot, a.append, a.arch), esp=a.esp,
                        **where)
    with machine:
        begin = machine.start
        print(f"vm: everything about this run is in {folder}", flush=True)
        try:
            good = run(machine, a.timeout)
            if good and a.job.split(",")[-1] == "shell":
                machine.on_line = None
                relay(machine)
                return 0
            if good:
                machine.wait_end(30)
            else:
                time.sleep(1)
            return 0 if good else 1
        except Timeout as error:
            print(machine.monitor("info registers -a"))
            print(f"vm: {error}")
            return 2
        except Ended as error:
            print(f"vm: {error}")
            return 3


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (guest.GuestError, subprocess.CalledProcessError, OSError) as failure:
        print(f"vm: {failure}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
