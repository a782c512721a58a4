"""Models measured alike: each number is what `metrics.evaluate` gives for that model, seed and part of the pictures."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from small import small_model
from toys import toy_file, toy_images

from twoway.errors import ConfigError, DataError, ModelError
from twoway.evaluation import Cell, Judged, Outcome, Plan, judge, load_models, measure_models, open_pictures
from twoway.evaluation.measuring import _depends_on_draws
from twoway.features import FEATURES, FeatureSpec
from twoway.metrics import default_metrics, evaluate
from twoway.metrics.reconstruction import pixel_mse


def judged(*models):
    return tuple(Judged(f"model{n}", f"somewhere/model{n}", model, "EMA") for n, model in enumerate(models))


@pytest.fixture
def bars(tmp_path):
    return str(toy_file(tmp_path, 64))


def measured(models, data, *names, **how):
    shown = open_pictures(models, data)
    return {row.name: row for row in measure_models(models, shown, Plan(metrics=names, **how))}


def test_numbers_are_those_of_each_model_seed_and_part(bars):
    models = judged(small_model("alae", seed=1), small_model("alae", seed=2))
    rows = measured(models, bars, "mse", "fid[pyramid]", "fid-rec[pyramid]", "knn-short", repeats=2, seed=5)
    pictures = torch.from_numpy(toy_images(64))[:, None]
    for number, one in enumerate(models):
        names = ["fid[pyramid]", "fid-rec[pyramid]", "mse"]
        first, second = (evaluate(one.model, pictures, names=names, seed=seed) for seed in (5, 6))
        assert rows["fid[pyramid]"].cells[number].seeds == (first[names[0]]["value"], second[names[0]]["value"])
        assert rows["fid[pyramid]"].cells[number].value == pytest.approx(
            (first[names[0]]["value"] + second[names[0]]["value"]) / 2
        )
        part = evaluate(one.model, pictures[2::4], names=names)
        sets = rows["fid-rec[pyramid]"].cells[number]
        assert sets.value == first["fid-rec[pyramid]"]["value"]
        assert sets.seeds == ()
        assert sets.parts[2] == part["fid-rec[pyramid]"]["value"]
        assert len(sets.parts) == 4
        mse = rows["mse"].cells[number]
        x = pictures.float() / 127.5 - 1
        with torch.inference_mode():
            assert torch.allclose(mse.per_picture.float(), pixel_mse(one.model.reconstruct(x), x), rtol=1e-5)
        assert mse.value == first["mse"]["value"]
        assert rows["knn-short"].cells[number].seeds == ()


def test_one_extractor_under_two_names_is_measured_once(bars):
    models, spec = judged(small_model(seed=1), small_model(seed=2)), FeatureSpec("pyramid")
    rows = measured(models, bars, "fid", "fid[pyramid]", "kid[pyramid]", features=spec, repeats=2)
    assert list(rows) == ["fid[pyramid]", "kid[pyramid]"]
    outcome = Outcome(models, open_pictures(models, bars), Plan(), list(rows.values()))
    assert not any("extractors" in line for line in outcome.conclusion)


def test_what_no_seed_changes_is_measured_once(bars):
    given = Cell(result={"value": 1.0, "seed": None})
    assert not _depends_on_draws("code-consistency", given)
    assert _depends_on_draws("code-consistency", Cell(result={"value": 1.0, "seed": 0}))
    assert not _depends_on_draws("in-domain", Cell(result={"value": 1.0, "floor_seed": 0}))
    rows = measured(judged(small_model("ae"), small_model("ae", seed=1)), bars, "code-consistency", repeats=3)
    (row,) = rows.values()
    assert row.cells[0].result["seed"] is None
    assert row.cells[0].seeds == ()


def test_real_features_are_computed_once_for_all_models_and_seeds(bars, monkeypatch):
    seen = []
    pooled = FEATURES["pyramid"].pooled
    monkeypatch.setattr(FEATURES["pyramid"], "pooled", lambda self, x: seen.append(len(x)) or pooled(self, x))
    measured(judged(small_model(seed=1), small_model(seed=2)), bars, "fid[pyramid]", repeats=3)
    assert sum(seen) == 64 + 2 * 3 * 64


def test_a_model_is_no_better_than_itself(bars):
    model = small_model("alae", seed=1)
    rows = measured(judged(model, model), bars, "mse", "fid[pyramid]", "fid-rec[pyramid]", "knn-short")
    for row in rows.values():
        verdict = judge(row)
        assert not verdict.decided, row.name
        assert all(found.mean == 0 for found in verdict.differences.values())


def test_one_model_is_measured_once_and_not_in_parts(bars):
    rows = measured(judged(small_model()), bars, "fid[pyramid]", "fid-rec[pyramid]")
    assert all(row.cells[0].seeds == () and row.cells[0].parts == () for row in rows.values())


def test_what_one_model_cannot_do_is_a_footnote_beside_others_and_an_error_alone(bars):
    gan, alae = small_model("pggan"), small_model("alae")
    with pytest.raises(ModelError, match="encoder"):
        measured(judged(gan), bars, "swd", "mse")
    models = judged(alae, gan)
    rows = measured(models, bars, "mse", "fid[pyramid]", repeats=1)
    assert rows["mse"].cells[0].result is not None
    assert rows["mse"].cells[1].result is None
    outcome = Outcome(models, open_pictures(models, bars), Plan(("mse", "fid[pyramid]")), list(rows.values()))
    assert outcome.cell_text(0, 1) == ("- (1)", "")
    assert "encoder" in outcome.footnotes[0]
    assert outcome.plain()["metrics"]["mse"]["models"]["model1"] == {"value": None, "reason": outcome.footnotes[0]}
    assert outcome.verdict_text(0) == "-"


def test_metrics_chosen_by_what_applies(bars, tmp_path):
    gan, ae = judged(small_model("pggan"), small_model("ae"))
    assert set(measured((ae,), bars, "default")) == {"mse", "psnr", "code-consistency", "knn-short", "svm-short"}
    assert Plan().names((gan,), open_pictures((gan,), bars)) == ["fid"]
    both = open_pictures((gan, ae), bars)
    assert set(Plan().names((gan, ae), both)) == {
        *default_metrics(gan.model, both[0].train),
        *default_metrics(ae.model, both[0].train),
    }
    plan = Plan(("all",))
    shown = open_pictures((gan,), bars)
    assert "mse" not in plan.names((gan,), shown)
    assert {"fid", "swd", "knn-short"} <= {*plan.names((gan, ae), shown)}
    assert "knn" not in plan.names((ae,), shown)
    np.savez(tmp_path / "plain.npz", images=toy_images(20))
    assert "knn-short" not in plan.names((ae,), open_pictures((ae,), str(tmp_path / "plain.npz")))


def test_models_of_which_nothing_can_be_measured(bars):
    with pytest.raises(ModelError, match=r"model0, model1.*encoder"):
        measured(judged(small_model("pggan"), small_model("pggan", seed=1)), bars, "mse", "psnr")


def test_models_of_other_sizes(bars):
    small, large = small_model("alae"), small_model("alae", image_shape=(1, 12, 12))
    models = judged(small, large)
    for name in ("fid[pyramid]", "swd", "mse", "fid-rec[pyramid]"):
        with pytest.raises(ConfigError, match=r"8x8 pixels.*12x12 pixels.*one by one"):
            measured(models, bars, name)
    colour = judged(small, small_model("alae", image_shape=(3, 8, 8)))
    with pytest.raises(ConfigError, match=r"1 channel.*3 channel"):
        measured(colour, bars, "swd")
    rows = measured(models, bars, "knn-short", "code-consistency", repeats=1)
    assert all(cell.result is not None for row in rows.values() for cell in row.cells)


@pytest.mark.parametrize("name", ["mse", "fid[pyramid]", "fid-rec[pyramid]", "swd", "knn-short"])
def test_weights_that_are_not_finite_give_no_numbers(name, bars):
    model = small_model("ae" if name in ("mse", "fid-rec[pyramid]", "knn-short") else "alae")
    with torch.no_grad():
        for net in model.nets.values():
            next(net.parameters()).fill_(float("nan"))
    with pytest.raises((ModelError, DataError), match="not finite"):
        measured(judged(model), bars, name)


def test_too_few_pictures_are_said_in_a_footnote(bars):
    models = judged(small_model())
    rows = measured(models, bars, "fid[pyramid]", max_images=5)
    outcome = Outcome(models, open_pictures(models, bars), Plan(), list(rows.values()))
    assert outcome.cell_text(0, 0)[0].endswith(" (1)")
    assert "5 pictures are too few" in outcome.footnotes[0]


def test_an_empty_folder_of_held_out_pictures_is_no_reason_to_measure_on_others(tmp_path):
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
    for number, picture in enumerate(toy_images(9)):
        Image.fromarray(picture).save(tmp_path / "train" / f"{number}.png")
    models = judged(small_model())
    with pytest.raises(DataError, match=r"val.*measure on"):
        open_pictures(models, str(tmp_path))
    (tmp_path / "val" / "note.txt").write_text("soon")
    with pytest.raises(DataError, match="val"):
        open_pictures(models, str(tmp_path))
    shutil.copy(tmp_path / "train" / "0.png", tmp_path / "val" / "0.png")
    assert len(open_pictures(models, str(tmp_path))[0].test) == 1
    (tmp_path / "val" / "0.png").write_text("no picture")
    with pytest.raises(DataError, match=r"val.*0\.png"):
        open_pictures(models, str(tmp_path))
    shutil.rmtree(tmp_path / "val")
    assert open_pictures(models, str(tmp_path))[0].test is None


def test_names_tell_models_apart(tmp_path):
    for place in ("x/model", "y/model", "z"):
        small_model("ae").save(tmp_path / place)
    names = [str(tmp_path / place) for place in ("x/model", "y", "z", "z")]
    found = load_models([names[0], str(tmp_path / "y" / "model"), names[2], names[3]], device="cpu")
    assert [one.name for one in found] == ["x", "y", "z", "z (2)"]
    with pytest.raises(ConfigError, match="no run folder"):
        load_models([names[0]], live=True, device="cpu")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metrics": ()}, "empty"),
        ({"metrics": ("mze",)}, "did you mean 'mse'"),
        ({"metrics": ("mse", "all")}, "no metric 'all'"),
        ({"metrics": ("fid[pyramids]",)}, "pyramids"),
        ({"repeats": 0}, "--repeats is 0"),
        ({"seed": -1}, "--seed is -1"),
    ],
)
def test_plans_that_cannot_be(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Plan(**wrong)
