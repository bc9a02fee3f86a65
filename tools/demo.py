"""What ./demo does once everything is built: boots the guest, reads its disk in two ways, prints what that proves."""

import hashlib
import os
import pathlib
import re
import subprocess
import sys
import time

import bochs
import disk as disks
import guest
import vm

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build/demo"
LOADER = pathlib.Path(os.environ.get("SEKISHO_LOADER") or ROOT / "build/product/sekisho.efi")
COMMAND = LOADER.with_name("sekisho")
CRYPTSETUP = "/usr/sbin/cryptsetup"
PASSPHRASE = "correct horse battery staple"
COLOUR = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
SHOWN = re.compile(r"\w")  # lines of the console that are worth showing


def paint(text, code):
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


def step(text):
    print(paint(f"\n== {text}", "1"), flush=True)


class Failed(Exception):
    pass


def conf(image, unlock, **options):
    """The configuration: partition 2, by a key that a LUKS header holds."""
    text = re.sub(r"hex:\w+", f"luks:system.luks\nunlock   = {unlock}", disks.conf(image, **options))
    return re.sub(r"range    = \S+", "range    = partition:2", text)


class Amd:
    """Sekisho is \\EFI\\BOOT\\BOOTX64.EFI on the guest's own disk, as a user would have installed it. A person's place at the
    keyboard is taken by type_passphrase()."""
    what, seconds, disk_mib = "QEMU, UEFI, AMD SVM, 2 processors, AHCI", 300, 256

    @staticmethod
    def start(image, job, on_line):
        files = vm.boot_files(job, LOADER, conf(image, "passphrase"), "next", "quiet files=6")
        files["EFI/BOOT/system.luks"] = FOLDER / "system.luks"
        return vm.start(FOLDER / "machine", image, files, smp=2, esp="disk", on_line=on_line)


class Intel:
    """The UEFI shell starts Sekisho, then the kernel, because it first has to make up for tables that OVMF lacks there. Nobody
    can type there: the passphrase is in a file."""
    what, seconds, disk_mib = "Bochs, UEFI, Intel VT-x, 2 processors, IDE: this takes some minutes", 1800, bochs.DISK_MIB

    @staticmethod
    def start(image, job, on_line):
        files = bochs.boot_files(job, LOADER, append="quiet files=6", smp=2, image=image)
        files["sekisho.conf"] = conf(image, "keyfile:passphrase.txt", serial=bochs.SERIAL).encode()
        files["system.luks"], files["passphrase.txt"] = FOLDER / "system.luks", PASSPHRASE.encode()
        return bochs.start(FOLDER / "machine", files, smp=2, image=image, on_line=on_line)


class Proof:
    """The table at the end: each line a claim, what was found, and whether that is as it should be."""

    def __init__(self):
        self.lines = []

    def add(self, holds, claim, found):
        self.lines.append((holds, claim, found))

    def show(self):
        for holds, claim, found in self.lines:
            mark = paint(" yes ", "32") if holds else paint(" NO  ", "31;1")
            print(f"{mark} {claim:<58} {found}")
        return all(holds for holds, _, _ in self.lines)


def console_line(begin, line):
    line = re.sub(r"(?: *\d+%)+( *\d+%)", r"\1", line)  # of a progress, what is there at the end
    if SHOWN.search(line):
        who = "sekisho" if "sekisho:" in line else "console"
        text = f"{time.monotonic() - begin:6.1f} s {who} | {line}"
        print(paint(text, "36") if who == "sekisho" else text, flush=True)


def boot(machine, image, job):
    begin = time.monotonic()
    running = machine.start(image, job, lambda line: console_line(begin, line))
    if machine is Amd:
        type_passphrase(running)
    return running


def type_passphrase(running):
    """First a wrong one, as people do."""
    for text, answer in (("correct horse", "wrong passphrase"), (PASSPHRASE, "unlocked")):
        running.wait(r"sekisho: passphrase for key system[^\n]*: ", Amd.seconds)
        running.send(text + "\r")
        running.wait(answer, Amd.seconds)


