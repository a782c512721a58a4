"""Augmentation of a batch: draws each image's transforms and applies them, in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from twoway.augment.colour import colour_map, recolour
from twoway.augment.geometry import rotation, scaling, warp
from twoway.augment.pixels import blank_square, flip, rotate90, translate
from twoway.augment.settings import Augment

__all__ = ["augment"]

Draw = Callable[[tuple[int, ...]], Tensor]
"""Draws numbers of a shape whose first axis is the batch."""

_SHIFT = 1 / 8  # largest translation, as a part of the side; for fractional ones the standard deviation


def augment(x: Tensor, settings: Augment, p: float | None = None, *, draw_uniform: Draw, draw_normal: Draw) -> Tensor:
    """Augment images; each transform befalls each image with chance `p`, independently.

    Every transform is affine in the image, so penalties on the critic's slope can be taken through it. Real and
    generated images must both pass, and the generator's gradient with them: then the augmentation does not leak into
    what is generated, as long as `p` stays below about 0.8.

    Args:
        x: Images in [-1, 1], (B, C, H, W). Images that are not square are turned by half turns only.
        settings: Kind and policy.
        p: Chance of each transform, 0..1; None takes the settings' first.
        draw_uniform: Draws from U(0, 1).
        draw_normal: Draws from N(0, 1).

    Returns:
        Images of the same shape; values may leave [-1, 1]. With `p` 0 or kind ``none`` they are `x` itself.

    References:
        Zhao et al., arXiv 2006.10738, section 4.1; Karras et al., arXiv 2006.06676, section 2 and appendix B.
        Unlike ADA's own code, warps are bilinear, without low-pass filters, and add no padding.
    """
    p = settings.first_p if p is None else p
    if settings.kind in ("none", "auto") or p <= 0:
        return x
    chance = _Chance(x, p, draw_uniform, draw_normal)
    if settings.kind == "diffaugment":
        return _diffaugment(x, settings.transforms, chance)
    for stage in (_blit, _move, _recolour):
        x = stage(x, settings.transforms, chance)
    return x


class _Chance:
    """Draws the parameters of a batch's transforms, one per image, in the dtype of the images."""

    def __init__(self, x: Tensor, p: float, draw_uniform: Draw, draw_normal: Draw) -> None:
        self.batch, self.dtype, self.p = len(x), x.dtype, p
        self.draw_uniform, self.draw_normal = draw_uniform, draw_normal

    def chosen(self, p: float | None = None) -> Tensor:
        """Which images a transform befalls, bool (B,)."""
        return self.draw_uniform((self.batch,)) < (self.p if p is None else p)

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * self.draw_uniform((self.batch,)).to(self.dtype)

    def normal(self, std: float) -> Tensor:
        return std * self.draw_normal((self.batch,)).to(self.dtype)

    def whole(self, low: int, high: int) -> Tensor:
        """Whole numbers from low to high, both included, int64 (B,)."""
        count = high - low + 1
        return low + (self.draw_uniform((self.batch,)) * count).long().clamp(max=count - 1)


def _diffaugment(x: Tensor, transforms: frozenset[str], chance: _Chance) -> Tensor:
    height, width = x.shape[2:]
    if "brightness" in transforms:
        x = _where(chance.chosen(), x + _images(chance.uniform(-0.5, 0.5)), x)
    if "saturation" in transforms:
        mean = x.mean(1, keepdim=True)
        x = _where(chance.chosen(), (x - mean) * _images(chance.uniform(0, 2)) + mean, x)
    if "contrast" in transforms:
        mean = x.mean((1, 2, 3), keepdim=True)
        x = _where(chance.chosen(), (x - mean) * _images(chance.uniform(0.5, 1.5)) + mean, x)
    if "translation" in transforms:
        chosen, reach = chance.chosen(), [int(side * _SHIFT + 0.5) for side in (width, height)]
        right, down = (chance.whole(-most, most) * chosen for most in reach)
        x = translate(x, right, down, beyond="zero")
    if "cutout" in transforms:
        chosen = chance.chosen()
        row, column = chance.whole(0, height - 1), chance.whole(0, width - 1)
        x = _where(chosen, blank_square(x, row, column), x)
    return x


def _blit(x: Tensor, transforms: frozenset[str], chance: _Chance) -> Tensor:
    height, width = x.shape[2:]
    if "flip" in transforms:
        chosen = chance.chosen()
        x = flip(x, chosen & (chance.whole(0, 1) == 1))
    if "rotate90" in transforms:
        turns = chance.chosen() * chance.whole(0, 3)
        x = rotate90(x, turns if height == width else 2 * (turns // 2))
    if "translate" in transforms:
        chosen = chance.chosen()
        right, down = (chosen * (chance.uniform(-_SHIFT, _SHIFT) * side).round().long() for side in (width, height))
        x = translate(x, right, down, beyond="reflect")
    return x


def _move(x: Tensor, transforms: frozenset[str], chance: _Chance) -> Tensor:
    if not transforms & {"scale", "rotate", "stretch", "shift"}:
        return x
    moved = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    inverse = torch.eye(2, dtype=x.dtype, device=x.device).expand(len(x), 2, 2)
    shift = torch.zeros(len(x), 2, dtype=x.dtype, device=x.device)
    # one of the two rotations, before and after the stretch, befalls an image with chance p
    p_rotate = 1 - math.sqrt(1 - chance.p)
    for name in ("scale", "rotate", "stretch", "rotate", "shift"):
        if name not in transforms:
            continue
        chosen = chance.chosen(p_rotate if name == "rotate" else None)
        moved = moved | chosen
        if name == "scale":
            factor = torch.exp2(-chance.normal(0.2) * chosen)
            inverse = inverse @ scaling(factor, factor)
        elif name == "rotate":
            inverse = inverse @ rotation(-chance.uniform(-math.pi, math.pi) * chosen)
        elif name == "stretch":
            factor = torch.exp2(-chance.normal(0.2) * chosen)
            inverse = inverse @ scaling(factor, 1 / factor)
        else:
            sides = (x.shape[3], x.shape[2])
            shift = torch.stack([chance.normal(_SHIFT) * side * chosen for side in sides], -1)
    return _where(moved, warp(x, inverse, shift), x)


def _recolour(x: Tensor, transforms: frozenset[str], chance: _Chance) -> Tensor:
    if not transforms & {"brightness", "contrast", "luma_flip", "hue", "saturation"}:
        return x
    none = torch.zeros(len(x), dtype=x.dtype, device=x.device)
    drawn = {"brightness": none, "contrast": none, "luma_flip": none, "hue": none, "saturation": none}
    changed = none.bool()
    for name in drawn:
        if name not in transforms:
            continue
        chosen = chance.chosen()
        changed = changed | chosen
        if name == "hue":
            value = chance.uniform(-math.pi, math.pi)
        elif name == "luma_flip":
            value = chance.whole(0, 1).to(x.dtype)
        else:
            value = chance.normal({"brightness": 0.2, "contrast": 0.5, "saturation": 1.0}[name])
        drawn[name] = value * chosen
    linear = colour_map(
        torch.exp2(drawn["contrast"]), drawn["luma_flip"] > 0, drawn["hue"], torch.exp2(drawn["saturation"])
    )
    return _where(changed, recolour(x, drawn["brightness"], linear), x)


def _where(chosen: Tensor, changed: Tensor, x: Tensor) -> Tensor:
    return torch.where(_images(chosen), changed, x)


def _images(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1)
