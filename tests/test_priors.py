import math

import pytest
import torch

from twoway.errors import ConfigError, ModelError
from twoway.priors import Categorical, Normal, Prior, Sphere, Uniform


def test_samples_are_reproducible_and_of_the_blocks_kinds(generator):
    prior = Prior((Normal(2), Uniform(3), Categorical(4), Sphere(5)))
    z = prior.sample(1000, generator=generator)
    assert z.shape == (1000, 14)
    assert z.dtype == torch.float32
    assert torch.equal(z, prior.sample(1000, generator=torch.Generator().manual_seed(0)))
    normal, uniform, one_hot, sphere = prior.split(z)
    assert abs(normal.mean().item()) < 0.1
    assert abs(normal.std().item() - 1) < 0.1
    assert uniform.min() >= -1
    assert uniform.max() <= 1
    assert abs(uniform.var().item() - 1 / 3) < 0.05
    assert torch.equal(one_hot.sum(1), torch.ones(1000))
    assert one_hot.sum(0).min() > 150
    torch.testing.assert_close(sphere.norm(dim=1), torch.ones(1000))


def test_log_prob_by_hand():
    z = torch.tensor([[1.0, -2.0, 0.5, 0.0, 1.0]])
    expected = -0.5 * (1 + 4) - math.log(2 * math.pi) - math.log(2) - math.log(2)
    prior = Prior((Normal(2), Uniform(1), Categorical(2)))
    assert prior.log_prob(z).item() == pytest.approx(expected, rel=1e-6)


def test_log_prob_outside_the_support_is_minus_infinity():
    assert Uniform(1).log_prob(torch.tensor([[1.5]])).item() == -math.inf
    assert Categorical(2).log_prob(torch.tensor([[0.5, 0.5]])).item() == -math.inf
    assert Sphere(2).log_prob(torch.tensor([[1.0, 1.0]])).item() == -math.inf


@pytest.mark.parametrize(("dim", "area"), [(2, 2 * math.pi), (3, 4 * math.pi)])
def test_sphere_density_is_one_over_its_area(dim, area):
    point = torch.eye(dim)[:1]
    assert Sphere(dim).log_prob(point).item() == pytest.approx(-math.log(area), rel=1e-6)


def test_text_form_round_trips():
    prior = Prior((Normal(50), Categorical(10)))
    assert Prior.from_plain(prior.plain()) == prior
    assert Prior.from_plain("normal(50) categorical(10)") == prior


@pytest.mark.parametrize(
    ("text", "said"),
    [("normal", "written like"), ("nomal(3)", "did you mean 'normal'"), ("normal(0)", "at least 1"), ([], "at least one")],
)
def test_bad_text_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        Prior.from_plain(text)


def test_something_that_is_no_list_is_refused():
    with pytest.raises(ConfigError, match="list of blocks"):
        Prior.from_plain(5)


def test_split_checks_the_width():
    with pytest.raises(ModelError, match="do not fit the prior"):
        Prior((Normal(3),)).split(torch.zeros(2, 4))
