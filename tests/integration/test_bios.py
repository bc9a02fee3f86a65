"""Machines with a BIOS in QEMU: sekisho.elf loaded by GRUB from the disk, or by QEMU as GRUB would, then the disk or a
kernel; SeaBIOS has its system management mode."""

import re

import pytest

import bios_guest
import conftest
import disk as disks
import memory
import vm
from conftest import LOADER_BIOS, NATIVE, check_files, seen


@pytest.mark.parametrize("lab, smp", [("ahci", 2), ("ide", 1)], indirect=["lab"])
def test_disk(lab, smp):
    """The boot sector is started again in real mode, and GRUB reads its files and the kernel through the mediators."""
    text = lab.boot_bios("fs,reboot,verify,clear", smp=smp)
    assert "rebooted=1" in text
    check_files(lab, text)
    seen("AMD SVM (QEMU) BIOS", lab.bus, smp, "encrypts, reboots")


@pytest.mark.parametrize("lab, smp", [("ahci", 1), ("ide", 2)], indirect=["lab"])
def test_kernel_as_module(lab, smp):
    text = lab.boot_bios("fs,reboot,verify,clear", smp=smp, boot="modules")
    assert "rebooted=1" in text
    check_files(lab, text)
    seen("AMD SVM (QEMU) BIOS", lab.bus, smp, "encrypts, reboots")


def test_multiboot_1(lab):
    """QEMU's own loader speaks the first version. Every processor is taken, again and again."""
    text = lab.boot_bios("cpus,region,hotplug,fs,verify", smp=4, boot="direct")
    assert re.search(r"^GUEST UP cpus=4 disk=/dev/sd[ab]2 ", text, re.M)
    regions = re.findall(r"^REGION (\S+) pages=(\d+) ones=(\d+)(?: write=(\w+))?", text, re.M)
    hidden = [r for r in regions if int(r[2]) >= 1024]
    assert NATIVE or (len(hidden) == 1 and hidden[0][3] == "vanished"), regions
    check_files(lab, text)


@pytest.mark.skipif(NATIVE, reason="there is no hypervisor's memory to look for")
@pytest.mark.parametrize("lab", sorted(vm.MACHINES), indirect=True)
def test_real_mode_guest(lab):
    """Interrupts 13h and 15h as a guest in real mode sees them. Then all of memory is searched for the key, and for the
    program: both are in the hypervisor's part and nowhere else."""
    files = bios_guest.put(lab.image)
    files["sekisho.conf"] = lab.conf().encode()
    folder = lab.folder / "boot"
    with vm.start_bios(folder, lab.image, files, memory=64, bus=lab.bus) as machine:
        machine.wait(r"^END", 60)
        text = machine.text
        machine.monitor(f'pmemsave 0 {64 << 20} "{folder}/memory"')
    bios_guest.check(lab, text)
    start = int(re.search(r"KiB used at (\w+), guest starts", text).group(1), 16)
    memory, key = (folder / "memory").read_bytes(), disks.key_of(lab.image)
    for what in (key[:32], key[32:], b"running beneath you"):
        places = [m.start() for m in re.finditer(re.escape(what), memory)]
        assert places and all(start <= at < start + (16 << 20) for at in places), [hex(at) for at in places]
    assert key.hex()[:32].encode() not in memory


REFUSALS = [
    ("no configuration", lambda files: files.pop("sekisho.conf"), "sekisho.conf was not loaded as a module"),
    ("a wrong one", lambda files: files.update({"sekisho.conf": b"[boot]\nnext\n"}), r"sekisho.conf:2: "),
    ("a disk that is not there",
     lambda files: files.update({"sekisho.conf": files["sekisho.conf"].replace(b"QM00001", b"QM00009")}),
     'no disk of this machine matches section'),
    ("no key file",
     lambda files: files.update({"sekisho.conf": re.sub(rb"hex:\w+", b"file:a.key", files["sekisho.conf"])}),
     "a.key was not loaded as a module"),
    ("a wrong key file",
     lambda files: files.update({"sekisho.conf": re.sub(rb"hex:\w+", b"file:sekisho.elf", files["sekisho.conf"]),
                                 "grub/grub.cfg": files["grub/grub.cfg"].replace(
                                     b"boot\nfi", b"module2 /sekisho.elf sekisho.elf\nboot\nfi")}),
     "sekisho.elf holds neither 32 bytes"),
    ("a module nobody asks for",
     lambda files: files.update({"grub/grub.cfg": files["grub/grub.cfg"].replace(
         b"boot\nfi", b"module2 /sekisho.conf system.key\nboot\nfi")}),
     "of no use is the module system.key"),
    ("a module without a name",
     lambda files: files.update({"grub/grub.cfg": files["grub/grub.cfg"].replace(b"boot\nfi", b"module2 /initrd.gz\nboot\nfi")}),
     "a module has no name"),
]


