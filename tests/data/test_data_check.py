import dataclasses

import numpy as np
import pytest
from PIL import Image

from twoway.data import check_data, open_data
from twoway.errors import DataError


def test_a_good_folder(make_folder):
    folder = make_folder(25)
    report = check_data(folder)
    assert (report.total, report.usable, report.unusable) == (25, 25, {})
    assert report.sizes == {"16x16": 25}
    assert report.modes == {"RGB": 25}
    assert report.duplicates == ()
    assert report.shape == open_data(folder).shape
    assert report.trainable
    assert report.verdict == "trains: every picture can be used."
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.usable = 3


def test_everything_that_is_wrong_is_listed(make_folder, noise, png):
    folder = make_folder(40, size=(32, 32))
    (folder / "text.png").write_text("hello")
    cut = folder / "cut.jpg"
    noise(1, (64, 64)).save(cut)
    cut.write_bytes(cut.read_bytes()[:-300])
    (folder / "again.png").write_bytes(png(3, (32, 32)))
    Image.new("L", (20, 10)).save(folder / "grey.png")
    report = check_data(str(folder))
    assert sorted(report.unusable) == ["cut.jpg", "text.png"]
    assert "cut off" in report.unusable["cut.jpg"]
    assert report.sizes == {"32x32": 41, "20x10": 1}
    assert report.modes == {"RGB": 41, "L": 1}
    assert report.duplicates == (("003.png", "again.png"),)
    assert report.trainable  # 2 of 44 is within 5 %
    text = str(report)
    for part in (str(folder), "44, 42 usable, 2 unusable", "003.png = again.png", "cut.jpg: is cut off", "32x32 (41)"):
        assert part in text
    assert text.endswith(f"Verdict:   {report.verdict}")


def test_agrees_with_what_training_does(make_folder):
    folder = make_folder(20, broken=2)
    report = check_data(folder)
    assert not report.trainable
    assert "2 of 22" in report.verdict
    with pytest.raises(DataError, match="2 of 22"):
        open_data(folder).read([0])


def test_everything_broken_is_a_report(make_folder):
    report = check_data(make_folder(0, broken=3))
    assert (report.total, report.usable, report.shape) == (3, 0, None)
    assert len(report.unusable) == 3
    assert "none of the 3" in report.verdict
    assert not report.trainable
    assert "broken001.png" in str(report)


def test_nothing_and_one(tmp_path, make_folder):
    (tmp_path / "empty").mkdir()
    assert "there are no pictures" in check_data(tmp_path / "empty").verdict
    assert "at least 2" in check_data(make_folder(1)).verdict


def test_zip(make_zip, png):
    entries = {f"{number}.png": png(number) for number in range(30)}
    report = check_data(make_zip({**entries, "../evil.png": png(50)}))
    assert (report.total, report.usable) == (31, 30)
    assert list(report.unusable) == ["../evil.png"]
    assert report.trainable


def test_arrays(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 12), np.uint8)
    images[4] = images[1]
    np.savez(tmp_path / "toy.npz", images=images, labels=np.array([0, 1, 1, 2, 1]))
    report = check_data(tmp_path / "toy.npz")
    assert (report.total, report.sizes, report.modes, report.labels) == (5, {"12x12": 5}, {"L": 5}, 3)
    assert report.duplicates == (("picture 1", "picture 4"),)
    assert check_data("digits").usable == 1797


def test_wrong_labels_are_reported(make_folder):
    folder = make_folder(3)
    (folder / "labels.csv").write_text("file,label\n000.png,1\n")
    report = check_data(folder)
    assert report.usable == 3
    assert not report.trainable
    assert "no label for 2 of 3" in report.verdict


def test_labels_are_counted(tmp_path, png):
    for number, name in enumerate(["ant", "bee", "cat"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(png(number))
    assert check_data(tmp_path).labels == 3


def test_progress(make_folder):
    calls = []
    check_data(make_folder(120), progress=lambda what, done, total: calls.append((done, total)))
    assert calls == [(100, 120), (120, 120)]


def test_raises_only_where_there_is_nothing_to_open(tmp_path):
    with pytest.raises(DataError, match="no file or folder"):
        check_data(tmp_path / "gone" / "x")
    (tmp_path / "a.zip").write_text("no zip")
    with pytest.raises(DataError, match="cannot be opened"):
        check_data(tmp_path / "a.zip")
