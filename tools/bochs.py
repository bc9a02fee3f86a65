#!/usr/bin/python3
"""Boot the Linux guest in Bochs, an Intel machine with VT-x, natively or below Sekisho, and run jobs in it.

    tools/bochs.py --job cpus                                        natively
    tools/bochs.py --loader build/product/sekisho.efi --job cpus     below Sekisho, no policy for the disk
    tools/bochs.py --loader F --disk disk.img --job fs,verify        below Sekisho, its partition 2 encrypted
    tools/bochs.py --loader F --shell                                only to the UEFI shell, as Sekisho's guest
    tools/bochs.py --loader build/product/sekisho.elf --boot grub --disk disk.img     with a BIOS; see tools/vm.py

The twin of tools/vm.py, with the same exit codes. Bochs runs 30 to 80 million instructions a second on a core of its own. The
UEFI shell comes after 0.6 thousand million, Debian's first process with two processors after 8, of which its kernel takes 5
to unpack itself. The serial console is output only.
Everything about a run is left in its folder: console.log, bochs.log (what the machine said, VM-entry failures included).
"""

import argparse
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import threading
import time

import disk as disks
import grub
import guest
import vm

FIRMWARE = "/usr/share/ovmf/OVMF.fd"
BIOS = "/usr/share/bochs/BIOS-bochs-latest"
VGA = "/usr/share/vgabios/vgabios.bin"
CYLINDER = 16 * 63 * disks.SECTOR  # disk images are whole cylinders
ESP_BYTES = 100 * CYLINDER
DISK_MIB = 252  # whole cylinders
SERIAL = "BXHD00011"  # of the only disk
CONF = b"[boot]\nconsole = serial\n"
# This firmware brings no ACPI tables outside QEMU. So that the kernel finds the second processor, the shell writes what a
# BIOS would have left behind, at the top of conventional memory.
MP_AT = 0x9fc00


# Instructions a second of the emulated clock, and its time-stamp counter's frequency. Far below what the emulator does, so
# that time-outs and the disk's seek times pass quickly. The processor's CPUID tells another frequency: a kernel that believed
# it would take each delay for 175 times as long.
IPS = 20000000
RC = """\
cpu: model={model}, count=1:{smp}:1, ips={ips}, reset_on_triple_fault={reboot}, cpuid_limit_winnt=0
memory: guest={memory}, host={memory}
romimage: file={firmware}
vgaromimage: file={vga}
pci: enabled=1, chipset=i440fx{slots}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=disk, mode=flat, path={disk}
boot: {boot}
com1: enabled=1, mode=file, dev=/dev/fd/{serial}
display_library: rfb, options="timeout=0"
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
clock: sync=none, time0=local
log: {folder}/bochs.log
panic: action=fatal
error: action=report
info: action={info}
debug: action=ignore
mouse: enabled=0
"""
# A network card on a TAP device, and the program in its ROM, from which a BIOS starts before the disk.
NETWORK = """\
e1000: enabled=1, mac={mac}, ethmod=tuntap, ethdev=/dev/net/tun:{tap}, script=none, bootrom={rom}
"""
NETWORK_ROM = "/usr/lib/ipxe/qemu/pxe-e1000.rom"


def checked(data, at):
    """The table with the byte at this place set so that the sum of all bytes is 0."""
    return data[:at] + bytes([-sum(data) & 0xff]) + data[at + 1:]


