"""ALAE with permutation-invariant nets: reciprocity in a learned latent space.

References:
    Pidhorskyi, Adjeroh, Doretto, Adversarial Latent Autoencoders, CVPR 2020, arXiv 2004.04467. The faithful flavour
    follows the code behind the paper's Table 2 (branch ``mnist_ref`` of podgorskiy/ALAE, commit 6becd74).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.priors import Normal, Prior
from twoway.recipe import Averaging, InputNoise, Neighbours, Optimiser, Phase, Recipe, Schedule, Step, Weight

__all__ = ["alae"]


@method(
    "alae",
    paper="Pidhorskyi, Adjeroh, Doretto: Adversarial Latent Autoencoders (CVPR 2020, arXiv 2004.04467)",
    summary="GAN whose discriminator is a critic of codes, D(E(x)), with reciprocity of codes E(G(w)) = w",
    verified="outputs and gradients equal the official code's to 1e-5, losses of three iterations to 1e-4; trained on "
    "MNIST, faithful for 32 of 400 epochs and modern to its end (docs/results/alae-mnist.md)",
)
def alae(
    image_shape: ImageShape,
    *,
    latent: int = 50,
    hidden: int = 1024,
    flavour: Literal["faithful", "modern"] = "faithful",
    neighbours: bool = True,
) -> Recipe:
    """ALAE on MLPs.

    Faithful: D is affine, step III trains E, G and F, one Adam per net is shared by all steps, R1 on the real image
    in every iteration, D's second moment ages in step III as it did under torch 1.x.

    Modern changes these: one step updates all nets from one shared forward; weak and lazy R1; linear codes; squashed
    pixels; a higher, falling learning rate; a little annealed noise on what E sees; reconstruction of the pixels of
    real images; and codes of pictures that are near in pixel space are drawn together (`neighbours`),
    which is no part of ALAE.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers of E and G.
        flavour: The published behaviour, or ours.
        neighbours: Whether the modern flavour uses the neighbour term.
    """
    build = _faithful if flavour == "faithful" else partial(_modern, neighbours=neighbours)
    return build(image_shape, latent, hidden)


def _faithful(image_shape: ImageShape, latent: int, hidden: int) -> Recipe:
    steps = (
        # gamma 10 for pixels in [0, 1] is 40 for ours in [-1, 1]
        Step("discriminate", ("encoder", "critic"), {"logistic_critic": Weight(1.0), "r1": Weight(40.0)}),
        Step("generate", ("mapping", "generator"), {"fool_critic": Weight(1.0)}),
        Step("reciprocate", ("encoder", "generator", "mapping"), {"latent_reciprocity": Weight(1.0)}, ages=("critic",)),
    )
    return Recipe(
        method="alae",
        image_shape=image_shape,
        prior=Prior((Normal(latent),)),
        # output 0 of D's last layer is the score, the others stand idle, as in the official code
        nets=_nets(image_shape, latent, hidden, generator={"slope": 0.01}, encoder={"head_slope": 0.01}, scores=latent),
        critic_sees="encoded",
        phases=(Phase("train", steps),),
        batch=128,
        optim=Optimiser(lr=0.002, betas=(0.0, 0.99)),
        averaging=Averaging(halflife_kimg=10.0),
    )


def _modern(image_shape: ImageShape, latent: int, hidden: int, *, neighbours: bool) -> Recipe:
    # each loss reaches the nets that it reaches in ALAE's three steps, though all of them move at once
    terms = {
        "logistic_critic": Weight(1.0, nets={"mapping": 0.0, "generator": 0.0}),
        "r1": Weight(40.0, every=4, nets={"mapping": 0.0, "generator": 0.0}),
        "fool_critic": Weight(1.0, nets={"encoder": 0.0, "critic": 0.0}),
        "latent_reciprocity": Weight(1.0),
        "pixel_l2": Weight(1.25),
    }
    if neighbours:
        # a strong contrast raises accuracy faster and ruins the samples: codes then lie where F(z) cannot follow
        terms["spectral_contrast"] = Weight(0.1)
    return Recipe(
        method="alae",
        image_shape=image_shape,
        prior=Prior((Normal(latent),)),
        nets=_nets(
            image_shape,
            latent,
            hidden,
            mapping={"head_slope": 1.0},
            generator={"slope": 0.2, "output": "squash"},
            encoder={"head_slope": 1.0},
            scores=1,
        ),
        critic_sees="encoded",
        phases=(Phase("train", (Step("together", ("encoder", "critic", "mapping", "generator"), terms),)),),
        batch=256,
        optim=Optimiser(lr=0.004, betas=(0.0, 0.99), schedule=Schedule("cosine", end=0.05)),
        averaging=Averaging(halflife_kimg=20.0),
        neighbours=Neighbours(k=10, walk=2) if neighbours else None,
        input_noise=InputNoise(start=0.1, end=0.0, until=0.8),
        matmul="bfloat16",
    )


def _nets(
    image_shape: ImageShape,
    latent: int,
    hidden: int,
    *,
    generator: Mapping[str, Any],
    encoder: Mapping[str, Any],
    scores: int,
    mapping: Mapping[str, Any] | None = None,
) -> dict[str, NetSpec]:
    """The nets of the paper's MNIST experiment: 50-50 six times, 50-1024-1024-784 and back, an affine critic."""
    sizes = {"image_shape": image_shape, "w_dim": latent, "hidden": (hidden, hidden), "pixels": "unit"}
    return {
        "mapping": NetSpec("mlp_mapping", {"z_dim": latent, "w_dim": latent, "depth": 6, **(mapping or {})}),
        "generator": NetSpec("mlp_generator", {**sizes, **generator}),
        "encoder": NetSpec("mlp_encoder", {**sizes, "slope": 0.2, **encoder}),
        "critic": NetSpec(
            "mlp_critic", {"inputs": latent, "hidden": (latent, latent), "outputs": scores, "slope": 1.0, "lr_mul": 0.1}
        ),
    }


preset("alae-mnist", "alae", data="mnist", kimg=24000, summary="ALAE as behind the paper's Table 2 (400 epochs)")
preset(
    "alae-mnist-modern",
    "alae",
    data="mnist",
    kimg=8000,
    options={"flavour": "modern"},
    summary="ALAE on MNIST, better and faster",
)
preset(
    "alae-digits",
    "alae",
    data="digits",
    kimg=400,
    options={"flavour": "modern", "neighbours": False, "hidden": 256},
    changes={
        "batch": 64,
        "optim.lr": 0.007,
        "phases.train.steps.together.terms.r1.value": 4.8,
        "phases.train.steps.together.terms.latent_reciprocity": 2.0,
    },
    summary="ALAE on the 8x8 digits of scikit-learn: the demo",
)
