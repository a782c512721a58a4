"""Settings of a search for codes, and which of them a model can do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from twoway.errors import ConfigError, DataError, ModelError, closest
from twoway.features import FeatureSpec
from twoway.model import TwoWayModel
from twoway.priors import Categorical

__all__ = ["EarlyStop", "FeatureNet", "ProjectionSettings", "Space", "Start", "check_pictures", "check_start"]

Space = Literal["w", "w+", "z", "noise"]
Start = Literal["mean", "encoder", "random"]
FeatureNet = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class EarlyStop:
    """When the search for a picture is over before all steps are taken; each picture is judged by itself.

    Args:
        patience: A picture is done when its least loss has not fallen by the part `least` within so many steps.
        least: Part of the loss, in [0, 1), that counts as a gain; gains add up until they reach it.
        target: A picture is done when its loss is no more than this.
    """

    patience: int = 50
    least: float = 0.01
    target: float = 0.0

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ConfigError(f"patience is {self.patience}, but must be at least 1.")
        if not 0 <= self.least < 1:
            raise ConfigError(f"least is {self.least}, but must be a part of the loss from 0 up to 1, such as 0.01.")
        _check_weight("target", self.target)


@dataclass(frozen=True)
class ProjectionSettings:
    """How codes are searched for; what each setting means is said at `twoway.latents.project`."""

    space: Space = "w+"
    steps: int = 300
    lr: float = 0.1
    features: FeatureSpec | FeatureNet | None = None
    feature_weight: float = 0.0
    encoder_weight: float = 0.0
    mean_weight: float = 0.0
    w_noise: float = 0.0
    optimise_noise: bool = False
    noise_weight: float = 1e5
    early_stop: EarlyStop | None = None

    def __post_init__(self) -> None:
        if self.space not in get_args(Space):
            raise ConfigError(f"There is no space '{self.space}' to project in{closest(self.space, get_args(Space))}.")
        if self.steps < 0:
            raise ConfigError(f"steps is {self.steps}, but must be at least 0.")
        if not (self.lr > 0 and math.isfinite(self.lr)):
            raise ConfigError(f"lr is {self.lr}, but must be a positive number such as 0.1.")
        for name in ("feature_weight", "encoder_weight", "mean_weight", "w_noise", "noise_weight"):
            _check_weight(name, getattr(self, name))
        if self.feature_weight and self.features is None:
            raise ConfigError(f"feature_weight is {self.feature_weight}, but no features were given. Say which.")
        if self.w_noise and self.space not in ("w", "w+"):
            raise ConfigError(f"w_noise is added to codes in the spaces 'w' and 'w+', not in '{self.space}'.")

    def check(self, model: TwoWayModel) -> None:
        """See that a model can do what the settings ask for.

        Raises:
            ModelError: It lacks the encoder, the prior, the noise, or codes that can be moved by small steps.
        """
        recipe = model.recipe
        if recipe.labels:
            raise ModelError(
                f"This {recipe.method} model is told the class of each picture, which a search by small steps would "
                "blur. Use encode with labels instead, or a model that was trained without --conditional."
            )
        if "encoder" not in model.nets and self.encoder_weight:
            raise ModelError(_no_encoder(model))
        if self.space == "noise" and recipe.encodes != "code":
            raise ModelError(
                f"A {recipe.method} model has no noise beside interpretable codes to search in. Use the space 'w', "
                "'w+' or 'z'."
            )
        if recipe.prior is None and (self.space == "z" or self.w_noise):
            raise ModelError(_no_prior(model))
        blocks = () if recipe.prior is None else recipe.prior.blocks
        if self.space == "z" and any(isinstance(block, Categorical) for block in blocks):
            raise ModelError(
                f"The prior of this model is {recipe.prior}: classes cannot be found by small steps. Use the space 'w'."
            )


def check_start(model: TwoWayModel, count: int, space: Space, start: Start | Tensor) -> None:
    """See that a search for so many pictures can start there.

    Raises:
        ConfigError: An unknown start.
        ModelError: The model lacks what the start needs, or codes that do not fit or are not finite.
    """
    if isinstance(start, Tensor):
        return _check_codes(model, count, space, start)
    method = model.recipe.method
    if start not in get_args(Start):
        raise ConfigError(f"There is no start '{start}' to project from{closest(start, get_args(Start))}.")
    if start == "random" and model.recipe.prior is None:
        raise ModelError(_no_prior(model))
    if start == "encoder":
        if "encoder" not in model.nets:
            raise ModelError(_no_encoder(model))
        if not model.infers_noise:
            raise ModelError(
                f"The encoder of this {method} model does not infer the noise, so it gives no start. Start from "
                "'mean' or 'random', in the space 'noise' with the codes that it does infer."
            )
        if space == "z" and not model.invertible:
            raise ModelError(
                f"The mapping of this {method} model cannot be inverted, so the encoder gives no start in z. Start "
                "from 'mean' or 'random', or use the space 'w'."
            )
    return None


def check_pictures(model: TwoWayModel, x: Tensor) -> None:
    """See that there are pictures of the model's shape, of numbers.

    Raises:
        DataError: No pictures, or some with values that are not finite.
        ModelError: Of another shape.
    """
    if len(x) == 0:
        raise DataError("There are no pictures to find codes of. Give at least one.")
    if tuple(x.shape[1:]) != model.image_shape:
        wanted = ", ".join(map(str, model.image_shape))
        raise ModelError(f"Got images of shape {tuple(x.shape)}, but this model takes (B, {wanted}).")
    wrong = (~torch.isfinite(x)).flatten(1).any(1).nonzero().flatten().tolist()
    if wrong:
        raise DataError(
            f"{len(wrong)} of {len(x)} pictures hold values that are not finite (the first is number {wrong[0]}, "
            "counted from 0), so nothing can come near them. Give pictures with values in [-1, 1]."
        )


def _check_codes(model: TwoWayModel, count: int, space: str, codes: Tensor) -> None:
    if space == "noise" or tuple(codes.shape) != (count, *model.w_shape):
        raise ModelError(
            f"The start has the shape {tuple(codes.shape)} in the space '{space}', but must be latent codes of shape "
            f"{(count, *model.w_shape)}, one for each picture, in the spaces 'w', 'w+' or 'z'."
        )
    if not torch.isfinite(codes).all():
        raise ModelError("The codes to start from hold values that are not finite. Give other codes, or 'mean'.")
    if space == "z" and not model.invertible:
        raise ModelError(
            f"The mapping of this {model.recipe.method} model cannot be inverted, so latent codes give no start in z. "
            "Start from 'mean' or 'random', or use the space 'w'."
        )


def _check_weight(name: str, value: float) -> None:
    if not (value >= 0 and math.isfinite(value)):
        raise ConfigError(f"{name} is {value}, but must be a number of at least 0.")


def _no_encoder(model: TwoWayModel) -> str:
    return (
        f"This {model.recipe.method} model has no encoder, which the start 'encoder' and an encoder_weight need. Start "
        "from 'mean' or 'random', with an encoder_weight of 0."
    )


def _no_prior(model: TwoWayModel) -> str:
    return (
        f"This {model.recipe.method} model has no prior, which the start 'random', the space 'z' and w_noise need. Use "
        "the space 'w' or 'w+', and start from 'mean' or 'encoder'."
    )
