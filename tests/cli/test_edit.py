"""`twoway edit`: one command from a photo to an edited photo."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from shell import contents, fine, refused, twoway
from small import small_model

from twoway.latents.directions import Direction, save_directions

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
