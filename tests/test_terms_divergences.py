import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from twoway.networks import Gaussian
from twoway.terms import adversarial, divergences, latent, similarity


def test_kl_to_mixture_by_hand():
    """One number in a code, one image, two components: everything on paper."""
    posterior = Gaussian(torch.tensor([[[1.0]]]), torch.tensor([[[0.0]]]))
    pseudo = Gaussian(torch.tensor([[[0.0]], [[2.0]]]), torch.tensor([[[0.0]], [[math.log(4.0)]]]))
    w = torch.tensor([[[1.5]]])
    first, second = math.exp(-0.5 * 1.5**2), math.exp(-0.5 * 0.5**2 / 4) / 2
    expected = -0.5 * 0.5**2 - math.log((first + second) / 2)
    assert divergences.kl_to_mixture(w, posterior, pseudo).item() == pytest.approx(expected)


def test_kl_to_mixture_against_torch(generator):
    mean, log_var, w = torch.randn(3, 5, 1, 4, generator=generator).unbind(0)
    means, log_vars = torch.randn(2, 7, 1, 4, generator=generator).unbind(0)
    own = Normal(mean, (log_var / 2).exp()).log_prob(w).sum((1, 2))
    parts = Independent(Normal(means[:, 0], (log_vars[:, 0] / 2).exp()), 1)
    mixture = MixtureSameFamily(Categorical(logits=torch.zeros(7)), parts).log_prob(w[:, 0])
    ours = divergences.kl_to_mixture(w, Gaussian(mean, log_var), Gaussian(means, log_vars))
    torch.testing.assert_close(ours, (own - mixture).mean())


def test_kl_to_a_mixture_of_one_standard_normal_is_that_to_the_standard_normal(generator):
    """On average over many draws."""
    posterior = Gaussian(torch.tensor([[[0.5, -1.0]]]), torch.tensor([[[-1.0, 0.3]]]))
    many = Gaussian(*(part.expand(40_000, 1, 2) for part in posterior))
    w = many.mean + (0.5 * many.log_var).exp() * torch.randn(40_000, 1, 2, generator=generator)
    standard = Gaussian(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2))
    estimate = divergences.kl_to_mixture(w, many, standard)
    assert estimate.item() == pytest.approx(latent.kl_to_normal(posterior).item(), abs=0.02)


def test_kl_to_mixture_moves_the_pseudo_inputs_codes(generator):
    w = torch.randn(3, 1, 2, generator=generator)
    means = torch.zeros(4, 1, 2, requires_grad=True)
    unit = Gaussian(torch.zeros(3, 1, 2), torch.zeros(3, 1, 2))
    divergences.kl_to_mixture(w, unit, Gaussian(means, torch.zeros(4, 1, 2))).backward()
    # all components alike: each takes a quarter of the pull towards the draws
    torch.testing.assert_close(means.grad, (-w.mean(0) / 4).expand(4, 1, 2))


@pytest.mark.parametrize(
    ("kernel", "value"), [("rbf", lambda d2, s: math.exp(-d2 / s)), ("imq", lambda d2, s: s / (s + d2))]
)
def test_mmd_of_two_points_each_by_hand(kernel, value):
    a, b = torch.tensor([[[0.0]], [[1.0]]]), torch.tensor([[[2.0]], [[4.0]]])
    s = 3.0
    expected = value(1, s) + value(4, s) - 2 * (value(4, s) + value(16, s) + value(1, s) + value(9, s)) / 4
    assert divergences.mmd(a, b, kernel=kernel, scale=3.0).item() == pytest.approx(expected)


def test_mmd_scale_counts_per_number_of_the_code():
    a, b = torch.tensor([[[0.0, 0.0]], [[1.0, 1.0]]]), torch.tensor([[[2.0, 0.0]], [[2.0, 2.0]]])
    s = 1.5 * 2
    k = [s / (s + d2) for d2 in (2.0, 4.0, 4.0, 8.0, 2.0, 2.0)]
    expected = k[0] + k[1] - 2 * sum(k[2:]) / 4
    assert divergences.mmd(a, b, kernel="imq", scale=1.5).item() == pytest.approx(expected)


def test_mmd_of_a_set_with_itself():
    """The unbiased estimate leaves the diagonal out of the first two means but not of the third: -2 (1 - k) / n."""
    a = torch.tensor([[[0.0]], [[1.0]]])
    k = math.exp(-1 / 2)
    assert divergences.mmd(a, a.clone(), kernel="rbf").item() == pytest.approx(k + k - 2 * (2 + 2 * k) / 4)


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_mmd_is_unbiased(kernel, generator):
    """Zero on average for equal distributions, though a batch of four has 1/4 of its pairs on the diagonal."""
    draws = torch.randn(4000, 2, 4, 1, 2, generator=generator)
    values = torch.stack([divergences.mmd(a, b, kernel=kernel) for a, b in draws])
    assert abs(values.mean().item()) < 4 * values.std().item() / math.sqrt(4000)
    assert (values < 0).any()


def test_mmd_of_two_normals_against_the_closed_form(generator):
    """With exp(-d^2 / s), E k(x, y) of N(m, I) and N(0, I) is (s / (s + 4))^(n/2) exp(-|m|^2 / (s + 4))."""
    m = torch.tensor([1.0, -0.5])
    a, b = torch.randn(2, 3000, 1, 2, generator=generator).unbind(0)
    s = 4.0
    expected = 2 * (s / (s + 4)) * (1 - math.exp(-1.25 / (s + 4)))
    assert divergences.mmd(a + m, b, kernel="rbf", scale=2.0).item() == pytest.approx(expected, rel=0.1)


def test_total_correlation_of_two_correlated_normals(generator):
    """The mean of the best critic's logit is -1/2 log(1 - rho^2)."""
    rho = 0.8
    e = torch.randn(100_000, 2, generator=generator)
    a, b = e[:, 0], rho * e[:, 0] + math.sqrt(1 - rho**2) * e[:, 1]
    joint = -0.5 * (a**2 - 2 * rho * a * b + b**2) / (1 - rho**2) - 0.5 * math.log(1 - rho**2)
    score = joint + 0.5 * (a**2 + b**2)
    assert divergences.total_correlation(score).item() == pytest.approx(-0.5 * math.log(1 - rho**2), rel=0.02)


def test_scores_of_reconstructions_by_hand():
    score = torch.tensor([0.5, -3.0])

    def softplus(v):
        return math.log1p(math.exp(v))

    assert adversarial.critic_rec(score).item() == pytest.approx((softplus(0.5) + softplus(-3.0)) / 2)
    assert adversarial.fool_critic_rec(score).item() == pytest.approx((softplus(-0.5) + softplus(3.0)) / 2)


def test_critic_similarity_by_hand():
    rec, real = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 4.0], [3.0, 0.0]])
    assert similarity.critic_similarity(rec, real).item() == pytest.approx(0.5 * (1 + 4 + 9) / 2)
