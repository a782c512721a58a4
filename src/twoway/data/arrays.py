"""Pictures that lie in memory as one array: the digits, MNIST and other IDX files, .npz files."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from PIL import Image

from twoway.data.base import Fit, ImageData, Indices, Split, as_rows, sized_name
from twoway.data.decode import MAX_ASPECT, MIN_SIDE, Header, choose_shape, fit_picture
from twoway.errors import DataError

__all__ = ["ArrayImages"]


class ArrayImages(ImageData):
    """Pictures in memory, brought to their shape once, when opened.

    Args:
        images: uint8 of shape (N, H, W) or (N, H, W, C), C 1 or 3, N at least 1.
        labels: Whole numbers of shape (N,), or None.
        name: Short name; the size is added where it is not the stored one.
        source: Built-in name or absolute path.
        split: Which part of the source this is.
        size: Side of the pictures wanted, or None for the rule of `choose_shape`.
        channels: 1, 3 or None for as stored.
        fit: How pictures of another size are brought to it.

    Raises:
        DataError: Pictures too thin to be pictures.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray | None,
        *,
        name: str,
        source: str,
        split: Split = "all",
        size: int | None = None,
        channels: int | None = None,
        fit: Fit = "crop",
    ) -> None:
        if images.ndim == 3:
            images = images[..., None]
        _, height, width, stored = images.shape
        if min(height, width) < MIN_SIDE or max(height, width) > MAX_ASPECT * min(height, width):
            raise DataError(
                f"{source} holds pictures of {width}x{height}; each side must have at least {MIN_SIDE} pixels, and one "
                f"side may be at most {MAX_ASPECT} times the other. Check how the array was written: (N, H, W, C) is "
                "expected."
            )
        self.native = Header(width, height, "L" if stored == 1 else "RGB")
        self.shape, self._why = choose_shape([self.native], size, channels)
        self.name = name if self.shape[1:] == (height, width) else sized_name(name, self.shape[1])
        self.source, self.split, self.fit = source, split, fit
        self.labels = None if labels is None else labels.astype(np.int64)
        self.skipped = {}
        self._images = _bring(images, self.shape, fit)
        self._fingerprint: str | None = None

    def __len__(self) -> int:
        return len(self._images)

    @property
    def in_memory(self) -> bool:
        """Always true."""
        return True

    def read(self, indices: Indices) -> torch.Tensor:
        """Return pictures, uint8 of shape (B, C, H, W); see `ImageData.read`."""
        return torch.from_numpy(self._images[as_rows(indices, len(self))])

    def fingerprint(self) -> str:
        """Return a hash of every byte of the pictures as they are read."""
        if self._fingerprint is None:
            digest = hashlib.sha256(repr(self._images.shape).encode())
            digest.update(self._images.data)
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    def rules(self) -> dict[str, Any]:
        """Return how the pictures were brought to their shape."""
        stored = f"{self.native.width}x{self.native.height}"
        return {"stored": stored, "chosen": self._why, "fit": self.fit}


def _bring(images: np.ndarray, shape: tuple[int, int, int], fit: Fit) -> np.ndarray:
    channels, height, width = shape
    if images.shape[1:3] != (height, width):
        result = np.empty((len(images), *shape), np.uint8)
        for row, picture in enumerate(images):
            plain = picture[..., 0] if picture.shape[-1] == 1 else picture
            result[row] = fit_picture(Image.fromarray(np.ascontiguousarray(plain)), shape, fit)
        return result
    if images.shape[3] == 3 and channels == 1:
        flat = Image.fromarray(np.ascontiguousarray(images.reshape(-1, width, 3))).convert("L")
        return np.array(flat).reshape(-1, 1, height, width)
    if images.shape[3] == 1 and channels == 3:
        images = images.repeat(3, axis=3)
    return np.array(images.transpose(0, 3, 1, 2), order="C")  # a copy: the source may be a read-only buffer
