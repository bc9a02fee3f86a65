"""sekisho luks: on headers of its own and of cryptsetup's, by files, pipes and a terminal."""

import os
import re
import stat
import subprocess

import pytest

from command import CHEAP, CRYPTSETUP, SEKISHO, Terminal, good, refused, run


@pytest.fixture
def header(tmp_path):
    return tmp_path / "system.luks"


@pytest.fixture
def made(header):
    good("luks", "format", header, *CHEAP, typed=b"one\n")
    return header


def setup_opens(header, secret):
    disk = header.parent / "disk"
    disk.write_bytes(bytes(1 << 20))
    code, _, err = run("open", "--test-passphrase", "--header", header, "--key-file", "-", disk, typed=secret,
                       program=CRYPTSETUP)
    assert code in (0, 2), err
    return code == 0


@pytest.mark.parametrize("options, expected", [
    ((), "LUKS2, aes-xts-plain64, 512 bits"), (("--pbkdf", "pbkdf2"), "slot 0: pbkdf2-sha256, 1"),
    (("--type", "luks1"), "LUKS1"), (("--key-size", "256"), " 256 bits"), (("--pbkdf=argon2id",), "argon2id, ")])
def test_cryptsetup_opens_what_was_made(header, options, expected):
    good("luks", "format", header, *CHEAP, *options, typed=b"one\ntwo\n")
    assert expected in good("luks", "info", header)
    assert setup_opens(header, b"one") and not setup_opens(header, b"two")
    assert stat.S_IMODE(header.stat().st_mode) == 0o600


@pytest.mark.parametrize("version", ["luks1", "luks2"])
def test_changes(header, version):
    good("luks", "format", header, "--type", version, *CHEAP, typed=b"one\n")
    assert "slot 1: " in good("luks", "add", header, *CHEAP, typed=b"one\ntwo\n")
    assert setup_opens(header, b"one") and setup_opens(header, b"two")
    good("luks", "change", header, *CHEAP, typed=b"one\nthree\n")
    assert setup_opens(header, b"three") and setup_opens(header, b"two") and not setup_opens(header, b"one")
    good("luks", "remove", header, typed=b"two\n")
    assert setup_opens(header, b"three") and not setup_opens(header, b"two")
    assert "passphrases: 1\n" in good("luks", "info", header)
    assert refused("luks", "remove", header, typed=b"three\n").endswith("it is the last passphrase that opens the volume")
    assert setup_opens(header, b"three")


def test_slots_by_number(made):
    assert good("luks", "add", made, *CHEAP, "--slot", "7", typed=b"one\ntwo\n").startswith("slot 7: ")
    assert "no such keyslot" in refused("luks", "add", made, *CHEAP, "--slot", "7", typed=b"one\ntwo\n")
    assert "opens none" in refused("luks", "remove", made, "--slot", "7", typed=b"two\n")  # one that stays is asked for
    assert "opens none" in refused("luks", "change", made, *CHEAP, "--slot", "7", typed=b"one\nthree\n")
    good("luks", "remove", made, "--slot", "0", typed=b"two\n")
    assert "slot 0" not in good("luks", "info", made)
    assert "no such keyslot" in refused("luks", "remove", made, "--slot", "31", typed=b"two\n")


def test_key_files(header, tmp_path):
    (tmp_path / "volume").write_bytes(bytes(range(64)))
    (tmp_path / "binary").write_bytes(b"a\nb\0c\n")
    (tmp_path / "empty").touch()
    good("luks", "format", header, *CHEAP, "--volume-key-file", tmp_path / "volume", "--key-file", tmp_path / "binary")
    assert setup_opens(header, b"a\nb\0c\n")
    good("luks", "add", header, *CHEAP, "--key-file", "-", "--new-key-file", tmp_path / "volume", typed=b"a\nb\0c\n")
    assert setup_opens(header, bytes(range(64)))
    out = tmp_path / "out"
    subprocess.run([CRYPTSETUP, "-q", "luksDump", "--dump-volume-key", "--volume-key-file", out, "--key-file",
                    tmp_path / "binary", header], check=True, stdout=subprocess.DEVNULL)
    assert out.read_bytes() == bytes(range(64))
    assert "it is empty" in refused("luks", "change", header, *CHEAP, "--key-file", tmp_path / "empty")
    assert "No such file" in refused("luks", "change", header, *CHEAP, "--key-file", tmp_path / "nothing")


