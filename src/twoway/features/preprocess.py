"""From our images to what a pretrained network was trained on: colour, scale, channel order, size."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from twoway.errors import DataError

__all__ = ["Preprocessing", "enlarge", "prepare", "resized", "to_grey", "to_rgb"]

Preprocessing = Literal["imagenet", "caffe_rgb", "caffe_bgr"]
"""Kinds of input a network may expect.

imagenet: RGB in [0, 1], minus the mean, over the standard deviation (torchvision's own trainings).
caffe_rgb: RGB in 0..255 minus the mean (Caffe's weights with the first layer turned to RGB).
caffe_bgr: the same in the order blue, green, red (Caffe's weights as they are; Keras's VGG16).
"""

_CAFFE_MEAN = (123.68, 116.779, 103.939)
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)
_LUMA = (0.299, 0.587, 0.114)


def to_rgb(x: Tensor) -> Tensor:
    """Grey images repeated to three channels; colour images as they are.

    Raises:
        DataError: Images with another number of channels.
    """
    if x.shape[1] == 1:
        return x.expand(-1, 3, -1, -1)
    if x.shape[1] != 3:
        raise DataError(
            f"The images have {x.shape[1]} channels, but networks trained on photographs take 1 (grey) or 3 (RGB). "
            f"Use the features 'pyramid', which take any number."
        )
    return x


def to_grey(x: Tensor) -> Tensor:
    """Brightness of colour images, 0.299 R + 0.587 G + 0.114 B (Rec. 601); grey images as they are."""
    return x if x.shape[1] == 1 else (to_rgb(x) * _column(_LUMA, x)).sum(1, keepdim=True)


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """Images of another size, bilinearly, averaged where that is smaller; those of the size come back untouched."""
    if x.shape[-2:] == (height, width):
        return x
    return functional.interpolate(x, size=(height, width), mode="bilinear", align_corners=False, antialias=True)


def prepare(x: Tensor, kind: Preprocessing, mean: tuple[float, float, float] = _CAFFE_MEAN) -> Tensor:
    """Images in [-1, 1], (B, 1 or 3, H, W), as a pretrained network wants them, (B, 3, H, W).

    Args:
        x: The images.
        kind: What the network was trained on.
        mean: Mean colour of the two Caffe kinds, red first, on the scale 0..255.
    """
    unit = (to_rgb(x) + 1) / 2
    if kind == "imagenet":
        return (unit - _column(_IMAGENET_MEAN, x)) / _column(_IMAGENET_STD, x)
    centred = 255 * unit - _column(mean, x)
    return centred.flip(1) if kind == "caffe_bgr" else centred


def enlarge(x: Tensor, least: int) -> Tensor:
    """Scale images up, bilinearly, so that the shorter side has at least `least` pixels; larger ones stay."""
    shorter = min(x.shape[-2:])
    if shorter >= least:
        return x
    size = [round(side * least / shorter) for side in x.shape[-2:]]
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def _column(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, 3, 1, 1)
