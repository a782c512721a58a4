"""Terms that many recipes choose from: the adversarial game, and what the perceptual term compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twoway.errors import ConfigError
from twoway.features import FeatureSpec
from twoway.recipe import Weight

__all__ = ["PERCEPTUAL", "Features", "Game", "Loss", "adversarial", "perceptual"]

Loss = Literal["logistic", "hinge", "wgan-gp", "relativistic"]
Features = Literal["pyramid", "squeezenet", "vgg16"]

PERCEPTUAL: dict[str, float] = {"pyramid": 1.0, "squeezenet": 1e-4, "vgg16": 5e-5}
"""Weight of the perceptual term beside a mean squared pixel error.

That of VGG16 is LIA's, for activations that reach hundreds; SqueezeNet's are as large, those of the pyramid as large as
pixels.
"""


@dataclass(frozen=True)
class Game:
    """The terms of one adversarial game.

    Args:
        critic: Terms of the critic's step.
        parts: How they can be back-propagated one after the other; None where they share what they compute.
        fool: Name of the generator's term.
    """

    critic: dict[str, Weight]
    parts: tuple[tuple[str, ...], ...] | None
    fool: str


def adversarial(loss: Loss, *, gamma: float, every: int = 1) -> Game:
    """The terms of a game by name.

    Args:
        loss: ``logistic`` and ``hinge`` come with R1; ``wgan-gp`` with a penalty of 10 on the slope's distance from 1
            and a drift of 0.001, in every iteration; ``relativistic`` pairs real with made and has R1 and R2, as R3GAN.
        gamma: Weight of R1 (and R2), half of which multiplies the mean squared slope.
        every: R1 and R2 are computed in every so many iterations, and weigh so many times more then.

    References:
        Mescheder et al., arXiv 1801.04406; Gulrajani et al., arXiv 1704.00028; Karras et al., arXiv 1710.10196,
        appendix A.1 (drift); Karras et al., arXiv 1912.04958, section 3.1 (lazy); Huang et al., arXiv 2501.05441.
    """
    penalty = Weight(gamma * every, every=every)
    if loss == "logistic":
        critic = {"critic_fake": Weight(1.0), "critic_real": Weight(1.0), "r1": penalty}
        return Game(critic, (("critic_fake",), ("critic_real", "r1")), "fool_critic")
    if loss == "hinge":
        return Game({"hinge_critic": Weight(1.0), "r1": penalty}, None, "hinge_fool")
    if loss == "wgan-gp":
        critic = {
            "wasserstein_critic": Weight(1.0),
            "gradient_penalty": Weight(10.0),
            "epsilon_drift": Weight(0.001),
        }
        return Game(critic, None, "wasserstein_fool")
    return Game({"relativistic_critic": Weight(1.0), "r1": penalty, "r2": penalty}, None, "relativistic_fool")


def perceptual(features: Features, weights: str | None) -> tuple[FeatureSpec, Weight]:
    """What the perceptual term compares, and how much it counts.

    Args:
        features: Kind of features.
        weights: File of their weights, where they have any; None looks in ``TWOWAY_WEIGHTS``. For VGG16 those of
            Caffe, which torchvision calls ``IMAGENET1K_FEATURES``.

    Raises:
        ConfigError: A file of weights for features without any.
    """
    if features == "pyramid" and weights is not None:
        raise ConfigError(
            f"feature_weights is '{weights}', but the features 'pyramid' have no weights. Leave it out, or say "
            "--option features=squeezenet."
        )
    # LIA's weight is for activations of Caffe's preprocessing
    options = {"preprocessing": "caffe_rgb"} if features == "vgg16" else {}
    return FeatureSpec(features, weights, options), Weight(PERCEPTUAL[features])
