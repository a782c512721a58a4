"""What ALAE's tables and figures of style systems share: the trainings of each budget, and pictures made by them.

The trainings are shared through the folder of runs: a StyleALAE, StyleGAN, ProGAN or PIONEER of the same budget, data
and seed is trained once, whichever table asks for it first.

References:
    Pidhorskyi et al., arXiv 2004.04467, section 7.2; the code podgorskiy/ALAE, commit 42bcf2e.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from twoway.data import to_uint8
from twoway.errors import ConfigError, closest
from twoway.metrics.path_length import Crop
from twoway.model import TwoWayModel
from twoway.recipe import Recipe
from twoway.reproduce.budget import Budget, Role
from twoway.reproduce.notes import budget_notes
from twoway.reproduce.pictures import at_once
from twoway.reproduce.result import Trials
from twoway.reproduce.study import Study

__all__ = [
    "CPU",
    "MODERN",
    "SETS",
    "SMOKE",
    "PublishedSet",
    "budgets",
    "chosen_set",
    "mean_of",
    "mixing_of",
    "sampled",
    "set_roles",
    "style_notes",
]

TINY: dict[str, Any] = {"latent": 16, "start": 8, "maximum": 16}
UNMIXED = {f"phases.0.steps.{step}.style_mixing": 0.0 for step in (0, 1)}
"""What makes StyleGAN the one without style mixing."""

SMOKE: dict[str, Role] = {
    "style-alae": Role("style-alae", {"flavour": "modern", **TINY, "batches": (32,)}),
    "stylegan": Role("stylegan", {"flavour": "modern", **TINY, "encoder": False}),
    "stylegan-no-mixing": Role("stylegan", {"flavour": "modern", **TINY, "encoder": False}, UNMIXED),
    "pggan": Role("pggan", {**TINY, "batches": (32,)}),
    "pioneer": Role("pioneer", {**TINY, "batches": (32,)}),
    "balanced-pioneer": Role("balanced-pioneer", {**TINY, "batches": (32,)}),
    "introvae": Role("introvae", {"nets": "conv", "latent": 16, "hidden": 64}),
}
"""Tiny trainings, which prove the path."""

CPU: dict[str, Role] = {
    "style-alae": Role("style-alae-32-cpu"),
    "stylegan": Role("stylegan-32-cpu", {"encoder": False}),
    "stylegan-no-mixing": Role("stylegan-32-cpu", {"encoder": False}, UNMIXED),
    "pggan": Role("pggan-32-cpu"),
    "pioneer": Role("pioneer-32-cpu"),
    "balanced-pioneer": Role("balanced-pioneer-32-cpu"),
    "introvae": Role("introvae", {"nets": "conv", "latent": 128, "hidden": 512}),
}
"""The presets for two cores at 32 pixels, for fewer images than their own budgets.

The StyleGANs have no encoder, as in the paper: one would be trained in place of the GAN for a third of the images.
"""

MODERN = (
    "StyleALAE at the budgets smoke and cpu is the modern flavour: it also reconstructs real images in pixels and "
    "pyramid features, and does without style mixing in training; the published one is that of the budget paper."
)
CONFIGURED = (
    "StyleALAE is trained as the official configuration says, on FFHQ for 300 epochs (18,000 kimg); the text of the "
    "paper tells of about half of that. The other trainings are of published widths and lengths, not of the authors' "
    "code."
)


@dataclass(frozen=True)
class PublishedSet:
    """A data set of the paper.

    Args:
        title: What the paper calls it.
        preset: StyleALAE as published for it.
        size: Side of its pictures in pixels.
        crop: What the code compares of its pictures for perceptual path length; bedrooms are cut like faces there.
    """

    title: str
    preset: str
    size: int
    crop: Crop = "faces"


SETS: dict[str, PublishedSet] = {
    "ffhq": PublishedSet("FFHQ", "style-alae-ffhq1024", 1024),
    "bedroom": PublishedSet("LSUN Bedroom", "style-alae-bedroom256", 256),
    "celeba-hq": PublishedSet("CelebA-HQ", "style-alae-celebahq256", 256),
}
"""The paper's data sets, which users name by ``--set`` at the budget paper and bring by ``--data``."""


