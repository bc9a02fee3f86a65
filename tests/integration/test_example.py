"""examples/minimal, built as an outside project on the installed libraries, is a hypervisor that carries Debian."""

import os
import pathlib
import re

from conftest import NATIVE

EXAMPLE = pathlib.Path(os.environ.get("SEKISHO_EXAMPLE") or "build/tests/example/build/minimal.efi")


def test_minimal(lab):
    text = lab.boot("cpus,region,fs,verify", boot="shell", loader=EXAMPLE)
    assert NATIVE or "minimal: running beneath you" in text
    assert re.findall(r"^CPUS (\d+)", text, re.M) == ["2"]
    assert NATIVE or re.search(r"^REGION \S+ pages=(\d+) ones=\1 write=vanished", text, re.M)
