import json

import numpy as np
import pytest

from twoway.data import check_data, open_data, require_classes
from twoway.errors import ConfigError, DataError

FILES = ("a.png", "b.png", "c.png")


@pytest.fixture
def folder(tmp_path, png):
    for number, name in enumerate(FILES):
        (tmp_path / name).write_bytes(png(number))
    return tmp_path


def test_attributes_csv(folder):
    (folder / "attributes.csv").write_text("file,Smiling,Age\nc.png,1,30\na.png,0,20\nb.png,1,-1\n")
    data = open_data(folder)
    assert data.attribute_names == ("Smiling", "Age")
    assert data.attributes.tolist() == [[0, 20], [1, -1], [1, 30]]
    assert data.attributes.dtype == np.int64
    assert data.labels is None
    assert data.describe()["attributes"] == ["Smiling", "Age"]
    assert open_data(folder, label="Smiling").labels.tolist() == [0, 1, 1]
    assert open_data(folder, label="Age").labels.tolist() == [20, -1, 30]


def test_labels_csv_with_more_columns_is_a_table_of_attributes(folder):
    (folder / "labels.csv").write_text("file,Hat,Scarf\na.png,-1,1\nb.png,-1,-1\n\nc.png,1,-1\n")
    data = open_data(folder, label="Hat")
    assert data.attributes.tolist() == [[0, 1], [0, 0], [1, 0]]  # -1 means no where there are only -1 and 1
    assert data.labels.tolist() == [0, 0, 1]


def test_celebas_own_list_serves_a_part_of_the_pictures(tmp_path, png):
    inner = tmp_path / "img_align_celeba"
    inner.mkdir()
    for number in (2, 4):
        (inner / f"{number:06d}.jpg").write_bytes(png(number))
    rows = [f"{number:06d}.jpg  {'-1' if number % 3 else ' 1'}  1 -1" for number in range(1, 6)]
    listing = "5\nBald Eyeglasses Young \n" + "\n".join(rows) + "\n"
    (tmp_path / "list_attr_celeba.txt").write_text(listing)
    data = open_data(tmp_path)
    assert data.attribute_names == ("Bald", "Eyeglasses", "Young")
    assert data.attributes.tolist() == [[0, 1, 0], [0, 1, 0]]
    (tmp_path / "list_attr_celeba.txt").unlink()
    comma = "image_id,Bald,Young\n" + "".join(
        f"{number:06d}.jpg,{1 if number == 4 else -1},1\n" for number in range(1, 6)
    )
    (inner / "list_attr_celeba.csv").write_text(comma)
    assert open_data(tmp_path, label="Bald").labels.tolist() == [0, 1]


