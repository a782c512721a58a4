import json

import pytest

from twoway.data import open_data
from twoway.data.layout import arrange
from twoway.errors import DataError


def write(folder, names, png):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(number))


def test_labels_from_folders(tmp_path, png):
    write(tmp_path, ["cat/1.png", "cat/more/2.png", "ant/1.png", "dog/1.png"], png)
    assert open_data(tmp_path).labels.tolist() == [0, 1, 1, 2]  # ant, cat, cat, dog


@pytest.mark.parametrize("names", [["cat/1.png", "cat/2.png"], ["1.png", "cat/2.png", "dog/3.png"], ["1.png", "2.png"]])
def test_no_labels_from_folders(tmp_path, png, names):
    write(tmp_path, names, png)
    assert open_data(tmp_path).labels is None


def test_labels_from_dataset_json(tmp_path, png):
    write(tmp_path, ["00/a.png", "00/b.png", "01/c.png"], png)
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["01/c.png", 7], ["00/a.png", 5], ["00/b.png", 6]]}))
    assert open_data(tmp_path).labels.tolist() == [5, 6, 7]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": None}))
    assert open_data(tmp_path).labels.tolist() == [0, 0, 1]  # as without the table: the folders


def test_labels_from_csv(tmp_path, png):
    write(tmp_path, ["a.png", "b.png", "c.png"], png)
    (tmp_path / "labels.csv").write_text("file,label\nb.png,12\na.png,3\nc.png,12\n")
    assert open_data(tmp_path).labels.tolist() == [3, 12, 12]
    (tmp_path / "labels.csv").write_text("file,label\nb.png,dog\na.png,ant\nc.png,dog\n")
    assert open_data(tmp_path).labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("dataset.json", "{", "not a label table"),
        ("dataset.json", '{"labels": [["a.png"]]}', "not a label table"),
        ("dataset.json", '["a.png"]', "not a label table"),
        ("dataset.json", "[" * 100000, "not a label table"),
        ("labels.csv", "file,label\na.png,1\n", r"no label for 1 of 2 pictures, the first of them b\.png"),
        ("labels.csv", "file,label\na.png,1,2\n", "line 2, has 3 columns"),
        ("labels.csv", "file,label\na.png,\xff", "not UTF-8"),
        ("labels.csv", "file,label\na.png\nb.png,1\n", "line 2, has 1 column; two are expected"),
        ("labels.csv", "file,label\na.png,1\nb.png,1\n\nx.png,1\n", r"line 5, is about 'x\.png'.*names like 'a\.png'"),
        ("labels.csv", "file,label\na.png,1\nb.png,1\na.png,2\n", r"line 4, is a second row for a\.png, after line 2"),
    ],
)
def test_wrong_label_tables(tmp_path, png, name, text, words):
    write(tmp_path, ["a.png", "b.png"], png)
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=words) as error:
        open_data(tmp_path)
    assert name in str(error.value)


def test_train_and_val_folders_are_splits(tmp_path, png):
    write(tmp_path, ["train/a.png", "train/b.png", "val/c.png"], png)
    (tmp_path / "labels.csv").write_text("file,label\ntrain/a.png,1\ntrain/b.png,2\nval/c.png,3\n")
    parts = {split: open_data(tmp_path, split=split) for split in ("train", "test", "all")}
    assert {split: len(data) for split, data in parts.items()} == {"train": 2, "test": 1, "all": 3}
    assert {split: data.labels.tolist() for split, data in parts.items()} == {
        "train": [1, 2],
        "test": [3],
        "all": [1, 2, 3],
    }
    assert len({data.fingerprint() for data in parts.values()}) == 3
    assert (parts["test"].read([0]) == parts["all"].read([2])).all()


def test_classes_inside_splits(tmp_path, png):
    write(tmp_path, ["train/cat/a.png", "train/dog/b.png", "test/dog/c.png"], png)
    assert open_data(tmp_path, split="test").labels.tolist() == [1]  # dog, though the test part has no cat


def test_test_folder_goes_before_val(tmp_path, png):
    layout = arrange(["test/1.png", "train/2.png", "val/3.png"])
    assert layout.splits == {"train": (1,), "test": (0,), "all": (0, 1, 2)}


def test_no_test_part(make_folder):
    with pytest.raises(DataError, match=r"no test part.*train and test"):
        open_data(make_folder(3), split="test")


def test_a_folder_around_everything_is_looked_through(make_zip, png):
    labels = json.dumps({"labels": [["a.png", 1], ["b.png", 2]]}).encode()
    data = open_data(
        make_zip({"faces/x/a.png": png(0), "faces/x/b.png": png(1), "faces/x/dataset.json": labels}), split="all"
    )
    assert data.labels.tolist() == [1, 2]
    split = arrange(["faces/train/a.png", "faces/test/b.png"])
    assert split.splits["test"] == (1,)
