"""Settings of augmentation, and which to take for how many images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twoway.errors import ConfigError, closest

__all__ = ["GROUPS", "Augment", "choose_augment"]

GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "none": {},
    "auto": {},
    "diffaugment": {
        "colour": ("brightness", "saturation", "contrast"),
        "translation": ("translation",),
        "cutout": ("cutout",),
    },
    "ada": {
        "blit": ("flip", "rotate90", "translate"),
        "geometry": ("scale", "rotate", "stretch", "shift"),
        "colour": ("brightness", "contrast", "luma_flip", "hue", "saturation"),
    },
}
"""Transforms of each kind, by the group that names them together."""

ADA_BELOW = 30_000


@dataclass(frozen=True)
class Augment:
    """How images are augmented before the critic sees them, real and generated ones alike.

    Args:
        kind: ``none``; ``auto``, which a run replaces by what suits the size of its data set; ``diffaugment``, with a
            fixed strength; or ``ada``, whose strength follows how far the critic overfits.
        policy: Names of groups (``colour``, ``translation``, ``cutout``; for ADA ``blit``, ``geometry``, ``colour``)
            or of single transforms of the kind (see `GROUPS`); empty takes all. Leave out what makes an image of
            another kind, as ``flip`` for digits.
        p: Chance with which each transform is applied to each image, 0..1; for ADA where it starts. None takes 1 for
            DiffAugment and 0 for ADA.
        target: ADA: mean sign of the critic's score of reals that the controller aims at.
        adjust_every: ADA: iterations between two changes of the chance.
        speed_kimg: ADA: thousands of images in which the chance can go from 0 to 1.

    References:
        Zhao et al., Differentiable Augmentation, arXiv 2006.10738; Karras et al., Training Generative Adversarial
        Networks with Limited Data, arXiv 2006.06676.
    """

    kind: Literal["none", "auto", "diffaugment", "ada"] = "none"
    policy: tuple[str, ...] = ()
    p: float | None = None
    target: float = 0.6
    adjust_every: int = 4
    speed_kimg: float = 500.0

    def __post_init__(self) -> None:
        if self.kind not in GROUPS:
            raise ConfigError(f"augment.kind is '{self.kind}', which there is not{closest(self.kind, GROUPS)}.")
        groups = GROUPS[self.kind]
        known = [*groups, *(name for names in groups.values() for name in names)]
        for name in self.policy:
            if name not in known:
                raise ConfigError(
                    f"augment.policy names '{name}', which '{self.kind}' does not have{closest(name, set(known))}."
                )
        if self.p is not None and not 0 <= self.p <= 1:
            raise ConfigError(f"augment.p is {self.p}, but must be a chance between 0 and 1.")
        if self.adjust_every < 1:
            raise ConfigError(f"augment.adjust_every is {self.adjust_every}, but must be at least 1 iteration.")
        if self.speed_kimg <= 0:
            raise ConfigError(f"augment.speed_kimg is {self.speed_kimg}, but must be more than 0.")

    @property
    def first_p(self) -> float:
        """Chance of each transform at the start of training."""
        if self.p is not None:
            return self.p
        return 1.0 if self.kind == "diffaugment" else 0.0

    @property
    def transforms(self) -> frozenset[str]:
        """Names of the single transforms that the policy comes to."""
        groups = GROUPS[self.kind]
        names = self.policy or tuple(groups)
        return frozenset(part for name in names for part in groups.get(name, (name,)))


def choose_augment(n_images: int) -> Augment:
    """What to take for a data set: ADA below 30,000 images, nothing from there on.

    Args:
        n_images: Number of training images, mirrored copies not counted.

    References:
        Karras et al., arXiv 2006.06676, section 4: with few images ADA is essential, with 70,000 or more it helps
        little or harms; 30,000 in between is a choice of this project.
    """
    return Augment(kind="ada") if n_images < ADA_BELOW else Augment()
