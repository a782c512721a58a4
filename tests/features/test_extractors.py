"""What every extractor must be: fixed, differentiable in the image, zero for equal images, growing with damage."""

import copy
import hashlib
import io
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from classifiers import small_classifier
from PIL import Image
from torch.nn import functional

from twoway.errors import ConfigError, DataError, ModelError
from twoway.features import FEATURES, FeatureSpec, build_features, feature_distance, preprocess

SQUEEZENET = "squeezenet1_1_imagenet_fp16.npz"


def random_weights(net_file, shapes):
    """A file of small random weights in the given shapes, so that an architecture can be tried without its own."""
    generator = torch.Generator().manual_seed(1)
    arrays = {}
    for name, shape in shapes.items():
        scale = (2 / max(1, np.prod(shape[1:]))) ** 0.5 if len(shape) > 1 else 0.01
        arrays[name] = (torch.randn(shape, generator=generator) * scale).numpy()
    np.savez(net_file, **arrays)
    return str(net_file)


def squeezenet_shapes():
    shapes, inputs = {"features.0.weight": (64, 3, 3, 3), "features.0.bias": (64,)}, 64
    early = [(3, 16, 64), (4, 16, 64), (6, 32, 128), (7, 32, 128)]
    late = [(9, 48, 192), (10, 48, 192), (11, 64, 256), (12, 64, 256)]
    for number, s, e in early + late:
        for part, shape in (
            ("squeeze", (s, inputs, 1, 1)),
            ("expand1x1", (e, s, 1, 1)),
            ("expand3x3", (e, s, 3, 3)),
        ):
            shapes[f"features.{number}.{part}.weight"] = shape
            shapes[f"features.{number}.{part}.bias"] = shape[:1]
        inputs = 2 * e
    return shapes


def vgg_shapes():
    """Up to conv3_1, written out by hand: torchvision numbers ReLUs and poolings too."""
    shapes = {}
    for number, inputs, outputs in ((0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256)):
        shapes[f"features.{number}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"features.{number}.bias"] = (outputs,)
    return shapes


@pytest.fixture(scope="module")
def specs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    squeezenet = random_weights(folder / "squeezenet.npz", squeezenet_shapes())
    vgg = random_weights(folder / "vgg.npz", vgg_shapes())
    return {
        "pyramid": FeatureSpec(),
        "squeezenet": FeatureSpec("squeezenet", squeezenet, {"least": 32}),
        "vgg16": FeatureSpec("vgg16", vgg, {"layers": ["conv3_1", "conv1_2"]}),
        "classifier": FeatureSpec("classifier", str(small_classifier(folder / "small.safetensors"))),
    }


@pytest.fixture(params=["pyramid", "squeezenet", "vgg16", "classifier"])
def extractor(request, specs):
    return build_features(specs[request.param])


def pictures(generator, batch=3, side=32, channels=3):
    """Smooth random images with structure at several scales, in [-1, 1]."""
    x = 0
    for size in (4, 8, 16):
        x = x + functional.interpolate(torch.randn(batch, channels, size, size, generator=generator), (side, side))
    return (0.5 * x).clamp(-1, 1)


def blur(x, radius):
    return functional.avg_pool2d(functional.pad(x, (radius,) * 4, mode="reflect"), 2 * radius + 1, stride=1)


def test_every_registered_extractor_is_tested_here(specs):
    elsewhere = {"pca", "inception"}  # one must be fitted, the other has no gradient
    assert set(specs) | elsewhere == set(FEATURES)


def test_features_have_a_batch_and_one_tensor_per_layer(extractor, generator):
    for channels in (1, 3):
        found = extractor(pictures(generator, channels=channels))
        assert len(found) == len(extractor.layers)
        assert all(tensor.dim() == 4 and len(tensor) == 3 for tensor in found)
    assert extractor.pooled(pictures(generator)).dim() == 2


def test_an_extractor_cannot_be_trained_or_thawed(extractor):
    extractor.requires_grad_(True)
    extractor.train()
    assert not list(extractor.parameters())
    assert not any(buffer.requires_grad for buffer in extractor.buffers())
    assert not any(module.training for module in extractor.modules())


def test_gradients_reach_every_image(extractor, generator):
    x = pictures(generator, side=16).requires_grad_(True)
    distance = feature_distance(extractor(x), extractor(pictures(generator, side=16)))
    (gradient,) = torch.autograd.grad(distance.sum(), x)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).abs().sum(1) > 0).all()
    (gradient,) = torch.autograd.grad(extractor.pooled(x).square().sum(), x)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("unit", [False, True])
