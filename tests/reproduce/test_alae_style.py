"""ALAE's tables and figures of style systems on toy pictures: trained once, measured, drawn, found again."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from asking import made_in
from PIL import Image
from small import small_model, small_recipe
from toys import toy_images

from twoway.errors import ConfigError
from twoway.published import ALAE_TABLE3, ALAE_TABLE4
from twoway.reproduce import alae_style, alae_table3, alae_table4
from twoway.reproduce.alae_fig9 import DESTINATIONS, groups_of, mixed
from twoway.reproduce.alae_pictures import collage
from twoway.reproduce.alae_style import SETS, mixing_of, sampled, set_roles
from twoway.reproduce.alae_table3 import KINDS
from twoway.reproduce.notes import as_published
from twoway.reproduce.pictures import reconstructed
from twoway.training.config import DataConfig, make_config

SIZED = (3, 16, 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("alae")
    images = toy_images(64).repeat(2, axis=1).repeat(2, axis=2)
    np.savez(path / "bars.npz", images=np.repeat(images[..., None], 3, axis=3))
    return path


@pytest.fixture(scope="module")
def made(folder):
    """Makes an artefact, quietly, with the trainings in one folder."""
    return partial(made_in, folder, "bars.npz")


@pytest.fixture(scope="module")
def table3(made):
    return made("alae-table3", ("style-alae", "pggan"))


def cells(page, column):
    (table,) = page["tables"]
    return {row["name"]: row["measured"].get(column) for row in table["rows"] if row["measured"]}


def test_table3_measures_what_a_method_can_make(table3):
    for kind in KINDS:
        assert cells(table3, kind)["style-alae"] is None or cells(table3, kind)["style-alae"]["mean"] > 0
    assert cells(table3, "generations")["pggan"]["mean"] > 0
    assert cells(table3, "training")["pggan"] is None  # has no encoder
    (table,) = table3["tables"]
    assert table["columns"][0]["title"] == "FID of generations ↓"
    assert cells(table3, "features") == {"style-alae": "pyramid", "pggan": "pyramid"}


def test_table3_quotes_generations_and_reconstructions_under_their_columns(table3):
    rows = [row["published"] for row in table3["tables"][0]["rows"] if row["name"] == "style-alae" and row["published"]]
    assert rows == [
        {"generations": 13.09, "held-out": 16.52, "features": "Inception"},
        {"generations": 17.13, "held-out": 15.92, "features": "Inception"},
    ]


def test_table5_uses_the_trainings_of_table3(table3, made, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr("twoway.reproduce.runs.start_run", never)
    page = made("alae-table5", ("style-alae", "pggan"))
    assert cells(page, "generations")["style-alae (w)"] == cells(table3, "generations")["style-alae"]
    assert cells(page, "ppl")["pggan (z)"]["mean"] > 0
    assert not any(row["published"] for row in page["tables"][0]["rows"])


def test_table4_measures_both_spaces(table3, made):
    page = made("alae-table4", ("style-alae-z", "style-alae-w"), crop="faces")
    full = cells(page, "full")
    assert full["style-alae-z"]["mean"] != full["style-alae-w"]["mean"]
    (_, row) = page["tables"][0]["rows"]
    assert row["facts"]["trials"][0]["full"]["compared"] == [8, 8]
    assert row["measured"]["distance"] == "feature-distance[pyramid]"
    assert row["published"] == {"full": 134.5, "end": 103.4, "distance": "LPIPS of VGG16"}
    assert page["findings"] == []  # an order of two numbers means nothing at the budget smoke


def test_table4_compares_orders_that_were_measured():
    said = alae_table4.findings({"style-alae-z": {"full": 3.0}, "style-alae-w": {"full": 2.0}})
    assert said == ["Published: StyleALAE's w is smoother than its z. Measured: 2 against 3, the same."]


def test_table3_compares_orders_that_were_measured():
    said = alae_table3.findings({"stylegan": {"generations": 5.0}, "style-alae": {"generations": 4.0}})
    assert len(said) == 1
    assert said[0].endswith("Measured: 5 against 4, the other way round.")


@pytest.mark.parametrize("budget", [alae_style.SMOKE, alae_style.CPU, set_roles("ffhq")])
def test_the_stylegans_are_gans_of_equal_length(budget):
    """An encoder would be trained in place of the GAN for a part of the images."""
    one, other = (make_config(r.preset, data=DataConfig.make("avatars", size=32), options=r.options,
                              overrides=r.changes, kimg=240)[0]
                  for r in (budget["stylegan"], budget["stylegan-no-mixing"]))  # fmt: skip
    assert budget["stylegan"].kimg == budget["stylegan-no-mixing"].kimg
    assert [len(config.recipe.phases) for config in (one, other)] == [1, 1]
    assert one.training.kimg == other.training.kimg == 240
    assert mixing_of(one.recipe) == pytest.approx(0.9)
    assert mixing_of(other.recipe) == 0


@pytest.mark.parametrize(("name", "picture", "size"), [("alae-fig5", "reconstructions", (878, 1170)),
                                                       ("alae-fig6", "generations", (544, 768)),
                                                       ("alae-fig9", "style-mixing", (878, 1024))])  # fmt: skip
def test_figures_are_drawn(folder, table3, made, name, picture, size):
    page = made(name)
    assert f"{picture}.png" in page["pictures"]
    assert Image.open(folder / name / f"{picture}.png").size == size


def test_figure7_shows_generations_originals_and_reconstructions(folder, table3, made):
    page = made("alae-fig7")
    assert cells(page, "mse")["style-alae"]["mean"] > 0
    grid = np.asarray(Image.open(folder / "alae-fig7" / "bedrooms.png"))
    originals = np.repeat(toy_images(64)[..., None], 3, axis=3)
    scale = (grid.shape[1] - 14) // (6 * 16)
    top = 2 * 2 + 16 * scale
    shown = grid[top : top + 16 * scale, 2 : 2 + 16 * scale][:: 2 * scale, :: 2 * scale]
    assert any(np.array_equal(shown, one) for one in originals)


def test_a_set_of_the_paper_that_there_is_not():
    with pytest.raises(ConfigError, match=r"'bedrom'.*bedroom"):
        alae_table3.Table3(set="bedrom")


def test_the_published_trainings_have_the_published_lengths():
    roles = set_roles("bedroom")
    assert roles["pggan"].kimg == 9_600  # 600 at 4x4, 1,200 at each of five sizes, 600 + 2,400 at the last
    assert roles["pioneer"].kimg == 19_200  # 2,400 at each of six sizes, twice that at the last
    assert roles["stylegan"].options["start"] == 64
    assert set_roles("ffhq")["stylegan"].options["start"] == 16
    assert set(roles) == set(alae_style.SMOKE) == set(alae_style.CPU)


def test_every_published_row_is_a_row():
    assert set(ALAE_TABLE3) < set(SETS)
    assert all(set(rows) <= set(alae_table3.ROWS) for rows in ALAE_TABLE3.values())
    assert set(ALAE_TABLE4) < set(alae_table4.ROWS)


def test_a_claim_is_compared_with_what_was_measured():
    assert as_published("a is below b", 1.0, 2.0) == ["Published: a is below b. Measured: 1 against 2, the same."]
    assert as_published("a is below b", 2.0, 1.0)[0].endswith("the other way round.")
    assert as_published("a is below b", None, 1.0) == []


def test_samples_are_mixed_as_in_training_and_truncated_before_the_cutoff():
    model = small_model("style-alae", SIZED, flavour="modern")
    plain = sampled(model, 4, seed=0)
    assert torch.equal(plain, sampled(model, 4, seed=0, truncation=0.7, cutoff=0))
    assert not torch.equal(plain, sampled(model, 4, seed=0, truncation=0.0, cutoff=6))
    assert mixing_of(model.recipe) == 0
    assert mixing_of(small_recipe("style-alae", SIZED, flavour="faithful")) == 0.9


def test_a_collage_has_columns_of_falling_size():
    pictures = torch.arange(7, dtype=torch.uint8)[:, None, None, None].expand(7, 1, 64, 64) * 10
    canvas = np.asarray(collage(pictures, 1, (0, 1, 2)))
    side = 128
    assert canvas.shape == (side, side + side // 2 + side // 4)
    assert canvas[0, 0] == 0
    assert canvas[0, side] == 10
    assert canvas[side - 1, side] == 20
    assert [int(canvas[row * 32, -1]) for row in range(4)] == [30, 40, 50, 60]


@pytest.mark.parametrize(
    ("side", "groups"),
    [
        (16, {"coarse": (0, 1), "middle": (2, 3), "fine": (4, 5)}),
        (32, {"coarse": (0, 1, 2, 3), "middle": (4, 5), "fine": (6, 7)}),
        (64, {"coarse": (0, 1, 2, 3), "middle": (4, 5, 6, 7), "fine": (8, 9)}),
    ],
)
def test_groups_of_styles(side, groups):
    assert groups_of(grown("style-alae", (3, side, side))) == groups


def test_rows_mix_the_styles_of_their_group():
    model = grown("style-alae", SIZED)
    pictures = torch.randint(0, 256, (8, *SIZED), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sources, destinations = pictures[:2], pictures[2:]
    everything = dict.fromkeys(DESTINATIONS, tuple(range(6)))
    nothing = dict.fromkeys(DESTINATIONS, ())
    of_sources, of_destinations = reconstructed(model, sources), reconstructed(model, destinations)
    assert torch.equal(mixed(model, sources, destinations, everything), of_sources.expand(6, 2, *SIZED))
    kept = mixed(model, sources, destinations, nothing)
    assert torch.equal(kept, of_destinations[:, None].expand(6, 2, *SIZED))
    only_fine = mixed(model, sources, destinations, {**nothing, "fine": (5,)})
    assert torch.equal(only_fine[:5], kept[:5])
    assert not torch.equal(only_fine[5], kept[5])


def grown(method, shape):
    """A small untrained model that works at its full size."""
    model = small_model(method, shape, flavour="modern", grow=False)
    generator = torch.Generator().manual_seed(1)
    for value in model.nets["generator"].parameters():  # noise and styles start without any effect
        value.data += 0.3 * torch.randn(value.shape, generator=generator)
    return model
