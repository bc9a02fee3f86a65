"""Chainloaded by iPXE in QEMU, with UEFI firmware and with a BIOS, by the scripts that people copy; then the disk, or a kernel
that the same script fetches over the same network card. And all that can go wrong on the way."""

import re
import shutil

import pytest

import conftest
import luks
import network
import vm
from conftest import LOADER_BIOS, NATIVE, check_files, press, seen

pytestmark = pytest.mark.skipif(NATIVE, reason="about how Sekisho is started")
BUS = {"UEFI": "ahci", "BIOS": "ide"}
SECRET = "Correct horse 27"


def site(lab, job="fs,verify", **options):
    return network.fill(lab.folder / "site", lab.image, f"quiet job={job}", **options)


def switch_on(lab, net, firmware, files=None, **options):
    lab.bus = BUS[firmware]
    lab.n_boots += 1
    start = vm.start if firmware == "UEFI" else vm.start_bios
    if firmware == "UEFI":
        options["esp"] = "disk"
    return start(lab.folder / f"boot{lab.n_boots}", lab.image, files or {"empty": b""}, bus=lab.bus,
                 extra=net.card(firmware == "UEFI"), prefix=net.prefix, **options)


@pytest.mark.parametrize("firmware, arch", [("UEFI", "amd64"), ("BIOS", "amd64"), ("BIOS", "i386")])
def test_kernel_over_the_network(lab, firmware, arch):
    """Twice, over HTTP: the guest's restart is one of the machine. UEFI firmware gets iPXE over TFTP first."""
    folder = site(lab, "cpus,fs,reboot,verify", arch=arch)
    with network.Network(folder, "network.ipxe") as net, switch_on(lab, net, firmware, smp=2, reboot=True) as machine:
        text = lab.finish(machine, 120)
    assert "rebooted=1" in text and "good for development only" not in text
    assert re.search(f"^CPUS 2 {'i686' if arch == 'i386' else 'x86_64'}", text, re.M)
    assert (folder.with_name("web.log")).read_text().count("GET /vmlinuz ") == 2
    check_files(lab, text)
    seen(f"AMD SVM (QEMU) iPXE {firmware}", lab.bus, "2" if arch == "amd64" else "32-bit", "encrypts, reboots")


@pytest.mark.parametrize("firmware", ["UEFI", "BIOS"])
def test_disk(lab, firmware):
    """Everything over TFTP, then what lies on the disk."""
    files = vm.bios_files("fs,reboot,verify")
    extra = ""
    if firmware == "UEFI":
        options = re.search(rb"^linux \S+ (.*)$", files["grub/grub.cfg"], re.M).group(1).decode()
        extra = f"next = \\vmlinuz.efi\nnext-options = initrd=\\initrd.gz {options}"
    folder = site(lab, extra=extra)
    with network.Network(folder, "disk.ipxe", tftp=True) as net, \
            switch_on(lab, net, firmware, files, smp=1, reboot=True) as machine:
        text = lab.finish(machine, 120)
    assert "rebooted=1" in text
    assert "GET" not in (folder.with_name("web.log")).read_text()
    check_files(lab, text)
    seen(f"AMD SVM (QEMU) iPXE {firmware}", lab.bus, 1, "encrypts, reboots")


@pytest.mark.parametrize("firmware, script, unlock", [("UEFI", "network.ipxe", "passphrase"),
                                                     ("BIOS", "disk.ipxe", "keyfile:user.key")])
def test_luks(lab, firmware, script, unlock):
    """A LUKS header over the network, opened by what a person types, or by one more file."""
    files = {"system.luks": luks.header(lab, SECRET.encode())}
    if unlock != "passphrase":
        files["user.key"] = SECRET.encode()
    folder = site(lab, conf=luks.conf(lab, unlock), files=files)
    on_disk = vm.bios_files("fs,verify") if firmware == "BIOS" else None
    with network.Network(folder, script) as net, switch_on(lab, net, firmware, on_disk, smp=1) as machine:
        if unlock == "passphrase":
            machine.wait("passphrase for key system", 120)
            machine.send(f"{SECRET}\r")
        text = lab.finish(machine, 120)
    assert "key system unlocked by keyslot 0" in text
    check_files(lab, text)


def test_network_driver_above(lab):
    """On a machine with a BIOS: GRUB, Sekisho, then a CD whose iPXE, now the guest, drives the network card and fetches a
    kernel."""
    files = vm.bios_files("", LOADER_BIOS, lab.conf("drive = cd0"))
    folder = site(lab)
    (folder / "plain.ipxe").write_text("#!ipxe\nkernel vmlinuz console=ttyS0 panic=-1 quiet job=fs,verify\n"
                                       "initrd initrd.img\nboot\n")
    cd = ["-drive", "if=none,id=cd,format=raw,readonly=on,file=/usr/lib/ipxe/ipxe.iso", "-device",
          "ide-cd,drive=cd,bus=ide.1"]
    with network.Network(folder, "plain.ipxe") as net, \
            vm.start_bios(lab.folder / "boot", lab.image, files, bus="ahci", extra=[*net.card(False, start=False), *cd],
                          prefix=net.prefix) as machine:
        check_files(lab, lab.finish(machine, 120))


