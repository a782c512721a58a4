"""Whether a picture is like those a model knows, and a sentence for where it is not.

A picture is called unlike the others where one of three numbers is further out than in 99 of 100 known pictures:

* the distance of its code w from the nearest known code, beside the distance of each known code from its nearest other;
* the mean squared error of its reconstruction, beside the known pictures' errors;
* the tail probability of its prior code (`twoway.latents.in_domain`), where known pictures have such a score.

The known pictures are those of a file of codes, best of the training pictures. Without one they are samples of the
model's own, and only the error of the reconstruction is judged, against twice the 99th percentile of the samples'
errors: pictures of the training set lie further from the samples' codes than samples do, and are given back less well.

The tail probability is never judged by itself: the real pictures of a trained model mostly have prior codes that no
draw of the prior has (log10 of the tail below -1000 for each training picture of a small LIA), so that the comparison
with known pictures is what says something. A usual picture proves nothing; about one or two known pictures in a hundred
are called unlike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from twoway.conditioning import Labels
from twoway.errors import ModelError
from twoway.latents.in_domain import can_score, score_prior_codes
from twoway.model import TwoWayModel

if TYPE_CHECKING:
    from twoway.latents.codes import Codes

__all__ = ["Familiarity", "familiarity", "unlike_known", "unlike_training"]

FEWEST = 20
"""Known pictures below which nothing is called unusual."""
SAMPLES = 128
MARGIN = 2.0
"""Factor on the 99th percentile of the errors of samples."""
CHUNK = 256


@dataclass(frozen=True)
class Familiarity:
    """What is usual for the pictures a model knows; None where that is not known.

    Args:
        codes: Known codes, float32, shape (N, layers * dim).
        distance: Largest usual distance of a code from the nearest known one.
        error: Largest usual mean squared error of a reconstruction, pixels in [-1, 1].
        score: Smallest usual decimal logarithm of the tail probability of a prior code.
        known: What the pictures are called in a sentence.
    """

    codes: np.ndarray | None = None
    distance: float | None = None
    error: float | None = None
    score: float | None = None
    known: str = "encoded pictures"


def familiarity(model: TwoWayModel, reference: Codes | None = None) -> Familiarity:
    """Find what is usual; to be done once for many pictures.

    Args:
        model: In evaluation mode.
        reference: Codes of known pictures; None takes samples of the model.

    Returns:
        Without any bound where there are fewer than 20 known pictures, or no samples that can be encoded.

    Raises:
        ModelError: Codes of another model.
    """
    if reference is None:
        return _of_samples(model)
    if not model.accepts(reference.fingerprint):
        raise ModelError(
            f"The known codes were made by the model {reference.fingerprint}, but this model is {model.fingerprint()}. "
            "Encode the pictures with this one."
        )
    if reference.w is None or len(reference.w) < FEWEST:
        return Familiarity()
    codes = np.ascontiguousarray(reference.w.reshape(len(reference.w), -1), np.float32)
    distances = _nearest(codes, codes, others=True)
    errors, scores = reference.errors, reference.in_domain
    return Familiarity(
        codes,
        distance=_percentile(distances, 99),
        error=None if errors is None else _percentile(errors, 99),
        score=None if scores is None else _percentile(scores, 1),
    )


@torch.inference_mode()
def unlike_training(
    model: TwoWayModel,
    picture: Tensor,
    reference: Codes | Familiarity | None = None,
    *,
    labels: Labels | None = None,
) -> str | None:
    """Say that a picture is unlike those the model knows, where that can be said.

    Args:
        model: In evaluation mode.
        picture: An image in [-1, 1], shape (C, H, W) or (1, C, H, W), or its code, (layers, dim) or (1, layers, dim);
            of an image more can be said.
        reference: Codes of known pictures, or what `familiarity` found in them; None takes samples of the model, anew
            at each call.
        labels: Class of the image, of a conditional model.

    Returns:
        One sentence for a person, or None where the picture is usual or nothing is known.

    Raises:
        ModelError: Codes of another model, a picture of another shape, or a conditional model that is told no class.
    """
    usual = reference if isinstance(reference, Familiarity) else familiarity(model, reference)
    image = _one_image(model, picture)
    if image is not None and not model.infers_noise:
        return None
    w = model.encode(image, labels) if image is not None else picture.reshape(1, *model.w_shape).to(model.device)
    error = None
    if image is not None and usual.error is not None:
        error = (model.decode(w) - image).square().mean().item()
    return unlike_known(model, w, usual, error=error)


@torch.inference_mode()
def unlike_known(model: TwoWayModel, w: Tensor, usual: Familiarity, *, error: float | None = None) -> str | None:
    """`unlike_training` of a picture that was encoded already.

    Args:
        model: In evaluation mode.
        w: Code of the picture, (1, layers, dim).
        usual: What `familiarity` found.
        error: Mean squared error of its reconstruction, pixels in [-1, 1]; None does not judge it.

    Returns:
        One sentence for a person, or None where the picture is usual or nothing is known.
    """
    found = []
    if usual.codes is not None and usual.distance is not None:
        distance = float(_nearest(w.flatten(1).cpu().numpy(), usual.codes)[0])
        if distance > usual.distance:
            found.append(
                f"its code is {distance:.3g} away from the nearest of theirs, where up to {usual.distance:.3g} is usual"
            )
    if usual.error is not None and error is not None and error > usual.error:
        found.append(f"it is given back with an error of {error:.3g}, where up to {usual.error:.3g} is usual")
    if usual.score is not None and can_score(model):
        score = float(score_prior_codes(model.unmap(w).cpu().numpy()).log10_tail[0])
        if score < usual.score:
            found.append(f"its prior code has the score {score:.1f}, where down to {usual.score:.1f} is usual")
    if not found:
        return None
    what = "the pictures this model makes" if usual.known == "samples" else f"the {usual.known}"
    return f"This picture is unlike {what}: {'; '.join(found)}. Is it aligned and cut as the training pictures were?"


def _one_image(model: TwoWayModel, picture: Tensor) -> Tensor | None:
    """The image (1, C, H, W), or None where a code is given."""
    one = picture if picture.ndim in (3, 4) and picture.shape[-3:] == model.image_shape else None
    if one is not None and (one.ndim == 3 or len(one) == 1):
        return one.reshape(1, *model.image_shape).to(model.device)
    if one is None and picture.shape[-2:] == model.w_shape and picture.numel() == model.w_avg.numel():
        return None
    raise ModelError(
        f"Got a picture or code of shape {tuple(picture.shape)}, but expected one image {model.image_shape} or one "
        f"code {model.w_shape}."
    )


@torch.inference_mode()
def _of_samples(model: TwoWayModel) -> Familiarity:
    if model.recipe.prior is None or not model.infers_noise:
        return Familiarity()
    z = model.draw_prior(SAMPLES, generator=torch.Generator().manual_seed(0))
    classes = model.recipe.labels
    errors = []
    for part in z.split(32):
        w = model.map(part)
        x = model.decode(w)
        told = w[:, 0, -classes:].argmax(1) if classes else None
        errors.append((model.reconstruct(x, told) - x).square().flatten(1).mean(1).cpu())
    return Familiarity(error=MARGIN * _percentile(torch.cat(errors).numpy(), 99), known="samples")


def _nearest(rows: np.ndarray, known: np.ndarray, *, others: bool = False) -> np.ndarray:
    """Distance of each row (n, dim) from the nearest known one (N, dim); of `others`, rows are the known ones."""
    there = torch.from_numpy(np.ascontiguousarray(known, np.float32))
    found = []
    for start in range(0, len(rows), CHUNK):
        part = torch.from_numpy(np.ascontiguousarray(rows[start : start + CHUNK], np.float32))
        distances = torch.cdist(part, there)
        if others:
            distances[torch.arange(len(part)), torch.arange(start, start + len(part))] = torch.inf
        found.append(distances.min(1).values)
    return torch.cat(found).numpy()


def _percentile(values: np.ndarray, q: float) -> float:
    return float(np.percentile(values, q))
