"""A model for people who have pictures, not tensors: pictures in, pictures out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.interpolation import interpolate
from twoway.model import TwoWayModel
from twoway.storage import load_model, move_to

__all__ = ["Pipeline", "prepare_image"]

Picture: TypeAlias = "Image.Image | np.ndarray[Any, Any] | str | os.PathLike[str]"
OutputType: TypeAlias = Literal["pil", "np", "pt"]
BATCH = 32


def prepare_image(picture: Picture, image_shape: tuple[int, int, int]) -> Tensor:
    """One picture as a model takes it: its channels, cropped about the centre, resized.

    The largest centred part with the model's proportions is cut out and resized with the Lanczos filter; a picture
    that already has the model's size keeps its pixels. Orientation tags of photographs are obeyed, transparency is
    laid over white, and grey or colour is converted as the model needs.

    Args:
        picture: A PIL image, a uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or the path of an image file.
        image_shape: Channels (1 or 3), height and width wanted.

    Returns:
        Image in [-1, 1], float32, shape (C, H, W).

    Raises:
        DataError: No such file, a file that is no picture, or an array of another type or shape.
    """
    channels, height, width = image_shape
    image = _flatten(ImageOps.exif_transpose(_open(picture)))
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), method=Image.Resampling.LANCZOS, centering=(0.5, 0.5))
    pixels = torch.from_numpy(np.array(image, dtype=np.uint8))
    return (pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1)).float() / 127.5 - 1


def _open(picture: Picture) -> Image.Image:
    if isinstance(picture, Image.Image):
        return picture
    if isinstance(picture, np.ndarray):
        fits = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] in (1, 3, 4))
        if picture.dtype != np.uint8 or not fits or picture.size == 0:
            raise DataError(
                f"Got an array of {picture.dtype} and shape {picture.shape} as a picture, but expected uint8 of shape "
                "(height, width), (height, width, 3) or (height, width, 4). Values in [0, 1] must be multiplied by 255 "
                "and rounded first."
            )
        return Image.fromarray(np.ascontiguousarray(picture[..., 0] if picture.shape[2:] == (1,) else picture))
    path = Path(picture).expanduser()
    if not path.is_file():
        raise DataError(f"There is no picture file '{path}'. Check the spelling and the working directory.")
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"'{path}' cannot be read as a picture ({error}). Give a PNG, JPEG or other common file."
        ) from error


def _flatten(image: Image.Image) -> Image.Image:
    """Lay transparency over white; 16-bit grey is scaled to 8 bits, which PIL's own conversion would clip."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.float64)
        return Image.fromarray((wide / 257).clip(0, 255).round().astype(np.uint8))
    return image


