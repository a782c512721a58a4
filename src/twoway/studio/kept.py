"""A photo as it is kept: the file that was sent, and a small copy; decoded it may take a hundred times as much."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from twoway.photos.framing import Frame
from twoway.photos.points import FacePoints
from twoway.photos.similarity import Transform
from twoway.studio.limits import Limits, check_upload

__all__ = ["KeptFrame", "keep_frame"]


@dataclass(frozen=True)
class KeptFrame:
    """Where a crop lies in a photo that is decoded again whenever all of it is needed.

    Args:
        small: The same crop in a copy of the photo, at most `Limits.preview` pixels long; without the points.
        size: Width and height of the whole photo.
        transform: From the whole photo to the crop.
        points: Of the face in the whole photo, where they were given.
        file: As it was sent.
        limits: Under which the file was accepted.
    """

    small: Frame
    size: tuple[int, int]
    transform: Transform
    points: FacePoints | None
    file: bytes
    limits: Limits

    def whole(self) -> Frame:
        """The crop in the photo as large as it is; costs its decoding, and nobody should hold it for long."""
        is_small = self.small.photo.size == self.size
        photo = self.small.photo if is_small else check_upload(self.file, self.limits)
        return replace(self.small, photo=photo, transform=self.transform, points=self.points)


def keep_frame(frame: Frame, file: bytes, limits: Limits) -> KeptFrame:
    """What is kept of a frame.

    Args:
        frame: In the whole photo.
        file: The photo's, which `check_upload` accepted.
        limits: Which accepted it; say how long the small copy may be.
    """
    photo = frame.photo.copy()
    photo.thumbnail((limits.preview, limits.preview))
    scale = np.array([frame.photo.width / photo.width, frame.photo.height / photo.height, 1.0])
    small = replace(frame, photo=photo, transform=frame.transform * scale, points=None)
    return KeptFrame(small, frame.photo.size, frame.transform, frame.points, file, limits)
