"""One visitor of the studio: the picture at hand and everything that can be done with it, without gradio.

Nothing is computed twice: opening a picture encodes and decodes it once, every edit decodes once. A session takes a
turn at its model for each piece of work and none for what is cheap. Its methods may be called from several threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from twoway.data.pixels import to_uint8
from twoway.errors import ConfigError, ModelError, StudioError, closest
from twoway.grids import image_grid
from twoway.latents.directions import choose_directions
from twoway.latents.editing import EditMode, edit_codes
from twoway.latents.projection import ProjectionSettings
from twoway.latents.style_mixing import layers_of, mix_codes
from twoway.latents.traversal import class_samples, traversals
from twoway.pictures import deliver
from twoway.studio.limits import Upload, check_count, check_seed, check_upload, upload_bytes
from twoway.studio.pictures import AtHand, of_seed, pasted, read_photo, whole_code
from twoway.studio.projecting import project_in_turns, search_settings
from twoway.studio.shared import Studio
from twoway.studio.standing import amount, standing
from twoway.studio.views import Comparison, Favourite, Progress
from twoway.studio.visit import Visit

__all__ = ["Session", "Studio"]

KEPT = 4
"""Codes of other pictures kept for the next mix or way."""


class Session(Visit):
    """A visitor's state: model, picture at hand, samples, favourites, files.

    Args:
        studio: Of all visitors.
        model: Name of the model to start with; the first where None.

    Raises:
        ConfigError: No such model.
        StudioError: Too many visitors.
    """

    def edit(
        self,
        values: Mapping[str, float],
        *,
        layers: str = "all",
        mode: EditMode = "relative",
    ) -> Image.Image:
        """The picture at hand, moved along directions.

        Args:
            values: How far along each, by name, in standard deviations; those left out stay where they are.
            layers: ``all`` leaves it to each direction; otherwise as in `twoway.latents.style_mixing.layers_of`.
            mode: See `twoway.latents.editing.edit_codes`; `standing` says from where.

        Raises:
            ConfigError: No such direction, layers or mode.
            ModelError: No directions for this model, or a picture without a whole code.
            StudioError: There is no picture at hand.
        """
        self._touch()
        at_hand = self._hand()
        shared, model = at_hand.shared, at_hand.shared.pipeline.model
        shared.abilities.require("edit")
        directions, w = choose_directions(shared.directions, values), whole_code(at_hand)
        rows = None if layers == "all" else layers_of(model, layers)
        far = zip(directions, values.values(), strict=True)
        moves = [(one, amount(one, float(t), mode)) for one, t in far if t or mode != "relative"]
        with shared.at_work():
            code = edit_codes(w, moves, mode=mode, layers=rows, w_avg=model.w_avg)
            made = model.decode(code) if moves or at_hand.again is None else at_hand.again
        return self._changed(at_hand, code, made)

    def standing(self, mode: EditMode = "relative", *, layers: str = "all") -> dict[str, float]:
        """Where the picture at hand stands along each direction: the value of `edit` that leaves it as it is.

        Raises:
            ConfigError: No such layers.
            ModelError: No directions for this model, or a picture without a whole code.
            StudioError: There is no picture at hand.
        """
        self._touch()
        at_hand = self._hand()
        shared, w = at_hand.shared, whole_code(at_hand)
        shared.abilities.require("edit")
        rows = None if layers == "all" else layers_of(shared.pipeline.model, layers)
        average = shared.pipeline.model.w_avg
        return {name: standing(one, w, mode, average, rows) for name, one in shared.directions.items()}

    def in_frame(self, image: Image.Image | None = None, *, preview: bool = False) -> Image.Image:
        """A changed crop pasted back into the photo at hand, see `twoway.photos.pasting.paste_back`.

        Args:
            image: The crop, at the model's size; None takes what was changed last, or the photo as it is.
            preview: Whether the photo may be as small as that of the view, which is fast enough for sliders.

        Raises:
            StudioError: There is no photo at hand.
            ConfigError: A picture of another size.
        """
        self._touch()
        at_hand, frame, edited = self._hand(), self._frame(), self._edited
        made = image or (None if edited is None else deliver(edited[1], "pil")[0])
        with contextlib.nullcontext() if preview else self.studio.whole_photos:
            if made is None:
                return (frame.small if preview else frame.whole()).photo.copy()
            return pasted(at_hand, made, preview=preview)

    def mix(self, other: Upload | int, layers: str = "coarse", *, truncation: float = 1.0) -> Image.Image:
        """The picture at hand with some layers of another.

        Args:
            other: An upload, or a seed.
            layers: Those taken from the other, see `twoway.latents.style_mixing.layers_of`.
            truncation: Of the seed.

        Raises:
            ModelError: The model has no layers to mix, no encoder or no prior, or the picture no whole code.
            ConfigError: No such layers.
            DataError: The other is no picture.
            StudioError: There is no picture at hand.
        """
        self._touch()
        at_hand = self._hand()
        shared, model = at_hand.shared, at_hand.shared.pipeline.model
        shared.abilities.require("mix")
        rows = layers_of(model, layers)  # before anything is encoded
        content, style = whole_code(at_hand), self._code_of(at_hand, other, truncation)
        with shared.at_work():
            code = mix_codes(content, style, rows)
            made = model.decode(code)
        return self._changed(at_hand, code, made)

    def interpolate(
        self, other: Upload | int, steps: int = 8, space: Literal["w", "z"] = "w", *, truncation: float = 1.0
    ) -> list[Image.Image]:
        """Pictures on the way from the one at hand to another, both ends included.

        Args:
            other: An upload, or a seed.
            steps: How many, at least 2.
            space: ``w``, or ``z`` where the abilities name it.
            truncation: Of the seed.

        Raises:
            ConfigError: Too few or too many steps, or another space.
            ModelError: The model or the picture cannot.
            DataError: The other is no picture.
            StudioError: There is no picture at hand.
        """
        self._touch()
        at_hand = self._hand()
        shared = at_hand.shared
        shared.abilities.require("interpolate")
        count = check_count("steps", steps, self.studio.limits.frames, least=2)
        if space not in shared.abilities.spaces:
            raise ConfigError(f"The space is '{space}', but this model has {' and '.join(shared.abilities.spaces)}.")
        ends = [whole_code(at_hand), self._code_of(at_hand, other, truncation)]
        with shared.at_work() as pipeline:
            if space == "z":
                ends = [pipeline.model.unmap(end) for end in ends]
            return pipeline.interpolate(ends[0], ends[1], count, space=space)

    def sample(
        self, seed: int = 0, n: int = 8, truncation: float = 1.0, *, label: int | None = None
    ) -> list[Image.Image]:
        """New pictures of the seeds from `seed` on.

        Raises:
            ConfigError: Too many.
            ModelError: The model makes no new pictures, or there is no such class.
        """
        self._touch()
        shared = self._shared
        shared.abilities.require("sample")
        first, count = check_seed(seed), check_count("n", n, self.studio.limits.samples)
        with shared.at_work() as pipeline:
            images = pipeline.generate(count, seed=first, truncation=truncation, labels=label)
        made = [Favourite(first + i, truncation, label, image) for i, image in enumerate(images)]
        self._samples[shared.name] = made  # not of a model that was chosen meanwhile
        return images

    def keep(self, i: int) -> Favourite:
        """Keep the i-th of the last samples among the favourites.

        Raises:
            StudioError: There is no such sample, or there are too many favourites.
        """
        self._touch()
        model = self.model
        samples, kept = self._samples.get(model, []), self._favourites.setdefault(model, [])
        if not samples:
            raise StudioError("There are no samples of this model to keep. Make pictures first.")
        if not 0 <= i < len(samples):
            raise StudioError(f"There is no sample {i} to keep; the last {len(samples)} count from 0.")
        if samples[i] not in kept:
            if len(kept) >= self.studio.limits.favourites:
                raise StudioError(f"There are {len(kept)} favourites, as many as may be kept. Drop some.")
            kept.append(samples[i])
        return samples[i]

    def drop(self, i: int) -> None:
        """Forget the i-th favourite of the model in use.

        Raises:
            StudioError: There is none.
        """
        self._touch()
        kept = self._favourites.get(self.model, [])
        if not 0 <= i < len(kept):
            raise StudioError(f"There is no favourite {i}; there are {len(kept)}, counted from 0.")
        del kept[i]

    def traverse(self, code: str, *, rows: int = 4, columns: int = 9, seed: int = 0) -> Image.Image:
        """A grid of pictures in which one code moves: a row a draw of everything else, a column a value.

        Args:
            code: One of `Abilities.traversals`.
            rows: Draws.
            columns: Values of a continuous code.
            seed: Of the draws.

        Raises:
            ConfigError: No such code, or a grid too large.
            ModelError: The model has none.
        """
        self._touch()
        shared, frames = self._shared, self.studio.limits.frames
        shared.abilities.require("traverse")
        rows, columns = check_count("rows", rows, 12), check_count("columns", columns, frames, least=2)
        draws = torch.Generator().manual_seed(check_seed(seed))
        with shared.at_work() as pipeline:
            (found,) = traversals(pipeline.model, rows=rows, columns=columns, only=[code], generator=draws)
        return image_grid(to_uint8(found.images.flatten(0, 1)).cpu(), found.images.shape[1])

    def class_grid(self, *, rows: int = 4, seed: int = 0) -> Image.Image:
        """A grid of made pictures: a column a class, a row a draw of everything else.

        Raises:
            ConfigError: Too many rows.
            ModelError: The model knows no classes.
        """
        self._touch()
        shared = self._shared
        shared.abilities.require("classes")
        rows = check_count("rows", rows, 12)
        draws = torch.Generator().manual_seed(check_seed(seed))
        with shared.at_work() as pipeline:
            made = class_samples(pipeline.model, rows, generator=draws)
        return image_grid(to_uint8(made.flatten(0, 1)).cpu(), made.shape[1])

    def project(
        self,
        steps: int = 100,
        *,
        space: str | None = None,
        start: str | None = None,
        perceptual: float = 0.0,
        seed: int = 0,
    ) -> Iterator[Progress]:
        """Search for a better code of the picture at hand; it is the picture's code when the search is through.

        ``encoder`` starts from the code that the picture has, which may be one that was found before, where that lies
        in the space. A code whose picture is worse than the one there gets dropped, unless features were asked for.
        A search that is cancelled, or whose iterator is closed, leaves the picture as it was. Starting another one, or
        opening another picture, cancels it.

        Args:
            steps: Steps of the search.
            space: One of `Abilities.projects_in`, the first where None.
            start: One of `Abilities.starts`, the first where None.
            perceptual: Weight of the distance of features beside the pixels, of `twoway.features.default_features`.
            seed: Of a random start.

        Raises:
            ConfigError: Too many steps, no such space or start, a weight that is none.
            ModelError: The model cannot.
            StudioError: There is no picture at hand, or too many others are projecting.
        """
        self._touch()
        at_hand = self._hand()
        able = at_hand.shared.abilities
        able.require("project")
        steps = check_count("steps", steps, self.studio.limits.steps)
        self.cancel()
        where, start = space or able.projects_in[0], start or able.starts[0]
        for what, given, known in (("space", where, able.projects_in), ("start", start, able.starts)):
            if given not in known:
                raise ConfigError(f"There is no {what} '{given}' to project in{closest(given, known)}.")
        settings = search_settings(steps=steps, space=where, start=start, perceptual=perceptual)
        draws = torch.Generator().manual_seed(check_seed(seed))
        self._stop = stop = threading.Event()
        layers = at_hand.shared.pipeline.model.w_shape[0]
        goes_on = start == "encoder" and at_hand.w is not None and (where == "w+" or (where == "w" and layers == 1))
        return self._projecting(at_hand, stop, settings, cast(Tensor, at_hand.w).clone() if goes_on else start, draws)

    def compare(self, other: str) -> Comparison:
        """The photo at hand through this model and another.

        Args:
            other: Name of the other model.

        Raises:
            ConfigError: No such model.
            ModelError: One of them reconstructs no pictures.
            StudioError: There is no picture at hand.
        """
        self._touch()
        second, at_hand = self.studio.shared(other), self._hand()
        at_hand.shared.abilities.require("compare")
        second.abilities.require("reconstruct")
        with self.studio.whole_photos:
            source = at_hand.frame.whole() if at_hand.frame is not None else deliver(at_hand.x, "pil")[0]
            there = read_photo(second, source, at_hand.label, template=at_hand.template)
            del source
        a, b = (one.view(self.studio.limits.preview) for one in (at_hand, there))
        if a.reconstruction is None or b.reconstruction is None or a.mse is None or b.mse is None:
            raise ModelError("One of the two models has no reconstruction of this picture, so they cannot be compared.")
        differ = at_hand.x.shape != there.x.shape
        return Comparison(
            (at_hand.shared.name, other),
            (a.crop, b.crop),
            (a.reconstruction, b.reconstruction),
            (a.mse, b.mse),
            (cast(float, a.psnr), cast(float, b.psnr)),
            "The models make pictures of different sizes, so their errors do not compare." if differ else None,
        )

    def _changed(self, at_hand: AtHand, code: Tensor, made: Tensor) -> Image.Image:
        if self._at_hand is at_hand:  # nobody opened another picture meanwhile
            self._edited = (code, made)
        return deliver(made, "pil")[0]

    def _code_of(self, at_hand: AtHand, other: Upload | int, truncation: float) -> Tensor:
        """Code (1, layers, dim) of an upload or a seed; of the last few the code is known."""
        shared, known = at_hand.shared, self._others
        if isinstance(other, (int, np.integer)):
            seed = check_seed(int(other))
            key: tuple[Any, ...] = (shared.name, seed, truncation)
            w = known.get(key)
            if w is None:
                w = whole_code(of_seed(shared, seed, truncation, None))
        else:
            content = upload_bytes(other, self.studio.limits)
            key = (shared.name, hashlib.sha256(content).hexdigest(), at_hand.label)
            w = known.get(key)
            if w is None:
                shared.abilities.require("reconstruct")
                with self.studio.whole_photos:
                    w = whole_code(read_photo(shared, check_upload(content, self.studio.limits), at_hand.label))
        known[key] = w
        for old in list(known)[:-KEPT]:
            known.pop(old, None)
        return w

    def _projecting(
        self,
        at_hand: AtHand,
        stop: threading.Event,
        settings: ProjectionSettings,
        start: str | Tensor,
        draws: torch.Generator,
    ) -> Iterator[Progress]:
        shared = at_hand.shared
        if not shared.projections.acquire(blocking=False):
            raise StudioError(
                f"{self.studio.limits.projections} others are projecting with this model, as many as may at once. "
                "Try again in a minute."
            )
        last, steps = None, settings.steps
        try:
            for last in project_in_turns(shared, at_hand.x, settings, start=start, stop=stop, generator=draws):
                self.used_at = self.studio.clock()
                yield Progress(last.step, steps, deliver(last.x_rec, "pil")[0], last.losses.item())
            if last is not None and last.step == steps and self._at_hand is at_hand and not stop.is_set():
                found = last.result()
                had = None if at_hand.w is None or settings.feature_weight else at_hand.error
                if had is not None and last.losses.item() > had:
                    return
                self._put(replace(at_hand, w=found.w, again=found.x_rec, found=True, _views={}))
        finally:
            shared.projections.release()
