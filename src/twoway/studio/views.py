"""What a session shows: the picture at hand, progress, comparisons, kept samples."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

__all__ = ["Comparison", "Favourite", "Progress", "View"]


@dataclass(frozen=True)
class View:
    """The picture at hand.

    Args:
        crop: What the model sees of it, at the model's size.
        reconstruction: What the model makes of that; None where it cannot without a projection.
        warning: What the visitor should know: unlike the training set, an animation, a class to choose; or None.
        photo: The whole picture, upright, at most `Limits.preview` pixels long: what points are clicked on; None for
            pictures the model made.
        outline: Corners of the crop on that photo, from the top left clockwise; None without one.
        mse: Mean squared error of the reconstruction, pixels in [-1, 1]; None without one.
        psnr: Its peak signal-to-noise ratio in dB.
        label: The class that it was read as, of a model that is told one.
        found: Whether its code was found by a search.
    """

    crop: Image.Image
    reconstruction: Image.Image | None
    warning: str | None
    photo: Image.Image | None = None
    outline: tuple[tuple[float, float], ...] | None = None
    mse: float | None = None
    psnr: float | None = None
    label: int | None = None
    found: bool = False


@dataclass(frozen=True)
class Progress:
    """How far a projection has come.

    Args:
        step: Steps done.
        steps: Steps in all.
        image: Picture of the best code so far.
        loss: Its mean squared error, pixels in [-1, 1], and the weighted distance of features where that was asked for.
    """

    step: int
    steps: int
    image: Image.Image
    loss: float


@dataclass(frozen=True)
class Comparison:
    """One picture through two models.

    Args:
        names: Of the models.
        crops: What each sees.
        images: What each makes of it.
        mse: Mean squared errors, pixels in [-1, 1], each against its own crop.
        psnr: Peak signal-to-noise ratios in dB.
        warning: Where the numbers do not compare, as of models of different sizes; or None.
    """

    names: tuple[str, str]
    crops: tuple[Image.Image, Image.Image]
    images: tuple[Image.Image, Image.Image]
    mse: tuple[float, float]
    psnr: tuple[float, float]
    warning: str | None = None


@dataclass(frozen=True)
class Favourite:
    """A sample that was kept; what is needed to make it again.

    Args:
        seed: Its seed.
        truncation: Factor on the distance from the mean code.
        label: Its class, or None for whatever the seed draws.
        image: The picture.
    """

    seed: int
    truncation: float
    label: int | None
    image: Image.Image
