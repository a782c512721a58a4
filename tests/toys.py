"""Toy data and small recipes for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from small import widths

from twoway.methods import make_recipe
from twoway.recipe import Recipe

SIDE = 8


def toy_images(count: int = 256, seed: int = 0) -> np.ndarray:
    """Four kinds of bars with a little noise, uint8, (count, 8, 8)."""
    rng = np.random.default_rng(seed)
    kinds = np.zeros((4, SIDE, SIDE))
    kinds[0, :, 1:3] = kinds[1, :, 5:7] = kinds[2, 1:3, :] = kinds[3, 5:7, :] = 255
    images = kinds[np.arange(count) % 4] * rng.uniform(0.7, 1.0, (count, 1, 1)) + rng.uniform(
        0, 20, (count, SIDE, SIDE)
    )
    return np.clip(images, 0, 255).astype(np.uint8)


def toy_file(folder: Path, count: int = 256) -> Path:
    """The toy images with labels as an .npz file."""
    path = folder / "bars.npz"
    np.savez(path, images=toy_images(count), labels=np.arange(count) % 4)
    return path


def toy_recipe(method: str, *, side: int = SIDE, **options) -> Recipe:
    """A small recipe for the toy images, or for larger ones."""
    recipe = make_recipe(method, (1, side, side), {"latent": 6, **widths(method, 32), **options})
    return recipe.with_batch(32)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two state dicts hold the same bits."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def copied(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in state.items()}
