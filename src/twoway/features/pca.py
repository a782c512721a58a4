"""Pixels projected on the directions in which the real pictures vary most: features that need no weights."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import ConfigError, DataError, ModelError
from twoway.features.base import FeatureExtractor
from twoway.features.registry import features

__all__ = ["PCA"]

_BLOCK = 512  # pictures taken in at a time, whatever the batches are, so that batches do not change the result
_EXACT = 4096  # numbers in a picture up to which its covariance is held, 128 MiB of float64
_DENSE = 1024  # numbers up to which all eigenvectors are found, not only the first


@features("pca")
class PCA(FeatureExtractor):
    """Principal components of pixels. Must be fitted to the real pictures before it is used.

    What it sees is how brightness and colour are laid out coarsely; fine texture lies in components left out.
    Components are not scaled: the units are those of pixels in [-1, 1], so that large-scale variation counts most.
    Numbers are named after the number of components and the hash of mean and basis: ``pca64@1a2b3c``.

    Args:
        components: How many at most; no more than the pictures fitted to, less one.
        largest: Pictures with a longer side are averaged over areas down to it first.

    Attributes:
        explained: Share of the variance of the pictures fitted to that the components hold; None before.

    Raises:
        ConfigError: A number of components or a side below 1.
    """

    layers = ("components",)
    needs_fit = True
    mean: Tensor
    basis: Tensor

    def __init__(self, *, components: int = 64, largest: int = 64) -> None:
        super().__init__()
        for name, value in (("components", components), ("largest", largest)):
            if value < 1:
                raise ConfigError(f"features.options.{name} is {value}, but must be at least 1.")
        self.components, self.largest = components, largest
        self.image_shape: tuple[int, ...] | None = None
        self.fitted_to = 0
        self.explained: float | None = None
        self.register_buffer("mean", torch.zeros(0))
        self.register_buffer("basis", torch.zeros(0, 0))
        self.eval()

    @property
    def stem(self) -> str:
        """``pca64``."""
        return f"pca{len(self.basis) if self.image_shape else self.components}"

    def changed(self) -> dict[str, Any]:
        """As of every extractor; the number of components stands in the name."""
        return {key: value for key, value in super().changed().items() if key != "components"}

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor]) -> PCA:
        """Find mean and components of pictures, in one pass and constant memory.

        Pictures of up to 4096 numbers are fitted exactly, by their covariance. Of larger ones three times as many
        directions as asked for are carried along from block to block, which is close where the variance falls off.

        Args:
            batches: Images in [-1, 1], each (B, C, H, W), all of one shape; the size of the batches does not matter.

        Returns:
            The extractor itself.

        Raises:
            DataError: Fewer than two pictures, pictures of several shapes, not finite, or all alike.
        """
        found: _Exact | _Incremental | None = None
        shape: tuple[int, ...] = ()
        for block in _blocks(batches):
            shape = tuple(block.shape[1:])
            rows = self._averaged(block).cpu()
            if not bool(rows.isfinite().all()):
                raise DataError("Pictures to fit principal components to hold values that are not finite numbers.")
            if found is None:
                exact = rows.shape[1] <= _EXACT
                found = _Exact(rows) if exact else _Incremental(rows.shape[1], 3 * self.components)
            found.take(rows)
        if found is None or found.count < 2:
            raise DataError(
                f"Principal components need at least 2 pictures, but got {found.count if found else 0}. Give more."
            )
        if found.variance <= 1e-12 * found.mean.numel():
            raise DataError(
                f"The {found.count} pictures to fit principal components to are all alike, so no direction stands out. "
                f"Check the data, or use other features."
            )
        values, basis = found.leading(min(self.components, found.count - 1, found.mean.numel()))
        largest = basis.gather(1, basis.abs().argmax(1, keepdim=True))
        device = self.mean.device
        self.mean = found.mean.float().to(device)
        self.basis = (basis * largest.sign()).float().to(device)  # a direction and its opposite are one component
        self.image_shape, self.fitted_to = shape, found.count
        self.explained = float(values.sum() / found.variance)
        digest = hashlib.sha256()
        for part in (self.mean, self.basis):
            digest.update(part.cpu().contiguous().numpy().tobytes())
        self.sha256 = digest.hexdigest()[:12]
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Components of images in [-1, 1] of the shape fitted to: one tensor (B, components, 1, 1).

        Raises:
            ModelError: Not fitted yet.
            DataError: Images of another shape.
        """
        return (((self._rows(x) - self.mean) @ self.basis.T)[:, :, None, None],)

    def describe(self) -> dict[str, Any]:
        """Title, hash, number of components, what they were fitted to and how much they hold."""
        return {
            **super().describe(),
            "title": self.title,
            "components": len(self.basis) if self.image_shape else self.components,
            "largest": self.largest,
            "image_shape": list(self.image_shape or ()),
            "fitted_to": self.fitted_to,
            "explained": self.explained,
        }

    def _rows(self, x: Tensor) -> Tensor:
        """Pixels of each image, averaged down where it is large, (B, C h w)."""
        if self.image_shape is None:
            raise ModelError(
                "The principal components have not been fitted to pictures yet. Call fit with batches of the real "
                "pictures first; 'twoway evaluate' does so by itself."
            )
        if tuple(x.shape[1:]) != self.image_shape:
            raise DataError(
                f"The principal components were fitted to pictures of shape {self.image_shape} (channels, height, "
                f"width), but these have {tuple(x.shape[1:])}. Compare pictures of one shape."
            )
        return self._averaged(x)

    def _averaged(self, x: Tensor) -> Tensor:
        longer = max(x.shape[-2:])
        if longer > self.largest:
            height, width = (max(1, round(side * self.largest / longer)) for side in x.shape[-2:])
            x = functional.adaptive_avg_pool2d(x, (height, width))
        return x.float().flatten(1)


