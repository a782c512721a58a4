"""Tiny trained runs and pictures that the tests of the command line share."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import toy_file, toy_images

sys.path.insert(0, str(Path(__file__).parent))

from shell import TINY, fine


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session")
def bars(place):
    """Labelled toy pictures, an .npz file."""
    return toy_file(place, 128)


@pytest.fixture(scope="session")
def alae_run(place, bars):
    """A finished run of a method with a prior; tests must not change it."""
    fine("train", "alae", "--data", bars, "--outdir", place / "runs", "--desc", "tiny", *TINY)
    return place / "runs" / "00000-tiny"


@pytest.fixture(scope="session")
def ae_run(place, bars):
    """A finished run of a method without a prior; tests must not change it."""
    fine("train", "ae", "--data", bars, "--outdir", place / "other", "--desc", "plain", *TINY)
    return place / "other" / "00000-plain"


@pytest.fixture
def run_copy(ae_run, tmp_path):
    """A finished run that a test may spoil."""
    return Path(shutil.copytree(ae_run, tmp_path / "copied" / ae_run.name))


@pytest.fixture
def pictures(tmp_path):
    """A folder of forty small colour pictures."""
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for number, grey in enumerate(toy_images(40)):
        colour = np.stack([grey, grey // 2, 255 - grey], -1)
        Image.fromarray(colour).resize((12, 12)).save(folder / f"bar{number:02d}.png")
    return folder
