"""How sekisho is called: help, mistakes, exit codes; and sekisho conf check."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from command import SEKISHO, good, refused

ROOT = Path(__file__).resolve().parents[3]


def commands():
    """The words of each: one or two."""
    return [tuple(w for w in words if w) for words in re.findall(r"^  ([a-z]+)(?: ([a-z]+))? ", good("--help"), re.M)]


def test_help():
    assert {words[0] for words in commands()} == {"luks", "disk", "conf", "install", "uninstall", "status"}
    for words in commands():
        assert " ".join(words) in good(words[0], "--help")
        text = good(*words, "--help")
        assert text.startswith(f"usage: sekisho {' '.join(words)} ") and "--help" in text
    assert good("-h") == good("--help")
    assert re.fullmatch(r"sekisho \d+\.\d+\.\d+\n", good("--version"))


@pytest.mark.parametrize("argv", [
    (), ("nothing",), ("luks",), ("luks", "nothing"), ("luks", "info"), ("luks", "info", "a", "b"), ("luks", "info", "--x", "a"),
    ("luks", "info", "a", "--slot", "1"), ("luks", "add", "a", "--slot"), ("luks", "add", "a", "--slot", "x"),
    ("luks", "add", "a", "--slot", "32"), ("luks", "add", "a", "--slot=-1"), ("luks", "add", "a", "--slot=1", "--slot=2"),
    ("luks", "format", "a", "--type", "luks3"), ("luks", "format", "a", "--type", "luks1", "--pbkdf", "argon2id"),
    ("luks", "format", "a", "--iter-time", "0"), ("luks", "format", "a", "--key-size", "384"), ("luks", "info", "--help=1"),
    ("luks", "format", "a", "--key-size", "256", "--volume-key-file", "b"), ("install",), ("install", "a", "b"),
    ("install", "a", "--force"), ("uninstall", "a"), ("uninstall", "--partition", "a"), ("status", "a"), ("status", "--esp", "a"),
    ("install", "a", "--partition", "b'c")])
def test_mistakes(argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(*argv, code=2)
    assert not any(tmp_path.iterdir())


def test_full_output(tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([SEKISHO, "--help"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"could not be written" in done.stderr


def test_conf(tmp_path):
    conf = tmp_path / "sekisho.conf"
    conf.write_text("[boot]\nconsole = serial\n")
    assert good("conf", "check", conf) == f"{conf}: good\n"
    conf.write_text("[boot]\nconsole = loud\n")
    assert refused("conf", "check", conf).startswith(f'{conf}:2: "loud" is not a value for console, expected ')
    conf.write_bytes(b"#" * 65537)
    assert refused("conf", "check", conf) == f"{conf}: it is no ordinary file, or too long"
    assert refused("conf", "check", tmp_path) == f"{tmp_path}: it is no ordinary file, or too long"
    assert "No such file" in refused("conf", "check", tmp_path / "nothing")


def test_conf_of_the_manual(tmp_path):
    text = (ROOT / "docs/sekisho.conf.md").read_text().split("```")[1].strip() + "\n"
    (tmp_path / "sekisho.conf").write_text(text)
    good("conf", "check", tmp_path / "sekisho.conf")


def options_of(words):
    return re.findall(r"^  --([\w-]+)", good(*words, "--help"), re.M)


def test_man_page_has_all_of_it():
    page = (ROOT / "cli/sekisho.1").read_text()
    for words in commands():
        assert re.search(rf"^\.(It|Nm).*\n?\.?.*Cm {' .*'.join(words)}\b", page, re.M), words
        for option in options_of(words):
            assert f"Fl -{option}" in page, option
    done = subprocess.run(["groff", "-mdoc", "-ww", "-z", ROOT / "cli/sekisho.1"], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


def completed(*words):
    """What bash offers for the last word."""
    script = f"""source {ROOT}/cli/completion.bash
COMP_WORDS=({' '.join([SEKISHO, *words[:-1], f"'{words[-1]}'"])}); COMP_CWORD={len(words)}; _sekisho
printf '%s\\n' "${{COMPREPLY[@]}}" """
    return subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, check=True).stdout.decode().split()


def test_completion(tmp_path):
    assert set(completed("")) == {"--help", "--version", *(words[0] for words in commands())}
    for words in commands():
        assert len(words) == 1 or words[1] in completed(words[0], "")
        assert [f"--{option}" for option in options_of(words)] == completed(*words, "--")
    assert completed("luks", "fo") == ["format"]
    assert completed("luks", "format", "--type", "") == ["luks1", "luks2"]
    (tmp_path / "file-of-mine").touch()
    assert completed("luks", "info", f"{tmp_path}/fi") == [f"{tmp_path}/file-of-mine"]
    assert completed("disk", "encrypt", "--header", f"{tmp_path}/fi") == [f"{tmp_path}/file-of-mine"]
