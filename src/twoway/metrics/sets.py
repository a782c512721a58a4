"""Sets of pictures that metrics compare, gone through in batches as often as wanted and never held as a whole.

Pictures are as they would be stored, uint8: what a person sees, and what the published measures were taken on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from twoway.composition import is_style_generator
from twoway.data.pixels import to_float, to_uint8
from twoway.errors import ConfigError, DataError, ModelError
from twoway.metrics.inputs import Pictures, encoder_batches, float_batches
from twoway.metrics.latent_paths import row_stream
from twoway.metrics.modes import evaluating, exact_float32
from twoway.model import TwoWayModel

__all__ = [
    "InMemory",
    "Kept",
    "PictureSet",
    "RealSet",
    "ReconstructedSet",
    "SampledSet",
    "Sampling",
    "fitting_batch",
    "noise_of_reconstructions",
    "vectors_of",
]

AT_ONCE = 64
"""Codes drawn at a time, whatever the batch of the metric, so that the size of batches changes none; pictures are made
of them in smaller parts, see `SampledSet`."""

PIXELS_AT_ONCE = 1 << 22
"""Pixels of a batch of pictures: 256 of 128 x 128, 4 of 1024 x 1024, whose maps fill a few gigabytes in a generator."""

KEPT_MIB = 512.0
"""Size of the sets that one evaluation keeps in memory, all of them together."""


@dataclass(frozen=True)
class Sampling:
    """How pictures are sampled; every number of samples is printed with it.

    Args:
        truncation: Factor psi on the distance of a latent code from the mean code; 1 leaves it alone.
        noise: Noise in the layers of a style generator: fresh, the maps kept with the model, or none.
        mixing: Share of pictures whose later layers take a second code, from a layer drawn at random on.

    Raises:
        ConfigError: A mixing share that is none.
    """

    truncation: float = 1.0
    noise: Literal["random", "fixed", "off"] = "random"
    mixing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.mixing <= 1:
            raise ConfigError(f"The share of mixed pictures is {self.mixing:g}, but must be between 0 and 1.")
        if self.noise not in ("random", "fixed", "off"):
            raise ConfigError(f"The noise is '{self.noise}', but must be random, fixed or off.")

    def plain(self, model: TwoWayModel) -> dict[str, Any]:
        """Those of the choices that there are for this model."""
        facts: dict[str, Any] = {"truncation": self.truncation}
        if is_style_generator(model.nets["generator"]):
            facts |= {"noise": self.noise, "mixing": self.mixing}
        return facts


def noise_of_reconstructions(model: TwoWayModel) -> dict[str, str]:
    """The noise that reconstructions are made with, where the model's generator takes any: the maps kept with it."""
    return {"noise": "fixed"} if is_style_generator(model.nets["generator"]) else {}


class PictureSet(ABC):
    """Pictures in a fixed order.

    Attributes:
        shape: Channels, height and width of each.
    """

    shape: tuple[int, int, int]

    @abstractmethod
    def __len__(self) -> int:
        """How many pictures there are."""

    @abstractmethod
    def batches(self, batch: int = 256) -> Iterator[Tensor]:
        """Go through them: uint8, shape (B, C, H, W), on the CPU; the same pictures at every call."""

    def all(self) -> Tensor:
        """All pictures at once, uint8, shape (N, C, H, W)."""
        filled, done = torch.empty(len(self), *self.shape, dtype=torch.uint8), 0
        for part in self.batches():  # joining parts would take their memory twice
            filled[done : done + len(part)] = part
            done += len(part)
        return filled


class InMemory(PictureSet):
    """Pictures of a tensor, uint8, shape (N, C, H, W)."""

    def __init__(self, pictures: Tensor) -> None:
        if pictures.ndim != 4 or pictures.dtype != torch.uint8 or len(pictures) == 0:
            raise DataError(
                f"Got pictures of shape {tuple(pictures.shape)} and type {pictures.dtype}, but expected at least one, "
                "(N, channels, height, width), uint8."
            )
        self.pictures = pictures.cpu()
        self.shape = (pictures.shape[1], pictures.shape[2], pictures.shape[3])

    def __len__(self) -> int:
        return len(self.pictures)

    def batches(self, batch: int = 256) -> Iterator[Tensor]:
        """Parts of the tensor."""
        yield from self.pictures.split(batch)


