"""On Intel machines that cannot carry it, Sekisho says why in one sentence: Bochs has processors from before each demand."""

import bochs
import pytest

import refusal
from conftest import NATIVE
from test_guests import GUESTS

pytestmark = pytest.mark.skipif(NATIVE, reason="about Sekisho's own messages")


@pytest.mark.parametrize("model, before, sentence", [
    ("p4_prescott_celeron_336", [], "no supported virtualisation in this processor"),
    ("core2_penryn_t9600", [], "this processor has VT-x but no nested paging (EPT)"),
    ("corei5_lynnfield_750", [], "this processor's VT-x cannot run a guest without paging (no unrestricted guest)"),
    ("corei7_skylake_x", ["lock"], "VT-x virtualisation is switched off in the firmware's settings"),
], ids=["no VT-x", "no EPT", "no unrestricted guest", "locked"])
def test_machine_that_cannot(lab, model, before, sentence):
    files = refusal.files(*[f"{name}.efi" for name in before])
    files |= {f"{name}.efi": GUESTS / f"{name}.efi" for name in before}
    with bochs.start(lab.folder / "boot", files, memory=256, model=model) as machine:
        refusal.follow(machine, sentence, 200)
        assert not before or "PASS locked" in machine.text
