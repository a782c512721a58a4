"""Faces found by OpenCV, with a detector whose file the user names; nothing is bundled and nothing downloaded.

Two kinds of files: YuNet (``.onnx``), which gives eyes and corners of the mouth, and Haar cascades of frontal faces
(``.xml``), which give a box, in which upright eyes and a mouth are assumed at their usual places.

References:
    Wu, Peng, Yu, YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023.
    Viola, Jones, Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from twoway.errors import ConfigError, DataError
from twoway.photos.points import FacePoints

__all__ = ["Detector", "choose_face", "load_detector"]

SIDE = 1024  # longest side on which faces are looked for; small faces of large groups are not what is edited
SCORE = 0.7
BOX_POINTS = ((0.31, 0.39), (0.69, 0.39), (0.5, 0.77))  # eyes and mouth in the box of a frontal-face cascade

INSTALL = (
    "Finding faces needs OpenCV, which is not installed: pip install opencv-python-headless (or 'twoway[detector]')."
)


class Detector(Protocol):
    """Finds faces."""

    def __call__(self, photo: Image.Image) -> list[FacePoints]:
        """Faces in an RGB photo, largest first, in pixels of the photo."""
        ...


@dataclass(frozen=True)
class _OnReduced:
    """A detector of OpenCV on a photo of bounded size."""

    find: Callable[[np.ndarray], list[tuple[float, list[tuple[float, float]]]]]

    def __call__(self, photo: Image.Image) -> list[FacePoints]:
        factor = max(1.0, max(photo.size) / SIDE)
        size = (max(1, round(photo.width / factor)), max(1, round(photo.height / factor)))
        small = photo if photo.size == size else photo.resize(size, Image.Resampling.BOX)
        found = self.find(np.ascontiguousarray(np.asarray(small.convert("RGB"))[..., ::-1]))  # OpenCV's order is BGR
        back = (photo.width / size[0], photo.height / size[1])
        faces = []
        for _, points in sorted(found, key=lambda face: -face[0]):
            p = [(x * back[0], y * back[1]) for x, y in points]
            mouth = ((p[2][0] + p[-1][0]) / 2, (p[2][1] + p[-1][1]) / 2)
            faces.append(FacePoints(p[0], p[1], mouth, (p[2], p[3]) if len(p) == 4 else None))
        return faces


def load_detector(path: str | os.PathLike[str]) -> Detector:
    """Load the file of a detector.

    Args:
        path: YuNet's ``.onnx``, or the ``.xml`` of a Haar cascade for frontal faces.

    Raises:
        ConfigError: OpenCV is not installed or lacks this kind, no such file, or a file that it cannot read.
    """
    file = Path(path).expanduser()
    kind = file.suffix.lower()
    if kind not in (".onnx", ".xml"):
        raise ConfigError(
            f"The detector '{file}' is neither an .onnx file of YuNet nor an .xml file of a Haar cascade, which OpenCV "
            "reads. Both kinds are found in OpenCV's own repositories; or give the points with --points."
        )
    if not file.is_file():
        raise ConfigError(f"There is no detector file '{file}'. Check the path, or give the points with --points.")
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(INSTALL) from error
    maker = _yunet if kind == ".onnx" else _cascade
    try:
        return _OnReduced(maker(cv2, str(file)))
    except ConfigError:
        raise
    except Exception as error:  # cv2.error and whatever a damaged file makes it trip over
        raise ConfigError(
            f"OpenCV cannot use the detector '{file}': {_short(error)}. Get an unaltered copy of the file."
        ) from error


def _yunet(cv2: Any, path: str) -> Callable[[np.ndarray], list[tuple[float, list[tuple[float, float]]]]]:
    if not hasattr(cv2, "FaceDetectorYN"):
        raise ConfigError(
            "This OpenCV has no FaceDetectorYN for YuNet files: install opencv-python-headless 4.5.4 or later."
        )
    net = cv2.FaceDetectorYN.create(path, "", (SIDE, SIDE), SCORE)

    def find(pixels: np.ndarray) -> list[tuple[float, list[tuple[float, float]]]]:
        net.setInputSize((pixels.shape[1], pixels.shape[0]))
        _, rows = net.detect(pixels)
        found = []
        for row in rows if rows is not None else ():
            # x, y, w, h, then (x, y) of the person's right eye, left eye, nose, right and left corner of the mouth:
            # the person's right is the picture's left
            place = [(float(row[i]), float(row[i + 1])) for i in (4, 6, 10, 12)]
            found.append((float(row[2] * row[3]), place))
        return found

    return find


def _cascade(cv2: Any, path: str) -> Callable[[np.ndarray], list[tuple[float, list[tuple[float, float]]]]]:
    if not hasattr(cv2, "CascadeClassifier"):
        raise ConfigError(
            f"This OpenCV ({cv2.__version__}) no longer reads Haar cascades: use a YuNet .onnx file, or install "
            "opencv-python-headless below 5."
        )
    cascade = cv2.CascadeClassifier(path)
    if cascade.empty():
        raise ConfigError(f"'{path}' is no Haar cascade that OpenCV can read. Get an unaltered copy of the file.")

    def find(pixels: np.ndarray) -> list[tuple[float, list[tuple[float, float]]]]:
        grey = cv2.equalizeHist(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
        boxes = cascade.detectMultiScale(grey, 1.1, 5)
        return [(float(w * h), [(float(x + u * w), float(y + v * h)) for u, v in BOX_POINTS]) for x, y, w, h in boxes]

    return find


def choose_face(photo: Image.Image, detector: Detector, *, number: int | None = None) -> tuple[FacePoints, int]:
    """Points of one face of a photo.

    Args:
        photo: Upright, RGB.
        detector: What finds faces.
        number: Which one, 1 for the largest; None takes the largest.

    Returns:
        Its points, and how many faces there are.

    Raises:
        DataError: No face, or fewer than the number.
    """
    try:
        faces = detector(photo)
    except DataError:
        raise
    except Exception as error:  # cv2.error is no OSError, and its text speaks of files of OpenCV
        raise DataError(f"The face detector failed on this photo: {_short(error)}. Give the points instead.") from error
    if not faces:
        raise DataError(
            "The detector found no face in the photo. Give the eyes and the mouth yourself, --points 'x,y x,y x,y', or "
            "take the centre of the photo with --align center."
        )
    if number is not None and not 1 <= number <= len(faces):
        raise DataError(f"Face {number} was asked for, but the detector found {len(faces)}, counted from the largest.")
    face = faces[(number or 1) - 1]
    if not all(map(math.isfinite, (value for point in face.listed for value in point))):
        raise DataError("The detector gave points that are no numbers. Give the points yourself with --points.")
    return face, len(faces)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
