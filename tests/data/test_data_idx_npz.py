import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from twoway.data import open_data
from twoway.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 10, 10), np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9], np.uint8)


def idx(array, magic=None):
    magic = 0x0800 + array.ndim if magic is None else magic
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    raw = tmp_path / "toy" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    (raw / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    (raw / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[:2])))
    (raw / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[:2]))
    return tmp_path / "toy"


def test_idx_splits(folder):
    data = open_data(folder)
    assert (data.name, data.shape, len(data)) == ("toy", (1, 10, 10), 6)
    assert np.array_equal(data.read(range(6)).numpy()[:, 0], IMAGES)
    assert data.labels.tolist() == LABELS.tolist()
    assert data.labels.dtype == np.int64
    assert data.in_memory
    assert len(open_data(folder / "raw", split="test")) == 2
    assert open_data(folder, split="all").labels.tolist() == [*LABELS, 3, 1]


def test_idx_below_mnist_raw_and_with_dots(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images.idx3-ubyte").write_bytes(idx(IMAGES))
    data = open_data(tmp_path)
    assert data.labels is None
    assert data.name == "mnist"
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte"):
        open_data(tmp_path, split="test")


def test_idx_resized_and_coloured(folder):
    data = open_data(folder, size=14, channels=3, fit="pad")
    assert (data.name, data.shape) == ("toy14", (3, 14, 14))
    assert np.array_equal(data.read([1]).numpy()[0, 2, 2:12, 2:12], IMAGES[1])
    assert data.fingerprint() != open_data(folder).fingerprint()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (idx(IMAGES, magic=0x0801), "0x00000801 instead of 0x00000803"),
        (idx(IMAGES, magic=0x0D03), "0x00000d03 instead of"),
        (b"", "nothing instead of"),
        (idx(IMAGES)[:9], "cut off in its header"),
        (idx(IMAGES)[:-1], "should hold 600 bytes .* only 599"),
        (idx(IMAGES) + b"x", "there are more"),
        (struct.pack(">4I", 0x0803, 2**31, 60000, 60000), "claims the sizes"),
        (struct.pack(">4I", 0x0803, 0, 28, 28), "claims the sizes"),
        (struct.pack(">4I", 0x0803, 4_000_000, 28, 28) + b"x", "only 1"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_that_is_damaged(folder, content, words, packed):
    path = folder / "raw" / "train-images-idx3-ubyte"
    path.unlink()
    if packed:
        path = path.with_name(path.name + ".gz")
        content = gzip.compress(content)
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as error:
        open_data(folder)
    assert str(path) in str(error.value)


def test_gzip_that_is_cut_off(folder):
    path = folder / "raw" / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"labels-idx1-ubyte\.gz cannot be read"):
        open_data(folder)
    path.write_bytes(b"not gzip")
    with pytest.raises(DataError, match=r"labels-idx1-ubyte\.gz cannot be read"):
        open_data(folder)


def test_gzip_that_unpacks_for_ever(folder):
    path = folder / "raw" / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(idx(IMAGES) + bytes(30_000_000)))
    with pytest.raises(DataError, match="there are more"):
        open_data(folder, split="test")


def test_labels_of_another_length(folder):
    (folder / "raw" / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(DataError, match=r"2 pictures, but .* 6 labels"):
        open_data(folder, split="test")


# .npz


def save(tmp_path, **arrays):
    path = tmp_path / "toy.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("shape", [(6, 10, 10), (6, 10, 10, 1), (6, 10, 10, 3)])
def test_npz(tmp_path, shape):
    images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    data = open_data(save(tmp_path, images=images, labels=LABELS))
    channels = shape[3] if len(shape) == 4 else 1
    assert data.shape == (channels, 10, 10)
    assert data.name == "toy"
    assert np.array_equal(data.read(range(6)).numpy(), images.reshape(6, 10, 10, channels).transpose(0, 3, 1, 2))
    assert data.labels.tolist() == LABELS.tolist()


def test_npz_colour_to_grey_is_pillows(tmp_path, noise):
    images = np.stack([np.asarray(noise(seed)) for seed in range(3)])
    data = open_data(save(tmp_path, images=images), channels=1)
    assert np.array_equal(data.read([2]).numpy()[0, 0], np.asarray(noise(2).convert("L")))


def test_npz_of_oblong_pictures_is_cropped(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (4, 8, 12, 3), np.uint8)
    data = open_data(save(tmp_path, images=images))
    assert (data.name, data.shape) == ("toy8", (3, 8, 8))
    assert np.array_equal(data.read([1]).numpy()[0], images[1, :, 2:10].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": IMAGES}, "holds pictures;"),
        ({"images": IMAGES.astype(np.float32)}, "is float32"),
        ({"images": IMAGES.transpose(1, 2, 0)[:, None, :, :].repeat(3, 1)}, r"looks like \(N, C, H, W\)"),
        ({"images": IMAGES[0]}, "has the shape"),
        ({"images": IMAGES[:0]}, "has the shape"),
        ({"images": IMAGES, "labels": LABELS[:3]}, "`labels` .* shape .3,."),
        ({"images": IMAGES, "labels": LABELS / 2}, "`labels` .* is float64"),
        ({"images": np.array([{"a": 1}] * 2, object)}, "pickled"),
        ({"images": np.zeros((4, 1, 30), np.uint8)}, "pictures of 30x1"),
    ],
)
def test_npz_that_is_wrong(tmp_path, arrays, words):
    path = save(tmp_path, **arrays)
    with pytest.raises(DataError, match=words) as error:
        open_data(path)
    assert str(path) in str(error.value)


def test_npz_that_is_damaged(tmp_path):
    path = save(tmp_path, images=IMAGES)
    whole = path.read_bytes()
    for content in (whole[:-100], b"hello", b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"toy\.npz cannot be read"):
            open_data(path)


@pytest.mark.parametrize("shape", [(7, 10, 10), (10**9, 10**4, 10**4, 3)])
def test_npz_whose_header_claims_more_than_there_is(tmp_path, shape):
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "|u1", "fortran_order": False, "shape": shape})
    path = tmp_path / "toy.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", array.getvalue() + IMAGES.tobytes())
    with pytest.raises(DataError, match="claims the shape"):
        open_data(path)


def test_npz_has_no_test_part(tmp_path):
    with pytest.raises(DataError, match="no test part"):
        open_data(save(tmp_path, images=IMAGES), split="test")
