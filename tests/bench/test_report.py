"""The pure parts of tests/bench/run: tables, verdicts, charts, what is read from consoles and programs."""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree

import pytest

BENCH = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH))

import image  # noqa: E402
import machine  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402


def row(name="read 4 KiB", insns=1000, exits=0, host=0, causes=None, io=None, decodes=0):
    return machine.Row(name, [(insns, exits, host)], causes or {}, io or {}, decodes)


def kept(**values):
    return report.as_dict(row(**values))


MARKS = [{"cpus": [[100, 3, 30], [50, 1, 7]], "causes": {"0": [2, 20], "15": [2, 17]}, "io": {"R c1010110": [2, 1, 9]}, "noted": 3},
         {"cpus": [[7, 0, 0]], "causes": {}, "io": {}, "noted": 0}]


def test_parse_joins_the_guests_names_with_the_plugins_counts():
    text = "\n".join(map(json.dumps, MARKS)) + "\n"
    rows = machine.parse("noise\nBENCH read 4 KiB\nBENCHMARK no\nBENCH CPUID \nRESULT OK\n", text)
    assert [r.name for r in rows] == ["read 4 KiB", "CPUID"]
    assert rows[0].cpus == [(100, 3, 30), (50, 1, 7)]
    assert rows[0].causes == {"AHCI register": (2, 20), "other": (2, 17)}
    whole = report.as_dict(rows[0])
    assert (whole["insns"], whole["exits"], whole["host"], whole["decodes"]) == (150, 4, 37, 3)


def test_parse_refuses_a_run_that_lost_a_row():
    with pytest.raises(ValueError, match="1 times, the plugin 2"):
        machine.parse("BENCH CPUID\n", "\n".join(map(json.dumps, MARKS)))


@pytest.mark.parametrize("insns, median", [([5], 5), ([9, 1, 5], 5), ([8, 2], 2), ([4, 1, 3, 2], 2)])
def test_merge_takes_the_median_row(insns, median):
    assert report.merge([row(insns=n, exits=n) for n in insns])["read 4 KiB"]["exits"] == median


@pytest.mark.parametrize("name, host, exits, good", [
    ("integer loop", 1000, 0, True), ("integer loop", 1001, 0, False), ("integer loop", 0, 1, False),
    ("CPUID", 0, 0, True), ("CPUID", 1, 0, False), ("fork and exec", 5000, 9, True), ("fork and exec", 5001, 9, False)])
def test_cpu_verdict(name, host, exits, good):
    assert report.cpu_verdict(name, {"insns": 1000000}, {"host": host, "exits": exits})[1] == good


@pytest.mark.parametrize("insns, exits, dmcrypt, missed", [
    (40000000, 3000, 40000001, []), (40000001, 3000, 50000000, ["instructions"]), (1, 3001, 2, ["exits"]),
    (2, 0, 2, ["dm-crypt"]), (50000000, 4000, 40000000, ["instructions", "exits", "dm-crypt"])])
def test_disk_verdicts(insns, exits, dmcrypt, missed):
    found = report.disk_verdicts("read 4 KiB", kept(insns=insns, exits=exits), kept(insns=dmcrypt))
    assert [k for k, good in found.items() if not good] == missed


def test_tables_say_what_is_missed():
    bare = {"integer loop": kept(insns=1000000)}
    text = report.cpu_table(bare, {"integer loop": kept(insns=1002000, exits=2, host=1100, decodes=1)})
    assert "| 2 | 1 | 1.0011 | 1.001, no exit | **no** |" in text
    rows = {"read 4 KiB": kept(insns=41000000, exits=8500, host=1, decodes=4000)}
    text = report.disk_table(rows, rows, rows, {"read 4 KiB": kept(insns=42000000)}, True)
    assert "| 8.50 | 4.00 | 40 M, 3 exits | **no**: instructions, exits |" in text
    lengths = {line.count("|") for line in text.splitlines()}
    assert len(lengths) == 1, "a row has not as many cells as the head"


def test_causes_and_registers():
    busy = kept(exits=37, host=1175, causes={"local APIC": (10, 100), "AHCI register": (20, 800)},
                io={"W fee000b0": [10, 10, 100], "R c1010110": [20, 20, 800], "W c1010190": [5, 0, 0], "W c1010110": [5, 5, 75]})
    lines = report.causes_table([("x", busy)], {"x": 10}).splitlines()
    assert lines[2:] == ["| x | AHCI register | 20 | 2.00 | 40 | 0.001 M |", "| x | local APIC | 10 | 1.00 | 10 | 0.000 M |"]
    lines = report.registers_table([("x", busy)], {"x": 10}).splitlines()
    assert lines[2:] == ["| x | read PxIS | 2.00 | 2.00 | 40 |", "| x | none | 0.00 | 0.20 | 100 |",
                         "| x | write EOI | 1.00 | 1.00 | 10 |", "| x | write PxIS | 1.00 | 0.50 | 15 |"]


def test_growth_table():
    ours, native = [kept(insns=300, host=50, exits=4), kept(insns=800)], [kept(insns=200), kept(insns=400)]
    lines = report.growth_table("disks", [1, 2], ours, [1, 2], native).splitlines()
    assert lines[2:] == ["| 1 | 300 | 50 | 4.00 | 200 | 1.500 |", "| 2 | 400 | 0 | 0.00 | 200 | 2.000 |"]


def test_launch_line():
    line = "sekisho: AMD SVM, 4120 KiB of 16384 KiB used at 7ce00000, guest starts after 80 ms\r\n"
    assert report.parse_launch("x\n" + line) == (4120, 16384, 80)
    with pytest.raises(ValueError):
        report.parse_launch("sekisho: not started: no memory")


