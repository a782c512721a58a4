"""Signed distances to plane shapes, and the pixels they cover: what the built-in drawn data sets are made of.

A distance is negative inside and positive outside, in the unit of the coordinates (pixels, here). Near the outline it
is exact or correct to first order, so half a pixel less the distance, clipped to 0..1, is the share of a pixel that the
shape covers: edges are smooth whatever the size, without drawing anything larger first.

All functions work on arrays of any shapes that broadcast together and keep float32.
"""

from __future__ import annotations

import numpy as np

__all__ = ["box", "capsule", "coverage", "disc", "ellipse", "ring"]

Numbers = np.ndarray | float


def coverage(distance: np.ndarray) -> np.ndarray:
    """Return the share of each pixel that a shape covers, 0..1, from the distance of its centre in pixels."""
    return np.clip(np.float32(0.5) - distance, 0, 1)


def disc(x: np.ndarray, y: np.ndarray, radius: Numbers) -> np.ndarray:
    """Distance to a disc about the origin.

    Example:
        >>> disc(np.array([0.0, 3.0]), np.array([0.0, 4.0]), 2.0).tolist()
        [-2.0, 3.0]
    """
    return np.sqrt(x * x + y * y) - radius


def ring(x: np.ndarray, y: np.ndarray, radius: Numbers, width: Numbers) -> np.ndarray:
    """Distance to a ring about the origin whose middle line has a radius and whose stroke has a width."""
    return np.abs(disc(x, y, radius)) - width / 2


def box(x: np.ndarray, y: np.ndarray, half_width: Numbers, half_height: Numbers, corner: Numbers = 0.0) -> np.ndarray:
    """Distance to an upright rectangle about the origin with rounded corners.

    Args:
        x: Coordinates across.
        y: Coordinates along the height.
        half_width: Half its width.
        half_height: Half its height.
        corner: Radius of its corners, at most both halves.

    Example:
        >>> box(np.array([0.0, 4.0]), np.array([0.0, 5.0]), 1.0, 1.0).tolist()
        [-1.0, 5.0]
    """
    across, along = np.abs(x) - half_width + corner, np.abs(y) - half_height + corner
    outside_x, outside_y = np.maximum(across, 0), np.maximum(along, 0)
    return np.sqrt(outside_x * outside_x + outside_y * outside_y) + np.minimum(np.maximum(across, along), 0) - corner


def ellipse(x: np.ndarray, y: np.ndarray, half_width: Numbers, half_height: Numbers) -> np.ndarray:
    """Distance to an upright ellipse about the origin, correct to first order at its outline.

    With f = |(x / a, y / b)| the outline is f = 1, and (f - 1) over the length of the gradient of f is the distance to
    first order.
    """
    across, along = x / half_width, y / half_height
    value = np.sqrt(across * across + along * along)
    across, along = across / half_width, along / half_height
    slope = np.sqrt(across * across + along * along)  # the gradient has the length slope / value
    return value * (value - 1) / np.maximum(slope, np.float32(1e-9)) - (slope == 0) * np.minimum(
        half_width, half_height
    )


def capsule(x: np.ndarray, y: np.ndarray, half_length: Numbers, radius: Numbers) -> np.ndarray:
    """Distance to a stroke with round ends along the first axis, from -half_length to half_length."""
    beyond = np.maximum(np.abs(x) - half_length, 0)
    return np.sqrt(beyond * beyond + y * y) - radius
