"""A model for people who have pictures, not tensors: pictures in, pictures out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from twoway.conditioning import Labels
from twoway.errors import ConfigError, DataError, ModelError
from twoway.latents.directions import Direction, check_direction
from twoway.latents.editing import EditMode, EditUnit, edit_codes, read_moves
from twoway.latents.interpolation import Ease, Path, Space, interpolate
from twoway.latents.style_mixing import layers_of, mix_codes
from twoway.model import TwoWayModel
from twoway.pictures import OutputType, Picture, deliver, prepare_image
from twoway.sharing import Shared

__all__ = ["Pipeline"]

Noise: TypeAlias = Literal["fixed", "off", "random"]
BATCH = 32


class Pipeline(Shared):
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
        super().__init__(model)
        self._known: tuple[Any, str] | None = None

    @torch.inference_mode()
    def generate(
        self,
        n: int | None = None,
        *,
        seed: int | None = None,
        seeds: Sequence[int] | None = None,
        labels: Labels | None = None,
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
        noise: Noise = "fixed",
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
            labels: Classes of the pictures of a conditional model, or one for all; drawn where None.
            truncation: Factor psi on the distance from the mean code; below 1 for typical pictures.
            truncation_cutoff: Only layers of the code before this one are pulled; None pulls all. StyleGAN uses 8.
            noise: Noise in the layers of a style generator: ``fixed`` maps kept with the model, ``off``, or ``random``
                maps, which belong to the seed where there is one. Other generators have none.
            generator: Source of randomness on the CPU, instead of seeds; then pictures depend on their order.
            output_type: ``pil``, ``np`` or ``pt``.

        Returns:
            Pictures, see the class. With neither seed nor generator they differ from call to call.

        Raises:
            ConfigError: Contradictory or missing arguments.
            ModelError: The method has no prior, or there are no such classes.
        """
        count = _count(n, seed=seed, seeds=seeds, generator=generator)
        _check_noise(noise)
        if seed is not None:
            seeds = range(seed, seed + count)
        if seeds is None:
            z = self.model.draw_prior(count, labels=labels, generator=generator)
            w = self._codes(z, truncation, truncation_cutoff)
            return self.decode(w, noise=noise, generator=generator, output_type=output_type)
        sources = [torch.Generator().manual_seed(s) for s in seeds]
        z = torch.cat([self.model.draw_prior(1, generator=source) for source in sources])
        w = self._codes(z, truncation, truncation_cutoff)
        if labels is not None:
            w = self.model.relabelled(w, labels)
        if noise != "random":
            return self.decode(w, noise=noise, output_type=output_type)
        parts = [
            self.model.decode(code, noise=noise, generator=source)
            for code, source in zip(w.split(1), sources, strict=True)
        ]
        return deliver(torch.cat(parts), output_type)

    @torch.inference_mode()
    def code_of_seed(self, seed: int, *, truncation: float = 1.0, truncation_cutoff: int | None = None) -> Tensor:
        """Latent code (1, layers, dim) of the picture that `generate` makes of a seed.

        Raises:
            ModelError: The method has no prior.
        """
        z = self.model.draw_prior(1, generator=torch.Generator().manual_seed(seed))
        return self._codes(z, truncation, truncation_cutoff)

    @torch.inference_mode()
    def encode(self, images: Picture | Sequence[Picture], labels: Labels | None = None) -> Tensor:
        """Latent codes (B, layers, dim) of one picture or a list.

        Args:
            images: The pictures.
            labels: Their classes, or one for all, for a conditional model.

        Raises:
            DataError: Something that is not a picture.
            ModelError: The model has no encoder, or labels do not fit.
        """
        return torch.cat([self.model.encode(part, told) for part, told in self._told(images, labels)])

    @torch.inference_mode()
    def decode(
        self,
        w: Tensor,
        *,
        noise: Noise = "fixed",
        generator: torch.Generator | None = None,
        output_type: OutputType = "pil",
    ) -> Any:
        """Pictures of latent codes (B, layers, dim).

        Args:
            w: The codes.
            noise: See `generate`.
            generator: Source of random noise, on the CPU.
            output_type: ``pil``, ``np`` or ``pt``.

        Raises:
            ModelError: Codes of another shape.
            ConfigError: An unknown kind of noise.
        """
        _check_noise(noise)
        batches = w.to(self.model.device).split(BATCH)
        parts = [self.model.decode(part, noise=noise, generator=generator) for part in batches]
        return deliver(torch.cat(parts), output_type)

    @torch.inference_mode()
    def reconstruct(
        self,
        images: Picture | Sequence[Picture],
        labels: Labels | None = None,
        *,
        output_type: OutputType = "pil",
    ) -> Any:
        """Pictures decoded from the codes of pictures; see `encode` for labels.

        Raises:
            DataError: Something that is not a picture.
            ModelError: The model has no encoder, or labels do not fit.
        """
        parts = [self.model.reconstruct(part, told) for part, told in self._told(images, labels)]
        return deliver(torch.cat(parts), output_type)

    @torch.inference_mode()
    def interpolate(
        self,
        a: Picture | Tensor,
        b: Picture | Tensor,
        steps: int = 8,
        *,
        space: Space = "w",
        path: Path | None = None,
        ease: Ease = "none",
        output_type: OutputType = "pil",
    ) -> Any:
        """Pictures on the way from one picture or code to another, both ends included.

        Args:
            a: A picture, which is encoded, or a code: (layers, dim) in w, (prior dim,) in z.
            b: The same for the other end.
            steps: Pictures on the way, at least 2; the ends are the reconstructions of the pictures given.
            space: ``w``, or ``z`` (pictures need an invertible mapping).
            path: ``linear`` or ``spherical``; where None straight in w, and along a great circle in z.
            ease: ``smooth`` starts and ends slowly, for animations.
            output_type: ``pil``, ``np`` or ``pt``.

        Raises:
            DataError: Something that is not a picture.
            ModelError: Codes that do not fit, or pictures in z without an invertible mapping.
        """
        ends = [self._code(end, space) for end in (a, b)]
        return deliver(interpolate(self.model, *ends, steps, space=space, path=path, ease=ease)[:, 0], output_type)

    @torch.inference_mode()
    def mix(
        self,
        content: Picture | int | Tensor | Sequence[Picture | int],
        style: Picture | int | Tensor | Sequence[Picture | int],
        layers: str = "coarse",
        *,
        truncation: float = 1.0,
        noise: Noise = "fixed",
        output_type: OutputType = "pil",
    ) -> Any:
        """Pictures with some layers of their code from one picture and the others from another.

        Args:
            content: What gives all other layers: a picture, which is encoded, the seed of a made one, a list of both,
                or latent codes (B, layers, dim).
            style: What gives the layers named: likewise. As many as `content`, or one of either for all of the other.
            layers: ``coarse``, ``middle``, ``fine``, or numbers such as ``0-3,6``; see
                `twoway.latents.style_mixing.layers_of`, and `style_grid` there for all combinations.
            truncation: Of the codes of seeds.
            noise: See `generate`.
            output_type: ``pil``, ``np`` or ``pt``.

        Raises:
            ConfigError: Layers that are not there, or numbers of pictures that do not fit.
            DataError: Something that is not a picture.
            ModelError: The model has no layers to mix, no encoder for pictures or no prior for seeds.
        """
        _check_noise(noise)
        rows = layers_of(self.model, layers)
        codes = [self.codes_of(given, truncation=truncation) for given in (content, style)]
        if len(codes[0]) != len(codes[1]) and 1 not in (len(codes[0]), len(codes[1])):
            raise ConfigError(
                f"Got {len(codes[0])} contents and {len(codes[1])} styles. Give as many of both, or one of either."
            )
        return self.decode(mix_codes(codes[0], codes[1], rows), noise=noise, output_type=output_type)

    @torch.inference_mode()
    def edit(
        self,
        given: Picture | int | Tensor | Sequence[Picture | int],
        moves: Mapping[str, float] | Iterable[str],
        directions: Mapping[str, Direction],
        *,
        mode: EditMode = "relative",
        unit: EditUnit = "deviation",
        layers: str | None = None,
        truncation: float = 1.0,
        noise: Noise = "fixed",
        output_type: OutputType = "pil",
    ) -> Any:
        """Pictures with something more or less of it, such as a smile.

        Args:
            given: A picture, which is encoded, the seed of a made one, a list of both, or latent codes.
            moves: How far to go along which directions: ``{"Smiling": 2.0}``, or texts as ``Smiling=2@coarse``.
            directions: Those that there are, as `twoway.latents.directions.load_directions` reads them.
            mode: ``relative`` to each code (LIA), to an ``absolute`` position (InterFaceGAN), or as ALAE's demo; see
                `twoway.latents.editing.edit_codes`.
            unit: What the numbers count: standard ``deviation`` of codes along a direction, or ``length`` in w.
            layers: Layers to move, where `moves` and directions do not say: ``coarse`` or ``0-3,6``; all by default.
            truncation: Of the codes of seeds.
            noise: See `generate`.
            output_type: ``pil``, ``np`` or ``pt``.

        Raises:
            ConfigError: Directions or layers that are not there, or numbers that cannot be.
            DataError: Something that is not a picture.
            ModelError: Directions of another model, or the model has no encoder for pictures or no prior for seeds.
        """
        _check_noise(noise)
        read = read_moves(moves, directions, self.model)
        fingerprint = self._fingerprint() if read else ""
        for direction, _ in read:
            check_direction(direction, self.model, fingerprint)
        rows = None if layers is None else layers_of(self.model, layers)
        if rows is not None:
            read = [(d if d.layers else dataclasses.replace(d, layers=rows), t) for d, t in read]
        w = self.codes_of(given, truncation=truncation)
        edited = edit_codes(w, read, mode=mode, unit=unit, w_avg=self.model.w_avg)
        return self.decode(edited, noise=noise, output_type=output_type)

    def _fingerprint(self) -> str:
        """Of the model; taken again only after a weight has changed, because it takes a pass over all of them."""
        state = tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in self.model.state_dict().values())
        if self._known is None or self._known[0] != state:
            self._known = (state, self.model.fingerprint())
        return self._known[1]

    @torch.inference_mode()
    def codes_of(self, given: Picture | int | Tensor | Sequence[Picture | int], *, truncation: float = 1.0) -> Tensor:
        """Latent codes (B, layers, dim) of pictures, of seeds, of a list of both; codes themselves stay as they are.

        Raises:
            DataError: Something that is not a picture.
            ModelError: The model has no encoder for pictures or no prior for seeds, or codes of another shape.
        """
        if isinstance(given, Tensor):
            shape = self.model.w_shape
            if tuple(given.shape[-2:]) != shape or given.ndim not in (2, 3):
                raise ModelError(f"Got codes of shape {tuple(given.shape)}, but this model's codes are {shape}.")
            return given.to(self.model.device).reshape(-1, *shape)
        if isinstance(given, (int, np.integer)):
            return self.code_of_seed(int(given), truncation=truncation)
        if not isinstance(given, (list, tuple, range)):
            return self.encode(cast("Picture", given))
        if not given:
            raise DataError("No pictures were given. Give one picture or a list with at least one.")
        return torch.cat([self.codes_of(one, truncation=truncation) for one in given])

    def _codes(self, z: Tensor, truncation: float, cutoff: int | None) -> Tensor:
        """Truncated latent codes (B, layers, dim) of prior codes (B, prior dim)."""
        if cutoff is not None and cutoff < 0:
            raise ConfigError(f"truncation_cutoff is {cutoff}, but must be a number of layers, at least 0.")
        parts = [self.model.truncate(self.model.map(part), truncation, cutoff=cutoff) for part in z.split(BATCH)]
        return torch.cat(parts)

    def _code(self, end: Picture | Tensor, space: str) -> Tensor:
        if not isinstance(end, Tensor):
            w = self.encode(end)
            return self.model.unmap(w) if space == "z" else w
        shape = self.model.w_shape if space == "w" else (self.model.recipe.prior.dim if self.model.recipe.prior else 0,)
        if tuple(end.shape) not in (shape, (1, *shape)):
            raise ModelError(f"Got a code of shape {tuple(end.shape)}, but in {space} this model's codes are {shape}.")
        return end.to(self.model.device).reshape(1, *shape)

    def _told(
        self, images: Picture | Sequence[Picture], labels: Labels | None
    ) -> Iterator[tuple[Tensor, Labels | None]]:
        """Batches of pictures with their labels."""
        given = None if labels is None else torch.as_tensor(labels)
        done = 0
        for part in self._batches(images):
            yield part, given if given is None or given.ndim == 0 else given[done : done + len(part)]
            done += len(part)
        if given is not None and given.ndim == 1 and len(given) != done:
            raise ModelError(f"Got {len(given)} labels for {done} pictures. Give one for each, or one for all.")

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


def _check_noise(noise: str) -> None:
    if noise not in get_args(Noise):
        raise ConfigError(f"noise is '{noise}', but must be 'fixed', 'off' or 'random'.")
