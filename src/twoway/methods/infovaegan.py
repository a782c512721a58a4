"""InfoVAEGAN: a generator on noise and interpretable codes, and an encoder that reads the codes off images.

References:
    Ye and Bors, InfoVAEGAN: learning joint interpretable representations by information maximization and maximum
    likelihood, ICIP 2021, arXiv 2107.04705; its code dtuzi123/InfoVAEGAN, which "faithful" follows. The code has no
    script for MNIST: nets and sizes there are those of the authors' earlier code, which are InfoGAN's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from twoway.errors import ConfigError
from twoway.methods.code_nets import code_generator, code_prior
from twoway.methods.losses import adversarial
from twoway.methods.plain_nets import Nets, conv_maps, critic
from twoway.methods.registry import ImageShape, method, preset
from twoway.networks import NetSpec
from twoway.recipe import (
    Averaging,
    CodeSampling,
    InputJitter,
    NetOptimiser,
    Optimiser,
    Phase,
    Recipe,
    Schedule,
    Step,
    Weight,
)

__all__ = ["infovaegan"]

Flavour = Literal["modern", "faithful", "wgan-gp"]


@method(
    "infovaegan",
    paper="Ye, Bors: InfoVAEGAN: Learning Joint Interpretable Representations by Information Maximization and Maximum "
    "Likelihood (ICIP 2021, arXiv 2107.04705)",
    summary="GAN on noise, a class and continuous codes; an encoder reads the codes, taught by generated images alone",
    verified="trained on MNIST with five seeds and on sprites; its classes of digits come from views, which are not "
    "the paper's (docs/results/infovaegan.md)",
)
def infovaegan(
    image_shape: ImageShape,
    *,
    latent: int = 62,
    classes: int = 10,
    continuous: int = 2,
    hidden: int = 1024,
    nets: Nets = "conv",
    flavour: Flavour = "modern",
    decoder: bool = True,
    infer_noise: bool = False,
    views: bool = False,
) -> Recipe:
    """InfoVAEGAN.

    Three steps an iteration: a critic of images with their codes; generator and encoder, which must name the codes that
    made an image; the encoder alone, by the likelihood of generated images. No real image enters a loss of the encoder,
    and no score of the critic reaches it.

    Faithful: non-saturating game without a penalty, soft Gumbel draws at temperature 0.1, softplus deviations that
    start at 0.69, uniform codes against a normal divergence, batch norm in all nets, Adam 2e-4 for the critic, 1e-3 for
    the others. One Adam per net here, one per loss there. What differs from the code: kernels of 4x4 in encoder and
    critic, batch norm on their linear layer, initial weights by fan-in instead of 0.02; at 28 pixels no hidden layer of
    64 before the heads; averaged weights are kept beside the live ones, and measured. "wgan-gp" replaces the game by
    the authors' later one, with the penalty as Gulrajani et al. define it. Modern: codes that real and generated pairs
    draw from the same kind of distribution (one-hot classes, deviations that start at 1, normal codes), R1, no batch
    norm in critic and encoder, likelihood instead of squared error for the continuous codes, averaged weights.

    With `views`, which is not InfoVAEGAN's, the encoder learns from real images too, without labels: first alone, to
    find another warped view of the same image; its classes start as clusters of real images; then, beside the three
    steps, two views of an image must get one class. Where generated images alone teach the encoder, its classes of
    generated images are right and those of real images are not.

    Real images are reconstructed by a second decoder of the codes alone (`decoder`), with noise that the encoder
    estimates too (`infer_noise`), or with noise found by optimisation (`twoway project --space noise`).

    Args:
        image_shape: Channels, height, width.
        latent: Width of the noise.
        classes: Number of classes of the discrete code; 0 for none.
        continuous: Number of continuous codes; 0 for none.
        hidden: Width of the hidden layers; feature maps follow it.
        nets: Strided convolutions, or MLPs.
        flavour: Ours, that of the published code, or that of the authors' later code.
        decoder: Whether a second decoder learns real images from their codes; no other net learns from it.
        infer_noise: Whether the encoder estimates the noise as well.
        views: Whether the encoder learns from views of real images; for pictures whose kind survives small turns,
            shifts, stretches, slants and thicker strokes, such as digits. Needs classes.
    """
    if views and classes < 2:
        raise ConfigError("infovaegan's views=true is for classes, of which there must be at least 2.")
    modern = flavour == "modern"
    prior = code_prior(latent, classes, continuous, normal=modern)
    codes = prior.dim - latent
    slots = {
        "generator": code_generator(image_shape, prior.dim, hidden, nets),
        "encoder": _code_encoder(
            image_shape,
            hidden,
            nets,
            classes=classes,
            continuous=continuous,
            noise=latent if infer_noise else 0,
            modern=modern,
        ),
        "critic": critic(image_shape, hidden, nets=nets, beside=codes, batch_norm=not modern),
    }
    if decoder:
        slots["decoder"] = code_generator(image_shape, codes, hidden, nets)
    return Recipe(
        method="infovaegan",
        image_shape=image_shape,
        prior=prior,
        nets=slots,
        critic_sees="code",
        encodes="code",
        code_sampling=CodeSampling() if modern else CodeSampling(temperature=0.1, end=0.1, hard=False, squash=False),
        phases=_phases(_steps(flavour, classes, continuous, decoder, infer_noise), views),
        views=InputJitter(shift=0.1, rotate=20.0, scale=0.25, shear=0.4, thickness=0.7) if views else None,
        batch=64,
        optim=Optimiser(
            lr=1e-3,
            betas=(0.5, 0.99) if modern else (0.5, 0.999),
            nets={"critic": NetOptimiser(lr=2e-4), **({"encoder": NetOptimiser(lr=3e-4)} if views else {})},
        ),
        averaging=Averaging(halflife_kimg=20.0, rampup=0.05),
        matmul="bfloat16" if modern else "float32",
    )


def _phases(steps: tuple[Step, ...], views: bool) -> tuple[Phase, ...]:
    """The three steps, and where asked for the encoder's start on views of real images and what keeps it there."""
    if not views:
        return (Phase("train", steps),)
    contrast = Step("contrast", ("encoder",), {"view_contrast": Weight(1.0)})
    start = Phase(
        "views",
        (contrast,),
        share=0.55,
        batch=256,
        optim=Optimiser(lr=2e-3, betas=(0.9, 0.99), schedule=Schedule("cosine", end=0.1)),
    )
    # without these weights, and at the generator's rate, generated images of the wrong kind unteach the classes
    agreement = {"view_information": Weight(5.0), "view_contrast": Weight(2.0)}
    # the generator shall make what the encoder calls a class, rather than the encoder name what the generator makes
    told = {"class_nll": Weight(1.0, nets={"encoder": 0.1})}
    more = {"infer": agreement, "generate": told}
    kept = tuple(replace(step, terms={**step.terms, **more.get(step.name, {})}) for step in steps)
    return (start, Phase("train", kept, share=0.45, from_average=("encoder",), classes=("encoder",)))


