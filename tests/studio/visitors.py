"""Small models, studios and pictures of the studio's tests."""

import io
import os

import numpy as np
import torch
from PIL import Image
from small import small_model

from twoway import Pipeline
from twoway.latents.directions import Direction


def drawn(seed=0, size=(30, 20)):
    """A picture of noise, RGB, of a width and height."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def packed(image, kind="PNG", **more):
    """The bytes of a picture file."""
    stream = io.BytesIO()
    image.save(stream, kind, **more)
    return stream.getvalue()


def photo(seed=0, size=(30, 20)):
    return packed(drawn(seed, size))


def pipeline(method="lia", **options):
    """A small model whose mean code is not zero."""
    model = small_model(method, **options)
    with torch.no_grad():
        model.w_avg.normal_(generator=torch.Generator().manual_seed(1))
    return Pipeline(model)


def direction(pipe, name="Smiling", seed=0):
    vector = torch.randn(1, pipe.model.w_shape[1], generator=torch.Generator().manual_seed(seed))
    return Direction(name, vector, pipe.model.fingerprint(), "given", deviation=0.5)


def one_way(pipe):
    """The same model without its encoder."""
    del pipe.model.nets["encoder"]
    return pipe


def pixels(image):
    return np.asarray(image).astype(int)


def slower():
    """Factor on limits of time: 1 on an idle machine; generous only where more wants to run than there are cores."""
    queue = os.getloadavg()[0] / (os.cpu_count() or 1)
    return 2.0 * queue if queue > 1 else 1.0
