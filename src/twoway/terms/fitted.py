"""Terms on the codes of a whole batch: how far a Gaussian fitted to them is from the prior, and cosines on the sphere.

Statistics are those of the rows given: under several processes, of each process's own.

References:
    Ulyanov, Vedaldi, Lempitsky, It Takes (Only) Two: Adversarial Generator-Encoder Networks, arXiv 1704.02304.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from twoway.terms.registry import term

__all__ = ["balanced_kl", "cosine_reciprocity", "fitted_kl", "fitted_kl_fake", "fitted_kl_real"]

FLOOR = 1e-8


def fitted_kl(codes: Tensor, *, variance: float = 1.0) -> Tensor:
    """Divergence of the diagonal Gaussian fitted to a batch from N(0, variance I), in nats, averaged over dimensions.

    With mean m and (biased) variance v of a dimension over the batch and s the target's variance it is the mean of
    (v + m^2) / (2 s) - log(v / s) / 2 - 1 / 2. AGE's code takes v for a standard deviation (v^2 in the first part, no
    half before the logarithm), which PIONEER's code corrects; this is the divergence itself.

    On the unit sphere v + m^2 adds up to 1 over the dimensions, so the first part is constant whatever s: only the
    logarithm has a gradient, the same for every target. A target with s = 1 / dim makes the number 0 where codes are
    spread evenly.

    Args:
        codes: (B, ...), flattened to (B, dim).
        variance: Of the target in each dimension.

    References:
        Ulyanov et al., arXiv 1704.02304, section 3.3 (the parametric estimate); code DmitryUlyanov/AGE.
    """
    codes = codes.flatten(1)
    mean = codes.mean(0)
    # the floor keeps the logarithm finite for codes that are all alike
    spread = (codes - mean).square().mean(0) + FLOOR
    return 0.5 * ((spread + mean.square()) / variance - (spread / variance).log() - 1).mean()


@term(role="latent_divergence")
def fitted_kl_real(w_real: Tensor, *, variance: float = 1.0) -> Tensor:
    """How far the codes of real images are from the prior (see `fitted_kl`); AGE's encoder minimises it.

    Args:
        w_real: Codes of the images, (B, layers, dim).
        variance: Of the target: 1 for N(0, I), 1 / dim for codes on the unit sphere.
    """
    return fitted_kl(w_real, variance=variance)


@term(role="latent_divergence")
def fitted_kl_fake(w_fake: Tensor, *, variance: float = 1.0) -> Tensor:
    """How far the codes of generated images are from the prior; AGE's encoder maximises it, its generator minimises it.

    Args:
        w_fake: Codes of generated images, (B, layers, dim).
        variance: Of the target: 1 for N(0, I), 1 / dim for codes on the unit sphere.
    """
    return fitted_kl(w_fake, variance=variance)


@term(role="critic")
def balanced_kl(w_real: Tensor, w_fake: Tensor, *, margin: float = 0.2, variance: float = 1.0) -> Tensor:
    """Balanced PIONEER's encoder: the gap KL(real) - KL(fake), of which nothing beyond minus the margin counts.

    Once the encoder tells generated from real codes by the margin it learns no more from the game, so that it cannot
    run away from the generator.

    Args:
        w_real: Codes of the images, (B, layers, dim).
        w_fake: Codes of generated images, (B, layers, dim).
        margin: Bound on the gap, in nats per dimension.
        variance: Of the target of both divergences.

    References:
        Heljakka, Solin, Kannala, arXiv 1904.06145; as in the code AaltoVision/balanced-pioneer.
    """
    return (fitted_kl(w_real, variance=variance) - fitted_kl(w_fake, variance=variance)).clamp_min(-margin)


@term(role="latent_reciprocity")
def cosine_reciprocity(w_fake: Tensor, w: Tensor) -> Tensor:
    """Mean of 1 - cos of the angle between E(G(w)) and w: 0 where they point the same way, 2 where opposite.

    AGE and PIONEER average the products of coordinates over dimensions too, so that a published weight L is L / dim
    here (and their constant is another).

    Args:
        w_fake: Codes of generated images, (B, layers, dim).
        w: Codes they were generated from, same shape.
    """
    return 1 - functional.cosine_similarity(w_fake.flatten(1), w.flatten(1), dim=1).mean()