def halve(path):
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])


def spoil(path):
    path.write_bytes(b"<html><title>404</title>The web server's page for what it does not have.</html>\n")


def without_checksums(site):
    for script in site.glob("*.ipxe"):
        script.write_text(re.sub(r"^set sums .*$", "set sums", script.read_text(), flags=re.M))


def short_key(site, loader):
    halve(site / "system.key")
    halve(site / "system.key")
    without_checksums(site)


def no_conf(site, loader):
    spoil(site / "sekisho.conf")
    without_checksums(site)


# A folder of the server, what is wrong in it, what is said of it.
AT_IPXE = [
    ("cut", None, r"sekisho\.\w+\.\.\. (Connection reset|Input/output error)"),
    ("none", lambda site, loader: (site / loader).unlink(), r"sekisho\.e\w+\.\.\. No such file"),
    ("half", lambda site, loader: halve(site / loader), "Could not boot"),
]
# For a BIOS, iPXE takes what it does not know as a program for the PXE of old, and starts it: nothing can be said of that.
AT_IPXE_UEFI = [*AT_IPXE, ("page", lambda site, loader: spoil(site / loader), "Could not (boot|select)")]
AT_SEKISHO = [
    ("conf", lambda site, loader: halve(site / "sekisho.conf"),
     "sekisho: sekisho.conf does not have the checksum that the load options tell"),
    ("key", lambda site, loader: (site / "system.key").write_bytes(bytes(range(64))),
     "sekisho: system.key does not have the checksum that the load options tell"),
    ("short", short_key, "sekisho: system.key holds neither 32 bytes"),
    ("wrong", no_conf, r"sekisho: sekisho.conf:1: "),
]
# What sites() copies for each.
SMALL = {"sekisho.efi", "sekisho.elf", "sekisho.conf", "system.key", "disk.ipxe"}
PROMPT = r"was not started.*iPXE>\s*$"


def sites(lab, loader, wrongs):
    """A sound folder, and in it one for each thing that can be wrong. Its gone.ipxe has the loader on a server that is no more."""
    sound = site(lab)
    for name, change, _ in wrongs:
        if change:
            shutil.copytree(sound, sound / name, ignore=lambda folder, names: [n for n in names if n not in SMALL])
            change(sound / name, loader)
    text = (sound / "disk.ipxe").read_text()
    (sound / "gone.ipxe").write_text(re.sub(rf"(\s){loader}", rf"\1http://{network.ADDRESS}:81/{loader}", text))
    return sound


def test_errors_with_uefi(lab):
    """One sentence and iPXE's prompt, where the next thing is tried; in the end all is well after all."""
    folder = sites(lab, "sekisho.efi", AT_IPXE_UEFI + AT_SEKISHO)
    with network.Network(folder, "gone.ipxe", tftp=True) as net, switch_on(lab, net, "UEFI") as machine:
        machine.wait(r"http://192\.0\.2\.1:81/sekisho\.efi\.\.\. Connection reset", 120)
        for name, _, sentence in AT_IPXE_UEFI + AT_SEKISHO:
            machine.wait("Sekisho was not started.*\n.*iPXE> ", 60)
            machine.send(f"chain http://{network.ADDRESS}/{name}/disk.ipxe\r")
            machine.wait(sentence, 60)
        machine.wait("Sekisho was not started.*\n.*iPXE> ", 60)
        machine.send(f"chain http://{network.ADDRESS}/network.ipxe\r")
        check_files(lab, lab.finish(machine, 120))


def test_errors_with_a_bios(lab):
    """What iPXE notices ends at its prompt. A program that iPXE has started by multiboot cannot come back to it: what Sekisho
    itself notices ends with a key that starts the machine, and so iPXE, anew."""
    folder = sites(lab, "sekisho.elf", AT_IPXE + AT_SEKISHO)
    with network.Network(folder, "gone.ipxe", tftp=True) as net, switch_on(lab, net, "BIOS", reboot=True) as machine:
        ends = [(wrong, PROMPT) for wrong in AT_IPXE] + [(wrong, "Press a key to start the machine anew") for wrong in AT_SEKISHO]
        for (name, _, sentence), end in ends:
            conftest.wait_screen(machine, PROMPT, 120)
            press(machine, f"chain http://{network.ADDRESS}/{name}/disk.ipxe\r")
            conftest.wait_screen(machine, f"{name}/disk.ipxe.*{sentence}.*{end}", 60)
            if end != PROMPT:
                machine.monitor("sendkey ret")
                conftest.wait_screen(machine, "gone.ipxe", 120)
        conftest.wait_screen(machine, PROMPT, 120)
        machine.seen = len(machine.text)
        press(machine, f"chain http://{network.ADDRESS}/network.ipxe\r")
        check_files(lab, lab.finish(machine, 120))
