"""LUKS headers whose volume key is that of a disk of tools/disk.py, made by Debian's cryptsetup."""

import os
import re
import subprocess

import disk as disks

CRYPTSETUP = os.environ.get("CRYPTSETUP", "/usr/sbin/cryptsetup")


def header(lab, secret, mib=64, passes=4):
    """The contents of a detached LUKS2 header that this passphrase opens, by Argon2id with so much memory."""
    paths = {name: lab.folder / f"luks-{name}" for name in ("header", "key", "secret", "device")}
    paths["key"].write_bytes(disks.key_of(lab.image))
    paths["secret"].write_bytes(secret)
    paths["device"].write_bytes(bytes(1 << 20))
    paths["header"].unlink(missing_ok=True)
    subprocess.run([CRYPTSETUP, "--batch-mode", "luksFormat", "--type", "luks2", "--header", paths["header"], "--cipher",
                    "aes-xts-plain64", "--key-size", "512", "--sector-size", "512", "--luks2-keyslots-size", "4m",
                    "--pbkdf", "argon2id", "--pbkdf-memory", str(mib * 1024), "--pbkdf-force-iterations", str(passes),
                    "--pbkdf-parallel", "1", "--volume-key-file", paths["key"], paths["device"], paths["secret"]],
                   check=True)
    return paths["header"].read_bytes()


def conf(lab, unlock="passphrase", boot=""):
    return re.sub(r"hex:\w+", f"luks:system.luks\nunlock   = {unlock}", lab.conf(boot))
