"""Sentences that pages have in common, and options of path lengths."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from twoway.errors import ConfigError
from twoway.features import FeatureSpec
from twoway.reproduce.budget import Budget, Role
from twoway.reproduce.lia_table2 import LiaTable2, findings
from twoway.reproduce.notes import SMOKE, beyond_smoke, budget_notes
from twoway.reproduce.path_options import PathOptions, path_crop, path_distance

PAPER = Budget(size=128, kimg=37_000)


def study(name, budget, paper=PAPER):
    pictures = SimpleNamespace(shape=(3, 24, 24))
    return SimpleNamespace(
        budget_name=name,
        budget=budget,
        artefact=SimpleNamespace(budgets={"paper": paper}),
        pictures=lambda: (pictures, pictures),
        features=FeatureSpec("pyramid"),
        device="cpu",
    )


def test_sizes_and_lengths_are_those_of_the_study():
    assert budget_notes(study("cpu", Budget(size=16, kimg=40))) == [
        "Pictures of 16 pixels and trainings of 40 kimg; the budget paper has 128 pixels and 37,000 kimg."
    ]
    roles = {"a": Role("lia", kimg=150), "b": Role("ali")}
    (said,) = budget_notes(study("cpu", Budget(kimg=60, roles=roles), Budget(size=64)))
    assert said == (
        "Pictures of 24 pixels and trainings of 60 to 150 kimg; the budget paper has 64 pixels and the lengths of its "
        "presets."
    )
    (said,) = budget_notes(study("cpu", Budget(epochs=10), Budget(epochs=400)))
    assert said == "Pictures of 24 pixels and trainings of 10 epochs; the budget paper has 400 epochs."


def test_what_a_budget_is_short_of():
    assert budget_notes(study("smoke", Budget(kimg=1))) == [SMOKE]
    assert budget_notes(study("paper", PAPER)) == []
    assert budget_notes(study("paper", Budget(size=128, kimg=10))) == [
        "Trainings of 10 kimg, as asked; the budget paper has 37,000 kimg."
    ]
    assert beyond_smoke(study("smoke", Budget()), ["said"]) == []
    assert beyond_smoke(study("cpu", Budget()), ["said"]) == ["said"]


def test_distances_and_crops_that_there_are_not():
    with pytest.raises(ConfigError, match=r"--distance is 'nonsense'.*vgg"):
        LiaTable2(distance="nonsense")
    with pytest.raises(ConfigError, match=r"--crop is 'face'.*faces"):
        PathOptions(crop="face")


def test_the_published_crop_is_that_of_the_budget_paper():
    assert path_crop(study("cpu", Budget()), PathOptions()) == "none"
    assert path_crop(study("paper", Budget()), PathOptions()) == "faces"
    assert path_crop(study("paper", Budget()), PathOptions(crop="none")) == "none"
    assert path_distance(study("cpu", Budget()), PathOptions()).title == "feature-distance[pyramid]"
    assert (
        path_distance(study("paper", Budget()), PathOptions(distance="features")).title == "feature-distance[pyramid]"
    )


def test_table2_compares_spaces_as_the_paper_does():
    found = {"lia, z": [{"full": 4.0, "end": 1.0}], "lia, w": [{"full": 2.0, "end": 3.0}]}
    full, end = findings(found)
    assert full == "lia, path length (full): w is 0.50 of z (published 0.36); as published."
    assert end == "lia, path length (end): w is 3.00 of z (published 0.32); CONTRARY to the paper."
