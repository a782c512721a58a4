"""`twoway edit`: one command from a photo to an edited photo."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from shell import contents, fine, refused, twoway
from small import small_model

from twoway.cli.direction_places import find_directions, fitting_directions
from twoway.latents.directions import Direction, save_directions
from twoway.storage import load_model

SHAPE = (3, 8, 8)
POINTS = "12,10 22,10 17,20"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model folder with directions in it."""
    model = small_model("lia", SHAPE)
    folder = model.save(tmp_path_factory.mktemp("models") / "lia", card={"data": {"name": "x", "template": "celeba"}})
    vector = torch.randn(1, model.w_shape[1], generator=torch.Generator().manual_seed(0))
    save_directions(folder / "directions.safetensors", [Direction("more", vector, model.fingerprint(), "given")])
    return folder


@pytest.fixture(scope="module")
def styled(tmp_path_factory):
    """A model folder without directions, of a model with layers, and a file of directions."""
    model = small_model("style-alae", SHAPE)
    folder = tmp_path_factory.mktemp("styled")
    model.save(folder / "model")
    vector = torch.randn(1, model.w_shape[1], generator=torch.Generator().manual_seed(0))
    save_directions(folder / "found.safetensors", [Direction("more", vector, model.fingerprint(), "given")])
    return folder / "model", folder / "found.safetensors"


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a.png", "b.jpg")):
        pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def test_one_photo(model, photos, tmp_path):
    before = contents(photos)
    out = tmp_path / "made" / "out.png"
    said = fine("edit", model, photos / "a.png", "-d", "more=2", "--points", POINTS, "-o", out, "--refine", 2)
    assert "aligned by the points given, template celeba" in said
    assert "more +2" in said
    assert "refined in 2 steps" in said
    assert {p.name for p in out.parent.iterdir()} == {"out.png", "out-crop.png", "out-side-by-side.png", "out.json"}
    with Image.open(out) as made, Image.open(out.with_name("out-crop.png")) as crop:
        assert (made.size, crop.size) == ((40, 30), (8, 8))
    facts = json.loads(out.with_suffix(".json").read_text())
    assert facts["edit"]["directions"][0]["amount"] == 2
    assert facts["alignment"]["way"] == "points"
    assert contents(photos) == before


def test_a_folder(model, photos, tmp_path):
    (photos / "c.png").write_bytes(b"PK\x03\x04 not a picture")
    table = photos / "points.csv"
    table.write_text(
        "file,left_eye_x,left_eye_y,right_eye_x,right_eye_y\na.png,12,10,22,10\nb.jpg,12,10,22,12\nc.png,1,1,9,9\n"
    )
    result = twoway("edit", model, photos, "-d", "more=-1", "--landmarks", table, "-o", tmp_path / "made")
    assert result.code == 0
    assert result.out.count("by the landmarks file") == 2
    assert "c.png" in result.err
    assert "ZIP" in result.err
    assert {p.name for p in (tmp_path / "made").glob("*.json")} == {"a.json", "b.json"}


def test_the_centre_and_none(model, photos, tmp_path):
    said = fine("edit", model, photos / "b.jpg", "-d", "more=1", "-o", tmp_path / "out.png", "--paste", "none")
    assert "centre of the photo" in said
    with Image.open(photos / "b.jpg") as photo, Image.open(tmp_path / "out.png") as made:
        assert np.array_equal(photo, made)
    refused("edit", model, photos / "b.jpg", "-d", "more=1", "--align", "none", names=("40x30", "proportions"))


def test_originals_are_never_replaced(model, photos, tmp_path):
    before = contents(photos)
    refused("edit", model, photos / "a.png", "-d", "more=1", "-o", photos / "a.png", names=("a.png", "--out"))
    refused("edit", model, photos, "-d", "more=1", "-o", photos, names=("a.png", "--out"))
    (photos / "x-crop.png").write_bytes((photos / "a.png").read_bytes())
    refused("edit", model, photos / "x-crop.png", "-d", "more=1", "-o", photos / "x.png", names=("x-crop.png",))
    assert contents(photos) == {**before, str(photos / "x-crop.png"): before[str(photos / "a.png")]}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ("--direction", "holds more")),
        (["-d", "mor=1"], ("did you mean 'more'",)),
        (["-d", "more"], ("Smiling=2",)),
        (["-d", "more=nan"], ("Smiling=2",)),
        (["-d", "more=1", "--points", "1,1 99,1"], ("outside the picture", "40 pixels wide")),
        (["-d", "more=1", "--points", POINTS, "--detector", "x.onnx"], ("only one of",)),
        (["-d", "more=1", "--points", POINTS, "--align", "center"], ("takes no points",)),
        (["-d", "more=1", "--face", "1"], ("--detector",)),
        (["-d", "more=1", "--points", POINTS, "--template", "celebs"], ("did you mean 'celeba'",)),
        (["-d", "more=1", "--detector", "none.onnx"], ("none.onnx",)),
        (["-d", "more=1", "--landmarks", "none.csv"], ("none.csv",)),
        (["-d", "more=1", "--max-megapixels", "0.001"], ("40x30", "megapixels")),
        (["-d", "more=1", "--directions", "none.safetensors"], ("none.safetensors",)),
        (["-d", "more=1", "-o", "out.jpg"], (".png",)),
        (["-d", "more=1", "--layers", "0-99"], ("layers",)),
        (["-d", "more=1", "--known", "none.npz"], ("none.npz",)),
    ],
)
def test_mistakes_are_one_paragraph(model, photos, arguments, names):
    refused("edit", model, photos / "a.png", *arguments, names=names)