def set_roles(name: str) -> dict[str, Role]:
    """The published trainings for one of `SETS`.

    StyleALAE is the official configuration (on FFHQ 300 epochs, 18,000 kimg), which is longer than what the text tells
    of. The others are of the published widths and lengths: ProGAN 600 kimg a
    half stage, PIONEER 2,400 kimg a size, StyleGAN 25,000 kimg without an encoder. IntroVAE is of our plain
    convolutions, whatever the size; its published nets are residual ones.
    """
    one = SETS[name]
    start = min(512, 16_384 // one.size)
    doublings = one.size.bit_length() - 6  # beyond 32 pixels
    wide = {"start": start}
    gan = {**wide, "encoder": False}
    return {
        "style-alae": Role(one.preset),
        "stylegan": Role("stylegan", gan, kimg=25_000),
        "stylegan-no-mixing": Role("stylegan", gan, UNMIXED, kimg=25_000),
        "pggan": Role("pggan", wide, kimg=6_000 + 1_200 * doublings),
        "pioneer": Role("pioneer", wide, kimg=12_000 + 2_400 * doublings),
        "balanced-pioneer": Role("balanced-pioneer", wide, kimg=12_000 + 2_400 * doublings),
        "introvae": Role("introvae", {"nets": "conv", "latent": 512, "margin": 120.0, "beta": 0.05}, kimg=24_000),
    }


def budgets(
    published: str, smoke: Mapping[str, int], cpu: Mapping[str, int], paper: Mapping[str, int], *, trainings: int = 1
) -> dict[str, Budget]:
    """The three budgets of a table or figure of style systems.

    Args:
        published: Which of `SETS` the budget paper is for.
        smoke: Counts of the budget smoke, such as ``{"samples": 64}``.
        cpu: Of the budget cpu.
        paper: Of the budget paper.
        trainings: How many models all rows need.
    """
    one = SETS[published]
    hours = "an hour of two cores for each" + (" training" if trainings == 1 else f" of {trainings} trainings")
    given: dict[str, tuple[Budget, Mapping[str, Any]]] = {
        "smoke": (Budget("avatars", 16, SMOKE, kimg=1, takes="a minute"), smoke),
        "cpu": (Budget(None, 32, CPU, kimg=240, takes=hours), cpu),
        "paper": (Budget(None, one.size, set_roles(published), takes="weeks of a GPU"), paper),
    }
    return {name: replace(budget, **counts) for name, (budget, counts) in given.items()}


def chosen_set(name: str) -> PublishedSet:
    """One of `SETS`.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in SETS:
        raise ConfigError(f"--set is '{name}', which is no data set of the paper{closest(name, SETS)}.")
    return SETS[name]


def mixing_of(recipe: Recipe) -> float:
    """The share of style mixing that a recipe was trained with, which samples for distances are drawn with."""
    return max((step.style_mixing for phase in recipe.phases for step in phase.steps), default=0.0)


@torch.inference_mode()
def sampled(model: TwoWayModel, count: int, *, seed: int, truncation: float = 1.0, cutoff: int | None = None) -> Tensor:
    """Samples, uint8, with style mixing as in training and fresh noise; truncated before the cutoff only."""
    mixing, layers = mixing_of(model.recipe), model.w_shape[0]
    generator = torch.Generator().manual_seed(seed)
    z = model.draw_prior(2 * count, generator=generator)
    w, second = model.map(z[:count]), model.map(z[count:])
    if mixing > 0 and layers > 1:
        crossing = torch.randint(1, layers, (count,), generator=generator)
        crossing[torch.rand(count, generator=generator) >= mixing] = layers
        late = torch.arange(layers) >= crossing[:, None]
        w = torch.where(late[:, :, None].to(w.device), second, w)
    w = model.truncate(w, truncation, cutoff=cutoff)
    parts = w.split(at_once(model))
    return torch.cat([to_uint8(model.decode(part, noise="random", generator=generator)).cpu() for part in parts])


def mean_of(found: Mapping[str, Mapping[str, Any]], row: str, key: str) -> float | None:
    """Mean of what a table has measured of a row, None where it has not."""
    value = found.get(row, {}).get(key)
    return value.mean if isinstance(value, Trials) else value


def style_notes(study: Study) -> list[str]:
    """What is to be said of a budget that is not the paper's."""
    return [*budget_notes(study), CONFIGURED if study.budget_name == "paper" else MODERN]
