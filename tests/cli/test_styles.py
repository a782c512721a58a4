"""Verbs on models with style generators: mixing, noise, truncation by layer, what info says, sizes that fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from shell import contents, fine, refused
from small import small_model

from twoway import Pipeline
from twoway.latents.directions import Direction, save_directions

SMALL = ("--option", "start=4", "--option", "maximum=8", "--option", "latent=6", "--batch", "16", "--device", "cpu")


@pytest.fixture(scope="session")
def styled(place):
    """A model folder; noise that shows, and a mean code that is not zero."""
    model = small_model("style-alae")
    with torch.no_grad():
        for name, parameter in model.nets["generator"].named_parameters():
            if name.endswith("strength"):
                parameter.fill_(0.5)
        model.w_avg.normal_(generator=torch.Generator().manual_seed(1))
    return model.save(place / "styled")


@pytest.fixture(scope="session")
def lia_run(place, bars):
    """Two phases of a few iterations each; tests must not change it."""
    fine("train", "lia", "--data", bars, "--outdir", place / "two", "--desc", "lia", *SMALL, "--kimg", "0.3")
    return place / "two" / "00000-lia"


def cells(path, columns, size=8):
    """Pictures of a grid (rows, columns, size, size), read back from the middle of their enlarged pixels."""
    pixels = np.asarray(Image.open(path))
    scale = (pixels.shape[1] - 2 * (columns + 1)) // columns // size
    side = scale * size
    rows = (pixels.shape[0] - 2) // (side + 2)
    found = [
        [
            pixels[2 + r * (side + 2) :][scale // 2 : side : scale, 2 + c * (side + 2) :][:, scale // 2 : side : scale]
            for c in range(columns)
        ]
        for r in range(rows)
    ]
    return np.array(found)


def test_mix_of_seeds_is_a_grid_with_the_originals_in_the_margins(styled, tmp_path):
    out = fine("mix", styled, "0-2", "5,7", "--layers", "0-1", "-o", tmp_path / "mix.png", "--device", "cpu")
    assert "6 pictures" in out
    assert "layers 0-1 of STYLE" in out
    pipe = Pipeline.from_pretrained(styled)
    grid = cells(tmp_path / "mix.png", 4)
    assert grid.shape == (3, 4, 8, 8)
    assert (grid[0, 0] == 128).all()
    assert np.array_equal(grid[0, 1:], pipe.generate(seeds=range(3), output_type="np")[..., 0])
    assert np.array_equal(grid[1:, 0], pipe.generate(seeds=[5, 7], output_type="np")[..., 0])
    by_hand = torch.cat([pipe.code_of_seed(7)[:, :2], pipe.code_of_seed(1)[:, 2:]], 1)
    difference = grid[2, 2].astype(int) - pipe.decode(by_hand, output_type="np")[0, ..., 0]
    assert abs(difference).max() <= 1


def test_mix_of_pictures_and_folders(styled, pictures, tmp_path):
    (pictures / "bar01.png").write_bytes((pictures / "bar01.png").read_bytes()[:60])
    fine("mix", styled, pictures, pictures / "bar03.png", "--max-images", "3", "-o", tmp_path / "made")
    assert sorted(p.name for p in (tmp_path / "made").iterdir()) == ["bar00-bar03.png", "bar02-bar03.png"]
    pipe = Pipeline.from_pretrained(styled)
    wanted = pipe.mix(pictures / "bar02.png", pictures / "bar03.png", output_type="np")[0, ..., 0]
    assert abs(np.asarray(Image.open(tmp_path / "made" / "bar02-bar03.png")).astype(int) - wanted).max() <= 1


def test_what_mix_refuses(styled, alae_run, ae_run, pictures, tmp_path):
    before = contents(tmp_path)
    out = ("-o", tmp_path / "mix.png")
    refused("mix", styled, "0", "1", "--layers", "fine", *out, names=("'fine'", "8x8", "coarse 0-3"))
    refused("mix", styled, "0", "1", "--layers", "0-4", *out, names=("'0-4'", "no layer 4"))
    refused("mix", styled, "0", "1", "--layers", "corase", *out, names=("'corase'", "did you mean 'coarse'"))
    refused("mix", alae_run, "0", "1", *out, names=("one code for the whole picture", "Interpolate"))
    refused("mix", ae_run, "0", "1", *out, names=("one code for the whole picture",))
    refused("mix", styled, "5-3", "1", *out, names=("CONTENT '5-3'",))
    refused("mix", styled, "1", "0-99999", *out, names=("STYLE", "2,500"))
    refused("mix", styled, "0-99", "0-99", *out, names=("100 contents with 100 styles",))
    refused("mix", styled, "1", tmp_path / "none.png", *out, names=("none.png",))
    refused("mix", styled, pictures / "bar00.png", "1", "-o", pictures / "bar00.png", names=("one of the originals",))
    refused("mix", styled, "0", "1", "-o", tmp_path / "mix.jpg", names=("mix.jpg", ".png"))
    assert contents(tmp_path) == before


def test_generate_with_noise_and_a_cutoff(styled, tmp_path):
    made = {}
    for noise in ("fixed", "off", "random"):
        fine("generate", styled, "--seeds", "3", "--noise", noise, "-o", tmp_path / noise, "--device", "cpu")
        made[noise] = Image.open(tmp_path / noise / "seed000003.png").tobytes()
    assert len(set(made.values())) == 3
    fine("generate", styled, "--seeds", "3", "--trunc", "0.3", "--trunc-cutoff", "2", "-o", tmp_path / "cut")
    pipe = Pipeline.from_pretrained(styled)
    wanted = pipe.generate(seeds=[3], truncation=0.3, truncation_cutoff=2, output_type="np")[0, ..., 0]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "cut" / "seed000003.png")), wanted)
    refused(
        "generate", styled, "--trunc-cutoff", "2", "-o", tmp_path / "none", names=("--trunc-cutoff", "--trunc is 1")
    )


def test_info_lists_layers_growth_and_the_kind_of_mapping(styled, alae_run, tmp_path):
    facts = yaml.safe_load(fine("info", styled))
    assert facts["layers of a code"] == {"coarse": "0-3 (4x4 and 8x8)"}
    assert facts["growth"] == "grown to the full 8x8"
    assert facts["invertible mapping"].startswith("no,")
    half = small_model("style-alae", (1, 32, 32))
    for slot in ("generator", "encoder"):
        half.nets[slot].grow_to(2, 0.25)
    facts = yaml.safe_load(fine("info", half.save(tmp_path / "half")))
    assert facts["layers of a code"] == {"coarse": "0-3 (4x4 and 8x8)", "middle": "4-5 (16x16)"}
    assert facts["growth"] == "stopped at 16x16 of 32x32, of which 25% are faded in"
    lia = small_model("lia", (1, 8, 8), flavour="modern").save(tmp_path / "lia")
    facts = yaml.safe_load(fine("info", lia))
    assert facts["invertible mapping"].startswith("yes")
    assert "growth" not in facts
    assert "layers of a code" not in yaml.safe_load(fine("info", alae_run))


def test_reconstructions_begin_with_the_phase_that_trains_the_encoder(lia_run):
    """Of 0.3 kimg the first phase has 25 parts in 37: 203 images, 13 iterations of 16."""
    drawn = {kind: [int(p.name[:10]) for p in sorted((lia_run / "samples").glob(f"*-{kind}.png"))]
             for kind in ("generated", "reconstructed")}  # fmt: skip
    assert drawn["reconstructed"] == [n for n in drawn["generated"] if n > 13 * 16]
    assert min(drawn["generated"]) < 13 * 16
    records = [json.loads(line) for line in (lia_run / "stats.jsonl").read_text().splitlines()]
    assert {r["phase"] for r in records if "metric/mse" in r} == {"encoder"}
    assert "mse" in json.loads((lia_run / "metrics.json").read_text())
    report = (lia_run / "report.html").read_text()
    assert "thousand images (phase gan)" in report
    assert "thousand images (phase encoder)" in report


def test_a_run_that_ends_before_its_encoder_shows_none_of_it(lia_run, bars, tmp_path):
    fine("train", "lia", "--data", bars, "--outdir", tmp_path, "--desc", "gan", *SMALL, "--kimg", "0.15",
         "--set", "training.plan_kimg=0.3")  # fmt: skip
    names = {p.name for p in (tmp_path / "00000-gan" / "samples").iterdir()}
    assert "style-mix.png" in names
    assert not [name for name in names if "reconstructed" in name or "interpolation" in name]
    assert json.loads((tmp_path / "00000-gan" / "metrics.json").read_text()) == {}
    assert "Mixed styles" in (tmp_path / "00000-gan" / "report.html").read_text()


def test_a_run_ends_with_a_grid_of_mixed_styles(lia_run):
    grid = cells(lia_run / "samples" / "style-mix.png", 5)
    assert grid.shape == (5, 5, 8, 8)
    assert np.array_equal(grid[1:, 1], grid[1:, 0]), "at 8x8 pixels all layers are coarse: each row repeats its source"


@pytest.mark.parametrize("verb", ["encode", "reconstruct", "interpolate", "project", "mix", "evaluate"])
def test_every_verb_takes_codes_of_several_layers(verb, lia_run, pictures, tmp_path):
    one = pictures / "bar00.png"
    rest = {"interpolate": ("1", one), "mix": ("1", one), "evaluate": (), "project": (one, "--steps", "2")}
    out = {"encode": "codes.npz", "project": "found", "evaluate": "m.json"}.get(verb, "made.png")
    fine(verb, lia_run, *rest.get(verb, (pictures,)), "-o", tmp_path / out)
    assert (tmp_path / out).exists()
    if verb == "encode":
        assert np.load(tmp_path / out)["w"].shape == (40, 4, 6)


@pytest.mark.parametrize(
    ("width", "height", "extra", "said"),
    [
        (100, 100, (), ("not 100", "--size 64 or --size 128")),
        (20, 30, ("--size", "20"), ("not 20", "--size 16 or --size 32")),
        (9, 9, ("--size", "2"), ("not 2", "--size 4")),
    ],
)
def test_sizes_that_style_nets_cannot_make(width, height, extra, said, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        Image.new("RGB", (width, height), (number, 0, 0)).save(folder / f"{number}.png")
    arguments = ("train", "style-alae", "--data", folder, "--outdir", tmp_path / "runs", *SMALL, *extra)
    refused(*arguments, names=said)
    assert not (tmp_path / "runs").exists()


def test_pictures_of_any_shape_are_brought_to_a_size_that_fits(tmp_path):
    for number in range(20):
        Image.new("RGB", (178, 218), (number, 0, 0)).save(tmp_path / f"{number}.png")
    settings = next(iter(yaml.safe_load_all(fine("train", "lia", "--data", tmp_path, *SMALL, "-n"))))
    assert settings["recipe"]["image_shape"] == [3, 128, 128]


def test_mix_takes_layers_by_row(styled, tmp_path):
    """As ALAE's figure of style mixing: a source a row, each for other layers."""
    fine("mix", styled, "0-1", "5-6", "--layers", "0-1", "--layers", "2-3", "-o", tmp_path / "rows.png")
    for row, layers in ((5, "0-1"), (6, "2-3")):
        fine("mix", styled, "0-1", row, "--layers", layers, "-o", tmp_path / f"{row}.png")
        assert np.array_equal(cells(tmp_path / "rows.png", 3)[row - 4], cells(tmp_path / f"{row}.png", 3)[1])
    said = fine("mix", styled, "0-1", "5", "--layers", "0-1", "--layers", "3", "-o", tmp_path / "one")
    assert "layers 0-1; 3 of STYLE" in said
    assert len(list((tmp_path / "one").iterdir())) == 4
    refused("mix", styled, "0", "5-7", "--layers", "0", "--layers", "1", names=("2 times", "3 styles"))


