import hashlib
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shaken import shaken

from twoway import Pipeline
from twoway.errors import ConfigError, ModelError
from twoway.export import export_onnx, onnx
from twoway.export.parts import parts_of
from twoway.latents.interpolation import interpolate

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_reconstruct.py"
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def model():
    return shaken("alae")


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    export_onnx(model, tmp_path_factory.mktemp("export") / "e", truncation=0.5)
    return tmp_path_factory.getbasetemp() / "export0" / "e"


def run(folder, name, **inputs):
    session = onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    return session.run(None, {key: value.numpy() for key, value in inputs.items()})[0]


@torch.no_grad()
def test_the_files_do_what_the_model_does_for_batches_never_tried(folder, model, generator):
    x = torch.rand(7, 1, 8, 8, generator=generator) * 2 - 1
    z = torch.randn(7, 6, generator=generator)
    w = model.encode(x)
    assert np.abs(run(folder, "encoder", x=x) - w.numpy()).max() < 1e-4
    assert np.abs(run(folder, "generator", w=w) - model.decode(w).numpy()).max() < 1e-4
    halfway = model.w_avg + 0.5 * (model.map(z) - model.w_avg)
    assert np.abs(run(folder, "mapping", z=z) - halfway.numpy()).max() < 1e-4


def test_the_index_says_what_goes_in_and_out(folder, model):
    index = json.loads((folder / "export.json").read_text())
    assert index["fingerprint"] == model.fingerprint()
    assert index["prior"] == ["normal(6)"]
    assert index["truncation"] == 0.5
    assert np.allclose(index["w_avg"], model.w_avg.numpy(), atol=1e-6)
    assert set(index["versions"]) == {"torch", "twoway", "onnx", "onnxscript", "onnxruntime"}
    assert list(index["nets"]) == ["encoder", "mapping", "generator"]
    for net in index["nets"].values():
        assert hashlib.sha256((folder / net["file"]).read_bytes()).hexdigest() == net["sha256"]
        assert set(net["differences"]) == {"1", "2", "5"}
        assert max(net["differences"].values()) <= 1e-4
    (port,) = index["nets"]["encoder"]["inputs"]
    assert (port["name"], port["shape"]) == ("x", ["batch", 1, 8, 8])
    assert -1 <= port["range when checked"][0] < port["range when checked"][1] <= 1
    assert index["opset"] == importlib.import_module("onnx").load(folder / "generator.onnx").opset_import[0].version


def example(folder, *arguments):
    """Run the example as a user would, and see that it imports neither torch nor this package."""
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__'); "
        "assert not {'torch', 'twoway', 'onnx'} & set(sys.modules)"
    )
    call = [sys.executable, "-I", "-c", code, str(EXAMPLE), str(folder), *map(str, arguments)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def close(picture, wanted):
    assert np.abs(np.asarray(picture).astype(int) - np.asarray(wanted).astype(int)).max() <= 1


@torch.no_grad()
def test_the_example_makes_the_pictures_of_the_model_without_torch(folder, model, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 33, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels[::-1]).save(tmp_path / "b.png")
    pipe = Pipeline(model)
    example(folder, "--picture", tmp_path / "a.png", "-o", tmp_path / "one.png")
    shown = np.asarray(Image.open(tmp_path / "one.png"))
    assert shown.shape == (8, 16)
    close(shown[:, 8:], pipe.reconstruct([tmp_path / "a.png"])[0])
    example(folder, "--picture", tmp_path / "a.png", "--picture", tmp_path / "b.png", "-o", tmp_path / "two.png")
    ends = pipe.encode([tmp_path / "a.png", tmp_path / "b.png"])
    walk = pipe.interpolate(ends[0], ends[1], 8, output_type="np")
    close(Image.open(tmp_path / "two.png"), np.concatenate(list(walk), axis=1)[..., 0])
    # the mapping truncates by 0.5 already
    example(folder, "--seed", 3, "--trunc", "0.6", "-o", tmp_path / "three.png")
    z = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 6)).astype(np.float32))
    w = model.truncate(model.map(z), 0.3)
    walk = interpolate(model, w[:1], w[1:], 8)[:, 0]
    close(Image.open(tmp_path / "three.png"), np.concatenate([p[0] for p in to_bytes(walk)], axis=1))


def to_bytes(x):
    return ((x.clamp(-1, 1) + 1) * 127.5).round().numpy().astype(np.uint8)


def test_a_style_generator_exports_with_its_noise(tmp_path):
    model = shaken("style-alae", (3, 8, 8))
    made = export_onnx(model, tmp_path / "e", nets=["generator"])
    assert made.differences["generator"] <= 1e-4
    w = torch.randn(3, *model.w_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert np.abs(run(tmp_path / "e", "generator", w=w) - model.decode(w, noise="fixed").numpy()).max() < 1e-4
        assert np.abs(run(tmp_path / "e", "generator", w=w) - model.decode(w, noise="off").numpy()).max() > 1e-2


def test_a_file_that_differs_is_not_left(model, tmp_path, monkeypatch):
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "export.json").write_text("an older export")
    monkeypatch.setattr(onnx, "TOLERANCE", -1.0)
    with pytest.raises(ModelError, match="differs from torch by"):
        export_onnx(model, tmp_path / "e", nets=["mapping"])
    assert [p.name for p in tmp_path.iterdir()] == ["e"]
    assert [p.read_text() for p in (tmp_path / "e").iterdir()] == ["an older export"]


