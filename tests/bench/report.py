"""Pure: rows and results in, Markdown out. Nothing here measures anything."""

import re
import statistics

# What we want, by row: instructions below Sekisho as a multiple of the bare machine's.
CPU_GOALS = {"integer loop": 1.001, "floating point": 1.002, "memory copy": 1.005, "page faults": 1.005, "system calls": 1.002,
             "fork and exec": 1.005, "context switches": 1.005, "timer sleeps": 1.3, "CPUID": 1.0}
NO_EXITS = {"integer loop", "CPUID"}  # ... and these without a single exit
# Million instructions below Sekisho with AES-128-XTS, and exits a command.
DISK_GOALS = {"read 128 KiB": 80, "read 4 KiB": 40, "write 128 KiB": 90, "write 4 KiB": 42}
EXITS_GOAL = 3
COMMANDS = {"read 128 KiB": 256, "read 4 KiB": 1000, "write 128 KiB": 256, "write 4 KiB": 1000}
LABELS = {"system calls": "200,000 system calls", "fork and exec": "100 fork + exec", "context switches": "20,000 context switches",
          "timer sleeps": "200 timer sleeps of 1 ms", "CPUID": "10,000 CPUID", "read 128 KiB": "read 32 MiB in 128 KiB",
          "read 4 KiB": "1,000 random reads of 4 KiB", "write 128 KiB": "write 32 MiB in 128 KiB",
          "write 4 KiB": "1,000 random writes of 4 KiB"}
REGISTERS = {0xfee00000: {0xb0: "EOI", 0x380: "timer count", 0x310: "ICR high", 0x300: "ICR low", 0x320: "timer LVT"}}
AHCI_PORT = {0x10: "PxIS", 0x14: "PxIE", 0x18: "PxCMD", 0x20: "PxTFD", 0x28: "PxSSTS", 0x30: "PxSERR", 0x34: "PxSACT", 0x38: "PxCI"}
AHCI_HOST = {0x04: "GHC", 0x08: "IS"}


def label(name):
    return LABELS.get(name, name)