def mp_tables(n_cpus):
    """Processors with APIC ids from 0, an I/O APIC behind them, the ISA interrupts as this chipset wires them: the timer is
    at pin 2. Source: MultiProcessor Specification 1.4, chapter 4 "MP Configuration Table"."""
    ioapic = n_cpus
    entries = [struct.pack("<BBBBIIII", 0, n, 0x14, 3 if n == 0 else 1, 0x50654, 0x201, 0, 0) for n in range(n_cpus)]
    entries += [struct.pack("<BB6s", 1, 0, b"ISA   "), struct.pack("<BBBBI", 2, ioapic, 0x11, 1, 0xfec00000)]
    entries += [struct.pack("<BBHBBBB", 3, 0, 0, 0, irq, ioapic, 2 if irq == 0 else irq) for irq in range(16) if irq != 2]
    entries += [struct.pack("<BBHBBBB", 4, 3, 0, 0, 0, 0xff, 0), struct.pack("<BBHBBBB", 4, 1, 0, 0, 0, 0xff, 1)]
    body = b"".join(entries)
    header = struct.pack("<4sHBB8s12sIHHIHBB", b"PCMP", 44 + len(body), 4, 0, b"BOCHS", b"MACHINE", 0, 0, len(entries),
                         0xfee00000, 0, 0, 0)
    pointer = struct.pack("<4sIBBBBBBBB", b"_MP_", MP_AT + 16, 1, 4, 0, 0, 0, 0, 0, 0)
    return checked(pointer, 10) + checked(header + body, 7)


def shell_writes(at, data):
    """Lines of the UEFI shell that put these bytes into memory."""
    data += bytes(-len(data) % 8)
    words = struct.unpack(f"<{len(data) // 8}Q", data)
    return "".join(f"mm {at + 8 * n:x} {word:016x} -w 8 -MEM -n\r\n" for n, word in enumerate(words)).encode()


class Machine(vm.Machine):
    """One Bochs process, followed as vm.Machine follows QEMU. There is no way to send it anything."""

    def __init__(self, folder, rc, on_line=None, prefix=()):
        self.folder, self.on_line = pathlib.Path(folder), on_line
        self.text, self.seen, self.changed = "", 0, threading.Condition()
        self.qmp_path = ""
        self.log_path = self.folder / "console.log"
        read_end, write_end = os.pipe()
        (self.folder / "bochsrc").write_text(rc.replace("{serial}", str(write_end)))
        # Debian's build starts in its debugger, and comes back to it at each triple fault: after a reboot this BIOS's write
        # to the locked IA32_FEATURE_CONTROL is one.
        (self.folder / "debugger").write_text("c\n" * 8)
        self.start = time.monotonic()
        self.errors = open(self.folder / "qemu.err", "wb")
        argv = [*prefix, "bochs", "-q", "-f", self.folder / "bochsrc", "-rc", self.folder / "debugger"]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=self.errors, stderr=subprocess.STDOUT,
                                        start_new_session=True, preexec_fn=vm.die_with_parent, pass_fds=[write_end])
        os.close(write_end)
        self.process.stdout = os.fdopen(read_end, "rb", 0)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def send(self, text):
        pass

    def monitor(self, command):
        return f"{command}: Bochs cannot be asked; see {self.folder}/bochs.log"


def start_bios(folder, image, files, **options):
    """As start(), with a BIOS; files: from vm.bios_files()."""
    grub.install(image)
    return start(folder, files, image=image, firmware=BIOS, **options)