def make_header(image):
    """A LUKS header with the disk's key; 64 MiB, so that an emulator gets through with it."""
    header, key = FOLDER / "system.luks", FOLDER / "key.bin"
    header.unlink(missing_ok=True)
    key.write_bytes(disks.key_of(image))
    subprocess.run([COMMAND, "luks", "format", header, "--pbkdf-memory", "65536", "--iter-time", "300", "--volume-key-file", key],
                   input=PASSPHRASE.encode() + b"\n", check=True, stdout=subprocess.DEVNULL)
    key.unlink()
    print(f"{header.relative_to(ROOT)}: a LUKS2 header with its key, which the passphrase '{PASSPHRASE}' opens")


def words(data):
    """The start of a sector for a person to read: text if it is, bytes in hexadecimal if not."""
    return repr(data[:24].decode()) if all(32 <= b < 127 for b in data[:24]) else data[:12].hex(" ") + " ..."


def host(*argv):
    return subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def prove_guest(proof, text):
    """What the console shows. Returns {file: sha256 the guest computed}."""
    banner = re.search(r"^\W*sekisho: (.*?)\r?$", text.split("GUEST UP")[0], re.M)
    proof.add(bool(banner), "Sekisho started before the guest did", vm.CONTROL.sub("", banner.group(1)) if banner else "")
    up = re.search(r"^GUEST UP cpus=(\d+)", text, re.M)
    proof.add(bool(up) and up.group(1) == "2", "Debian runs on both processors", up.group(0) if up else "")
    sums = {name: digest for digest, name in re.findall(r"^FILE ([0-9a-f]{64})  (\S+)", text, re.M)}
    n_right = len(re.findall(r"^file-\d+: OK", text, re.M))
    proof.add(n_right == len(sums) > 0, "the guest wrote files and read them back unchanged", f"{n_right} of {len(sums)}")
    return sums


def prove_raw(proof, image, sums):
    found = disks.scan(image)
    proof.add(found.n_bytes > 1 << 20 and found.n_markers == 0, "the text that fills these files is nowhere on the raw disk",
              f"written {len(sums) * 2048} times, found {found.n_markers} times")
    proof.add(found.entropy > 7.99, "the raw partition looks random", f"{found.entropy:.3f} bits a byte; random: 8, text: 4 to 5")


