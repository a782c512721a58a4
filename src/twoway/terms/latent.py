"""Terms in latent space: reciprocity of codes, and how far posteriors are from the prior."""

from __future__ import annotations

from torch import Tensor

from twoway.networks.mlp import Gaussian
from twoway.terms.registry import term

__all__ = [
    "kl_to_normal",
    "latent_reciprocity",
    "latent_regression",
    "normal_divergences",
    "offset_l2",
    "prior_likelihood",
    "real_reciprocity",
    "spectral_contrast",
]


@term(role="latent_reciprocity")
def latent_reciprocity(w_fake: Tensor, w: Tensor) -> Tensor:
    """ALAE's reciprocity: mean squared difference of E(G(w)) from w, with w held fixed.

    Gradient reaches whatever made the image, but the target itself does not move.

    Args:
        w_fake: Codes of generated images, shape (B, layers, dim).
        w: Codes they were generated from, same shape.

    References:
        ALAE, arXiv 2004.04467, eq. 8 and algorithm 1, step III; the detached target is that of the official code.
    """
    return (w_fake - w.detach()).square().mean()


@term(role="latent_reciprocity")
def latent_regression(w_fake: Tensor, w: Tensor) -> Tensor:
    """Latent regressor: mean squared difference of E(G(w)) from w.

    The same number as `latent_reciprocity`, but without holding the target: for methods whose codes are the
    prior's own draws, which nothing moves.

    References:
        Donahue et al., arXiv 1605.09782, section 4.1 (the baselines LR and JLR).
    """
    return (w_fake - w).square().mean()


@term(role="latent_reciprocity")
def real_reciprocity(w_rec: Tensor, w_real: Tensor) -> Tensor:
    """Reciprocity on codes of real images: mean squared difference of E(G(E(x))) from E(x), with E(x) held fixed."""
    return (w_rec - w_real.detach()).square().mean()


@term(role="latent_divergence")
def prior_likelihood(z_real: Tensor) -> Tensor:
    """How unlikely the prior codes of encoded images are under N(0, I): half the mean square, in nats per dimension.

    The constant is left out. For an additive coupling, whose volume is constant, it is the negative log-likelihood of
    the latent code too.

    Args:
        z_real: F^-1(E(x)), shape (B, dim).

    References:
        Dinh, Krueger, Bengio, NICE, arXiv 1410.8516, eq. 3.
    """
    return 0.5 * z_real.square().mean()


@term(role="regulariser")
def offset_l2(w_real: Tensor) -> Tensor:
    """How far the layers of per-layer codes are from their first: mean square of the offsets.

    Args:
        w_real: E(x), shape (B, layers, dim); 0 for a single layer.

    References:
        Tov et al., arXiv 2102.02766, eq. 4 (there the norm, here the mean square).
    """
    return (w_real - w_real[:, :1]).square().mean()


@term(role="latent_divergence")
def kl_to_normal(posterior: Gaussian) -> Tensor:
    """Kullback-Leibler divergence of E(x) from N(0, I): summed over the code, averaged over the batch, in nats.

    References:
        Kingma and Welling, arXiv 1312.6114, appendix B.
    """
    mean, log_var = posterior
    return normal_divergences(mean, log_var).sum() / mean.shape[0]


def normal_divergences(mean: Tensor, log_var: Tensor) -> Tensor:
    """Divergence of each of some normals from N(0, 1), in nats, of the shape of the means."""
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var)


@term(role="regulariser")
def spectral_contrast(w_real: Tensor) -> Tensor:
    """Spectral contrastive loss on batches of pairs: codes of a pair point the same way, others are uncorrelated.

    -2 mean over pairs of <u_i, v_i>, plus the mean squared inner product of codes of different pairs. Its minimum spans
    the leading eigenvectors of the graph that the pairs are drawn from. Over several processes each contrasts its own
    rows.

    Args:
        w_real: Codes (B, layers, dim) of a batch whose second half are partners of the first (see
            `twoway.data.neighbours`).

    References:
        HaoChen et al., Provable Guarantees for Self-Supervised Deep Learning with Spectral Contrastive Loss,
        arXiv 2106.04156, eq. 6.
    """
    u, v = w_real.flatten(1).chunk(2)
    pairs = len(u)
    across, within_u, within_v = u @ v.T, u @ u.T, v @ v.T

    def others(products: Tensor) -> Tensor:
        squared = products.square()
        return (squared.sum() - squared.diagonal().sum()) / (pairs * (pairs - 1))

    unrelated = 0.5 * others(across) + 0.25 * (others(within_u) + others(within_v))
    return unrelated - 2 * across.diagonal().mean()
