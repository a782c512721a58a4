"""Inception through torch-fidelity, tried on a stand-in for the package: what it is given, and what is refused."""

import hashlib
import pickle
import sys
import types

import pytest
import torch
from torch import nn

from twoway.errors import ModelError
from twoway.features import FeatureSpec, build_features

FILE = "weights-inception-2015-12-05-6726825d.pth"


class FakeInception(nn.Module):
    """Takes and gives what the package's net does; loads weights as carelessly."""

    def __init__(self, name, features_list, feature_extractor_weights_path=None):
        super().__init__()
        assert features_list == ["2048", "logits_unbiased"]
        self.name = name
        self.fc = nn.Linear(3, 4)
        self.load_state_dict(torch.load(feature_extractor_weights_path, weights_only=False))
        self.seen = None

    def forward(self, x):
        assert x.dtype == torch.uint8
        assert x.shape[1] == 3
        self.seen = x
        mean = x.float().mean((2, 3))
        return mean.repeat(1, 683)[:, :2048], self.fc(mean)


@pytest.fixture
def package(monkeypatch):
    name = "torch_fidelity"
    inner = types.SimpleNamespace(FeatureExtractorInceptionV3=FakeInception)
    monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(__version__="0.4.0"))
    monkeypatch.setitem(sys.modules, f"{name}.feature_extractor_inceptionv3", inner)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setenv("TWOWAY_WEIGHTS", str(tmp_path))
    torch.manual_seed(0)
    torch.save(nn.ModuleDict({"fc": nn.Linear(3, 4)}).state_dict(), tmp_path / FILE)
    return tmp_path / FILE


@pytest.mark.usefixtures("package")
def test_pictures_are_rounded_to_levels_in_rgb(weights):
    inception = build_features(FeatureSpec.parse("inception"))
    x = torch.tensor([-1.2, -1.0, 0.0, 0.5, 1.0, 1.0001]).view(1, 1, 2, 3)
    vectors = inception.pooled(x)
    levels = [0, 0, 128, 191, 255, 255]
    assert torch.equal(inception.net.seen, torch.tensor(levels, dtype=torch.uint8).view(1, 1, 2, 3).expand(1, 3, 2, 3))
    assert vectors.shape == (1, 2048)
    assert vectors[0, 0].item() == pytest.approx(sum(levels) / 6)
    state = torch.load(weights, weights_only=True)
    torch.testing.assert_close(inception.logits(x), vectors[:, :3] @ state["fc.weight"].T + state["fc.bias"])
    assert not list(inception.parameters())


@pytest.mark.usefixtures("package")
def test_numbers_are_named_after_this_port(weights):
    inception = build_features(FeatureSpec.parse("inception-tf"))
    assert inception.title == f"inception-tf@{hashlib.sha256(weights.read_bytes()).hexdigest()[:6]}"
    described = inception.describe()
    assert described["package"] == "torch-fidelity 0.4.0"
    assert described["weights"] == FILE
    assert "TensorFlow 1" in described["resize"]


def test_without_the_package_it_says_what_to_install(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ModelError, match=rf"pip install 'twoway\[inception\]' -c constraints.txt.*{FILE}"):
        build_features(FeatureSpec("inception"))


@pytest.mark.usefixtures("package")
def test_without_the_file_it_says_where_to_put_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TWOWAY_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelError, match=rf"{FILE}.*Put the file into a folder"):
        build_features(FeatureSpec("inception"))


class Bomb:
    """Would make a folder where it is unpickled."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return __import__("os").mkdir, (self.place,)


@pytest.mark.usefixtures("package")
def test_a_file_that_would_run_code_is_refused(tmp_path):
    place, plain = tmp_path / "run", tmp_path / "plain.pth"
    torch.save({"weight": Bomb(str(place))}, tmp_path / "zip.pth")
    plain.write_bytes(pickle.dumps(Bomb(str(place))))
    (tmp_path / "text.pth").write_text("not a file of weights")
    (tmp_path / "empty.pth").write_bytes(b"")
    for name in ("zip.pth", "plain.pth", "text.pth", "empty.pth"):
        with pytest.raises(ModelError, match="cannot be read as plain numbers") as caught:
            build_features(FeatureSpec("inception", str(tmp_path / name)))
        assert "\n" not in str(caught.value)
    assert not place.exists()


@pytest.mark.usefixtures("package")
def test_weights_of_another_net_are_refused(tmp_path):
    for value, words in (({"other": torch.zeros(2)}, "not those of"), ([torch.zeros(2)], "not a table")):
        torch.save(value, tmp_path / "other.pth")
        with pytest.raises(ModelError, match=words):
            build_features(FeatureSpec("inception", str(tmp_path / "other.pth")))