def test_tables_and_splits(tmp_path, png):
    for number, name in enumerate(("train/a.png", "train/b.png", "val/c.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(number))
    for rows in ("train/a.png,1\ntrain/b.png,0\nval/c.png,1\n", "c.png,1\nb.png,0\na.png,1\n"):
        (tmp_path / "attributes.csv").write_text("file,Hat\n" + rows)
        assert open_data(tmp_path, split="train", label="Hat").labels.tolist() == [1, 0]
        assert open_data(tmp_path, split="test", label="Hat").labels.tolist() == [1]


def test_a_name_that_two_splits_share_must_be_whole(tmp_path, png):
    for number, name in enumerate(("train/a.png", "train/b.png", "val/a.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png(number))
    (tmp_path / "attributes.csv").write_text("file,Hat\na.png,1\nb.png,0\n")
    with pytest.raises(DataError, match=r"no attributes for 2 of 3 pictures, the first of them train/a\.png"):
        open_data(tmp_path)


def test_a_zip_and_folders_for_classes(make_zip, png):
    rows = b"file,Hat\ncat/a.png,1\ndog/b.png,0\n"
    archive = make_zip({"pets/cat/a.png": png(0), "pets/dog/b.png": png(1), "pets/attributes.csv": rows})
    data = open_data(archive)
    assert (data.labels.tolist(), data.attributes.tolist()) == ([0, 1], [[1], [0]])
    assert open_data(archive, label="Hat").labels.tolist() == [1, 0]


GOOD = "a.png,1,0\nb.png,0,0\nc.png,1,1\n"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("attributes.csv", "file,Hat,Bow\na.png,1,0\nb.png,0,0\n", r"no attributes for 1 of 3 .*first of them c\.png"),
        ("attributes.csv", "file,Hat,Bow\n", r"for 3 of 3 pictures.*no rows"),
        ("attributes.csv", "", "empty"),
        ("attributes.csv", "file,Hat,Bow\n" + GOOD + "d.png,1,1\n", r"line 5, is about 'd\.png'.*Correct the name"),
        ("attributes.csv", "file,Hat,Bow\n" + GOOD + "d,1,1\ne,0,0\n", "nor for 1 more"),
        ("attributes.csv", "file,Hat,Bow\na.png,1\n", "line 2, has 2 columns; 3 are expected"),
        ("attributes.csv", "file,Hat,Bow\na.png,1,0,1\n", "line 2, has 4 columns; 3 are expected"),
        (
            "attributes.csv",
            "file,Hat\na.png,yes\nb.png,0\nc.png,1\n",
            r"line 2, has 'yes' for 'Hat' of a\.png; a whole",
        ),
        ("attributes.csv", "file,Hat\na.png,0.5\nb.png,0\nc.png,1\n", "line 2, has '0.5' for 'Hat'"),
        ("attributes.csv", "file,Hat\na.png,\nb.png,0\nc.png,1\n", "line 2, has '' for 'Hat'"),
        ("attributes.csv", f"file,Hat\na.png,{10**30}\nb.png,0\nc.png,1\n", "line 2, has '1000"),
        (
            "attributes.csv",
            "file,Hat,Bow\n" + GOOD + "a.png,1,1\n",
            r"line 5, is a second row for a\.png, after line 2",
        ),
        ("attributes.csv", "file,Hat,Hat\n" + GOOD, "'Hat' twice"),
        ("attributes.csv", "file,Hat,\n" + GOOD, "no name for column 3"),
        ("attributes.csv", "file\na.png\n", "without attributes"),
        ("attributes.csv", GOOD, "line 1, holds numbers.*must be a heading"),
        ("attributes.csv", 'file,Hat,Bow\na.png,1,"0\n', "line 2, is not a line of values"),
        ("attributes.csv", "file,H\xe4t\n", "not UTF-8"),
        ("labels.csv", "file,Hat,Bow\n" + GOOD + "d.png,1,1\n", r"line 5, is about 'd\.png'"),
        ("list_attr_celeba.txt", "Hat Bow\na.png 1 1\n", "line 1, is not the number of rows"),
        (
            "list_attr_celeba.txt",
            "4\nHat Bow\na.png 1 1\nb.png 1 1\nc.png 1 1\n",
            "announces 4 rows in line 1 and has 3",
        ),
        (
            "list_attr_celeba.txt",
            "3\nHat Bow\na.png 1 1\nb.png 1\nc.png 1 1\n",
            "line 4, has 2 columns; 3 are expected",
        ),
        ("list_attr_celeba.txt", "3\nHat Bow\na.png 1 1\nb.png x 1\nc.png 1 1\n", "line 4, has 'x' for 'Hat'"),
        ("list_attr_celeba.txt", "3\nHat Bow\nx.png 1 1\ny.png 1 1\nz.png 1 1\n", r"for 3 of 3 .*first row .*'x\.png'"),
        ("list_attr_celeba.txt", "", "line 1"),
    ],
)
def test_tables_that_do_not_fit_the_pictures(folder, name, text, words):
    (folder / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=words) as error:
        open_data(folder)
    assert name in str(error.value)
    assert str(folder) in str(error.value)
    report = check_data(folder)
    assert not report.trainable
    assert str(error.value) in report.verdict


def test_labels_that_are_not_known(folder):
    with pytest.raises(ConfigError, match=r"Nothing called 'Hat' is known.*attributes\.csv"):
        open_data(folder, label="Hat")
    with pytest.raises(ConfigError, match="Nothing called 'shape' is known of the pictures of digits"):
        open_data("digits", label="shape")
    (folder / "attributes.csv").write_text("file,Hat,Bow\n" + GOOD)
    with pytest.raises(ConfigError, match="did you mean 'Hat'"):
        open_data(folder, label="hat")


def test_check_counts_classes_of_one_picture_and_names_attributes(folder):
    (folder / "dataset.json").write_text(json.dumps({"labels": [["a.png", 0], ["b.png", 1], ["c.png", 1]]}))
    (folder / "attributes.csv").write_text("file,Hat,Bow\n" + GOOD)
    report = check_data(folder)
    assert (report.labels, report.single, report.attributes) == (2, 1, ("Hat", "Bow"))
    assert "1 of them with one picture only" in str(report)
    assert "Known:     Hat, Bow" in str(report)


def test_classes_that_are_too_small():
    require_classes(np.array([0, 1, 0, 1]), "here")
    with pytest.raises(DataError, match=r"here 2 of 3 classes have fewer: 4 \(1\), 7 \(1\)"):
        require_classes(np.array([0, 4, 0, 7]), "here")
    with pytest.raises(DataError, match=r"two classes.*are all 3"):
        require_classes(np.array([3, 3]), "here")
    with pytest.raises(DataError, match="missing"):
        require_classes(np.array([], int), "here")
