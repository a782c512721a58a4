"""Pictures as people have them to images as models take them, and back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from twoway.data.decode import Unusable, decode, fit_picture, flatten, reason_of
from twoway.data.pixels import to_float, to_uint8
from twoway.errors import ConfigError, DataError

__all__ = ["OutputType", "Picture", "deliver", "prepare_image"]

Picture: TypeAlias = "Image.Image | np.ndarray[Any, Any] | str | os.PathLike[str]"
OutputType: TypeAlias = Literal["pil", "np", "pt"]


def prepare_image(picture: Picture, image_shape: tuple[int, int, int]) -> Tensor:
    """One picture as a model takes it, by the rules of the training data (`twoway.data.decode`, fit ``crop``).

    The largest centred part with the model's proportions is cut out and resized; a picture that already has the
    model's size keeps its pixels. Orientation tags of photographs are obeyed, transparency is laid over white, and
    grey or colour is converted as the model needs.

    Args:
        picture: A PIL image, a uint8 array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or the path of an image file.
        image_shape: Channels (1 or 3), height and width wanted.

    Returns:
        Image in [-1, 1], float32, shape (C, H, W).

    Raises:
        DataError: No such file, a file that is no picture, or an array of another type or shape.
    """
    if isinstance(picture, np.ndarray):
        picture = _from_array(picture)
    name = "The picture" if isinstance(picture, Image.Image) else f"The file '{picture}'"
    try:
        if isinstance(picture, Image.Image):
            pixels = fit_picture(flatten(ImageOps.exif_transpose(picture)), image_shape, "crop")
        else:
            with Path(picture).expanduser().open("rb") as stream:
                pixels = decode(stream, image_shape, "crop")
    except (Unusable, OSError) as error:
        raise DataError(
            f"{name} {reason_of(error)}. Give the path of a PNG, JPEG or other common image file, a PIL image, or a "
            "uint8 array."
        ) from error
    return to_float(torch.from_numpy(np.array(pixels)))


def _from_array(pixels: np.ndarray[Any, Any]) -> Image.Image:
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3, 4))
    if pixels.dtype != np.uint8 or not fits or pixels.size == 0:
        raise DataError(
            f"Got an array of {pixels.dtype} and shape {pixels.shape} as a picture, but expected uint8 of shape "
            "(height, width), (height, width, 3) or (height, width, 4). Values in [0, 1] must be multiplied by 255 "
            "and rounded first."
        )
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels))


def deliver(x: Tensor, output_type: str) -> Any:
    """Images as the caller wants them.

    Args:
        x: Images in [-1, 1], shape (B, C, H, W).
        output_type: ``pil`` a list of PIL images, ``np`` a uint8 array (B, H, W, C), ``pt`` the tensor itself.

    Raises:
        ConfigError: Another word.
    """
    if output_type == "pt":
        return x
    if output_type not in ("pil", "np"):
        raise ConfigError(f"output_type is '{output_type}', but must be 'pil', 'np' or 'pt'.")
    pixels = to_uint8(x).permute(0, 2, 3, 1).cpu().numpy()
    if output_type == "np":
        return pixels
    return [Image.fromarray(one[..., 0] if one.shape[2] == 1 else one) for one in pixels]