def test_distance_is_zero_for_equal_images_and_grows_with_noise_and_blur(extractor, generator, unit):
    x = pictures(generator)
    noise = torch.randn(x.shape, generator=generator)
    reference = extractor(x)
    assert torch.equal(feature_distance(reference, extractor(x.clone()), unit=unit), torch.zeros(3))
    for damaged in ([x + s * noise for s in (0.02, 0.08, 0.3)], [blur(x, radius) for radius in (1, 2, 4)]):
        distances = torch.stack([feature_distance(reference, extractor(y), unit=unit) for y in damaged])
        assert (distances[0] > 0).all()
        assert (distances.diff(dim=0) > 0).all()


def test_distance_by_hand():
    first = (torch.tensor([[[[3.0]], [[4.0]]]]), torch.zeros(1, 1, 1, 2))
    second = (torch.tensor([[[[0.0]], [[1.0]]]]), torch.tensor([[[[1.0, 3.0]]]]))
    assert feature_distance(first, second).item() == pytest.approx((9 + 9) / 2 + (1 + 9) / 2)
    # unit vectors (0.6, 0.8) and (0, 1), then 0 against 1 twice: 0.36 + 0.04, and 1
    assert feature_distance(first, second, unit=True).item() == pytest.approx(0.4 + 1, abs=1e-4)


def test_grey_is_seen_as_equal_colours(specs, generator):
    grey = pictures(generator, channels=1)
    for kind in ("squeezenet", "vgg16"):
        net = build_features(specs[kind])
        for ours, theirs in zip(net(grey), net(grey.repeat(1, 3, 1, 1)), strict=True):
            torch.testing.assert_close(ours, theirs)
        with pytest.raises(DataError, match="2 channels"):
            net(torch.zeros(1, 2, 32, 32))


def test_the_record_tells_weights_apart(specs, tmp_path):
    record = build_features(specs["vgg16"]).describe()
    assert record["name"] == "vgg16"
    assert record["layers"] == ["conv1_2", "conv3_1"]
    assert record["weights"] == "vgg.npz"
    copied = tmp_path / "other.npz"
    arrays = dict(np.load(specs["vgg16"].weights))
    arrays["features.0.bias"] += 1
    np.savez(copied, **arrays)
    other = build_features(FeatureSpec("vgg16", str(copied), specs["vgg16"].options)).describe()
    assert len(record["sha256"]) == 12
    assert other["sha256"] != record["sha256"]
    assert build_features(FeatureSpec()).describe() == {
        "name": "pyramid",
        "version": 1,
        "layers": ["octave0", "octave1", "octave2", "octave3"],
        "weights": None,
        "sha256": None,
        "octaves": 4,
        "edges": 2.0,
    }


def test_the_pyramid_by_hand():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, :, 4:] = 1.0  # a vertical edge: columns 0..3 dark, 4..7 bright
    fine, coarse = build_features(FeatureSpec())(x)
    assert fine.shape == (1, 5, 8, 8)
    assert torch.equal(coarse[0, 0], torch.tensor([[0.0, 0, 1, 1]] * 4))
    steps = torch.zeros(8, 8)
    steps[:, 3] = 1.0
    assert torch.equal(fine[0, 1], 2 * steps)  # to the right, times the factor on edges
    assert torch.equal(fine[0, 2], 0 * steps)  # downwards there is none
    torch.testing.assert_close(fine[0, 3], 2 * steps / 2**0.5)
    torch.testing.assert_close(fine[0, 4], 2 * steps / 2**0.5)


