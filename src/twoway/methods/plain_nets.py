"""The nets that most methods share, so that they can be compared on equal terms: MLPs, or DCGAN's convolutions.

References:
    Donahue, Krähenbühl, Darrell, arXiv 1605.09782, and its code jeffdonahue/bigan (widths and batch norm of the MLPs).
    Radford, Metz, Chintala, Unsupervised Representation Learning with Deep Convolutional GANs, arXiv 1511.06434.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from twoway.errors import ConfigError
from twoway.methods.registry import ImageShape
from twoway.networks import NetSpec
from twoway.priors import Categorical, Prior
from twoway.recipe import Recipe

__all__ = ["Nets", "conv_maps", "critic", "encoder", "generator", "latent_critic", "told"]

Nets = Literal["mlp", "conv"]
"""Permutation-invariant nets of linear layers, or strided convolutions."""


def conv_maps(image_shape: ImageShape, hidden: int) -> tuple[int, ...]:
    """Feature maps of convolutional nets from fine to coarse: ``hidden / 16``, doubled at each halving down to 4 or 7.

    Example:
        >>> conv_maps((1, 28, 28), 1024), conv_maps((3, 64, 64), 1024)
        ((64, 128), (64, 128, 256, 512))
    """
    side = min(image_shape[1:])
    maps: list[int] = []
    while side % 2 == 0 and side > 4:
        maps.append(max(4, hidden // 16) * 2 ** min(len(maps), 3))
        side //= 2
    return tuple(maps)


def encoder(
    image_shape: ImageShape,
    latent: int,
    hidden: int,
    *,
    nets: Nets = "mlp",
    gaussian: bool = False,
    sphere: bool = False,
    batch_norm: bool = True,
    classes: int = 0,
) -> NetSpec:
    """E: image to code, which may be of unit length, or to a Gaussian over codes; told one of `classes`, or none."""
    common: dict[str, Any] = {"image_shape": image_shape, "w_dim": latent, "gaussian": gaussian}
    common |= {"batch_norm": batch_norm, "sphere": sphere, "beside": classes}
    if nets == "conv":
        return NetSpec("conv_encoder", {**common, "maps": conv_maps(image_shape, hidden), "hidden": hidden})
    return NetSpec("mlp_encoder", {**common, "hidden": (hidden, hidden), "equalised": False})


def generator(image_shape: ImageShape, latent: int, hidden: int, *, nets: Nets = "mlp", classes: int = 0) -> NetSpec:
    """G: code, and behind it one of `classes`, to image, squashed to [-1, 1]."""
    common: dict[str, Any] = {"w_dim": latent + classes, "image_shape": image_shape, "output": "squash"}
    common["batch_norm"] = True
    if nets == "conv":
        return NetSpec("conv_generator", {**common, "maps": conv_maps(image_shape, hidden)[::-1], "hidden": hidden})
    return NetSpec("mlp_generator", {**common, "hidden": (hidden, hidden), "pixels": "unit", "equalised": False})


def critic(
    image_shape: ImageShape,
    hidden: int,
    *,
    nets: Nets = "mlp",
    beside: int = 0,
    batch_norm: bool = True,
    classes: int = 0,
) -> NetSpec:
    """D on images, or on pairs of an image and a code that is `beside` numbers wide; told one of `classes`, or none."""
    beside += classes
    if nets == "conv":
        sizes = {"image_shape": image_shape, "beside": beside, "maps": conv_maps(image_shape, hidden)}
        return NetSpec("conv_critic", {**sizes, "hidden": hidden, "batch_norm": batch_norm})
    inputs = image_shape[0] * image_shape[1] * image_shape[2] + beside
    return NetSpec(
        "mlp_critic", {"inputs": inputs, "hidden": (hidden, hidden), "batch_norm": batch_norm, "equalised": False}
    )


def latent_critic(latent: int, hidden: int, *, depth: int = 2, classes: int = 0) -> NetSpec:
    """D on codes: an MLP without batch norm, told one of `classes`, or none."""
    return NetSpec("mlp_critic", {"inputs": latent + classes, "hidden": (hidden,) * depth, "equalised": False})


def told(recipe: Recipe, classes: int) -> Recipe:
    """The recipe whose nets are told one of `classes`, which its prior then ends in; itself for 0.

    Args:
        recipe: With nets that were made for as many classes.
        classes: How many, at least 2, or 0.

    Raises:
        ConfigError: One class, or fewer than none.
    """
    if classes < 0 or classes == 1:
        raise ConfigError(f"The option classes is {classes}, but must be at least 2, or 0 for nets that are told none.")
    if not classes:
        return recipe
    prior = None if recipe.prior is None else Prior((*recipe.prior.blocks, Categorical(classes)))
    return replace(recipe, prior=prior, labels=classes)
