"""AGE: two nets play against each other, with no critic.

References:
    Ulyanov, Vedaldi, Lempitsky, It Takes (Only) Two: Adversarial Generator-Encoder Networks, arXiv 1704.02304, and its
    code DmitryUlyanov/AGE.
"""

from __future__ import annotations

from twoway.errors import ConfigError
from twoway.methods.plain_nets import Nets, encoder, generator
from twoway.methods.registry import ImageShape, method, preset
from twoway.priors import Prior, Sphere
from twoway.recipe import Averaging, Optimiser, Phase, Recipe, Step, Weight

__all__ = ["age", "generator_steps"]


@method(
    "age",
    paper="Ulyanov, Vedaldi, Lempitsky: It Takes (Only) Two: Adversarial Generator-Encoder Networks (AAAI 2018, arXiv "
    "1704.02304)",
    summary="Encoder and generator play on how far their codes are from uniform on the sphere; no critic",
    verified="learns pictures of the 8x8 digits, not codes (docs/results/learning.md)",
)
def age(
    image_shape: ImageShape,
    *,
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    pixels: float = 10.0,
    codes: float = 1000.0,
    updates: int = 2,
) -> Recipe:
    """AGE with codes on the unit sphere.

    E brings codes of real images near the prior, those of generated images far from it, and reconstructs real images; G
    brings codes of its images near the prior and makes E find them again. E has no term on codes and G none on pixels,
    as in the published runs.

    The divergence is that of a diagonal Gaussian (see `twoway.terms.fitted.fitted_kl`). The published code's slip makes
    the gradient of its divergence about twice as large on the sphere, so the same `pixels` and `codes` weigh about
    twice as much here. E has no batch norm: it would see real and generated images by other statistics in training than
    afterwards (the published code never leaves training mode). Learning rates do not fall.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        pixels: Weight of the mean absolute error of pixels, in E.
        codes: Weight of the cosine distance of codes, in G, as published: of the mean product of coordinates, that is
            divided by `latent`. 1000 with 64 or 128 dimensions in the published runs.
        updates: Steps of G for each step of E; 2 or 3 in the published runs.
    """
    target = {"variance": 1 / latent}
    steps = (
        Step(
            "encode",
            ("encoder",),
            {
                "fitted_kl_real": Weight(1.0, options=target),
                "fitted_kl_fake": Weight(-1.0, options=target),
                "pixel_l1": Weight(pixels),
            },
        ),
        *generator_steps(updates, kl=Weight(1.0, options=target), codes=codes / latent),
    )
    return Recipe(
        method="age",
        image_shape=image_shape,
        prior=Prior((Sphere(latent),)),
        nets={
            "generator": generator(image_shape, latent, hidden, nets=nets),
            "encoder": encoder(image_shape, latent, hidden, nets=nets, sphere=True, batch_norm=False),
        },
        phases=(Phase("train", steps),),
        batch=128,
        optim=Optimiser(lr=2e-4, betas=(0.5, 0.999)),
        averaging=Averaging(halflife_kimg=10.0),
    )


def generator_steps(updates: int, *, kl: Weight, codes: float) -> tuple[Step, ...]:
    """As many steps of G, each on fresh prior codes, as follow a step of E.

    Args:
        updates: How many.
        kl: Weight of `fitted_kl_fake`.
        codes: Weight of `cosine_reciprocity`.
    """
    if updates < 1:
        raise ConfigError(f"updates is {updates}, but the generator must learn at least once for each step of E.")
    terms = {"fitted_kl_fake": kl, "cosine_reciprocity": Weight(codes)}
    return tuple(Step(f"generate-{i + 1}" if i else "generate", ("generator",), terms) for i in range(updates))


preset("age-mnist", "age", data="mnist", kimg=24000, summary="age on MNIST, 400 epochs")
