"""Options that say where faces are, and finding the face of each photo by whichever the user chose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from twoway.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image

    from twoway.photos.points import FacePoints
    from twoway.photos.templates import Template

__all__ = ["DETECTOR", "FACE", "LANDMARKS", "TEMPLATE", "FaceFinder", "template_for"]

LANDMARKS = typer.Option(None, "--landmarks", help="CSV, CelebA list or JSON with the points of photos.")
DETECTOR = typer.Option(
    None, "--detector", help="Face detector of OpenCV: a YuNet .onnx or a cascade .xml (extra 'detector')."
)
FACE = typer.Option(None, "--face", min=1, help="Which face that the detector finds, counted from the largest.")
TEMPLATE = typer.Option(
    None, "--template", help="Where eyes and mouth lie in the training pictures: celeba, ffhq, or a .json file."
)


class FaceFinder:
    """Where the face of each photo is.

    Args:
        points: Text with the points of the only photo.
        landmarks: File with the points of many.
        detector: File of a detector.
        face: Which of the faces that it finds.

    Raises:
        ConfigError: More than one way, a face without detector, or a detector that cannot be used.
        DataError: Text or a file that cannot be read.
    """

    def __init__(
        self, points: str | None, landmarks: Path | None, detector: Path | None, face: int | None = None
    ) -> None:
        from twoway.photos.detectors import load_detector
        from twoway.photos.landmarks import parse_points, read_landmarks

        if sum(given is not None for given in (points, landmarks, detector)) > 1:
            raise ConfigError("Give only one of --points, --landmarks and --detector: each says where the face is.")
        if face is not None and detector is None:
            raise ConfigError("--face chooses among the faces that a detector found. Name its file with --detector.")
        self.given = None if points is None else parse_points(points)
        self.table = None if landmarks is None else read_landmarks(landmarks)
        self.detector = None if detector is None else load_detector(detector)
        self.face = face

    def points(self, name: str | os.PathLike[str], photo: Image.Image) -> tuple[FacePoints | None, str]:
        """Points of the face in a photo, None where nobody said, and how they were found.

        Raises:
            DataError: No row for the photo, or no face found.
        """
        from twoway.photos.detectors import choose_face

        if self.table is not None:
            return self.table.of(name), "by the landmarks file"
        if self.detector is not None:
            found, count = choose_face(photo, self.detector, number=self.face)
            which = "the largest of " if count > 1 and self.face is None else f"number {self.face or 1} of "
            return found, f"by the detector ({which}{count} face{'s' if count > 1 else ''})"
        return self.given, "by the points given"


def template_for(model: str, given: str | None) -> Template | None:
    """The template that was named, or that of the model's training pictures; None where nobody knows.

    Args:
        model: Run folder, model folder or hub id, as `twoway.training.entry.model_of_run` takes it.
        given: Name of a template, or its file.

    Raises:
        ConfigError: No such template, or one in the model's folder that describes no crop.
    """
    from twoway.photos.templates import read_template, template_of_facts
    from twoway.storage import CONFIG_FILE, read_config
    from twoway.training.runs import model_folder, split_delta

    if given is not None:
        return read_template(given)
    folder = Path(model_folder(split_delta(model)[0]))
    return template_of_facts(read_config(folder).training) if (folder / CONFIG_FILE).is_file() else None
