"""Adversarial games: logistic, hinge, Wasserstein and relativistic. Their penalties are in `penalties`."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from twoway.terms.registry import term

__all__ = [
    "critic_fake",
    "critic_real",
    "critic_rec",
    "fool_critic",
    "fool_critic_both",
    "fool_critic_rec",
    "hinge_critic",
    "hinge_fool",
    "logistic_critic",
    "relativistic_critic",
    "relativistic_fool",
    "wasserstein_critic",
    "wasserstein_fool",
]


@term(role="critic")
def logistic_critic(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Critic's logistic loss: mean softplus(-D(real)) + softplus(D(fake)).

    Args:
        score_real: Scores of real examples, any sign, shape (B,).
        score_fake: Scores of fakes, shape (B,).

    Returns:
        A scalar; 2 ln 2 for a critic that always says 0.

    References:
        Goodfellow et al., Generative Adversarial Networks, arXiv 1406.2661, eq. 1; ALAE, algorithm 1, step I.
    """
    return functional.softplus(-score_real).mean() + functional.softplus(score_fake).mean()


@term(role="critic")
def critic_real(score_real: Tensor) -> Tensor:
    """The half of `logistic_critic` that reals enter: mean softplus(-D(real)).

    With `critic_fake` in a step of its own, one half's graph is freed before the other's is built.

    Args:
        score_real: Scores of real examples, shape (B,).
    """
    return functional.softplus(-score_real).mean()


@term(role="critic")
def critic_fake(score_fake: Tensor) -> Tensor:
    """The half of `logistic_critic` that fakes enter: mean softplus(D(fake)).

    Args:
        score_fake: Scores of fakes, shape (B,).
    """
    return functional.softplus(score_fake).mean()


@term(role="fool")
def fool_critic(score_fake: Tensor) -> Tensor:
    """Non-saturating generator loss: mean softplus(-D(fake)).

    Args:
        score_fake: Scores of fakes, shape (B,).

    References:
        Goodfellow et al., section 3; ALAE, algorithm 1, step II.
    """
    return functional.softplus(-score_fake).mean()


@term(role="fool")
def fool_critic_both(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Label-flipped loss of generator and encoder together: fakes should pass for real and reals for fakes.

    Args:
        score_real: Scores of (x, E(x)), shape (B,).
        score_fake: Scores of (G(z), z), shape (B,).

    References:
        Donahue et al., Adversarial Feature Learning, arXiv 1605.09782, section 3.4 ("inverse" objective).
    """
    return functional.softplus(-score_fake).mean() + functional.softplus(score_real).mean()


@term(role="critic")
def critic_rec(score_rec: Tensor) -> Tensor:
    """`critic_fake` on reconstructions: mean softplus(D(G(E(x)))), for critics that judge both.

    Args:
        score_rec: Scores of reconstructions, shape (B,).

    References:
        Larsen et al., Autoencoding beyond pixels using a learned similarity metric, arXiv 1512.09300, algorithm 1.
    """
    return functional.softplus(score_rec).mean()


@term(role="fool")
def fool_critic_rec(score_rec: Tensor) -> Tensor:
    """`fool_critic` on reconstructions: mean softplus(-D(G(E(x)))).

    Args:
        score_rec: Scores of reconstructions, shape (B,).
    """
    return functional.softplus(-score_rec).mean()


@term(role="critic")
def hinge_critic(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Critic's hinge loss: mean max(0, 1 - D(real)) + max(0, 1 + D(fake)).

    Args:
        score_real: Scores of real examples, shape (B,).
        score_fake: Scores of fakes, shape (B,).

    Returns:
        A scalar; 2 for a critic that always says 0, 0 once every score is beyond its margin.

    References:
        Lim and Ye, Geometric GAN, arXiv 1705.02894; Miyato et al., arXiv 1802.05957, eq. 16.
    """
    return functional.relu(1 - score_real).mean() + functional.relu(1 + score_fake).mean()


@term(role="fool")
def hinge_fool(score_fake: Tensor) -> Tensor:
    """Generator's side of the hinge game: -mean D(fake).

    Args:
        score_fake: Scores of fakes, shape (B,).

    References:
        Miyato et al., arXiv 1802.05957, eq. 17.
    """
    return -score_fake.mean()


@term(role="critic")
def wasserstein_critic(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Critic's Wasserstein loss: mean D(fake) - mean D(real); needs a penalty that bounds the critic's slope.

    Args:
        score_real: Scores of real examples, shape (B,).
        score_fake: Scores of fakes, shape (B,).

    References:
        Arjovsky et al., Wasserstein GAN, arXiv 1701.07875, eq. 2.
    """
    return score_fake.mean() - score_real.mean()


@term(role="fool")
def wasserstein_fool(score_fake: Tensor) -> Tensor:
    """Generator's side of the Wasserstein game: -mean D(fake).

    Args:
        score_fake: Scores of fakes, shape (B,).

    References:
        Arjovsky et al., arXiv 1701.07875, algorithm 1.
    """
    return -score_fake.mean()


@term(role="critic")
def relativistic_critic(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Critic's relativistic pairing loss: mean softplus(-(D(x_i) - D(x~_i))), real and fake paired by their row.

    Args:
        score_real: Scores of real examples, shape (B,).
        score_fake: Scores of as many fakes, shape (B,).

    Returns:
        A scalar; ln 2 for a critic that cannot tell them apart.

    References:
        Jolicoeur-Martineau, arXiv 1807.00734, section 4.1; Huang et al., The GAN is dead; long live the GAN!,
        arXiv 2501.05441, eq. 2 (with `r1` and `r2`).
    """
    return functional.softplus(score_fake - score_real).mean()


@term(role="fool")
def relativistic_fool(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """Generator's side of relativistic pairing: mean softplus(-(D(x~_i) - D(x_i))).

    Args:
        score_real: Scores of real examples, shape (B,); the generator's gradient does not pass them, its size
            depends on them.
        score_fake: Scores of as many fakes, shape (B,).

    References:
        Huang et al., arXiv 2501.05441, eq. 2.
    """
    return functional.softplus(score_real - score_fake).mean()