def test_the_vector_of_the_pyramid_by_hand():
    pyramid = build_features(FeatureSpec(options={"octaves": 1}))
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, :, 6:] = 1.0
    vector = pyramid.pooled(x)[0]
    torch.testing.assert_close(vector[:16].view(4, 4), torch.tensor([[0.0, 0, 0, 1]] * 4))
    flat, edge = torch.tensor(0.01).log(), torch.tensor(0.01 + 1 / 4).log()  # one column in four of the right half
    torch.testing.assert_close(vector[16:20], torch.stack([flat, edge, flat, edge]))
    torch.testing.assert_close(vector[20:24], flat.expand(4))
    assert pyramid.pooled(torch.zeros(2, 3, 64, 64)).shape == (2, 48 + 16)


def test_the_pyramid_names_images_too_small_for_it():
    with pytest.raises(DataError, match="3x8"):
        build_features(FeatureSpec())(torch.zeros(1, 1, 8, 3))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (FeatureSpec("pyramids"), "did you mean 'pyramid'"),
        (FeatureSpec("pyramid", "some.npz"), "has no weights"),
        (FeatureSpec(options={"octave": 2}), "did you mean 'octaves'"),
        (FeatureSpec(options={"octaves": "two"}), "whole number"),
        (FeatureSpec(options={"octaves": 0}), "at least 1"),
        (FeatureSpec("vgg16", "x.npz", {"layers": ["conv4_4"]}), "did you mean 'conv4_"),
        (FeatureSpec("vgg16", "x.npz", {"layers": []}), "at least one layer"),
        (FeatureSpec("vgg16", "x.npz", {"preprocessing": "rgb"}), "must be one of"),
    ],
)
def test_wrong_settings_are_named(spec, message):
    with pytest.raises(ConfigError, match=message):
        build_features(spec)


