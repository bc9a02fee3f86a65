#!/usr/bin/python3
"""An installed Debian 12, as a person has it on a PC: systemd, a kernel and an initrd of its own, GRUB for UEFI firmware.

    tools/installed.py            prints the folder of root.img (ext4), grubx64.efi and SHA256SUMS (of every file)

mmdebstrap installs the packages; that takes root, and a namespace for what a package wants mounted. The file system is
made from the folder without mounting. install() puts both on a disk of tools/disk.py: root.img into partition 2, GRUB into
the EFI system partition, from where it looks for its modules, its menu, the kernel and the initrd in partition 2.
One logs in on the serial line. It also runs a shell script that QEMU hands it (task()), and then switches the machine off.

Cache: as tools/guest.py, which see; what is made is reused while this file is unchanged.
"""

import hashlib
import os
import pathlib
import shutil
import sys

import disk as disks
import grub
import guest

MIB = 320  # of root.img
UUID = "6b1d2c7e-95f0-4c53-8f0e-2d8a1c3b7f64"  # its file system's
PACKAGES = ["linux-image-amd64", "initramfs-tools", "systemd-sysv", "udev", "kmod", "login", "passwd", "e2fsprogs",
            "zstd", "cryptsetup-bin", "grub-efi-amd64-bin"]
# Left out by dpkg, to save time: documents, and drivers of what no machine here has.
ABSENT = ["net", "sound", *(f"fs/{name}" for name in "btrfs ceph f2fs gfs2 nfs nfsd ocfs2 smb xfs".split()),
          *(f"drivers/{name}" for name in "comedi gpu hid hwmon iio infiniband media mtd net staging target usb".split())]
EXCLUDED = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/lib/grub/*/monolithic/*",
            *(f"/lib/modules/*/kernel/{name}/*" for name in ABSENT)]
MERGED = "/usr/share/mmdebstrap/hooks/merged-usr"
SOURCES = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"]  # the host's, so its mirror
FSTAB = f"""\
UUID={UUID} / ext4 errors=remount-ro 0 1
PARTLABEL=ESP /boot/efi vfat umask=0077,nofail 0 0
"""
# What grub-mkconfig makes of it is longer and does the same. no_timer_check: an emulator on a busy machine may fail that check.
GRUB_CFG = f"""\
load_env
set default=debian
if [ "$next_entry" ]; then
    set default="$next_entry"
    set next_entry=
    save_env next_entry
fi
set timeout=3
function debian {{
    linux /vmlinuz root=UUID={UUID} console=ttyS0 quiet no_timer_check "$@"
    initrd /initrd.img
}}
menuentry "Debian GNU/Linux" --id debian {{ debian ro }}
menuentry "Debian GNU/Linux, once" --id once {{ debian ro chosen=once }}
menuentry "Debian GNU/Linux, read-only (r)" --id read-only --hotkey=r {{
    debian ro chosen=read-only fsck.mode=skip systemd.mask=systemd-remount-fs.service
}}
"""
# What is typed on an emulated serial line can be lost on a busy machine; a file cannot. Output has a line of its own, because
# a login that begins hangs up the other one.
SCRIPT = "opt/sekisho/script"
TASK = f"""\
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'modprobe qemu_fw_cfg; cat /sys/firmware/qemu_fw_cfg/by_name/{SCRIPT}/raw >/run/script || exit 0; \
    exec >/dev/ttyS1 2>&1; sh -e /run/script; echo "SCRIPT EXIT=$?"; systemctl --no-block poweroff'
"""
# What grub-install would build into the program: where the rest is.
GRUB_FIRST = f"search.fs_uuid {UUID} root\nset prefix=($root)/boot/grub\n"
GRUB_MODULES = ["part_gpt", "ext2", "search_fs_uuid"]
GRUB_PLATFORM = "usr/lib/grub/x86_64-efi"


def configure(root):
    """What an installer asks or finds out."""
    (root / "etc/fstab").write_text(FSTAB)
    (root / "etc/hostname").write_text("debian\n")
    (root / "etc/machine-id").write_text(hashlib.md5(UUID.encode()).hexdigest() + "\n")
    (root / "etc/systemd/system/task.service").write_text(TASK)
    wants = root / "etc/systemd/system/graphical.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "task.service").symlink_to("/etc/systemd/system/task.service")
    (root / "boot/efi").mkdir()
    shutil.copytree(root / GRUB_PLATFORM, root / "boot/grub/x86_64-efi")
    (root / "boot/grub/grub.cfg").write_text(GRUB_CFG)
    (root / "boot/grub/grubenv").write_bytes(b"# GRUB Environment Block\n".ljust(1024, b"#"))


def install_packages(root):
    mirrors = [s for s in SOURCES if os.path.exists(s)]
    guest.run(["mmdebstrap", "--mode=root", "--variant=minbase", f"--hook-dir={MERGED}", f"--include={','.join(PACKAGES)}",
               *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED), "--dpkgopt=force-unsafe-io",
               "bookworm", root, *mirrors])


def checksums(root):
    """{path from root: SHA-256 in hexadecimal} of every regular file."""
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink()}


def make(part):
    root = part / "root"
    install_packages(root)
    configure(root)
    (part / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in checksums(root).items()))
    (part / "first.cfg").write_text(GRUB_FIRST)
    (part / "grubx64.efi").write_bytes(grub.mkimage("-O", "x86_64-efi", "-d", root / GRUB_PLATFORM, "-p", "/boot/grub",
                                                    "-c", part / "first.cfg", *GRUB_MODULES))
    guest.run(["mke2fs", "-q", "-t", "ext4", "-U", UUID, "-L", "debian", "-E", "lazy_itable_init=0", "-d", root,
               part / "root.img", f"{MIB}M"])
    shutil.rmtree(root)


def build():
    """The folder with root.img, grubx64.efi and SHA256SUMS, made if need be."""
    key = hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()[:16]
    out = guest.CACHE / f"installed-{key}"
    if not out.exists():
        guest.log("installing Debian")
        part = out.with_suffix(f".{os.getpid()}")
        part.mkdir(parents=True)
        make(part)
        part.rename(out)
    return out


def install(image, root):
    """A new disk at image with this file system (root.img, or what was made of it), and GRUB."""
    disks.create(image, MIB + 50)  # the EFI system partition, and a MiB for each of the tables
    guest.run(["dd", f"if={root}", f"of={image}", "bs=1M", "conv=notrunc,sparse", f"seek={disks.GUEST_FIRST // 2048}"])
    disks.fat_put(f"{image}@@{disks.ESP_FIRST * disks.SECTOR}", {"EFI/debian/grubx64.efi": build() / "grubx64.efi"})
    return image


def task(folder, script):
    """QEMU's arguments for a script to be run, whose output becomes folder/output."""
    path = pathlib.Path(folder) / "script"
    path.write_text(script)
    return ["-fw_cfg", f"name={SCRIPT},file={path}", "-serial", f"file:{path.with_name('output')}"]


if __name__ == "__main__":
    try:
        print(build())
    except guest.GuestError as error:
        sys.exit(f"installed: {error}")
