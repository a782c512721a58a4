"""Small picture files, whole and broken, made where the test runs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> Image.Image:
    """A picture of noise, different for every seed."""
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], len(mode))
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8))


def encoded(seed: int, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    picture(seed, size, mode).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write `count` different PNG files 000.png ... and, last in order, whatever broken files are given."""

    def make(count: int, *, broken: int = 0, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> Path:
        folder = tmp_path / "pictures"
        folder.mkdir()
        for number in range(count):
            (folder / f"{number:03d}.png").write_bytes(encoded(number, size, mode))
        for number in range(broken):
            (folder / f"broken{number:03d}.png").write_text("this is not a picture")
        return folder

    return make


@pytest.fixture
def make_zip(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    def make(entries: dict[str, bytes]) -> Path:
        path = tmp_path / "pictures.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries.items():
                archive.writestr(name, content)
        return path

    return make


@pytest.fixture
def png() -> Callable[..., bytes]:
    return encoded


@pytest.fixture
def noise() -> Callable[..., Image.Image]:
    return picture
