"""Every verb from end to end, as a user would call it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from shell import TINY, contents, fine, refused, twoway
from small import small_model

import twoway as package
from twoway.data import to_uint8
from twoway.latents.codes import load_codes


def test_train_writes_a_run_with_model_and_report(alae_run):
    there = {p.name for p in alae_run.iterdir()}
    assert {"config.yaml", "checkpoints", "model", "report.html", "stats.jsonl", "metrics.json", "log.txt"} <= there
    assert package.load(alae_run / "model").image_shape == (1, 8, 8)
    assert yaml.safe_load((alae_run / "config.yaml").read_text())["recipe"]["batch"] == 32


def test_train_on_a_folder_and_on_a_zip_of_it_is_the_same(pictures, tmp_path):
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(pictures.iterdir()):
            archive.write(path, path.name)
    prints = []
    for name, data in (("folder", pictures), ("zip", packed)):
        fine("train", "ae", "--data", data, "--size", "8", "--outdir", tmp_path / name, "--desc", "it", *TINY)
        prints.append(package.load(tmp_path / name / "00000-it" / "model").fingerprint())
    assert prints[0] == prints[1]


def test_dry_run_prints_settings_that_read_back_and_sizes_and_writes_nothing(tmp_path, bars):
    out = fine("train", "alae", "--data", bars, "--outdir", tmp_path / "runs", *TINY, "--dry-run")
    settings, plan = yaml.safe_load_all(out)
    assert settings["recipe"]["method"] == "alae"
    assert plan["plan"]["iterations"] == 6
    assert plan["plan"]["parameters"]["encoder"] == sum(
        int(np.prod(shape)) for shape in ((16, 64), (16,), (16, 16), (16,), (4, 16), (4,))
    )
    assert not (tmp_path / "runs").exists()


def test_overrides_and_epochs_reach_the_settings(bars):
    out = fine("train", "ae", "--data", bars, "--epochs", "3", "--batch", "16", "--set", "optim.lr=5e-3", "-n")
    settings, plan = yaml.safe_load_all(out)
    assert settings["recipe"]["optim"]["lr"] == 0.005
    assert plan["plan"]["iterations"] == 3 * 128 // 16
    changed = twoway("train", "ae", "--data", bars, "--set", "data.source=digits", "-n")
    assert yaml.safe_load_all(changed.out) is not None
    assert next(iter(yaml.safe_load_all(changed.out)))["data"]["source"] == "digits"


def test_resume_by_number_name_and_latest_and_to_a_new_budget(run_copy):
    outdir = run_copy.parent
    for name in ("0", run_copy.name, "latest"):
        assert "has its 0.2 kimg already" in fine("resume", name, "--outdir", outdir)
    assert "continuing" in fine("resume", run_copy, "--kimg", "0.3")
    assert yaml.safe_load((run_copy / "config.yaml").read_text())["training"]["kimg"] == 0.3
    assert max(int(p.name) for p in (run_copy / "checkpoints").iterdir()) == 9


def test_generate_a_folder_and_a_grid_with_the_same_picture_for_a_seed(alae_run, tmp_path):
    fine("generate", alae_run, "--seeds", "0,4-6", "-o", tmp_path / "some")
    assert sorted(p.name for p in (tmp_path / "some").iterdir()) == [f"seed00000{n}.png" for n in (0, 4, 5, 6)]
    fine("generate", alae_run / "model", "--seeds", "5", "-o", tmp_path / "one")
    again, before = (Image.open(tmp_path / name / "seed000005.png").tobytes() for name in ("one", "some"))
    assert again == before
    assert before != Image.open(tmp_path / "some" / "seed000004.png").tobytes()
    fine("generate", alae_run, "--seeds", "0-3", "-o", tmp_path / "grid.png")
    assert Image.open(tmp_path / "grid.png").width > 16


def test_generate_needs_a_prior(ae_run, tmp_path):
    refused("generate", ae_run, "-o", tmp_path / "none", names=("'ae'", "no prior"))
    assert not (tmp_path / "none").exists()


def test_a_moved_run_still_works(run_copy, tmp_path):
    moved = run_copy.rename(tmp_path / "sp ace ünï")
    fine("info", moved)
    fine("encode", moved, "digits", "--max-images", "3", "-o", tmp_path / "ö" / "c.npz")
    assert np.load(tmp_path / "ö" / "c.npz")["w"].shape == (3, 1, 4)


def test_encode_names_files_and_leaves_broken_ones_out(ae_run, pictures, tmp_path):
    (pictures / "bar07.png").write_bytes((pictures / "bar07.png").read_bytes()[:60])
    result = twoway("encode", ae_run, pictures, "-o", tmp_path / "codes.npz")
    assert result.code == 0
    assert "bar07.png" in result.err
    stored = np.load(tmp_path / "codes.npz")
    assert len(stored["w"]) == len(stored["names"]) == 39
    assert stored["names"][0] == "bar00.png"
    assert "bar07.png" not in stored["names"]
    assert str(stored["fingerprint"]) == package.load(ae_run / "model").fingerprint()


def test_encode_keeps_labels(ae_run, bars, tmp_path):
    fine("encode", ae_run, bars, "--max-images", "6", "-o", tmp_path / "codes.npz")
    assert np.load(tmp_path / "codes.npz")["labels"].tolist() == [0, 1, 2, 3, 0, 1]


def test_reconstruct_a_folder_and_one_picture(ae_run, pictures, tmp_path):
    out = fine("reconstruct", ae_run, pictures, "-o", tmp_path / "again", "--max-images", "5")
    assert "5 reconstructions" in out
    assert sorted(p.name for p in (tmp_path / "again").iterdir()) == [f"bar0{n}.png" for n in range(5)]
    fine("reconstruct", ae_run, pictures / "bar03.png", "-o", tmp_path / "pair.png")
    picture = Image.open(tmp_path / "pair.png")
    assert picture.height > 1.5 * picture.width  # the original above


def test_reconstruct_never_replaces_originals(ae_run, pictures):
    before = contents(pictures)
    refused("reconstruct", ae_run, pictures, "-o", pictures, names=("originals", "--out"))
    refused("reconstruct", ae_run, pictures / "bar01.png", "-o", pictures / "bar01.png", names=("bar01.png",))
    assert contents(pictures) == before


def test_reconstructions_of_equal_names_are_told_apart(ae_run, pictures, tmp_path):
    Image.open(pictures / "bar00.png").convert("RGB").save(pictures / "bar00.jpg")
    fine("reconstruct", ae_run, pictures, "-o", tmp_path / "again")
    assert len(list((tmp_path / "again").iterdir())) == 41


def test_interpolate_between_seeds_and_pictures(alae_run, pictures, tmp_path):
    fine("interpolate", alae_run, "1", pictures / "bar00.png", "--steps", "5", "-o", tmp_path / "walk.gif")
    with Image.open(tmp_path / "walk.gif") as walk:
        assert walk.n_frames == 8  # there and back
    fine("interpolate", alae_run, "1", "2", "--steps", "4", "-o", tmp_path / "walk.png")
    strip = Image.open(tmp_path / "walk.png")
    assert strip.width > 3 * strip.height
    assert not list(tmp_path.glob(".writing*"))


def test_evaluate_prints_and_writes_the_same_numbers(ae_run, bars, tmp_path):
    out = fine("evaluate", ae_run, "--metrics", "mse,knn", "-o", tmp_path / "deep" / "m.json")
    stored = json.loads((tmp_path / "deep" / "m.json").read_text())
    assert set(stored["metrics"]) == {"mse", "knn"}
    (mse,) = stored["metrics"]["mse"]["models"].values()
    assert f"{mse['value']:.5g}" in out
    assert all(len(line) < 160 for line in out.splitlines() if not line.startswith("Written"))
    assert "n_images 128" in out
    same = fine("evaluate", ae_run / "model", "--data", bars, "--metrics", "mse")
    assert f"{mse['value']:.5g}" in same


def test_info_of_a_run_and_its_recipe(alae_run):
    facts = yaml.safe_load(fine("info", alae_run))
    assert facts["method"] == "alae"
    assert facts["latent code (layers, width)"] == [1, 4]
    assert yaml.safe_load(fine("info", alae_run, "--recipe"))["batch"] == 32


def test_data_info_and_check(pictures):
    facts = yaml.safe_load(fine("data", "info", pictures))
    assert facts["count"] == 40
    assert facts["shape"] == [3, 12, 12]
    assert "40 usable, 0 unusable" in fine("data", "check", pictures)
    (pictures / "note.png").write_text("no picture")
    result = twoway("data", "check", pictures)
    assert result.code == 1
    assert "note.png: is not a picture" in result.out


def test_demo(tmp_path):
    out = fine("demo", "--outdir", tmp_path, "--kimg", "0.3")
    assert (tmp_path / "00000-demo-alae-digits" / "report.html").is_file()
    assert "twoway generate" in out


def test_methods_lists_every_preset(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = fine("methods")
    for name in ("alae-mnist", "bigan", "vae", "jlr"):
        assert name in out


def test_init_from_starts_with_the_weights_of_another_run(ae_run, bars, tmp_path):
    fine("train", "ae", "--data", bars, "--outdir", tmp_path, "--desc", "fine", *TINY, "--init-from", ae_run,
         "--set", "optim.lr=1e-12", "--set", "optim.weight_decay=0")  # fmt: skip
    tuned = package.load(tmp_path / "00000-fine" / "model").nets["encoder"].head.linear.weight
    start = package.load(ae_run / "model").nets["encoder"].head.linear.weight
    assert np.allclose(tuned.detach(), start.detach(), atol=1e-6)


@pytest.mark.parametrize("arguments", [["--debug", "info", "nowhere"], ["info", "nowhere", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(arguments):
    with pytest.raises(package.storage.ModelError, match="nowhere"):
        twoway(*arguments)


def test_a_signal_stops_training_with_a_model_and_resume_goes_on(bars, tmp_path):
    command = [sys.executable, "-m", "twoway", "train", "ae", "--data", str(bars), "--outdir", str(tmp_path), "--desc",
               "stopped", *TINY, "--kimg", "300", "--set", "training.tick_kimg=0.5"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    for line in process.stdout:
        if line.startswith("kimg"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Continue with: twoway resume" in out
    run = tmp_path / "00000-stopped"
    done = max(int(p.name) for p in (run / "checkpoints").iterdir())
    fine("info", run)
    assert f"from iteration {done} " in fine("resume", run, "--kimg", str((done + 2) * 32 / 1000))


def test_an_interrupted_verb_says_so(ae_run, bars, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("twoway.latents.codes.encode_data", interrupted)
    result = twoway("encode", ae_run, bars, "-o", tmp_path / "codes.npz")
    assert result.code == 130
    assert "Interrupted" in result.err
    assert "Traceback" not in result.err
    assert not (tmp_path / "codes.npz").exists()


def test_a_model_is_found_by_latest_and_by_number(tmp_path, monkeypatch):
    from twoway.errors import CheckpointError
    from twoway.training.runs import model_folder

    for name in ("00000-first", "00001-second"):
        (tmp_path / "runs" / name / "model").mkdir(parents=True)
        (tmp_path / "runs" / name / "config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert model_folder("latest") == str(Path("runs/00001-second/model"))
    assert model_folder("0") == str(Path("runs/00000-first/model"))
    with pytest.raises(CheckpointError, match="00001-second"):
        model_folder("7")


def test_a_dry_run_with_neighbours_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = fine("train", "alae", "--data", "digits", "--option", "flavour=modern", "--option", "hidden=32", "--dry-run")
    assert "neighbours:" in said
    assert list(tmp_path.iterdir()) == []


def test_project_writes_codes_pictures_and_losses(alae_run, pictures, tmp_path):
    out = tmp_path / "found"
    said = fine("project", alae_run, pictures, "--max-images", "3", "--space", "w", "--steps", "20", "-o", out)
    assert "3 pictures" in said
    assert sorted(p.name for p in out.iterdir()) == ["codes.npz", "comparison.png", "losses.json", "pictures"]
    assert sorted(p.name for p in (out / "pictures").iterdir()) == [f"bar0{n}.png" for n in range(3)]
    stored = json.loads((out / "losses.json").read_text())
    assert list(stored["losses"]) == [f"bar0{n}.png" for n in range(3)]
    assert stored["settings"]["space"] == "w"
    assert all(len(losses) == 21 and min(losses) < losses[0] for losses in stored["losses"].values())
    model = package.load(alae_run / "model")
    codes = load_codes(out / "codes.npz", model)
    assert codes.w.shape == (3, 1, 4)
    made = to_uint8(model.decode(torch.from_numpy(codes.w)))
    assert np.array_equal(np.asarray(Image.open(out / "pictures" / "bar01.png")), made[1, 0].numpy())
    before = contents(out)
    fine("project", alae_run, pictures, "--max-images", "3", "--space", "w", "--steps", "20", "-o", out)
    assert contents(out) == before


def test_project_in_z_with_features_from_a_random_start(alae_run, bars, tmp_path):
    options = ("--space", "z", "--start", "random", "--perceptual", "0.1", "--features", "pyramid", "--steps", "5")
    fine("project", alae_run, bars, "--max-images", "2", *options, "-o", tmp_path / "found")
    codes = load_codes(tmp_path / "found" / "codes.npz")
    assert codes.z.shape == (2, 4)
    assert codes.labels.tolist() == [0, 1]
    model = package.load(alae_run / "model")
    np.testing.assert_allclose(model.map(torch.from_numpy(codes.z)).detach(), codes.w, rtol=1e-4, atol=1e-5)


def test_project_refuses_what_cannot_work(alae_run, ae_run, bars, tmp_path):
    out = tmp_path / "found"
    refused("project", ae_run, bars, "--space", "z", "-o", out, names=("no prior", "'w+'"))
    refused("project", alae_run, bars, "--space", "z", "--start", "encoder", "-o", out, names=("cannot be inverted",))
    refused("project", alae_run, bars, "--features", "pyramid", "-o", out, names=("--perceptual is 0",))
    refused("project", alae_run, bars, "--perceptual", "1", "--features", "pyramids", "-o", out,
            names=("'pyramids'", "did you mean 'pyramid'"))  # fmt: skip
    refused("project", alae_run, bars, "--lr", "0", "-o", out, names=("lr is 0.0",))
    # what tuning cannot do is said before the search, which writes its codes
    tune = ("--steps", "1", "--tune", "1", "--max-images", "1", "-o", out)
    refused("project", alae_run, bars, *tune, "--tune-layers", "nix", names=("no layer 'nix'",))
    refused("project", ae_run, bars, *tune, "--space", "w", "--locality", "1", names=("no prior", "locality of 0"))
    assert not out.exists()
    out.write_text("mine")
    refused("project", alae_run, bars, "-o", out, names=("found", "a file"))
    assert out.read_text() == "mine"


def test_evaluate_compares_sets_with_named_features(alae_run, tmp_path):
    path = tmp_path / "m.json"
    options = ("--metrics", "swd,swd-rec,fid,fid-rec", "--max-images", "40", "-o", path)
    out = fine("evaluate", alae_run, *options, "--features", "pyramid")
    metrics = json.loads(path.read_text())["metrics"]
    stored = {name: one for name, entry in metrics.items() for one in entry["models"].values()}
    assert set(stored) == {"swd", "swd-rec", "fid[pyramid]", "fid-rec[pyramid]"}
    assert stored["fid[pyramid]"]["features"]["name"] == "pyramid"
    assert {result["n_real"] for result in stored.values()} == {40}
    assert f"{stored['swd']['value']:.5g}" in out
    refused("evaluate", alae_run, *options, "--feature-weights", "some.npz", names=("some.npz", "--features"))
    refused("evaluate", alae_run, "--metrics", "flow-roundtrip", names=("cannot be inverted",))


def test_encode_scores_prior_codes_of_invertible_mappings(bars, tmp_path):
    model = small_model("vae")
    model.save(tmp_path / "model")
    out = fine("encode", tmp_path / "model", bars, "--max-images", "9", "-o", tmp_path / "codes.npz")
    codes = load_codes(tmp_path / "codes.npz", model)
    assert np.array_equal(codes.z, codes.w[:, 0])
    order = np.argsort(codes.in_domain)
    assert f"median {np.median(codes.in_domain):.2f}" in out
    assert f"least likely: {codes.names[order[0]]} ({codes.in_domain[order[0]]:.1f}), {codes.names[order[1]]}" in out
