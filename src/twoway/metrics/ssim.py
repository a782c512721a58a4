"""SSIM and MS-SSIM of reconstructions: how alike two pictures are in local brightness, contrast and structure.

Where the published window or scales do not fit into a picture, rules decide, and results record what came of them:

* The window is 11 x 11 pixels with a Gaussian of 1.5 pixels. Where the shorter side is less, it is the largest odd side
  that fits (7 for 8 x 8 digits), the Gaussian staying as wide and its weights again adding up to 1.
* Of the five scales, each half the size of the one before (sides rounded up), those are taken on which the full window
  fits: five for sides over 160, four over 80, three over 40, two over 20 and one below. Their published weights are
  divided by their sum.

Numbers of other windows or scales cannot be compared with each other.

References:
    Wang, Bovik, Sheikh, Simoncelli, Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP
    2004, equations 13 to 17. Wang, Simoncelli, Bovik, Multi-Scale Structural Similarity, Asilomar 2003, equation 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from twoway.metrics.pairs import check_pair, score_pairs
from twoway.metrics.registry import metric

if TYPE_CHECKING:
    from twoway.metrics.session import Session

__all__ = ["ms_ssim", "ms_ssim_settings", "ms_ssim_weights", "ssim", "ssim_settings", "ssim_window"]

WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_VALUES_AT_ONCE = 1 << 22  # one picture of 1024 x 1024 in colour


def ssim_window(height: int, width: int) -> int:
    """Side of the window: 11, or the largest odd side that fits into the picture.

    Example:
        >>> ssim_window(28, 28), ssim_window(8, 8)
        (11, 7)
    """
    shorter = min(height, width)
    return min(WINDOW, shorter - (shorter + 1) % 2)


def ms_ssim_weights(height: int, width: int) -> tuple[float, ...]:
    """Weights of the scales that fit, fine to coarse, with the sum 1.

    Example:
        >>> [len(ms_ssim_weights(side, side)) for side in (8, 28, 64, 128, 160, 161)]
        [1, 2, 3, 4, 4, 5]
    """
    side, count = min(height, width), 1
    while count < len(SCALE_WEIGHTS) and (side + 1) // 2 >= WINDOW:
        side, count = (side + 1) // 2, count + 1
    kept = SCALE_WEIGHTS[:count]
    return tuple(weight / sum(kept) for weight in kept)


def ssim_settings(height: int, width: int) -> dict[str, Any]:
    """What a number of `ssim` on pictures of this size depends on, as plain data."""
    return {"window": ssim_window(height, width), "sigma": SIGMA, "k1": K1, "k2": K2}


def ms_ssim_settings(height: int, width: int) -> dict[str, Any]:
    """What a number of `ms_ssim` on pictures of this size depends on, as plain data."""
    weights = ms_ssim_weights(height, width)
    return {**ssim_settings(height, width), "scales": len(weights), "weights": [round(w, 6) for w in weights]}


def ssim(x_rec: Tensor, x: Tensor, *, black: float = -1.0, white: float = 1.0) -> Tensor:
    """Structural similarity of each picture: the mean over all places of the window inside it, and over channels.

    Its first factor compares brightness and is defined for pixels from 0 on: pixels are shifted so that black is 0.
    (Implementations that are merely told that pixels of [-1, 1] have the range 2 give other numbers.)

    Args:
        x_rec: Reconstructions, shape (B, C, H, W). Published numbers are of stored pictures, rounded to 256 steps.
        x: Originals, same shape.
        black: Value of a black pixel.
        white: Value of a white pixel.

    Returns:
        Shape (B,), at most 1, which only equal pictures reach. Differentiable.

    Raises:
        DataError: Different shapes.
    """
    check_pair(x_rec, x)
    return _in_parts(_ssim, x_rec, x, black, white)


def _ssim(a: Tensor, b: Tensor) -> Tensor:
    similarity, _ = _compare(a, b)
    return similarity.mean(1)


def ms_ssim(x_rec: Tensor, x: Tensor, *, black: float = -1.0, white: float = 1.0) -> Tensor:
    """Structural similarity over several scales, each half as large as the one before.

    Contrast and structure are compared on every scale, brightness on the coarsest. The product of the scales is taken
    for each channel, then the mean over channels; a scale that is anticorrelated counts as 0.

    Args:
        x_rec: Reconstructions, shape (B, C, H, W).
        x: Originals, same shape.
        black: Value of a black pixel.
        white: Value of a white pixel.

    Returns:
        Shape (B,), between 0 and 1, which only equal pictures reach.

    Raises:
        DataError: Different shapes.
    """
    check_pair(x_rec, x)
    return _in_parts(_ms_ssim, x_rec, x, black, white)


def _ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    weights = ms_ssim_weights(*a.shape[-2:])
    product = torch.ones(a.shape[:2], dtype=a.dtype, device=a.device)
    for scale, weight in enumerate(weights):
        similarity, structure = _compare(a, b)
        last = scale == len(weights) - 1
        product = product * (similarity if last else structure).clamp_min(0) ** weight
        if not last:
            a, b = (functional.avg_pool2d(part, 2, ceil_mode=True, count_include_pad=False) for part in (a, b))
    return product.mean(1)


def _in_parts(
    measure: Callable[[Tensor, Tensor], Tensor], x_rec: Tensor, x: Tensor, black: float, white: float
) -> Tensor:
    """A measure of centred pictures, few at a time: a dozen float64 copies of them are held."""
    size = max(1, _VALUES_AT_ONCE // max(1, x.shape[1:].numel()))
    pairs = zip(x_rec.split(size), x.split(size), strict=True)
    parts = [measure(*(_centred(part, black, white) for part in pair)) for pair in pairs]
    return torch.cat(parts).to(x.dtype)


def _centred(x: Tensor, black: float, white: float) -> Tensor:
    """Pixels from -0.5, black, to 0.5, float64: variances are differences, and plain regions have hardly any."""
    return (x.double() - (black + white) / 2) / (white - black)


def _compare(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Mean similarity, and mean contrast and structure without brightness, of each picture and channel, (B, C)."""
    blurred = _blur(torch.stack([a, b, a * a, b * b, a * b]), ssim_window(*a.shape[-2:]))
    mean_a, mean_b, square_a, square_b, product = blurred
    variances = (square_a - mean_a * mean_a) + (square_b - mean_b * mean_b)
    covariance = product - mean_a * mean_b
    structure = (2 * covariance + K2**2) / (variances + K2**2)
    light_a, light_b = mean_a + 0.5, mean_b + 0.5
    brightness = (2 * light_a * light_b + K1**2) / (light_a * light_a + light_b * light_b + K1**2)
    return (brightness * structure).mean((2, 3)), structure.mean((2, 3))


