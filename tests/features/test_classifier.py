"""Features of a classifier in a file: the same numbers as its net, any pictures, and no other file taken for one."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from classifiers import small_classifier, small_net
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional

from twoway.errors import ConfigError, DataError, ModelError
from twoway.features import FEATURES, FeatureSpec, build_features
from twoway.features.classifier_file import check_name, read_classifier


@pytest.fixture
def file(tmp_path):
    return small_classifier(tmp_path / "toy.safetensors")


def built(path):
    return build_features(FeatureSpec.parse(str(path)))


def changed_header(source, target, **changes):
    """A copy of a classifier whose header says something else."""
    with safe_open(source, framework="pt") as opened:
        plain = json.loads(opened.metadata()["twoway_extractor"])
    for key, value in changes.items():
        node = plain
        *above, last = key.split("__")
        for part in above:
            node = node[part]
        node[last] = value
    save_file(load_file(source), target, metadata={"twoway_extractor": json.dumps(plain)})
    return target


@pytest.mark.parametrize("kind", ["lenet_classifier", "residual_classifier"])
def test_the_extractor_computes_what_the_net_did(tmp_path, generator, kind):
    net = small_net(kind=kind)[1]
    extractor = built(small_classifier(tmp_path / "c.safetensors", kind=kind))
    x = torch.rand(5, 3, 16, 16, generator=generator) * 2 - 1
    with torch.no_grad():
        assert torch.equal(extractor.pooled(x), net.vector(x))
        assert torch.equal(extractor.logits(x), net(x))
        assert all(torch.equal(a, b) for a, b in zip(extractor(x), net.maps(x), strict=True))
    assert extractor.pooled(x).shape == (5, 8)
    assert [tuple(f.shape[1:]) for f in extractor(x)] == (
        [(4, 8, 8), (8, 4, 4)] if kind == "lenet_classifier" else [(8, 8, 8), (16, 4, 4)]
    )
    # the vector by hand: dense layer, batch norm, rectifier, of the coarsest maps
    top = extractor(x)[-1]
    dense = (top.flatten(1) if kind == "lenet_classifier" else top.mean((2, 3))) @ net.hidden.weight.T
    normed = (dense - net.norm.running_mean) / (net.norm.running_var + 1e-5).sqrt() * net.norm.weight + net.norm.bias
    torch.testing.assert_close(extractor.pooled(x), normed.clamp_min(0))
    torch.testing.assert_close(extractor.logits(x), normed.clamp_min(0) @ net.head.weight.T + net.head.bias)


def test_the_title_is_of_the_file(file):
    digits = hashlib.sha256(file.read_bytes()).hexdigest()
    extractor = built(file)
    assert extractor.title == f"toy-cnn@{digits[:6]}"
    described = extractor.describe()
    assert described["sha256"] == digits[:12]
    assert described["weights"] == "toy.safetensors"
    assert described["image"] == "16x16, colour"
    assert described["trained_on"] == "toys"
    assert extractor.outputs == ("a", "b", "c", "d")
    assert extractor.exclusive


def test_attributes_are_not_classes(tmp_path):
    assert not built(small_classifier(tmp_path / "a.safetensors", of="attributes")).exclusive


def test_other_pictures_are_brought_to_its_own(tmp_path, generator):
    colour = built(small_classifier(tmp_path / "c.safetensors"))
    grey = built(small_classifier(tmp_path / "g.safetensors", shape=(1, 16, 16)))
    x = torch.rand(2, 3, 16, 16, generator=generator) * 2 - 1
    one = x[:, :1]
    assert torch.equal(colour.pooled(one), colour.pooled(one.repeat(1, 3, 1, 1)))
    torch.testing.assert_close(grey.pooled(x), grey.pooled(0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]))
    # a flat picture is flat in every size; larger ones are averaged, not picked from
    torch.testing.assert_close(
        colour.pooled(torch.full((1, 3, 40, 24), 0.3)), colour.pooled(torch.full((1, 3, 16, 16), 0.3))
    )
    checks = functional.interpolate(x, scale_factor=2, mode="nearest")
    checks[..., ::2, ::2] += 0.5
    checks[..., 1::2, 1::2] -= 0.5
    torch.testing.assert_close(
        functional.interpolate(checks, size=(16, 16), mode="bilinear", antialias=True).mean(),
        x.mean(),
        atol=2e-2,
        rtol=0,
    )
    assert colour.describe()["resize"] == "bilinear, antialiased"
    with pytest.raises(DataError, match="2 channels"):
        colour.pooled(torch.zeros(1, 2, 16, 16))


def test_a_name_in_the_folder_of_weights_is_found(file, monkeypatch):
    monkeypatch.setenv("TWOWAY_WEIGHTS", str(file.parent))
    assert built("toy.safetensors").title == built(file).title


def test_other_files_are_refused(file, tmp_path, monkeypatch):
    monkeypatch.delenv("TWOWAY_WEIGHTS", raising=False)
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.jpg")
    save_file({"net.generator.weight": torch.zeros(3)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "cut.safetensors").write_bytes(file.read_bytes()[:-7])
    (tmp_path / "head.safetensors").write_bytes(file.read_bytes()[:20])
    (tmp_path / "empty.safetensors").write_bytes(b"")
    for name, words in (
        ("picture.jpg", "another kind of file"),
        ("model.safetensors", "of something else.*twoway_extractor"),
        ("cut.safetensors", "was cut off"),
        ("head.safetensors", "was cut off"),
        ("empty.safetensors", "was cut off"),
        ("nowhere.safetensors", "There is no file.*train-extractor"),
    ):
        with pytest.raises(ModelError, match=words) as caught:
            built(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="There is no file"):
        built(f"{tmp_path}/")
    with pytest.raises(ModelError, match="needs the file of one"):
        build_features(FeatureSpec("classifier"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format"),
        ({"name": "squeeze net,"}, "letters, digits"),
        ({"of": "things"}, "must be one of"),
        ({"outputs": ["a", "b"]}, "names 2 outputs, its net has 4"),
        ({"net__kind": "mlp_encoder", "net": {"kind": "pseudo"}}, "not a network"),
        ({"net": {"kind": "conv_critic", "image_shape": [3, 16, 16]}}, "no classifier"),
        ({"net__width": 5}, "do not belong to the net"),
        ({"net__width": 10**9}, "width is 1000000000"),
        ({"net__image_shape": [3, 2, 2]}, "describes no working net"),
        ({"net__wide": 5}, "unknown key 'wide'"),
    ],
)
def test_what_a_header_says_is_checked(file, tmp_path, changes, words):
    with pytest.raises(ModelError, match=words):
        read_classifier(changed_header(file, tmp_path / "other.safetensors", **changes))


def test_weights_that_are_no_numbers_are_refused(file, tmp_path):
    weights = load_file(file)
    weights["head.bias"][1] = torch.nan
    with safe_open(file, framework="pt") as opened:
        save_file(weights, tmp_path / "nan.safetensors", metadata=opened.metadata())
    with pytest.raises(ModelError, match="not all finite"):
        read_classifier(tmp_path / "nan.safetensors")


def test_names_of_other_extractors_are_taken():
    check_name("mnist-cnn", FEATURES)
    for name in ("squeezenet", "inception-tf", "pca64", "a b", "", "x,y", "-a"):
        with pytest.raises(ConfigError):
            check_name(name, FEATURES)


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "folder.safetensors", tmp_path / "file" / "c.safetensors", tmp_path / "c.pth"):
        if path.name.startswith("folder"):
            path.mkdir()
        with pytest.raises(ModelError, match="file"):
            small_classifier(path)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ModelError, match="No space left"):
        small_classifier(tmp_path / "new" / "c.safetensors")
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["file"]


def full(self, target):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("pyramid", FeatureSpec()),
        (" squeezenet+least=128 ", FeatureSpec("squeezenet", None, {"least": 128})),
        ("pyramid+octaves=2+edges=1.5", FeatureSpec("pyramid", None, {"octaves": 2, "edges": 1.5})),
        ("inception-tf", FeatureSpec("inception")),
        ("my nets/a+b=c.safetensors", FeatureSpec("classifier", "my nets/a+b=c.safetensors")),
        ("picture.jpg", FeatureSpec("classifier", "picture.jpg")),
    ],
)
def test_extractors_as_text(text, spec):
    assert FeatureSpec.parse(text) == spec


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("squeezent", "did you mean 'squeezenet'.*safetensors"),
        ("squeezenet@069e14", "leave '@069e14' out"),
        ("squeezenet+least", "as least=128"),
        ("", "There is no extractor ''"),
    ],
)
def test_wrong_texts_are_named(text, words):
    with pytest.raises(ConfigError, match=words):
        FeatureSpec.parse(text)
