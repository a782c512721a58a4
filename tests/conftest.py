"""Fixtures that most tests share."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # the tests' own helper modules

from small import small_model

from twoway.extensions import use_file

os.environ["TWOWAY_CACHE"] = "off"  # tests find nothing that an earlier run kept, and leave nothing behind
torch.set_num_threads(1)  # fixtures of whole modules come before the one below


def pytest_addoption(parser):
    parser.addoption("--use", action="append", default=[], help="a Python file whose methods meet the contract too")


def pytest_configure(config):
    """Before the test modules are imported, which list the methods."""
    for path in config.getoption("--use"):
        use_file(path)


@pytest.fixture(autouse=True)
def _one_thread():
    """Small nets run fastest on one thread, and sums in a fixed order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def model():
    return small_model()


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def mnist():
    """Pixels in [0, 1] and labels of MNIST: (train, labels, test, labels), from TWOWAY_DATA/MNIST/raw."""
    import gzip

    root = os.environ.get("TWOWAY_DATA")
    raw = Path(root or "") / "MNIST" / "raw"
    if not root or not raw.is_dir():
        pytest.skip("set TWOWAY_DATA to a folder that holds MNIST/raw to run this")

    def read(name, offset):
        path = raw / name
        data = path.read_bytes() if path.is_file() else gzip.decompress((raw / f"{name}.gz").read_bytes())
        return np.frombuffer(data, np.uint8, offset=offset)

    parts = []
    for split in ("train", "t10k"):
        parts.append(read(f"{split}-images-idx3-ubyte", 16).reshape(-1, 784).astype(np.float32) / 255)
        parts.append(read(f"{split}-labels-idx1-ubyte", 8).astype(np.int64))
    return tuple(parts)
