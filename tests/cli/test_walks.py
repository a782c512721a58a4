"""`twoway interpolate`, `arithmetic`, `encode` and `search` as a user calls them."""

import json

import numpy as np
import pytest
from PIL import Image
from shell import contents, fine, refused, twoway
from small import small_model

from twoway.latents.codes import load_codes
from twoway.latents.directions import load_directions


@pytest.fixture(scope="module")
def lia(tmp_path_factory):
    """A tiny model with an invertible mapping, untrained."""
    return small_model("lia", (3, 16, 16)).save(tmp_path_factory.mktemp("lia") / "model")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A tiny model without."""
    return small_model("alae").save(tmp_path_factory.mktemp("alae") / "model")


def frames_of(path):
    with Image.open(path) as file:
        return file.n_frames, file.size


def test_outputs_by_ending(lia, tmp_path):
    for ending in ("gif", "webp", "apng"):
        out = tmp_path / f"tour.{ending}"
        said = fine("interpolate", lia, "1", "2", "3", "--steps", "3", "-o", out, "--scale", "2", "--fps", "5")
        assert "8 pictures" in said  # 5 and 3 on the way back
        assert frames_of(out) == (8, (32, 32))
        fine("interpolate", lia, "1-3", "--steps", "3", "-o", out, "--closed", "--scale", "1", "--ease", "smooth")
        assert frames_of(out) == (6, (16, 16))
    fine("interpolate", lia, "1-3", "--steps", "3", "-o", tmp_path / "frames")
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == [f"frame000{n}.png" for n in range(5)]
    assert Image.open(tmp_path / "frames" / "frame0000.png").size == (16, 16)
    fine("interpolate", lia, "1-3", "--steps", "4", "-o", tmp_path / "strip.png", "--scale", "1")
    assert Image.open(tmp_path / "strip.png").size == (4 * 18 + 2, 2 * 18 + 2)  # a row a leg
    assert not list(tmp_path.glob(".writing*"))


def test_the_ends_of_a_walk_are_the_pictures_of_the_seeds(lia, tmp_path):
    fine("generate", lia, "--seeds", "4,9", "-o", tmp_path / "made")
    for space, path in (("w", "linear"), ("z", "linear"), ("z", "spherical")):
        fine("interpolate", lia, "4", "9", "--steps", "3", "--space", space, "--path", path, "-o", tmp_path / space)
        for frame, seed in ((0, 4), (2, 9)):
            one, other = (
                np.asarray(Image.open(p)).astype(int)
                for p in (tmp_path / space / f"frame000{frame}.png", tmp_path / "made" / f"seed00000{seed}.png")
            )
            assert np.abs(one - other).max() <= 1


def test_grids_and_pairs(lia, pictures, tmp_path):
    fine("interpolate", lia, "1-3", pictures / "bar00.png", "--grid", "3", "-o", tmp_path / "grid.png", "--scale", "1")
    assert Image.open(tmp_path / "grid.png").size == (56, 56)
    said = fine("interpolate", lia, pictures, "--max-images", "3", "--pairs", "--steps", "4", "-o", tmp_path / "pairs")
    assert "24 pictures" in said
    assert len(list((tmp_path / "pairs").iterdir())) == 6
    assert (tmp_path / "pairs" / "bar00-bar02.png").is_file()
    fine("interpolate", lia, "1-3", "--pairs", "--steps", "4", "-o", tmp_path / "pairs.gif", "--scale", "1")
    assert frames_of(tmp_path / "pairs.gif") == (6, (38, 56))


def test_pictures_of_all_sizes_are_taken_and_broken_ones_named(plain, pictures, tmp_path):
    Image.open(pictures / "bar00.png").resize((31, 20)).save(pictures / "bar01.png")
    (pictures / "bar02.png").write_bytes(b"no picture")
    found = twoway("interpolate", plain, pictures, "--max-images", "4", "--steps", "2", "-o", tmp_path / "s.png")
    assert found.code == 0, found
    assert "bar02.png" in found.err
    assert "bar00, bar01, bar03" in found.out


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("1",), ("only seed000001", "another")),
        (("1", "2", "--pairs", "--closed"), ("--closed and --pairs",)),
        (("1", "2", "--grid", "3"), ("four pictures", "got 2")),
        (("1-4", "--grid", "3", "-o", "g.gif"), ("does not move", "g.gif")),
        (("1-4", "--grid", "3", "--ease", "smooth"), ("--ease",)),
        (("1", "2", "-o", "w.mp4"), (".mp4", ".webp", "folder")),
        (("1", "2", "-o", "w.gif", "--fps", "0"), ("frame rate",)),
        (("1-60", "--pairs"), ("more than 2,500",)),
        (("1", "nowhere.png"), ("nowhere.png",)),
        (("1", "pictures/bar00.png", "--space", "z"), ("cannot be inverted",)),
        (("1", "pictures/bar00.png", "-o", "pictures/bar00.png"), ("originals",)),
        (("empty",), ("empty",)),
    ],
)
def test_walks_that_cannot_be(plain, pictures, tmp_path, monkeypatch, arguments, names):
    monkeypatch.chdir(tmp_path)
    pictures.rename(tmp_path / "pictures")
    (tmp_path / "empty").mkdir()
    before = contents(tmp_path)
    refused("interpolate", plain, *arguments, names=names)
    assert contents(tmp_path) == before


def test_sums_of_pictures(lia, pictures, tmp_path):
    said = fine(
        "arithmetic", lia, "--plus", "1", "--minus", pictures, "--max-images", "3", "--plus", pictures / "bar05.png",
        "-o", tmp_path / "sum.png", "--codes", tmp_path / "sum.npz", "--direction", tmp_path / "d.safetensors",
        "--name", "Red",
    )  # fmt: skip
    assert "seed000001 + bar05 - mean of 3" in said
    assert Image.open(tmp_path / "sum.png").width > 3 * 16
    assert load_codes(tmp_path / "sum.npz").w.shape == (1, 6, 6)
    assert load_directions(tmp_path / "d.safetensors")["Red"].facts["minus"] == 3
    fine("arithmetic", lia, "--plus", "1", "-o", tmp_path / "one.png", "--alone")
    fine("generate", lia, "--seeds", "1", "-o", tmp_path / "made")
    assert np.array_equal(Image.open(tmp_path / "one.png"), Image.open(tmp_path / "made" / "seed000001.png"))
    refused("arithmetic", lia, "--minus", "1", "-o", tmp_path / "x.png", names=("--plus",))
    refused("arithmetic", lia, "--plus", "1", "-o", tmp_path / "x.jpg", names=(".png",))
    refused("arithmetic", lia, "--plus", "1", "--direction", tmp_path / "e.safetensors", names=("--minus",))


def test_search_finds_the_picture_itself(lia, pictures, tmp_path):
    (pictures / "bar03.png").write_bytes(b"no picture")
    codes = tmp_path / "c.parquet"
    assert "bar03.png" in twoway("encode", lia, pictures, "-o", codes, "--features").err
    outs = [tmp_path / f"found.{ending}" for ending in ("png", "json", "csv")]
    said = fine(
        "search", lia, codes, pictures / "bar07.png", "--neighbours", "3", *[a for o in outs for a in ("-o", o)]
    )
    assert said.splitlines()[0] == "bar07: nearest of 39, euclidean distance in w"
    assert said.splitlines()[1].split()[1] == "bar07.png"
    found = json.loads(outs[1].read_text())
    assert found["space"] == "w"
    assert [len(row["neighbours"]) for row in found["pictures"]] == [3]
    assert outs[2].read_text().splitlines()[1].startswith("bar07,1,bar07.png,")
    with Image.open(outs[0]) as grid:
        assert grid.width > 3.5 * grid.height
    for space in ("z", "features"):
        said = fine("search", lia, codes, pictures / "bar07.png", "--space", space, "--distance", "cosine")
        assert "bar07.png" in said.splitlines()[1]


def test_search_warns_of_what_is_unlike(plain, bars, tmp_path):
    fine("encode", plain, bars, "-o", tmp_path / "c.npz")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / "noise.png")
    found = twoway("search", plain, tmp_path / "c.npz", tmp_path / "noise.png")
    assert found.code == 0
    assert "Warning: This picture is unlike the encoded pictures" in found.err
    assert "Warning" not in twoway("search", plain, tmp_path / "c.npz", bars, "--max-images", "1").err


def test_searches_that_cannot_be(plain, lia, pictures, tmp_path):
    codes = tmp_path / "c.npz"
    refused("encode", plain, pictures, "-o", tmp_path / "c.txt", names=(".npz or .parquet", ".txt"))
    fine("encode", plain, pictures, "-o", codes, "--no-errors")
    assert load_codes(codes).errors is None
    refused("search", lia, codes, "1", names=("another model",))
    refused("search", plain, codes, "1", "--space", "z", names=("no 'z'",))
    refused("search", plain, codes, "1", "-o", tmp_path / "x.html", names=(".html", ".csv"))
    refused("search", plain, pictures / "bar00.png", "1", names=("not a file of codes",))
    moved = pictures.rename(tmp_path / "moved")
    refused("search", plain, codes, "1", "-o", tmp_path / "x.png", names=("--pictures",))
    fine("search", plain, codes, "1", "-o", tmp_path / "x.png", "--pictures", moved)
    assert (tmp_path / "x.png").is_file()
