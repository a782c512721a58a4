import csv

import numpy as np
import pytest
from PIL import Image

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


@pytest.mark.parametrize("cache_mib", [0, 512])
def test_no_picture_stands_in_for_a_broken_one(tmp_path, cache_mib):
    folder = tmp_path / "mine"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "0.png").write_bytes(b"no picture")
    (folder / "attributes.csv").write_text("file,A\n" + "".join(f"{n}.png,{n % 2}\n" for n in range(5)))
    data = open_data(folder, split="all", cache_mib=cache_mib)
    assert write_folder([data], tmp_path / "out") == {"all": 4}
    assert set(data.skipped) == {"0.png"}
    with (tmp_path / "out" / "attributes.csv").open() as file:
        _, *rows = csv.reader(file)
    written = sorted((tmp_path / "out").rglob("*.png"))
    assert [name for name, _ in rows] == [f"all/{path.name}" for path in written]
    assert [value for _, value in rows] == ["1", "0", "1", "0"]
    for number, path in enumerate(written, 1):
        assert np.array_equal(Image.open(path), Image.open(folder / f"{number}.png"))
