"""What tables of perceptual path length can be asked for: the distance of pictures, and the part that is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twoway.errors import ConfigError, closest
from twoway.features import FEATURES
from twoway.metrics.lpips import ImageDistance, image_distance
from twoway.metrics.path_length import Crop
from twoway.reproduce.registry import setting
from twoway.reproduce.study import Study
from twoway.training.config import pick_device

__all__ = ["PathOptions", "path_crop", "path_distance"]

CROPS = ("auto", "none", "faces", "alae-celeba")
PUBLISHED = "vgg"


@dataclass(frozen=True)
class PathOptions:
    """How pictures on a path are compared.

    Args:
        crop: What part of the pictures is compared; ``auto`` takes the whole, and the faces' at the budget paper.
        distance: What compares pictures: ``features``, what all distances of the study look at; ``vgg``, the
            published LPIPS, and what else `twoway.metrics.lpips.image_distance` knows; ``auto`` takes the published
            one at the budget paper.

    Raises:
        ConfigError: A crop or a distance that there is not.
    """

    crop: str = setting("auto", "Part compared: none, faces, alae-celeba; auto: faces at the budget paper, else none.")
    distance: str = setting("auto", "features, vgg (LPIPS as published), ...; auto: vgg at the budget paper.")

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise ConfigError(f"--crop is '{self.crop}', but must be one of {', '.join(CROPS)}.")
        known = ("auto", "features", PUBLISHED, "alex", "squeeze", *FEATURES)
        if self.distance not in known:
            raise ConfigError(f"--distance is '{self.distance}', which is none{closest(self.distance, known)}.")


def path_distance(study: Study, options: PathOptions) -> ImageDistance:
    """The distance of pictures, on the device of the study; build it before anything is trained.

    Raises:
        ModelError: Its weights are not there.
    """
    name = options.distance
    if name == "auto":
        name = PUBLISHED if study.budget_name == "paper" else "features"
    return image_distance(study.features if name == "features" else name).to(pick_device(study.device))


def path_crop(study: Study, options: PathOptions) -> Crop:
    """The part of the pictures that is compared."""
    part: Any = options.crop if options.crop != "auto" else "faces" if study.budget_name == "paper" else "none"
    chosen: Crop = part
    return chosen