def test_cipher_output():
    text = ("AES-128-XTS encrypt, 4 KiB requests\n  OpenSSL, one unit           4000 MB/s    2.00 x same work    1.00 x one unit   0.80 x limit\n"
            "  vaes-avx2                not on this processor\nAES-256-XTS decrypt, 4 KiB requests\n")
    assert report.parse_cipher(text) == [("AES-128-XTS encrypt, 4 KiB requests", [("OpenSSL, one unit", 4000.0, {"same work": 2.0, "one unit": 1.0, "limit": 0.8})])]
    assert "| OpenSSL, one unit | 4,000 | 2.00 | 1.00 | 0.80 |" in report.cipher_table(report.parse_cipher(text))


@pytest.mark.parametrize("load, busy", [("0.9", False), ("2.4", False), ("2.6", True), ("12.0", True)])
def test_provenance(load, busy):
    text = report.provenance({"command": "tests/bench/run cpu", "date": "2026-01-02", "commit": "abcdef0", "qemu": "QEMU 7.2",
                              "memory": 2048, "kernel": "6.1", "host": "2 processors, X", "load": load})
    for said in ("2026-01-02", "commit abcdef0", "`tests/bench/run cpu`", "QEMU 7.2", "2 processors, X", f"load {load}"):
        assert said in text
    assert ("busy" in text) == busy


def test_replace_touches_only_its_part():
    text = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->\n<!-- y: end -->\n"
    new = report.replace(text, "x", "new\n\n")
    assert new == text.replace("old", "new") and report.replace(new, "x", "new") == new
    for broken in ("", "<!-- x: end --><!-- x: begin -->", text + text):
        with pytest.raises(ValueError):
            report.replace(broken, "x", "")


def test_the_document_has_a_place_for_every_part():
    document = (machine.ROOT / "docs/performance.md").read_text()
    for part in ("cpu", "disk", "cpus", "disks", "ranges", "depth", "footprint", "cipher"):
        report.replace(document, part, "")


@pytest.mark.parametrize("top, want", [(0, [0, 1]), (9.5, [0, 2, 4, 6, 8, 10]), (100, [0, 20, 40, 60, 80, 100]), (0.5, [0, 0.1, 0.2, 0.3, 0.4, 0.5])])
def test_ticks(top, want):
    assert plot.ticks(top) == pytest.approx(want)


@pytest.mark.parametrize("top", [1, 7, 8.49, 123, 99999, 0.003])
def test_ticks_reach_the_top(top):
    found = plot.ticks(top)
    assert found[-1] >= top * 0.999 and 2 <= len(found) <= 7


def numbers(element, name):
    return float(element.get(name))


def test_charts_are_sound_and_inside_their_frame():
    ns = "{http://www.w3.org/2000/svg}"
    line = xml.etree.ElementTree.fromstring(plot.lines("a < b", "x", "y & z", [1, 2, 4], {"one": [1, 2, 40], "two": [0, 0, 7]}))
    assert "a < b" in [t.text for t in line.iter(f"{ns}text")]
    for points in (p.get("points") for p in line.iter(f"{ns}polyline")):
        places = [tuple(map(float, p.split(","))) for p in points.split()]
        assert len(places) == 3 and all(0 < x < plot.WIDTH and plot.TOP <= y <= plot.HEIGHT - plot.BOTTOM for x, y in places)
    heights = [numbers(c, "cy") for c in line.iter(f"{ns}circle")]
    assert heights[2] == plot.TOP, "the largest value reaches the last tick"
    bars = xml.etree.ElementTree.fromstring(plot.bars("t", "y", ["g", "h"], {"one": [1, 2], "two": [4, 0]}))
    drawn = [numbers(r, "height") for r in bars.iter(f"{ns}rect")][2:]  # behind the legend's two
    assert [h / drawn[0] for h in drawn] == pytest.approx([1, 4, 2, 0], abs=0.01)
    assert "prefers-color-scheme:dark" in plot.STYLE


def test_classes():
    found = image.classify([image.Function(n, name, path) for n, (name, path) in enumerate([
        ("ahci_issue", "libdevintercept/src/ahci/cmd.c"), ("memcpy", "libvmm/src/x.c"), ("hw_svm_gif_window", "libvmm/src/svm/svm.c"),
        ("on_cmd", "libdevintercept/src/ata/ata.c"), ("xapic_write", "libvmm/src/apic.c"), ("vmm_msr_exit", "libvmm/src/msr.c"),
        ("control", "shells/sekisho/sleep.c"), ("vmm_insn_decode", "libvmm/insn/src/decode.c"), ("data_port", "shells/machine/pci.c")])])
    assert (7, image.NOTED) in found
    assert [(n, image.class_name(k)) for n, k in found if k != image.NOTED] == [
        (0, "AHCI register"), (2, "NMI"), (3, "IDE register"), (4, "local APIC"), (5, "MSR"), (6, "sleep or A20 port"),
        (8, "PCI configuration")]
    with pytest.raises(ValueError, match="no function for: AHCI register"):
        image.classify([])


def test_configurations_cover_the_disk():
    assert "range" not in machine.conf()
    for n in (1, 3, 16):
        ranges = [tuple(map(int, r)) for r in re.findall(r"^range = (\d+)\.\.(\d+) encrypt:bench$", machine.conf(32, n), re.M)]
        assert len(ranges) == n and ranges[0][0] == 0 and ranges[-1][1] == machine.DISK_MIB * 2048 - 1
        assert all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:]))
