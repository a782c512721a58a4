"""Drawn people in colour with ten known factors: background, skin, hair, glasses, mouth, hat and more."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from twoway.data.avatar_parts import Figures, paint
from twoway.data.rendered import Drawing, check_factors, some_cells

__all__ = ["avatars", "render_avatars"]

VERSION = "avatars 1"
"""Part of the fingerprint; to be counted up when a pixel changes."""

BACKGROUNDS = {
    "sky": (166, 212, 240),
    "mint": (172, 224, 196),
    "lavender": (206, 190, 240),
    "butter": (252, 226, 140),
    "rose": (248, 182, 190),
    "slate": (110, 126, 158),
}
SKINS = {
    "pale": (255, 226, 202),
    "fair": (244, 200, 160),
    "tan": (218, 162, 114),
    "brown": (162, 106, 70),
    "dark": (94, 58, 46),
}
HAIRS = {
    "black": (44, 38, 46),
    "brown": (134, 84, 46),
    "ginger": (212, 98, 38),
    "blond": (242, 206, 112),
    "silver": (206, 210, 220),
    "blue": (66, 106, 216),
}
SHIRTS = {
    "red": (224, 74, 74),
    "navy": (48, 66, 118),
    "green": (72, 164, 104),
    "yellow": (248, 192, 62),
    "white": (244, 244, 240),
    "purple": (144, 86, 184),
}
STYLES = ("short", "long", "curly", "pigtails")
MOUTHS = ("neutral", "smile", "laugh")
HATS = ("none", "beanie", "cap")
TURNS = tuple(math.radians(angle) for angle in (-32, -16, 0, 16, 32))
EYES = (0.018, 0.026, 0.034)

FACTORS = {
    "background": len(BACKGROUNDS),
    "skin": len(SKINS),
    "hair_colour": len(HAIRS),
    "hair_style": len(STYLES),
    "glasses": 2,
    "mouth": len(MOUTHS),
    "hat": len(HATS),
    "turn": len(TURNS),
    "eye_size": len(EYES),
    "shirt": len(SHIRTS),
}
"""Factors and how many values each has."""
ATTRIBUTES = {
    "Wearing_Glasses": ("glasses", (1,)),
    "Smiling": ("mouth", (1, 2)),
    "Mouth_Open": ("mouth", (2,)),
    "Wearing_Hat": ("hat", (1, 2)),
    "Facing_Left": ("turn", (0, 1)),
    "Facing_Right": ("turn", (3, 4)),
    "Dark_Hair": ("hair_colour", (0, 1)),
    "Blond_Hair": ("hair_colour", (3,)),
    "Long_Hair": ("hair_style", (1, 3)),
    "Dark_Skin": ("skin", (3, 4)),
    "Big_Eyes": ("eye_size", (2,)),
}
"""Yes-or-no attributes: which values of which factor mean yes."""
TRAIN, TEST = 20_000, 2_000
CHUNK = 32
"""Pictures painted at a time: they stay in the cache of the processor."""


def render_avatars(factors: np.ndarray, size: int = 64) -> np.ndarray:
    """Paint avatars. The same factors give the same picture, whatever else is painted with it.

    Args:
        factors: Whole numbers of shape (B, 10), in the order of `FACTORS`, each from 0 to the number of its values
            less 1.
        size: Side of the pictures in pixels.

    Returns:
        uint8 of shape (B, 3, size, size).

    Raises:
        DataError: Factors of another shape or out of range.
    """
    factors = check_factors(factors, tuple(FACTORS), tuple(FACTORS.values()))
    pictures = np.empty((len(factors), 3, size, size), np.uint8)
    for start in range(0, len(factors), CHUNK):
        pictures[start : start + CHUNK] = _painted(factors[start : start + CHUNK], size)
    return pictures


def _painted(factors: np.ndarray, size: int) -> np.ndarray:
    value = dict(zip(FACTORS, factors.T, strict=True))
    background = _colours(BACKGROUNDS, value["background"])
    pixels = np.broadcast_to(background[:, :, None, None], (len(factors), 3, size, size)).copy()
    figures = Figures(
        pixels=pixels,
        rows=np.arange(len(factors)),
        skin=_colours(SKINS, value["skin"]),
        hair=_colours(HAIRS, value["hair_colour"]),
        shirt=_colours(SHIRTS, value["shirt"]),
        style=value["hair_style"],
        glasses=value["glasses"],
        mouth=value["mouth"],
        hat=value["hat"],
        turn=np.array(TURNS)[value["turn"]],
        eye=np.array(EYES, np.float32)[value["eye_size"]],
    )
    paint(figures)
    return (pixels + np.float32(0.5)).clip(0, 255).astype(np.uint8)


def _colours(palette: dict[str, tuple[int, int, int]], numbers: np.ndarray) -> np.ndarray:
    return np.array(list(palette.values()), np.float32)[numbers]


def avatars() -> Drawing:
    """Return avatars as something that `RenderedImages` can show.

    Training and test pictures are different combinations, chosen by chance once and for all from the 777,600 there are;
    factors are therefore independent up to chance.
    """
    return Drawing(
        version=VERSION,
        factor_names=tuple(FACTORS),
        factor_sizes=tuple(FACTORS.values()),
        label="hair_colour",
        channels=3,
        size=64,
        render=render_avatars,
        cells=partial(some_cells, math.prod(FACTORS.values()), TRAIN, TEST),
        attributes=ATTRIBUTES,
    )