def test_missing_weights_say_where_to_put_them(monkeypatch, tmp_path):
    monkeypatch.setenv("TWOWAY_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelError, match=rf"{SQUEEZENET}.*does not hold it.*features.weights"):
        build_features(FeatureSpec("squeezenet"))
    monkeypatch.delenv("TWOWAY_WEIGHTS")
    with pytest.raises(ModelError, match="TWOWAY_WEIGHTS is not set"):
        build_features(FeatureSpec("squeezenet"))
    with pytest.raises(ModelError, match=r"nowhere\.npz"):
        build_features(FeatureSpec("squeezenet", "nowhere.npz"))


def test_wrong_files_of_weights_are_named(specs, tmp_path):
    with pytest.raises(ModelError, match=r"lack 'features\.3\.squeeze"):
        build_features(FeatureSpec("squeezenet", specs["vgg16"].weights))
    with pytest.raises(ModelError, match=r"features\.0\.weight' in shape \(64, 3, 5, 5\)"):
        build_features(FeatureSpec("vgg16", random_weights(tmp_path / "w.npz", {"features.0.weight": (64, 3, 5, 5)})))
    for name, words in (("damaged.npz", "damaged"), ("damaged.safetensors", "damaged"), ("net.pth", "pickled")):
        (tmp_path / name).write_bytes(b"not a file of weights at all")
        with pytest.raises(ModelError, match=words):
            build_features(FeatureSpec("vgg16", str(tmp_path / name)))


def test_vgg16_needs_torchvision_or_a_file(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as if it were not installed
    with pytest.raises(ModelError, match=r"pip install torchvision.*features\.weights"):
        build_features(FeatureSpec("vgg16"))


def test_vgg16_takes_the_original_weights_from_torchvision(monkeypatch, specs, generator):
    asked = []
    arrays = {name: torch.from_numpy(value) for name, value in np.load(specs["vgg16"].weights).items()}

    def vgg16(weights):
        asked.append(weights)
        return types.SimpleNamespace(state_dict=lambda: arrays)

    models = types.SimpleNamespace(vgg16=vgg16)
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(models=models))
    net = build_features(FeatureSpec("vgg16", options={"layers": ["conv1_2", "conv3_1"]}))
    assert asked == ["IMAGENET1K_FEATURES"]
    options = {**specs["vgg16"].options, "preprocessing": "caffe_rgb"}
    same = build_features(FeatureSpec("vgg16", specs["vgg16"].weights, options))
    x = pictures(generator)
    for ours, theirs in zip(net(x), same(x), strict=True):
        assert torch.equal(ours, theirs)
    assert net.describe()["weights"] == "torchvision vgg16 IMAGENET1K_FEATURES"
    assert net.describe()["preprocessing"] == "caffe_rgb"


def test_vgg16_by_an_independent_stack(specs, generator):
    """The same weights in torch's own layers, in the order of the paper's table."""
    from torch import nn

    arrays = {name: torch.from_numpy(value) for name, value in np.load(specs["vgg16"].weights).items()}
    stack = nn.Sequential()
    for part in (64, 64, "pool", 128, 128, "pool", 256):
        number = len(stack)
        if part == "pool":
            stack.append(nn.MaxPool2d(2, 2))
            continue
        conv = nn.Conv2d(arrays[f"features.{number}.weight"].shape[1], part, 3, padding=1)
        conv.load_state_dict({kind: arrays[f"features.{number}.{kind}"] for kind in ("weight", "bias")})
        stack.extend([conv, nn.ReLU()])
    x = pictures(generator)
    expected = stack(preprocess.prepare(x, "imagenet"))
    torch.testing.assert_close(build_features(specs["vgg16"])(x)[1], expected)


def test_preprocessing_by_hand():
    x = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1)  # red 0, green half, blue full
    got = {kind: preprocess.prepare(x, kind).flatten() for kind in ("imagenet", "caffe_rgb", "caffe_bgr")}
    expected = [(0 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(got["imagenet"], torch.tensor(expected))
    torch.testing.assert_close(got["caffe_rgb"], torch.tensor([0 - 123.68, 127.5 - 116.779, 255 - 103.939]))
    torch.testing.assert_close(got["caffe_bgr"], torch.tensor([255 - 103.939, 127.5 - 116.779, 0 - 123.68]))
    assert preprocess.enlarge(torch.zeros(1, 1, 8, 16), 12).shape == (1, 1, 12, 24)


def test_an_extractor_can_be_copied(extractor, generator):
    x = pictures(generator)
    assert torch.equal(copy.deepcopy(extractor).pooled(x), extractor.pooled(x))


def cats(number):
    """Photographs of cats, 64x64, in [-1, 1]."""
    weights, data = (Path(os.environ.get(name, "/nowhere")) for name in ("TWOWAY_WEIGHTS", "TWOWAY_DATA"))
    if not (weights / SQUEEZENET).is_file() or not (data / "cats64.npz").is_file():
        pytest.skip(f"set TWOWAY_WEIGHTS to a folder with {SQUEEZENET} and TWOWAY_DATA to one with cats64.npz")
    with np.load(data / "cats64.npz") as pack:
        blob, offsets = pack["blob"].tobytes(), pack["offsets"]
    files = [io.BytesIO(blob[offsets[i] : offsets[i + 1]]) for i in range(number)]
    photos = np.stack([np.asarray(Image.open(file).convert("RGB"), np.float32) for file in files])
    return torch.from_numpy(photos).permute(0, 3, 1, 2) / 127.5 - 1


def test_squeezenet_with_its_real_weights():
    """A photograph's features are nearer to those of its slightly shifted copy than to those of any other."""
    x = cats(12)
    here, moved = x[..., 2:62, 2:62], x[..., 3:63, 3:63]
    net = build_features(FeatureSpec("squeezenet"))
    own, shifted = net(here), net(moved)
    to_copy = feature_distance(own, shifted, unit=True)
    to_others = torch.stack(
        [feature_distance(own, tuple(f.roll(k, 0) for f in shifted), unit=True) for k in range(1, 12)]
    )
    assert (to_copy < 0.5 * to_others.amin(0)).all()
    assert net.pooled(here).shape == (12, 512)
    assert net.describe()["sha256"] == "069e14737677"
    assert net.title == "squeezenet@069e14"
    assert net.logits(here).shape == (12, 1000)


def test_squeezenet_with_its_real_weights_sees_cats():
    """With the file's own classifier on top: one of ImageNet's five domestic cats, of 1000 classes, far above chance.

    The photographs are small close-ups, so most of them are not recognised; in the wrong colours or on the wrong
    scale hardly any is.
    """
    x = cats(30)
    tabby, egyptian = 281, 285
    seen = {}
    for preprocessing in ("caffe_rgb", "caffe_bgr", "imagenet"):
        net = build_features(FeatureSpec("squeezenet", options={"least": 227, "preprocessing": preprocessing}))
        with np.load(net.file) as arrays:
            weight, bias = (torch.from_numpy(arrays[f"classifier.1.{k}"]).float() for k in ("weight", "bias"))
        best = functional.relu(functional.conv2d(net(x)[-1], weight, bias)).mean((2, 3)).argmax(1)
        seen[preprocessing] = ((best >= tabby) & (best <= egyptian)).sum().item()
    assert seen["caffe_rgb"] >= 6
    assert seen["caffe_rgb"] > max(seen["caffe_bgr"], seen["imagenet"])


def test_titles_tell_extractors_weights_and_options_apart(specs):
    def titled(kind, weights=None, **options):
        return build_features(FeatureSpec(kind, weights, options)).title

    digits = {
        kind: hashlib.sha256(Path(specs[kind].weights).read_bytes()).hexdigest()[:6] for kind in ("squeezenet", "vgg16")
    }
    file = specs["squeezenet"].weights
    assert titled("pyramid") == titled("pyramid", octaves=4) == "pyramid"
    assert titled("pyramid", octaves=2, edges=1.5) == "pyramid+octaves=2+edges=1.5"
    assert titled("squeezenet", file) == f"squeezenet@{digits['squeezenet']}"
    assert titled("squeezenet", file, least=128) == f"squeezenet@{digits['squeezenet']}+least=128"
    assert titled("squeezenet", file, least=8) == f"squeezenet@{digits['squeezenet']}+least=32"  # what it does
    vgg = f"vgg16@{digits['vgg16']}+layers=conv1_2-conv3_1"
    layers = ["conv3_1", "conv1_2"]
    assert titled("vgg16", specs["vgg16"].weights, layers=layers) == vgg
    assert titled("vgg16", specs["vgg16"].weights, layers=layers, preprocessing="imagenet") == vgg
    assert titled("vgg16", specs["vgg16"].weights, layers=layers, preprocessing="caffe_bgr") == (
        f"{vgg}+preprocessing=caffe_bgr"
    )


def test_only_classifiers_have_logits(specs, generator):
    x = pictures(generator)
    for kind in ("pyramid", "vgg16"):
        with pytest.raises(ModelError, match=f"'{kind}' gives features.*'squeezenet'.*train-extractor"):
            build_features(specs[kind]).logits(x)
    with pytest.raises(ModelError, match=r"lack 'classifier\.1\.weight'"):
        build_features(specs["squeezenet"]).logits(x)


def test_squeezenet_classifies_with_the_classifier_of_its_file(specs, tmp_path, generator):
    arrays = dict(np.load(specs["squeezenet"].weights))
    rows = np.random.default_rng(0).standard_normal((1000, 512)).astype(np.float32)
    bias = np.linspace(-1, 1, 1000, dtype=np.float32)
    arrays |= {"classifier.1.weight": rows.reshape(1000, 512, 1, 1), "classifier.1.bias": bias}
    np.savez(tmp_path / "whole.npz", **arrays)
    net = build_features(FeatureSpec("squeezenet", str(tmp_path / "whole.npz")))
    x = pictures(generator)
    positions = net(x)[-1].permute(0, 2, 3, 1) @ torch.from_numpy(rows).T + torch.from_numpy(bias)
    torch.testing.assert_close(net.logits(x), positions.clamp_min(0).mean((1, 2)), rtol=1e-4, atol=1e-4)
