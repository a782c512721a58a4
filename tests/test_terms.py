import math

import pytest
import torch

from twoway.errors import ConfigError
from twoway.networks import Gaussian
from twoway.terms import TERMS, adversarial, find_term, latent, penalties, similarity


def softplus(x):
    return math.log1p(math.exp(x))


REAL, FAKE = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])


def test_logistic_critic_by_hand():
    expected = (softplus(-1) + softplus(2)) / 2 + (softplus(0.5) + softplus(3)) / 2
    assert adversarial.logistic_critic(REAL, FAKE).item() == pytest.approx(expected)
    undecided = adversarial.logistic_critic(torch.zeros(3), torch.zeros(3))
    assert undecided.item() == pytest.approx(2 * math.log(2))


def test_fool_critic_by_hand():
    assert adversarial.fool_critic(FAKE).item() == pytest.approx((softplus(-0.5) + softplus(-3)) / 2)


def test_fool_critic_both_by_hand():
    expected = (softplus(-0.5) + softplus(-3)) / 2 + (softplus(1) + softplus(-2)) / 2
    assert adversarial.fool_critic_both(REAL, FAKE).item() == pytest.approx(expected)


def test_r1_of_a_linear_critic_is_half_its_squared_norm(generator):
    weight = torch.randn(2 * 3 * 4, generator=generator, requires_grad=True)
    x = torch.randn(5, 2, 3, 4, generator=generator, requires_grad=True)
    value = penalties.r1(x.flatten(1) @ weight, x)
    assert value.item() == pytest.approx(0.5 * weight.square().sum().item(), rel=1e-6)
    (gradient,) = torch.autograd.grad(value, weight)
    torch.testing.assert_close(gradient, weight.detach())


def test_r1_of_a_quadratic_critic(generator):
    matrix = torch.randn(6, 6, generator=generator)
    x = torch.randn(4, 1, 2, 3, generator=generator, requires_grad=True)
    flat = x.flatten(1)
    score = ((flat @ matrix) * flat).sum(1)
    expected = 0.5 * (x.detach().flatten(1) @ (matrix + matrix.T)).square().sum(1).mean()
    assert penalties.r1(score, x).item() == pytest.approx(expected.item(), rel=1e-5)


def test_r1_for_unit_pixels_is_four_times_that_for_ours(generator):
    """Weight 40 on [-1, 1] equals the paper's 10 on [0, 1]: the gradient by x01 is twice that by x."""
    weight = torch.randn(6, generator=generator)
    unit = torch.rand(3, 1, 2, 3, generator=generator, requires_grad=True)
    ours = (unit.detach() * 2 - 1).requires_grad_(True)

    def critic(x01):
        return (x01.flatten(1) * weight).sum(1)

    value_unit = penalties.r1(critic(unit), unit)
    value_ours = penalties.r1(critic((ours + 1) / 2), ours)
    torch.testing.assert_close(value_unit, 4 * value_ours)


def test_latent_reciprocity_by_hand_and_its_target_stands_still():
    w = torch.tensor([[[1.0, 2.0]]], requires_grad=True)
    w_fake = torch.tensor([[[0.0, 4.0]]], requires_grad=True)
    value = latent.latent_reciprocity(w_fake, w)
    assert value.item() == pytest.approx((1 + 4) / 2)
    value.backward()
    assert w.grad is None
    torch.testing.assert_close(w_fake.grad, torch.tensor([[[-1.0, 2.0]]]))


def test_latent_regression_is_the_same_number_with_a_moving_target():
    w = torch.tensor([[[1.0, 2.0]]], requires_grad=True)
    value = latent.latent_regression(torch.tensor([[[0.0, 4.0]]]), w)
    assert value.item() == pytest.approx(2.5)
    value.backward()
    torch.testing.assert_close(w.grad, torch.tensor([[[1.0, -2.0]]]))


def test_real_reciprocity_by_hand_and_its_target_stands_still():
    w_real = torch.zeros(1, 1, 2, requires_grad=True)
    w_rec = torch.tensor([[[3.0, 1.0]]], requires_grad=True)
    value = latent.real_reciprocity(w_rec, w_real)
    assert value.item() == pytest.approx(5.0)
    value.backward()
    assert w_real.grad is None


def test_kl_by_hand_and_against_torch(generator):
    posterior = Gaussian(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, math.log(4.0)]]]))
    assert latent.kl_to_normal(posterior).item() == pytest.approx(0.5 + 0.5 * (4 - 1 - math.log(4)))
    mean, log_var = torch.randn(2, 3, 1, 5, generator=generator).unbind(0)
    ours = latent.kl_to_normal(Gaussian(mean, log_var))
    normal = torch.distributions.Normal
    theirs = torch.distributions.kl_divergence(normal(mean, (log_var / 2).exp()), normal(0.0, 1.0)).sum() / 3
    torch.testing.assert_close(ours, theirs)


X = torch.tensor([[[[-1.0, 1.0]]], [[[0.0, 0.5]]]])
X_REC = torch.tensor([[[[-0.5, 0.5]]], [[[0.0, -0.5]]]])