def test_directions_of_another_model(model, photos, tmp_path):
    other = Direction("more", torch.ones(1, small_model("lia", SHAPE).w_shape[1]), "0" * 16, "given")
    path = save_directions(tmp_path / "other.safetensors", [other])
    refused("edit", model, photos / "a.png", "-d", "more=1", "--directions", path, names=("another model",))


def test_several_photos_need_a_folder(model, photos, tmp_path):
    refused("edit", model, photos, "-d", "more=1", "-o", tmp_path / "out.png", names=("folder",))
    refused("edit", model, photos, "-d", "more=1", "-o", tmp_path / "out", "--points", POINTS, names=("--landmarks",))
    (tmp_path / "empty").mkdir()
    refused("edit", model, tmp_path / "empty", "-d", "more=1", names=("no pictures",))


def test_layers_of_one_direction(styled, photos, tmp_path):
    """As Pipeline.edit reads them; they go before --layers, which are those of directions without any."""
    folder, found = styled
    how = ("edit", folder, photos / "a.png", "--directions", found, "-o", tmp_path / "out.png")
    fine(*how, "-d", "more=2@0", "-d", "more=1", "--layers", "1-2")
    edit = json.loads((tmp_path / "out.json").read_text())["edit"]
    assert [(one["amount"], one["layers"]) for one in edit["directions"]] == [(2, [0]), (1, [1, 2])]
    fine(*how, "-d", "more=2@0")
    first = (tmp_path / "out-crop.png").read_bytes()
    fine(*how, "-d", "more=2", "--layers", "0")
    assert (tmp_path / "out-crop.png").read_bytes() == first
    refused(*how, "-d", "more=2", "-d", "more=1", names=("'more' twice",))
    refused(*how, "-d", "more=2", "-d", "more=1", "--mode", "absolute", names=("'more' twice",))
    refused(*how, "-d", "more=2@cose", names=("did you mean 'coarse'",))


def test_directions_are_found(model, styled, photos, tmp_path, monkeypatch):
    """In the model folder first, of tuned weights too, then where the user is, if they are of this model."""
    folder, found = styled
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    how = ("-d", "more=1", "-o", tmp_path / "out.png")
    refused("edit", folder, photos / "a.png", *how, names=("--directions", "directions.safetensors"))
    refused("traverse", folder, "1", "--direction", "more", names=("--directions", "directions.safetensors"))
    (here / "directions.safetensors").write_bytes(found.read_bytes())
    fine("edit", folder, photos / "a.png", *how)
    assert json.loads((tmp_path / "out.json").read_text())["directions_file"] == "directions.safetensors"
    fine("traverse", folder, "1", "--direction", "more", "--steps", "2", "-o", tmp_path / "more.png")
    fine("edit", model, photos / "a.png", *how)
    assert json.loads((tmp_path / "out.json").read_text())["directions_file"] == str(model / "directions.safetensors")
    fine("traverse", model, "1", "--direction", "more", "--steps", "2", "-o", tmp_path / "more.png")
    loaded = load_model(model)
    assert find_directions(f"{model}+{found}", loaded) == model / "directions.safetensors"
    other = load_model(folder)
    monkeypatch.chdir(model)  # another model's file, of which its error tells
    refused("edit", folder, photos / "a.png", *how, names=("another model",))
    assert fitting_directions(str(folder), other) is None


def test_fit_says_where_directions_are_found(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = fine("directions", "pca", model, "--count", "1", "--samples", "20")
    assert f"in this folder, {tmp_path}, edit, traverse and studio find it" in said
    said = fine("directions", "pca", model, "--count", "1", "--samples", "20", "-o", "made/other.safetensors")
    assert "--directions made/other.safetensors" in said


def test_a_folder_is_aligned_for_training(photos, tmp_path):
    table = tmp_path / "points.csv"
    table.write_text("file,left_eye_x,left_eye_y,right_eye_x,right_eye_y\na.png,12,10,22,10\n")
    out = tmp_path / "aligned"
    how = ("--size", 8, "--template", "celeba", "-o", out)
    refused("data", "align", photos, *how, names=("--landmarks", "--detector"))
    refused("data", "align", photos, "--size", 8, "-o", out, "--landmarks", table, names=("--template",))
    result = twoway("data", "align", photos, *how, "--landmarks", table)
    assert result.code == 0
    assert "1 photos aligned" in result.out
    assert "b.jpg" in result.err
    assert "name: celeba" in fine("data", "info", out)