def test_what_cannot_be_exported_is_said(model, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"has no encoder\..*to export: generator"):
        export_onnx(shaken("pggan"), tmp_path / "e", nets=["encoder"])
    with pytest.raises(ModelError, match="cannot be inverted"):
        export_onnx(model, tmp_path / "e", nets=["unmap"])
    with pytest.raises(ConfigError, match="did you mean 'encoder'"):
        export_onnx(model, tmp_path / "e", nets=["enocder"])
    with pytest.raises(ConfigError, match="opset is 11, but"):
        export_onnx(model, tmp_path / "e", opset=11)
    with pytest.raises(ConfigError, match="noise is 'random'"):
        export_onnx(model, tmp_path / "e", noise="random")
    with pytest.raises(ConfigError, match="finite"):
        export_onnx(model, tmp_path / "e", truncation=float("nan"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="is a file"):
        export_onnx(model, tmp_path / "file")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_text("x")
    with pytest.raises(ModelError, match="no export"):
        export_onnx(model, tmp_path / "photos")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"needs onnxscript, which is not .*pip install 'twoway\[onnx\]'"):
        export_onnx(model, tmp_path / "e")
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("method", "shape", "options", "nets"),
    [
        ("alae", (1, 8, 8), {}, "encoder mapping generator"),
        ("lia", (3, 8, 8), {}, "encoder mapping unmap generator"),
        ("pggan", (3, 8, 8), {}, "generator"),
        ("ae", (1, 8, 8), {}, "encoder generator"),
        ("infovaegan", (1, 8, 8), {}, "encoder generator decoder"),
        ("vae", (1, 8, 8), {"classes": 3}, "encoder generator"),
    ],
)
@torch.no_grad()
def test_the_parts_are_the_functions_of_the_model(method, shape, options, nets):
    """What is exported, before it is: equal to what the two-way model itself gives."""
    model = shaken(method, shape, **options)
    parts = parts_of(model)
    assert " ".join(parts) == nets
    for part in parts.values():
        given = part.examples(3, torch.Generator().manual_seed(1))
        got = part.net(*given)
        assert [tuple(t.shape[1:]) for t in given] == [p.shape for p in part.inputs]
        assert [tuple(t.shape[1:]) for t in got] == [p.shape for p in part.outputs]
        if part.name == "encoder" and model.infers_noise:
            wanted = model.encode(given[0], *(y.argmax(1) for y in given[1:]))
        elif part.name == "encoder":
            wanted = model.represent(given[0])
            got = (torch.cat([got[0], got[1]], dim=1),)
        elif part.name == "mapping":
            wanted = model.map(given[0])
        elif part.name == "unmap":
            wanted = model.unmap(given[0])
        elif part.name == "generator":
            wanted = model.decode(given[0])
        else:
            wanted = model.nets["decoder"](given[0][:, None])
        assert torch.allclose(got[0], wanted, atol=1e-5)


FAMILIES = [
    ("style-alae", (3, 16, 16), {}),
    ("lia", (3, 16, 16), {}),
    ("lia", (3, 8, 8), {"coupling": "affine", "mixing": "learned"}),
    ("stylegan", (3, 8, 8), {}),
    ("vaegan-z", (3, 8, 8), {}),
    ("pggan", (3, 8, 8), {}),
    ("pioneer", (3, 8, 8), {}),
    ("alae", (1, 8, 8), {"nets": "conv"}),
    ("vae", (1, 8, 8), {"classes": 3}),
    ("infovaegan", (1, 8, 8), {}),
    ("infovaegan", (1, 8, 8), {"infer_noise": True}),
    ("infogan", (1, 8, 8), {}),
    ("vamp-prior", (1, 8, 8), {}),
    ("aae", (1, 8, 8), {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "shape", "options"), FAMILIES)
def test_every_family_exports(method, shape, options, tmp_path):
    model = shaken(method, shape, **options)
    made = export_onnx(model, tmp_path / "e")
    assert list(made.files) == list(parts_of(model))
    assert max(made.differences.values()) <= 1e-4


@pytest.mark.slow
def test_a_half_grown_model_gives_full_pictures(tmp_path):
    model = shaken("style-alae", (3, 16, 16))
    for slot in ("encoder", "generator"):
        model.nets[slot].grow_to(1, 0.3)
    export_onnx(model, tmp_path / "e", nets=["encoder", "generator"])
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        w = model.encode(x)
        assert np.abs(run(tmp_path / "e", "encoder", x=x) - w.numpy()).max() < 1e-4
        assert np.abs(run(tmp_path / "e", "generator", w=w) - model.decode(w).numpy()).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("opset", [onnx.OPSETS.start, onnx.OPSETS.stop - 1])
def test_the_oldest_and_the_newest_opset(opset, tmp_path):
    made = export_onnx(shaken("style-alae", (3, 8, 8)), tmp_path / "e", nets=["generator"], opset=opset)
    assert made.opset == opset


@pytest.mark.slow
def test_a_skip_generator_exports(tmp_path):
    model = shaken("stylegan", (3, 8, 8), grow=False)
    assert max(export_onnx(model, tmp_path / "e", nets=["generator"], noise="off").differences.values()) <= 1e-4
