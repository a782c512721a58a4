"""The picture a visitor works on, encoded once: what later actions start from."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from twoway.conditioning import Labels
from twoway.errors import ModelError
from twoway.metrics.reconstruction import pixel_mse, psnr
from twoway.pictures import deliver
from twoway.studio.shared import Shared
from twoway.studio.views import View

__all__ = ["AtHand", "encoded", "of_seed", "viewed", "whole_code"]


@dataclass(frozen=True)
class AtHand:
    """A picture and what the model makes of it; replaced as a whole, never changed.

    Args:
        shared: The model that reads it.
        name: ``upload`` or ``seed-5``, never the name of a file that somebody sent.
        x: What the model sees, in [-1, 1], shape (1, C, H, W).
        w: Its code (1, layers, dim); None where the encoder gives no whole code, until a projection found one.
        again: The picture of that code, shape (1, C, H, W); None where the model cannot reconstruct.
        photo: The whole picture, upright; None of a picture that the model made.
        label: Its class, where the model is told one.
        seed: Of a picture that the model made.
        warnings: What the visitor should know.
    """

    shared: Shared
    name: str
    x: Tensor
    w: Tensor | None
    again: Tensor | None
    photo: Image.Image | None = None
    label: int | None = None
    seed: int | None = None
    warnings: tuple[str, ...] = ()


def encoded(shared: Shared, x: Tensor, label: Labels | None) -> tuple[Tensor | None, Tensor | None]:
    """Code and reconstruction of a picture x (1, C, H, W), each None where the model cannot."""
    able = shared.abilities
    if not able.can("reconstruct"):
        return None, None
    with shared.at_work() as pipeline:
        model = pipeline.model
        x = x.to(model.device)
        told = label if able.told else None
        if not able.encodes:
            return None, model.reconstruct(x, told)
        w = model.encode(x, told)
        return w, model.decode(w)


def of_seed(shared: Shared, seed: int, truncation: float, label: int | None) -> AtHand:
    """The picture of a seed, with its code.

    Raises:
        ModelError: The model has no prior, or no such class.
    """
    shared.abilities.require("sample")
    with shared.at_work() as pipeline:
        w = pipeline.code_of_seed(seed, truncation=truncation)
        if label is not None:
            w = pipeline.model.relabelled(w, label)
        x = pipeline.model.decode(w)
    return AtHand(shared, f"seed-{seed}", x.clamp(-1, 1), w, x, label=label, seed=seed)


def whole_code(at_hand: AtHand) -> Tensor:
    """Its code (1, layers, dim).

    Raises:
        ModelError: The model has found none.
    """
    if at_hand.w is None:
        able = at_hand.shared.abilities
        which = "This model's encoder does not find the whole code of a picture"
        if not able.can("reconstruct"):
            which = f"This {able.method} model has no encoder that finds the code of a picture"
        raise ModelError(f"{which}, which this needs. Project the picture first, or take one of the samples.")
    return at_hand.w


def viewed(at_hand: AtHand, preview: int) -> View:
    """What the visitor sees of it."""
    photo = at_hand.photo
    if photo is not None and max(photo.size) > preview:
        photo = photo.copy()
        photo.thumbnail((preview, preview))
    errors: tuple[float | None, float | None] = (None, None)
    if at_hand.again is not None:
        x = at_hand.x.to(at_hand.again.device)
        errors = (pixel_mse(at_hand.again, x).item(), psnr(at_hand.again, x).item())
    return View(
        crop=deliver(at_hand.x, "pil")[0],
        reconstruction=None if at_hand.again is None else deliver(at_hand.again, "pil")[0],
        warning=" ".join(at_hand.warnings) or None,
        photo=photo,
        mse=errors[0],
        psnr=errors[1],
    )
