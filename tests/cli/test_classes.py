"""Conditional models by command."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from shell import TINY, fine, refused
from toys import toy_images

from twoway.grids import image_grid


def test_from_training_to_pictures_by_class(place, bars, tmp_path, ae_run):
    fine("train", "vae", "--conditional", "--data", bars, "--outdir", tmp_path / "runs", "--desc", "told", *TINY)
    run = tmp_path / "runs" / "00000-told"
    assert len(list((run / "samples").glob("*-classes.png"))) > 0
    assert "accuracy" not in (run / "metrics.json").read_text()  # of an encoder that is told the classes

    fine("generate", run, "--seeds", "0-2", "--class", "0-3", "--out", tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as grid:  # a row a seed, a column a class
        assert grid.size == image_grid(torch.zeros(12, 1, 8, 8, dtype=torch.uint8), 4).size
    fine("generate", run, "--seeds", "5", "--class", "2,3", "--out", tmp_path / "made")
    names = sorted(p.name for p in (tmp_path / "made").iterdir())
    assert names == ["seed000005-class2.png", "seed000005-class3.png"]

    fine("encode", run, bars, "--out", tmp_path / "codes.npz")
    with np.load(tmp_path / "codes.npz") as codes:
        assert codes["w"].shape == (128, 1, 4 + 4)
        assert codes["w"][:, 0, 4:].argmax(1).tolist() == codes["labels"].tolist()
    fine("reconstruct", run, bars, "--out", tmp_path / "again.png")

    np.savez(tmp_path / "plain.npz", images=toy_images(64))
    refused("reconstruct", run, tmp_path / "plain.npz", "--out", tmp_path / "no", names=("labelled data set",))
    refused("train", "vae", "--conditional", "--data", tmp_path / "plain.npz", names=("plain.npz", "class"))
    refused("generate", run, "--class", "4", "--out", tmp_path / "no", names=("no class 4", "0 to 3"))
    refused("generate", run, "--class", "two", "--out", tmp_path / "no", names=("--class", "two"))
