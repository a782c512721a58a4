import json

import pytest
from shell import fine, refused
from small import small_model


@pytest.fixture
def folder(tmp_path):
    return small_model().save(tmp_path / "m")


def test_nets_are_written_and_the_difference_is_told(folder, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    out = fine("export", "onnx", folder, "-o", tmp_path / "e", "--nets", "mapping", "--trunc", "0.7", "--noise", "off")
    assert "mapping.onnx: differs from torch by at most" in out
    assert "opset" in out
    index = json.loads((tmp_path / "e" / "export.json").read_text())
    assert (index["truncation"], index["noise"], list(index["nets"])) == (0.7, "off", ["mapping"])


def test_mistakes_are_sentences(folder, tmp_path):
    (tmp_path / "file").write_text("x")
    refused("export", "onnx", folder, "-o", tmp_path / "file", names=("is a file",))
    refused("export", "onnx", folder, "--nets", "unmap", names=("no unmap", "encoder, mapping, generator"))
    refused("export", "onnx", folder, "--opset", "9", names=("opset is 9", "18"))
    refused("export", "onnx", folder, "--trunc", "nan", names=("--trunc",))
