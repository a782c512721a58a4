import hashlib
import importlib.machinery
import sys
import types

import numpy as np
import pytest
import torch
from small import small_model
from torch import nn

from twoway.errors import ConfigError, DataError, ModelError
from twoway.features import FeatureSpec, build_features
from twoway.metrics import METRICS, evaluate
from twoway.metrics.lpips import FeatureDistance, PublishedLpips, image_distance, lpips_distance, read_heads
from twoway.metrics.session import Session

CHANNELS = (64, 128, 256, 384, 384, 512, 512)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder of weights with a SqueezeNet and heads of small random numbers."""
    from features.test_extractors import SQUEEZENET, random_weights, squeezenet_shapes

    random_weights(tmp_path / SQUEEZENET, squeezenet_shapes())
    rng = np.random.default_rng(0)
    (tmp_path / "lpips_heads").mkdir()
    heads = {f"lin{i}.model.1.weight": rng.random((1, c, 1, 1), np.float32) for i, c in enumerate(CHANNELS)}
    np.savez(tmp_path / "lpips_heads" / "squeeze_v0.1.npz", **heads)
    monkeypatch.setenv("TWOWAY_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def images():
    draw = torch.Generator().manual_seed(0)
    return torch.rand(3, 3, 64, 64, generator=draw) * 2 - 1, torch.rand(3, 3, 64, 64, generator=draw) * 2 - 1


def test_the_sum_written_out():
    rng = np.random.default_rng(0)
    first, second = ([rng.random((2, c, 3, 4)) for c in (5, 7)] for _ in range(2))
    heads = [rng.random(c) for c in (5, 7)]
    expected = np.zeros(2)
    for a, b, weight in zip(first, second, heads, strict=True):
        for picture in range(2):
            for i in range(3):
                for j in range(4):
                    p, q = a[picture, :, i, j], b[picture, :, i, j]
                    difference = p / np.sqrt((p**2).sum()) - q / np.sqrt((q**2).sum())
                    expected[picture] += (weight * difference**2).sum() / 12
    given = [[torch.from_numpy(part) for part in parts] for parts in (first, second, heads)]
    np.testing.assert_allclose(lpips_distance(*given).numpy(), expected, rtol=1e-9)


def test_heads_of_ones_are_the_distance_without_heads(weights, images):
    path = weights / "lpips_heads" / "squeeze_v0.1.npz"
    np.savez(path, **{f"lin{i}.model.1.weight": np.ones((1, c, 1, 1)) for i, c in enumerate(CHANNELS)})
    extractor = build_features(FeatureSpec("squeezenet"))
    torch.testing.assert_close(FeatureDistance(extractor, path)(*images), FeatureDistance(extractor)(*images))


def test_a_distance_says_what_it_is(weights, images, monkeypatch):
    found = image_distance()
    digits = found.extractor.sha256[:6]
    assert found.title == f"lpips-like[squeezenet@{digits}+squeeze_v0.1]"
    facts = found.describe()
    assert facts["heads"]["file"] == "squeeze_v0.1.npz"
    assert facts["features"]["sha256"].startswith(digits)
    assert image_distance("squeezenet").title == found.title
    assert image_distance(FeatureSpec("squeezenet", options={"least": 32})).title == (
        f"lpips-like[squeezenet@{digits}+least=32+squeeze_v0.1]"
    )
    (weights / "lpips_heads" / "squeeze_v0.1.npz").unlink()
    bare = image_distance()
    assert bare.title == f"feature-distance[squeezenet@{digits}]"
    assert bare.describe()["heads"] is None
    assert not torch.allclose(bare(*images), found(*images))
    monkeypatch.delenv("TWOWAY_WEIGHTS")
    assert image_distance().title == "feature-distance[pyramid]"


@pytest.mark.parametrize("kind", ["squeezenet", "pyramid"])
def test_zero_symmetric_and_differentiable(weights, images, kind):
    a, b = images
    distance = image_distance(kind)
    torch.testing.assert_close(distance(a, b), distance(b, a))
    assert (distance(a, a) == 0).all()
    a = a.clone().requires_grad_()
    (slope,) = torch.autograd.grad(distance(a, b).sum(), a)
    assert torch.isfinite(slope).all()
    assert slope.abs().max() > 0
    assert not [p for p in distance.parameters() if p.requires_grad]
    near = (a + 0.01 * (b - a)).detach()
    ratio = distance(near, a) / distance((a + 0.02 * (b - a)).detach(), a)  # squared for small changes
    assert ((ratio > 0.2) & (ratio < 0.35)).all()
    with pytest.raises(DataError, match="cannot be compared"):
        distance(a, b[:1])


def test_grey_pictures_of_any_size(weights):
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for kind in ("squeezenet", "pyramid"):
        assert image_distance(kind)(x, -x).shape == (2,)


class Trunk(nn.Module):
    """Stands for the package's net: mean squared difference, in the shape that it returns."""

    def __init__(self, net, version, verbose):
        super().__init__()
        self.made = (net, version, verbose)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, a, b):
        assert min(a.shape[-2:]) >= 64
        assert a.shape[1] == 3
        return self.scale * (a - b).square().mean((1, 2, 3), keepdim=True)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The published package, and a function that puts a file of weights where it belongs."""
    package = types.ModuleType("lpips")
    package.__spec__ = importlib.machinery.ModuleSpec("lpips", None)
    package.LPIPS = Trunk
    monkeypatch.setitem(sys.modules, "lpips", package)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv("TWOWAY_WEIGHTS", raising=False)
    (tmp_path / "checkpoints").mkdir()
    return lambda name, data: (tmp_path / "checkpoints" / name).write_bytes(data)


def digits_of(data):
    return hashlib.sha256(data).hexdigest()[:6]


def test_the_published_distance_where_its_package_and_trunk_are(images, package):
    with pytest.raises(ModelError, match=r"vgg16-\*.pth"):  # nothing is downloaded behind the user's back
        PublishedLpips("vgg")
    assert image_distance().title == "feature-distance[pyramid]"
    package("vgg16-397923af.pth", b"weights")
    found = image_distance()
    assert (found.title, found.net.made) == (f"lpips[vgg@{digits_of(b'weights')}]", ("vgg", "0.1", False))
    assert found.describe()["weights"] == "vgg16-397923af.pth"
    assert hashlib.sha256(b"weights").hexdigest().startswith(found.describe()["sha256"])
    assert not any(p.requires_grad for p in found.parameters())
    torch.testing.assert_close(found(*images), (images[0] - images[1]).square().mean((1, 2, 3)))
    assert found(*(x[:, :1, :8, :8] for x in images)).shape == (3,)
    with pytest.raises(ModelError, match="alexnet"):
        image_distance("alex")


def test_metrics_take_the_published_distance_that_is_customary_or_named(package):
    model = small_model("alae").eval()
    x = torch.rand(4, *model.image_shape, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def names(*asked, **how):
        return list(evaluate(model, x, names=asked, n_samples=3, **how))

    package("vgg16-397923af.pth", b"vgg")
    vgg, alex = (f"{net}@{digits_of(net.encode())}" for net in ("vgg", "alex"))
    assert names("lpips", "ppl-w") == [f"lpips[{vgg}]", f"ppl-w[{vgg}]"]  # for want of alex
    package("alexnet-owt-7be5be79.pth", b"alex")
    assert names("lpips", "ppl-w") == [f"lpips[{alex}]", f"ppl-w[{vgg}]"]
    assert names("lpips[vgg]", "ppl-z-end[alex]") == [f"lpips[{vgg}]", f"ppl-z-end[{alex}]"]
    assert names("lpips[pyramid]", "ppl-w[pyramid]") == ["feature-distance[pyramid]", "ppl-w[pyramid]"]
    # an extractor for the whole evaluation is for what is measured through features, path lengths among them
    assert names("lpips", "ppl-w", features=FeatureSpec("pyramid")) == [f"lpips[{alex}]", "ppl-w[pyramid]"]
    with pytest.raises(ModelError, match="squeezenet1_1"):
        names("ppl-w[squeeze]")


def test_a_distance_is_built_once_for_all_seeds(package):
    package("vgg16-397923af.pth", b"vgg")
    session = Session(small_model("alae").eval(), torch.zeros(4, 1, 8, 8), None)
    found, again = (one.looking(METRICS["ppl-w"]) for one in (session, session.like(seed=1)))
    assert found is again is session.looking(METRICS["ppl-z"])
    assert found is not session.looking(METRICS["ppl-w"], FeatureSpec("pyramid"))


def test_metrics_look_at_the_layers_of_the_heads(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "twoway.metrics.session.build_features", lambda spec: asked.append(spec) or build_features(FeatureSpec())
    )
    session = Session(small_model("alae").eval(), torch.zeros(4, 1, 8, 8), None)
    session.looking(METRICS["ppl-w"], FeatureSpec("vgg16"))
    session.looking(METRICS["fid"], FeatureSpec("vgg16"))
    own = FeatureSpec("vgg16", options={"layers": ["conv1_2"]})
    session.looking(METRICS["lpips"], own)
    five = ["conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"]
    assert asked == [FeatureSpec("vgg16", options={"layers": five}), FeatureSpec("vgg16"), own]


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(ModelError, match="pip install lpips"):
        image_distance("vgg")


def test_metrics_of_a_model_are_named_in_full(weights, model):
    x = torch.rand(6, *model.image_shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    results = evaluate(model, x, names=["lpips", "feature-distance[pyramid]", "ssim", "ms-ssim"], batch=4)
    title = image_distance().title
    assert list(results) == [title, "feature-distance[pyramid]", "ssim", "ms-ssim"]
    for name, found in results.items():
        assert found["name"] == name
        assert found["interval"][0] <= found["value"] <= found["interval"][1]
        assert (found["n_images"], found["on"], found["pixels"]) == (6, "train", "uint8")
    assert results["ssim"]["window"] == min(11, min(model.image_shape[1:]) // 2 * 2 - 1)
    assert results["ms-ssim"]["scales"] == 1
    again = evaluate(model, x, names=["lpips"], batch=6)[title]["value"]
    assert again == pytest.approx(results[title]["value"], rel=1e-5)


def test_mistakes(weights, tmp_path):
    extractor = build_features(FeatureSpec("squeezenet"))
    path = tmp_path / "heads.npz"
    for arrays, words in (
        ({"lin0.model.1.weight": np.ones((1, 64, 1, 1))}, "heads of 1 layers"),
        ({"lin0.model.1.weight": -np.ones((1, 64, 1, 1))}, "none negative"),
        ({"features": np.ones(3)}, "heads of LPIPS are expected"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(ModelError, match=words):
            FeatureDistance(extractor, path)
    path.write_bytes(b"no archive")
    with pytest.raises(ModelError, match="damaged"):
        read_heads(path)
    with pytest.raises(ConfigError, match="pyramid"):
        image_distance("pyramids")
