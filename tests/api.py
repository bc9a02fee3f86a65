#!/usr/bin/python3
"""What the documents say of the tree must be so.

    tests/api.py           check; exit code 0: all of it is so
    tests/api.py --fill    copy the fragments of examples/fragments into API.md

API.md names every public symbol of the headers and none that does not exist; the fragments in it are those that compile;
docs/known-problems.md names tests that exist."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
API = ROOT / "API.md"
PROBLEMS = ROOT / "docs/known-problems.md"
FRAGMENTS = ROOT / "examples/fragments"
INCLUDE = ["libvmm/include", "libvmm/types", "libvmm/insn/include", "libvmm/uefi", "libcrypt/include",
           "libdevintercept/include", "shells/conf/include", "shells/part/include", "shells/block/include"]
PREFIX = re.compile(r"\b(?:vmm|crypt|dvi|conf|part|VMM|CRYPT|DVI|CONF|PART|PCI)_\w+")
COMPILE = ["gcc", "-std=gnu11", "-ffreestanding", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wconversion",
           "-Wsign-conversion", "-Wshadow", "-Wcast-qual", "-Wmissing-prototypes", "-Wstrict-prototypes", "-Wvla",
           "-Wundef", *[f"-I{ROOT / i}" for i in INCLUDE]]


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def top_level(text):
    """The declarations of a header, each with the braces of its own: (head, body)."""
    depth, head, body = 0, "", ""
    for c in text:
        depth -= c == "}"
        if depth == 0 and c == ";":
            yield head.strip(), body
            head = body = ""
        elif depth == 0 and c not in "{}":
            head += c
        elif depth:
            body += c
        depth += c == "{"
        if depth == 0 and c == "}" and re.search(r"\)\s*$", head):  # a function with its body
            yield head.strip(), ""
            head = body = ""


def symbols(text):
    """(symbols a header offers, enumerators). Macros, functions, objects, tags, typedef names; no include guards."""
    text = without_comments(text).replace("\\\n", " ")
    found = {m for m in re.findall(r"^\s*#\s*define\s+(\w+)", text, re.M) if not m.endswith("_H")}
    enumerators = set()
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)(?=[^)])", " ", text)
    for head, body in top_level(text):
        tag = re.match(r"(?:typedef\s+)?(struct|enum|union)\s+(\w+)\s*$", head)
        typedef = re.match(r"typedef\b.*?(\w+)\s*(?:\(.*\))?\s*$", head, re.S)
        function = re.match(r"(?!typedef)[\w\s*]*?\b(\w+)\s*\(", head)
        if re.match(r"enum\b", head):
            enumerators |= set(re.findall(r"(?:^|,)\s*(\w+)", body))
        if tag:
            found.add(tag.group(2))
        elif typedef:
            found.add(typedef.group(1))
        elif function:
            found.add(function.group(1))
        elif re.match(r"extern\b", head):
            found.add(re.search(r"(\w+)\s*(?:\[.*\])?\s*$", head).group(1))
    return found, enumerators


def self_test():
    """The parser knows each kind of declaration, and what is none."""
    found, enumerators = symbols("""#ifndef A_H
#define A_H
#define A_BYTES 4u
#define A_AT(n) \\
    (1u + (n))
/* void a_commented(void); */
struct a_one { int member; struct { int (*fn)(void *x); } inner; };
struct a_two;
enum a_three { A_X = -1, A_Y };
enum { A_Z };
typedef struct { uint64_t v; } a_t;
typedef enum a_three a_fn(struct a_one *one, void *cookie);
static inline a_t a_make(uint64_t v) { if (v) { v++; } return (a_t){v}; }
enum a_three a_get(const struct a_one *one) A_MUST;
A_MUST int a_try(void (*fn)(void));
void a_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void a_end(void) __attribute__((noreturn));
extern const struct a_one a_table[];
#endif""")
    assert found == {"A_BYTES", "A_AT", "a_one", "a_two", "a_three", "a_t", "a_fn", "a_make", "a_get", "a_try", "a_print",
                     "a_end", "a_table"}, found
    assert enumerators == {"A_X", "A_Y", "A_Z"}, enumerators
    assert list(named_tests("`tests/a.c`, `one` `two\nwords`, `tests/b.c`; `three`")) == [
        ("tests/a.c", ""), ("tests/a.c", "one"), ("tests/a.c", "two words"), ("tests/b.c", "")]
    assert list(problem_breaches("`tests/nowhere.c`"))
    assert list(symbol_breaches("`vmm_of_nothing`"))


