"""Figures 3 and 4 of ALAE: labels that reconstructions keep, paths in z and w, and both commands on the digits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from small import small_model

from twoway.features import FeatureSpec
from twoway.reproduce.alae_mnist import STEPS, _largest_step, traversal
from twoway.reproduce.command import Asked, reproduce
from twoway.reproduce.pictures import Judge
from twoway.reproduce.registry import load_artefacts


class Known:
    """Pictures with labels."""

    def __init__(self, pictures, labels):
        self.pictures, self.labels = pictures, labels

    def __len__(self):
        return len(self.pictures)

    def read(self, rows):
        return self.pictures[rows]


def test_labels_are_those_of_the_nearest_known_picture():
    known = torch.tensor([0, 100, 200], dtype=torch.uint8)[:, None, None, None].expand(3, 1, 2, 2)
    pictures = torch.tensor([20, 90, 110, 255], dtype=torch.uint8)[:, None, None, None].expand(4, 1, 2, 2)
    assert Judge(Known(known, np.array([0, 1, 2])), None)(pictures).tolist() == [0, 1, 1, 2]


def test_paths_in_both_spaces_have_the_same_ends():
    model = small_model("alae", (1, 8, 8))
    z = model.draw_prior(6, generator=torch.Generator().manual_seed(0))
    in_z, in_w = (traversal(model, z[:3], z[3:], space) for space in ("z", "w"))
    assert in_z.shape == (3, STEPS, 1, 8, 8)
    assert torch.equal(in_z[:, 0], in_w[:, 0])
    assert torch.equal(in_z[:, -1], in_w[:, -1])
    assert not torch.equal(in_z, in_w)


def test_an_even_path_has_steps_of_one_size():
    even = torch.arange(5, dtype=torch.uint8).mul(10)[None, :, None, None, None]
    jump = torch.tensor([0, 0, 0, 0, 40], dtype=torch.uint8)[None, :, None, None, None]
    assert _largest_step(even) == pytest.approx(1.0, abs=1e-4)
    assert _largest_step(jump) == pytest.approx(4.0)
    assert _largest_step(torch.zeros_like(jump)) == 1.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("figures")


def page(folder, name):
    features = None if "features" in load_artefacts()[name].without else FeatureSpec("pyramid")
    asked = Asked("smoke", kimg=0.3, features=features, out=folder / name, runs=folder / "runs", device="cpu")
    reproduce(name, asked, say=lambda text: None)
    return json.loads((folder / name / "table.json").read_text())


def test_figure3_counts_flips(folder):
    found = page(folder, "alae-fig3")
    rows = {row["name"]: row["measured"] for row in found["tables"][0]["rows"]}
    assert list(rows) == ["input", "bigan", "alae"]
    assert rows["input"]["labels"] > 90  # one nearest neighbour knows the 8x8 digits
    assert 0 <= rows["alae"]["labels"]["mean"] <= rows["input"]["labels"]
    assert found["pictures"] == ["reconstructions.png"]
    assert found["findings"] == []  # an order of two numbers means nothing at the budget smoke


def test_figure4_measures_both_spaces_of_the_same_training(folder):
    found = page(folder, "alae-fig4")
    rows = {row["name"]: row["measured"] for row in found["tables"][0]["rows"]}
    assert list(rows) == ["z", "w"]
    for row in rows.values():
        assert row["step"]["mean"] >= 1
        assert row["straightness"]["mean"] >= 1
        assert row["ppl"]["mean"] > 0
    assert found["pictures"] == ["traversals.png"]
    assert len(list((folder / "runs").iterdir())) == 2
