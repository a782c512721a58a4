"""What a model says of pictures, one vector each: the codes that disentanglement and clustering are measured on."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from twoway.errors import ModelError
from twoway.metrics.inputs import Pictures, encoder_batches, float_batches
from twoway.metrics.modes import measuring
from twoway.model import TwoWayModel

__all__ = ["Codes", "CodesKind", "class_logits", "encode_codes"]

CodesKind = Literal["means and class probabilities", "means", "codes"]


class Codes(NamedTuple):
    """Codes of pictures.

    Args:
        values: One row per picture, (N, D), float32.
        kind: What they are: the means of continuous codes beside the probabilities of classes, the means of a Gaussian
            encoder, or the codes of a deterministic one.
    """

    values: np.ndarray[Any, Any]
    kind: CodesKind


@torch.inference_mode()
def encode_codes(
    model: TwoWayModel, data: Pictures, *, rows: np.ndarray[Any, Any] | None = None, batch: int = 256
) -> Codes:
    """What the encoder says of pictures, without the chance in it.

    A code that a style generator takes in all its layers alike counts once.

    Args:
        model: Encodes, in evaluation mode meanwhile.
        data: Pictures.
        rows: Numbers of the pictures wanted; all where None.
        batch: Pictures at a time.

    Raises:
        ModelError: The model has no encoder, or takes other pictures.
        DataError: No pictures.
    """
    kind: CodesKind | None = None
    parts, alike = [], True
    with measuring(model):
        for x, labels in encoder_batches(model, data, batch=batch, rows=rows):
            kind = kind or _kind(model, x[:1], None if labels is None else labels[:1])
            codes = _said(model, x, labels, kind)
            alike = alike and bool((codes == codes[:, :1]).all())
            parts.append(codes.float().cpu().numpy())
    assert kind is not None  # there was at least one batch
    whole = np.concatenate([part[:, :1] for part in parts] if alike else parts)
    return Codes(whole.reshape(len(whole), -1), kind)


@torch.inference_mode()
def class_logits(
    model: TwoWayModel, data: Pictures, *, rows: np.ndarray[Any, Any] | None = None, batch: int = 256
) -> np.ndarray[Any, Any]:
    """Unnormalised log chances of the classes that a categorical code knows, (N, K), float32.

    Raises:
        ModelError: The model has no categorical code.
        DataError: No pictures.
    """
    with measuring(model):
        parts = []
        for x in float_batches(data, batch=batch, device=model.device, rows=rows):
            logits = model.encode_code(x).logits if model.recipe.encodes == "code" else None
            if logits is None or logits.shape[1] == 0:
                raise ModelError(
                    f"This {model.recipe.method} model has no categorical code, so it sorts pictures into no classes. "
                    "Measure its features by knn or svm instead, or train a method with a categorical code, such as "
                    "infovaegan or infogan."
                )
            parts.append(logits.float().cpu().numpy())
    return np.concatenate(parts)


def _kind(model: TwoWayModel, x: Tensor, labels: Tensor | None) -> CodesKind:
    """What the encoder gives; a look at one picture."""
    if model.recipe.encodes == "code":
        return "means and class probabilities"
    try:
        model.encode_distribution(x, labels)
    except ModelError:
        return "codes"
    return "means"


def _said(model: TwoWayModel, x: Tensor, labels: Tensor | None, kind: CodesKind) -> Tensor:
    """Codes (B, layers, D) of images."""
    if kind == "means and class probabilities":
        return model.represent(x).unsqueeze(1)
    if kind == "means":
        mean = model.encode_distribution(x, labels).mean
        return mean if mean.ndim == 3 else mean.unsqueeze(1)
    if model.recipe.labels:  # what it is told is no finding
        return model.represent(x, labels).unsqueeze(1)
    return model.encode(x)