def _blur(x: Tensor, window: int) -> Tensor:
    """Gaussian means at all places of the window inside (..., H, W).

    Products with matrices of a band: on CPUs several times faster than convolutions of single channels.
    """
    rows, columns = (_band(side, window).to(x) for side in x.shape[-2:])
    return rows @ (x @ columns.T)


def _band(side: int, window: int) -> Tensor:
    """The Gaussian's weights, moved by one place from row to row, shape (places, side)."""
    away = torch.arange(side) - torch.arange(side - window + 1)[:, None] - window // 2
    taps = torch.exp(-away.double().square() / (2 * SIGMA**2)) * (away.abs() <= window // 2)
    return taps / taps.sum(1, keepdim=True)


@metric(
    "ssim",
    "structural similarity of reconstructions, at most 1",
    headline="value",
    lower_is_better=False,
    encoder="reconstructs",
)
def _measure(session: Session) -> dict[str, Any]:
    return {**score_pairs(session, ssim), **ssim_settings(*session.model.image_shape[1:])}


@metric(
    "ms-ssim",
    "structural similarity of reconstructions over several scales, at most 1",
    headline="value",
    lower_is_better=False,
    encoder="reconstructs",
)
def _measure_scales(session: Session) -> dict[str, Any]:
    return {**score_pairs(session, ms_ssim), **ms_ssim_settings(*session.model.image_shape[1:])}
