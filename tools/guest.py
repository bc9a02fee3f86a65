#!/usr/bin/python3
"""Build the Linux guest: Debian's own kernel and an initramfs made of Debian's own packages.

    tools/guest.py [--refresh] [amd64] [i386] [memtest]     prints the folder of each, of amd64 if none is named:
                                                            vmlinuz.efi and initrd.gz, or Memtest86+

Packages are downloaded with apt-get and unpacked into a cache; nothing is installed on the host, and no root is needed:
apt's package lists are in the cache too, one set for each architecture, from the sources and with the keys of the host.
The initramfs is tools/guest/: `init` runs the jobs named on the kernel command line, `gt` holds what a shell cannot do.

Cache: .cache/ at the top of the tree, or $SEKISHO_CACHE. A finished guest is reused while tools/guest.py and
tools/guest/ are unchanged; --refresh asks apt for newer packages.
"""

import collections
import gzip
import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys

TOOLS = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("SEKISHO_CACHE") or TOOLS.parent / ".cache")

Architecture = collections.namedtuple("Architecture", "kernel triplet loader gcc_flag")
ARCHITECTURES = {
    "amd64": Architecture("linux-image-amd64", "x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2", "-m64"),
    "i386": Architecture("linux-image-686-pae", "i386-linux-gnu", "lib/ld-linux.so.2", "-m32"),
}
PACKAGES = ["busybox-static", "e2fsprogs", "libc6", "libext2fs2", "libcom-err2", "libblkid1", "libuuid1",
            "efibootmgr", "libefiboot1", "libefivar1", "libpopt0", "libc6-dev", "libgcc-12-dev", "linux-libc-dev"]  # the last three: to build gt
PROGRAMS = ["sbin/mke2fs", "sbin/e2fsck", "bin/efibootmgr"]
# What the jobs need; dependencies are found from the modules themselves. crc32c is ext4's, but only by request.
MODULES = ["ahci", "ata_piix", "sd_mod", "crc32c_generic", "ext4", "vfat", "nls_ascii", "nls_cp437", "virtio_pci",
           "virtio_blk"]