@pytest.mark.parametrize("key, why", [(bytes(32) * 2, "halves"), (b"short", "key"), (bytes(65), "key")])
def test_volume_keys_that_are_none(header, tmp_path, key, why):
    (tmp_path / "volume").write_bytes(key)
    assert why in refused("luks", "format", header, *CHEAP, "--volume-key-file", tmp_path / "volume", typed=b"one\n")
    assert not header.exists()


def test_theirs(header, tmp_path):
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    code, _, err = run("-q", "luksFormat", "--header", header, "--sector-size", "512", "--pbkdf", "pbkdf2",
                       "--pbkdf-force-iterations", "1000", tmp_path / "disk", "-", typed=b"theirs", program=CRYPTSETUP)
    assert code == 0, err
    good("luks", "add", header, *CHEAP, typed=b"theirs\nours\n")
    good("luks", "remove", header, typed=b"theirs\n")
    assert setup_opens(header, b"ours") and not setup_opens(header, b"theirs")


def test_what_exists_stays(made):
    before = made.read_bytes()
    assert "stays as it is" in refused("luks", "format", made, *CHEAP, typed=b"one\n")
    assert "opens none" in refused("luks", "add", made, *CHEAP, typed=b"wrong\ntwo\n")
    assert made.read_bytes() == before


def test_no_headers(tmp_path):
    (tmp_path / "text").write_text("no header\n" * 100)
    assert "LUKS header" in refused("luks", "info", tmp_path / "text")
    assert "No such file" in refused("luks", "info", tmp_path / "nothing")
    assert "ordinary file" in refused("luks", "info", "/dev/null")
    assert "No such file" in refused("luks", "format", tmp_path / "no" / "where", *CHEAP, typed=b"one\n")


def test_measures(header):
    good("luks", "format", header, "--pbkdf", "pbkdf2", "--iter-time", "300", typed=b"one\n")
    assert int(re.search(r"(\d+) iterations", good("luks", "info", header))[1]) > 3000


def test_typed(header):
    terminal = Terminal("luks", "format", header, *CHEAP)
    terminal.answer("New passphrase: ", "pass\u00f6rd")
    terminal.answer("The same again: ", "pass\u00f6rd")
    assert terminal.end() == 0 and "pass\u00f6rd" not in terminal.all
    assert setup_opens(header, "pass\u00f6rd".encode())

    terminal = Terminal("luks", "change", header, *CHEAP)
    terminal.answer("Passphrase: ", "wrong")
    terminal.answer("Passphrase: ", "pass\u00f6rd")
    terminal.answer("New passphrase: ", "another")
    terminal.answer("The same again: ", "an other")
    assert terminal.end() == 1 and "not the same" in terminal.seen
    assert setup_opens(header, "pass\u00f6rd".encode())


def test_three_tries(made):
    terminal = Terminal("luks", "remove", made, "--slot", "5")
    for _ in range(3):
        terminal.answer("stays: ", "wrong")
    assert terminal.end() == 1


def test_interrupted_terminal_shows_again(made):
    terminal = Terminal("luks", "add", made)
    terminal.answer("Passphrase: ", "\x03")
    assert terminal.end() == -2
    assert setup_opens(made, b"one")


def test_one_at_a_time(made):
    first = subprocess.Popen([SEKISHO, "luks", "add", str(made)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    while not any(os.path.realpath(f"/proc/{first.pid}/fd/{f}") == str(made) for f in os.listdir(f"/proc/{first.pid}/fd")):
        pass
    for _ in range(100):
        code, _, err = run("luks", "info", made)
        if code:
            break
    assert "another command" in err
    first.kill()
    first.wait()
