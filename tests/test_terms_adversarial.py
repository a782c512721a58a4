"""The games and penalties of critics, against hand calculations."""

import math

import pytest
import torch

from twoway.terms import adversarial, find_term, penalties, similarity

REAL, FAKE = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])


def softplus(x):
    return math.log1p(math.exp(x))


def test_the_halves_of_the_logistic_game_by_hand():
    real, fake = adversarial.critic_real(REAL), adversarial.critic_fake(FAKE)
    assert real.item() == pytest.approx((softplus(-1) + softplus(2)) / 2)
    assert fake.item() == pytest.approx((softplus(0.5) + softplus(3)) / 2)
    torch.testing.assert_close(real + fake, adversarial.logistic_critic(REAL, FAKE))


def test_hinge_by_hand():
    # 1 - D(real) = 0 and 3; 1 + D(fake) = 1.5 and 4
    assert adversarial.hinge_critic(REAL, FAKE).item() == pytest.approx((0 + 3) / 2 + (1.5 + 4) / 2)
    assert adversarial.hinge_critic(torch.tensor([1.5, 9.0]), torch.tensor([-1.0, -3.0])).item() == 0
    assert adversarial.hinge_fool(FAKE).item() == pytest.approx(-1.75)


def test_wasserstein_by_hand():
    assert adversarial.wasserstein_critic(REAL, FAKE).item() == pytest.approx(1.75 - (-0.5))
    assert adversarial.wasserstein_fool(FAKE).item() == pytest.approx(-1.75)


def test_relativistic_pairs_row_by_row():
    assert adversarial.relativistic_critic(REAL, FAKE).item() == pytest.approx((softplus(-0.5) + softplus(5)) / 2)
    assert adversarial.relativistic_fool(REAL, FAKE).item() == pytest.approx((softplus(0.5) + softplus(-5)) / 2)
    paired_otherwise = adversarial.relativistic_critic(REAL, FAKE.flip(0))
    assert paired_otherwise.item() == pytest.approx((softplus(2) + softplus(2.5)) / 2)


def test_drift_by_hand():
    assert penalties.epsilon_drift(REAL).item() == pytest.approx((1 + 4) / 2)


@pytest.mark.parametrize(
    ("name", "quantities", "differentiates"),
    [
        ("r1", ("score_real", "x"), ("x",)),
        ("r2", ("score_fake", "fake"), ("fake",)),
        ("gradient_penalty", ("score_mixed", "x_mixed"), ("x_mixed",)),
    ],
)
def test_penalties_say_what_they_differentiate(name, quantities, differentiates):
    assert find_term(name).quantities == quantities
    assert find_term(name).differentiates == differentiates


def test_r2_of_a_linear_critic_is_half_its_squared_norm(generator):
    weight = torch.randn(6, generator=generator, requires_grad=True)
    x_fake = torch.randn(4, 1, 2, 3, generator=generator, requires_grad=True)
    value = penalties.r2(x_fake.flatten(1) @ weight, x_fake)
    assert value.item() == pytest.approx(0.5 * weight.square().sum().item(), rel=1e-6)


@pytest.mark.parametrize("target", [1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic(generator, target):
    """The norm is ||a|| everywhere, so the penalty is (||a|| - t)^2 and its gradient 2 (||a|| - t) a / ||a||."""
    weight = torch.randn(6, generator=generator, requires_grad=True)
    x = torch.randn(4, 1, 2, 3, generator=generator, requires_grad=True)
    value = penalties.gradient_penalty(x.flatten(1) @ weight, x, target=target)
    norm = weight.detach().norm()
    assert value.item() == pytest.approx((norm.item() - target) ** 2, rel=1e-5)
    (gradient,) = torch.autograd.grad(value, weight)
    torch.testing.assert_close(gradient, 2 * (norm - target) * weight.detach() / norm)


def test_gradient_penalty_takes_the_norm_image_by_image():
    """D(x) = s |x|^2 / 2 has slope s x: norms 5 and 0 at the two images, so the mean of 16 and 1 at target 1."""
    x = torch.tensor([[[[3.0, 4.0]]], [[[0.0, 0.0]]]], requires_grad=True)
    scale = torch.tensor(1.0, requires_grad=True)
    value = penalties.gradient_penalty(scale * x.square().sum((1, 2, 3)) / 2, x)
    assert value.item() == pytest.approx((16 + 1) / 2)
    (gradient,) = torch.autograd.grad(value, scale)
    assert gradient.item() == pytest.approx((2 * 4 * 5 + 0) / 2)  # finite where the slope vanishes


@pytest.mark.parametrize("penalty", [penalties.r1, penalties.r2, penalties.gradient_penalty])
def test_gradients_of_penalties_through_a_smooth_critic(penalty, generator):
    """What the optimiser gets, against finite differences of the penalty as a function of the critic's weights."""
    x = torch.randn(3, 1, 2, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    first = torch.randn(4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    second = torch.randn(5, generator=generator, dtype=torch.float64, requires_grad=True)

    def value(first, second):
        return penalty(torch.tanh(x.flatten(1) @ first) @ second, x)

    assert torch.autograd.gradcheck(value, (first, second))


def test_perceptual_by_hand():
    rec = (torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[3.0]]))
    real = (torch.tensor([[[[0.0, 4.0]]]]), torch.tensor([[1.0]]))
    assert similarity.perceptual(rec, real).item() == pytest.approx((1 + 4) / 2 + 4)
    assert find_term("perceptual").quantities == ("features_rec", "features_real")


def test_perceptual_refuses_features_of_different_depth():
    with pytest.raises(ValueError, match="zip"):
        similarity.perceptual((REAL, FAKE), (REAL,))