LATER_MODULES = ["efivarfs", "msr"]  # loaded by the jobs that want them
APT_CONF = """\
APT::Architecture "{arch}";
APT::Architectures "{arch}";
Dir::State "{folder}";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


class GuestError(Exception):
    pass


def run(argv, **kw):
    """A command's standard output; GuestError with its own words when it fails."""
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    if done.returncode:
        raise GuestError(f"{' '.join(map(str, argv))}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def log(text):
    print(f"guest: {text}", file=sys.stderr, flush=True)


def sources():
    return sorted(p for p in (TOOLS / "guest").iterdir() if p.suffix in (".c", ".h") or p.name == "init")


def source_key():
    """Changes when anything that shapes the guest changes, except the packages."""
    digest = hashlib.sha256()
    for path in [pathlib.Path(__file__), *sources()]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class Apt:
    """apt for one architecture, whatever the host's is, with package lists of its own."""

    def __init__(self, arch):
        self.debs, folder = CACHE / "debs", CACHE / f"apt-{arch}"
        for path in (self.debs, folder / "lists/partial", folder / "archives/partial"):
            path.mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        self.conf = folder / "apt.conf"
        root = 'APT::Sandbox::User "root";\n' if os.geteuid() == 0 else ""
        self.conf.write_text(APT_CONF.format(arch=arch, folder=folder) + root)

    def run(self, tool, *argv, **kw):
        return run([f"apt-{tool}", "-q", "-c", self.conf, *argv], **kw).decode()

    def update(self):
        log("apt-get update")
        try:
            self.run("get", "update")
        except GuestError as error:  # a part of the lists may be enough
            log(error)

    def real_package(self, package):
        """linux-image-amd64 is an empty package that depends on the real one, and its like is so too."""
        found = re.search(r"Depends: (linux-image-\S+)", self.run("cache", "depends", package))
        return found.group(1) if found else package

    def deb_name(self, package):
        """The file name under which apt-get downloads the newest version of a package."""
        text = self.run("cache", "show", "--no-all-versions", package)
        field = dict(re.findall(r"^(Package|Version|Architecture): (\S+)$", text, re.M))
        if len(field) != 3:
            raise GuestError(f"apt knows no package {package}")
        return "{Package}_{Version}_{Architecture}.deb".format(**field).replace(":", "%3a")

    def fetch(self, packages):
        names = [self.real_package(p) for p in packages]
        found = [self.deb_name(n) for n in names]
        missing = [n for n, f in zip(names, found) if not (self.debs / f).exists()]
        if missing:
            log(f"downloading {len(missing)} of {len(names)} packages")
            self.run("get", "download", *missing, cwd=self.debs)
        return [self.debs / f for f in found]

    def download(self, packages, refresh=False):
        """The .deb files of these packages, from the cache or from Debian."""
        if not refresh:
            try:
                return self.fetch(packages)
            except GuestError:
                pass
        self.update()
        return self.fetch(packages)


def unpack(debs):
    """All packages unpacked into one folder, named after their versions."""
    key = hashlib.sha256("\n".join(sorted(d.name for d in debs)).encode()).hexdigest()[:16]
    root = CACHE / f"debian-{key}"
    if not root.exists():
        log("unpacking packages")
        part = root.with_suffix(f".{os.getpid()}")
        part.mkdir(parents=True)
        for deb in debs:
            run(["dpkg-deb", "-x", deb, part])
        shutil.rmtree(part / "usr/share", ignore_errors=True)
        part.rename(root)
    return root


def module_files(root, names):
    """Paths of these modules and what they depend on, in loading order."""
    files = {p.stem.replace("-", "_"): p for p in root.glob("lib/modules/*/kernel/**/*.ko")}
    order = []

    def add(name):
        path = files.get(name.replace("-", "_"))
        if path is None:
            raise GuestError(f"the kernel package has no module {name}")
        depends = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for needed in (depends.group(1).decode() if depends else "").split(","):
            if needed:
                add(needed)
        if path not in order:
            order.append(path)

    for name in names:
        add(name)
    return order


def library_files(root, arch, program):
    """The shared libraries a program needs, all of them out of the packages."""
    found, todo = {}, [program]
    folders = [f"{f}/{ARCHITECTURES[arch].triplet}" for f in ("lib", "usr/lib")]
    while todo:
        for name in re.findall(r"\(NEEDED\).*\[(.+)\]", run(["readelf", "-d", todo.pop()]).decode()):
            if name in found:
                continue
            places = [root / f / name for f in folders if (root / f / name).exists()]
            if not places:
                raise GuestError(f"{program.name} needs {name}, which no package of ours holds")
            found[name] = places[0]
            todo.append(places[0])
    return found


class Cpio:
    """An initramfs in the newc format: no tool and no root needed. Source: Linux kernel documentation,
    driver-api/early-userspace/buffer-format, "initramfs buffer format"."""

    def __init__(self):
        self.out, self.ino, self.folders = io.BytesIO(), 0, set()

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self.ino += 1
        fields = [self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name) + 1, 0]
        self.out.write(b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0")
        self.out.write(b"\0" * (-self.out.tell() % 4) + data)
        self.out.write(b"\0" * (-self.out.tell() % 4))

    def folder(self, name):
        if name and name not in self.folders:
            self.folder(name.rpartition("/")[0])
            self.folders.add(name)
            self._entry(name, 0o040755)

    def file(self, name, data, mode=0o644):
        self.folder(name.rpartition("/")[0])
        self._entry(name, 0o100000 | mode, data)

    def symlink(self, name, target):
        self.folder(name.rpartition("/")[0])
        self._entry(name, 0o120777, target.encode())

    def device(self, name, major, minor):
        self.folder(name.rpartition("/")[0])
        self._entry(name, 0o020600, rdev=(major, minor))

    def finish(self):
        self._entry("TRAILER!!!", 0)
        return self.out.getvalue()


def build_static(root, arch, files, out):
    """A program of our own, static, so that it runs in the initramfs and in any other guest; with the packages' C library,
    so that the host needs none of that architecture."""
    gcc = next(root.glob("usr/lib/gcc/*/*/crtbeginT.o")).parent
    run(["gcc", ARCHITECTURES[arch].gcc_flag, f"--sysroot={root}", f"-B{gcc}", "-std=gnu11", "-O2", "-static", "-pthread",
         "-D_FILE_OFFSET_BITS=64", "-Wall", "-Wextra", "-Wconversion", "-Werror",
         *files, "-o", out])
    run(["strip", out])
    return out.read_bytes()


def initramfs(root, arch, scratch):
    cpio = Cpio()
    for folder in ("bin", "sbin", "dev", "proc", "sys", "tmp", "mnt", "esp"):
        cpio.folder(folder)
    cpio.device("dev/console", 5, 1)
    cpio.file("init", (TOOLS / "guest/init").read_bytes(), 0o755)
    gt = build_static(root, arch, [p for p in sources() if p.suffix == ".c"], scratch / "gt")
    cpio.file("bin/gt", gt, 0o755)
    cpio.file("bin/busybox", (root / "bin/busybox").read_bytes(), 0o755)
    cpio.symlink("bin/sh", "busybox")
    libraries = {}
    for program in PROGRAMS:
        cpio.file(program, (root / program).read_bytes(), 0o755)
        libraries.update(library_files(root, arch, root / program))
    loader, triplet = pathlib.Path(ARCHITECTURES[arch].loader), ARCHITECTURES[arch].triplet
    cpio.file(str(loader), libraries.pop(loader.name).read_bytes(), 0o755)
    for name, path in sorted(libraries.items()):
        cpio.file(f"lib/{triplet}/{name}", path.read_bytes(), 0o755)
    for number, path in enumerate(module_files(root, MODULES)):
        cpio.file(f"modules/{number:02}-{path.name}", path.read_bytes())
    for path in module_files(root, LATER_MODULES):
        cpio.file(f"modules/later/{path.name}", path.read_bytes())
    return gzip.compress(cpio.finish(), 6, mtime=0)


def build(arch="amd64", refresh=False):
    """The folder with vmlinuz.efi, initrd.gz and VERSION (the package list), built if need be."""
    out = CACHE / f"guest-{arch}-{source_key()}"
    if out.exists() and not refresh:
        return out
    debs = Apt(arch).download([ARCHITECTURES[arch].kernel, *PACKAGES], refresh)
    root = unpack(debs)
    log(f"making the initramfs for {arch}")
    part = out.with_suffix(f".{os.getpid()}")
    part.mkdir(parents=True)
    shutil.copyfile(next(root.glob("boot/vmlinuz-*")), part / "vmlinuz.efi")
    (part / "initrd.gz").write_bytes(initramfs(root, arch, part))
    (part / "gt").unlink()
    (part / "VERSION").write_text("".join(d.name.replace("%3a", ":") + "\n" for d in sorted(debs)))
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    return out


def memtest(refresh=False):
    """The folder with memtest86+x64.bin and memtest86+ia32.bin, which start as a Linux kernel does."""
    return unpack(Apt("amd64").download(["memtest86+"], refresh)) / "boot"


def main():
    words = sys.argv[1:]
    wanted = [w for w in words if w != "--refresh"] or ["amd64"]
    if any(w not in (*ARCHITECTURES, "memtest") for w in wanted):
        print(__doc__.strip())
        return 0 if words[0] in ("-h", "--help") else 2
    try:
        for what in wanted:
            refresh = "--refresh" in words
            print(memtest(refresh) if what == "memtest" else build(what, refresh))
    except GuestError as error:
        log(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
