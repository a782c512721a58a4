"""Terms on interpretable codes, and how codes are drawn, against hand calculations and torch.distributions."""

import math

import pytest
import torch
from torch import distributions

from twoway.code_reading import CodeReading, expected_codes, likely_codes
from twoway.errors import ConfigError
from twoway.networks import CodePosterior
from twoway.priors import Categorical, CodeLayout, Normal, Prior, Uniform
from twoway.terms.codes import (
    again_l2,
    class_nll,
    continuous_l2,
    continuous_nll,
    decoder_l2,
    kl_classes,
    kl_continuous,
    noise_l2,
    view_contrast,
    view_information,
)

LAYOUT = CodeLayout(noise=4, discrete=3, continuous=2, uniform=False)


@pytest.fixture
def posterior(generator):
    def draw(width):
        return torch.randn(6, width, generator=generator, dtype=torch.float64)

    return CodePosterior(draw(3), draw(2), draw(2), draw(4))


@pytest.fixture
def u(generator):
    classes = torch.eye(3, dtype=torch.float64)[torch.tensor([0, 1, 2, 2, 1, 0])]
    return torch.cat([classes, torch.randn(6, 2, generator=generator, dtype=torch.float64)], 1)


def test_the_information_terms_are_log_likelihoods(posterior, u):
    classes = distributions.Categorical(logits=posterior.logits)
    assert class_nll(posterior, u) == pytest.approx(-classes.log_prob(u[:, :3].argmax(1)).mean().item())
    normal = distributions.Normal(posterior.mean, (0.5 * posterior.log_var).exp())
    expected = -normal.log_prob(u[:, 3:]).sum(1).mean().item() - 2 * 0.5 * math.log(2 * math.pi)
    assert continuous_nll(posterior, u) == pytest.approx(expected)
    unit = distributions.Normal(posterior.mean, 1.0)
    expected = -unit.log_prob(u[:, 3:]).sum(1).mean().item() - 2 * 0.5 * math.log(2 * math.pi)
    assert continuous_nll(posterior, u, unit_variance=True) == pytest.approx(expected)


def test_the_divergences_are_those_of_torch(posterior):
    normal = distributions.Normal(posterior.mean, (0.5 * posterior.log_var).exp())
    standard = distributions.Normal(torch.zeros(2).double(), torch.ones(2).double())
    assert kl_continuous(posterior) == pytest.approx(distributions.kl_divergence(normal, standard).sum(1).mean().item())
    chances = distributions.Categorical(logits=posterior.logits)
    uniform = distributions.Categorical(logits=torch.zeros(3).double())
    assert kl_classes(posterior) == pytest.approx(distributions.kl_divergence(chances, uniform).mean().item())


def test_an_oracle_encoder_costs_nothing(u):
    """An encoder that names the codes leaves no information term and gets its own picture back."""
    oracle = CodePosterior(1000.0 * u[:, :3], u[:, 3:], torch.full_like(u[:, 3:], -60.0), u[:, :0])
    assert class_nll(oracle, u) == 0
    reading = CodeReading(LAYOUT, temperature=0.1, hard=True, squash=False)
    drawn = reading.draw(oracle, torch.full((6, 3), 0.5).double(), torch.ones(6, 2).double())
    torch.testing.assert_close(drawn, u)
    assert continuous_l2(drawn, u, oracle) == pytest.approx(0, abs=1e-20)
    picture = torch.randn(6, 1, 4, 4)
    assert again_l2(picture, picture) == 0


def test_squares_by_hand():
    """Two pictures of two pixels: sums over pixels, means over pictures."""
    a = torch.tensor([1.0, 3.0, 0.0, 2.0]).view(2, 1, 1, 2)
    b = torch.tensor([0.0, 1.0, 0.0, 5.0]).view(2, 1, 1, 2)
    assert again_l2(a, b) == (1 + 4 + 9) / 2 / 2
    assert again_l2(a, b, variance=0.5) == (1 + 4 + 9) / 2
    assert decoder_l2(a, b) == 0.5 * (1 + 4 + 9) / 2
    one = CodePosterior(torch.zeros(2, 1), torch.zeros(2, 1), torch.zeros(2, 1), torch.tensor([[1.0], [3.0]]))
    assert noise_l2(one, torch.tensor([[0.0], [1.0]])) == (1 + 4) / 2
    assert continuous_l2(torch.tensor([[1.0, 2.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 3.0]]), one) == 13 / 2


def test_the_generated_image_is_held_fixed():
    made, again = (torch.randn(2, 1, 4, 4, requires_grad=True) for _ in range(2))
    again_l2(again, made).backward()
    assert made.grad is None
    assert again.grad is not None


