"""IntroVAE's and Soft-IntroVAE's terms by hand, and where their gradients go."""

import math

import pytest
import torch

from twoway.networks import Gaussian
from twoway.quantities import Chance, Quantities
from twoway.terms import find_term
from twoway.terms.introspective import exp_elbo_fake, exp_elbo_rec, kl_fake, kl_hinge_fake, kl_hinge_rec, kl_rec

# divergences: 0.5 (1 + 4) = 2.5, and 0.5 (e - 1 - 1)
MEAN = torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]])
LOG_VAR = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]]])
POSTERIOR = Gaussian(MEAN, LOG_VAR)
KL = (2.5, 0.5 * (math.e - 2))


def test_divergences_by_hand():
    for value in (kl_rec(POSTERIOR), kl_fake(POSTERIOR)):
        assert value.item() == pytest.approx(sum(KL) / 2)
    assert kl_rec(POSTERIOR).item() == pytest.approx(find_term("kl_to_normal").function(POSTERIOR).item())


def test_the_hinge_is_taken_image_by_image():
    """The first image is beyond the margin of 1 and does not make up for the second."""
    for term in (kl_hinge_rec, kl_hinge_fake):
        assert term(POSTERIOR, margin=1.0).item() == pytest.approx((1 - KL[1]) / 2)
        assert term(POSTERIOR, margin=4.0).item() == pytest.approx(4 - sum(KL) / 2)


def test_exp_elbo_by_hand():
    x = torch.tensor([[[[1.0, -1.0]]], [[[0.0, 0.0]]]])
    again = torch.tensor([[[[0.0, -1.0]]], [[[1.0, -1.0]]]])
    errors = (0.25, 0.5)  # of pixels in [0, 1], summed
    for term in (exp_elbo_rec, exp_elbo_fake):
        value = term(x, again, POSTERIOR, beta_rec=3.0, beta_neg=0.5)
        expected = sum(math.exp(-2 / 2 * (3 * e + 0.5 * k)) for e, k in zip(errors, KL, strict=True)) / 2
        assert value.item() == pytest.approx(expected)
        assert term(x, x, Gaussian(torch.zeros(2, 1, 2), torch.zeros(2, 1, 2))).item() == 1.0


class Encoder(torch.nn.Module):
    """Mean a x, log variance b x."""

    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.tensor(0.7))
        self.b = torch.nn.Parameter(torch.tensor(0.3))

    def forward(self, x):
        flat = x.flatten(1)[:, None]
        return Gaussian(self.a * flat, self.b * flat)


class Generator(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.c = torch.nn.Parameter(torch.tensor(0.9))

    def forward(self, w):
        return (self.c * w).unflatten(2, (1, 2))


@pytest.fixture
def step():
    """Quantities of a step on two images of two pixels, and the nets."""
    draw = torch.Generator().manual_seed(0)
    nets = {"encoder": Encoder(), "generator": Generator()}
    chance = Chance(lambda: torch.randn(2, 2, generator=draw), lambda shape: torch.randn(shape, generator=draw))
    x = torch.tensor([[[[0.5, -0.3]]], [[[0.2, 0.8]]]])

    def quantities(*train):
        for slot, net in nets.items():
            net.requires_grad_(slot in train)
        return Quantities(nets, view="image", x=x, chance=chance)

    return nets, quantities


def test_a_held_reconstruction_trains_the_encoder_once(step):
    """The gradient is that of E on the reconstruction as a given picture, not through the picture as well."""
    nets, quantities = step
    q = quantities("encoder")
    encoder = nets["encoder"]
    value = find_term("kl_hinge_rec")(q, {"margin": 50.0})
    mine = torch.autograd.grad(value, [encoder.a, encoder.b], retain_graph=True)
    given = q["x_rec"].detach()
    assert q["x_rec"].requires_grad  # the path exists
    alone = (50.0 - kl_rec(encoder(given))).mean()
    for got, expected in zip(mine, torch.autograd.grad(alone, [encoder.a, encoder.b]), strict=True):
        torch.testing.assert_close(got, expected)
    leaking = 50.0 - kl_rec(q["posterior_rec"])
    assert not torch.allclose(torch.autograd.grad(leaking, encoder.a)[0], mine[0])


def test_the_exp_elbo_of_a_reconstruction_holds_picture_and_target(step):
    nets, quantities = step
    q = quantities("encoder")
    value = find_term("exp_elbo_rec")(q, {"beta_rec": 2.0, "beta_neg": 1.0})
    (mine,) = torch.autograd.grad(value, nets["encoder"].a, retain_graph=True)
    given = q["x_rec"].detach()
    expected = exp_elbo_rec(given, q["x_rec_again"], q["posterior_rec_held"], beta_rec=2.0, beta_neg=1.0)
    torch.testing.assert_close(mine, torch.autograd.grad(expected, nets["encoder"].a)[0])


@pytest.mark.parametrize("term", ["kl_rec", "kl_fake"])
def test_the_generators_side_reaches_the_generator_through_the_frozen_encoder(step, term):
    nets, quantities = step
    value = find_term(term)(quantities("generator"), {})
    assert torch.autograd.grad(value, nets["generator"].c)[0] != 0
    assert not any(p.requires_grad for p in nets["encoder"].parameters())