class _Exact:
    """Mean and covariance of rows, summed in float64 about the mean of the first block."""

    def __init__(self, first: Tensor) -> None:
        self.count = 0
        self._near = first.mean(0)
        self._sum = torch.zeros(first.shape[1], dtype=torch.float64)
        self._products = torch.zeros(first.shape[1], first.shape[1], dtype=torch.float64)

    def take(self, rows: Tensor) -> None:
        """Add rows (B, D)."""
        centred = rows - self._near
        self.count += len(rows)
        self._sum += centred.double().sum(0)
        self._products += centred.T @ centred

    @property
    def mean(self) -> Tensor:
        """Mean, (D,), float64."""
        return self._near.double() + self._sum / self.count

    @property
    def variance(self) -> float:
        """Sum of all variances."""
        return float((self._products.diagonal() - self._sum.square() / self.count).sum()) / (self.count - 1)

    def leading(self, number: int) -> tuple[Tensor, Tensor]:
        """Largest variances (k,) and their directions (k, D), falling."""
        covariance = (self._products - self._sum[:, None] * self._sum / self.count) / (self.count - 1)
        if len(covariance) <= _DENSE or 2 * number > len(covariance):
            values, vectors = torch.linalg.eigh(covariance)
            return values.flip(0)[:number], vectors.flip(1)[:, :number].T
        from scipy.sparse.linalg import eigsh

        start = torch.randn(len(covariance), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        found = eigsh(covariance.numpy(), k=number, v0=start.numpy())  # Lanczos: rising
        return torch.from_numpy(found[0].copy()).flip(0), torch.from_numpy(found[1].copy()).flip(1).T


class _Incremental:
    """Mean and leading directions of rows, carried from block to block.

    References:
        Ross et al., Incremental Learning for Robust Visual Tracking, 2008, section 3.1.
    """

    def __init__(self, dim: int, kept: int) -> None:
        self.count = 0
        self.mean = torch.zeros(dim, dtype=torch.float64)
        self._squares = 0.0  # of distances from the mean, summed
        self._scaled = torch.zeros(0, dim)  # directions times singular values
        self._kept = kept

    def take(self, rows: Tensor) -> None:
        """Merge rows (B, D)."""
        here = rows.double().mean(0)
        centred = (rows.double() - here).float()
        step = here - self.mean
        weight = self.count * len(rows) / (self.count + len(rows))
        joined = torch.cat([self._scaled, centred, (math.sqrt(weight) * step).float()[None]])
        _, vectors = torch.linalg.eigh((joined @ joined.T).double())
        top = vectors.flip(1)[:, : self._kept].T
        self._scaled = top.float() @ joined
        self._squares += float(centred.double().square().sum()) + weight * float(step.square().sum())
        self.count += len(rows)
        self.mean = self.mean + step * len(rows) / self.count

    @property
    def variance(self) -> float:
        """Sum of all variances."""
        return self._squares / (self.count - 1)

    def leading(self, number: int) -> tuple[Tensor, Tensor]:
        """Largest variances (k,) and their directions (k, D), falling."""
        lengths = self._scaled.double().norm(dim=1)[:number]
        lengths = lengths[lengths > 1e-6 * lengths[0]]
        return lengths.square() / (self.count - 1), self._scaled[: len(lengths)].double() / lengths[:, None]


def _blocks(batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same pictures in blocks of one size."""
    held: list[Tensor] = []
    shape: tuple[int, ...] | None = None
    for batch in batches:
        shape = shape or tuple(batch.shape[1:])
        if tuple(batch.shape[1:]) != shape:
            raise DataError(
                f"Principal components are fitted to pictures of one shape, but there are {shape} and "
                f"{tuple(batch.shape[1:])}. Bring them to one size and colour first."
            )
        held.append(batch)
        while sum(map(len, held)) >= _BLOCK:
            joined = torch.cat(held)
            yield joined[:_BLOCK]
            held = [joined[_BLOCK:]]
    if held and sum(map(len, held)):
        yield torch.cat(held)