def test_generate_with_several_truncations_has_a_column_for_each(styled, tmp_path):
    fine("generate", styled, "--seeds", "3-4", "--trunc", "-1,0,0.5,1", "-o", tmp_path / "psi.png")
    grid = cells(tmp_path / "psi.png", 4)
    pipe = Pipeline.from_pretrained(styled)
    for column, psi in enumerate((-1.0, 0.0, 0.5, 1.0)):
        made = pipe.generate(seeds=[3, 4], truncation=psi, output_type="np")[..., 0]
        assert np.abs(grid[:, column].astype(int) - made).max() <= 1
    assert np.array_equal(grid[0, 1], grid[1, 1])  # the mean code
    fine("generate", styled, "--seeds", "3", "--trunc", "0.5,1", "-o", tmp_path / "psis")
    assert {p.name for p in (tmp_path / "psis").iterdir()} == {"seed000003-psi0.5.png", "seed000003-psi1.png"}
    refused("generate", styled, "--trunc", "1,x", names=("--trunc is 1,x", "1,0.7,0"))


@pytest.fixture(scope="session")
def directed(styled, place):
    """A file of two directions of that model."""
    pipe = Pipeline.from_pretrained(styled)
    vectors = torch.eye(6)[:2]
    found = [
        Direction(name, vector[None], pipe.model.fingerprint(), "given", deviation=2.0)
        for name, vector in zip(("Smiling", "Hat"), vectors, strict=True)
    ]
    return save_directions(place / "d.safetensors", found)


