"""`twoway import` as the shell calls it."""

import os
import pickle
from pathlib import Path

import pytest
from shell import fine, refused

import twoway

FILE = Path(__file__).parent.parent / "fixtures" / "alae_style32_official_layout.pth"


@pytest.mark.parametrize(("flags", "weights"), [((), "EMA"), (("--live",), "live")])
def test_an_official_checkpoint_becomes_a_model_folder(tmp_path, flags, weights):
    out = tmp_path / "model"
    said = fine("import", "alae", FILE, out, *flags)
    model = twoway.load(out)
    assert model.fingerprint() in said
    card = (out / "README.md").read_text()
    assert f"Weights: {weights}" in card
    assert FILE.name in card
    assert "image (channels, height, width)" in fine("info", out)
    fine("generate", out, "--seeds", "0-1", "--out", tmp_path / "made.png", "--device", "cpu")
    assert (tmp_path / "made.png").is_file()


class Call:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_hostile_and_broken_files(tmp_path):
    out, marker, file = tmp_path / "model", tmp_path / "marker", tmp_path / "evil.pth"
    billion = b"\x80\x02](" + b"N" * 2_500_000 + b"e."  # the first few million of them
    for data, names in (
        (pickle.dumps(Call(f"touch {marker}"), 2), ("system", "Nothing in it was run")),
        (billion, ("more than 2,000,000 instructions",)),
        (FILE.read_bytes()[:100_000], ("cannot be read",)),
        (b"a text", ("not written by torch.save",)),
    ):
        file.write_bytes(data)
        refused("import", "alae", file, out, names=(str(file), *names))
        assert not marker.exists()
        assert not out.exists()
    refused("import", "alae", tmp_path / "none.pth", out, names=("none.pth", "not there"))