def code_of(text):
    """What stands in backticks and fences."""
    return " ".join(re.findall(r"```.*?```|`[^`]*`", text, re.S))


def symbol_breaches(text):
    headers = sorted(h for i in INCLUDE for h in (ROOT / i).rglob("*.h"))
    public, enumerators = set(), set()
    for header in headers:
        some, few = symbols(header.read_text())
        public |= some
        enumerators |= few
        lost = {s for s in some if not re.search(rf"\b{s}\b", code_of(text))}
        yield from (f"API.md: {s} of {header.relative_to(ROOT)} is missing" for s in sorted(lost))
    known = public | enumerators | set(PREFIX.findall(" ".join(p.read_text() for p in FRAGMENTS.glob("*.c"))))
    yield from (f"API.md: there is no {name}" for name in sorted(set(PREFIX.findall(code_of(text))) - known)
                if not name.endswith("_") and f"{name}.h" not in text)


MARK = re.compile(r"<!-- (examples/fragments/\w+\.c) -->\n(?:\n```c\n(.*?)```\n)?", re.S)


def fill(text):
    return MARK.sub(lambda m: f"<!-- {m[1]} -->\n\n```c\n{(ROOT / m[1]).read_text()}```\n", text)


def fragment_breaches(text):
    shown = {ROOT / path: code for path, code in MARK.findall(text)}
    for path in sorted(set(FRAGMENTS.glob("*.c")) | set(shown)):
        name = path.relative_to(ROOT)
        if path not in shown or not path.exists():
            yield f"API.md: {name} is not in it, or not in the tree"
            continue
        if shown[path] != path.read_text():
            yield f"API.md: {name} is not as in the tree; tests/api.py --fill"
        done = subprocess.run([*COMPILE, str(path)], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            yield f"{name} does not compile:\n{done.stderr}"


def named_tests(text):
    """(file, name): each `tests/FILE`, and the code spans that follow it with nothing but a comma between."""
    for run in re.findall(r"`tests/[^`]+`(?:,?\s+`[^`]+`)*", text):
        path = ""
        for span in re.findall(r"`([^`]+)`", run):
            if span.startswith("tests/"):
                path = span
            yield path, "" if span == path else " ".join(span.split())


def problem_breaches(text):
    named = list(named_tests(text))
    for path, name in named:
        if not (ROOT / path).is_file():
            yield f"docs/known-problems.md: there is no {path}"
        elif name and not any(f in (ROOT / path).read_text() for f in (f", {name})", f", {name},", f'"{name}"', f"def {name}(")):
            yield f"docs/known-problems.md: {path} has no {name}"
    numbers = [int(n) for n in re.findall(r"^## (\d+)\.", text, re.M)]
    if numbers != list(range(1, 20)):
        yield f"docs/known-problems.md: the sections are {numbers}"


def main():
    self_test()
    text = API.read_text()
    if "--fill" in sys.argv[1:]:
        API.write_text(fill(text))
        return 0
    found = [*symbol_breaches(text), *fragment_breaches(text), *problem_breaches(PROBLEMS.read_text())]
    for line in found:
        print(line)
    n_symbols = sum(len(symbols(h.read_text())[0]) for i in INCLUDE for h in (ROOT / i).rglob("*.h"))
    n_tests = len(list(named_tests(PROBLEMS.read_text())))
    print(f"api: {n_symbols} public symbols, {n_tests} tests named, {len(found)} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