@pytest.mark.skipif(NATIVE, reason="about Sekisho's refusals")
@pytest.mark.parametrize("change, sentence", [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusal(lab, change, sentence):
    """One sentence on the screen, and a key starts the machine anew, in which nothing has changed."""
    files = vm.bios_files("cpus", LOADER_BIOS, lab.conf())
    change(files)
    menu = files["grub/grub.cfg"].decode()
    if "sekisho.conf" not in files:
        files["grub/grub.cfg"] = menu.replace("module2 /sekisho.conf sekisho.conf\n", "").encode()
    with vm.start_bios(lab.folder / "boot", lab.image, files, bus=lab.bus) as machine:
        screen = conftest.wait_screen(machine, "Press a key to start the machine anew", 60)
        assert re.search(sentence, screen), screen
        machine.monitor("sendkey ret")
        machine.wait_end(30)


@pytest.mark.skipif(NATIVE, reason="about Sekisho's refusals")
@pytest.mark.parametrize("n_bytes, sentence", [(4096, "no multiboot header found"), (65536, "premature end of file")])
def test_program_cut_off(lab, n_bytes, sentence):
    """GRUB notices; nothing of it runs, and GRUB waits for a person."""
    files = vm.bios_files("cpus", LOADER_BIOS, lab.conf())
    files["sekisho.elf"] = LOADER_BIOS.read_bytes()[:n_bytes]
    with vm.start_bios(lab.folder / "boot", lab.image, files, bus=lab.bus) as machine:
        machine.wait(sentence, 60)
        assert not conftest.BANNER.search(machine.text)


@pytest.mark.skipif(NATIVE, reason="about Sekisho's refusals")
def test_unprotected_if_asked_for(lab):
    conf = lab.conf().replace("QM00001", "QM00009").replace("= stop", "= boot-unprotected")
    files = vm.bios_files("cpus", LOADER_BIOS, conf)
    with vm.start_bios(lab.folder / "boot", lab.image, files, bus=lab.bus) as machine:
        assert vm.run(machine, 120)
        assert "going on WITHOUT protection" in machine.text


@pytest.mark.skipif(NATIVE, reason="about what Sekisho starts")
@pytest.mark.parametrize("lab", sorted(vm.MACHINES), indirect=True)
def test_cd(lab):
    """The CD of Debian's iPXE package comes up below Sekisho, though the machine starts from the disk. Nothing of the key that
    GRUB has read is left anywhere but in the hypervisor's memory."""
    conf = re.sub(r"hex:\w+", "file:system.key", lab.conf("drive = cd0"))
    files = vm.bios_files("cpus", LOADER_BIOS, conf, modules=[("system.key", "system.key")])
    files["system.key"] = disks.key_of(lab.image)
    cd = ["-drive", "if=none,id=cd,format=raw,readonly=on,file=/usr/lib/ipxe/ipxe.iso", "-device",
          "ide-cd,drive=cd,bus=ide.1"]
    with vm.start_bios(lab.folder / "boot", lab.image, files, memory=64, bus=lab.bus, extra=cd) as machine:
        machine.wait("running beneath you", 60)
        conftest.wait_screen(machine, "iPXE 1.", 60)
        begin, end = memory.region(machine.text)
        found = memory.find(memory.dump(machine, 64), memory.forms_of_key(disks.key_of(lab.image)))
    assert any(begin <= at < end for _, at in found)
    assert not [(name, hex(at)) for name, at in found if not begin <= at < end]


@pytest.mark.skipif(NATIVE, reason="there is no key")
def test_key_file(lab):
    """The key as a module of its own, as cryptsetup would take it."""
    conf = re.sub(r"hex:\w+", "file:system.key", lab.conf())
    files = vm.bios_files("fs,verify", LOADER_BIOS, conf, modules=[("system.key", "system.key")])
    files["system.key"] = disks.key_of(lab.image)
    with vm.start_bios(lab.folder / "boot", lab.image, files, bus=lab.bus) as machine:
        text = lab.finish(machine, 120)
    assert "good for development only" not in text
    check_files(lab, text)
