import csv

import numpy as np
import pytest

from twoway.data import open_data, write_folder
from twoway.errors import DataError


def test_what_is_written_reads_back_the_same(tmp_path):
    parts = [open_data("avatars", split=split, size=16) for split in ("train", "test")]
    assert write_folder(parts, tmp_path / "people", count=5, seed=3) == {"train": 5, "test": 5}
    for part in parts:
        again = open_data(tmp_path / "people", split=part.split)
        rows = np.sort(np.random.default_rng(3).permutation(len(part))[:5])
        assert (again.read(range(5)) == part.read(rows)).all()
        assert again.attribute_names == part.attribute_names
        assert (again.attributes == part.attributes[rows]).all()


def test_classes_without_attributes_are_labels(tmp_path):
    digits = open_data("digits", split="test")
    assert write_folder([digits], tmp_path / "digits") == {"test": 297}
    with (tmp_path / "digits" / "labels.csv").open() as file:
        heading, *rows = csv.reader(file)
    assert heading == ["file", "label"]
    assert [int(label) for _, label in rows] == digits.labels.tolist()
    again = open_data(tmp_path / "digits")
    assert again.shape == (1, 8, 8)
    assert (again.read(range(297)) == digits.read(range(297))).all()


def test_pictures_of_two_sources_do_not_mix(tmp_path):
    (tmp_path / "mine.png").touch()
    with pytest.raises(DataError, match="not an empty folder"):
        write_folder([open_data("digits")], tmp_path)
    with pytest.raises(DataError, match="not an empty folder"):
        write_folder([open_data("digits")], tmp_path / "mine.png")