def _steps(flavour: Flavour, classes: int, continuous: int, decoder: bool, infer_noise: bool) -> tuple[Step, ...]:
    modern = flavour == "modern"
    game = adversarial("wgan-gp" if flavour == "wgan-gp" else "logistic", gamma=1.0, every=16)
    judged = {name: weight for name, weight in game.critic.items() if modern or name != "r1"}
    if "gradient_penalty" in judged:  # the critic sees pairs
        judged["pair_gradient_penalty"] = judged.pop("gradient_penalty")
    information = {
        **({"class_nll": Weight(1.0)} if classes else {}),
        **({"continuous_nll" if modern else "continuous_l2": Weight(1.0)} if continuous else {}),
    }
    inferred = {
        "again_l2": Weight(1.0, options={"variance": 1.0 if modern else 0.5}),
        **({"kl_continuous": Weight(1.0)} if continuous else {}),
        **({"kl_classes": Weight(0.001)} if classes else {}),
        **({"noise_l2": Weight(10.0)} if infer_noise else {}),
    }
    fool = {game.fool: Weight(1.0, nets={"encoder": 0.0})}
    discriminate = Step("discriminate", ("critic",), judged)
    generate = Step("generate", ("generator", "encoder"), {**fool, **information})
    infer = Step("infer", ("encoder",), inferred, reuse=("z", "x_fake"))
    if modern:  # the critic last, on the images that the generator's step has made
        steps: tuple[Step, ...] = (generate, infer, replace(discriminate, reuse=("z", "x_fake")))
    else:  # one draw for the whole iteration, the critic first
        steps = (discriminate, replace(generate, reuse=("z",)), infer)
    if decoder:
        steps += (Step("decode", ("decoder",), {"decoder_l2": Weight(1.0)}, reuse=("u_real",)),)
    return steps


def _code_encoder(
    image_shape: ImageShape, hidden: int, nets: Nets, *, classes: int, continuous: int, noise: int, modern: bool
) -> NetSpec:
    args = {"image_shape": image_shape, "discrete": classes, "continuous": continuous, "noise": noise}
    args |= {"batch_norm": not modern, "scale": "exp" if modern else "softplus"}
    if nets == "mlp":
        return NetSpec("mlp_code_encoder", {**args, "hidden": (hidden, hidden)})
    return NetSpec("conv_code_encoder", {**args, "hidden": hidden, "maps": conv_maps(image_shape, hidden)})


for _flavour in ("modern", "faithful", "wgan-gp"):
    _ending = "" if _flavour == "modern" else f"-{_flavour}"
    preset(
        f"infovaegan-mnist{_ending}",
        "infovaegan",
        data="mnist",
        kimg=600 if _flavour == "modern" else 1280,
        options={"flavour": _flavour, **({"views": True, "hidden": 256} if _flavour == "modern" else {})},
        summary=f"InfoVAEGAN ({_flavour}) on MNIST"
        + (", the encoder also on views of real pictures" if _flavour == "modern" else ", 20,000 iterations"),
    )
    preset(
        f"infovaegan-64{_ending}",
        "infovaegan",
        size=64,
        kimg=2026 if _flavour == "modern" else 4052,
        options={"flavour": _flavour, "latent": 100, "continuous": 10},
        summary=f"InfoVAEGAN ({_flavour}) for colour pictures of 64 pixels",
    )
    preset(
        f"infovaegan-sprites{_ending}",
        "infovaegan",
        data="sprites",
        size=64,
        kimg=1475,
        options={"flavour": _flavour, "latent": 32, "classes": 3, "continuous": 6, "hidden": 512}
        if _flavour == "modern"
        else {"flavour": _flavour, "latent": 100, "classes": 10, "continuous": 10},
        summary=f"InfoVAEGAN ({_flavour}) on sprites, half as wide"
        if _flavour == "modern"
        else "The same as published",
    )
