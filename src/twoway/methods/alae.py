"""ALAE with permutation-invariant nets: reciprocity in a learned latent space.

References:
    Pidhorskyi, Adjeroh, Doretto, Adversarial Latent Autoencoders, CVPR 2020, arXiv 2004.04467. The faithful flavour
    follows the code behind the paper's Table 2 (branch ``mnist_ref`` of podgorskiy/ALAE, commit 6becd74).
"""

from __future__ import annotations

from typing import Literal

from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.priors import Normal, Prior
from twoway.recipe import Averaging, Optimiser, Phase, Recipe, Step, Weight

__all__ = ["alae"]


@method(
    "alae",
    paper="Pidhorskyi, Adjeroh, Doretto: Adversarial Latent Autoencoders (CVPR 2020, arXiv 2004.04467)",
    summary="GAN whose discriminator is a critic of codes, D(E(x)), with reciprocity of codes E(G(w)) = w",
)
def alae(
    image_shape: ImageShape,
    *,
    latent: int = 50,
    hidden: int = 1024,
    flavour: Literal["faithful", "modern"] = "faithful",
) -> Recipe:
    """ALAE on MLPs.

    Faithful: D is affine, step III trains E, G and F, one Adam per net is shared by all steps, R1 on the real image
    in every iteration, D's second moment ages in step III as it did under torch 1.x.

    Args:
        image_shape: Channels, height, width.
        latent: Width of z and w.
        hidden: Width of the hidden layers of E and G.
        flavour: The published behaviour, or ours.
    """
    nets = {
        "mapping": NetSpec("mlp_mapping", {"z_dim": latent, "w_dim": latent, "depth": 6}),
        "generator": NetSpec(
            "mlp_generator",
            {"w_dim": latent, "image_shape": image_shape, "hidden": (hidden, hidden), "slope": 0.01, "pixels": "unit"},
        ),
        "encoder": NetSpec(
            "mlp_encoder",
            {
                "image_shape": image_shape,
                "w_dim": latent,
                "hidden": (hidden, hidden),
                "slope": 0.2,
                "head_slope": 0.01,
                "pixels": "unit",
            },
        ),
        "critic": NetSpec(
            "mlp_critic", {"inputs": latent, "hidden": (latent, latent), "outputs": latent, "slope": 1.0, "lr_mul": 0.1}
        ),
    }
    faithful = (
        # gamma 10 for pixels in [0, 1] is 40 for ours in [-1, 1]
        Step("discriminate", ("encoder", "critic"), {"logistic_critic": Weight(1.0), "r1": Weight(40.0)}),
        Step("generate", ("mapping", "generator"), {"fool_critic": Weight(1.0)}),
        Step("reciprocate", ("encoder", "generator", "mapping"), {"latent_reciprocity": Weight(1.0)}, ages=("critic",)),
    )
    modern = (
        Step("discriminate", ("encoder", "critic"), {"logistic_critic": Weight(1.0), "r1": Weight(1.6, every=4)}),
        Step(
            "generate",
            ("mapping", "generator", "encoder"),
            {"fool_critic": Weight(1.0, nets={"encoder": 0.0}), "latent_reciprocity": Weight(1.0)},
        ),
    )
    return Recipe(
        method="alae",
        image_shape=image_shape,
        prior=Prior((Normal(latent),)),
        nets=nets,
        critic_sees="encoded",
        phases=(Phase("train", faithful if flavour == "faithful" else modern),),
        batch=128,
        optim=Optimiser(lr=0.002, betas=(0.0, 0.99)),
        averaging=Averaging(halflife_kimg=10.0),
        matmul="float32" if flavour == "faithful" else "bfloat16",
    )


preset("alae-mnist", "alae", data="mnist", kimg=24000, summary="ALAE as behind the paper's Table 2 (400 epochs)")
preset("alae-mnist-modern", "alae", data="mnist", kimg=6000, flavour="modern", summary="ALAE on MNIST, faster")
preset("alae-digits", "alae", data="digits", kimg=400, hidden=256, flavour="modern", summary="ALAE on 8x8 digits")