def test_draws_are_one_hot_with_the_gradient_of_the_soft_draw(generator):
    logits = torch.randn(8, 3, generator=generator, requires_grad=True)
    rest = torch.zeros(8, 2)
    posterior = CodePosterior(logits, rest, rest, rest[:, :0])
    uniform, normal = torch.rand(8, 3, generator=generator), torch.zeros(8, 2)
    drawn = {}
    for hard in (True, False):
        reading = CodeReading(LAYOUT, temperature=0.5, hard=hard, squash=False)
        value = reading.draw(posterior, uniform, normal)[:, :3]
        (gradient,) = torch.autograd.grad((value * torch.arange(3.0)).sum(), logits)
        drawn[hard] = (value.detach(), gradient)
    assert ((drawn[True][0] == 0) | (drawn[True][0] == 1)).all()
    assert torch.equal(drawn[True][0].argmax(1), drawn[False][0].argmax(1))
    torch.testing.assert_close(drawn[True][1], drawn[False][1])
    assert drawn[True][1].abs().sum() > 0


def test_draws_follow_the_posterior(generator):
    chances = torch.tensor([0.7, 0.2, 0.1])
    n = 20_000
    posterior = CodePosterior(
        chances.log().repeat(n, 1), torch.full((n, 2), 0.5), torch.full((n, 2), math.log(0.25)), torch.zeros(n, 0)
    )
    reading = CodeReading(LAYOUT, temperature=0.67, hard=True, squash=False)
    drawn = reading.draw(posterior, torch.rand(n, 3, generator=generator), torch.randn(n, 2, generator=generator))
    torch.testing.assert_close(drawn[:, :3].mean(0), chances, atol=0.012, rtol=0)
    assert drawn[:, 3:].mean().item() == pytest.approx(0.5, abs=0.01)
    assert drawn[:, 3:].std().item() == pytest.approx(0.5, abs=0.01)


def test_uniform_codes_stay_in_their_range(generator):
    layout = LAYOUT._replace(uniform=True)
    wide = CodePosterior(*(5 * torch.randn(50, k, generator=generator) for k in (3, 2, 2)), torch.zeros(50, 0))
    draws = torch.rand(50, 3, generator=generator), torch.randn(50, 2, generator=generator)
    squashed = CodeReading(layout, 0.5, hard=True, squash=True).draw(wide, *draws)[:, 3:]
    plain = CodeReading(layout, 0.5, hard=True, squash=False).draw(wide, *draws)[:, 3:]
    assert squashed.abs().max() <= 1 < plain.abs().max()


def test_likely_and_expected_codes(posterior):
    likely, expected = likely_codes(posterior), expected_codes(posterior)
    assert torch.equal(likely[:, :3].argmax(1), posterior.logits.argmax(1))
    assert torch.equal(likely[:, :3].sum(1), torch.ones(6).double())
    torch.testing.assert_close(expected[:, :3], posterior.logits.softmax(1))
    assert torch.equal(likely[:, 3:], posterior.mean)
    assert torch.equal(expected[:, 3:], posterior.mean)


@pytest.mark.parametrize(
    ("blocks", "layout"),
    [
        ((Uniform(62), Categorical(10), Uniform(2)), (62, 10, 2, True)),
        ((Normal(5), Categorical(3)), (5, 3, 0, False)),
        ((Uniform(5), Normal(4)), (5, 0, 4, False)),
    ],
)
def test_layouts_of_priors(blocks, layout):
    assert tuple(Prior(blocks).layout()) == layout


@pytest.mark.parametrize("blocks", ["normal(3)", "categorical(3) normal(2)", "normal(2) normal(2) categorical(3)"])
def test_priors_that_cannot_be_read_as_noise_and_codes(blocks):
    with pytest.raises(ConfigError, match=r"as uniform\(62\)"):
        Prior.from_plain(blocks).layout()


def of_logits(logits):
    return CodePosterior(logits, logits[:, :0], logits[:, :0], logits[:, :0])


def test_information_of_two_views():
    """Nothing for views that say nothing, log K for certain views that agree on all classes."""
    certain = of_logits(100.0 * torch.eye(4).repeat(3, 1))
    assert view_information(certain, certain) == pytest.approx(-math.log(4), abs=1e-6)
    silent = of_logits(torch.zeros(12, 4))
    assert view_information(silent, certain) == pytest.approx(0, abs=1e-6)
    # two of two classes, right three times of four: 1 bit less the entropy of a coin that falls 3 to 1
    a = of_logits(100.0 * torch.eye(2)[torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])])
    b = of_logits(100.0 * torch.eye(2)[torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])])
    coin = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert view_information(a, b) == pytest.approx(-(math.log(2) - coin), abs=1e-6)


def test_contrast_of_two_views_by_hand():
    """A view among three others, one of which is its partner."""
    alike = torch.ones(2, 5)
    assert view_contrast(alike, 3 * alike) == pytest.approx(math.log(3), abs=1e-6)  # lengths do not count
    apart = torch.eye(2)
    for temperature in (0.2, 1.0):
        expected = math.log(1 + 2 * math.exp(-1 / temperature))
        assert view_contrast(apart, apart, temperature=temperature) == pytest.approx(expected, abs=1e-6)
    swapped = view_contrast(apart, apart.flip(0), temperature=0.5)  # partners at 0, a stranger at 1
    assert swapped == pytest.approx(math.log(2 + math.exp(2)), abs=1e-6)
