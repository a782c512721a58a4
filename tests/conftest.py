"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # the tests' own helper module, `toys`


@pytest.fixture(autouse=True)
def _one_thread():
    """Small nets run fastest on one thread, and sums in a fixed order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def mnist() -> str:
    """Folder with MNIST's IDX files, from $TWOWAY_DATA."""
    folder = Path(os.environ.get("TWOWAY_DATA", "")) / "MNIST"
    if not os.environ.get("TWOWAY_DATA") or not folder.is_dir():
        pytest.skip("real MNIST is needed: set TWOWAY_DATA to the folder that holds MNIST/raw")
    return str(folder)
