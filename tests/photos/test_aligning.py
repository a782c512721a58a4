"""A folder of photos aligned for training, and its template on the way to the trained model."""

import json

import numpy as np
import pytest
from PIL import Image

from twoway.data import open_data
from twoway.errors import CheckpointError, ConfigError, DataError
from twoway.photos.aligning import align_folder
from twoway.photos.landmarks import Landmarks
from twoway.photos.points import make_points
from twoway.photos.similarity import apply
from twoway.photos.templates import PointTemplate, read_template, template_of_facts

TEMPLATE = PointTemplate("test", make_points([(0.25, 0.25), (0.75, 0.25), (0.5, 0.75)], apart=0.1))
# the points of a crop of 16 pixels whose corner is at (6, 5)
POINTS = make_points([(10, 9), (18, 9), (14, 17)])


def noise(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for number, name in enumerate(("train/a.png", "train/b.png", "val/c.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise(number).save(folder / name)
    (folder / "train" / "broken.jpg").write_bytes(b"PK\x03\x04")
    (folder / "attributes.csv").write_text(
        "file,Smiling\ntrain/a.png,1\ntrain/b.png,0\nval/c.png,1\ntrain/broken.jpg,1\n"
    )
    return folder


def find(name, photo):
    if name.endswith("b.png"):
        raise DataError("no row")
    return POINTS


def test_a_folder_becomes_a_data_set(photos, tmp_path):
    out = tmp_path / "aligned"
    done = align_folder(photos, out, size=16, template=TEMPLATE, find=find)
    assert done.count == 2
    assert set(done.skipped) == {"train/b.png", "train/broken.jpg"}
    assert done.tables == ("attributes.csv",)
    assert np.array_equal(Image.open(out / "val/c.png"), noise(2).crop((6, 5, 22, 21)))
    data = open_data(out, split="test")
    assert data.shape == (3, 16, 16)
    assert data.column("Smiling").tolist() == [1]
    # what training writes into the model's configuration says where the eyes are
    facts = {"data": json.loads(json.dumps(data.describe()))}
    assert template_of_facts(facts) == TEMPLATE
    outline = json.loads((out / "alignment.json").read_text())["outlines"]["val/c.png"]
    assert np.allclose(outline, [(6, 5), (22, 5), (22, 21), (6, 21)])


def test_what_models_may_say_of_their_template():
    assert template_of_facts({}) is None
    assert template_of_facts({"data": "mnist"}) is None
    assert template_of_facts({"data": {"rules": {"fit": "crop"}}}) is None
    assert template_of_facts({"template": "ffhq"}) == read_template("ffhq")
    with pytest.raises(ConfigError, match="model folder"):
        template_of_facts({"data": {"template": {"kind": "circle"}}})


def test_names_that_would_be_the_same_are_numbered(tmp_path):
    (tmp_path / "photos").mkdir()
    noise(0).save(tmp_path / "photos" / "a.png")
    noise(1).save(tmp_path / "photos" / "a.jpg")
    align_folder(tmp_path / "photos", tmp_path / "out", size=8, template=TEMPLATE, find=lambda *_: POINTS)
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {"a.png", "a-2.png"}


def test_points_are_aligned_whatever_the_turn(tmp_path):
    turned = make_points([(10, 20), (16, 12), (22, 24)])
    transform = TEMPLATE.transform(turned, (16, 16))
    wanted = np.array(TEMPLATE.points.listed) * 16
    assert np.abs(apply(transform, turned.listed) - wanted).max() < 2


def test_places_that_cannot_be(photos, tmp_path):
    options = {"size": 16, "template": TEMPLATE, "find": find}
    with pytest.raises(CheckpointError, match="inside the photos"):
        align_folder(photos, photos / "out", **options)
    with pytest.raises(CheckpointError, match="inside the photos"):
        align_folder(photos, photos, **options)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(CheckpointError, match="not empty"):
        align_folder(photos, tmp_path / "full", **options)
    with pytest.raises(ConfigError, match="size"):
        align_folder(photos, tmp_path / "out", **{**options, "size": 4})

    def nowhere(name, photo):
        raise DataError("no row for it")

    with pytest.raises(DataError, match="None of the 4 photos"):
        align_folder(photos, tmp_path / "out", **{**options, "find": nowhere})


def test_a_row_without_folder_is_of_one_photo_only(tmp_path):
    points = [list(point) for point in POINTS.listed]
    for number, name in enumerate(("a/1.png", "b/1.png", "b/2.png")):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        noise(number).save(tmp_path / "photos" / name)
    options = {"size": 16, "template": TEMPLATE}
    short = Landmarks("pts.csv", {"1.png": points, "2.png": points})
    done = align_folder(tmp_path / "photos", tmp_path / "one", find=short, **options)
    assert done.count == 1
    assert set(done.skipped) == {"a/1.png", "b/1.png"}
    assert "several pictures are called so" in done.skipped["a/1.png"]
    assert (tmp_path / "one" / "b" / "2.png").is_file()
    whole = Landmarks("pts.csv", {"1.png": points, "a/1.png": points, "b/1.png": points, "2.png": points})
    assert align_folder(tmp_path / "photos", tmp_path / "all", find=whole, **options).count == 3


def test_a_table_that_is_none_is_said_before_anything_is_written(photos, tmp_path):
    (photos / "attributes.csv").write_text("file,Smiling\ntrain/a.png," + "1" * 200_000 + "\n")
    with pytest.raises(DataError, match=r"attributes\.csv in .*photos is no table of values"):
        align_folder(photos, tmp_path / "out", size=16, template=TEMPLATE, find=find)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["{", '{"template":' * 100_000])
def test_a_damaged_alignment_file_is_named(photos, tmp_path, text):
    (photos / "alignment.json").write_text(text)
    with pytest.raises(DataError, match=r"alignment\.json"):
        open_data(photos)
