"""A network of a test's own, and what a person would put on a server from which machines start Sekisho by iPXE: the scripts of
shells/ipxe with their settings filled in, and what they fetch."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import conftest
import disk as disks
import guest
import vm

SCRIPTS = conftest.ROOT / "shells/ipxe"
ADDRESS = "192.0.2.1"  # RFC 5737, 3 "Documentation Address Blocks": nobody's
TAP, MAC = "tap0", "52:54:00:12:34:56"


def checksum(name, path):
    return f"{name}=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def with_files(script, names):
    """A script that fetches these files for Sekisho."""
    first, *further = names
    script = re.sub(r"^set key .*$", f"set key {first}", script, flags=re.M)
    for name in further:
        script = re.sub(r"^(\w+ )\$\{key\}( .*)$", rf"\g<0>\n\1{name}\2", script, flags=re.M)
    return script


def fill(folder, image, cmdline="", conf=None, arch="amd64", extra="", files=None):
    """The server's folder, for a machine with this disk. cmdline: of the kernel, if one comes over the network. extra: more of
    sekisho.conf's [boot]. files: those that conf names, {name: contents}, if it is not the disk's key."""
    files = files or {"system.key": disks.key_of(image)}
    folder.mkdir(parents=True)
    for loader in (conftest.LOADER, conftest.LOADER_BIOS):
        shutil.copy(loader, folder)
    text = re.sub(r"hex:\w+", "file:system.key", conf or disks.conf(image, extra))
    (folder / "sekisho.conf").write_text(text)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    built = guest.build(arch)
    shutil.copy(built / "vmlinuz.efi", folder / "vmlinuz")
    shutil.copy(built / "initrd.gz", folder / "initrd.img")
    shutil.copy("/usr/lib/ipxe/ipxe.efi", folder)
    sums = " ".join(checksum(name, folder / name) for name in ("sekisho.conf", *files))
    for script in SCRIPTS.glob("*.ipxe"):
        text = re.sub(r"^set sums$", f"set sums {sums}", with_files(script.read_text(), files), flags=re.M)
        text = re.sub(r"^set cmdline .*$", f"set cmdline console=ttyS0 panic=-1 {cmdline}", text, flags=re.M)
        assert sums in text
        (folder / script.name).write_text(text)
    return folder


class Network:
    """A namespace with a TAP device for one machine, dnsmasq with the tree's own example of a configuration, and a web server,
    both for this folder. Use as a context manager: leaving it ends the servers and takes the namespace away.
    script: its path, for iPXE to fetch over HTTP, or over TFTP."""

    def __init__(self, folder, script, tftp=False):
        self.folder, self.name, self.processes = folder, f"sekisho-{os.getpid()}", {}
        self.prefix = ["ip", "netns", "exec", self.name]
        url = f"tftp://{ADDRESS}/{script}" if tftp else f"http://{ADDRESS}/{script}"
        conf = (SCRIPTS / "dnsmasq.conf").read_text().replace("http://192.0.2.1/disk.ipxe", url)
        assert url in conf
        conf = re.sub(r"^tftp-root=.*$", f"tftp-root={folder}", conf, flags=re.M)
        self.conf = folder.with_name("dnsmasq.conf")
        self.conf.write_text(f"{conf}\ninterface={TAP}\nbind-interfaces\nno-hosts\nno-resolv\nleasefile-ro\npid-file=\n"
                             "log-facility=-\nuser=root\n")

    def __enter__(self):
        command("ip", "netns", "add", self.name)
        try:
            for line in (f"ip tuntap add {TAP} mode tap", f"ip addr add {ADDRESS}/24 dev {TAP}", f"ip link set {TAP} up"):
                command(*self.prefix, *line.split())
            self.start("dnsmasq", "dnsmasq", "--keep-in-foreground", f"--conf-file={self.conf}")
            self.start("web", sys.executable, "-B", pathlib.Path(__file__).with_name("webserver.py"), self.folder, ADDRESS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused):
        for name in list(self.processes):
            self.stop(name)
        command("ip", "netns", "del", self.name)

    def start(self, name, *argv):
        with open(self.folder.with_name(f"{name}.log"), "wb") as log:
            self.processes[name] = subprocess.Popen([*self.prefix, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=log,
                                                    stderr=log, preexec_fn=vm.die_with_parent)

    def stop(self, name):
        process = self.processes.pop(name)
        process.terminate()
        process.wait()

    def card(self, uefi, start=True):
        """For QEMU: the network card, from which the machine starts; its ROM is iPXE for a BIOS, OVMF has a driver of its own.
        start: or else it has no ROM, and the machine starts from its disk."""
        model = "virtio-net-pci,romfile=" if uefi else "e1000" if start else "e1000,romfile="
        first, second = ("device.net0", "device.disk") if start else ("device.disk", "device.net0")
        return ["-netdev", f"tap,id=net,ifname={TAP},script=no,downscript=no", "-device",
                f"{model},netdev=net,mac={MAC},id=net0", "-set", f"{first}.bootindex=1", "-set", f"{second}.bootindex=2"]


def command(*argv):
    subprocess.run([str(a) for a in argv], check=True)
