"""Bad input, by name: one paragraph that says what and where, exit code 2, and nothing that was there is changed."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from shell import TINY, contents, refused, twoway


def png(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 0)).save(stream, "PNG")
    return stream.getvalue()


def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(stream, "JPEG")
    return stream.getvalue()


def bad_data(kind: str, folder: Path) -> Path:
    """A folder or ZIP that cannot be used, of a kind."""
    place = folder / f"{kind}-data"
    place.mkdir(parents=True)
    archive = folder / f"{kind}.zip"
    if kind == "one":
        (place / "only.png").write_bytes(png(8, 8))
    elif kind == "text":
        (place / "note.png").write_text("I am a text\n" * 20)
    elif kind == "truncated":
        (place / "cut.jpg").write_bytes(jpeg()[:1000])
        (place / "cut2.jpg").write_bytes(jpeg()[:1000])
    elif kind == "point":
        (place / "point.png").write_bytes(png(1, 1))
    elif kind == "thread":
        (place / "thread.png").write_bytes(png(30000, 1))
    elif kind == "mixed-broken":
        for number in range(20):
            (place / f"good{number}.png").write_bytes(png(9 + number, 20))
        (place / "note.png").write_text("I am a text\n" * 20)
        (place / "cut.jpg").write_bytes(jpeg()[:1000])
    elif kind == "cut-zip":
        with zipfile.ZipFile(archive, "w") as file:
            for number in range(20):
                file.writestr(f"{number}.png", png(8, 8))
        archive.write_bytes(archive.read_bytes()[:-300])
        return archive
    elif kind == "outside-zip":
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("../outside.png", png(8, 8))
        return archive
    elif kind == "bomb-zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("bomb.png", bytes(70 * 2**20))
        return archive
    elif kind == "missing":
        return folder / "nowhere" / "pictures"
    return place


DATA = {
    "empty": ("empty-data", "no pictures"),
    "text": ("note.png", "not a picture"),
    "truncated": ("cut.jpg", "cut off"),
    "point": ("point.png", "1x1"),
    "thread": ("thread.png", "30000x1"),
    "mixed-broken": ("note.png", "cut.jpg", "2 of 22"),
    "cut-zip": ("cut-zip.zip", "cut off"),
    "outside-zip": ("../outside.png", "leads out of the ZIP"),
    "bomb-zip": ("bomb.png", "73,400,320"),
    "missing": ("nowhere", "no file or folder"),
}


@pytest.mark.parametrize("kind", [*DATA, "one"])
def test_train_refuses_data_and_leaves_no_run_behind(kind, tmp_path):
    data = bad_data(kind, tmp_path / "given")
    before = contents(tmp_path)
    names = DATA.get(kind, ("one-data", "1 picture", "at least 2"))
    refused("train", "ae", "--data", data, "--size", "8", "--outdir", tmp_path / "runs", *TINY, "--batch", "2",
            names=names)  # fmt: skip
    assert contents(tmp_path) == before
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("verb", ["encode", "reconstruct", "evaluate"])
def test_verbs_that_read_pictures_refuse_them(verb, kind, ae_run, tmp_path):
    data = bad_data(kind, tmp_path / "given")
    old = tmp_path / ("out.npz" if verb == "encode" else "out.png")
    old.write_text("of an earlier call")
    before = contents(tmp_path, ae_run)
    source = ("--data", data) if verb == "evaluate" else (data,)
    refused(verb, ae_run, *source, "--out", old, names=DATA[kind])
    assert contents(tmp_path, ae_run) == before


@pytest.mark.parametrize("kind", ["empty", "cut-zip", "missing", "text"])
def test_data_info_refuses(kind, tmp_path):
    refused("data", "info", bad_data(kind, tmp_path), names=DATA[kind])


@pytest.mark.parametrize(
    ("kind", "file", "names"),
    [
        ("text", "note.png", ("note.png", "not a picture")),
        ("truncated", "cut.jpg", ("cut.jpg", "cut off")),
        ("point", "point.png", ("point.png", "1x1")),
        ("thread", "thread.png", ("thread.png", "30000x1")),
        ("empty", "none.png", ("none.png", "There is no file or folder")),
        ("empty", "", ("empty-data", "no pictures in")),
    ],
)
def test_interpolate_refuses_ends(kind, file, names, alae_run, tmp_path):
    end = bad_data(kind, tmp_path) / file
    refused("interpolate", alae_run, "3", end, "-o", tmp_path / "walk.gif", names=names)
    assert not (tmp_path / "walk.gif").exists()


def test_mixed_sizes_are_no_mistake(tmp_path):
    data = bad_data("mixed-broken", tmp_path)
    (data / "note.png").unlink()
    (data / "cut.jpg").unlink()
    result = twoway("train", "ae", "--data", data, "--size", "8", "--outdir", tmp_path / "runs", *TINY, "--batch", "4")
    assert result.code == 0, result


SETTINGS = [
    (("--set", "optim.lrr=1"), ("optim.lrr", "did you mean 'lr'")),
    (("--set", "optim.lr=fast"), ("optim.lr", "'fast'", "number")),
    (("--set", "optim.lr=.nan"), ("optim.lr", "nan")),
    (("--set", "optim.lr"), ("'optim.lr'", "key=value")),
    (("--set", "optim.lr=[1"), ("'optim.lr=[1'", "YAML")),
    (("--set", "training.metrics=[mze]"), ("'mze'", "did you mean 'mse'")),
    (("--set", "data.source=digits", "--set", "data.size=16"), ("digits", "(1, 8, 8)")),
    (("--option", "hiden=3"), ("'hiden'", "did you mean 'hidden'")),
    (("--option", "hidden=wide"), ("hidden", "'wide'", "whole number")),
    (("--option", "hidden=-4"), ("hidden", "-4", "at least 1")),
    (("--option", "norm=l3"), ("norm", "'l3'", "'l1', 'l2'")),
    (("--batch", "-5"), ("batch is -5", "at least 1")),
    (("--batch", "500"), ("batch of 500", "128")),
    (("--kimg", "0"), ("--kimg is 0", "positive")),
    (("--kimg", "nan"), ("--kimg is nan",)),
    (("--kimg", "inf"), ("--kimg is inf",)),
    (("--epochs", "2"), ("--kimg or --epochs", "not both")),
    (("--seed", "-1"), ("seed is -1",)),
    (("--device", "cuda:99"), ("'cuda:99' is not there",)),
    (("--device", "quantum"), ("quantum", "cpu")),
    (("--fit", "squeeze"), ("'squeeze'", "'crop'")),
    (("--size", "1"), ("size is 1",)),
    (("--channels", "2"), ("channels is 2",)),
    (("--init-from", "nowhere"), ("'nowhere'", "no model folder")),
]


@pytest.mark.parametrize(("extra", "names"), SETTINGS, ids=[" ".join(extra) for extra, _ in SETTINGS])
def test_train_refuses_settings_and_leaves_no_run_behind(extra, names, bars, tmp_path):
    refused("train", "ae", "--data", bars, "--outdir", tmp_path / "runs", *TINY, *extra, names=names)
    assert not (tmp_path / "runs").exists()


def test_near_misses_of_presets_are_named(bars):
    refused("train", "alea", "--data", bars, names=("'alea'", "did you mean 'alae'"))
    refused("train", "ae", names=("'ae' has no data set", "--data"))
    refused("train", "ae", "--epochs", "-1", "--data", bars, names=("--epochs is -1",))


def test_an_outdir_that_is_a_file(bars, tmp_path):
    (tmp_path / "runs").write_text("mine")
    refused("train", "ae", "--data", bars, "--outdir", tmp_path / "runs", *TINY, names=("runs", "--outdir"))
    assert (tmp_path / "runs").read_text() == "mine"


def test_init_from_a_model_that_does_not_fit(alae_run, bars, tmp_path):
    refused("train", "ae", "--data", bars, "--outdir", tmp_path / "runs", *TINY, "--init-from", alae_run,
            names=("--init-from", "does not fit"))  # fmt: skip
    assert not (tmp_path / "runs").exists()


def edited(run: Path, change) -> None:
    path = run / "config.yaml"
    settings = yaml.safe_load(path.read_text())
    change(settings)
    path.write_text(yaml.safe_dump(settings, sort_keys=False))


EDITS = {
    "misspelt key": (
        lambda s: s["recipe"].update(bacth=s["recipe"].pop("batch")),
        ("config.yaml", "'bacth'", "'batch'"),
    ),
    "unknown key": (lambda s: s.update(colour="red"), ("config.yaml", "'colour'")),
    "negative batch": (lambda s: s["recipe"].update(batch=-1), ("batch is -1",)),
    "batch too large": (lambda s: s["recipe"].update(batch=4000), ("4000",)),
    "changed lr": (lambda s: s["recipe"]["optim"].update(lr=0.5), ("config.yaml", "lr: 0.5", "--init-from")),
    "changed nets": (
        lambda s: [net.update(hidden=[24, 24]) for net in s["recipe"]["nets"].values()],
        ("config.yaml", "- 24", "--init-from"),
    ),
    "changed seed": (lambda s: s["training"].update(seed=5), ("seed 0", "5")),
    "other device": (lambda s: s["training"].update(device="cuda:99"), ("cuda:99",)),
    "lost data": (lambda s: s["data"].update(source="/nowhere/at/all"), ("/nowhere/at/all",)),
}


@pytest.mark.parametrize("edit", EDITS)
def test_resume_refuses_an_edited_run_and_changes_nothing(edit, run_copy):
    change, names = EDITS[edit]
    edited(run_copy, change)
    before = contents(run_copy)
    refused("resume", run_copy, "--kimg", "0.5", names=names)
    assert contents(run_copy) == before


def test_resume_refuses_broken_yaml(run_copy):
    (run_copy / "config.yaml").write_text("recipe: [: ae\n")
    refused("resume", run_copy, names=("config.yaml", "not valid YAML"))


def test_resume_refuses_what_is_no_run_and_a_budget_that_is_spent(run_copy, tmp_path):
    refused("resume", tmp_path, names=(str(tmp_path), "no run folder"))
    refused("resume", "latest", "--outdir", tmp_path / "none", names=("'latest'", "no runs"))
    refused("resume", "77", "--outdir", run_copy.parent, names=("'77'", run_copy.name))
    before = contents(run_copy)
    refused("resume", run_copy, "--kimg", "0.1", names=("0.1 kimg", "already"))
    assert contents(run_copy) == before


def test_resume_refuses_damaged_checkpoints(run_copy):
    for weights in run_copy.glob("checkpoints/*/live.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-7])
    before = contents(run_copy)
    refused("resume", run_copy, "--kimg", "0.5", names=("checkpoints", "live.safetensors"))
    assert contents(run_copy) == before


def other_shape(model: Path) -> None:
    tensors = load_file(model / "model.safetensors")
    tensors["w_avg"] = torch.zeros(1, 9)
    save_file(tensors, model / "model.safetensors")
    rewrite(model)


def rewrite(model: Path) -> None:
    """Make hash and size fit the weights again, as somebody who tampers would."""
    import hashlib

    content = (model / "model.safetensors").read_bytes()
    config = json.loads((model / "config.json").read_text())
    config["weights"].update(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    (model / "config.json").write_text(json.dumps(config))


def flipped(model: Path) -> None:
    content = bytearray((model / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (model / "model.safetensors").write_bytes(content)


def flipped_with_hash(model: Path) -> None:
    flipped(model)
    rewrite(model)


TAMPERED = {
    "no weights": (lambda m: (m / "model.safetensors").unlink(), ("model.safetensors", "missing")),
    "no config": (lambda m: (m / "config.json").unlink(), ("no config.json",)),
    "cut weights": (lambda m: (m / "model.safetensors").write_bytes(b"abc"), ("model.safetensors", "3 bytes")),
    "wrong hash": (flipped, ("model.safetensors", "sha256")),
    "wrong weights, right hash": (flipped_with_hash, ("fingerprint",)),
    "wrong shape": (other_shape, ("'w_avg'", "(1, 9)")),
    "pickle": (
        lambda m: (m / "model.safetensors").write_bytes(pickle.dumps({"a": 1})),
        ("model.safetensors", "pickle"),
    ),
    "not JSON": (lambda m: (m / "config.json").write_text("{"), ("config.json", "not valid JSON")),
    "unknown key": (
        lambda m: (m / "config.json").write_text((m / "config.json").read_text().replace('"hidden"', '"hiden"')),
        ("config.json", "'hiden'", "did you mean 'hidden'"),
    ),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_every_verb_refuses_a_tampered_model(how, ae_run, bars, tmp_path):
    change, names = TAMPERED[how]
    model = Path(shutil.copytree(ae_run / "model", tmp_path / "model"))
    change(model)
    out = ("-o", tmp_path / "made.png")
    before = contents(tmp_path)
    for line in (
        ("info", model),
        ("generate", model, *out),
        ("encode", model, bars, "-o", tmp_path / "made.npz"),
        ("reconstruct", model, bars, *out),
        ("interpolate", model, "1", "2", *out),
        ("evaluate", model, "--data", bars),
        ("train", "ae", "--data", bars, *TINY, "--init-from", model, "--outdir", tmp_path / "runs"),
    ):
        refused(*line, names=names)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("seeds", ["", "a", "5-3", "1,", "-3", "1.5", "0-99999999999", "99999999999999999999"])
def test_seeds_that_are_none(seeds, alae_run, tmp_path):
    refused("generate", alae_run, "--seeds", seeds, "-o", tmp_path / "made", names=("--seeds", seeds))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("verb", ["generate", "encode", "reconstruct", "interpolate", "mix", "evaluate"])
def test_a_device_that_is_not_there(verb, alae_run, bars, tmp_path):
    rest = {"encode": (bars,), "reconstruct": (bars,), "interpolate": ("1", "2"), "mix": ("1", "2")}.get(verb, ())
    out = tmp_path / ("made.npz" if verb == "encode" else "made.png")
    refused(verb, alae_run, *rest, "--device", "cuda:99", "-o", out, names=("'cuda:99'", "--device"))
    assert not out.exists()


def test_places_that_cannot_be_written(alae_run, bars, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    names = (str(file), "--out")
    refused("generate", alae_run, "--seeds", "1", "-o", file, names=names)
    refused("generate", alae_run, "--seeds", "1", "-o", file / "grid.png", names=names)
    refused("generate", alae_run, "--seeds", "1", "-o", tmp_path / "grid.jpg", names=("grid.jpg", ".png"))
    refused("encode", alae_run, bars, "-o", file / "codes.npz", names=names)
    refused("reconstruct", alae_run, bars, "-o", file, names=names)
    refused("interpolate", alae_run, "1", "2", "-o", file / "walk.png", names=names)
    refused("interpolate", alae_run, "1", "2", "-o", file / "walk.gif", names=names)
    refused("interpolate", alae_run, "1", "2", "-o", tmp_path / "walk.jpg", names=("walk.jpg", ".gif"))
    refused("evaluate", alae_run, "--metrics", "mse", "-o", file / "m.json", names=names)
    assert contents(tmp_path) == contents(file)
    assert file.read_text() == "mine"


def test_metrics_that_cannot_be(ae_run, pictures):
    refused("evaluate", ae_run, "--metrics", "mze", names=("'mze'", "did you mean 'mse'"))
    refused("evaluate", ae_run, "--metrics", ",", names=("--metrics is empty",))
    refused("evaluate", ae_run, "--data", pictures, "--metrics", "knn", names=("label", "knn"))
    refused("evaluate", ae_run / "model", names=("no run folder", "--data"))


def test_a_run_without_a_model_says_how_to_get_one(run_copy):
    shutil.rmtree(run_copy / "model")
    refused("generate", run_copy, names=("no model yet", "twoway resume"))


def test_a_truncation_that_is_no_number(alae_run):
    refused("generate", alae_run, "--trunc", "nan", names=("--trunc is nan",))
