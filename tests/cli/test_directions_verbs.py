"""The verbs of directions: from pictures, codes, scores and weights to one file; what users may get wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from shell import fine, refused, twoway
from small import small_model
from toys import toy_images

from twoway import load
from twoway.latents import Tuning, save_delta, tune_generator, unlabelled_directions
from twoway.latents.codes import load_codes
from twoway.latents.directions import load_directions


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A style model of 8x8 pixels."""
    return small_model("style-alae").save(tmp_path_factory.mktemp("models") / "styled")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Bars with attributes: upright ones, and one that all have; 60 to learn from, 20 held out."""
    folder = tmp_path_factory.mktemp("data") / "bars"
    rows = ["file,Upright,All,Odd,Once"]
    for number, grey in enumerate(toy_images(80)):
        name = f"{'train' if number < 60 else 'val'}/{number:03d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey).save(folder / name)
        rows.append(f"{name},{int(number % 4 < 2)},1,{number % 2},{int(number == 7)}")
    (folder / "attributes.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def judge(faces, tmp_path_factory):
    """A classifier of the attribute."""
    path = tmp_path_factory.mktemp("extractors") / "judge.safetensors"
    fine(
        "metrics", "train-extractor", "--data", faces, "--attributes", "Upright", "--epochs", "1", "--width", "8",
        "-o", path, "--device", "cpu",
    )  # fmt: skip
    return path


@pytest.fixture
def fitted(model, faces, tmp_path):
    fine(
        "directions",
        "fit",
        model,
        "--data",
        faces,
        "--name",
        "Upright",
        "--name",
        "Odd",
        "-o",
        tmp_path / "d.safetensors",
    )
    return tmp_path / "d.safetensors"


def test_fit_from_pictures(model, faces, tmp_path):
    out = tmp_path / "d.safetensors"
    result = twoway("directions", "fit", model, "--data", faces, "--name", "all", "-o", out)
    assert result.code == 0, result
    assert "2 directions written" in result.out
    assert "All, Once" in result.err
    found = load_directions(out)
    assert list(found) == ["Upright", "Odd"]
    assert found["Upright"].facts["train"]["count"] == 60
    assert found["Upright"].facts["held_out"] == pytest.approx(
        found["Upright"].facts["held_out"] | {"count": 20, "with": 10}
    )
    fine(
        "directions", "fit", model, "--data", faces, "--name", "Upright", "--conditional-on", "Odd", "-o", out,
        "--classifier", "logistic", "--balanced", "--layers", "coarse",
    )  # fmt: skip
    again = load_directions(out)
    assert list(again) == ["Upright", "Odd"]
    assert torch.equal(again["Odd"].vector, found["Odd"].vector)
    assert again["Upright"].layers == (0, 1, 2, 3)
    assert abs(float((again["Upright"].vector * found["Odd"].normal).sum())) < 1e-5
    shown = fine("directions", "show", out)
    assert "logistic without Odd" in shown
    assert "most alike is" in shown


def test_effects_beside_what_is_known(model, faces, tmp_path):
    out = tmp_path / "d.safetensors"
    fit = ("directions", "fit", model, "--data", faces, "-o", out)
    said = fine(*fit, "--name", "all", "--classifier", "effects")
    assert "2 directions written" in said
    found = load_directions(out)
    assert found["Upright"].facts["held"] == ["Odd"]  # All is the same for all
    assert found["Upright"].facts["held_out"]["count"] == 20
    assert "effects" in fine("directions", "show", out)
    fine(*fit, "--name", "Odd", "--classifier", "effects", "--beside", "Upright")
    assert torch.equal(load_directions(out)["Odd"].vector, found["Odd"].vector)
    fine("encode", model, faces, "-o", tmp_path / "codes.npz")
    given = ("--codes", tmp_path / "codes.npz", "--attributes", faces / "attributes.csv", "--name", "Odd")
    fine("directions", "fit", model, *given, "--classifier", "effects", "-o", out)
    assert load_directions(out)["Odd"].facts["held"] == ["Upright"]
    refused(*fit, "--name", "Odd", "--beside", "Upright", names=("--classifier effects", "by logistic"))
    refused(*fit, "--name", "Odd", "--classifier", "effects", "--beside", "Upwright", names=("'Upright'",))


def test_codes_of_a_file_give_the_same_as_pictures(model, faces, tmp_path):
    fine("encode", model, faces, "-o", tmp_path / "codes.npz")
    table = tmp_path / "mine.csv"
    table.write_text(
        "\n".join(line.replace("train/", "") for line in (faces / "attributes.csv").read_text().split("\n"))
    )
    outs = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    fine(
        "directions",
        "fit",
        model,
        "--codes",
        tmp_path / "codes.npz",
        "--attributes",
        table,
        "--name",
        "Upright",
        "-o",
        outs[0],
    )
    everything = tmp_path / "flat"
    everything.mkdir()
    for path in sorted(faces.rglob("*.png")):
        (everything / path.name).write_bytes(path.read_bytes())
    fine("directions", "fit", model, "--data", everything, "--attributes", table, "--name", "Upright", "-o", outs[1])
    one, two = (load_directions(out)["Upright"] for out in outs)
    assert torch.allclose(one.vector, two.vector, rtol=1e-3, atol=1e-4)
    assert one.facts["held_out"] == two.facts["held_out"]


def test_scores_of_a_classifier(model, judge, tmp_path):
    fine(
        "directions",
        "scores",
        model,
        "--classifier",
        judge,
        "-n",
        "100",
        "-o",
        tmp_path / "s.csv",
    )
    codes = load_codes(tmp_path / "s.npz")
    assert codes.w.shape == (100, 1, 6)
    given = ("--codes", tmp_path / "s.npz", "--scores", tmp_path / "s.csv")
    said = fine(
        "directions", "fit", model, *given, "--name", "Upright", "--share", "20", "-o", tmp_path / "d.safetensors"
    )
    assert "svm (scores)" in said
    found = load_directions(tmp_path / "d.safetensors")["Upright"]
    assert found.facts["taken"] == 20
    scores = np.loadtxt(tmp_path / "s.csv", delimiter=",", skiprows=1, usecols=1)
    along = found.position(torch.from_numpy(codes.w)).numpy()
    assert along[scores.argsort()[-10:]].mean() > along[scores.argsort()[:10]].mean()


def test_check(model, faces, fitted, judge, tmp_path):
    given = ("--data", faces, "--classifier", judge, "--features", "pyramid")
    said = fine("directions", "check", model, fitted, *given, "-o", tmp_path / "check", "--strength", "3")
    assert "20 pictures moved by 3 deviations both ways" in said
    found = json.loads((tmp_path / "check" / "effects.json").read_text())
    assert found["directions"] == ["Upright", "Odd"]
    assert found["own"] == [0, None]
    assert found["split"] == "test"
    again = ("model", "seed", "max_images", "strength", "mode", "unit", "data_count", "n_images", "layers")
    told = load_directions(fitted)
    fingerprint = told["Odd"].fingerprint
    assert [found[key] for key in again] == [fingerprint, 0, 500, 3.0, "relative", "deviation", 20, 20, None]
    assert found["direction_digests"] == {name: one.digest for name, one in told.items()}
    assert len(found["data_fingerprint"]) == 16
    assert "@" in found["classifier"]
    assert {path.name for path in (tmp_path / "check").glob("*.png")} == {"effects.png", "pictures.png"}
    refused("directions", "check", model, fitted, *given, "--name", "Uprigth", names=("did you mean 'Upright'",))
    refused("directions", "check", model, fitted, *given, "-o", judge, names=("which is a file",))
    refused("directions", "check", model, judge, *given, names=("holds no directions",))


def test_without_labels(model, faces, tmp_path):
    out = tmp_path / "d.safetensors"
    fine("directions", "pca", model, "--count", "3", "--samples", "100", "-o", out)
    fine("directions", "factorise", model, "--count", "2", "--layers", "0-1", "-o", out)
    found = load_directions(out)
    assert list(found) == ["pca1", "pca2", "pca3", "factor1", "factor2"]
    assert found["factor2"].layers == (0, 1)
    fine("directions", "pca", model, "--count", "1", "--data", faces, "-o", out)
    assert load_directions(out)["pca1"].facts["codes"] == 60
    fine("directions", "orthogonalise", out, "--name", "pca2", "--to", "factor1", "--to", "factor2", "--as", "rest")
    found = load_directions(out)
    for name in ("factor1", "factor2"):
        assert abs(float((found["rest"].vector * found[name].vector).sum())) < 1e-5
    assert "pca2" in found


def test_a_file_of_the_model_before_tuning_is_refused_before_the_work(model, tmp_path, monkeypatch):
    base, out, file = load(model), tmp_path / "d.safetensors", tmp_path / "tuned.safetensors"
    pivot = base.w_avg.expand(1, *base.w_shape)
    save_delta(file, tune_generator(base, torch.ones(1, 1, 8, 8), pivot, Tuning(steps=1)), base)
    fine("directions", "factorise", model, "--count", "1", "-o", out)
    before, name = out.read_bytes(), f"{model}+{file}"

    def work(*_a, **_k):
        raise AssertionError("the search began")

    with monkeypatch.context() as patch:
        patch.setattr(unlabelled_directions, "sampled_codes", work)
        words = ("was tuned from", "another file", "--out")
        refused("directions", "pca", name, "-o", out, names=words)
    assert out.read_bytes() == before
    fine("directions", "factorise", name, "--count", "1", "-o", tmp_path / "own.safetensors")
    fine("directions", "factorise", name, "--count", "2", "-o", tmp_path / "own.safetensors")
    assert list(load_directions(tmp_path / "own.safetensors")) == ["factor1", "factor2"]


def test_what_is_refused(model, faces, fitted, tmp_path, ae_run):
    fit = ("directions", "fit", model, "-o", tmp_path / "x.safetensors")
    refused(*fit, "--data", faces, "--name", "Uprigth", names=("'Uprigth'", "did you mean 'Upright'"))
    refused(*fit, "--data", faces, "--name", "All", names=("'All' there are 60 with and 0 without",))
    refused(*fit, "--name", "Upright", names=("either --data", "or --codes"))
    refused(
        *fit, "--data", faces, "--attributes", "none.csv", "--name", "Upright", names=("none.csv", "cannot be read")
    )
    refused(*fit, "--data", faces, "--attributes", "a", "--scores", "b", "--name", "U", names=("exclude each other",))
    refused(
        *fit, "--data", faces, "--name", "Odd", "--max-images", "4", "--conditional-on", "Blond", names=("'Blond'",)
    )
    refused(
        "directions", "fit", model, "--data", faces, "--name", "Odd", "-o", "d.npz", names=("d.npz", ".safetensors")
    )
    refused("directions", "fit", ae_run, "--data", faces, "--name", "Odd", "-o", fitted, names=("another model",))
    refused("directions", "factorise", ae_run, "-o", tmp_path / "x.safetensors", names=("no styles", "directions pca"))
    refused("directions", "pca", ae_run, "-o", tmp_path / "x.safetensors", names=("no prior",))
    refused("directions", "show", faces / "attributes.csv", names=("cannot be read as a file of directions",))
    refused("directions", "orthogonalise", fitted, "--name", "Upright", "--to", "Upright", names=("itself",))
    refused(
        "directions", "orthogonalise", fitted, "--name", "Upwright", "--to", "Odd", names=("did you mean 'Upright'",)
    )
    bare = small_model("stylegan", encoder=False).save(tmp_path / "bare")
    refused("directions", "fit", bare, "--data", faces, "--name", "Odd", names=("no encoder",))
    read = small_model("infovaegan").save(tmp_path / "read")
    refused("directions", "fit", read, "--data", faces, "--name", "Odd", names=("not the noise",))
    scores = tmp_path / "s.csv"
    scores.write_text("file,x\n" + "".join(f"{n:03d}.png,nan\n" for n in range(60)))
    refused(*fit, "--data", faces, "--scores", scores, "--name", "x", names=("0 finite scores",))
    assert not (tmp_path / "x.safetensors").exists()
