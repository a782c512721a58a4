"""Verbs never replace what they were given to read, nor what earlier ones have found."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from shell import contents, fine, refused
from small import small_model

from twoway.errors import CheckpointError, ModelError
from twoway.latents.directions import Direction, kept_directions, load_directions, save_directions
from twoway.saving import spare_files


@pytest.fixture(scope="module")
def lia(tmp_path_factory):
    """A tiny model that takes faces."""
    card = {"data": {"name": "x", "template": "celeba"}}
    return small_model("lia", (3, 8, 8)).save(tmp_path_factory.mktemp("lia") / "model", card=card)


@pytest.fixture
def found(lia, tmp_path):
    """A file of two directions."""
    return save_directions(tmp_path / "found.safetensors", [a_direction(name) for name in ("one", "two")])


def a_direction(name, seed=0):
    model = small_model("lia", (3, 8, 8))
    vector = torch.randn(1, model.w_shape[1], generator=torch.Generator().manual_seed(seed + len(name) + ord(name[0])))
    return Direction(name, vector, model.fingerprint(), "given")


def test_a_file_that_is_read_is_not_replaced(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "link.png").symlink_to("a.png")
    for target in (tmp_path / "a.png", tmp_path / "b" / ".." / "a.png", tmp_path / "link.png"):
        (tmp_path / "b").mkdir(exist_ok=True)
        with pytest.raises(CheckpointError, match="--out"):
            spare_files([None, "nowhere.png", str(tmp_path / "a.png")], [None, tmp_path / "new.png", target])
    spare_files([tmp_path / "a.png", None], [None, tmp_path / "new.png", tmp_path / "b"])


def test_codes_do_not_replace_the_pictures(lia, tmp_path):
    pictures = tmp_path / "pics.npz"
    np.savez(pictures, images=np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8))
    before = contents(tmp_path)
    refused("encode", lia, pictures, "-o", pictures, names=("pics.npz", "originals"))
    refused(
        "arithmetic", lia, "--plus", pictures, "-o", tmp_path / "x.png", "--codes", pictures, names=("pics.npz",)
    )  # fmt: skip
    assert contents(tmp_path) == before
    fine("encode", lia, pictures, "-o", tmp_path / "codes.npz")
    fine("encode", lia, pictures, "-o", tmp_path / "codes.npz")  # what is not read may be replaced


def test_arithmetic_keeps_the_directions_of_a_file(lia, found, tmp_path):
    old = load_directions(found)
    sums = ("arithmetic", lia, "--plus", "1", "--minus", "2", "-o", tmp_path / "x.png", "--direction", found)
    fine(*sums, "--name", "three")
    fine(*sums, "--name", "one")
    new = load_directions(found)
    assert list(new) == ["one", "two", "three"]
    assert torch.equal(new["two"].vector, old["two"].vector)
    assert not torch.equal(new["one"].vector, old["one"].vector)
    assert torch.equal(new["one"].vector, new["three"].vector)


def test_directions_replace_no_other_kind_of_file(lia, found, tmp_path):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes((lia / "model.safetensors").read_bytes())
    before = contents(tmp_path)
    with pytest.raises(ModelError, match="holds no directions"):
        save_directions(weights, [a_direction("one")])
    orthogonal = ("directions", "orthogonalise", found, "--name", "one", "--to", "two", "-o", weights)
    refused(*orthogonal, names=("weights.safetensors", "not replaced"))
    refused(
        "arithmetic", lia, "--plus", "1", "--minus", "2", "-o", tmp_path / "x.png", "--direction", weights,
        names=("weights.safetensors", "not replaced"),
    )  # fmt: skip
    assert contents(tmp_path) == before


def test_orthogonalise_keeps_what_another_file_has(found, tmp_path):
    other = save_directions(tmp_path / "other.safetensors", [a_direction("mine"), a_direction("two", seed=9)])
    mine = load_directions(other)
    fine("directions", "orthogonalise", found, "--name", "one", "--to", "two", "-o", other, "--as", "alone")
    new = load_directions(other)
    assert set(new) == {"one", "two", "mine", "alone"}
    assert all(torch.equal(new[name].vector, mine[name].vector) for name in mine)


def test_a_tuned_model_starts_a_file_of_its_own(found):
    tuned = small_model("lia", (3, 8, 8))
    tuned.tuned_from = (tuned.fingerprint(),)
    with torch.no_grad():
        next(tuned.nets["generator"].parameters()).add_(1.0)
    assert set(load_directions(found, tuned)) == {"one", "two"}
    with pytest.raises(ModelError, match="tuned from"):
        kept_directions(found, tuned)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a.jpg", "a-crop.jpg")):
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 24 + seed, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


def test_edit_spares_all_that_it_reads(lia, found, photos, tmp_path):
    points = tmp_path / "me.json"
    points.write_text(json.dumps({"a.jpg": [[8, 8], [14, 8], [11, 14]]}))
    template = tmp_path / "rule.json"
    template.write_text(json.dumps({"kind": "points", "name": "x", "points": [[0.3, 0.4], [0.7, 0.4], [0.5, 0.7]]}))
    before = contents(tmp_path)
    how = ("edit", lia, photos / "a.jpg", "-d", "one=1", "--directions", found, "--landmarks", points)
    refused(*how, "--template", template, "-o", tmp_path / "me.png", names=("me.json", "--out"))
    refused(*how, "--template", template, "-o", tmp_path / "rule.png", names=("rule.json", "--out"))
    assert contents(tmp_path) == before
    fine(*how, "--template", template, "-o", tmp_path / "out.png")


def test_no_photo_takes_the_files_of_another(lia, found, photos, tmp_path):
    fine("edit", lia, photos, "-d", "one=1", "--directions", found, "-o", tmp_path / "made")
    written = {path.name for path in (tmp_path / "made").iterdir()}
    assert len(written) == 8
    for facts in (tmp_path / "made").glob("*.json"):
        with (
            Image.open(json.loads(facts.read_text())["source"]) as photo,
            Image.open(facts.with_suffix(".png")) as made,
        ):
            assert made.size == photo.size


def test_neighbours_do_not_replace_encoded_pictures(lia, pictures, tmp_path):
    fine("encode", lia, pictures, "--max-images", "4", "-o", tmp_path / "c.npz")
    before = contents(tmp_path)
    refused("search", lia, tmp_path / "c.npz", "1", "-o", pictures / "bar02.png", names=("bar02.png", "originals"))
    assert contents(tmp_path) == before


def test_projections_do_not_become_data(lia, pictures, tmp_path):
    before = contents(tmp_path)
    how = ("--steps", "1", "--max-images", "2")
    refused("project", lia, pictures, *how, "-o", pictures, names=("my pictures", "--out"))
    refused("project", lia, pictures, *how, "-o", pictures / "found", names=("my pictures", "--out"))
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "comparison.png").write_bytes((pictures / "bar00.png").read_bytes())
    before = contents(tmp_path)
    refused("project", lia, tmp_path / "made" / "comparison.png", *how, "-o", tmp_path / "made", names=("originals",))
    assert contents(tmp_path) == before
    fine("project", lia, pictures, *how, "-o", tmp_path / "made")
    refused("project", lia, tmp_path / "made" / "pictures", *how, "-o", tmp_path / "made", names=("--out",))
