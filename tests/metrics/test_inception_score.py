import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from feature_matrices import logits
from small import SHAPE, small_model

from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics import evaluate
from twoway.metrics.inception_score import inception_score

GOLDEN = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_fidelity_figures.json").read_text())


def test_agrees_with_torch_fidelity():
    said = torch.from_numpy(logits())
    order = torch.from_numpy(np.random.RandomState(2020).permutation(len(said)))  # theirs
    found = inception_score(said[order], seed=None)
    golden = GOLDEN["figures"]["logits"]
    assert found.value == pytest.approx(golden["inception_score_mean"], rel=1e-4)
    assert found.sd == pytest.approx(golden["inception_score_std"], rel=1e-4)


def test_known_probabilities():
    sure = 1e3 * torch.eye(4).repeat(10, 1)  # every class equally often, without doubt
    found = inception_score(sure, splits=2, seed=None)
    assert (found.value, found.sd) == (pytest.approx(4), pytest.approx(0, abs=1e-9))
    assert found.whole == pytest.approx(4)
    assert found.marginal_entropy == pytest.approx(math.log(4))
    assert found.conditional_entropy == pytest.approx(0, abs=1e-9)
    assert found.warning is None
    for nothing in (torch.zeros(20, 4), sure[:1].repeat(20, 1)):  # no idea of any picture; all pictures one class
        assert inception_score(nothing).value == pytest.approx(1)
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)
    mean = (0.55, 0.45)
    divergence = sum(x * math.log(x / m) for row in p.tolist() for x, m in zip(row, mean, strict=True)) / 2
    found = inception_score(p.log() + 7, splits=1)
    assert found.value == found.whole == pytest.approx(math.exp(divergence))
    assert found.conditional_entropy == pytest.approx(-sum(x * math.log(x) for row in p.tolist() for x in row) / 2)


def test_splits_are_scored_alone():
    """Sorted by class, each split holds one class and scores 1; shuffled, each holds some of all."""
    said = 1e3 * torch.eye(4).repeat_interleave(50, 0)
    assert inception_score(said, splits=4, seed=None).value == pytest.approx(1)
    shuffled = inception_score(said, splits=4)
    assert 3.5 < shuffled.value < 4
    assert shuffled.whole == pytest.approx(4)
    assert inception_score(said.flip(0), splits=4).whole == pytest.approx(4)


def test_too_few_pictures():
    found = inception_score(torch.zeros(30, 12))
    assert "3 pictures" in found.warning
    assert "12 classes" in found.plain()["warning"]
    assert "warning" not in inception_score(torch.zeros(120, 12)).plain()
    with pytest.raises(DataError, match="9 pictures"):
        inception_score(torch.zeros(9, 12))
    with pytest.raises(DataError, match="1 classes"):
        inception_score(torch.zeros(30, 1))
    with pytest.raises(DataError, match="picture 3"):
        inception_score(torch.zeros(30, 2).index_fill(0, torch.tensor([3]), torch.nan))
    with pytest.raises(ConfigError, match="0 splits"):
        inception_score(torch.zeros(30, 2), splits=0)


class Attributes:
    """Log odds of attributes that a picture may have at once."""

    title = "attributes"
    exclusive = False

    def pooled(self, x):
        return x.flatten(1)

    def logits(self, x):
        return x.flatten(1)[:, :4]

    def describe(self):
        return {"name": self.title}


class Classes(Attributes):
    exclusive = True


def test_attributes_are_no_classes():
    real = torch.rand(30, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with pytest.raises(ModelError, match="'attributes' tells attributes"):
        evaluate(small_model(), real, names=["is"], features=Attributes())
    assert evaluate(small_model(), real, names=["is"], features=Classes())["is[attributes]"]["classes"] == 4
    features_alone = type("Features", (), {"title": "bare", "pooled": Attributes.pooled})
    with pytest.raises(ModelError, match="'is' needs a classifier, but 'bare' only describes"):
        evaluate(small_model(), real, names=["is"], features=features_alone())
