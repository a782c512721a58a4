"""From a photo to an edited photo: align, encode, refine, edit, paste back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from twoway.errors import ConfigError, ModelError
from twoway.latents.directions import Direction, check_direction
from twoway.latents.editing import EditMode, EditUnit, edit_codes
from twoway.latents.familiarity import Familiarity, unlike_training
from twoway.latents.projection import Space, project
from twoway.model import TwoWayModel
from twoway.photos.framing import Alignment, Frame, align
from twoway.photos.opening import notes_of, open_photo
from twoway.photos.pasting import FEATHER, MaskShape, Pasting, paste_back
from twoway.photos.points import FacePoints
from twoway.photos.sheets import side_by_side
from twoway.photos.templates import Template
from twoway.pictures import deliver, prepare_image
from twoway.pipeline import Pipeline
from twoway.telling import Telling, silent

__all__ = ["EditedPhoto", "Refinement", "code_of_crop", "edit_photo"]


@dataclass(frozen=True)
class Refinement:
    """How the code of a photo is improved by optimisation after encoding; see `twoway.latents.projection.project`.

    Args:
        steps: Steps of Adam; 0 for none.
        lr: Its learning rate at its highest; None takes 0.05 from the encoder's code and 0.1 from the mean code.
        encoder_weight: Weight of the term that keeps codes where the encoder knows them, and edits therefore work.
    """

    steps: int = 0
    lr: float | None = None
    encoder_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"The code cannot be refined by {self.steps} steps; give a number of at least 0.")


@dataclass(frozen=True)
class EditedPhoto:
    """What came of a photo.

    Args:
        frame: The crop and where it lies.
        w: Code of the crop before the edit, shape (1, layers, dim).
        w_edited: And after.
        reconstruction: What the model makes of the crop.
        edited: The same after the edit.
        pasted: The photo with the edit in it.
        warning: A sentence, where the crop is unlike the pictures that the model knows.
        facts: All settings and measures, as plain data.
    """

    frame: Frame
    w: Tensor
    w_edited: Tensor
    reconstruction: Image.Image
    edited: Image.Image
    pasted: Image.Image
    warning: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def side_by_side(self) -> Image.Image:
        """Photo before and after; below, the crop, its reconstruction and the edited one."""
        return side_by_side(self.frame.photo, self.pasted, [self.frame.crop, self.reconstruction, self.edited])


def edit_photo(
    pipeline: Pipeline,
    photo: Image.Image | str | os.PathLike[str] | bytes,
    moves: Sequence[tuple[Direction, float]],
    *,
    how: Alignment = "auto",
    points: FacePoints | Sequence[Sequence[float]] | None = None,
    template: Template | str | None = None,
    refinement: Refinement | int = 0,
    mode: EditMode = "relative",
    unit: EditUnit = "deviation",
    layers: Sequence[int] | None = None,
    paste: Pasting = "difference",
    mask: MaskShape = "square",
    feather: float = FEATHER,
    label: int | None = None,
    known: Familiarity | None = None,
    progress: Telling = silent,
) -> EditedPhoto:
    """Edit one photo with one call.

    Args:
        pipeline: Of a model whose code the photo gets.
        photo: A photo, or its file's path or bytes, which `open_photo` opens.
        moves: Directions of this model, and how far to go along each; see `edit_codes`.
        how: How the crop is found: ``auto`` by the points where there are any, otherwise ``center``; or ``none``.
        points: Eyes and mouth, in pixels of the photo, see `twoway.photos.points.make_points`.
        template: Where they lie in the model's training pictures, or its name.
        refinement: How the code is improved, or steps of it.
        mode: Rule of the edit.
        unit: What distances count.
        layers: Rows of the code to move; None leaves it to the directions.
        paste: ``difference``, ``replace`` or ``none``; see `paste_back`.
        mask: Shape of the soft mask.
        feather: Width of its border.
        label: Class of the photo, for a model that has to be told.
        known: What is usual for the pictures that the model knows, from `twoway.latents.familiarity`; None takes
            samples of the model, anew at each call.
        progress: Told how many steps of the refinement are done.

    Raises:
        ConfigError: Words or numbers that cannot be.
        DataError: No photo, or points that do not fit it.
        ModelError: Directions of another model, or no way to the code of a photo: the message names the ways.
    """
    model = pipeline.model
    fingerprint = model.fingerprint() if moves else None
    for direction, _ in moves:
        check_direction(direction, model, fingerprint)
    opened = photo if isinstance(photo, Image.Image) else open_photo(photo)
    refining = Refinement(refinement) if isinstance(refinement, int) else refinement
    frame = align(opened, model.image_shape, points=points, template=template, how=how)
    w, found = code_of_crop(model, frame.crop, refining, label=label, progress=progress)
    with torch.inference_mode():
        changed = edit_codes(w, moves, mode=mode, unit=unit, layers=layers, w_avg=model.w_avg)
        images = model.decode(torch.cat([w, changed]))
    reconstruction, edited = deliver(images, "pil")
    x = prepare_image(frame.crop, model.image_shape)
    warning = None
    if model.infers_noise:
        warning = unlike_training(model, x, known, labels=label)
    pasted = paste_back(frame, edited, reconstruction=reconstruction, mode=paste, shape=mask, feather=feather)
    facts = {
        "photo": {"width": frame.photo.width, "height": frame.photo.height, "notes": list(notes_of(opened))},
        "alignment": _alignment_facts(frame),
        "code": {**found, "mean_squared_error": (images[0].cpu() - x).square().mean().item()},
        "edit": {
            "directions": [
                {"name": d.name, "amount": t, "kind": d.kind, "layers": None if d.layers is None else list(d.layers)}
                for d, t in moves
            ],
            "mode": mode,
            "unit": unit,
            "layers": None if layers is None else list(layers),
        },
        "paste": {"mode": paste, "mask": mask, "feather": feather},
        "warning": warning,
    }
    return EditedPhoto(frame, w, changed, reconstruction, edited, pasted, warning, facts)


def code_of_crop(
    model: TwoWayModel,
    crop: Image.Image,
    refinement: Refinement,
    *,
    label: int | None = None,
    progress: Telling = silent,
) -> tuple[Tensor, dict[str, Any]]:
    """Code of a crop: by the encoder, then by optimisation from there; from the mean code where there is no encoder.

    Args:
        model: In evaluation mode.
        crop: A picture of the model's size.
        refinement: How the code is improved; a model without encoder needs some.
        label: Class, of a conditional model.
        progress: Told how many steps are done.

    Returns:
        Code (1, layers, dim), and how it was found, as plain data.

    Raises:
        ModelError: No encoder and no refinement, a conditional model that is refined or told no class.
    """
    x = prepare_image(crop, model.image_shape)[None].to(model.device)
    start: Literal["encoder", "mean"] = "encoder" if model.infers_noise else "mean"
    if start == "mean" and not refinement.steps:
        lacks = "infers codes but not the noise" if "encoder" in model.nets else "is missing"
        raise ModelError(
            f"A photo has no code in this {model.recipe.method} model, whose encoder {lacks}. Let the code be found by "
            "optimisation from the mean code (--refine 300), or use a model with an encoder."
        )
    if start == "encoder":
        with torch.inference_mode():
            w = model.encode(x, label)
    if not refinement.steps:
        return w.clone(), {"start": start, "steps": 0}
    space: Space = "w+" if model.w_shape[0] > 1 else "w"
    if not model.infers_noise and "encoder" in model.nets:
        space = "noise"
    lr = refinement.lr if refinement.lr is not None else 0.05 if start == "encoder" else 0.1
    found = project(
        model,
        x,
        space=space,
        start=w.clone() if start == "encoder" else "mean",
        steps=refinement.steps,
        lr=lr,
        encoder_weight=refinement.encoder_weight if start == "encoder" else 0.0,
        progress=progress,
    )
    losses = found.losses[:, 0]
    told: dict[str, Any] = {"start": start, "steps": refinement.steps, "space": space, "lr": lr}
    told |= {"encoder_weight": refinement.encoder_weight, "loss": [losses[0].item(), losses.min().item()]}
    return found.w, told


def _alignment_facts(frame: Frame) -> dict[str, Any]:
    return {
        "way": frame.way,
        "template": frame.template,
        "points": None if frame.points is None else [list(point) for point in frame.points.listed],
        "transform": frame.transform.tolist(),
        "outline": [list(corner) for corner in frame.outline],
    }