class Pipeline:
    """A two-way model that takes and gives pictures.

    Pictures go in as PIL images, uint8 arrays (H, W, C) or paths, one or a list, and are fitted to the model by
    `prepare_image`. They come out as asked by ``output_type``: ``pil`` a list of PIL images, ``np`` a uint8 array
    (B, H, W, C), ``pt`` a float tensor (B, C, H, W) in [-1, 1].

    Args:
        model: The model, which is put in evaluation mode.

    Example:
        >>> from twoway.methods import make_recipe
        >>> from twoway.model import build_model
        >>> pipe = Pipeline(build_model(make_recipe("alae-digits", (1, 8, 8))))
        >>> pipe.generate(2, seed=0)[0].size
        (8, 8)
    """

    def __init__(self, model: TwoWayModel) -> None:
        self.model = model.eval()

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Pipeline:
        """Load a model folder, or ``owner/name`` from the Hugging Face Hub.

        Raises:
            ModelError: There is none, or it is damaged (see `twoway.storage.load_model`).
            DeviceError: The device is not there.
        """
        return cls(load_model(source, device=device))

    def to(self, device: str | torch.device) -> Pipeline:
        """Move the model; returns the pipeline itself.

        Raises:
            DeviceError: The device is not there.
        """
        move_to(self.model, device)
        return self

    @torch.inference_mode()
    def generate(
        self,
        n: int | None = None,
        *,
        seed: int | None = None,
        seeds: Sequence[int] | None = None,
        truncation: float = 1.0,
        generator: torch.Generator | None = None,
        output_type: OutputType = "pil",
    ) -> Any:
        """Make new pictures.

        Every seed gives its own picture, whatever else is made in the same call: ``generate(3, seed=5)`` makes the
        pictures of the seeds 5, 6 and 7.

        Args:
            n: How many; may be left out where `seeds` says so.
            seed: Seed of the first picture; the others follow upwards.
            seeds: The seed of each picture, instead of `seed`.
            truncation: Factor psi on the distance from the mean code; below 1 for typical pictures.
            generator: Source of randomness on the CPU, instead of seeds; then pictures depend on their order.
            output_type: ``pil``, ``np`` or ``pt``.

        Returns:
            Pictures, see the class. With neither seed nor generator they differ from call to call.

        Raises:
            ConfigError: Contradictory or missing arguments.
            ModelError: The method has no prior.
        """
        count = _count(n, seed=seed, seeds=seeds, generator=generator)
        if seed is not None:
            seeds = range(seed, seed + count)
        if seeds is None:
            z = self.model.draw_prior(count, generator=generator)
        else:
            streams = [torch.Generator().manual_seed(s) for s in seeds]
            z = torch.cat([self.model.draw_prior(1, generator=stream) for stream in streams])
        parts = [self.model.decode(self.model.truncate(self.model.map(part), truncation)) for part in z.split(BATCH)]
        return _deliver(torch.cat(parts), output_type)

    @torch.inference_mode()
    def encode(self, images: Picture | Sequence[Picture]) -> Tensor:
        """Latent codes (B, layers, dim) of one picture or a list.

        Raises:
            DataError: Something that is not a picture.
            ModelError: The model has no encoder.
        """
        return torch.cat([self.model.encode(part) for part in self._batches(images)])

    @torch.inference_mode()
    def decode(self, w: Tensor, *, output_type: OutputType = "pil") -> Any:
        """Pictures of latent codes (B, layers, dim).

        Raises:
            ModelError: Codes of another shape.
        """
        parts = [self.model.decode(part) for part in w.to(self.model.device).split(BATCH)]
        return _deliver(torch.cat(parts), output_type)

    @torch.inference_mode()
    def reconstruct(self, images: Picture | Sequence[Picture], *, output_type: OutputType = "pil") -> Any:
        """Pictures decoded from the codes of pictures.

        Raises:
            DataError: Something that is not a picture.
            ModelError: The model has no encoder.
        """
        parts = [self.model.reconstruct(part) for part in self._batches(images)]
        return _deliver(torch.cat(parts), output_type)

    @torch.inference_mode()
    def interpolate(
        self,
        a: Picture | Tensor,
        b: Picture | Tensor,
        steps: int = 8,
        *,
        space: Literal["w", "z"] = "w",
        output_type: OutputType = "pil",
    ) -> Any:
        """Pictures on the way from one picture or code to another, both ends included.

        Args:
            a: A picture, which is encoded, or a code: (layers, dim) in w, (prior dim,) in z.
            b: The same for the other end.
            steps: Pictures on the way, at least 2; the ends are the reconstructions of the pictures given.
            space: ``w`` (straight line), or ``z`` (great circle; pictures need an invertible mapping).
            output_type: ``pil``, ``np`` or ``pt``.

        Raises:
            DataError: Something that is not a picture.
            ModelError: Codes that do not fit, or pictures in z without an invertible mapping.
        """
        ends = [self._code(end, space) for end in (a, b)]
        return _deliver(interpolate(self.model, ends[0], ends[1], steps, space=space)[:, 0], output_type)

    def _code(self, end: Picture | Tensor, space: str) -> Tensor:
        if not isinstance(end, Tensor):
            w = self.encode(end)
            return self.model.unmap(w) if space == "z" else w
        shape = self.model.w_shape if space == "w" else (self.model.recipe.prior.dim if self.model.recipe.prior else 0,)
        if tuple(end.shape) not in (shape, (1, *shape)):
            raise ModelError(f"Got a code of shape {tuple(end.shape)}, but in {space} this model's codes are {shape}.")
        return end.to(self.model.device).reshape(1, *shape)

    def _batches(self, images: Picture | Sequence[Picture]) -> Iterator[Tensor]:
        if isinstance(images, (str, os.PathLike, Image.Image)) or (isinstance(images, np.ndarray) and images.ndim < 4):
            pictures: list[Picture] = [images]
        else:
            pictures = list(cast("Sequence[Picture]", images))
        if not pictures:
            raise DataError("No pictures were given. Give one picture or a list with at least one.")
        for start in range(0, len(pictures), BATCH):
            part = [prepare_image(picture, self.model.image_shape) for picture in pictures[start : start + BATCH]]
            yield torch.stack(part).to(self.model.device)


def _count(n: int | None, *, seed: int | None, seeds: Sequence[int] | None, generator: torch.Generator | None) -> int:
    if sum(given is not None for given in (seed, seeds, generator)) > 1:
        raise ConfigError("Give only one of seed, seeds and generator: each says where the randomness comes from.")
    if seeds is not None and n is not None and n != len(seeds):
        raise ConfigError(f"Asked for {n} pictures with {len(seeds)} seeds. Leave n out, or give one seed per picture.")
    count = len(seeds) if seeds is not None else 1 if n is None else n
    if count < 1:
        raise ConfigError(f"Asked for {count} pictures, but there must be at least 1.")
    return count


def _deliver(x: Tensor, output_type: str) -> Any:
    """Images in [-1, 1], (B, C, H, W), as the caller wants them."""
    if output_type == "pt":
        return x
    if output_type not in ("pil", "np"):
        raise ConfigError(f"output_type is '{output_type}', but must be 'pil', 'np' or 'pt'.")
    pixels = ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    if output_type == "np":
        return pixels
    return [Image.fromarray(one[..., 0] if one.shape[2] == 1 else one) for one in pixels]
