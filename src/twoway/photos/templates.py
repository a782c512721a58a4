"""Where a model expects the eyes and the mouth: rules from the points of a face to the crop that a model was shown.

References:
    Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015 (CelebA, aligned by the eyes).
    Karras et al., A Style-Based Generator Architecture for GANs, arXiv 1812.04948, appendix A (FFHQ).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from twoway.errors import ConfigError, DataError, closest
from twoway.photos.points import FacePoints, Point, make_points
from twoway.photos.similarity import Transform, fit_similarity

__all__ = [
    "TEMPLATES",
    "PointTemplate",
    "QuadTemplate",
    "Template",
    "read_template",
    "template_from_plain",
    "template_of_facts",
]


class Template(Protocol):
    """A rule for the crop of a face."""

    @property
    def name(self) -> str:
        """What users call it."""
        ...

    def transform(self, points: FacePoints, size: tuple[int, int]) -> Transform:
        """From photo to crop of a width and height, for a face."""
        ...

    def plain(self) -> dict[str, Any]:
        """Plain data that `template_from_plain` reads back."""
        ...


@dataclass(frozen=True)
class PointTemplate:
    """The crop in which the points of the face come nearest to given places, by a similarity.

    Args:
        name: What users call it.
        points: The places, in parts of the crop's width and height.
    """

    name: str
    points: FacePoints

    def transform(self, points: FacePoints, size: tuple[int, int]) -> Transform:
        """From photo to crop of a width and height; with corners, middle or neither of the mouth as both have them."""
        mine, theirs = self.points, points
        if not (mine.corners and theirs.corners):
            mine, theirs = (FacePoints(p.left_eye, p.right_eye, p.mouth) for p in (mine, theirs))
        count = min(len(mine.listed), len(theirs.listed))
        goal = np.array(mine.listed[:count]) * size
        return fit_similarity(theirs.listed[:count], goal.tolist())

    def plain(self) -> dict[str, Any]:
        """Plain data that `template_from_plain` reads back."""
        return {"kind": "points", "name": self.name, "points": [list(p) for p in self.points.listed]}


@dataclass(frozen=True)
class QuadTemplate:
    """FFHQ's rule: a square around the face, sized and turned by the eyes and the mouth.

    With e from the left to the right eye and m from the middle of the eyes to the middle of the mouth, half the upper
    side of the square points along ``e - rot90(m)`` and is as long as the longer of ``across |e|`` and ``along |m|``;
    its centre lies ``lower m`` below the middle of the eyes.

    Args:
        name: What users call it.
        across: Half a side, in distances of the eyes.
        along: Half a side, in distances from eyes to mouth.
        lower: Centre, from the eyes towards the mouth.
    """

    name: str
    across: float = 2.0
    along: float = 1.8
    lower: float = 0.1

    def transform(self, points: FacePoints, size: tuple[int, int]) -> Transform:
        """From photo to crop of a width and height; the square fills the shorter of the two.

        Raises:
            DataError: Nobody said where the mouth is.
        """
        if points.mouth is None:
            raise DataError(
                f"The template '{self.name}' needs the mouth too: give a third point for its middle, or two for its "
                "corners."
            )
        left, right, mouth = (np.array(p) for p in (points.left_eye, points.right_eye, points.mouth))
        eyes = (left + right) / 2
        across, down = right - left, mouth - eyes
        half = across + np.array([down[1], -down[0]])  # minus rot90, which takes (x, y) to (-y, x)
        length = max(self.across * float(np.hypot(*across)), self.along * float(np.hypot(*down)))
        half = half / np.hypot(*half) * length
        centre = eyes + self.lower * down
        side, middle = min(size), np.array(size) / 2
        # a square is two points: its centre and the middle of its right side
        goal = [middle.tolist(), [middle[0] + side / 2, middle[1]]]
        return fit_similarity([centre.tolist(), (centre + half).tolist()], goal)

    def plain(self) -> dict[str, Any]:
        """Plain data that `template_from_plain` reads back."""
        return {"kind": "quad", "name": self.name, "across": self.across, "along": self.along, "lower": self.lower}


def _celeba(x: float, y: float) -> Point:
    """From pixels of an aligned CelebA picture, 178x218, to parts of its central 128x128 (from 25, 45)."""
    return (x + 0.5 - 25) / 128, (y + 0.5 - 45) / 128


TEMPLATES: Mapping[str, Template] = {
    # mean landmarks of the aligned pictures; the mean face has its pupils and corners of the mouth there
    "celeba": PointTemplate(
        "celeba",
        make_points([_celeba(69.5, 111), _celeba(108, 111), _celeba(73, 152), _celeba(105, 152)], apart=0.01),
    ),
    "ffhq": QuadTemplate("ffhq"),
}
"""``celeba``: aligned CelebA, central 128x128 of 178x218. ``ffhq``: FFHQ, a wider crop with hair and chin."""


def read_template(name: str | os.PathLike[str]) -> Template:
    """A template by name, or from a JSON file.

    A file holds what `Template.plain` gives, such as ``{"kind": "points", "points": [[0.35, 0.5], [0.65, 0.5],
    [0.5, 0.85]]}``: where the eyes and the mouth lie, in parts of the crop's width and height.

    Raises:
        ConfigError: No such template and no such file, or a file that describes none.
    """
    text = os.fspath(name)
    if text in TEMPLATES:
        return TEMPLATES[text]
    path = Path(text).expanduser()
    if path.suffix.lower() != ".json" and not path.is_file():
        raise ConfigError(f"There is no template '{text}'{closest(text, TEMPLATES)}; or the path of a .json file.")
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"The template '{path}' cannot be read: {error}. Expected a JSON file, see the docs."
        ) from error
    return template_from_plain(plain, where=f"The template '{path}'", name=path.stem)


def template_from_plain(plain: Any, *, where: str = "The template", name: str = "own") -> Template:
    """A template from plain data, or from the name of a known one.

    Args:
        plain: What `Template.plain` gives, or a name.
        where: What to call it in messages.
        name: Its name where the data say none.

    Raises:
        ConfigError: Something else.
    """
    if isinstance(plain, str):
        return read_template(plain)
    kind = plain.get("kind", "points") if isinstance(plain, Mapping) else None
    called = str(plain.get("name", name)) if isinstance(plain, Mapping) else name
    if isinstance(plain, Mapping) and kind == "points":
        try:
            points = make_points(plain.get("points", ()), where=f"{where}: the points", apart=0.01)
        except DataError as error:
            raise ConfigError(f"{error} In a template they are parts of the crop's width and height.") from error
        if not all(-1 <= value <= 2 for point in points.listed for value in point):
            raise ConfigError(f"{where} has points beyond -1 to 2, but they are parts of the crop, 0 to 1 inside it.")
        return PointTemplate(called, points)
    if isinstance(plain, Mapping) and kind == "quad":
        values = {key: plain.get(key, default) for key, default in (("across", 2.0), ("along", 1.8), ("lower", 0.1))}
        numbers = all(isinstance(value, (int, float)) and abs(value) < 100 for value in values.values())
        if numbers and values["across"] > 0 and values["along"] > 0:
            return QuadTemplate(called, **values)
    raise ConfigError(
        f'{where} describes no crop: expected {{"kind": "points", "points": [[x, y], ...]}} or {{"kind": "quad"}} '
        "with the numbers across, along and lower."
    )


def template_of_facts(training: Mapping[str, Any]) -> Template | None:
    """The template of the pictures that a model was trained on, from what its folder says of the training.

    Args:
        training: ``training`` of the model folder's configuration; looked for is ``template`` there, in ``data``, and
            in the ``rules`` of ``data``, where it comes from the ``alignment.json`` of the pictures.

    Returns:
        None where nothing is said.

    Raises:
        ConfigError: Something is said that describes no template.
    """
    data = training.get("data")
    data = data if isinstance(data, Mapping) else {}
    rules = data.get("rules")
    places = (training, data, rules if isinstance(rules, Mapping) else {})
    found = next((place["template"] for place in places if place.get("template")), None)
    return None if found is None else template_from_plain(found, where="The template that the model folder names")