class RealSet(PictureSet):
    """Pictures of a data set.

    Args:
        data: A data set, or a tensor: uint8, or float in [-1, 1].
        rows: Numbers of the pictures that count.

    Raises:
        DataError: No pictures, or a tensor of another type or shape.
    """

    def __init__(self, data: Pictures, rows: np.ndarray[Any, Any]) -> None:
        self.data, self.rows = data, rows
        self.shape = _shape(next(iter(self.batches(1))))

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, batch: int = 256) -> Iterator[Tensor]:
        """Read them."""
        for x in float_batches(self.data, batch=batch, device=torch.device("cpu"), rows=self.rows):
            yield to_uint8(x)


class ReconstructedSet(PictureSet):
    """Reconstructions of pictures, with the noise maps kept with the model; the arguments are those of `RealSet`.

    Raises:
        ModelError: The model has no encoder, or takes other pictures.
    """

    def __init__(self, model: TwoWayModel, data: Pictures, rows: np.ndarray[Any, Any]) -> None:
        self.model, self.data, self.rows = model, data, rows
        self.shape = _shape(next(iter(self.batches(1))))

    def __len__(self) -> int:
        return len(self.rows)

    def batches(self, batch: int = 256) -> Iterator[Tensor]:
        """Encode and decode."""
        with evaluating(self.model):
            for x, labels in encoder_batches(self.model, self.data, batch=batch, rows=self.rows):
                with torch.inference_mode():
                    made = _as_stored(self.model.reconstruct(x, labels), "reconstructions")
                yield made