def test_traverse_goes_along_directions(styled, directed, pictures, tmp_path):
    along = ("--direction", "Smiling", "--directions", directed, "--range", "-3:3", "--steps", "3")
    out = tmp_path / "smile.png"
    fine("traverse", styled, pictures / "bar00.png", "4", *along, "-o", out)
    grid = cells(out, 3)
    assert grid.shape == (2, 3, 8, 8)
    pipe = Pipeline.from_pretrained(styled)
    w = torch.cat([pipe.encode(pictures / "bar00.png"), pipe.code_of_seed(4)])
    for column, t in enumerate((-3, 0, 3)):
        moved = w.clone()
        moved[..., 0] += 2.0 * t
        assert np.abs(grid[:, column].astype(int) - pipe.decode(moved, output_type="np")[..., 0]).max() <= 1
    for ending in ("gif", "webp"):
        fine("traverse", styled, "4", *along, "-o", tmp_path / f"smile.{ending}", "--scale", "1")
        with Image.open(tmp_path / f"smile.{ending}") as moving:
            assert (moving.n_frames, moving.size) == (4, (8, 8))
    said = fine("traverse", styled, *along, "--direction", "Hat", "--rows", "2", "-o", tmp_path / "both")
    assert said.startswith("2 grids")
    assert sorted(p.name for p in (tmp_path / "both").iterdir()) == ["000-smiling.png", "001-hat.png"]


def test_traverses_that_cannot_be(styled, lia_run, directed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = ("--directions", directed, "--direction")
    refused("traverse", styled, "4", *named, "Smilling", names=("Smilling", "Smiling"))
    refused("traverse", lia_run, "4", *named, "Hat", names=("model",))
    refused("traverse", styled, "4", names=("--direction",))
    refused("traverse", styled, "4", "--direction", "Hat", names=("directions.safetensors",))
    refused("traverse", styled, "4", *named, "Hat", "--range", "3", names=("--range is 3", "-3:3"))
    refused("traverse", styled, "4", *named, "Hat", "-o", "x.mp4", names=(".mp4",))
    refused("traverse", styled, "4", *named, "Hat", "--direction", "Smiling", "-o", "x.png", names=("folder",))
    refused("traverse", styled, "-o", "x.png", names=("folder",))
    assert not list(tmp_path.iterdir())