def merge(rows):
    """{name: row}: of several rows of one name that with the median of all instructions, as a dict that JSON can hold."""
    by_name = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    return {name: as_dict(sorted(same, key=total)[(len(same) - 1) // 2]) for name, same in by_name.items()}


def total(row):
    return sum(c[0] for c in row.cpus)


def as_dict(row):
    insns, exits, host = (sum(c[k] for c in row.cpus) for k in range(3))
    return {"insns": insns, "exits": exits, "host": host, "cpus": [list(c) for c in row.cpus],
            "causes": {k: list(v) for k, v in row.causes.items()}, "io": dict(row.io), "decodes": row.decodes}


def millions(n):
    n /= 1e6
    return f"{n:.3f} M" if n < 10 else f"{n:.2f} M" if n < 100 else f"{n:.1f} M"


def mark(good):
    return "yes" if good else "**no**"


def table(head, rows, left=1):
    """A Markdown table; the first columns are text, all others numbers."""
    lines = [f"| {' | '.join(head)} |", "|" + "|".join("---" if i < left else "---:" for i in range(len(head))) + "|"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows]) + "\n"


def cpu_verdict(name, native, ours):
    """(multiple of the bare machine's instructions, goal met). What the hypervisor executed is counted exactly; the guest's own
    instructions differ from run to run by more than the goals."""
    cost = 1 + ours["host"] / native["insns"]
    return cost, cost <= CPU_GOALS[name] and (name not in NO_EXITS or ours["exits"] == 0)


def cpu_table(native, ours):
    rows = []
    for name, bare in native.items():
        if name not in ours:
            continue
        row = ours[name]
        goal, good = "", ""
        cost = 1 + row["host"] / bare["insns"]
        if name in CPU_GOALS:
            good = mark(cpu_verdict(name, bare, row)[1])
            goal = f"{CPU_GOALS[name]:.3f}" + (", no exit" if name in NO_EXITS else "")
        rows.append([label(name), millions(bare["insns"]), millions(row["insns"]), millions(row["host"]), f"{row['exits']:,}",
                     f"{row['decodes']:,}", f"{cost:.4f}", goal, good])
    return table(["work", "native", "below Sekisho", "of that in the hypervisor", "exits", "with a decode", "cost", "goal", "met"], rows)


def disk_verdicts(name, ours, dmcrypt):
    exits = ours["exits"] / COMMANDS[name]
    return {"instructions": ours["insns"] <= DISK_GOALS[name] * 1e6, "exits": exits <= EXITS_GOAL,
            "dm-crypt": ours["insns"] < dmcrypt["insns"]}


def disk_table(native, clear, ours, dmcrypt, goals):
    """One key length. goals: whether those of AES-128 apply."""
    head = ["work", "native, clear", "Sekisho, clear", "Sekisho, encrypted", "of that in the hypervisor", "dm-crypt",
            "Sekisho / native", "Sekisho / dm-crypt", "exits a command", "with a decode"] + (["goal", "met"] if goals else [])
    rows = []
    for name in DISK_GOALS:
        if not all(name in x for x in (native, clear, ours, dmcrypt)):
            continue
        e, d = ours[name], dmcrypt[name]
        row = [label(name), *(millions(x["insns"]) for x in (native[name], clear[name], e)), millions(e["host"]),
               millions(d["insns"]), f"{e['insns'] / native[name]['insns']:.2f}", f"{e['insns'] / d['insns']:.2f}",
               f"{e['exits'] / COMMANDS[name]:.2f}", f"{e['decodes'] / COMMANDS[name]:.2f}"]
        if goals:
            verdicts = disk_verdicts(name, e, d)
            missed = [k for k, good in verdicts.items() if not good]
            row += [f"{DISK_GOALS[name]} M, {EXITS_GOAL} exits", "yes" if not missed else f"**no**: {', '.join(missed)}"]
        rows.append(row)
    return table(head, rows)


def causes_table(named_rows, per=None):
    """Exits by cause. named_rows: [(text, row)]; per: {text: how many commands}, for a column of exits a command."""
    rows = []
    for text, row in named_rows:
        for cause, (exits, insns) in sorted(row["causes"].items(), key=lambda c: -c[1][1]):
            rate = [f"{exits / per[text]:.2f}"] if per else []
            rows.append([text, cause, f"{exits:,}", *rate, f"{insns / exits:,.0f}", millions(insns)])
    return table(["work", "cause", "exits", *(["a command"] if per else []), "instructions each", "together"], rows, left=2)


def register_name(key):
    """What the plugin calls "W fee000b0" as a person would."""
    how, at = key.split()
    at = int(at, 16)
    name = REGISTERS.get(at & ~0xfff, {}).get(at & 0xfff)
    if not name and at & 0xfff >= 0x100 and at >> 12 != 0xfee00:
        name = AHCI_PORT.get(at & 0x7f)
    if not name and at >> 12 != 0xfee00:
        name = AHCI_HOST.get(at & 0xfff)
    return f"{'read' if how == 'R' else 'write'} {name or hex(at)}"


def registers_table(named_rows, per):
    """Device registers that the hypervisor touches. "Exits" are those in which it touched this one first: mostly because the
    guest wanted to."""
    rows = []
    for text, row in named_rows:
        merged = {}
        for key, counts in row["io"].items():
            merged[register_name(key)] = [a + b for a, b in zip(merged.get(register_name(key), (0, 0, 0)), counts)]
        merged["none"] = [0, row["exits"] - sum(c[1] for c in merged.values()), row["host"] - sum(c[2] for c in merged.values())]
        for name, (n, exits, insns) in sorted(merged.items(), key=lambda x: (-x[1][2], x[0])):
            if max(n, exits) / per[text] >= 0.005:
                rows.append([text, name, f"{n / per[text]:.2f}", f"{exits / per[text]:.2f}", f"{insns / exits:,.0f}" if exits else ""])
    return table(["work", "register", "accesses a command", "exits a command", "instructions each"], rows, left=2)


def growth_table(what, xs, rows, units, native=None):
    """One row for each x. units: pieces of work at each x."""
    head = [what, "instructions each", "in the hypervisor", "exits each"] + (["native", "Sekisho / native"] if native else [])
    lines = []
    for x, row, n in zip(xs, rows, units):
        line = [x, f"{row['insns'] / n:,.0f}", f"{row['host'] / n:,.0f}", f"{row['exits'] / n:.2f}"]
        if native:
            bare = native[xs.index(x)]
            line += [f"{bare['insns'] / n:,.0f}", f"{row['insns'] / bare['insns']:.3f}"]
        lines.append(line)
    return table(head, lines, left=0)


def parse_cipher(text):
    """[(heading, [(name, MB/s, {what it is compared with: ratio})])] of bench_xts's output."""
    found = []
    for line in text.splitlines():
        if line and not line[0].isspace():
            found.append((line.strip(), []))
        row = re.match(r"\s+(.+?)\s+(\d+(?:\.\d+)?) MB/s(.*)", line)
        if row and found:
            ratios = {what: float(x) for x, what in re.findall(r"(\d+\.\d+) x (\w+(?: \w+)*)", row.group(3))}
            found[-1][1].append((row.group(1), float(row.group(2)), ratios))
    return [(heading, rows) for heading, rows in found if rows]


def cipher_table(parsed):
    columns = list(dict.fromkeys(what for _, contenders in parsed for c in contenders for what in c[2]))
    rows = []
    for heading, contenders in parsed:
        for name, speed, ratios in contenders:
            rows.append([heading, name, f"{speed:,.0f}", *(f"{ratios[c]:.2f}" if c in ratios else "" for c in columns)])
    return table(["work", "by", "MB/s", *(f"x {c}" for c in columns)], rows, left=2)


def parse_launch(console):
    """What the log line of the launch says: (KiB used, KiB in all, milliseconds from the program's start or None)."""
    found = re.search(r"(\d+) KiB of (\d+) KiB used at [0-9a-f]+(?:, guest starts after (\d+) ms)?", console)
    if not found:
        raise ValueError("no launch line on the console")
    return int(found[1]), int(found[2]), int(found[3]) if found[3] else None


def median(values):
    return statistics.median_low(values)


def provenance(meta):
    """How the figures below it were obtained."""
    busy = float(meta["load"]) > int(meta["host"].split()[0]) + 0.5
    return (f"*{meta['date']}, commit {meta['commit']}, `{meta['command']}`. {meta['qemu']}, TCG, `-cpu max -M q35`, "
            f"{meta['memory']} MiB, OVMF; Linux {meta['kernel']}. On {meta['host']}, load {meta['load']}.*\n" +
            ("\n**The machine was busy: do not compare times and speeds, and expect more timer ticks.**\n" if busy else ""))


def replace(document, name, body):
    """The document with the generated part of that name replaced; ValueError if it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if document.count(begin) != 1 or document.count(end) != 1 or document.index(end) < document.index(begin):
        raise ValueError(f"the document has no place for {name}")
    head, rest = document.split(begin)
    return f"{head}{begin}\n{body.rstrip()}\n{end}{rest.split(end)[1]}"
