"""A test split that is there and cannot be used is an error; only one that is not there is passed over."""

from __future__ import annotations

import struct
import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from small import small_model
from toys import toy_images

from twoway.data import open_data
from twoway.errors import DataError, NoSplitError
from twoway.evaluation import Judged, open_pictures
from twoway.training.config import DataConfig


def idx(array):
    return struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(toy_images(6)))
    return tmp_path


def shown(path):
    return open_pictures((Judged("a", "a", small_model("ae"), "EMA"),), str(path))[0]


def test_without_test_pictures_the_training_pictures_stand_in(folder):
    train, test = DataConfig.make(str(folder)).open_both()
    assert test is train
    assert shown(folder).test is None


@pytest.mark.parametrize("kept", [0, 10, -1])
def test_a_cut_file_is_named(folder, kept):
    test = folder / "t10k-images-idx3-ubyte"
    test.write_bytes(idx(toy_images(4)))
    assert len(DataConfig.make(str(folder)).open_both()[1]) == len(shown(folder).test) == 4
    test.write_bytes(test.read_bytes()[:kept])
    with pytest.raises(DataError, match="t10k-images") as caught:
        DataConfig.make(str(folder)).open_both()
    assert not isinstance(caught.value, NoSplitError)
    with pytest.raises(DataError, match="t10k-images"):
        shown(folder)


def test_labels_of_another_count_are_no_reason_to_pass_the_split_over(folder):
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(toy_images(4)))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, np.uint8)))
    with pytest.raises(DataError, match="4 pictures"):
        DataConfig.make(str(folder)).open_both()


def test_a_split_whose_files_are_all_refused_is_there(tmp_path):
    place = tmp_path / "set.zip"

    with zipfile.ZipFile(place, "w") as archive:
        for number, picture in enumerate(toy_images(4)):
            stream = BytesIO()
            Image.fromarray(picture).save(stream, "PNG")
            archive.writestr(f"train/{number}.png", stream.getvalue())
    with pytest.raises(NoSplitError):
        open_data(place, split="test")
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr("test/0.png", b"x")
    content = bytearray(place.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 8] |= 1  # says that it is encrypted
    place.write_bytes(content)
    with pytest.raises(DataError, match=r"split 'test'.*test/0\.png") as caught:
        open_data(place, split="test")
    assert not isinstance(caught.value, NoSplitError)
