"""The parts of an avatar, painted from back to front: hair, shirt, head, face, glasses, hat.

Lengths are shares of the picture's side; x grows to the right and y downwards. The head is an ellipse, and what lies
on it (eyes, nose, mouth, hairline) is placed by its longitude as on a ball: at ``R sin(longitude + turn)``, narrowed
by the cosine of that angle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from twoway.data.shapes import box, capsule, coverage, disc, ellipse, ring

__all__ = ["Figures", "paint"]

HEAD_X, HEAD_Y, HEAD_WIDE, HEAD_HIGH = 0.5, 0.465, 0.205, 0.25
EYE_LONGITUDE = math.radians(26)
EYE_Y, BROW_Y, NOSE_Y, MOUTH_Y = 0.475, 0.395, 0.53, 0.597
WHITE, INK = (255, 255, 255), (52, 34, 38)
BEANIE, BEANIE_BAND = (38, 148, 146), (88, 190, 182)
CAP, BRIM = (214, 74, 92), (160, 48, 70)
RIBBON = (238, 96, 128)

Colour = np.ndarray | Sequence[float]
Place = tuple[slice, slice]
"""Rows and columns of pixels."""


@dataclass(frozen=True)
class Figures:
    """Avatars that are painted together, and what each of them is like.

    Args:
        pixels: What is painted on: float32 of shape (all pictures, 3, size, size), 0..255.
        rows: Which of those pictures these are, shape (B,).
        skin: Colours, shape (B, 3), 0..255.
        hair: Likewise.
        shirt: Likewise.
        style: 0 short, 1 long, 2 curly, 3 pigtails; shape (B,).
        glasses: 0 or 1.
        mouth: 0 neutral, 1 smiling, 2 laughing.
        hat: 0 none, 1 beanie, 2 cap.
        turn: Angles in radians, positive to the right of the picture.
        eye: Radii of the pupils.
    """

    pixels: np.ndarray
    rows: np.ndarray
    skin: np.ndarray
    hair: np.ndarray
    shirt: np.ndarray
    style: np.ndarray
    glasses: np.ndarray
    mouth: np.ndarray
    hat: np.ndarray
    turn: np.ndarray
    eye: np.ndarray

    def only(self, mask: np.ndarray) -> Figures:
        """Return those of the figures where a mask of shape (B,) is true."""
        return replace(self, **{f.name: getattr(self, f.name)[mask] for f in fields(self) if f.name != "pixels"})

    def at(self, longitude: float, radius: float = HEAD_WIDE) -> tuple[np.ndarray, np.ndarray]:
        """Return where a longitude of the head is seen, and how much narrower, both of shape (B, 1, 1)."""
        angle = (longitude + self.turn)[:, None, None]
        # Rounded, because mathematical libraries differ in the last digit, and pictures should not.
        across = (HEAD_X + radius * np.sin(angle)).round(7).astype(np.float32)
        return across, np.cos(angle).round(7).astype(np.float32)

    def grid(self, window: tuple[float, float, float, float]) -> tuple[Place, np.ndarray, np.ndarray]:
        """Return rows and columns of a window (left, top, right, bottom), and coordinates of its pixels."""
        size = self.pixels.shape[-1]
        left, top, right, bottom = window
        across = slice(max(0, math.floor(left * size) - 1), min(size, math.ceil(right * size) + 1))
        down = slice(max(0, math.floor(top * size) - 1), min(size, math.ceil(bottom * size) + 1))
        x = ((np.arange(across.start, across.stop) + 0.5) / size).astype(np.float32)
        y = ((np.arange(down.start, down.stop) + 0.5) / size).astype(np.float32)
        return (down, across), x[None, None, :], y[None, :, None]

    def fill(self, place: Place, distance: np.ndarray, colour: Colour, opacity: float = 1.0) -> None:
        """Paint where a distance of shape (B, h, w) or (1, h, w), in shares of the side, is negative."""
        if not len(self.rows):
            return
        alpha = coverage(distance * np.float32(self.pixels.shape[-1]))[:, None]
        if opacity != 1:
            alpha *= np.float32(opacity)
        down, across = place
        everyone = len(self.rows) == len(self.pixels)  # then a view will do, which is quicker
        block = self.pixels[:, :, down, across] if everyone else self.pixels[self.rows, :, down, across]
        change = np.asarray(colour, np.float32).reshape(-1, 3, 1, 1) - block
        change *= alpha
        block += change
        if not everyone:
            self.pixels[self.rows, :, down, across] = block


def paint(figures: Figures) -> None:
    """Paint figures over the backgrounds that are there already."""
    _shirt(figures)
    _hair_behind(figures)
    _neck_and_head(figures)
    _face(figures)
    _glasses(figures.only(figures.glasses == 1))
    _hair_in_front(figures)
    _beanie(figures.only(figures.hat == 1))
    _cap(figures.only(figures.hat == 2))


def _dark(colour: np.ndarray, share: float) -> np.ndarray:
    return colour * np.float32(share)


def _shirt(figures: Figures) -> None:
    place, x, y = figures.grid((0.12, 0.76, 0.88, 1))
    shirt = box(x - 0.5, y - 1.02, 0.335, 0.235, 0.18)
    figures.fill(place, shirt, figures.shirt)
    figures.fill(place, np.maximum(ring(x - 0.5, y - 0.79, 0.105, 0.028), shirt), _dark(figures.shirt, 0.8))


def _hair_behind(figures: Figures) -> None:
    long = figures.only(figures.style == 1)
    place, x, y = figures.grid((0.2, 0.18, 0.8, 0.92))
    shape = np.maximum(
        box(x - HEAD_X, y - 0.535, 0.255, 0.325, 0.24), np.where(long.hat > 0, 0.3, 0)[:, None, None] - y
    )
    long.fill(place, shape, _dark(long.hair, 0.82))

    curly = figures.only(figures.style == 2)
    place, x, y = figures.grid((0.14, 0.08, 0.86, 0.72))
    shape = disc(x - HEAD_X, y - 0.4, 0.23)
    for step in range(11):
        angle = math.radians(-32 + step * 24.4)
        lobe = disc(x - HEAD_X - 0.235 * math.cos(angle), y - 0.405 + 0.225 * math.sin(angle), 0.088)
        shape = np.minimum(shape, lobe)
    pressed = ellipse(x - HEAD_X, y - 0.49, 0.3, 0.205)  # what a hat leaves of it
    shape = np.where((curly.hat > 0)[:, None, None], np.maximum(shape, pressed), shape)
    curly.fill(place, shape, _dark(curly.hair, 0.88))

    tails = figures.only(figures.style == 3)
    for side in (-1, 1):
        middle = 0.26 * side - 0.05 * np.sin(tails.turn)[:, None, None].round(7).astype(np.float32)
        low, high = (0.1, 0.5) if side < 0 else (0.5, 0.9)
        place, x, y = tails.grid((low, 0.4, high, 0.82))
        lean = x - HEAD_X - middle - side * 0.22 * (y - 0.5)
        tails.fill(place, ellipse(lean, y - 0.61, 0.075, 0.16), _dark(tails.hair, 0.88))
        tails.fill(place, disc(x - HEAD_X - middle * 0.97, y - 0.47, 0.04), RIBBON)


def _neck_and_head(figures: Figures) -> None:
    place, x, y = figures.grid((0.4, 0.62, 0.6, 0.9))
    neck = box(x - 0.5, y - 0.74, 0.078, 0.13, 0.078)
    figures.fill(place, neck, _dark(figures.skin, 0.93))
    figures.fill(
        place,
        np.maximum(neck, ellipse(x - HEAD_X, y - HEAD_Y - 0.035, HEAD_WIDE, HEAD_HIGH)),
        _dark(figures.skin, 0.8),
    )
    place, x, y = figures.grid((0.25, 0.2, 0.75, 0.73))
    for side in (-1, 1):
        ear, _ = figures.at(side * math.pi / 2, HEAD_WIDE + 0.008)
        figures.fill(place, ellipse(x - ear, y - 0.49, 0.036, 0.05), _dark(figures.skin, 0.88))
    figures.fill(place, ellipse(x - HEAD_X, y - HEAD_Y, HEAD_WIDE, HEAD_HIGH), figures.skin)
    for side in (-1, 1):  # the ear on the side that is turned to us lies in front of the head
        near = figures.only(figures.turn * side < -0.1)
        ear, _ = near.at(side * math.radians(100))
        near.fill(place, ellipse(x - ear, y - 0.49, 0.034, 0.05), _dark(near.skin, 0.93))
        near.fill(place, ellipse(x - ear, y - 0.49, 0.015, 0.028), _dark(near.skin, 0.8))


def _face(figures: Figures) -> None:
    place, x, y = figures.grid((0.28, 0.36, 0.72, 0.62))
    head = ellipse(x - HEAD_X, y - HEAD_Y, HEAD_WIDE, HEAD_HIGH)  # what lies on the head ends where it ends
    for side in (-1, 1):
        centre, narrow = figures.at(side * EYE_LONGITUDE)
        cheek, flat = figures.at(side * math.radians(36))
        blush = np.maximum(ellipse((x - cheek) / np.maximum(flat, 0.3), y - 0.565, 0.045, 0.03), head)
        figures.fill(place, blush, (236, 96, 96), 0.28)
        eye = figures.eye[:, None, None]
        across = (x - centre) / (0.4 + 0.6 * narrow)
        figures.fill(place, np.maximum(ellipse(across, y - EYE_Y, eye * 1.5, eye * 1.65), head), WHITE)
        look = across - 0.5 * eye * np.sin(figures.turn)[:, None, None].round(7).astype(np.float32)
        figures.fill(place, np.maximum(ellipse(look, y - EYE_Y, eye, eye * 1.15), head), INK)
        figures.fill(place, disc(look + 0.3 * eye, y - EYE_Y + 0.42 * eye, eye * 0.36), WHITE)
        tilt = y - BROW_Y - side * 0.12 * (x - centre)
        figures.fill(place, capsule(across, tilt, 0.037, 0.0115), _dark(figures.hair, 0.75))
    tip, _ = figures.at(0.0, HEAD_WIDE * 1.1)
    place, x, y = figures.grid((0.32, 0.49, 0.68, 0.56))
    figures.fill(place, ellipse(x - tip, y - NOSE_Y, 0.021, 0.016), _dark(figures.skin, 0.8))
    _mouth(figures)


def _mouth(figures: Figures) -> None:
    place, x, y = figures.grid((0.28, 0.55, 0.72, 0.69))
    head = ellipse(x - HEAD_X, y - HEAD_Y, HEAD_WIDE, HEAD_HIGH)
    lips = _dark(figures.skin, 0.42) + np.array([60, 4, 14], np.float32)

    def across(some: Figures) -> np.ndarray:
        centre, narrow = some.at(0.0, HEAD_WIDE * 0.94)
        return (x - centre) / (0.35 + 0.65 * narrow)

    calm = figures.only(figures.mouth == 0)
    line = capsule(across(calm), y - MOUTH_Y - 0.008, 0.042, 0.0095)
    calm.fill(place, np.maximum(line, head), lips[figures.mouth == 0])
    smiling = figures.only(figures.mouth == 1)
    u = across(smiling)
    arc = ring(u, y - MOUTH_Y + 0.062, 0.095, 0.02)
    arc = np.maximum(arc, 0.6 * np.abs(u) - (y - MOUTH_Y + 0.035))
    smiling.fill(place, np.maximum(arc, head), lips[figures.mouth == 1])
    laughing = figures.only(figures.mouth == 2)
    u, v = across(laughing), y - MOUTH_Y + 0.022
    opened = np.maximum(np.maximum(ellipse(u, v, 0.08, 0.078), -v), head)
    laughing.fill(place, opened, (122, 30, 44))
    laughing.fill(place, np.maximum(opened, disc(u, v - 0.085, 0.045)), (226, 98, 110))
    laughing.fill(place, np.maximum(opened + 0.004, v - 0.021), WHITE)


def _glasses(figures: Figures) -> None:
    place, x, y = figures.grid((0.24, 0.38, 0.76, 0.57))
    head = ellipse(x - HEAD_X, y - HEAD_Y, HEAD_WIDE + 0.01, HEAD_HIGH)
    frame = np.maximum(np.abs(y - EYE_Y + 0.02) - 0.008, head)
    for side in (-1, 1):
        centre, narrow = figures.at(side * EYE_LONGITUDE, HEAD_WIDE * 1.04)
        across = (x - centre) / (0.45 + 0.55 * narrow)
        figures.fill(place, disc(across, y - EYE_Y, 0.069), WHITE, 0.22)
        frame = np.maximum(frame, -disc(across, y - EYE_Y, 0.069))
    for side in (-1, 1):
        centre, narrow = figures.at(side * EYE_LONGITUDE, HEAD_WIDE * 1.04)
        across = (x - centre) / (0.45 + 0.55 * narrow)
        frame = np.minimum(frame, ring(across, y - EYE_Y, 0.069, 0.018))
    figures.fill(place, frame, (40, 40, 56))


def _hair_in_front(figures: Figures) -> None:
    place, x, y = figures.grid((0.22, 0.14, 0.78, 0.66))
    head = ellipse(x - HEAD_X, y - HEAD_Y, HEAD_WIDE, HEAD_HIGH)
    for style in range(4):
        some = figures.only(figures.style == style)
        centre, narrow = some.at(0.0, HEAD_WIDE * 0.62)
        u = (x - centre) / (0.75 + 0.25 * narrow)
        scalp = ellipse(x - HEAD_X, y - HEAD_Y + 0.025, HEAD_WIDE + 0.022, HEAD_HIGH + 0.012)
        window = ellipse(u, y - 0.535, 0.178, 0.235)  # the face that stays free
        if style == 0:
            side_part = 0.335 - 0.32 * (u + 0.08) - y
            window = np.maximum(window, np.minimum(side_part, 0.345 + 0.9 * (u + 0.08) - y + 0.06))
            scalp = np.minimum(scalp, ellipse(x - HEAD_X - 0.02, y - 0.235, 0.165, 0.065))
            ends = y - 0.475
        elif style == 1:
            window = np.maximum(window, 0.285 + 0.5 * np.abs(u) - y)
            ends = y - 0.62
        elif style == 2:
            wave = 0.014 * np.cos(np.float32(42) * u).astype(np.float32)
            window = np.maximum(window + wave * 0.4, 0.345 + wave - y)
            ends = y - 0.5
        else:
            window = np.maximum(window, 0.365 + 0.25 * u * u - y)
            ends = y - 0.5
        hair = np.maximum(np.maximum(scalp, -window), ends)
        shade = np.maximum(np.maximum(scalp, -window - 0.012), ends - 0.006)
        some.fill(place, np.maximum(shade, head), _dark(some.skin, 0.82))
        some.fill(place, hair, some.hair)
        gloss = np.maximum(ring(x - 0.42, y - 0.4, 0.15, 0.016), np.maximum(x - 0.42, y - 0.325))
        some.fill(place, np.maximum(gloss, hair + 0.012), WHITE, 0.22)


def _beanie(figures: Figures) -> None:
    place, x, y = figures.grid((0.22, 0.04, 0.78, 0.4))
    figures.fill(place, disc(x - 0.5, y - 0.115, 0.058), (250, 244, 230))
    figures.fill(place, np.maximum(ellipse(x - 0.5, y - 0.36, 0.238, 0.23), y - 0.34), BEANIE)
    figures.fill(place, box(x - 0.5, y - 0.33, 0.252, 0.042, 0.035), BEANIE_BAND)


def _cap(figures: Figures) -> None:
    place, x, y = figures.grid((0.1, 0.14, 0.9, 0.42))
    figures.fill(place, np.maximum(ellipse(x - 0.5, y - 0.365, 0.24, 0.205), y - 0.35), CAP)
    front, _ = figures.at(0.0, 0.29)
    figures.fill(place, ellipse(x - front, y - 0.352, 0.19, 0.042), BRIM)
    badge, _ = figures.at(0.0, 0.2)
    figures.fill(place, disc(x - badge, y - 0.262, 0.034), WHITE)