class SampledSet(PictureSet):
    """Pictures from the prior.

    Codes are drawn in blocks of `AT_ONCE`, and fresh noise from a stream of each picture's own. So pictures can be made
    in parts of any size: as many as fit (`fitting_batch`), or the batch asked for where that is less.

    Args:
        model: Makes them.
        n: How many.
        seed: Of all chance; the first pictures of a larger set are those of a smaller one.
        sampling: Truncation, noise and mixing.

    Raises:
        ModelError: The method has no prior.
    """

    def __init__(self, model: TwoWayModel, n: int, *, seed: int = 0, sampling: Sampling | None = None) -> None:
        self.model, self.n, self.seed, self.sampling = model, n, seed, sampling or Sampling()
        model.draw_prior(1, generator=torch.Generator().manual_seed(0))  # says so at once where there is none
        self.shape = model.image_shape

    def __len__(self) -> int:
        return self.n

    def batches(self, batch: int = 256) -> Iterator[Tensor]:
        """Make them."""
        # batches that are no smaller than what fits are all made alike, to the last bit
        yield from _regrouped(self._parts(min(batch, AT_ONCE, fitting_batch(self.shape))), batch)

    def _parts(self, size: int) -> Iterator[Tensor]:
        for number in range(-(-self.n // AT_ONCE)):
            w = self._codes(number)
            for start in range(0, min(AT_ONCE, self.n - number * AT_ONCE), size):
                first = number * AT_ONCE + start
                # the last part is made whole, so that its pictures are those of a larger set to the last bit
                yield self._pictures(w[start : start + size], first)[: self.n - first]

    @torch.inference_mode()
    def _codes(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        with evaluating(self.model):
            w = self.model.map(self.model.draw_prior(AT_ONCE, generator=generator))
            layers = w.shape[1]
            if self.sampling.mixing > 0 and layers > 1:
                second = self.model.map(self.model.draw_prior(AT_ONCE, generator=generator))
                mixed = torch.rand(AT_ONCE, generator=generator) < self.sampling.mixing
                start = torch.randint(1, layers, (AT_ONCE,), generator=generator).where(mixed, torch.tensor(layers))
                late = torch.arange(layers) >= start[:, None]
                w = torch.where(late[:, :, None].to(w.device), second, w)
            return self.model.truncate(w, self.sampling.truncation)

    @torch.inference_mode()
    def _pictures(self, w: Tensor, first: int) -> Tensor:
        streams = [row_stream(self.seed, first + row) for row in range(len(w))]

        def draw(shape: tuple[int, ...]) -> Tensor:
            return torch.stack([torch.randn(shape[1:], generator=stream) for stream in streams]).to(w.device)

        with evaluating(self.model):
            noise = draw if self.sampling.noise == "random" else self.sampling.noise
            return _as_stored(self.model.decode(w, noise=noise), "samples")


class Kept(PictureSet):
    """Another set, kept in memory after it was gone through once, where it is small enough.

    Args:
        source: The set.
        limit_mib: Sets larger than this are gone through anew each time.

    Attributes:
        mib: What it takes of the memory once it was gone through; 0 where it is too large to be kept.
    """

    def __init__(self, source: PictureSet, limit_mib: float = KEPT_MIB) -> None:
        self.source, self.shape = source, source.shape
        mib = len(source) * int(np.prod(source.shape)) / 2**20
        self.mib = mib if mib <= limit_mib else 0.0
        self._pictures: Tensor | None = None

    def __len__(self) -> int:
        return len(self.source)

    def batches(self, batch: int = 256) -> Iterator[Tensor]:
        """From memory, or from the source."""
        if self._pictures is not None:
            yield from self._pictures.split(batch)
            return
        if not self.mib:
            yield from self.source.batches(batch)
            return
        filled, done = torch.empty(len(self.source), *self.shape, dtype=torch.uint8), 0
        for part in self.source.batches(batch):
            filled[done : done + len(part)] = part
            done += len(part)
            yield part
        self._pictures = filled


@torch.inference_mode()
def vectors_of(
    look: Callable[[Tensor], Tensor],
    pictures: PictureSet,
    *,
    device: torch.device | str = "cpu",
    batch: int = 256,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Tensor:
    """What an extractor says of each picture, with products of float32 that are not rounded.

    Args:
        look: From images (B, C, H, W) in [-1, 1] to one row each, (B, dim): `FeatureExtractor.pooled` or ``logits``.
        pictures: The set.
        device: Where it looks.
        batch: Pictures at a time; changes nothing beyond rounding.
        tell: Told how many pictures are done, of how many.

    Returns:
        Shape (N, dim), float32, on the CPU.
    """
    found, done = torch.empty(0), 0
    for part in pictures.batches(batch):
        with exact_float32():
            rows = look(to_float(part.to(device))).float().cpu()
        if done == 0:  # one table that is filled, because joining parts takes their memory twice
            found = torch.empty(len(pictures), *rows.shape[1:])
        found[done : done + len(part)] = rows
        done += len(part)
        tell(done, len(pictures))
    return found


def _as_stored(images: Tensor, what: str) -> Tensor:
    """Pictures as bytes on the CPU.

    Raises:
        ModelError: Values that are not finite, which would pass for black.
    """
    if not images.isfinite().all():
        raise ModelError(
            f"The {what} of the model hold values that are not finite, so there are no pictures to measure: the model "
            "has diverged. Use an earlier checkpoint."
        )
    return to_uint8(images).cpu()


def fitting_batch(shape: tuple[int, int, int]) -> int:
    """How many pictures of a shape (C, H, W) are made or compared at a time, at most.

    Example:
        >>> fitting_batch((3, 128, 128)), fitting_batch((3, 1024, 1024)), fitting_batch((3, 4096, 4096))
        (256, 4, 1)
    """
    return max(1, PIXELS_AT_ONCE // (shape[1] * shape[2]))


def _regrouped(blocks: Iterable[Tensor], batch: int) -> Iterator[Tensor]:
    """The same pictures in batches of another size."""
    held: list[Tensor] = []
    for block in blocks:
        held.append(block)
        while sum(map(len, held)) >= batch:
            joined = torch.cat(held)
            yield joined[:batch]
            held = [joined[batch:]]
    if held and sum(map(len, held)):
        yield torch.cat(held)


def _shape(pictures: Tensor) -> tuple[int, int, int]:
    return pictures.shape[1], pictures.shape[2], pictures.shape[3]
