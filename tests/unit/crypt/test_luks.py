"""LUKS headers against Debian's cryptsetup, both ways: what it writes opens here, what is written here opens there.

In the environment, LUKS_TOOL is the program built from luks_tool.c, and CRYPTSETUP where that is. Costs are as low as cryptsetup allows."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

TOOL = os.environ["LUKS_TOOL"]
CRYPTSETUP = os.environ.get("CRYPTSETUP", "/usr/sbin/cryptsetup")
COPY = 16384
PBKDF2 = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
ARGON2ID = ("--pbkdf", "argon2id", "--pbkdf-force-iterations", "4", "--pbkdf-memory", "64", "--pbkdf-parallel", "1")
ARGON2I = ("--pbkdf", "argon2i", "--pbkdf-force-iterations", "5", "--pbkdf-memory", "100", "--pbkdf-parallel", "3")
LUKS1 = ("--type", "luks1", "--pbkdf-force-iterations", "1000")
LUKS2 = ("--type", "luks2", "--sector-size", "512", "--luks2-keyslots-size", "4m")
SECRETS = {"one": b"passphrase one", "two": "zw\u00f6lf \u30d1\u30b9".encode(), "file": bytes(range(256)) * 3, "long": b"l" * 400,
           "wrong": b"passphrase One", "short": b"x"}


def run(*argv):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode().strip()


class Header:
    """A header in a file, and both programs on it."""

    def __init__(self, folder):
        self.path, self.folder, self.disk = folder / "header", folder, folder / "disk"
        self.disk.write_bytes(bytes(1 << 20))
        for name, secret in SECRETS.items():
            (folder / name).write_bytes(secret)

    def secret(self, name):
        return self.folder / name

    def setup(self, action, *argv, ok=True):
        code, out, err = run(CRYPTSETUP, "--batch-mode", action, *argv)
        if ok:
            assert code == 0, err
        return code, out, err

    def setup_format(self, *options, secret="one", bits=512):
        self.path.unlink(missing_ok=True)
        self.setup("luksFormat", "--header", self.path, "--key-size", bits, *options, self.disk, self.secret(secret))

    def setup_opens(self, secret, *options):
        code, _, err = self.setup("open", "--test-passphrase", "--header", self.path, "--key-file", self.secret(secret),
                                  *options, self.disk, ok=False)
        assert code in (0, 1, 2), err  # 1: the slot asked for is not there
        return code == 0

    def setup_add(self, old, new, *options):
        self.setup("luksAddKey", "--key-file", self.secret(old), *options, self.path, self.secret(new))

    def setup_key(self, secret):
        key = self.folder / "volume-key"
        key.unlink(missing_ok=True)
        self.setup("luksDump", "--dump-volume-key", "--volume-key-file", key, "--key-file", self.secret(secret), self.path)
        return key.read_bytes().hex()

    def tool(self, action, *argv, ok=True):
        code, out, err = run(TOOL, action, self.path, *argv)
        if ok:
            assert code == 0, err
        return code, out, err

    def ours(self, secret, *argv):
        """(outcome, slot, work bytes, volume key)."""
        line, key = self.tool("open", self.secret(secret), *argv)[1].splitlines()[-2:]
        outcome, slot, work = line.split()
        return outcome, int(slot), int(work), key

    def opens(self, secret, slot=None):
        outcome, at, _, key = self.ours(secret)
        if slot is not None:
            assert (outcome, at) == ("opened", slot)
        return key

    def info(self):
        return self.tool("info")[1]

    def refused(self):
        code, out, err = self.tool("info", ok=False)
        assert code == 1 and out == "" and "\n" not in err
        return err

    def format(self, version, kdf, bits=512, secret="one", size=None, ok=True):
        (self.folder / "key").write_bytes(os.urandom(bits // 8))
        return self.tool("format", self.secret(secret), kdf, version, self.folder / "key", *([size] if size else []), ok=ok)

    def patch(self, offset, data):
        with self.path.open("r+b") as f:
            f.seek(offset)
            f.write(data)

    def metadata(self):
        return json.loads(self.path.read_bytes()[4096:COPY].split(b"\0")[0])

    def set_text(self, text, copies=(0, COPY), sequence=None):
        """Another JSON text with its checksum."""
        image = bytearray(self.path.read_bytes())
        for at in copies:
            image[at + 4096:at + COPY] = text.encode().ljust(COPY - 4096, b"\0")
            if sequence:
                image[at + 16:at + 24] = sequence.to_bytes(8, "big")
            image[at + 448:at + 512] = bytes(64)
            image[at + 448:at + 480] = hashlib.sha256(image[at:at + COPY]).digest()
        self.path.write_bytes(image)

    def edit(self, change, **how):
        metadata = self.metadata()
        change(metadata)
        self.set_text(json.dumps(metadata), **how)


@pytest.fixture
def header(tmp_path):
    return Header(tmp_path)


THEIRS = {"luks1-sha1": (*LUKS1, "--hash", "sha1"), "luks1-sha256": LUKS1, "luks1-sha512": (*LUKS1, "--hash", "sha512"),
          "luks2-pbkdf2-sha1": (*LUKS2, *PBKDF2, "--hash", "sha1"), "luks2-pbkdf2": (*LUKS2, *PBKDF2),
          "luks2-pbkdf2-sha512": (*LUKS2, *PBKDF2, "--hash", "sha512"), "luks2-argon2i": (*LUKS2, *ARGON2I),
          "luks2-argon2id": (*LUKS2, *ARGON2ID),
          "luks2-large": (*LUKS2, *PBKDF2, "--luks2-metadata-size", "64k"),
          "luks2-default": (*LUKS2[:4], *PBKDF2)}


@pytest.mark.parametrize("bits", [256, 512])
@pytest.mark.parametrize("options", THEIRS.values(), ids=THEIRS.keys())
def test_theirs_opens_here(header, options, bits):
    header.setup_format(*options, bits=bits)
    assert f"key {bits // 8}\npayload 0 0\ncopy_lost 0\nused 1\n" in header.info()
    assert header.opens("one", slot=0) == header.setup_key("one")
    assert header.ours("wrong")[:2] == ("wrong", 0)
    assert header.ours("one", 1)[0] == "no_slot"


OURS = ["1 pbkdf2:sha1:1000", "1 pbkdf2:sha256:1200", "1 pbkdf2:sha512:1000", "2 pbkdf2:sha1:1000",
        "2 pbkdf2:sha256:1500", "2 pbkdf2:sha512:1000", "2 argon2i:4:64:1", "2 argon2id:4:64:1", "2 argon2id:5:97:3"]


@pytest.mark.parametrize("bits", [256, 512])
@pytest.mark.parametrize("made", OURS)
def test_ours_opens_there(header, made, bits):
    version, kdf = made.split()
    header.format(version, kdf, bits)
    key = (header.folder / "key").read_bytes().hex()
    assert header.opens("one", slot=0) == key == header.setup_key("one")
    assert header.setup_opens("one") and not header.setup_opens("wrong")
    dump = header.setup("luksDump", header.path)[1]
    assert "aes" in dump and "xts-plain64" in dump
    assert version == "1" or "sector: 512 [bytes]" in dump
    uuid = header.setup("luksUUID", header.path)[1].strip()
    assert f"uuid {uuid}\n" in header.info() and len(uuid) == 36 and uuid[14] == "4"


@pytest.mark.parametrize("version", [1, 2])
def test_slots_from_both(header, version):
    """Slots added, changed and removed by turns; each program opens with each passphrase at each step."""
    there = PBKDF2 if version == 1 else ARGON2ID
    header.format(version, "pbkdf2:sha256:1000")
    key = header.opens("one", slot=0)
    header.setup_add("one", "two", *there)
    header.tool("add", header.secret("two"), header.secret("file"), "pbkdf2:sha256:1000")
    header.setup_add("file", "long", *there)
    for slot, name in enumerate(["one", "two", "file", "long"]):
        assert header.opens(name, slot=slot) == key and header.setup_opens(name, "--key-slot", slot)
    header.tool("remove", 1)
    assert not header.setup_opens("two") and header.ours("two")[0] == "wrong"
    header.setup("luksKillSlot", "--key-file", header.secret("file"), header.path, 0)
    assert header.ours("one")[0] == "wrong"
    header.tool("change", header.secret("file"), header.secret("one"), "pbkdf2:sha256:1000")
    header.tool("add", header.secret("one"), header.secret("two"), "pbkdf2:sha256:1000", 6)
    assert header.opens("one") == header.opens("two", slot=6) == header.opens("long", slot=3) == key
    assert all(header.setup_opens(name) for name in ("one", "two", "long"))
    assert not header.setup_opens("file") and header.ours("file")[0] == "wrong"
    assert header.setup_key("two") == key
    header.setup("luksChangeKey", "--key-file", header.secret("two"), *there, header.path, header.secret("short"))
    assert header.opens("short") == key
    header.setup("repair", header.path)


def test_slots_run_out(header):
    header.format(1, "pbkdf2:sha256:1000", 256)
    for _ in range(7):
        header.tool("add", header.secret("one"), header.secret("two"), "pbkdf2:sha256:1000")
    for action in ("add", "change"):
        code, _, err = header.tool(action, header.secret("one"), header.secret("short"), "pbkdf2:sha256:1000", ok=False)
        assert code == 1 and err == "the LUKS header has no room for one more keyslot"
    for slot in range(1, 8):
        header.tool("remove", slot)
    assert header.tool("remove", 0, ok=False)[2] == "it is the last passphrase that opens the volume"
    assert header.setup_opens("one")
    code, _, err = header.format(1, "pbkdf2:sha256:1000", size=2068479, ok=False)
    assert code == 1 and err == "the LUKS header has no room for one more keyslot"
    header.format(1, "pbkdf2:sha256:1000", size=2068480)
    assert header.setup_opens("one")


def test_areas_run_out(header):
    header.format(2, "argon2id:4:32:1", size=2 * COPY + 2 * 258048)
    header.tool("add", header.secret("one"), header.secret("two"), "argon2id:4:32:1")
    for action in ("add", "change"):
        code, _, err = header.tool(action, header.secret("one"), header.secret("short"), "argon2id:4:32:1", ok=False)
        assert code == 1 and err == "the LUKS header has no room for one more keyslot"
    header.tool("remove", 0)
    header.tool("change", header.secret("two"), header.secret("one"), "argon2i:4:32:2")
    assert header.opens("one", slot=1) and header.setup_opens("one")


def test_all_slots_of_version_2(header):
    header.setup_format(*LUKS2, *PBKDF2, bits=256)
    for slot in range(1, 32):
        header.tool("add", header.secret("one"), header.secret("two"), "pbkdf2:sha256:1000", 32 - slot)
    assert "used 32\n" in header.info()
    assert header.setup_opens("two", "--key-slot", 31) and header.setup_opens("two", "--key-slot", 1)
    assert header.tool("add", header.secret("one"), header.secret("two"), "pbkdf2:sha256:1000", ok=False)[0] == 1


def test_priorities(header):
    header.setup_format(*LUKS2, *PBKDF2)
    header.setup_add("one", "two", *PBKDF2)
    header.setup_add("one", "file", *PBKDF2)
    header.setup("config", "--key-slot", 0, "--priority", "ignore", header.path)
    header.setup("config", "--key-slot", 2, "--priority", "prefer", header.path)
    assert header.ours("one")[0] == "wrong" and header.ours("one", 0)[:2] == ("opened", 0)
    header.tool("add", header.secret("two"), header.secret("file"), "pbkdf2:sha256:1000", 1 + 2, 0)
    assert header.opens("file", slot=2)  # and not 3
    header.setup("luksKillSlot", "--key-file", header.secret("two"), header.path, 2)
    assert header.ours("file")[0] == "wrong" and not header.setup_opens("file")
    assert header.setup_opens("file", "--key-slot", 3)
    header.tool("change", header.secret("two"), header.secret("long"), "pbkdf2:sha256:1000")
    assert header.opens("long", slot=1)


def test_memory(header):
    header.setup_format(*LUKS2, *ARGON2ID[:-4], "--pbkdf-memory", "8192", "--pbkdf-parallel", "1")
    outcome, slot, work, _ = header.ours("one", -1, 4096)
    assert (outcome, slot) == ("no_memory", 0) and 8192 << 10 <= work <= 8196 << 10
    assert header.ours("one", 0, work // 1024)[0] == "opened"
    header.setup_add("one", "two", *PBKDF2)
    assert header.ours("two", -1, 4096)[:2] == ("opened", 1)
    assert header.ours("wrong", -1, 4096)[:2] == ("no_memory", 0)


@pytest.mark.parametrize("at", [0, 6, 17, 300, 448, 4096 + 20, COPY - 1])
@pytest.mark.parametrize("copy", [0, COPY])
def test_one_copy_damaged(header, copy, at):
    """The other one counts, and the next change mends it."""
    header.setup_format(*LUKS2, *PBKDF2)
    byte = header.path.read_bytes()[copy + at]
    header.patch(copy + at, bytes([byte ^ 0x20]))
    assert "copy_lost 1" in header.info()
    key = header.opens("one", slot=0)
    if at % 2:
        header.tool("repair")
    else:
        header.tool("add", header.secret("one"), header.secret("two"), "pbkdf2:sha256:1000")
        assert header.setup_opens("two")
    assert "copy_lost 0" in header.info()
    assert header.opens("one", slot=0) == key == header.setup_key("one")


def test_both_copies_damaged(header):
    header.setup_format(*LUKS2, *PBKDF2)
    header.patch(5000, b"x")
    header.patch(COPY + 5000, b"x")
    assert header.refused() == "neither copy of the LUKS2 header is sound"
    header.patch(0, b"K")
    assert header.refused() == "it is not a LUKS header"


def test_newer_copy_counts(header):
    """As after a power failure between the two."""
    header.setup_format(*LUKS2, *PBKDF2)
    before = header.path.read_bytes()
    header.setup_add("one", "two", *PBKDF2)
    after = header.path.read_bytes()
    for first, second in ((before, after), (after, before)):
        header.path.write_bytes(first[:COPY] + second[COPY:2 * COPY] + after[2 * COPY:])
        assert "copy_lost 1" in header.info() and header.opens("two", slot=1)


def test_converted(header):
    """From one version to the other and back, by cryptsetup, with slots of ours."""
    header.setup_format(*LUKS1, "--offset", "8192")
    header.tool("add", header.secret("one"), header.secret("two"), "pbkdf2:sha256:1000", 3)
    key = header.opens("one", slot=0)
    for version in (2, 1):
        header.setup("convert", "--type", f"luks{version}", header.path)
        assert f"version {version}\n" in header.info() and "payload 4194304 0\n" in header.info()
        assert header.opens("one", slot=0) == header.opens("two", slot=3) == key
        header.tool("change", header.secret("two"), header.secret("two"), "pbkdf2:sha256:1000")
        assert header.setup_opens("two")


def test_version_not_known(header):
    header.setup_format(*LUKS1)
    header.patch(6, b"\0\3")
    assert header.refused() == "the LUKS header is neither of version 1 nor of version 2"
    header.path.write_bytes(b"LUKS\xba")
    assert header.refused() == "it is too short for a LUKS header"
    header.path.write_bytes(b"LUKS\xba\xbe\0\1" + bytes(900))
    assert header.refused() == "the LUKS header is cut short"


def test_erased_area_is_damage(header):
    header.setup_format(*LUKS2, *PBKDF2)
    header.setup_add("one", "two", *PBKDF2)
    header.patch(2 * COPY + 4096, b"\xff" * 512)
    assert header.ours("one")[:2] == ("damaged", 0)
    assert header.opens("two", slot=1)


def test_cut_short(header):
    header.setup_format(*LUKS2, *PBKDF2)
    header.setup_add("one", "two", *PBKDF2)
    image = header.path.read_bytes()
    header.path.write_bytes(image[:2 * COPY + 258048])
    assert "slot 1 unusable" in header.info() and "cut off" in header.info()
    assert header.opens("one", slot=0) and header.ours("two")[0] == "wrong"
    header.path.write_bytes(image[:2 * COPY - 1])
    assert header.refused() == "the LUKS2 header is cut short"


FOREIGN = {
    "sectors": ((*LUKS2[:2], "--sector-size", "4096", *PBKDF2), "the volume's sectors are not of 512 bytes"),
    "cipher-1": ((*LUKS1, "--cipher", "aes-cbc-essiv:sha256"), "the volume is not encrypted with aes-xts-plain64"),
    "cipher-2": ((*LUKS2, *PBKDF2, "--cipher", "aes-cbc-essiv:sha256"), "the volume is not encrypted with aes-xts-plain64"),
    "hash": ((*LUKS1, "--hash", "ripemd160"), "it uses a hash function other than SHA-1, SHA-256 and SHA-512"),
}


@pytest.mark.parametrize("options,why", FOREIGN.values(), ids=FOREIGN.keys())
def test_not_supported(header, options, why):
    header.setup_format(*options, bits=256)
    assert header.refused() == why


def test_area_with_another_cipher(header):
    """Only that slot is of no use."""
    header.setup_format(*LUKS2, *PBKDF2)
    header.setup_add("one", "two", *PBKDF2, "--keyslot-cipher", "aes-cbc-essiv:sha256", "--keyslot-key-size", "256")
    header.setup_add("one", "long", *PBKDF2, "--keyslot-cipher", "aes-xts-plain64", "--keyslot-key-size", "256")
    assert "slot 1 unusable" in header.info()
    assert header.opens("one", slot=0) == header.opens("long", slot=2) and header.ours("two")[0] == "wrong"
    header.tool("remove", 1)
    assert not header.setup_opens("two") and header.setup_opens("one") and header.setup_opens("long")


def test_key_that_is_not_the_volume_key(header):
    header.setup_format(*LUKS2, *PBKDF2)
    header.setup("luksAddKey", "--unbound", "--key-size", 512, *PBKDF2, "--key-slot", 4, header.path, header.secret("two"))
    assert "slot 4 unusable" in header.info() and header.ours("two")[0] == "wrong" and header.opens("one", slot=0)


def test_volume_of_fixed_size_behind_its_header(header):
    header.setup_format(*LUKS2, *PBKDF2)
    header.edit(lambda m: m["segments"]["0"].update(size="1048576", offset="4227072"))
    assert "payload 4227072 1048576\n" in header.info() and header.opens("one", slot=0)


def requirement(names):
    return lambda m: m["config"].update(requirements={"mandatory": names})


REFUSED = {
    "requirement": (requirement(["online-reencrypt-v2"]), "requires a feature"),
    "new requirement": (requirement(["x", "y"]), "requires a feature"),
    "requirements": (lambda m: m["config"].update(requirements=["x"]), "unknown requirements"),
    "segments": (lambda m: m["segments"].update({"1": m["segments"]["0"]}), "more than one data segment"),
    "cipher": (lambda m: m["segments"]["0"].update(encryption="serpent-xts-plain64"), "aes-xts-plain64"),
    "linear": (lambda m: m["segments"]["0"].update(type="linear"), "not simply encrypted"),
    "integrity": (lambda m: m["segments"]["0"].update(integrity={"type": "hmac(sha256)"}), "not simply encrypted"),
    "tweak": (lambda m: m["segments"]["0"].update(iv_tweak="8"), "first sector"),
    "offset": (lambda m: m["segments"]["0"].update(offset=0), "data segment"),
    "digest": (lambda m: m["digests"]["0"].update(type="hkdf"), "digest"),
    "digests": (lambda m: m["digests"].update({"1": m["digests"]["0"]}), "more than one digest"),
    "no digest": (lambda m: m["digests"]["0"].update(segments=[]), "no digest"),
    "number": (lambda m: m["keyslots"].update({"32": m["keyslots"]["0"]}), "number"),
    "overlap": (lambda m: m["keyslots"].update({"3": m["keyslots"]["0"]}), "share an area"),
    "outside": (lambda m: m["keyslots"]["0"]["area"].update(offset="16777216"), "area"),
    "in the header": (lambda m: m["keyslots"]["0"]["area"].update(offset="28672"), "area"),
    "between sectors": (lambda m: m["keyslots"]["0"]["area"].update(offset="32770"), "area"),
    "small": (lambda m: m["keyslots"]["0"]["area"].update(size="253952"), "too small"),
    "json_size": (lambda m: m["config"].update(json_size="12289"), "configuration"),
    "keyslots_size": (lambda m: m["config"].update(keyslots_size="18446744073709551615"), "configuration"),
    "priority": (lambda m: m["keyslots"]["0"].update(priority=3), "priority"),
    "tokens": (lambda m: m.pop("tokens"), "tokens"),
}


@pytest.mark.parametrize("change,why", REFUSED.values(), ids=REFUSED.keys())
def test_refused(header, change, why):
    header.setup_format(*LUKS2, *PBKDF2)
    header.edit(change)
    assert why in header.refused()


UNUSABLE = {
    "type": lambda s: s.update(type="reencrypt"),
    "kdf": lambda s: s["kdf"].update(type="scrypt"),
    "iterations": lambda s: s["kdf"].update(iterations=0),
    "salt": lambda s: s["kdf"].update(salt="?"),
    "hash": lambda s: s["af"].update(hash="whirlpool"),
    "stripes": lambda s: s["af"].update(stripes=3999),
    "area": lambda s: s["area"].update(encryption="twofish-xts-plain64"),
    "key": lambda s: s.update(key_size=48),
    "shorter": lambda s: s.update(key_size=32),
    "memory": lambda s: s.update(kdf={"type": "argon2id", "time": 1, "memory": 7, "cpus": 1, "salt": "A" * 44}),
}


@pytest.mark.parametrize("change", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_one_slot_is_unusable(header, change):
    header.setup_format(*LUKS2, *PBKDF2)
    header.setup_add("one", "two", *PBKDF2)
    header.edit(lambda m: change(m["keyslots"]["1"]))
    assert "slot 1 unusable" in header.info() and "used 1" in header.info()
    assert header.opens("one", slot=0) and header.ours("two")[0] == "wrong" and header.ours("two", 1)[0] == "no_slot"


def test_unknown_members_stay(header):
    """Tokens, flags, labels and what nobody knows, through changes made here."""
    header.setup_format(*LUKS2, *PBKDF2, "--label", "a label", "--subsystem", "a system")
    header.setup_add("one", "two", *PBKDF2)
    token = {"type": "systemd-tpm2", "keyslots": ["1", "0"], "tpm2-blob": "a/b\\\"]}", "n": [1, -2.5e3, None, {"x": []}]}
    unknown = {"note": "\u00e4\n", "numbers": [0, 1]}

    def change(m):
        m["tokens"]["0"] = token
        m["config"]["flags"] = ["allow-discards"]
        m["config"]["x-unknown"] = unknown
        m["digests"]["0"]["x"] = True
    header.edit(change)
    header.tool("add", header.secret("one"), header.secret("file"), "pbkdf2:sha256:1000")
    header.tool("change", header.secret("one"), header.secret("long"), "pbkdf2:sha256:1000")
    header.tool("remove", 1)
    m = header.metadata()
    assert m["tokens"]["0"] == {**token, "keyslots": ["0"]} and m["digests"]["0"]["x"] is True
    assert m["config"]["flags"] == ["allow-discards"] and m["config"]["x-unknown"] == unknown
    assert sorted(m["digests"]["0"]["keyslots"]) == ["0", "2"] == sorted(m["keyslots"])
    dump = header.setup("luksDump", header.path)[1]
    assert "a label" in dump and "a system" in dump
    assert header.opens("file", slot=2) == header.opens("long", slot=0) and header.setup_opens("long")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a":1,"a":2}', '{"\\u0061":1}', "{}x", '{"a":' + "[" * 20 + "]" * 20 + "}"])
def test_text_that_is_no_metadata(header, text):
    header.setup_format(*LUKS2, *PBKDF2)
    header.set_text(text)
    assert "LUKS2 header" in header.refused()
    header.set_text(text[:0], copies=(0,))
    assert "LUKS2 header" in header.refused()


def test_damaged_slots_of_version_1(header):
    """There is no checksum: each slot by itself."""
    header.setup_format(*LUKS1)
    header.setup_add("one", "two", *PBKDF2)
    header.setup_add("one", "file", *PBKDF2)
    header.patch(208, b"\0\0\0\1")
    header.patch(208 + 48 + 40, b"\xff\xff\xff\xff")
    assert "slot 0 unusable" in header.info() and "slot 1 unusable" in header.info()
    assert header.ours("one")[0] == header.ours("two")[0] == "wrong" and header.opens("file", slot=2)
    header.patch(208 + 3 * 48 + 40, (8 + 2 * 504).to_bytes(4, "big"))
    assert "slot 3 unusable" in header.info() and header.opens("file", slot=2)
    assert header.tool("remove", 2, ok=False)[2] == "there is no such keyslot, or it is not one to do this with"


def test_stored_fixture_of_the_tests(tmp_path):
    """The tests' own writer of checksums agrees with cryptsetup."""
    header = Header(Path(tmp_path))
    header.setup_format(*LUKS2, *PBKDF2)
    header.edit(lambda m: None)
    assert header.setup_opens("one")