def test_pixel_terms_by_hand():
    assert similarity.pixel_l1(X_REC, X).item() == pytest.approx((0.5 + 0.5 + 0 + 1) / 4)
    assert similarity.pixel_l2(X_REC, X).item() == pytest.approx((0.25 + 0.25 + 0 + 1) / 4)
    assert similarity.gaussian_nll(X_REC, X, sigma=0.5).item() == pytest.approx(1.5 / (2 * 0.25) / 2)


def test_bernoulli_nll_by_hand():
    chances, targets = (0.25, 0.75, 0.5, 0.25), (0.0, 1.0, 0.5, 0.75)
    expected = -sum(t * math.log(p) + (1 - t) * math.log(1 - p) for p, t in zip(chances, targets, strict=True)) / 2
    assert similarity.bernoulli_nll(X_REC, X).item() == pytest.approx(expected)
    certain = similarity.bernoulli_nll(torch.full_like(X, 1.0), torch.full_like(X, -1.0))
    assert certain.isfinite()


def test_every_term_is_registered_with_its_quantities():
    assert find_term("r1").quantities == ("score_real", "x")
    assert find_term("r1").differentiates == ("x",)
    assert find_term("gaussian_nll").options == {"sigma": 1.0}
    assert {"logistic_critic", "latent_reciprocity", "kl_to_normal", "bernoulli_nll"} <= set(TERMS)


def test_an_unknown_term_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'latent_reciprocity'"):
        find_term("latent_reciprocty")


def test_spectral_contrast_by_hand():
    from twoway.terms.latent import spectral_contrast

    u = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    v = torch.tensor([[0.5, 1.0], [2.0, 2.0]])
    across = 0.5 * ((1 * 2 + 2 * 2) ** 2 + (3 * 0.5 - 1 * 1) ** 2) / 2  # <u1, v2>, <u2, v1>
    within = 0.25 * ((1 * 3 - 2 * 1) ** 2 + (0.5 * 2 + 1 * 2) ** 2)  # <u1, u2> and <v1, v2>, each met twice of two
    pairs = ((1 * 0.5 + 2 * 1) + (3 * 2 - 1 * 2)) / 2
    expected = across + within - 2 * pairs
    assert spectral_contrast(torch.cat([u, v])[:, None]).item() == pytest.approx(expected)


def test_instance_noise_falls_linearly_and_stays():
    from twoway.recipe import InputNoise

    noise = InputNoise(start=0.6, end=0.1, until=0.5)
    assert [round(noise.at(p), 6) for p in (0.0, 0.25, 0.5, 0.9)] == [0.6, 0.35, 0.1, 0.1]


def test_instance_noise_is_on_every_image_the_encoder_sees():
    from twoway.quantities import Chance, Quantities

    seen = []

    class Encoder(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.flatten(1)[:, None]

    nets = {"encoder": Encoder(), "generator": torch.nn.Identity()}
    x = torch.zeros(2, 1, 3, 3)
    q = Quantities(nets, view="encoded", x=x, chance=Chance(lambda: x, torch.ones), input_noise=0.5)
    q["w_real"]
    assert torch.equal(seen[0], torch.full_like(x, 0.5))
    assert torch.equal(q["x"], x)


def test_prior_likelihood_by_hand_and_against_torch(generator):
    z = torch.tensor([[1.0, -2.0], [0.0, 3.0]])
    assert latent.prior_likelihood(z).item() == pytest.approx(0.5 * (1 + 4 + 0 + 9) / 4)
    z = torch.randn(5, 7, generator=generator)
    nll = -torch.distributions.Normal(0.0, 1.0).log_prob(z).mean()
    torch.testing.assert_close(latent.prior_likelihood(z), nll - 0.5 * math.log(2 * math.pi))


def test_prior_likelihood_is_that_of_what_the_mapping_turns_back():
    """Through an additive coupling, whose volume is constant, it is the likelihood of the latent code."""
    from twoway.networks import CouplingMapping, reset_net
    from twoway.quantities import Chance, Quantities

    mapping = CouplingMapping(6)
    reset_net(mapping, torch.Generator().manual_seed(0))
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    q = Quantities({"mapping": mapping}, view="image", x=torch.zeros(4, 1, 2, 2), chance=Chance(None, None))
    q.known["w_real"] = mapping(z).detach()
    torch.testing.assert_close(find_term("prior_likelihood")(q, {}), 0.5 * z.square().mean())
    assert torch.equal(mapping.log_det(z), torch.zeros(4))


def test_the_penalty_on_pairs_counts_both_slopes():
    """A critic 3 x + 4 u has slope 5 in every pair; the image alone would show 3."""
    from twoway.terms.penalties import pair_gradient_penalty

    x, u = torch.randn(4, 1, 1, 1, requires_grad=True), torch.randn(4, 1, requires_grad=True)
    score = 3 * x.flatten() + 4 * u.flatten()
    assert pair_gradient_penalty(score, x, u).item() == pytest.approx(16.0)
    assert pair_gradient_penalty(score, x, u, target=5.0).item() == pytest.approx(0.0, abs=1e-9)
