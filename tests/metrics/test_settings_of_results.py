"""What results say of how they were taken, and what the documentation says of the names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from small import SHAPE, small_model

from twoway.errors import DataError
from twoway.metrics import METRICS, evaluate

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_bold_names_of_the_documentation_are_the_defaults():
    bold = set(re.findall(r"\*\*`([^`]+)`\*\*", DOCS.read_text(encoding="utf-8")))
    assert bold == {name for name, metric in METRICS.items() if metric.default}


def test_reconstructions_are_told_with_their_pixels_and_noise():
    x = torch.rand(16, *SHAPE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    style, plain = small_model("style-alae"), small_model("ae")
    names = ["mse", "psnr", "ssim", "swd-rec"]
    found = evaluate(style, data_test=x, names=names)
    assert {name: result["noise"] for name, result in found.items()} == dict.fromkeys(names, "fixed")
    assert [found[name]["pixels"] for name in names[:3]] == ["float", "float", "uint8"]
    assert [found[name]["clamped"] for name in names[:2]] == [False, True]
    assert all("noise" not in result for result in evaluate(plain, data_test=x, names=names).values())


class Classes:
    title = "classes"
    exclusive = True

    def pooled(self, x):
        return x.flatten(1)

    def logits(self, x):
        return x.flatten(1)[:, :3]

    def describe(self):
        return {"name": self.title}


def test_samples_are_scored_by_a_classifier_without_real_pictures():
    model = small_model("alae")
    alone = evaluate(model, names=["is"], features=Classes(), n_samples=40)["is[classes]"]
    beside = evaluate(model, data_test=torch.zeros(30, *SHAPE), names=["is"], features=Classes(), n_samples=40)
    assert "real" not in alone
    assert (alone["n_samples"], alone["seed"], alone["of"]) == (40, 0, "samples")
    assert alone["value"] == beside["is[classes]"]["value"]
    assert beside["is[classes]"]["real"]["value"] == pytest.approx(1)
    with pytest.raises(DataError, match="needs pictures"):
        evaluate(model, names=["is"], features=Classes())
