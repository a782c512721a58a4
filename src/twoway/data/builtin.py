"""Data sets that go by a name: scikit-learn's digits, MNIST, which is downloaded once, and pictures drawn here."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import urllib.request
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from twoway.data.avatars import avatars
from twoway.data.base import Split
from twoway.data.idx import find_idx_folder, load_idx
from twoway.data.rendered import Drawing
from twoway.data.sprites import FULL, SMALL, sprites
from twoway.errors import DataError

__all__ = ["DRAWINGS", "PRESETS", "load_preset"]

PRESETS: dict[str, str] = {
    "digits": "1,797 handwritten digits of 8x8 that come with scikit-learn; 1,500 train, 297 test; no download",
    "mnist": "70,000 handwritten digits of 28x28; 60,000 train, 10,000 test; 12 MB, downloaded once",
    "sprites": "737,280 white shapes on black of 64x64 with five known factors, drawn when read; 10,000 of them test",
    "sprites-small": "5,760 of such shapes on a coarser grid of the factors; 5,000 train, 760 test",
    "avatars": "22,000 drawn people in colour of 64x64 with ten known factors; 20,000 train, 2,000 test",
}
"""Names that `open_data` knows, each with one line about it."""
DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "sprites": partial(sprites, FULL, 10_000),
    "sprites-small": partial(sprites, SMALL, 760),
    "avatars": avatars,
}
"""Those of the names whose pictures are drawn when they are read."""

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""md5 of the uncompressed files: the same whoever compressed them."""
TIMEOUT_S = 30
MAX_DOWNLOAD = 64 * 2**20
DIGITS_TRAIN = 1500


def load_preset(name: str, split: Split) -> tuple[np.ndarray, np.ndarray | None]:
    """Return pictures and labels of a built-in data set that is not drawn.

    Args:
        name: A key of `PRESETS` that is none of `DRAWINGS`.
        split: ``all`` is train followed by test.

    Returns:
        uint8 of shape (N, H, W) and labels of shape (N,).

    Raises:
        DataError: MNIST is not there and cannot be downloaded.
    """
    return _digits(split) if name == "digits" else load_idx(_mnist_folder(), split)


def _digits(split: Split) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits  # takes a second to import, and only the digits need it

    digits = load_digits()
    images = ((digits.images.astype(np.int64) * 255 + 8) // 16).astype(np.uint8)  # round(v * 255 / 16), v in 0..16
    # RandomState's streams are frozen by NumPy, so the split is the same with every version, for ever.
    order = np.random.RandomState(0).permutation(len(images))
    train, test = np.sort(order[:DIGITS_TRAIN]), np.sort(order[DIGITS_TRAIN:])
    rows = {"train": train, "test": test, "all": np.concatenate([train, test])}[split]
    return images[rows], digits.target[rows]


def _cache_folder() -> Path:
    root = os.environ.get("TWOWAY_CACHE")
    return (Path(root).expanduser() if root else Path.home() / ".cache" / "twoway") / "mnist"


def _mnist_folder() -> Path:
    given = os.environ.get("TWOWAY_DATA")
    if given:
        found = find_idx_folder(Path(given).expanduser())
        if found is not None:
            return found
    cache = _cache_folder()
    for name, md5 in MNIST_MD5.items():
        if not (cache / f"{name}.gz").is_file() and not (cache / name).is_file():
            _download(name, md5, cache)
    return cache


def _download(name: str, md5: str, folder: Path) -> None:
    problems = []
    for mirror in MIRRORS:
        url = f"{mirror}{name}.gz"
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
                packed = response.read(MAX_DOWNLOAD)
            _verify(packed, md5)
        except (OSError, EOFError, zlib.error, ValueError) as error:  # URLError and time-outs are OSErrors
            problems.append(f"{url}: {error}")
            continue
        _keep(packed, folder, f"{name}.gz")
        return
    files = ", ".join(f"{file}.gz" for file in MNIST_MD5)
    raise DataError(
        f"MNIST is not on this machine and {name}.gz cannot be downloaded ({'; '.join(problems)}). Put the four files "
        f"{files} into {folder}, or into MNIST/raw of a folder that the environment variable TWOWAY_DATA names."
    )


def _verify(packed: bytes, md5: str) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
        while piece := stream.read(2**20):
            digest.update(piece)
            if stream.tell() > MAX_DOWNLOAD:
                raise ValueError("unpacks to far more than MNIST is")
    if digest.hexdigest() != md5:
        raise ValueError(f"md5 of the unpacked data is {digest.hexdigest()}, not {md5}")


def _keep(content: bytes, folder: Path, name: str) -> None:
    # Under another name first: a download that is broken off, or two at once, must never leave half a file.
    temporary = folder / f".{name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(folder / name)
    except OSError as error:
        raise DataError(
            f"MNIST cannot be kept in {folder} ({error.strerror}). Set the environment variable TWOWAY_CACHE to a "
            "folder that can be written."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
