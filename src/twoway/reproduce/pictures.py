"""Held-out pictures, their reconstructions, errors in the unit of the tables, and a judge of what pictures show."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from twoway.data import to_float, to_uint8
from twoway.metrics.inputs import ReadsPictures, choose_rows
from twoway.metrics.nearest_neighbour import nearest_neighbours
from twoway.metrics.reconstruction import pixel_mse
from twoway.model import TwoWayModel
from twoway.reproduce.study import Study

__all__ = ["Judge", "at_once", "held_out", "reconstructed", "unit_mse"]


def at_once(model: TwoWayModel) -> int:
    """Pictures at a time: 256 at 64 pixels, 16 at 256 as in the official code, 4 from 512 on."""
    return max(4, min(256, 2**20 // model.image_shape[1] ** 2))


def held_out(study: Study, count: int, *, purpose: str = "") -> Tensor:
    """Held-out pictures, uint8: a fixed choice, or one that depends on the seed and on what they are for."""
    _, test = study.pictures()
    rows = choose_rows(len(test), None if purpose else count)
    if purpose:
        rows = rows[torch.randperm(len(rows), generator=study.generator(purpose))[:count].numpy()]
    return test.read([int(row) for row in rows])


@torch.inference_mode()
def reconstructed(model: TwoWayModel, pictures: Tensor) -> Tensor:
    """Reconstructions of pictures, both uint8; codes are not truncated and noise is that of the model."""
    parts = pictures.split(at_once(model))
    return torch.cat([to_uint8(model.reconstruct(to_float(part).to(model.device))).cpu() for part in parts])


def unit_mse(made: Tensor, originals: Tensor) -> float:
    """Mean squared error of uint8 pictures, times 1000, for pixels in [0, 1]."""
    return 250 * pixel_mse(to_float(made), to_float(originals)).mean().item()


class Judge:
    """Names the class of pictures: that of the nearest training picture, pixel by pixel.

    No network judges, so none can be fooled; what it says of real test pictures is the ceiling of what it can say.

    Args:
        data: Labelled training pictures.
        limit: At most so many of them, a fixed random choice.
    """

    def __init__(self, data: ReadsPictures, limit: int | None) -> None:
        assert data.labels is not None, "a judge learns from labels"
        rows = choose_rows(len(data), limit)
        self.known = to_float(data.read(rows.tolist())).flatten(1)
        self.labels = np.asarray(data.labels)[rows]

    def __call__(self, pictures: Tensor) -> np.ndarray:
        """Classes (N,) of pictures (N, C, H, W), uint8."""
        return np.asarray(self.labels[nearest_neighbours(self.known, to_float(pictures).flatten(1))])
