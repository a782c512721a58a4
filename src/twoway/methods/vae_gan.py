"""VAE/GAN: a VAE whose likelihood is of a critic's hidden layer instead of pixels, and a GAN on the same generator.

Each net learns from losses of its own, out of the same forward passes: E from the divergence and the similarity, G
from gamma times the similarity and from the critic, the critic from its game alone. The critic judges reconstructions
and samples, each half as much as real images, as in the code (the paper adds them up).

Followed are the paper's algorithm and the code's order (all gradients are taken before any net moves). Different are:
the similarity is in the last hidden layer, not the ninth of a particular net; the critic has no batch norm, since
images and reconstructions in batches of their own would each be normalised by itself; G's adversarial loss is the
non-saturating one, where the code turns the critic's gradient round; and the code's rule that skips the critic or
the generator while their losses are out of balance is left out. The code weighs the similarity, summed over 16,384
features, by 5e-5; with the 1,024 of the common nets that is about 1e-3. Its RMSProp is Adam here.

References:
    Larsen, Sønderby, Larochelle, Winther, Autoencoding beyond pixels using a learned similarity metric,
    arXiv 1512.09300, section 2 and algorithm 1; code andersbll/autoencoding_beyond_pixels.
"""

from __future__ import annotations

from dataclasses import replace

from twoway.methods.baselines import vae
from twoway.methods.plain_nets import Nets, critic
from twoway.methods.registry import ImageShape, method, preset
from twoway.recipe import Phase, Recipe, Step, Weight

__all__ = ["vae_gan"]


@method(
    "vae-gan",
    paper="Larsen et al.: Autoencoding beyond pixels using a learned similarity metric (ICML 2016, arXiv 1512.09300)",
    summary="VAE that reconstructs in a hidden layer of the critic of a GAN",
    verified="learns the 8x8 digits (docs/results/learning.md)",
)
def vae_gan(
    image_shape: ImageShape,
    *,
    gamma: float = 1e-3,
    similarity: float = 1.0,
    latent: int = 50,
    hidden: int = 1024,
    nets: Nets = "mlp",
    classes: int = 0,
) -> Recipe:
    """VAE/GAN.

    Args:
        image_shape: Channels, height, width.
        gamma: Factor on the similarity for the generator, beside the adversarial losses.
        similarity: Weight of the similarity in the critic's hidden layer, summed over it, beside the divergence.
        latent: Width of z and w.
        hidden: Width of the hidden layers.
        nets: MLPs, or convolutions.
        classes: Number of classes that the nets are told, labels 0 to classes - 1; 0 for none.
    """
    plain = vae(image_shape, latent=latent, hidden=hidden, nets=nets, classes=classes)
    steps = (
        Step(
            "generate",
            ("encoder", "generator"),
            {
                "kl_to_normal": Weight(1.0),
                "critic_similarity": Weight(similarity, nets={"generator": gamma}),
                "fool_critic": Weight(1.0, nets={"encoder": 0.0}),
                "fool_critic_rec": Weight(1.0, nets={"encoder": 0.0}),
            },
        ),
        Step(
            "discriminate",
            ("critic",),
            {"critic_real": Weight(1.0), "critic_fake": Weight(0.5), "critic_rec": Weight(0.5)},
            reuse=("x_fake", "x_rec"),
        ),
    )
    return replace(
        plain,
        method="vae-gan",
        nets={**plain.nets, "critic": critic(image_shape, hidden, nets=nets, batch_norm=False, classes=classes)},
        phases=(Phase("train", steps),),
    )


preset("vae-gan-mnist", "vae-gan", data="mnist", kimg=6000, summary="VAE/GAN on MNIST, 100 epochs")