def start(folder, files, smp=1, memory=512, model="corei7_skylake_x", image=None, reboot=False, info="ignore", ips=IPS,
          on_line=None, firmware=FIRMWARE, network=None, prefix=()):
    """Put the files on partition 1 of the image (DISK_MIB large), or on a FAT disk without partitions, as the only disk,
    and switch the machine on. network: the TAP device and the hardware address of a card; prefix: as in vm.start()."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    disk = pathlib.Path(image or folder / "esp.img")
    pathlib.Path(f"{disk}.lock").unlink(missing_ok=True)  # of a Bochs that was killed
    if image:
        disks.fat_put(f"{image}@@{disks.ESP_FIRST * disks.SECTOR}", files)
    else:
        with open(disk, "wb") as f:
            f.truncate(ESP_BYTES)
        disks.fat_format(disk, ESP_BYTES // disks.SECTOR)
        disks.fat_put(disk, files)
    rc = RC.format(model=model, smp=smp, memory=memory, reboot=int(reboot), firmware=firmware, vga=VGA, disk=disk,
                   folder=folder, info=info, ips=ips, serial="{serial}", slots=", slot2=e1000" if network else "",
                   boot="network, disk" if network else "disk")
    if network:
        rc += NETWORK.format(tap=network[0], mac=network[1], rom=NETWORK_ROM)
    return Machine(folder, rc, on_line, prefix)


def boot_files(job, loader=None, shell=False, append="quiet", smp=1, image=None, ips=IPS, arch="amd64"):
    """As vm.boot_files. image: start() will get it. shell: no kernel, the UEFI shell says "SHELL UP" instead."""
    if not shell:
        conf = disks.conf(image, serial=SERIAL) if image else CONF.decode()
        files = vm.boot_files(job, loader, conf, append=f"tsc_early_khz={ips // 1000} disk={SERIAL} {append}", arch=arch)
        if smp > 1:
            lines = shell_writes(MP_AT, mp_tables(smp))
            files["startup.nsh"] = files["startup.nsh"].replace(b"\r\n", b"\r\n" + lines, 1)
        return files
    lines = ["@echo -off", "fs0:"]
    files = {}
    if loader:
        files["sekisho.efi"], files["sekisho.conf"] = pathlib.Path(loader), CONF
        lines += ["sekisho.efi"]
    lines += ["echo SHELL UP", "reset -s"]
    files["startup.nsh"] = "".join(line + "\r\n" for line in lines).encode()
    return files


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--loader", help="the UEFI application to start before the kernel; none: natively")
    p.add_argument("--shell", action="store_true", help="stop at the UEFI shell")
    p.add_argument("--boot", choices=["shell", "grub", "modules"], default="shell")
    p.add_argument("--arch", choices=sorted(guest.ARCHITECTURES), default="amd64", help="the guest's")
    p.add_argument("--job", default="cpus", help="jobs, separated by commas")
    p.add_argument("--append", default="quiet", help="more kernel command line")
    p.add_argument("--disk", help="disk image; made if there is none, as tools/disk.py create DISK 252 does")
    p.add_argument("--smp", type=int, default=1)
    p.add_argument("--memory", type=int, default=512, help="MiB")
    p.add_argument("--model", default="corei7_skylake_x", help='a processor of "bochs -help cpu"')
    p.add_argument("--timeout", type=float, default=300, help="seconds from one event to the next")
    p.add_argument("--reboot", action="store_true", help="let a triple fault reset the machine")
    p.add_argument("--info", choices=["ignore", "report"], default="ignore", help="what Bochs says about devices")
    p.add_argument("--ips", type=int, default=IPS, help="instructions a second of the guest's time")
    p.add_argument("--folder", help="where to leave the logs (default: a new one under /tmp)")
    return p.parse_args()


def main():
    a = arguments()
    folder = pathlib.Path(a.folder or tempfile.mkdtemp(prefix="sekisho-bochs."))
    if a.disk and not os.path.exists(a.disk):
        disks.create(a.disk, DISK_MIB)
    where = {"smp": a.smp, "memory": a.memory, "model": a.model, "reboot": a.reboot, "info": a.info, "ips": a.ips,
             "on_line": lambda line: print(f"{time.monotonic() - begin:7.2f} | {line}", flush=True)}
    if a.boot in vm.BIOS_BOOTS:
        files = vm.bios_files(a.job, a.loader, disks.conf(a.disk, serial=SERIAL), a.boot,
                              f"tsc_early_khz={a.ips // 1000} disk={SERIAL} {a.append}", arch=a.arch)
        machine = start_bios(folder, a.disk, files, **where)
    else:
        files = boot_files(a.job, a.loader, a.shell, a.append, a.smp, a.disk, a.ips, a.arch)
        machine = start(folder, files, image=a.disk, **where)
    with machine:
        begin = machine.start
        print(f"bochs: everything about this run is in {folder}", flush=True)
        try:
            if a.shell:
                machine.wait(r"^SHELL UP", a.timeout)
                return 0
            good = vm.run(machine, a.timeout)
            return 0 if good else 1
        except vm.Timeout as error:
            print(f"bochs: {error}")
            return 2
        except vm.Ended as error:
            print(f"bochs: {error}")
            return 3


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (guest.GuestError, subprocess.CalledProcessError, OSError) as failure:
        print(f"bochs: {failure}", file=sys.stderr)
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
