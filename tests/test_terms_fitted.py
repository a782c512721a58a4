"""AGE's terms against closed forms of torch's own distributions, and on the sphere."""

import math

import pytest
import torch
from torch.nn import functional

from twoway.priors import Sphere
from twoway.terms import find_term
from twoway.terms.fitted import balanced_kl, cosine_reciprocity, fitted_kl, fitted_kl_fake, fitted_kl_real


def test_fitted_kl_by_hand():
    codes = torch.tensor([[[1.0, 0.0]], [[3.0, 4.0]]])  # means 2 and 2, variances 1 and 4
    expected = ((1 + 4) / 2 - 0.5 + (4 + 4) / 2 - math.log(4) / 2 - 0.5) / 2
    assert fitted_kl_real(codes).item() == pytest.approx(expected, abs=1e-6)
    assert fitted_kl_fake(codes).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("variance", [1.0, 0.2])
def test_fitted_kl_is_that_of_a_diagonal_gaussian(variance, generator):
    """A variance taken for a deviation, or a lost half, would show: spreads here are far from 1."""
    codes = torch.randn(40, 7, generator=generator) * torch.linspace(0.1, 3.0, 7) + torch.linspace(-1.0, 1.0, 7)
    fitted = torch.distributions.Normal(codes.mean(0), codes.std(0, correction=0))
    target = torch.distributions.Normal(torch.zeros(7), math.sqrt(variance))
    expected = torch.distributions.kl_divergence(fitted, target).mean()
    torch.testing.assert_close(fitted_kl(codes[:, None], variance=variance), expected)


def test_on_the_sphere_every_target_has_the_same_gradient_and_an_even_spread_is_0():
    raw = Sphere(6).sample(50, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.5, 2.0, 6)
    raw.requires_grad_(True)
    gradients = []
    for variance in (1.0, 1 / 6):
        (gradient,) = torch.autograd.grad(fitted_kl(functional.normalize(raw), variance=variance), raw)
        gradients.append(gradient)
    assert gradients[0].abs().max() > 1e-3
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)
    axes = torch.cat([torch.eye(6), -torch.eye(6)])
    assert fitted_kl(axes, variance=1 / 6).item() == pytest.approx(0, abs=1e-6)


def test_codes_that_are_all_alike_give_a_finite_number_and_gradient():
    codes = torch.ones(4, 1, 3, requires_grad=True)
    value = fitted_kl(codes)
    value.backward()
    assert value.isfinite()
    assert codes.grad.isfinite().all()


def test_balanced_kl_is_the_gap_and_stops_at_the_margin(generator):
    real = torch.randn(30, 1, 4, generator=generator)
    fake = (2 * torch.randn(30, 1, 4, generator=generator)).requires_grad_(True)
    gap = fitted_kl(real) - fitted_kl(fake)
    assert gap < -0.2
    assert balanced_kl(real, fake, margin=10.0).item() == pytest.approx(gap.item())
    assert balanced_kl(fake, real, margin=0.1).item() == pytest.approx(-gap.item())  # a lead of the fakes counts whole
    bounded = balanced_kl(real, fake, margin=0.2)
    assert bounded.item() == pytest.approx(-0.2)
    bounded.backward()
    assert not fake.grad.any()


def test_cosine_reciprocity_by_hand():
    w = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]])
    found = torch.tensor([[[3.0, 3.0]], [[0.0, -1.0]]])
    assert cosine_reciprocity(found, w).item() == pytest.approx((1 - math.sqrt(0.5) + 2) / 2)
    assert find_term("cosine_reciprocity").quantities == ("w_fake", "w")