def prove_header(proof, image):
    """cryptsetup gets the same key out of the header."""
    key = FOLDER / "key.bin"
    key.unlink(missing_ok=True)
    done = subprocess.run([CRYPTSETUP, "--batch-mode", "luksDump", "--dump-volume-key", "--volume-key-file", key, "--key-file", "-",
                           FOLDER / "system.luks"], input=PASSPHRASE.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    good = done.returncode == 0 and key.exists() and key.read_bytes() == disks.key_of(image)
    key.unlink(missing_ok=True)
    version = host(CRYPTSETUP, "--version").stdout.decode().split(" flags")[0].strip()
    proof.add(good, "cryptsetup opens the header with the same passphrase", f"{version}, the same key")


def prove_decrypted(proof, image, sums):
    """Decrypt the partition with OpenSSL and take the files out with e2fsprogs. Returns {file: sha256}."""
    plain = FOLDER / "decrypted.img"
    started = time.monotonic()
    n_sectors = disks.decrypt(image, plain)
    check = host("/sbin/e2fsck", "-f", "-n", plain)
    proof.add(check.returncode == 0, "OpenSSL decrypts it to a sound ext4 file system",
              f"{n_sectors // 2048} MiB in {time.monotonic() - started:.1f} s")
    got = {}
    for name in sums:
        out = FOLDER / name
        out.unlink(missing_ok=True)
        host("/sbin/debugfs", "-R", f"dump {name} {out}", plain)
        got[name] = hashlib.sha256(out.read_bytes()).hexdigest() if out.exists() else "not found"
        out.unlink(missing_ok=True)
    n_same = sum(got[name] == sums[name] for name in sums)
    proof.add(n_same == len(sums) > 0, "its files have the checksums the guest computed", f"{n_same} of {len(sums)}")
    return got


def show_one_sector(image):
    """The same sector three times: where file-00 begins."""
    plain = FOLDER / "decrypted.img"
    blocks = host("/sbin/debugfs", "-R", "blocks file-00", plain).stdout.decode().splitlines()
    numbers = blocks[-1].split() if blocks else []
    if not numbers or not numbers[0].isdigit():
        return
    sector = int(numbers[0]) * 8

    def at(path, n):
        with open(path, "rb") as f:
            f.seek(n * disks.SECTOR)
            return f.read(disks.SECTOR)

    print("\n      the first bytes of file-00")
    print(f"      on the raw disk, sector {disks.GUEST_FIRST + sector}:  {words(at(image, disks.GUEST_FIRST + sector))}")
    print(f"      decrypted by OpenSSL:         {words(at(plain, sector))}")


def new_disk(machine):
    image = disks.create(FOLDER / "disk.img", machine.disk_mib)
    size = (disks.guest_end(image) - disks.GUEST_FIRST) // 2048
    print(f"{image.relative_to(ROOT)}: partition 1 clear (boot files), partition 2 encrypted ({size} MiB); a new random key")
    make_header(image)
    return image


def demonstrate(machine):
    step("Making the guest: Debian's own kernel and programs")
    version = (guest.build() / "VERSION").read_text().splitlines()
    print(next(v for v in version if v.startswith("linux-image")).removesuffix(".deb"))
    image = new_disk(machine)
    step(f"Booting it below Sekisho ({machine.what})")
    with boot(machine, image, "fs,verify") as running:
        if not vm.run(running, machine.seconds):
            raise Failed("the guest reported a failure")
        if machine is Amd:
            running.wait_end(60)
        text = running.text
    step("Reading its disk without Sekisho")
    proof = Proof()
    sums = prove_guest(proof, text)
    prove_raw(proof, image, sums)
    prove_header(proof, image)
    got = prove_decrypted(proof, image, sums)
    print(f"      {'file':<10} {'sha256 in the guest':<22} {'sha256 of what OpenSSL decrypts':<22}")
    for name, digest in sorted(sums.items()):
        print(f"      {name:<10} {digest[:16]}...    {got[name][:16]}...  {'same' if got[name] == digest else 'DIFFERENT'}")
    show_one_sector(image)
    step("What this proves")
    good = proof.show()
    print(f"\nThe console's log, the disk and its key stay in {FOLDER.relative_to(ROOT)}/.")
    print(paint("All of it holds.", "32;1") if good else paint("It does not hold.", "31;1"))
    return 0 if good else 1


def shell():
    image = new_disk(Amd)
    with boot(Amd, image, "fs,shell") as running:
        if not vm.run(running):
            raise Failed("the guest reported a failure")
        running.on_line = None
        vm.relay(running)
    print(f"\nThe disk, as ciphertext: {image.relative_to(ROOT)}; its key: {disks.key_path(image).relative_to(ROOT)}")
    print(f"Decrypt it: tools/disk.py decrypt {image.relative_to(ROOT)} OUT")
    return 0


def main():
    if not LOADER.exists():
        raise Failed(f"{LOADER} is not there")
    if "--shell" in sys.argv[1:]:
        return shell()
    return demonstrate(Intel if "intel" in sys.argv[1:] else Amd)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, vm.Timeout, vm.Ended, guest.GuestError, subprocess.CalledProcessError, OSError) as problem:
        print(paint(f"\ndemo: {problem}", "31;1"), file=sys.stderr)
        print(f"demo: the machine's console is in {FOLDER}/machine/console.log", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
